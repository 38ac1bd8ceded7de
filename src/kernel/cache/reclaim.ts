// Reclaiming memory (mm/vmscan.c), by a clock with two hands.
//
// One hand goes over the page tables of all address spaces: it clears the accessed bit of an entry that was used since
// its last visit, and unmaps the page of any other. That page is then only in a cache: in that of its file, or in the
// swap cache. The other hand goes over all frames, and takes pages without other references out of the caches; it
// writes dirty ones first. There is no thread for this: a CPU that needs a frame and finds none turns the hands (direct
// reclaim). In a machine that is large enough, one CPU at a time does so earlier, when few frames are left: what kswapd
// does, in the thread that used the frames up, while other threads use those that are left.
//
// Reclaim looks at a page table without the mmap lock, as a speculative fault does: inside a window in which no table
// can be freed, and with a try-lock of the table. A locked table that has an entry is in use, and stays while it is
// locked, since a table must be empty before it is freed. Reclaim flushes what it has unmapped from all TLBs before it
// unlocks the table. Linux batches such flushes, and code that looks at entries must ask whether one is pending
// (flush_tlb_batched_pending, 3ea277194daa). Here code that looks at entries without the mmap lock never finds a page
// unmapped that a CPU can still reach by an old translation. docs/memory.md says what relies on that.

import { flushTlbOfOthers } from '../machine/calls.ts'
import { disableInterrupts, enableInterrupts, flushTlb, isInKernel, perCpuBase } from '../machine/cpu.ts'
import { Header } from '../machine/header.ts'
import {
  PTE_ACCESSED,
  PTE_DIRTY,
  PTE_FRAME_SHIFT,
  PTE_LOCKED,
  PTE_PRESENT,
  PTE_PROTNONE,
  PTE_SPECIAL,
  PTE_SWAP,
  PageTable,
} from '../machine/pte.ts'
import { sleepFor, sleepWhile } from '../machine/sleep.ts'
import { setPageDirty } from '../memory/dirty.ts'
import { dropMm, grabMm } from '../memory/mm-count.ts'
import { zonesFree } from '../memory/node.ts'
import { allocFrame, allocZoneFrame, drainAllPcp, hasFramesInFront, putPage } from '../memory/page-alloc.ts'
import { clearPageFlags, pageFlags, setPageFlags, tryLockPage, unlockPage } from '../memory/page-lock.ts'
import {
  PG_DIRTY,
  PG_LAZYFREE,
  PG_REFERENCED,
  PG_SWAPCACHE,
  Page,
  isPinned,
  pageCount,
  pageStruct,
} from '../memory/page.ts'
import { addMmCounter } from '../memory/rss.ts'
import {
  addToSwap,
  freeSwapSlot,
  isSwapLeaving,
  stopSwapOff,
  swapCacheSlot,
  swapDuplicate,
} from '../memory/swap.ts'
import { MM_ANON_PAGES, MM_FILE_PAGES, MM_SWAPENTS, Mm, TASK_SIZE } from '../mm/mm.ts'
import type { Task } from '../mm/task.ts'
import { rcuReadLock, rcuReadUnlock } from '../sync/rcu.ts'
import { refcountIncNotZero } from '../sync/refcount.ts'
import { downRead, downWrite, upRead, upWrite } from '../sync/rwsem.ts'
import { spinLock, spinTryLock, spinUnlock } from '../sync/spinlock.ts'
import { reclaimEnd, reclaimStart } from '../tables/mmu-notifier.ts'
import { findPteTable, nextPteTable, pmdAddrEnd, pteAddress } from '../tables/page-table.ts'
import { freeCleanPages, reclaimPage, writeCold } from './reclaim-page.ts'

/** `SWAP_CLUSTER_MAX`: how many frames are freed at a time. */
const RECLAIM_FRAMES = 32
/** How many frames the second hand passes at a time. */
const FRAMES_AT_A_TIME = 256

/**
 * `alloc_page(GFP_HIGHUSER_MOVABLE)`: a frame with undefined content, for which other pages may have to leave memory.
 * Sleeps only if the caller may. Returns 0 if there is none. The caller holds no spinlock.
 */
export function allocPage(cpu: Task): number {
  return hasFramesInFront(cpu) ? allocFrame(cpu) : allocPageSlow(cpu)
}

