// Pinned pages: memory that is reached without translations (mm/gup.c, `pin_user_pages`).
//
// A pin keeps the frame where it is and what it is: its holder reads and writes the frame itself, and no flush reaches
// it. So
//
//   - a page is pinned while the mmap lock is held for reading, which keeps fork away, and its table is locked, which
//     keeps reclaim and zaps away: what any of them finds is pinned or not, and stays so until it is done;
//   - a page of a private mapping is exclusive before it is pinned, for reading too (FAULT_FLAG_UNSHARE, Linux 6.0):
//     what the program then writes, it writes there. It stays exclusive, as fork copies what is pinned (70e806e4e645,
//     Linux 5.10);
//   - reclaim leaves pinned pages in place; munmap, MADV_DONTNEED and truncation unmap them, and the frame lives on,
//     nobody's page any more, until it is unpinned (`FOLL_PIN` in Documentation/core-api/pin_user_pages.rst);
//   - a page of a file that was pinned for writing is dirty once it is unpinned (`unpin_user_pages_dirty_lock`).
//
// The struct of a CPU lists what its thread has pinned, last in first out, so that the thread that cleans up after its
// end can unpin it.

import { pollInterrupts } from '../machine/cpu.ts'
import { Header } from '../machine/header.ts'
import { PINNED_RANGES_MAX, PerCpu } from '../machine/per-cpu.ts'
import {
  FAULT_UNSHARE,
  FAULT_USER,
  FAULT_WRITE,
  PTE_ACCESSED,
  PTE_DIRTY,
  PTE_FRAME_SHIFT,
  PTE_PKEY,
  PTE_PRESENT,
  PTE_WRITE,
  PageTable,
} from '../machine/pte.ts'
import { PAGE_SIZE } from '../machine/frames.ts'
import { ACCESS_READ, ACCESS_WRITE } from '../machine/mmu.ts'
import { noteWritten } from '../machine/sectors.ts'
import { freeFrame, lruAddDrainFor } from '../memory/page-alloc.ts'
import { setPageFlags } from '../memory/page-lock.ts'
import { PG_DIRTY, isExclusive, isFilePage, pinPage, unpinPage } from '../memory/page.ts'
import { EAGAIN } from '../mm/errno.ts'
import { VM_FAULT_ERROR } from '../mm/fault-context.ts'
import { mmapReadLock, mmapReadUnlock } from '../mm/mmap-lock.ts'
import type { Task } from '../mm/task.ts'
import { spinLock, spinUnlock } from '../sync/spinlock.ts'
import { findPteTable, pmdAddrEnd, pteAddress } from '../tables/page-table.ts'
import { findVma } from '../vma/vma-tree.ts'
import { VM_SHARED, Vma } from '../vma/vma.ts'
import { vmacacheFind, vmacacheUpdate } from '../vma/vmacache.ts'
import { raiseSignal } from './access.ts'
import { handleUserFault } from './fault.ts'

/**
 * Where a walk over entries ended: behind the range; at an entry that needs a fault; at one whose frame is not the
 * next; at one whose page has too many pins.
 */
export const WALKED = 0
export const NEEDS_FAULT = 1
const APART = 2
const TOO_MANY = 3

/**
 * Pins the pages of [start, end) as far as their frames follow each other: at least one. Returns their number, and
 * leaves the first frame in `cpu.pinnedFrame`; or -EAGAIN if this thread has pinned as many ranges as it may, or the
 * first page has too many pins. Faults missing pages in; if that fails, unpins the others and throws the signal. {@link
 * unpinPages} undoes it. May sleep.
 */
export function pinPages(cpu: Task, mm: number, start: number, end: number, write: boolean): number {
  const { heap } = cpu
  const record = beginRange(cpu, write)
  if (record === 0) return -EAGAIN
  for (;;) {
    mmapReadLock(cpu, mm)
    const why = walkRun(cpu, mm, start, end, record)
    mmapReadUnlock(cpu, mm)
    const pinned = heap[record + 1] >> 1
    if (why !== NEEDS_FAULT) {
      cpu.pinnedFrame = heap[record]
      if (pinned !== 0) return pinned
      unpinPages(cpu)
      return -EAGAIN
    }
    const result = faultToPin(cpu, mm, start + pinned, write)
    if (result !== 0) raiseUnpinned(cpu, result, start + pinned, write)
  }
}

/**
 * Begins a range without pages. Returns the place of its two words in the struct of the CPU, 0 if there are too many.
 */
export function beginRange(cpu: Task, write: boolean): number {
  const { heap, base } = cpu
  const depth = heap[base + PerCpu.pinnedRanges]
  if (depth === PINNED_RANGES_MAX) return 0
  const record = base + PerCpu.pins + 2 * depth
  heap[record] = 0
  heap[record + 1] = write ? 1 : 0
  heap[base + PerCpu.pinnedRanges] = depth + 1
  return record
}

/** Brings a page in, as exclusive or writable as a pin needs it. Returns 0, or the error of the fault. */
export function faultToPin(cpu: Task, mm: number, page: number, write: boolean): number {
  cpu.ioError = 0
  const result = handleUserFault(cpu, mm, page, FAULT_USER | (write ? FAULT_WRITE : FAULT_UNSHARE))
  return (result & VM_FAULT_ERROR) === 0 ? 0 : result
}

