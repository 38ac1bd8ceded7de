// Moving the pages of a range to frames that follow each other, so that one array can show them (MADV_COLLAPSE of Linux
// 6.1, mm/khugepaged.c, without huge pages: nothing but the place of the frames changes).
//
// The caller holds the mmap lock for reading. Pages move one by one, each as in a copy on write (wp.ts): the entry is
// cleared and flushed with the table locked, so that no CPU reaches the old page while it is copied; a fault on the
// page waits for the lock of the table and finds another entry than it saw. Each page is pinned at its new place at
// once, so that the whole range is in place when the last page is.
//
// Only private anonymous memory is moved: no cache has its pages, and one entry maps each.

import { pollInterrupts } from '../machine/cpu.ts'
import {
  PTE_ACCESSED,
  PTE_DIRTY,
  PTE_FLAGS_MASK,
  PTE_FRAME_SHIFT,
  PTE_PKEY,
  PTE_PRESENT,
  PTE_WRITE,
  PageTable,
} from '../machine/pte.ts'
import { copyFrame } from '../machine/sectors.ts'
import { allocContigFrames, freeFrame, lruAddDrainFor, lruCacheAdd, putPage } from '../memory/page-alloc.ts'
import { tryLockPage, unlockPage } from '../memory/page-lock.ts'
import { PIN_BIAS, Page, initAnonymousPage, isPinned, pageCount, pageStruct } from '../memory/page.ts'
import { tryToFreeSwap } from '../memory/swap.ts'
import { EAGAIN, EBUSY, EINVAL, ENOMEM } from '../mm/errno.ts'
import { mmapReadLock, mmapReadUnlock } from '../mm/mmap-lock.ts'
import type { Task } from '../mm/task.ts'
import { spinLock, spinUnlock } from '../sync/spinlock.ts'
import { flushTlbMm } from '../tables/mmu-gather.ts'
import { invalidateRangeEnd, invalidateRangeStart } from '../tables/mmu-notifier.ts'
import { findPteTable, pmdAddrEnd, pteAddress } from '../tables/page-table.ts'
import { VM_SHARED, Vma } from '../vma/vma.ts'
import {
  NEEDS_FAULT,
  WALKED,
  beginRange,
  faultToPin,
  mustUnshare,
  raiseUnpinned,
  unpinPages,
  vmaAt,
} from './pin.ts'

/**
 * Moves the pages of [start, end) to a run of free frames and pins them there. Returns how many they are, and leaves
 * the first frame in `cpu.pinnedFrame`; or, with nothing pinned, -EINVAL (not private anonymous memory), -EBUSY (others
 * have one of them pinned), -ENOMEM (no such run is free) or -EAGAIN (another thread uses one of them, or this thread
 * has pinned as many ranges as it may). Then some of the pages may have moved. If a page cannot be brought in, throws
 * its signal, with nothing pinned. {@link unpinPages} undoes the pins. May sleep.
 */
export function collapsePages(cpu: Task, mm: number, start: number, end: number, write: boolean): number {
  const { heap } = cpu
  const first = allocContigFrames(cpu, end - start)
  if (first === 0) return -ENOMEM
  const record = beginRange(cpu, write)
  if (record === 0) {
    freeRun(cpu, first, end - start)
    return -EAGAIN
  }
  heap[record] = first
  for (;;) {
    mmapReadLock(cpu, mm)
    const why = moveRun(cpu, mm, start, end, record)
    mmapReadUnlock(cpu, mm)
    const moved = heap[record + 1] >> 1
    if (why === WALKED) {
      cpu.pinnedFrame = first
      return moved
    }
    const result = why === NEEDS_FAULT ? faultToPin(cpu, mm, start + moved, write) : 0
    if (why === NEEDS_FAULT && result === 0) continue
    freeRun(cpu, first + moved, end - start - moved)
    if (result !== 0) raiseUnpinned(cpu, result, start + moved, write)
    unpinPages(cpu)
    return why
  }
}

function freeRun(cpu: Task, first: number, count: number): void {
  for (let frame = first; frame < first + count; frame++) freeFrame(cpu, frame)
}

/**
 * Goes on with the run of `record`. The mmap lock is held for reading. Returns WALKED, NEEDS_FAULT, or an error of
 * {@link collapsePages}.
 */
function moveRun(cpu: Task, mm: number, start: number, end: number, record: number): number {
  const { heap } = cpu
  for (;;) {
    const page = start + (heap[record + 1] >> 1)
    if (page === end) return WALKED
    const vma = vmaAt(cpu, mm, page)
    if (vma === 0) return NEEDS_FAULT
    if (heap[vma + Vma.vmFile] !== 0 || (heap[vma + Vma.vmFlags] & VM_SHARED) !== 0) return -EINVAL
    const table = findPteTable(cpu, mm, page)
    if (table === 0) return NEEDS_FAULT
    const stop = pmdAddrEnd(page, Math.min(heap[vma + Vma.vmEnd], end))
    let why = WALKED
    invalidateRangeStart(cpu, mm, page, stop)
    for (let at = page; at < stop && why === WALKED; at++) {
      spinLock(cpu, table + PageTable.ptl)
      why = moveEntry(cpu, mm, at, pteAddress(table, at), record)
      spinUnlock(cpu, table + PageTable.ptl)
      pollInterrupts(cpu)
    }
    invalidateRangeEnd(cpu, mm)
    if (why !== WALKED) return why
  }
}

/** Moves the page of one entry to the next frame of the run. Its table is locked. */
function moveEntry(cpu: Task, mm: number, page: number, address: number, record: number): number {
  const { heap } = cpu
  const write = heap[record + 1] & 1
  const needed = write === 0 ? PTE_PRESENT : PTE_PRESENT | PTE_WRITE
  const seen = Atomics.load(heap, address)
  if ((seen & (needed | PTE_PKEY)) !== needed || mustUnshare(cpu, seen)) return NEEDS_FAULT
  const from = seen >>> PTE_FRAME_SHIFT
  const busy = busyError(cpu, from)
  if (busy !== 0) return busy
  // An exchange, since the hardware may set the dirty bit until that very moment.
  const entry = Atomics.exchange(heap, address, 0)
  flushTlbMm(cpu, mm, page, page + 1)
  const to = heap[record] + (heap[record + 1] >> 1)
  copyFrame(cpu, to, from)
  // `folio_migrate_flags`, and a pin.
  const old = pageStruct(cpu, from)
  const index = Atomics.load(heap, old + Page.index)
  initAnonymousPage(cpu, to, index, heap[old + Page.anonVma], 1 + PIN_BIAS)
  heap[record + 1] += 2
  const bits = write === 0 ? PTE_ACCESSED : PTE_ACCESSED | PTE_DIRTY
  lruCacheAdd(cpu, to)
  Atomics.store(heap, address, (to << PTE_FRAME_SHIFT) | (entry & PTE_FLAGS_MASK) | bits)
  putPage(cpu, from)
  return WALKED
}

/** 0 if nothing but its entry refers to an exclusive page; else an error: it is pinned, or still in the swap cache. */
function busyError(cpu: Task, frame: number): number {
  if (isPinned(cpu, frame)) return -EBUSY
  lruAddDrainFor(cpu, frame)
  if (pageCount(cpu, frame) === 1) return 0
  if (tryLockPage(cpu, frame)) {
    tryToFreeSwap(cpu, frame)
    unlockPage(cpu, frame)
  }
  return pageCount(cpu, frame) === 1 ? 0 : -EAGAIN
}
