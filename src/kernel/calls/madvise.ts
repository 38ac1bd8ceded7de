// madvise (mm/madvise.c).

import { forceReadAhead } from '../cache/readahead.ts'
import { pageOutRange } from '../cache/reclaim.ts'
import { finishCall } from '../cache/task-work.ts'
import { populateRange } from '../fault/populate.ts'
import { prefetchSwap } from '../fault/swap-fault.ts'
import { Header } from '../machine/header.ts'
import {
  PTE_ACCESSED,
  PTE_DIRTY,
  PTE_FRAME_SHIFT,
  PTE_PRESENT,
  PTE_PROTNONE,
  PTE_SPECIAL,
  PTE_SWAP,
  PageTable,
} from '../machine/pte.ts'
import { getFile, putFile } from '../memory/file.ts'
import { clearPageFlags, pageFlags, setPageFlags, tryLockPage, unlockPage } from '../memory/page-lock.ts'
import { PG_DIRTY, PG_LAZYFREE, pageCount } from '../memory/page.ts'
import { addMmCounter } from '../memory/rss.ts'
import { freeSwapAndCache, tryToFreeSwap } from '../memory/swap.ts'
import { EAGAIN, EINVAL, ENOMEM } from '../mm/errno.ts'
import type { FaultContext } from '../mm/fault-context.ts'
import { MM_SWAPENTS } from '../mm/mm.ts'
import { mmapReadLock, mmapReadUnlock, mmapWriteLock, mmapWriteUnlock } from '../mm/mmap-lock.ts'
import type { Task } from '../mm/task.ts'
import { spinUnlock } from '../sync/spinlock.ts'
import { flushTlbMm, gatherBegin, gatherFinish } from '../tables/mmu-gather.ts'
import { invalidateRangeEnd, invalidateRangeStart } from '../tables/mmu-notifier.ts'
import { findPteTable, nextToWalk, pteAddress } from '../tables/page-table.ts'
import { lockStanding, stillStands, zapRange, zapVmaRange } from '../tables/zap.ts'
import { modifyVma } from '../vma/merge.ts'
import { findVma } from '../vma/vma-tree.ts'
import {
  VMA_PROTECT,
  VM_DONTCOPY,
  VM_DONTDUMP,
  VM_HUGEPAGE,
  VM_LOCKED,
  VM_MERGEABLE,
  VM_NOHUGEPAGE,
  VM_RAND_READ,
  VM_SEQ_READ,
  VM_SHARED,
  VM_WIPEONFORK,
  Vma,
  linearPageIndex,
} from '../vma/vma.ts'

/** The numbers of Linux. */
export const MADV = {
  normal: 0,
  random: 1,
  sequential: 2,
  willneed: 3,
  dontneed: 4,
  free: 8,
  dontfork: 10,
  dofork: 11,
  mergeable: 12,
  unmergeable: 13,
  hugepage: 14,
  nohugepage: 15,
  dontdump: 16,
  dodump: 17,
  wipeonfork: 18,
  keeponfork: 19,
  cold: 20,
  pageout: 21,
  'populate-read': 22,
  'populate-write': 23,
  'dontneed-locked': 24,
} as const

/** Advice that changes flags of the VMA: the flags that it clears and sets. */
const flagAdvice: Readonly<Record<number, readonly [clear: number, set: number]>> = {
  [MADV.normal]: [VM_RAND_READ | VM_SEQ_READ, 0],
  [MADV.random]: [VM_SEQ_READ, VM_RAND_READ],
  [MADV.sequential]: [VM_RAND_READ, VM_SEQ_READ],
  [MADV.dontfork]: [0, VM_DONTCOPY],
  [MADV.dofork]: [VM_DONTCOPY, 0],
  [MADV.mergeable]: [0, VM_MERGEABLE],
  [MADV.unmergeable]: [VM_MERGEABLE, 0],
  [MADV.hugepage]: [VM_NOHUGEPAGE, VM_HUGEPAGE],
  [MADV.nohugepage]: [VM_HUGEPAGE, VM_NOHUGEPAGE],
  [MADV.dontdump]: [0, VM_DONTDUMP],
  [MADV.dodump]: [VM_DONTDUMP, 0],
  [MADV.wipeonfork]: [0, VM_WIPEONFORK],
  [MADV.keeponfork]: [VM_WIPEONFORK, 0],
}