/** Unpins the range that was begun, and throws the signal of the page. */
export function raiseUnpinned(cpu: Task, result: number, page: number, write: boolean): never {
  unpinPages(cpu)
  return raiseSignal(cpu, result, page * PAGE_SIZE, write ? ACCESS_WRITE : ACCESS_READ)
}

/** Goes on with the run of `record`. The mmap lock is held for reading. */
function walkRun(cpu: Task, mm: number, start: number, end: number, record: number): number {
  const { heap } = cpu
  for (;;) {
    const page = start + (heap[record + 1] >> 1)
    if (page === end) return WALKED
    const vma = vmaAt(cpu, mm, page)
    const table = vma === 0 ? 0 : findPteTable(cpu, mm, page)
    if (table === 0) return NEEDS_FAULT
    const stop = pmdAddrEnd(page, Math.min(heap[vma + Vma.vmEnd], end))
    const isPrivate = (heap[vma + Vma.vmFlags] & VM_SHARED) === 0
    spinLock(cpu, table + PageTable.ptl)
    let why = WALKED
    for (let at = page; at < stop && why === WALKED; at++)
      why = pinEntry(cpu, pteAddress(table, at), isPrivate, record)
    spinUnlock(cpu, table + PageTable.ptl)
    if (why !== WALKED) return why
    pollInterrupts(cpu)
  }
}

/** The VMA that contains the page, or 0. The mmap lock is held. */
export function vmaAt(cpu: Task, mm: number, page: number): number {
  const cached = vmacacheFind(cpu, mm, page)
  if (cached !== 0) return cached
  const vma = findVma(cpu, mm, page)
  if (vma === 0 || cpu.heap[vma + Vma.vmStart] > page) return 0
  vmacacheUpdate(cpu, page, vma)
  return vma
}

/**
 * Adds the page of one entry to the run if its frame is the next. Sets the bits that hardware would. The table is
 * locked.
 */
function pinEntry(cpu: Task, address: number, isPrivate: boolean, record: number): number {
  const { heap } = cpu
  const run = heap[record + 1] >> 1
  const write = heap[record + 1] & 1
  const needed = write === 0 ? PTE_PRESENT : PTE_PRESENT | PTE_WRITE
  const bits = write === 0 ? PTE_ACCESSED : PTE_ACCESSED | PTE_DIRTY
  for (;;) {
    const entry = Atomics.load(heap, address)
    const frame = entry >>> PTE_FRAME_SHIFT
    if ((entry & (needed | PTE_PKEY)) !== needed) return NEEDS_FAULT
    if (isPrivate && mustUnshare(cpu, entry)) return NEEDS_FAULT
    if (run !== 0 && frame !== heap[record] + run) return APART
    if ((entry & bits) !== bits && Atomics.compareExchange(heap, address, entry, entry | bits) !== entry)
      continue
    if (!pinPage(cpu, frame)) return TOO_MANY
    // The holder may write anywhere in the frame: its array is writable even if it asked to read.
    if (Atomics.load(heap, heap[Header.writtenSectors] + frame) !== -1) noteWritten(cpu, frame, -1)
    if (run === 0) heap[record] = frame
    heap[record + 1] += 2
    return WALKED
  }
}

/** `gup_must_unshare`, of an entry of a private mapping; here also of pages of files and of the zero page. */
export function mustUnshare(cpu: Task, entry: number): boolean {
  // A page that is mapped writable is exclusive.
  if ((entry & PTE_WRITE) !== 0) return false
  // The zero page has no references, so it is not exclusive.
  const frame = entry >>> PTE_FRAME_SHIFT
  lruAddDrainFor(cpu, frame)
  return isFilePage(cpu, frame) || !isExclusive(cpu, frame)
}

/** `unpin_user_pages_dirty_lock`: undoes the last {@link pinPages} of this thread. */
export function unpinPages(cpu: Task): void {
  const { heap, base } = cpu
  const depth = heap[base + PerCpu.pinnedRanges] - 1
  const record = base + PerCpu.pins + 2 * depth
  const written = (heap[record + 1] & 1) !== 0
  const count = heap[record + 1] >> 1
  for (let frame = heap[record]; frame < heap[record] + count; frame++) {
    // If msync has cleaned the page meanwhile, it becomes dirty again before the pin goes. For anonymous memory the
    // entry is dirty: only MADV_FREE would clear that bit, and it skips pinned pages.
    if (written && isFilePage(cpu, frame)) setPageFlags(cpu, frame, PG_DIRTY)
    // A page that only the swap cache keeps now (reclaim had failed to take it) is left to reclaim.
    if (unpinPage(cpu, frame)) freeFrame(cpu, frame)
  }
  heap[base + PerCpu.pinnedRanges] = depth
}

/** Unpins the last ranges of this thread until `depth` are left: all of them if the thread ends. */
export function unpinTo(cpu: Task, depth: number): void {
  while (cpu.heap[cpu.base + PerCpu.pinnedRanges] > depth) unpinPages(cpu)
}
