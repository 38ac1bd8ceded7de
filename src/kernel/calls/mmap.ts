// mmap and munmap (mm/mmap.c of Linux 5.12). Arguments are page numbers; the results too, or negative errno values.

import { finishCall } from '../cache/task-work.ts'
import { END_OF_FILES } from '../cache/truncate.ts'
import { mmPopulate } from '../fault/populate.ts'
import { FILE_SHARED_ANONYMOUS, File, accountFile, createFile, putFile } from '../memory/file.ts'
import { accountMemory, honoursNoReserve, unaccountMemory, vmEnoughMemory } from '../memory/overcommit.ts'
import { EACCES, EAGAIN, EEXIST, EINVAL, ENOMEM, EOVERFLOW, EPERM } from '../mm/errno.ts'
import { MMAP_MIN, Mm, RLIMIT_MEMLOCK, TASK_SIZE } from '../mm/mm.ts'
import { mmapReadUnlock, mmapWriteDowngrade, mmapWriteLock, mmapWriteUnlock } from '../mm/mmap-lock.ts'
import type { Task } from '../mm/task.ts'
import { gatherBegin, gatherFinish } from '../tables/mmu-gather.ts'
import { invalidateRangeEnd, invalidateRangeStart } from '../tables/mmu-notifier.ts'
import { freePageTableRange } from '../tables/page-table.ts'
import { zapRange } from '../tables/zap.ts'
import { limitBytes, mayExpandVm, mlockFutureOk, vmStatAccount } from '../vma/accounts.ts'
import { type VmaMerge, mergeVma, splitVmaUnlimited } from '../vma/merge.ts'
import { executeOnlyPkey } from '../vma/pkeys.ts'
import { getUnmappedArea } from '../vma/unmapped-area.ts'
import { allocVmaToLink, linkVma, removeVma, unlinkVma, vmaGetFile } from '../vma/vma-link.ts'
import { findVma, findVmaLinks } from '../vma/vma-tree.ts'
import {
  VMA_UNMAP,
  VM_ACCESS_FLAGS,
  VM_ACCOUNT,
  VM_EXEC,
  VM_GROWSDOWN,
  VM_LOCKED,
  VM_LOCKED_MASK,
  VM_NORESERVE,
  VM_NO_MAYWRITE,
  VM_PKEY_SHIFT,
  VM_SHARED,
  VM_SPECIAL,
  VM_WRITE,
  Vma,
  vmaPages,
  vmaSetRange,
} from '../vma/vma.ts'

export const MAP_FIXED = 1
export const MAP_FIXED_NOREPLACE = 2
export const MAP_POPULATE = 4

/**
 * `do_mmap`: maps `pages` pages, at `hint` if MAP_FIXED. `file` is 0 for anonymous memory; shared anonymous memory
 * gets a file of its own. `vmFlags` are VM_READ and so on; VM_LOCKED is MAP_LOCKED. Returns the first page or a
 * negative errno.
 */
export function mmap(
  cpu: Task,
  mm: number,
  hint: number,
  pages: number,
  vmFlags: number,
  mapFlags: number,
  file: number,
  pgoff: number,
): number {
  if (pages === 0) return -EINVAL
  if (pages > TASK_SIZE) return -ENOMEM
  if (file !== 0 && pgoff + pages > END_OF_FILES) return -EOVERFLOW
  const ownFile = file === 0 && (vmFlags & VM_SHARED) !== 0
  const backing = ownFile ? createFile(cpu, pages, 4096, FILE_SHARED_ANONYMOUS) : file
  if (ownFile && backing === 0) return -ENOMEM
  mmapWriteLock(cpu, mm)
  const map = { page: hint, pages, vmFlags, file: backing, pgoff: ownFile ? 0 : pgoff }
  const page = mmapLocked(cpu, mm, map, mapFlags)
  const locked = ((vmFlags | cpu.heap[mm + Mm.defFlags]) & VM_LOCKED) !== 0
  mmapWriteUnlock(cpu, mm)
  if (ownFile) putFile(cpu, backing)
  // Pages that cannot be brought in now are no error of the call.
  if (page >= 0 && (locked || (mapFlags & MAP_POPULATE) !== 0)) mmPopulate(cpu, mm, page, page + pages, true)
  finishCall(cpu)
  return page
}