/**
 * Advises on the pages [start, end). The advice applies to all mappings in the range; if part of the range is not
 * mapped, the result is -ENOMEM nevertheless. Advice that changes flags of a VMA fails with -EAGAIN if a split finds no
 * memory or exceeds maxMapCount. Advice that drops pages, or allows reclaim to drop them, fails with -EINVAL at the
 * first locked mapping. `willneed` reads pages into the page cache or the swap cache as long as frames are free.
 */
export function madvise(cpu: Task, mm: number, start: number, end: number, advice: number): number {
  if (start === end) return 0
  if (advice === MADV['populate-read'] || advice === MADV['populate-write']) {
    return populateRange(cpu, mm, start, end, advice === MADV['populate-write'])
  }
  const flags = flagAdvice[advice]
  if (flags === undefined) return madviseLocked(cpu, mm, start, end, advice)
  mmapWriteLock(cpu, mm)
  const result = madviseFlags(cpu, mm, start, end, flags[0], flags[1])
  mmapWriteUnlock(cpu, mm)
  finishCall(cpu)
  return result
}

/**
 * Advice on pages. Holds the lock of the VMA if the design has one and the VMA contains all pages; no lock if the
 * design can do without; otherwise the mmap lock for reading. So these calls run beside faults.
 */
function madviseLocked(cpu: Task, mm: number, start: number, end: number, advice: number): number {
  let page = start
  if (vmaLockSuffices(advice)) {
    const vma = tryVmaReadLock(cpu, mm, start, end)
    if (vma !== 0) {
      const result = advisePages(cpu, mm, vma, start, end, advice)
      cpu.design.vmaEndRead(cpu, vma)
      return result
    }
    page = adviseUnlocked(cpu, mm, start, end, advice)
    if (page === end) return 0
  }
  mmapReadLock(cpu, mm)
  const result = walkVmas(cpu, mm, page, end, advice)
  mmapReadUnlock(cpu, mm)
  return result
}

/** Advises without a lock, as long as the VMA does not change. Returns the page up to which it has advised. */
function adviseUnlocked(cpu: Task, mm: number, start: number, end: number, advice: number): number {
  const { fault } = cpu
  if (!cpu.design.entriesChangeBegin(cpu, mm, start, end)) return start
  let page = start
  // If the advice would fail, the locked path says so.
  if (advice === MADV.free) {
    if (fault.vmFile === 0 && (fault.vmFlags & VM_LOCKED) === 0)
      page = agePages(cpu, mm, start, end, true, fault)
  } else if (advice === MADV['dontneed-locked'] || (fault.vmFlags & VM_LOCKED) === 0) {
    gatherBegin(cpu, mm)
    page = zapRange(cpu, mm, start, end, fault)
    gatherFinish(cpu)
  }
  cpu.design.entriesChangeEnd(cpu)
  return page
}

/** `get_lock_mode`: the advice needs only MADVISE_VMA_READ_LOCK, as in Linux 6.17. */
function vmaLockSuffices(advice: number): boolean {
  return advice === MADV.dontneed || advice === MADV['dontneed-locked'] || advice === MADV.free
}

/** `try_vma_read_lock`: the VMA that contains all of [start, end), locked for reading, or 0. */
function tryVmaReadLock(cpu: Task, mm: number, start: number, end: number): number {
  const vma = cpu.design.lockVmaUnderRcu(cpu, mm, start)
  if (vma === 0 || end <= cpu.heap[vma + Vma.vmEnd]) return vma
  cpu.design.vmaEndRead(cpu, vma)
  return 0
}

