// fork: a copy of an address space, whose private pages are shared until one side writes (kernel/fork.c dup_mmap,
// mm/memory.c copy_page_range).
//
// fork removes the write permission from the entries of private mappings on both sides. It flushes the parent's TLBs
// once, at the end. Until then it holds the mmap lock for write, and every design keeps faults out: otherwise a thread
// with an old translation could write to a page while a fault of another thread copies it, and that write would be lost
// (race R1, invariant I9).

import { allocPage } from '../cache/reclaim.ts'
import { finishCall } from '../cache/task-work.ts'
import { isStable } from '../fault/oom-reaper.ts'
import {
  PTE_ACCESSED,
  PTE_DIRTY,
  PTE_FLAGS_MASK,
  PTE_FRAME_SHIFT,
  PTE_LOCKED,
  PTE_SPECIAL,
  PTE_SWAP,
  PTE_WRITE,
  PageTable,
} from '../machine/pte.ts'
import { copyFrame } from '../machine/sectors.ts'
import { unaccountMemory, vmEnoughMemory } from '../memory/overcommit.ts'
import { freeFrame, lruCacheAdd } from '../memory/page-alloc.ts'
import { getPage, initAnonymousPage, isFilePage, isPinned } from '../memory/page.ts'
import { addMmCounter } from '../memory/rss.ts'
import { swapDuplicate } from '../memory/swap.ts'
import { ENOMEM } from '../mm/errno.ts'
import {
  MM_ANON_PAGES,
  MM_FILE_PAGES,
  MM_SWAPENTS,
  Mm,
  RLIMIT_STACK,
  RSS_KINDS,
  TASK_SIZE,
} from '../mm/mm.ts'
import { mmapWriteLock, mmapWriteUnlock } from '../mm/mmap-lock.ts'
import type { Task } from '../mm/task.ts'
import { spinLock, spinUnlock } from '../sync/spinlock.ts'
import { flushTlbMm } from '../tables/mmu-gather.ts'
import { invalidateRangeEnd, invalidateRangeStart } from '../tables/mmu-notifier.ts'
import { allocPteTable, findPteTable, nextToWalk, pteAddress } from '../tables/page-table.ts'
import { inheritLimits, limitPages, vmStatAccount } from '../vma/accounts.ts'
import { anonVmaFork, unlinkAnonVma } from '../vma/anon-vma.ts'
import { dupPkeys } from '../vma/pkeys.ts'
import { linkVma, vmaGetFile } from '../vma/vma-link.ts'
import { reserveVmaLink } from '../vma/vma-tree.ts'
import {
  VM_ACCOUNT,
  VM_DONTCOPY,
  VM_LOCKED_MASK,
  VM_WIPEONFORK,
  Vma,
  linearPageIndex,
  vmAreaDup,
  vmAreaFreeNow,
  vmaPages,
} from '../vma/vma.ts'
import { createMm, destroyMm, joinMm } from './mm-lifecycle.ts'

/**
 * Makes an address space with the mappings and contents of `parent`, without users. Returns 0 if there is no memory for
 * it, or if the OOM reaper has taken pages of the parent. Then no child is left, and the parent is unchanged, except
 * that some of its next writes fault.
 */
export function forkMm(cpu: Task, parent: number): number {
  const { heap } = cpu
  const child = createMm(cpu, heap[parent + Mm.maxMapCount], limitPages(cpu, parent, RLIMIT_STACK))
  if (child === 0) return 0
  mmapWriteLock(cpu, parent)
  // No other thread knows the child. Its lock is taken only for the assertions that check it
  // (`mmap_write_lock_nested`).
  mmapWriteLock(cpu, child)
  const copied = dupMmap(cpu, parent, child)
  mmapWriteUnlock(cpu, child)
  // Also after a failure, as entries are write-protected by then.
  flushTlbMm(cpu, parent, 0, TASK_SIZE)
  cpu.design.forkEnd(cpu, parent)
  mmapWriteUnlock(cpu, parent)
  if (!copied) {
    joinMm(cpu, child)
    destroyMm(cpu, child)
  }
  finishCall(cpu)
  return copied ? child : 0
}