/** `struct mmap_state`: the mapping to make; `page` is its place, or a hint. */
interface NewMapping {
  readonly page: number
  readonly pages: number
  readonly vmFlags: number
  readonly file: number
  readonly pgoff: number
}

function mmapLocked(cpu: Task, mm: number, map: NewMapping, mapFlags: number): number {
  const { heap } = cpu
  const { pages, vmFlags, file } = map
  if (heap[mm + Mm.mapCount] > heap[mm + Mm.maxMapCount]) return -ENOMEM
  const pkey = (vmFlags & VM_ACCESS_FLAGS) === VM_EXEC ? Math.max(0, executeOnlyPkey(cpu, mm)) : 0
  let { page } = map
  if ((mapFlags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) === 0) {
    page = getUnmappedArea(cpu, mm, page, pages)
    if (page < 0) return page
  } else {
    if (page > TASK_SIZE - pages) return -ENOMEM
    if (page < MMAP_MIN) return -EPERM
    if ((mapFlags & MAP_FIXED_NOREPLACE) !== 0 && !findVmaLinks(cpu, mm, page, page + pages)) return -EEXIST
  }
  if ((vmFlags & VM_LOCKED) !== 0 && limitBytes(cpu, mm, RLIMIT_MEMLOCK) === 0) return -EPERM
  let flags = vmFlags | (pkey << VM_PKEY_SHIFT) | heap[mm + Mm.defFlags]
  if (!mlockFutureOk(cpu, mm, flags, pages)) return -EAGAIN
  if ((vmFlags & VM_NO_MAYWRITE) !== 0 && (vmFlags & VM_WRITE) !== 0) return -EACCES
  // Only private anonymous memory can be a stack. do_mmap() checks this after it has found a place.
  if ((flags & VM_GROWSDOWN) !== 0 && file !== 0) return -EINVAL
  if (!honoursNoReserve(cpu)) flags &= ~VM_NORESERVE
  // Shared anonymous memory cannot be written out to a file of the host: it counts by its whole size.
  const ownFile = file !== 0 && (heap[file + File.flags] & FILE_SHARED_ANONYMOUS) !== 0
  if (ownFile && (flags & VM_NORESERVE) === 0 && !accountFile(cpu, file)) return -ENOMEM
  return mmapRegion(cpu, mm, { page, pages, vmFlags: flags, file, pgoff: file === 0 ? page : map.pgoff })
}

/** `mmap_region`: makes [page, page + pages) a mapping with these properties, and removes what was mapped there. */
export function mmapRegion(cpu: Task, mm: number, map: NewMapping): number {
  const { heap } = cpu
  const { page, pages, file, pgoff } = map
  const end = page + pages
  const accountable = isAccountable(map.vmFlags)
  // Mappings of the kernel's own cannot be locked.
  const lockable = (map.vmFlags & VM_SPECIAL) === 0 ? map.vmFlags : map.vmFlags & ~VM_LOCKED_MASK
  const vmFlags = accountable ? lockable | VM_ACCOUNT : lockable
  const error = replaceRange(cpu, mm, page, end, vmFlags)
  if (error < 0) return error
  vmStatAccount(cpu, mm, vmFlags, pages)
  if ((vmFlags & VM_LOCKED) !== 0) heap[mm + Mm.lockedVm] += pages
  const merge = { previous: cpu.vmaLinkPrevious, start: page, end, vmFlags, anonVma: 0, file, pgoff }
  let vma = mergeVma(cpu, mm, merge)
  if (vma === 0) vma = linkNewVma(cpu, mm, merge)
  if (vma === 0) {
    vmStatAccount(cpu, mm, vmFlags, -pages)
    if ((vmFlags & VM_LOCKED) !== 0) heap[mm + Mm.lockedVm] -= pages
    if (accountable) unaccountMemory(cpu, pages)
    return -ENOMEM
  }
  cpu.design.rangeChanged(cpu, vma, page, end)
  return page
}

