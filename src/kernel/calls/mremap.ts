// mremap: growing, shrinking and moving a mapping (mm/mremap.c of Linux 5.12; several mappings in one call, as in
// 6.17).
//
// Entries move from table to table under the locks of both tables, and the old translations are flushed before the
// locks are released, so that no CPU can use the old address once the new one works (CVE-2018-18281). If all of a table
// moves, the table itself gets the new place (HAVE_MOVE_PMD, since Linux 5.0).

import { finishCall } from '../cache/task-work.ts'
import { END_OF_FILES } from '../cache/truncate.ts'
import { mmPopulate } from '../fault/populate.ts'
import { PMD_SHIFT, PageTable } from '../machine/pte.ts'
import { accountMemory, unaccountMemory, vmEnoughMemory } from '../memory/overcommit.ts'
import { EAGAIN, EFAULT, EINVAL, ENOMEM } from '../mm/errno.ts'
import { MMAP_MIN, Mm, TASK_SIZE } from '../mm/mm.ts'
import { mmapWriteLock, mmapWriteUnlock } from '../mm/mmap-lock.ts'
import type { Task } from '../mm/task.ts'
import { spinLock, spinUnlock } from '../sync/spinlock.ts'
import { flushTlbMm } from '../tables/mmu-gather.ts'
import { invalidateRangeEnd, invalidateRangeStart } from '../tables/mmu-notifier.ts'
import { allocPteTable, findPteTable, pteAddress, relinkPteTable } from '../tables/page-table.ts'
import { mayExpandVm, mlockFutureOk, vmStatAccount } from '../vma/accounts.ts'
import { anonVmaClone, unlinkAnonVma } from '../vma/anon-vma.ts'
import { adjustVma, mergeVma } from '../vma/merge.ts'
import { getUnmappedArea } from '../vma/unmapped-area.ts'
import { dupVmaToLink, linkVma, vmaGetFile } from '../vma/vma-link.ts'
import { findVma, findVmaLinks } from '../vma/vma-tree.ts'
import {
  VMA_ADJUST,
  VMA_PROTECT,
  VM_ACCOUNT,
  VM_LOCKED,
  VM_LOCKED_MASK,
  VM_SHARED,
  Vma,
  linearPageIndex,
  vmaPages,
  vmaSetRange,
} from '../vma/vma.ts'
import { changeLockedEntries } from './mlock.ts'
import { munmapLocked } from './mmap.ts'

export const MREMAP_MAYMOVE = 1
export const MREMAP_FIXED = 2
export const MREMAP_DONTUNMAP = 4

/** `struct vma_remap_struct`: the request. */
interface VmaRemap {
  /** The pages [page, page + oldPages) become [target, target + newPages). */
  readonly page: number
  readonly oldPages: number
  readonly newPages: number
  /** MREMAP_*. */
  readonly flags: number
  /** With MREMAP_FIXED; without, once a place was found. */
  readonly target: number
}

/**
 * Gives the mapping [page, page + oldPages) the size `newPages`, with MREMAP_FIXED at `target`. Returns its first page
 * or a negative errno.
 */
export function mremap(
  cpu: Task,
  mm: number,
  page: number,
  oldPages: number,
  newPages: number,
  flags: number,
  target: number,
): number {
  if (newPages === 0 || (flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP)) !== 0) return -EINVAL
  if ((flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) !== 0 && (flags & MREMAP_MAYMOVE) === 0) return -EINVAL
  if ((flags & MREMAP_DONTUNMAP) !== 0 && oldPages !== newPages) return -EINVAL
  if (newPages > TASK_SIZE) return -EINVAL
  mmapWriteLock(cpu, mm)
  cpu.populates = false
  const remap = { page, oldPages, newPages, flags, target }
  const isFixed = (flags & MREMAP_FIXED) !== 0
  const result = isFixed ? mremapTo(cpu, mm, remap) : mremapAnywhere(cpu, mm, remap)
  const grown = cpu.populates && result >= 0
  mmapWriteUnlock(cpu, mm)
  if (grown) mmPopulate(cpu, mm, result + oldPages, result + newPages, true)
  finishCall(cpu)
  return result
}