/** `__alloc_pages_slowpath`: the list of this CPU is empty. */
function allocPageSlow(cpu: Task): number {
  if (cpu.lowFrames !== 0 && maySleep(cpu)) balance(cpu)
  for (let retries = 0; ; retries++) {
    // As in Linux, the frames in the lists of other CPUs are requested only if reclaim has freed nothing: calling those
    // CPUs and waiting for their answers costs more.
    const frame = canReclaim(cpu) ? allocZoneFrame(cpu) : allocFrame(cpu)
    if (frame !== 0) return frame
    if (!maySleep(cpu)) return allocFrame(cpu)
    if (cpu.lowFrames !== 0 && waitForBalance(cpu)) continue
    const reclaimed = Atomics.load(cpu.heap, Header.reclaimedFrames)
    tryToFreePages(cpu)
    // Other CPUs may have freed frames.
    if (Atomics.load(cpu.heap, Header.reclaimedFrames) !== reclaimed) {
      retries = 0
      continue
    }
    const found = allocAlone(cpu)
    if (found !== 0) return found
    if (stopSwapOff(cpu)) continue
    if (!shouldReclaimRetry(cpu, retries)) return 0
    sleepFor(cpu, RECLAIM_WAIT_MS)
  }
}

/** Whether this CPU may wait for others here. */
function maySleep(cpu: Task): boolean {
  return cpu.rcuNesting === 0 && cpu.interruptsEnabled
}

/**
 * `wakeup_kswapd` and `balance_pgdat`: if fewer frames are free than the low watermark, frees some up to the high one,
 * unless another CPU does so already. The caller holds no spinlock. May sleep.
 */
export function balance(cpu: Task): void {
  const { heap } = cpu
  if (zonesFree(heap) >= cpu.lowFrames || !canReclaim(cpu)) return
  const balancing = Atomics.load(heap, Header.balancingCpu)
  // A CPU whose thread died while it balanced has left its number behind.
  if (balancing !== 0 && balancing !== cpu.id + 1 && isInKernel(heap, perCpuBase(heap, balancing - 1))) return
  if (Atomics.compareExchange(heap, Header.balancingCpu, balancing, cpu.id + 1) !== balancing) return
  downRead(cpu, Header.reclaimLock)
  while (zonesFree(heap) < cpu.highFrames && turnHands(cpu, RECLAIM_FRAMES) !== 0) {
    // The freed frames are in the list of this CPU.
    drainAllPcp(cpu)
    Atomics.notify(heap, Header.balancingCpu)
  }
  upRead(cpu, Header.reclaimLock)
  Atomics.compareExchange(heap, Header.balancingCpu, cpu.id + 1, 0)
  Atomics.notify(heap, Header.balancingCpu)
}

/**
 * `throttle_direct_reclaim`: no frame is left, and another CPU is freeing some: sleeps until it has. A CPU that sleeps
 * is outside the kernel, so no CPU waits for it to flush its TLB. Returns false if no CPU is freeing frames.
 */
function waitForBalance(cpu: Task): boolean {
  const balancing = Atomics.load(cpu.heap, Header.balancingCpu)
  if (balancing === 0 || balancing === cpu.id + 1) return false
  if (!isInKernel(cpu.heap, perCpuBase(cpu.heap, balancing - 1))) return false
  sleepWhile(cpu, Header.balancingCpu, balancing)
  return true
}

/**
 * This CPU could free nothing, but other CPUs that reclaim may hold all pages that could leave. Waits for them, and
 * tries once more while no other CPU reclaims (`oom_lock`).
 */
function allocAlone(cpu: Task): number {
  if (!canReclaim(cpu)) return allocFrame(cpu)
  downWrite(cpu, Header.reclaimLock)
  let frame = allocFrame(cpu)
  // Other CPUs may take the freed frames first.
  while (frame === 0 && turnHands(cpu, RECLAIM_FRAMES) !== 0) frame = allocFrame(cpu)
  upWrite(cpu, Header.reclaimLock)
  return frame
}

/** `MAX_RECLAIM_RETRIES`: how often a CPU waits for others if it could free nothing. */
const MAX_RECLAIM_RETRIES = 16
/** How long each time, in milliseconds (`congestion_wait`). */
const RECLAIM_WAIT_MS = 5

/**
 * `should_reclaim_retry`: other CPUs in the kernel, even if they do not reclaim, may have locked pages that could leave
 * memory, for as long as the host reads or writes them.
 */