/** Links a new VMA for a mapping that merges with no other. Returns 0 if there is no memory. */
function linkNewVma(cpu: Task, mm: number, { start, end, vmFlags, file, pgoff }: VmaMerge): number {
  const { heap } = cpu
  const vma = allocVmaToLink(cpu, mm, start)
  if (vma === 0) return 0
  vmaSetRange(cpu, vma, start, end, pgoff)
  heap[vma + Vma.vmFlags] = vmFlags
  heap[vma + Vma.vmFile] = file
  vmaGetFile(cpu, vma)
  linkVma(cpu, mm, vma)
  return vma
}

/**
 * `__mmap_prepare`: checks whether a mapping [page, end) with these flags is allowed, commits its memory, and removes
 * what is mapped there. As in Linux since 6.12, what is mapped there stays if a check fails, though it may be split.
 * Leaves the place in the tree where findVmaLinks() leaves it. Returns 0 or a negative errno.
 */
function replaceRange(cpu: Task, mm: number, page: number, end: number, vmFlags: number): number {
  const { heap } = cpu
  const free = findVmaLinks(cpu, mm, page, end)
  let replaced = 0
  let accounted = 0
  if (!free) {
    const first = findVma(cpu, mm, page)
    const splits = splitEdges(cpu, mm, first, page, end)
    if (splits < 0) return splits
    for (let vma = findVma(cpu, mm, page); vma !== 0 && heap[vma + Vma.vmStart] < end;) {
      replaced += vmaPages(cpu, vma)
      if ((heap[vma + Vma.vmFlags] & VM_ACCOUNT) !== 0) accounted += vmaPages(cpu, vma)
      vma = heap[vma + Vma.vmNext]
    }
  }
  if (!mayExpandVm(cpu, mm, vmFlags, end - page - replaced)) return -ENOMEM
  if ((vmFlags & VM_ACCOUNT) !== 0) {
    const more = end - page - accounted
    if (more !== 0 && !vmEnoughMemory(cpu, more)) return -ENOMEM
    // munmapLocked() below uncommits the memory of the old mappings; the new mapping takes it over.
    accountMemory(cpu, accounted)
  }
  if (free) return 0
  munmapLocked(cpu, mm, page, end, false)
  findVmaLinks(cpu, mm, page, end)
  return 0
}

/** `accountable_mapping`. */
function isAccountable(vmFlags: number): boolean {
  return (vmFlags & (VM_NORESERVE | VM_SHARED | VM_WRITE)) === VM_WRITE
}

/** munmap: removes all mappings of [start, end). Returns 0 or a negative errno. */
export function munmap(cpu: Task, mm: number, start: number, end: number): number {
  if (start > TASK_SIZE || end > TASK_SIZE || start >= end) return -EINVAL
  mmapWriteLock(cpu, mm)
  const result = munmapLocked(cpu, mm, start, end, true)
  // Result 1: the lock was downgraded.
  if (result === 1) mmapReadUnlock(cpu, mm)
  else mmapWriteUnlock(cpu, mm)
  finishCall(cpu)
  return Math.min(result, 0)
}

/**
 * `__do_munmap`: the caller holds the mmap lock for write. With `mayDowngrade`, it downgrades the lock before it frees
 * the pages, as the VMAs are out of the tree by then. Returns 1 if it did, 0 if not, or a negative errno.
 */
export function munmapLocked(
  cpu: Task,
  mm: number,
  start: number,
  end: number,
  mayDowngrade: boolean,
): number {
  const { heap } = cpu
  const first = findVma(cpu, mm, start)
  if (first === 0 || heap[first + Vma.vmStart] >= end) return 0
  const splits = splitEdges(cpu, mm, first, start, end)
  if (splits < 0) return splits
  const detached = detachVmas(cpu, mm, start, end)
  const previous = cpu.detachedPrevious
  const next = cpu.detachedNext
  const accounted = cpu.detachedAccounted
  // Write-back finds the entries of a file through the VMAs in the trees of all address spaces. (In Linux, a VMA stays
  // in the tree of its file until its pages are unmapped.) It must not miss writes until then, so the lock stays held
  // for write, and write-back waits for it.
  const downgrades = mayDowngrade && !cpu.detachedWrites
  cpu.design.rangeChanging(cpu, mm, start, end)
  if (downgrades) mmapWriteDowngrade(cpu, mm)
  unmapRegion(cpu, mm, detached, start, end, previous, next)
  for (let vma = detached; vma !== 0;) {
    const following = heap[vma + Vma.vmNext]
    removeVma(cpu, vma)
    vma = following
  }
  unaccountMemory(cpu, accounted)
  return downgrades ? 1 : 0
}