/** `mremap_at`: resizes in place if possible, else moves to any free place. */
function mremapAnywhere(cpu: Task, mm: number, { page, oldPages, newPages, flags }: VmaRemap): number {
  let vma = findVma(cpu, mm, page)
  if (vma === 0 || cpu.heap[vma + Vma.vmStart] > page) return -EFAULT
  if (oldPages >= newPages && (flags & MREMAP_DONTUNMAP) === 0) {
    if (oldPages === newPages) return page
    if (page + oldPages > TASK_SIZE) return -EINVAL
    const error = munmapLocked(cpu, mm, page + newPages, page + oldPages, false)
    return error < 0 ? error : page
  }
  const error = checkResizable(cpu, vma, page, oldPages, newPages)
  if (error < 0) return error
  if ((flags & MREMAP_DONTUNMAP) !== 0) {
    if (!mayExpandVm(cpu, mm, cpu.heap[vma + Vma.vmFlags], oldPages)) return -ENOMEM
  } else if (canExpandInPlace(cpu, vma, page, oldPages, newPages)) {
    return expandInPlace(cpu, vma, page + newPages) ? page : -ENOMEM
  }
  if ((flags & MREMAP_MAYMOVE) === 0) return -ENOMEM
  const target = getUnmappedArea(cpu, mm, 0, newPages)
  if (target < 0) return target
  vma = findVma(cpu, mm, page)
  return moveVma(cpu, mm, vma, { page, oldPages, newPages, flags, target })
}

/** Moves to a given place, and first unmaps what is there. */
function mremapTo(cpu: Task, mm: number, remap: VmaRemap): number {
  const { page, oldPages, newPages, target } = remap
  if (target > TASK_SIZE - newPages || target < MMAP_MIN) return -EINVAL
  if (page + oldPages > target && target + newPages > page) return -EINVAL
  return oldPages === newPages ? remapMove(cpu, mm, remap) : mremapVmaTo(cpu, mm, remap)
}

/**
 * `remap_move` (Linux 6.17): a range that keeps its size may span several VMAs with holes, which stay as large. Each
 * VMA is moved by itself: if one cannot be moved, those before it have been. The target is unmapped only where a VMA
 * moves to.
 */
function remapMove(cpu: Task, mm: number, { page, oldPages, flags, target }: VmaRemap): number {
  const { heap } = cpu
  const end = page + oldPages
  let from = page
  for (let vma = findVma(cpu, mm, from); ; vma = findVma(cpu, mm, from)) {
    const start = vma === 0 ? end : Math.max(heap[vma + Vma.vmStart], from)
    // The range must begin with a mapping.
    if (from === page && start !== page) return -EFAULT
    if (start >= end) return target
    const part = Math.min(heap[vma + Vma.vmEnd], end) - start
    const to = target + start - page
    const moved = mremapVmaTo(cpu, mm, { page: start, oldPages: part, newPages: part, flags, target: to })
    if (moved < 0) return moved
    from = start + part
    if (from === end) return target
  }
}

/** `mremap_to`, for a range within one VMA. */
function mremapVmaTo(cpu: Task, mm: number, remap: VmaRemap): number {
  const { page, oldPages, newPages, flags, target } = remap
  const source = findVma(cpu, mm, page)
  if (source === 0 || cpu.heap[source + Vma.vmStart] > page) return -EFAULT
  // Checked first, as in Linux since 6.17: a call that fails here leaves the target alone.
  let error = checkResizable(cpu, source, page, Math.min(oldPages, newPages), newPages)
  if (error < 0) return error
  error = munmapLocked(cpu, mm, target, target + newPages, false)
  if (error < 0) return error
  if (oldPages > newPages) {
    error = munmapLocked(cpu, mm, page + newPages, page + oldPages, false)
    if (error < 0) return error
  }
  const kept = Math.min(oldPages, newPages)
  const vma = findVma(cpu, mm, page)
  // With length 0, the target may have covered the original, which is unmapped now.
  if (vma === 0 || cpu.heap[vma + Vma.vmStart] > page) return -EFAULT
  const twice = (flags & MREMAP_DONTUNMAP) !== 0
  if (twice && !mayExpandVm(cpu, mm, cpu.heap[vma + Vma.vmFlags], kept)) return -ENOMEM
  return moveVma(cpu, mm, vma, { page, oldPages: kept, newPages, flags, target })
}