/** `dup_mmap`. Returns false if there is no memory, or if the OOM reaper has taken pages of the parent. */
function dupMmap(cpu: Task, parent: number, child: number): boolean {
  const { heap } = cpu
  // MMF_UNSTABLE: the child would read zeros in place of the reaped pages, without an error.
  if (!isStable(cpu, parent)) return false
  inheritLimits(cpu, parent, child)
  dupPkeys(cpu, parent, child)
  heap[child + Mm.startBrk] = heap[parent + Mm.startBrk]
  heap[child + Mm.brkBytes] = heap[parent + Mm.brkBytes]
  heap[child + Mm.mmapBase] = heap[parent + Mm.mmapBase]
  for (let vma = heap[parent + Mm.mmap]; vma !== 0; vma = heap[vma + Vma.vmNext]) {
    if ((heap[vma + Vma.vmFlags] & VM_DONTCOPY) !== 0) continue
    const copy = dupVma(cpu, vma, child)
    if (copy === 0) return false
    vmStatAccount(cpu, child, heap[copy + Vma.vmFlags], vmaPages(cpu, vma))
    if ((heap[copy + Vma.vmFlags] & VM_WIPEONFORK) !== 0) continue
    cpu.design.forkBegin(cpu, vma)
    if (!copyPageRange(cpu, vma, copy, parent, child)) return false
  }
  return true
}

/**
 * Links a copy of a VMA into the child. Returns it, or 0 if there is no memory. The child does not inherit memory
 * locks.
 */
function dupVma(cpu: Task, vma: number, child: number): number {
  const { heap } = cpu
  const charge = (heap[vma + Vma.vmFlags] & VM_ACCOUNT) !== 0 ? vmaPages(cpu, vma) : 0
  if (charge !== 0 && !vmEnoughMemory(cpu, charge)) return 0
  const copy = vmAreaDup(cpu, vma)
  if (copy === 0) {
    unaccountMemory(cpu, charge)
    return 0
  }
  Atomics.store(heap, copy + Vma.vmMm, child)
  Atomics.store(heap, copy + Vma.vmFlags, heap[vma + Vma.vmFlags] & ~VM_LOCKED_MASK)
  const wiped = (heap[vma + Vma.vmFlags] & VM_WIPEONFORK) !== 0
  const tied = anonVmaFork(cpu, copy, wiped ? 0 : Atomics.load(heap, vma + Vma.anonVma))
  if (!tied || !reserveVmaLink(cpu, child, heap[vma + Vma.vmStart])) {
    unlinkAnonVma(cpu, copy)
    vmAreaFreeNow(cpu, copy)
    unaccountMemory(cpu, charge)
    return 0
  }
  vmaGetFile(cpu, copy)
  linkVma(cpu, child, copy)
  return copy
}

/**
 * `copy_page_range`: skips mappings whose pages a fault can bring in again from a file. `copy` is the child's VMA.
 * Returns false if there is no memory for a page table or for the copy of a pinned page.
 */
function copyPageRange(cpu: Task, vma: number, copy: number, parent: number, child: number): boolean {
  const { heap } = cpu
  if (Atomics.load(heap, vma + Vma.anonVma) === 0) return true
  const start = heap[vma + Vma.vmStart]
  const end = heap[vma + Vma.vmEnd]
  invalidateRangeStart(cpu, parent, start, end)
  const copied = copyTables(cpu, copy, parent, child, start, end)
  invalidateRangeEnd(cpu, parent)
  return copied
}

function copyTables(
  cpu: Task,
  copy: number,
  parent: number,
  child: number,
  start: number,
  end: number,
): boolean {
  for (let page = start; page < end;) {
    const table = findPteTable(cpu, parent, page)
    const stop = nextToWalk(cpu, parent, table, page, end)
    if (table === 0) {
      page = stop
      continue
    }
    const copyTable = allocPteTable(cpu, child, page)
    if (copyTable === 0) return false
    page = copyPteRange(cpu, child, table, copyTable, page, stop)
    if (page === stop) continue
    const copied = copyPinnedPage(cpu, copy, child, table, copyTable, page)
    if (copied < 0) return false
    page += copied
  }
  return true
}