function shouldReclaimRetry(cpu: Task, retries: number): boolean {
  if (retries >= MAX_RECLAIM_RETRIES || !canReclaim(cpu)) return false
  for (let id = 0; id < cpu.cpuCount; id++) {
    if (id !== cpu.id && isInKernel(cpu.heap, perCpuBase(cpu.heap, id))) return true
  }
  return false
}

/** `try_to_free_pages`: turns the hands until some frames are free. Returns how many were freed. */
export function tryToFreePages(cpu: Task): number {
  if (!canReclaim(cpu)) return 0
  downRead(cpu, Header.reclaimLock)
  const freed = turnHands(cpu, RECLAIM_FRAMES)
  upRead(cpu, Header.reclaimLock)
  return freed
}

/**
 * Turns the hands until about `wanted` frames are free. Returns how many it freed. The caller holds the lock of
 * reclaim.
 */
function turnHands(cpu: Task, wanted: number): number {
  const { heap } = cpu
  const revolution = Atomics.load(heap, Header.clockRevolutions)
  // The first pass spares pages that were used; by the third, every page has been unmapped and visited since.
  const passages = Math.ceil((3 * heap[Header.frameCount]) / FRAMES_AT_A_TIME)
  let freed = 0
  for (let passage = 0; freed < wanted; passage++) {
    freed += shrinkCaches(cpu)
    const turning = ((Atomics.load(heap, Header.clockRevolutions) - revolution) | 0) < 3
    if (turning && freed < wanted) freed += ageMappings(cpu)
    else if (passage >= passages) break
  }
  Atomics.add(heap, Header.reclaimedFrames, freed)
  return freed
}

/** Whether there are pages that could leave memory. */
function canReclaim(cpu: Task): boolean {
  const { heap } = cpu
  return (
    Atomics.load(heap, Header.cachedPages) !== 0 ||
    Atomics.load(heap, Header.lazyFreePages) !== 0 ||
    Atomics.load(heap, Header.swapSlots) !== 0
  )
}

// ---------------------------------------------------------------------------------------------------------------------
// The hand that goes over frames

/** Advances the hand over some frames. Returns how many it freed. */
export function shrinkCaches(cpu: Task): number {
  const { heap } = cpu
  const frameCount = heap[Header.frameCount]
  const passage = Math.min(FRAMES_AT_A_TIME, frameCount)
  let freed = 0
  let frame = (Atomics.add(heap, Header.frameHand, passage) >>> 0) % frameCount
  for (let passed = 0; passed < passage && freed < RECLAIM_FRAMES; passed++) {
    if (isCachedOnly(cpu, frame) && reclaimUnused(cpu, frame)) freed++
    if (++frame >= frameCount) frame = 0
  }
  return freed
}

/** As far as can be seen without a lock, only its cache refers to the page. */
function isCachedOnly(cpu: Task, frame: number): boolean {
  const page = pageStruct(cpu, frame)
  if (Atomics.load(cpu.heap, page + Page.refcount) !== 1) return false
  const cached = Atomics.load(cpu.heap, page + Page.mapping) !== 0
  return cached || (Atomics.load(cpu.heap, page + Page.flags) & PG_SWAPCACHE) !== 0
}

/** Takes the page out of its cache unless it was used since the hand's last visit. Returns whether it did. */
function reclaimUnused(cpu: Task, frame: number): boolean {
  if (!refcountIncNotZero(cpu, pageStruct(cpu, frame) + Page.refcount)) return false
  if ((pageFlags(cpu, frame) & PG_REFERENCED) !== 0) {
    clearPageFlags(cpu, frame, PG_REFERENCED)
    putPage(cpu, frame)
    return false
  }
  return reclaimPage(cpu, frame)
}

// ---------------------------------------------------------------------------------------------------------------------
// The hand that goes over page tables

/** Advances the hand over some pages of one address space. Returns how many frames it freed. */
function ageMappings(cpu: Task): number {
  const mm = nextChunk(cpu)
  if (mm === 0) return 0
  const start = cpu.clockPage
  const end = pmdAddrEnd(start, start + cpu.clockPages)
  const freed = unmapAndFree(cpu, mm, start, end, false)
  dropMm(cpu, mm)
  return freed
}

/**
 * Unmaps and frees pages of [start, end), which are of one table and at most `cpu.clockPages`: those that were not used
 * since the hand's last visit, or `all`. Returns how many frames it freed.
 */