/**
 * `check_prep_vma`: the range is in one VMA of a kind that can be resized, and the limits allow its new size. Notes
 * whether the new pages must be brought in, as the mapping is locked.
 */
function checkResizable(cpu: Task, vma: number, page: number, oldPages: number, newPages: number): number {
  const { heap } = cpu
  const mm = heap[vma + Vma.vmMm]
  const vmFlags = heap[vma + Vma.vmFlags]
  // With length 0, a shared mapping is not moved but mapped a second time.
  if (oldPages === 0 && (vmFlags & VM_SHARED) === 0) return -EINVAL
  if (oldPages > heap[vma + Vma.vmEnd] - page) return -EFAULT
  if (oldPages === newPages) return 0
  // No file is that long.
  if (heap[vma + Vma.vmFile] !== 0 && linearPageIndex(cpu, vma, page) + newPages > END_OF_FILES)
    return -EINVAL
  if (!mlockFutureOk(cpu, mm, vmFlags, newPages - oldPages)) return -EAGAIN
  if (!mayExpandVm(cpu, mm, vmFlags, newPages - oldPages)) return -ENOMEM
  cpu.populates = (vmFlags & VM_LOCKED) !== 0
  return 0
}

/** `vma_expandable`: the range reaches the end of the VMA, and there is room behind it. */
function canExpandInPlace(cpu: Task, vma: number, page: number, oldPages: number, newPages: number): boolean {
  const { heap } = cpu
  const end = page + newPages
  if (page + oldPages !== heap[vma + Vma.vmEnd] || end > TASK_SIZE) return false
  const next = heap[vma + Vma.vmNext]
  // The guard gap of a stack is not considered here.
  return next === 0 || heap[next + Vma.vmStart] >= end
}

/** Extends the VMA to `end`, for which there is room. Returns false if that exceeds what may be committed. */
function expandInPlace(cpu: Task, vma: number, end: number): boolean {
  const { heap } = cpu
  const mm = heap[vma + Vma.vmMm]
  const oldEnd = heap[vma + Vma.vmEnd]
  const flags = heap[vma + Vma.vmFlags]
  const pages = end - oldEnd
  if ((flags & VM_ACCOUNT) !== 0 && !vmEnoughMemory(cpu, pages)) return false
  // As vma_merge() does: with the VMA behind, if it is alike.
  const merged = mergeVma(cpu, mm, {
    previous: vma,
    start: oldEnd,
    end,
    vmFlags: flags,
    anonVma: Atomics.load(heap, vma + Vma.anonVma),
    file: heap[vma + Vma.vmFile],
    pgoff: linearPageIndex(cpu, vma, oldEnd),
  })
  if (merged === 0) {
    adjustVma(cpu, vma, heap[vma + Vma.vmStart], end, heap[vma + Vma.vmPgoff], 0, vma)
  }
  cpu.design.rangeChanged(cpu, vma, oldEnd, end)
  vmStatAccount(cpu, mm, flags, pages)
  if ((flags & VM_LOCKED) !== 0) heap[mm + Mm.lockedVm] += pages
  return true
}

/** `move_vma`: makes a VMA at the target, moves the entries there, and unmaps the old range. */
function moveVma(cpu: Task, mm: number, vma: number, remap: VmaRemap): number {
  const { heap } = cpu
  const { page: from, target: to } = remap
  // Up to three more VMAs may be needed: two splits at the old place and the new VMA.
  if (heap[mm + Mm.mapCount] >= heap[mm + Mm.maxMapCount] - 3) return -ENOMEM
  cpu.design.mremapBegin(cpu, mm, from, to)
  const result = moveVmaLocked(cpu, mm, vma, remap)
  cpu.design.mremapEnd(cpu, mm, from, to)
  return result
}