/**
 * `copy_pte_range`. No other thread can use the child's table; its lock is taken only for form. Returns where it
 * stopped: before a pinned page, or at the end.
 */
function copyPteRange(
  cpu: Task,
  child: number,
  from: number,
  to: number,
  start: number,
  end: number,
): number {
  const { heap } = cpu
  const counts = cpu.zapCounts
  counts.fill(0)
  spinLock(cpu, from + PageTable.ptl)
  spinLock(cpu, to + PageTable.ptl)
  let page = start
  for (; page < end; page++) {
    const seen = Atomics.load(heap, pteAddress(from, page))
    if (seen === 0) continue
    if (needsCopyNow(cpu, seen)) break
    const entry = writeProtect(cpu, pteAddress(from, page))
    if ((entry & PTE_SWAP) !== 0) {
      swapDuplicate(cpu, entry >>> PTE_FRAME_SHIFT)
      counts[MM_SWAPENTS]++
    } else if ((entry & PTE_SPECIAL) === 0) {
      const frame = entry >>> PTE_FRAME_SHIFT
      getPage(cpu, frame)
      counts[isFilePage(cpu, frame) ? MM_FILE_PAGES : MM_ANON_PAGES]++
    }
    // The child has not accessed the page yet.
    Atomics.store(heap, pteAddress(to, page), entry & ~(PTE_ACCESSED | PTE_LOCKED))
  }
  spinUnlock(cpu, to + PageTable.ptl)
  spinUnlock(cpu, from + PageTable.ptl)
  for (let kind = 0; kind < RSS_KINDS; kind++) addMmCounter(cpu, child, kind, counts[kind])
  return page
}

/**
 * `page_needs_cow_for_dma`: parent and child cannot share a pinned anonymous page until one of them writes, because the
 * holder of the pin writes without a fault. While the mmap lock is held for write, no thread can pin another page.
 */
function needsCopyNow(cpu: Task, entry: number): boolean {
  if ((entry & (PTE_SWAP | PTE_SPECIAL)) !== 0 || entry === 0) return false
  const frame = entry >>> PTE_FRAME_SHIFT
  return isPinned(cpu, frame) && !isFilePage(cpu, frame)
}

/**
 * `copy_present_page`: gives the child a copy of a pinned page at once; the parent's entry stays as it is. Does nothing
 * if the page is no longer pinned. Returns how many pages it copied, or -ENOMEM.
 */
function copyPinnedPage(
  cpu: Task,
  copy: number,
  child: number,
  from: number,
  to: number,
  page: number,
): number {
  const { heap } = cpu
  const frame = allocPage(cpu)
  if (frame === 0) return -ENOMEM
  spinLock(cpu, from + PageTable.ptl)
  const entry = Atomics.load(heap, pteAddress(from, page))
  const pinned = needsCopyNow(cpu, entry)
  // The lock of the table keeps the entry, and the entry keeps the page.
  if (pinned) copyFrame(cpu, frame, entry >>> PTE_FRAME_SHIFT)
  spinUnlock(cpu, from + PageTable.ptl)
  if (!pinned) {
    freeFrame(cpu, frame)
    return 0
  }
  const index = linearPageIndex(cpu, copy, page)
  initAnonymousPage(cpu, frame, index, Atomics.load(heap, copy + Vma.anonVma), 1)
  lruCacheAdd(cpu, frame)
  const kept = entry & PTE_FLAGS_MASK & ~(PTE_ACCESSED | PTE_LOCKED)
  Atomics.store(heap, pteAddress(to, page), (frame << PTE_FRAME_SHIFT) | kept | PTE_DIRTY)
  addMmCounter(cpu, child, MM_ANON_PAGES, 1)
  return 1
}

/** `ptep_set_wrprotect`: the hardware may set the dirty bit until the exchange. Returns the new entry. */
function writeProtect(cpu: Task, address: number): number {
  const { heap } = cpu
  for (;;) {
    const entry = Atomics.load(heap, address)
    const readOnly = entry & ~PTE_WRITE
    if (readOnly === entry || Atomics.compareExchange(heap, address, entry, readOnly) === entry)
      return readOnly
  }
}