function unmapAndFree(cpu: Task, mm: number, start: number, end: number, all: boolean): number {
  reclaimStart(cpu, mm)
  unmapCold(cpu, mm, start, end, all)
  reclaimEnd(cpu, mm)
  if (cpu.clockCount === 0) return 0
  let freed = freeCleanPages(cpu)
  const { clockFrames, clockCount } = cpu
  writeCold(cpu, clockFrames, clockCount)
  for (let n = clockCount - 1; n >= 0; n--) {
    // The reference of the entry that was removed becomes this CPU's.
    if (reclaimPage(cpu, clockFrames[n])) freed++
  }
  return freed
}

/** `madvise_pageout`: unmaps and frees the pages of [start, end), unless something else refers to them. */
export function pageOutRange(cpu: Task, mm: number, start: number, end: number): void {
  downRead(cpu, Header.reclaimLock)
  for (let page = nextTable(cpu, mm, start); page < end; page = nextTable(cpu, mm, page)) {
    const stop = Math.min((page & -cpu.clockPages) + cpu.clockPages, end)
    unmapAndFree(cpu, mm, page, stop, true)
    page = stop
  }
  upRead(cpu, Header.reclaimLock)
}

/**
 * Finds the next pages that have a table, sets `cpu.clockPage` to the first of them and the hand behind them. Returns
 * their address space with a reference, or 0 if there is none.
 */
function nextChunk(cpu: Task): number {
  const { heap } = cpu
  spinLock(cpu, Header.mmListLock)
  let mm = mmOfGeneration(cpu, heap[Header.clockGeneration])
  let page =
    mm !== 0 && heap[mm + Mm.generation] === heap[Header.clockGeneration] ? heap[Header.clockPage] : 0
  for (let wraps = 0; mm !== 0;) {
    page = nextTable(cpu, mm, page)
    if (page < TASK_SIZE) break
    page = 0
    mm = heap[mm + Mm.nextMm]
    if (mm !== 0) continue
    Atomics.add(heap, Header.clockRevolutions, 1)
    if (++wraps < 2) mm = heap[Header.mmList]
  }
  if (mm !== 0) {
    grabMm(cpu, mm)
    cpu.clockPage = page & -cpu.clockPages
    heap[Header.clockGeneration] = heap[mm + Mm.generation]
    heap[Header.clockPage] = Math.min(cpu.clockPage + cpu.clockPages, TASK_SIZE)
  } else {
    // There is no address space to visit: that counts as a revolution.
    Atomics.add(heap, Header.clockRevolutions, 1)
  }
  spinUnlock(cpu, Header.mmListLock)
  return mm
}

/** The address space with that generation, else the first. The list is locked. */
function mmOfGeneration(cpu: Task, generation: number): number {
  const { heap } = cpu
  for (let mm = heap[Header.mmList]; mm !== 0; mm = heap[mm + Mm.nextMm]) {
    if (heap[mm + Mm.generation] === generation) return mm
  }
  return heap[Header.mmList]
}

/** The first page from `page` on for which there is a pte table; TASK_SIZE if none. */
function nextTable(cpu: Task, mm: number, page: number): number {
  beginWindow(cpu)
  const next = nextPteTable(cpu, mm, page)
  endWindow(cpu)
  return next
}

/** No page table is freed from here to {@link endWindow}, see mmu-gather.ts. */
function beginWindow(cpu: Task): void {
  if (cpu.config.MMU_GATHER_RCU_TABLE_FREE) rcuReadLock(cpu)
  else disableInterrupts(cpu)
}

function endWindow(cpu: Task): void {
  if (cpu.config.MMU_GATHER_RCU_TABLE_FREE) rcuReadUnlock(cpu)
  else enableInterrupts(cpu)
}

/**
 * Unmaps the pages of [start, end), all of one table, that were not used since the hand's last visit, or `all`, and
 * flushes their translations. Leaves their frames in `cpu.clockFrames`, locked, each with the reference that its entry
 * had.
 */