/** {@link moveVma} between the hooks of the design. */
function moveVmaLocked(cpu: Task, mm: number, vma: number, remap: VmaRemap): number {
  const { heap } = cpu
  const { page: from, oldPages, newPages, target: to, flags } = remap
  const vmFlags = heap[vma + Vma.vmFlags]
  const accounted = (vmFlags & VM_ACCOUNT) !== 0
  const stays = (flags & MREMAP_DONTUNMAP) !== 0
  if (accounted && !vmEnoughMemory(cpu, stays ? newPages : newPages - oldPages)) return -ENOMEM
  if (copyVma(cpu, mm, vma, from, to, newPages) === 0) {
    if (accounted) unaccountMemory(cpu, stays ? newPages : newPages - oldPages)
    return -ENOMEM
  }
  // munmapLocked() below, for the old or the new place, uncommits this again.
  if (accounted && !stays) accountMemory(cpu, oldPages)
  vmStatAccount(cpu, mm, vmFlags, newPages)
  if ((vmFlags & VM_LOCKED) !== 0) heap[mm + Mm.lockedVm] += newPages
  cpu.design.rangeChanging(cpu, mm, from, from + oldPages)
  const moved = movePageTables(cpu, mm, from, to, oldPages)
  // If there is no memory for tables, all entries move back; the tables at their old place still exist.
  if (moved < oldPages) movePageTables(cpu, mm, to, from, moved)
  else if (stays) forgetAnonVma(cpu, mm, from, oldPages)
  cpu.design.mremapMoved(cpu, mm, from, to)
  if (moved < oldPages) {
    munmapLocked(cpu, mm, to, to + newPages, false)
    return -ENOMEM
  }
  if (stays) {
    unlockSource(cpu, mm, from)
    cpu.design.rangeChanged(cpu, findVma(cpu, mm, from), from, from + oldPages)
  } else if (oldPages !== 0) munmapLocked(cpu, mm, from, from + oldPages, false)
  return to
}

/**
 * Unlocks the VMA whose pages have moved away, even if other pages of it stay. Linux leaves those in the count of
 * locked pages.
 */
function unlockSource(cpu: Task, mm: number, page: number): void {
  const { heap } = cpu
  const source = findVma(cpu, mm, page)
  const vmFlags = heap[source + Vma.vmFlags]
  if ((vmFlags & VM_LOCKED) === 0) return
  heap[mm + Mm.lockedVm] -= vmaPages(cpu, source)
  cpu.design.vmaWriteBegin(cpu, source, VMA_PROTECT)
  cpu.design.rangeChanging(cpu, mm, heap[source + Vma.vmStart], heap[source + Vma.vmEnd])
  Atomics.store(heap, source + Vma.vmFlags, vmFlags & ~VM_LOCKED_MASK)
  changeLockedEntries(cpu, mm, heap[source + Vma.vmStart], heap[source + Vma.vmEnd], false)
  cpu.design.vmaWriteEnd(cpu, source, VMA_PROTECT)
}

/** The pages [page, page + pages) have moved away. If they were a whole VMA, it drops its anon_vma. */
function forgetAnonVma(cpu: Task, mm: number, page: number, pages: number): void {
  const { heap } = cpu
  const source = findVma(cpu, mm, page)
  if (heap[source + Vma.vmStart] !== page || heap[source + Vma.vmEnd] !== page + pages) return
  unlinkAnonVma(cpu, source)
  Atomics.store(heap, source + Vma.anonVma, 0)
}

/** `copy_vma`: makes a VMA [to, to + pages) with the properties that `vma` has at `from`, or extends a neighbour. */
function copyVma(cpu: Task, mm: number, vma: number, from: number, to: number, pages: number): number {
  const { heap } = cpu
  const file = heap[vma + Vma.vmFile]
  const anonVma = Atomics.load(heap, vma + Vma.anonVma)
  // Anonymous memory without an anon_vma is not tied to its old place.
  const pgoff = file === 0 && anonVma === 0 ? to : linearPageIndex(cpu, vma, from)
  if (!findVmaLinks(cpu, mm, to, to + pages)) return 0
  const merged = mergeVma(cpu, mm, {
    previous: cpu.vmaLinkPrevious,
    start: to,
    end: to + pages,
    vmFlags: heap[vma + Vma.vmFlags],
    anonVma,
    file,
    pgoff,
  })
  if (merged !== 0) {
    // `dup_anon_vma`: the moved pages refer to the anon_vma, and fork copies pages only of VMAs that have one. If the
    // merge took in the old VMA as well, that one is freed, and the merged VMA already has its anon_vma.
    if (anonVma !== 0 && Atomics.load(heap, merged + Vma.anonVma) === 0) {
      cpu.design.vmaWriteBegin(cpu, merged, VMA_ADJUST)
      anonVmaClone(cpu, merged, vma)
      cpu.design.vmaWriteEnd(cpu, merged, VMA_ADJUST)
    }
    return merged
  }
  const fresh = dupVmaToLink(cpu, vma, to)
  if (fresh === 0) return 0
  vmaSetRange(cpu, fresh, to, to + pages, pgoff)
  vmaGetFile(cpu, fresh)
  anonVmaClone(cpu, fresh, vma)
  linkVma(cpu, mm, fresh)
  return fresh
}

