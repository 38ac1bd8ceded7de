// Faults on pages that are in the swap area (mm/memory.c, do_swap_page).
//
// The fault looks for the page in the swap cache, reads it if it is not there, and maps it with the page locked. The
// slot's count is one less then. If the page is to be written and no other entry refers to the slot, the fault takes
// the page out of the cache, as the slot would not hold its content any more. The design says which of this may be done
// without the mmap lock.

import { freshPage } from '../cache/read-pages.ts'
import { allocPage } from '../cache/reclaim.ts'
import { cpuRelax } from '../machine/cpu.ts'
import { PAGE_SIZE } from '../machine/frames.ts'
import { Header } from '../machine/header.ts'
import { PTE_DIRTY, PTE_FRAME_SHIFT, PTE_SWAP, PageTable } from '../machine/pte.ts'
import { readSwapSlots } from '../memory/host-io.ts'
import { allocFrame, putPage } from '../memory/page-alloc.ts'
import { pageFlags, setPageFlags, tryLockPage, unlockPage, waitOnPageLocked } from '../memory/page-lock.ts'
import { PG_LOCKED, PG_UPTODATE, Page, pageCount, pageStruct } from '../memory/page.ts'
import { addMmCounterFast } from '../memory/rss.ts'
import {
  addToSwapCache,
  findGetSwapCache,
  freeSwapSlot,
  swapCacheSlot,
  tryToFreeSwap,
} from '../memory/swap.ts'
import { EIO, ENOMEM } from '../mm/errno.ts'
import { FAULT_FLAG_WRITE, type FaultContext, VM_FAULT_MAJOR, VM_FAULT_RETRY } from '../mm/fault-context.ts'
import { MM_ANON_PAGES, MM_SWAPENTS } from '../mm/mm.ts'
import type { Task } from '../mm/task.ts'
import { VmEvent } from '../mm/vm-event.ts'
import { countSpfEvent, countVmEvent } from '../mm/vmstat.ts'
import { spinUnlock } from '../sync/spinlock.ts'
import { findPteTable, nextToWalk, pteAddress } from '../tables/page-table.ts'
import { maybeMkwrite, youngPageProt } from '../tables/pte-flags.ts'
import { VM_LOCKED } from '../vma/vma.ts'
import { LOOK_AGAIN, afterWait } from './fault-wait.ts'
import { doWpPage } from './wp.ts'

/** `do_swap_page`. */
export function doSwapPage(cpu: Task, fault: FaultContext): number {
  for (;;) {
    const result = trySwapPage(cpu, fault)
    if (result !== LOOK_AGAIN) return result
    cpuRelax(cpu)
  }
}

function trySwapPage(cpu: Task, fault: FaultContext): number {
  if (fault.hold.swapPages(cpu) === 'never') {
    countSpfEvent(cpu, VmEvent.SPF_ABORT_SWAP)
    return VM_FAULT_RETRY
  }
  fault.hold.countAttempt(cpu, VmEvent.SPF_ATTEMPT_SWAP)
  const slot = fault.originalPte >>> PTE_FRAME_SHIFT
  const frame = findGetSwapCache(cpu, slot)
  if (frame === 0) return readMissing(cpu, fault, slot)
  if (!tryLockPage(cpu, frame)) return waitForPage(cpu, fault, frame)
  // The page may have left the cache before it was locked; then the entry has changed too, or the fault reads the page
  // again.
  if (swapCacheSlot(cpu, frame) !== slot) return release(cpu, frame, fault.hold.gone)
  if ((pageFlags(cpu, frame) & PG_UPTODATE) === 0) return readAgain(cpu, fault, slot, frame)
  return mapSwapPage(cpu, fault, slot, frame)
}

function release(cpu: Task, frame: number, result: number): number {
  unlockPage(cpu, frame)
  putPage(cpu, frame)
  return result
}

/** The fault may sleep. */
function maySleep(cpu: Task, fault: FaultContext): boolean {
  return fault.hold.swapPages(cpu) === 'any'
}

/** The page is not in the swap cache. */
function readMissing(cpu: Task, fault: FaultContext, slot: number): number {
  if (!maySleep(cpu, fault)) {
    countSpfEvent(cpu, VmEvent.SPF_ABORT_SWAP_NOPAGE)
    return VM_FAULT_RETRY
  }
  // In the second turn, another thread may have mapped the page meanwhile.
  if (fault.hold.entryChanged(cpu, fault)) return 0
  countVmEvent(cpu, VmEvent.pgmajfault)
  const left = fault.hold.release(cpu, fault, 0)
  const error = swapIn(cpu, slot)
  // Another thread has changed the entry, or is about to. A fault that holds a lock looks again until it sees the
  // change; one that holds none cannot look at the entry here, and would go on for ever.
  if (error === SLOT_GONE && fault.hold.gone !== 0) return fault.hold.gone
  return afterWait(cpu, fault, left, error, VM_FAULT_MAJOR)
}

/** Of {@link swapIn}: no entry refers to the slot any more. */
const SLOT_GONE = 1

/** `swapin_readahead`: what left memory together is likely wanted together. */
const SWAP_CLUSTER = 8

/**
 * `read_swap_cache_async`: brings a slot into the swap cache, and the slots behind it as long as there are free frames.
 * Returns 0, also if another thread did so; SLOT_GONE; or a negative errno.
 */