function walkVmas(cpu: Task, mm: number, start: number, end: number, advice: number): number {
  const { heap } = cpu
  let result = 0
  let page = start
  while (page < end) {
    const vma = findVma(cpu, mm, page)
    if (vma === 0 || heap[vma + Vma.vmStart] >= end) return -ENOMEM
    if (heap[vma + Vma.vmStart] > page) {
      result = -ENOMEM
      page = heap[vma + Vma.vmStart]
    }
    const stop = Math.min(heap[vma + Vma.vmEnd], end)
    const error = advisePages(cpu, mm, vma, page, stop, advice)
    if (error < 0) return error
    page = stop
  }
  return result
}

/** `madvise_vma_behavior`, for advice on pages: [start, end) of one VMA. */
function advisePages(cpu: Task, mm: number, vma: number, start: number, end: number, advice: number): number {
  const { heap } = cpu
  if (advice === MADV['dontneed-locked']) {
    zapVmaRange(cpu, vma, start, end)
    return 0
  }
  if (advice === MADV.willneed) return willNeed(cpu, mm, vma, start, end)
  // can_madv_lru_vma(): the advice below drops pages, or allows reclaim to drop them.
  if ((heap[vma + Vma.vmFlags] & VM_LOCKED) !== 0) return -EINVAL
  if (advice === MADV.dontneed) zapVmaRange(cpu, vma, start, end)
  else if (advice === MADV.cold) agePages(cpu, mm, start, end, false)
  else if (advice === MADV.pageout) pageOutRange(cpu, mm, start, end)
  else if (advice === MADV.free) {
    if (heap[vma + Vma.vmFile] !== 0) return -EINVAL
    agePages(cpu, mm, start, end, true)
  }
  return 0
}

/**
 * `madvise_cold_page_range` and, with `gone`, `madvise_free_single_vma`: clears the accessed bits in the entries of
 * [start, end), so that the pages look long unused, and with `gone` also the dirty bits, as their content no longer
 * matters. A later write sets the dirty bit again, but not through a translation that has it set already. The function
 * flushes these translations before it returns, even if another call cleared the bit, or took the page, and has not
 * flushed yet (Linux 99baac21e458). Returns what `zapRange` does.
 */
function agePages(
  cpu: Task,
  mm: number,
  start: number,
  end: number,
  gone: boolean,
  seen?: FaultContext,
): number {
  let flush = false
  // A call without a lock had no observer to notify. An observer that registers meanwhile must not get an end without a
  // beginning (race R18).
  const isTold = gone && seen === undefined
  if (isTold) invalidateRangeStart(cpu, mm, start, end)
  let page = start
  while (page < end) {
    const table = findPteTable(cpu, mm, page)
    const stop = nextToWalk(cpu, mm, table, page, end)
    if (table === 0) {
      if (!stillStands(cpu, seen)) break
    } else {
      if (!lockStanding(cpu, table, seen)) break
      if (agePtes(cpu, mm, table, page, stop, gone) !== 0 || gone) flush = true
    }
    page = stop
  }
  if (flush) flushTlbMm(cpu, mm, start, end)
  if (isTold) invalidateRangeEnd(cpu, mm)
  return page
}

/** The caller has locked the table; this function unlocks it. */
function agePtes(cpu: Task, mm: number, table: number, start: number, end: number, gone: boolean): number {
  const { heap } = cpu
  const bits = gone ? PTE_ACCESSED | PTE_DIRTY : PTE_ACCESSED
  let changed = 0
  let swapped = 0
  for (let page = start; page < end; page++) {
    const address = pteAddress(table, page)
    const entry = Atomics.load(heap, address)
    if ((entry & PTE_SWAP) !== 0 && gone) {
      Atomics.store(heap, address, 0)
      freeSwapAndCache(cpu, entry >>> PTE_FRAME_SHIFT)
      swapped++
      continue
    }
    if ((entry & (PTE_PRESENT | PTE_PROTNONE)) === 0 || (entry & PTE_SPECIAL) !== 0) continue
    if (gone && !markLazyFree(cpu, entry >>> PTE_FRAME_SHIFT)) continue
    // Now only the hardware can change the entry, and it only sets these bits.
    if ((Atomics.and(heap, address, ~bits) & bits) !== 0) changed++
  }
  spinUnlock(cpu, table + PageTable.ptl)
  addMmCounter(cpu, mm, MM_SWAPENTS, -swapped)
  return changed
}