function unmapCold(cpu: Task, mm: number, start: number, end: number, all: boolean): void {
  const counts = cpu.clockCounts
  counts.fill(0)
  cpu.clockCount = 0
  beginWindow(cpu)
  const table = findPteTable(cpu, mm, start)
  // Only a try: the holder may be waiting for this CPU to flush its TLB (race R11).
  const locked = table !== 0 && spinTryLock(cpu, table + PageTable.ptl)
  if (locked) for (let page = start; page < end; page++) unmapIfCold(cpu, pteAddress(table, page), all)
  if (cpu.clockCount === 0) {
    if (locked) spinUnlock(cpu, table + PageTable.ptl)
    endWindow(cpu)
    return
  }
  // From here on the lock keeps the table, as it has entries. Inside the window, this CPU could not wait for answers.
  endWindow(cpu)
  // Flushed with the table locked, since code that finds the page missing does not flush. Otherwise mprotect could
  // return while another CPU can still write to the page; or a CPU could read a page that MADV_FREE gave up, after
  // another CPU has stored to the page that took its place.
  flushAllCpus(cpu, mm)
  spinUnlock(cpu, table + PageTable.ptl)
  for (let kind = 0; kind < counts.length; kind++) addMmCounter(cpu, mm, kind, counts[kind])
}

function unmapIfCold(cpu: Task, address: number, all: boolean): void {
  const { heap } = cpu
  const entry = Atomics.load(heap, address)
  if ((entry & (PTE_PRESENT | PTE_PROTNONE)) === 0 || (entry & (PTE_SPECIAL | PTE_LOCKED)) !== 0) return
  if ((entry & PTE_ACCESSED) !== 0 && !all) {
    Atomics.and(heap, address, ~PTE_ACCESSED)
    return
  }
  const frame = entry >>> PTE_FRAME_SHIFT
  // Pages are pinned with the table locked: a page that is not pinned now cannot be before its entry is gone.
  if (isPinned(cpu, frame)) return
  // The page stays locked until no CPU has its old translation. Otherwise a write-back, which takes the page for clean,
  // or a fault that copies the page could miss what a CPU still writes.
  if (!tryLockPage(cpu, frame)) return
  const isFile = Atomics.load(heap, pageStruct(cpu, frame) + Page.mapping) !== 0
  const unmapped = isFile
    ? unmapFilePage(cpu, address, entry, frame)
    : unmapAnonymous(cpu, address, entry, frame)
  if (!unmapped) {
    unlockPage(cpu, frame)
    return
  }
  cpu.clockCounts[isFile ? MM_FILE_PAGES : MM_ANON_PAGES]--
  cpu.clockFrames[cpu.clockCount++] = frame
}

/** Returns false if the entry has changed: the hardware has just used it. */
function unmapFilePage(cpu: Task, address: number, entry: number, frame: number): boolean {
  if (Atomics.compareExchange(cpu.heap, address, entry, 0) !== entry) return false
  if ((entry & PTE_DIRTY) !== 0) setPageDirty(cpu, frame)
  return true
}

/** Replaces the entry by one of the swap area. Returns false if the hardware has just used it, or no slot is free. */
function unmapAnonymous(cpu: Task, address: number, entry: number, frame: number): boolean {
  const { heap } = cpu
  const given = (pageFlags(cpu, frame) & PG_LAZYFREE) !== 0
  if (given && (entry & PTE_DIRTY) === 0 && pageCount(cpu, frame) === 1) {
    return Atomics.compareExchange(heap, address, entry, 0) === entry
  }
  let slot = swapCacheSlot(cpu, frame)
  const fresh = slot === 0
  if (fresh) slot = addToSwap(cpu, frame, 1)
  else if (isSwapLeaving(cpu)) slot = 0
  else swapDuplicate(cpu, slot)
  if (slot === 0) return false
  if ((entry & PTE_DIRTY) !== 0) setPageFlags(cpu, frame, PG_DIRTY)
  if (Atomics.compareExchange(heap, address, entry, (slot << PTE_FRAME_SHIFT) | PTE_SWAP) === entry) {
    cpu.clockCounts[MM_SWAPENTS]++
    return true
  }
  // The page stays, and its slot with it: the next turn of the hand finds it, or the CPU that frees the page.
  freeSwapSlot(cpu, slot)
  return false
}

/** Flushes `mm` from all CPUs, this one included; all of it, as the table may have moved since it was found. */
function flushAllCpus(cpu: Task, mm: number): void {
  flushTlb(cpu)
  flushTlbOfOthers(cpu, mm + Mm.cpuMask, mm + Mm.pgd, 0, TASK_SIZE)
}