/** Splits the VMAs that extend across `start` and `end`. */
function splitEdges(cpu: Task, mm: number, first: number, start: number, end: number): number {
  const { heap } = cpu
  if (heap[first + Vma.vmStart] < start) {
    // A hole in the middle adds one VMA.
    const makesHole = end < heap[first + Vma.vmEnd]
    if (makesHole && heap[mm + Mm.mapCount] >= heap[mm + Mm.maxMapCount]) return -ENOMEM
    const error = splitVmaUnlimited(cpu, first, start, false)
    if (error < 0) return error
  }
  const last = findVma(cpu, mm, end)
  if (last !== 0 && heap[last + Vma.vmStart] < end) return splitVmaUnlimited(cpu, last, end, true)
  return 0
}

/**
 * `detach_vmas_to_be_unmapped`: removes the VMAs of [start, end) from the mm and returns them as a list. Leaves their
 * neighbours in `cpu.detachedPrevious` and `cpu.detachedNext`, the number of their committed pages in
 * `cpu.detachedAccounted`, and whether one of them can write to a file in `cpu.detachedWrites`.
 */
function detachVmas(cpu: Task, mm: number, start: number, end: number): number {
  const { heap } = cpu
  let vma = findVma(cpu, mm, start)
  const list = vma
  cpu.detachedPrevious = heap[vma + Vma.vmPrev]
  cpu.detachedAccounted = 0
  cpu.detachedWrites = false
  let last = 0
  while (vma !== 0 && heap[vma + Vma.vmStart] < end) {
    const next = heap[vma + Vma.vmNext]
    const pages = vmaPages(cpu, vma)
    const vmFlags = heap[vma + Vma.vmFlags]
    vmStatAccount(cpu, mm, vmFlags, -pages)
    if ((vmFlags & VM_LOCKED) !== 0) heap[mm + Mm.lockedVm] -= pages
    if ((vmFlags & VM_ACCOUNT) !== 0) cpu.detachedAccounted += pages
    if ((vmFlags & VM_SHARED) !== 0 && heap[vma + Vma.vmFile] !== 0) cpu.detachedWrites = true
    unlinkVma(cpu, mm, vma)
    if (last !== 0) heap[last + Vma.vmNext] = vma
    heap[vma + Vma.vmNext] = 0
    last = vma
    vma = next
  }
  cpu.detachedNext = vma
  return list
}

/** `unmap_region`: frees the pages of detached VMAs, and the page tables that no other VMA uses. */
function unmapRegion(
  cpu: Task,
  mm: number,
  list: number,
  start: number,
  end: number,
  previous: number,
  next: number,
): void {
  const { heap } = cpu
  const floor = previous === 0 ? 0 : heap[previous + Vma.vmEnd]
  const ceiling = next === 0 ? 2 ** 31 : heap[next + Vma.vmStart]
  gatherBegin(cpu, mm)
  invalidateRangeStart(cpu, mm, start, end)
  for (let vma = list; vma !== 0; vma = heap[vma + Vma.vmNext]) {
    cpu.design.vmaWriteBegin(cpu, vma, VMA_UNMAP)
    zapRange(cpu, mm, heap[vma + Vma.vmStart], heap[vma + Vma.vmEnd])
    cpu.design.vmaWriteEnd(cpu, vma, VMA_UNMAP)
  }
  invalidateRangeEnd(cpu, mm)
  cpu.design.pageTablesFreeing(cpu, mm, start, end)
  freePageTableRange(cpu, mm, start, end, floor, ceiling)
  gatherFinish(cpu)
}