/**
 * `mark_page_lazyfree`: the program needs neither the content of the page nor its slot in the swap area. Returns false
 * and leaves the page as it was if there are other references to it, or another CPU has locked it.
 */
function markLazyFree(cpu: Task, frame: number): boolean {
  if (!tryLockPage(cpu, frame)) return false
  tryToFreeSwap(cpu, frame)
  const mine = pageCount(cpu, frame) === 1
  if (mine) {
    if ((pageFlags(cpu, frame) & PG_LAZYFREE) === 0) Atomics.add(cpu.heap, Header.lazyFreePages, 1)
    clearPageFlags(cpu, frame, PG_DIRTY)
    setPageFlags(cpu, frame, PG_LAZYFREE)
  }
  unlockPage(cpu, frame)
  return mine
}

/**
 * `madvise_willneed`: ignores errors of the disk; faults on these pages report them. It gives up the mmap lock
 * meanwhile, so the caller must look up the VMA again.
 */
function willNeed(cpu: Task, mm: number, vma: number, start: number, end: number): number {
  const { heap } = cpu
  const file = heap[vma + Vma.vmFile]
  if (file === 0) {
    prefetchSwap(cpu, mm, start, end)
    return 0
  }
  const first = linearPageIndex(cpu, vma, start)
  getFile(cpu, file)
  mmapReadUnlock(cpu, mm)
  forceReadAhead(cpu, file, first, first + end - start)
  putFile(cpu, file)
  mmapReadLock(cpu, mm)
  return 0
}

function madviseFlags(cpu: Task, mm: number, start: number, end: number, clear: number, set: number): number {
  const { heap } = cpu
  let result = 0
  let page = start
  while (page < end) {
    const vma = findVma(cpu, mm, page)
    if (vma === 0 || heap[vma + Vma.vmStart] >= end) return -ENOMEM
    if (heap[vma + Vma.vmStart] > page) {
      result = -ENOMEM
      page = heap[vma + Vma.vmStart]
    }
    const stop = Math.min(heap[vma + Vma.vmEnd], end)
    if (
      set === VM_WIPEONFORK &&
      (heap[vma + Vma.vmFile] !== 0 || (heap[vma + Vma.vmFlags] & VM_SHARED) !== 0)
    )
      return -EINVAL
    // ksm_madvise() ignores shared memory without an error.
    const ignored = set === VM_MERGEABLE && (heap[vma + Vma.vmFlags] & VM_SHARED) !== 0
    const newFlags = ignored ? heap[vma + Vma.vmFlags] : (heap[vma + Vma.vmFlags] & ~clear) | set
    if (updateVmaFlags(cpu, mm, vma, page, stop, newFlags) < 0) return -EAGAIN
    page = stop
  }
  return result
}

/**
 * `madvise_update_vma`: gives the pages [start, end) of `vma` the flags `newFlags`. Merges with neighbours that become
 * alike, or splits.
 */
function updateVmaFlags(
  cpu: Task,
  mm: number,
  vma: number,
  start: number,
  end: number,
  newFlags: number,
): number {
  const { heap } = cpu
  if (newFlags === heap[vma + Vma.vmFlags]) return 0
  const target = modifyVma(cpu, mm, vma, start, end, newFlags)
  if (target < 0) return target
  cpu.design.vmaWriteBegin(cpu, target, VMA_PROTECT)
  cpu.design.rangeChanging(cpu, mm, start, end)
  Atomics.store(heap, target + Vma.vmFlags, newFlags)
  cpu.design.vmaWriteEnd(cpu, target, VMA_PROTECT)
  cpu.design.rangeChanged(cpu, target, start, end)
  return 0
}