function swapIn(cpu: Task, slot: number): number {
  const { ioFrames } = cpu
  let count = 0
  for (; count < SWAP_CLUSTER && slot + count <= Atomics.load(cpu.heap, Header.swapSlots); count++) {
    const frame = freshPage(cpu, count === 0 ? allocPage(cpu) : allocFrame(cpu), PG_LOCKED)
    if (frame === 0) break
    const added = addToSwapCache(cpu, frame, slot + count)
    if (added !== 1) {
      release(cpu, frame, 0)
      if (count === 0) return added === 0 ? 0 : SLOT_GONE
      break
    }
    ioFrames[count] = frame
  }
  if (count === 0) return -ENOMEM
  const read = readSwapSlots(cpu, slot, count)
  for (let n = 0; n < count; n++) {
    if (read >= (n + 1) * PAGE_SIZE) {
      setPageFlags(cpu, ioFrames[n], PG_UPTODATE)
      countVmEvent(cpu, VmEvent.pswpin)
    }
    release(cpu, ioFrames[n], 0)
  }
  if (read >= PAGE_SIZE) return 0
  // Perhaps another slot cannot be read: a fault that finds its page in the cache and not up to date reads it alone.
  if (count > 1) return 0
  return Math.min(read, -EIO)
}

/**
 * `swapin_walk_pmd_entry`: reads the pages of [start, end) that are in the swap area into its cache. The mmap lock is
 * held.
 */
export function prefetchSwap(cpu: Task, mm: number, start: number, end: number): void {
  for (let page = start; page < end;) {
    const table = findPteTable(cpu, mm, page)
    const entry = table === 0 ? 0 : Atomics.load(cpu.heap, pteAddress(table, page))
    if ((entry & PTE_SWAP) !== 0 && swapIn(cpu, entry >>> PTE_FRAME_SHIFT) < 0) return
    page = table === 0 ? nextToWalk(cpu, mm, table, page, end) : page + 1
  }
}

/** Another thread has the page locked. Drops the reference. */
function waitForPage(cpu: Task, fault: FaultContext, frame: number): number {
  if (!maySleep(cpu, fault)) {
    putPage(cpu, frame)
    return VM_FAULT_RETRY
  }
  const left = fault.hold.release(cpu, fault, 0)
  waitOnPageLocked(cpu, frame)
  putPage(cpu, frame)
  return afterWait(cpu, fault, left, 0, 0)
}

/** An earlier read of the page, which is locked, has failed. */
function readAgain(cpu: Task, fault: FaultContext, slot: number, frame: number): number {
  if (!maySleep(cpu, fault)) return release(cpu, frame, VM_FAULT_RETRY)
  const left = fault.hold.release(cpu, fault, 0)
  cpu.ioFrames[0] = frame
  const read = readSwapSlots(cpu, slot, 1)
  if (read === PAGE_SIZE) setPageFlags(cpu, frame, PG_UPTODATE)
  release(cpu, frame, 0)
  return afterWait(cpu, fault, left, read === PAGE_SIZE ? 0 : Math.min(read, -EIO), 0)
}

/**
 * Maps the page, which is locked and has the content of the slot, if the entry is still the one that the fault saw. A
 * page that was read for a read is mapped read-only; Linux since 5.19 maps it writable if the entry was exclusive.
 */
function mapSwapPage(cpu: Task, fault: FaultContext, slot: number, frame: number): number {
  const { heap } = cpu
  if (!fault.hold.lockTable(cpu, fault)) return release(cpu, frame, VM_FAULT_RETRY)
  const address = pteAddress(fault.table, fault.page)
  if (Atomics.load(heap, address) !== fault.originalPte) {
    spinUnlock(cpu, fault.table + PageTable.ptl)
    return release(cpu, frame, 0)
  }
  freeSwapSlot(cpu, slot)
  // All VMAs that share the page have it at the same index.
  const index = pageStruct(cpu, frame) + Page.index
  const place = fault.page - fault.vmStart + fault.vmPgoff
  if (Atomics.load(heap, index) !== place) Atomics.store(heap, index, place)
  const write = (fault.flags & FAULT_FLAG_WRITE) !== 0
  let entry = (frame << PTE_FRAME_SHIFT) | youngPageProt(fault.vmFlags)
  // `reuse_swap_page`: one reference belongs to the swap cache, the other will belong to the entry.
  const mine = pageCount(cpu, frame) === 2 && (write || isSwapScarce(cpu, fault)) && tryToFreeSwap(cpu, frame)
  if (mine) entry = (write ? maybeMkwrite(entry, fault.vmFlags) : entry) | PTE_DIRTY
  Atomics.store(heap, address, entry)
  unlockPage(cpu, frame)
  addMmCounterFast(cpu, fault.mm, MM_ANON_PAGES, 1)
  addMmCounterFast(cpu, fault.mm, MM_SWAPENTS, -1)
  cpu.design.updateMmuCache(cpu, fault)
  if (write && !mine) {
    fault.originalPte = entry
    return doWpPage(cpu, fault)
  }
  spinUnlock(cpu, fault.table + PageTable.ptl)
  return 0
}

/** `mem_cgroup_swap_full`: more than half of the area is in use, or the page stays in memory anyway. */
function isSwapScarce(cpu: Task, fault: FaultContext): boolean {
  const { heap } = cpu
  if ((fault.vmFlags & VM_LOCKED) !== 0) return true
  return 2 * Atomics.load(heap, Header.swapFree) < Atomics.load(heap, Header.swapSlots)
}
