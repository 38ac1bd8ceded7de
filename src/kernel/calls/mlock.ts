// mlock, munlock, mlockall: keeping pages in memory (mm/mlock.c of Linux 5.12).
//
// A flag marks a mapping as locked, and a bit marks each entry of its pages, because reclaim looks at entries and not
// at mappings. The call brings the pages in after it has released the mmap lock, and can still fail then.

import { finishCall } from '../cache/task-work.ts'
import { mmPopulate } from '../fault/populate.ts'
import { PTE_LOCKED, PTE_PRESENT, PTE_PROTNONE, PageTable } from '../machine/pte.ts'
import { EAGAIN, EINVAL, ENOMEM, EPERM } from '../mm/errno.ts'
import { Mm, RLIMIT_MEMLOCK, TASK_SIZE } from '../mm/mm.ts'
import { mmapWriteLock, mmapWriteUnlock } from '../mm/mmap-lock.ts'
import type { Task } from '../mm/task.ts'
import { spinLock, spinUnlock } from '../sync/spinlock.ts'
import { findPteTable, nextToWalk, pteAddress } from '../tables/page-table.ts'
import { limitBytes, limitPages } from '../vma/accounts.ts'
import { modifyVma } from '../vma/merge.ts'
import { findVma } from '../vma/vma-tree.ts'
import { VMA_PROTECT, VM_LOCKED, VM_LOCKED_MASK, VM_LOCKONFAULT, VM_SPECIAL, Vma } from '../vma/vma.ts'

/** `MCL_*`. */
export const MCL_CURRENT = 1
export const MCL_FUTURE = 2
export const MCL_ONFAULT = 4

/**
 * `do_mlock`: locks the pages [start, end) and brings them in; with `onFault`, locks only the pages that are present or
 * will be. Returns 0; -EPERM if nothing may be locked; -ENOMEM if the limit is exceeded, or a page is not mapped or
 * cannot be brought in; -EAGAIN if there was no memory for the pages.
 */
export function mlock(cpu: Task, mm: number, start: number, end: number, onFault: boolean): number {
  const flags = onFault ? VM_LOCKED | VM_LOCKONFAULT : VM_LOCKED
  mmapWriteLock(cpu, mm)
  let result = mayLock(cpu, mm, start, end)
  if (result === 0) result = applyVmaLockFlags(cpu, mm, start, end, flags)
  mmapWriteUnlock(cpu, mm)
  if (result === 0) {
    const error = mmPopulate(cpu, mm, start, end, false)
    // __mlock_posix_error_return() translates these errors for POSIX.
    if (error !== 0) result = error === -ENOMEM ? -EAGAIN : -ENOMEM
  }
  finishCall(cpu)
  return result
}

/** `munlock`: unlocks the pages [start, end). Returns 0, or -ENOMEM if a page is not mapped. */
export function munlock(cpu: Task, mm: number, start: number, end: number): number {
  mmapWriteLock(cpu, mm)
  const result = applyVmaLockFlags(cpu, mm, start, end, 0)
  mmapWriteUnlock(cpu, mm)
  finishCall(cpu)
  return result
}

/**
 * `mlockall`: locks what is mapped (MCL_CURRENT), what will be mapped (MCL_FUTURE), or both. Returns 0, -EINVAL, -EPERM
 * if nothing may be locked, or -ENOMEM if the limit is exceeded.
 */
export function mlockall(cpu: Task, mm: number, flags: number): number {
  if (flags === 0 || flags === MCL_ONFAULT || (flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)) !== 0) {
    return -EINVAL
  }
  mmapWriteLock(cpu, mm)
  const limit = limitPages(cpu, mm, RLIMIT_MEMLOCK)
  let result = 0
  if (limitBytes(cpu, mm, RLIMIT_MEMLOCK) === 0) result = -EPERM
  else if ((flags & MCL_CURRENT) !== 0 && cpu.heap[mm + Mm.totalVm] > limit) result = -ENOMEM
  else applyMlockallFlags(cpu, mm, flags)
  mmapWriteUnlock(cpu, mm)
  if (result === 0 && (flags & MCL_CURRENT) !== 0) mmPopulate(cpu, mm, 0, TASK_SIZE, true)
  finishCall(cpu)
  return result
}

/** `munlockall`: unlocks all mappings, and those to come. */
export function munlockall(cpu: Task, mm: number): void {
  mmapWriteLock(cpu, mm)
  applyMlockallFlags(cpu, mm, 0)
  mmapWriteUnlock(cpu, mm)
  finishCall(cpu)
}

/** `can_do_mlock` and the limit: pages of the range that are already locked do not count twice. */
function mayLock(cpu: Task, mm: number, start: number, end: number): number {
  if (limitBytes(cpu, mm, RLIMIT_MEMLOCK) === 0) return -EPERM
  const limit = limitPages(cpu, mm, RLIMIT_MEMLOCK)
  const locked = cpu.heap[mm + Mm.lockedVm] + end - start
  if (locked <= limit) return 0
  return locked - lockedPagesOf(cpu, mm, start, end) <= limit ? 0 : -ENOMEM
}