/** `move_page_tables`: returns how many pages it moved before there was no memory for a table. */
function movePageTables(cpu: Task, mm: number, from: number, to: number, pages: number): number {
  invalidateRangeStart(cpu, mm, from, from + pages)
  const moved = moveTables(cpu, mm, from, to, pages)
  invalidateRangeEnd(cpu, mm)
  return moved
}

function moveTables(cpu: Task, mm: number, from: number, to: number, pages: number): number {
  for (let done = 0; done < pages;) {
    const source = from + done
    const target = to + done
    const inSource = 2 ** PMD_SHIFT - (source & (2 ** PMD_SHIFT - 1))
    const inTarget = 2 ** PMD_SHIFT - (target & (2 ** PMD_SHIFT - 1))
    const run = Math.min(inSource, inTarget, pages - done)
    const oldTable = findPteTable(cpu, mm, source)
    const whole = run === 2 ** PMD_SHIFT && cpu.config.HAVE_MOVE_PMD
    if (oldTable !== 0 && !(whole && moveNormalPmd(cpu, mm, oldTable, source, target))) {
      const newTable = allocPteTable(cpu, mm, target)
      if (newTable === 0) return done
      movePtes(cpu, mm, oldTable, source, newTable, target, run)
    }
    done += run
  }
  return pages
}

/**
 * `move_normal_pmd`: moves the table itself, with all its entries. Returns false if the entries must be moved one by
 * one.
 *
 * The locks of the upper levels do not keep out a fault that already uses the table. A speculative fault that has
 * locked the table and checked its count for the last time would change an entry, and flush it, at an address where the
 * entry no longer is (race R4), as in the kernels for which the designs were written. Here mremap also locks the table:
 * a fault that holds the lock finishes before the table moves, and one that gets it later finds the count changed.
 */
function moveNormalPmd(cpu: Task, mm: number, table: number, from: number, to: number): boolean {
  const locks = cpu.design.locksMovedTables
  if (locks) spinLock(cpu, table + PageTable.ptl)
  const moved = relinkPteTable(cpu, mm, from, to)
  // Kamezawa, 18 December 2009: the table remembers the VMA at its old place.
  if (moved) Atomics.store(cpu.heap, table + PageTable.vma, 0)
  if (moved) flushTlbMm(cpu, mm, from, from + 2 ** PMD_SHIFT)
  if (locks) spinUnlock(cpu, table + PageTable.ptl)
  return moved
}

/** `move_ptes`. The mmap write lock keeps others that lock two tables out, so no order is needed. */
function movePtes(
  cpu: Task,
  mm: number,
  oldTable: number,
  from: number,
  newTable: number,
  to: number,
  pages: number,
): void {
  const { heap } = cpu
  spinLock(cpu, oldTable + PageTable.ptl)
  if (newTable !== oldTable) spinLock(cpu, newTable + PageTable.ptl)
  for (let index = 0; index < pages; index++) {
    const entry = Atomics.exchange(heap, pteAddress(oldTable, from + index), 0)
    if (entry !== 0) Atomics.store(heap, pteAddress(newTable, to + index), entry)
  }
  flushTlbMm(cpu, mm, from, from + pages)
  if (newTable !== oldTable) spinUnlock(cpu, newTable + PageTable.ptl)
  spinUnlock(cpu, oldTable + PageTable.ptl)
}
