// msync (mm/msync.c).

import { finishCall } from '../cache/task-work.ts'
import { syncFileRange } from '../cache/writeback.ts'
import { getFile, putFile } from '../memory/file.ts'
import { EBUSY, EINVAL, ENOMEM } from '../mm/errno.ts'
import { mmapReadLock, mmapReadUnlock } from '../mm/mmap-lock.ts'
import type { Task } from '../mm/task.ts'
import { findVma } from '../vma/vma-tree.ts'
import { VM_LOCKED, VM_SHARED, Vma } from '../vma/vma.ts'

export const MS_ASYNC = 1
export const MS_INVALIDATE = 2
export const MS_SYNC = 4

/**
 * Writes what was written to the shared file mappings of [start, end) back, with MS_SYNC; MS_ASYNC has nothing to do,
 * as in Linux since 2.6.19. Returns 0; -ENOMEM when some page is not mapped, though the others were done; -EBUSY for a
 * locked page with MS_INVALIDATE; the errno of a write-back that failed.
 */
export function msync(cpu: Task, mm: number, start: number, end: number, flags: number): number {
  if ((flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC)) !== 0) return -EINVAL
  if ((flags & MS_ASYNC) !== 0 && (flags & MS_SYNC) !== 0) return -EINVAL
  if (end < start) return -ENOMEM
  const result = syncMappings(cpu, mm, start, end, flags)
  finishCall(cpu)
  return result
}

function syncMappings(cpu: Task, mm: number, start: number, end: number, flags: number): number {
  const { heap } = cpu
  let unmapped = 0
  for (let page = start; page < end;) {
    mmapReadLock(cpu, mm)
    const vma = findVma(cpu, mm, page)
    const vmStart = vma === 0 ? 0 : heap[vma + Vma.vmStart]
    if (vma === 0 || vmStart >= end) {
      mmapReadUnlock(cpu, mm)
      return -ENOMEM
    }
    if (vmStart > page) {
      unmapped = -ENOMEM
      page = vmStart
    }
    const vmFlags = heap[vma + Vma.vmFlags]
    const stop = Math.min(heap[vma + Vma.vmEnd], end)
    const file = heap[vma + Vma.vmFile]
    const first = page - vmStart + heap[vma + Vma.vmPgoff]
    const wanted = (flags & MS_SYNC) !== 0 && file !== 0 && (vmFlags & VM_SHARED) !== 0
    // The mmap lock is not held while the host writes.
    if (wanted) getFile(cpu, file)
    mmapReadUnlock(cpu, mm)
    if ((flags & MS_INVALIDATE) !== 0 && (vmFlags & VM_LOCKED) !== 0) return -EBUSY
    if (wanted) {
      const error = syncFileRange(cpu, file, first, first + stop - page)
      putFile(cpu, file)
      if (error !== 0) return error
    }
    page = stop
  }
  return unmapped
}