/** `count_mm_mlocked_page_nr`: how many pages of [start, end) belong to locked mappings. */
function lockedPagesOf(cpu: Task, mm: number, start: number, end: number): number {
  const { heap } = cpu
  let pages = 0
  for (let vma = findVma(cpu, mm, start); vma !== 0 && heap[vma + Vma.vmStart] < end;) {
    if ((heap[vma + Vma.vmFlags] & VM_LOCKED) !== 0) {
      pages += Math.min(heap[vma + Vma.vmEnd], end) - Math.max(heap[vma + Vma.vmStart], start)
    }
    vma = heap[vma + Vma.vmNext]
  }
  return pages
}

/** `apply_vma_lock_flags`: stops at a page that is not mapped; the pages before it keep their new flags. */
function applyVmaLockFlags(cpu: Task, mm: number, start: number, end: number, flags: number): number {
  const { heap } = cpu
  for (let page = start; page < end;) {
    const vma = findVma(cpu, mm, page)
    if (vma === 0 || heap[vma + Vma.vmStart] > page) return -ENOMEM
    const stop = Math.min(heap[vma + Vma.vmEnd], end)
    const error = mlockFixup(cpu, mm, vma, page, stop, flags)
    if (error < 0) return error
    page = stop
  }
  return 0
}

/** `apply_mlockall_flags`: ignores errors of single mappings. */
function applyMlockallFlags(cpu: Task, mm: number, flags: number): void {
  const { heap } = cpu
  const onFault = (flags & MCL_ONFAULT) !== 0 ? VM_LOCKONFAULT : 0
  heap[mm + Mm.defFlags] = (flags & MCL_FUTURE) !== 0 ? VM_LOCKED | onFault : 0
  if ((flags & MCL_FUTURE) !== 0 && (flags & MCL_CURRENT) === 0) return
  const wanted = (flags & MCL_CURRENT) !== 0 ? VM_LOCKED | onFault : 0
  let page = 0
  for (let vma = heap[mm + Mm.mmap]; vma !== 0; vma = findVma(cpu, mm, page)) {
    page = heap[vma + Vma.vmEnd]
    mlockFixup(cpu, mm, vma, heap[vma + Vma.vmStart], page, wanted)
  }
}

/** `mlock_fixup`: gives the pages [start, end) of `vma` the lock flags `flags`. Returns 0 or -ENOMEM. */
function mlockFixup(cpu: Task, mm: number, vma: number, start: number, end: number, flags: number): number {
  const { heap } = cpu
  const oldFlags = heap[vma + Vma.vmFlags]
  const newFlags = (oldFlags & ~VM_LOCKED_MASK) | flags
  // Mappings of the kernel's own cannot be locked, and do not count.
  if (newFlags === oldFlags || (oldFlags & VM_SPECIAL) !== 0) return 0
  const target = modifyVma(cpu, mm, vma, start, end, newFlags)
  if (target < 0) return target
  const wasLocked = (oldFlags & VM_LOCKED) !== 0
  const isLocked = (newFlags & VM_LOCKED) !== 0
  if (wasLocked && !isLocked) heap[mm + Mm.lockedVm] -= end - start
  if (isLocked && !wasLocked) heap[mm + Mm.lockedVm] += end - start
  cpu.design.vmaWriteBegin(cpu, target, VMA_PROTECT)
  cpu.design.rangeChanging(cpu, mm, start, end)
  Atomics.store(heap, target + Vma.vmFlags, newFlags)
  if (wasLocked !== isLocked) changeLockedEntries(cpu, mm, start, end, isLocked)
  cpu.design.vmaWriteEnd(cpu, target, VMA_PROTECT)
  cpu.design.rangeChanged(cpu, target, start, end)
  return 0
}

/**
 * Marks the entries of [start, end) as locked or unlocked. No translation becomes wrong, so it flushes nothing. The
 * caller holds the mmap lock for write.
 */
export function changeLockedEntries(
  cpu: Task,
  mm: number,
  start: number,
  end: number,
  locked: boolean,
): void {
  for (let page = start; page < end;) {
    const table = findPteTable(cpu, mm, page)
    const stop = nextToWalk(cpu, mm, table, page, end)
    if (table !== 0) changeLockedPtes(cpu, table, page, stop, locked)
    page = stop
  }
}

function changeLockedPtes(cpu: Task, table: number, start: number, end: number, locked: boolean): void {
  const { heap } = cpu
  spinLock(cpu, table + PageTable.ptl)
  for (let page = start; page < end; page++) {
    const address = pteAddress(table, page)
    for (;;) {
      const entry = Atomics.load(heap, address)
      const wanted = locked ? entry | PTE_LOCKED : entry & ~PTE_LOCKED
      if ((entry & (PTE_PRESENT | PTE_PROTNONE)) === 0 || wanted === entry) break
      // The hardware may set the accessed and dirty bits meanwhile; they must not get lost.
      if (Atomics.compareExchange(heap, address, entry, wanted) === entry) break
    }
  }
  spinUnlock(cpu, table + PageTable.ptl)
}
