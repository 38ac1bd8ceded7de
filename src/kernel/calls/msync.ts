// msync (mm/msync.c), by the calling thread or by the flusher.

import { finishCall } from '../cache/task-work.ts'
import { syncFileRange, writeFileRange } from '../cache/writeback.ts'
import { perCpuBase } from '../machine/cpu.ts'
import { PerCpu } from '../machine/per-cpu.ts'
import { expireFile, wakeFlusher } from '../memory/dirty.ts'
import { getFile, putFile } from '../memory/file.ts'
import { dropMm, grabMmOf } from '../memory/mm-count.ts'
import { checkMappedError } from '../memory/open-file.ts'
import { EBUSY, EINVAL, ENOMEM } from '../mm/errno.ts'
import { Mm } from '../mm/mm.ts'
import { mmapReadLock, mmapReadUnlock } from '../mm/mmap-lock.ts'
import type { Task } from '../mm/task.ts'
import { numberAt } from '../sync/number.ts'
import { findVma } from '../vma/vma-tree.ts'
import { VM_LOCKED, VM_SHARED, Vma, linearPageIndex } from '../vma/vma.ts'

export const MS_ASYNC = 1
export const MS_INVALIDATE = 2
export const MS_SYNC = 4
/** Ours. MS_WRITE writes as MS_SYNC does but reports no errors; MS_TELL reports them and writes nothing. */
const MS_WRITE = 8
const MS_TELL = 16

/**
 * Writes back the dirty pages of the shared file mappings in [start, end) with MS_SYNC; with MS_ASYNC asks the flusher,
 * if there is one, to do so soon (Linux since 2.6.19 leaves it to the flusher's period). Returns 0; -ENOMEM if some
 * page is not mapped, though the others are done; -EBUSY for a locked page with MS_INVALIDATE; or the errno of a
 * write-back that failed.
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
    const first = linearPageIndex(cpu, vma, page)
    const wanted = (flags & ~MS_INVALIDATE) !== 0 && file !== 0 && (vmFlags & VM_SHARED) !== 0
    // The mmap lock is not held while the host writes.
    if (wanted) getFile(cpu, file)
    mmapReadUnlock(cpu, mm)
    if ((flags & MS_INVALIDATE) !== 0 && (vmFlags & VM_LOCKED) !== 0) return -EBUSY
    if (wanted) {
      const error = syncMapping(cpu, file, first, first + stop - page, flags)
      putFile(cpu, file)
      if (error !== 0) return error
    }
    page = stop
  }
  return unmapped
}

function syncMapping(cpu: Task, file: number, first: number, end: number, flags: number): number {
  if ((flags & MS_SYNC) !== 0) return syncFileRange(cpu, file, first, end)
  if ((flags & MS_WRITE) !== 0) return writeFileRange(cpu, file, first, end)
  if ((flags & MS_TELL) !== 0) return checkMappedError(cpu, file)
  expireFile(cpu, file)
  return 0
}

// ---------------------------------------------------------------------------------------------------------------------
// By the flusher

/**
 * Requests an msync of [start, end) from the flusher. Returns the value that `syncDone` of this CPU will have when it
 * is done; the flusher notifies waiters on that word. A CPU has one request at a time.
 */
export function requestSync(cpu: Task, mm: number, start: number, end: number): number {
  const { heap, base } = cpu
  heap[base + PerCpu.syncMm] = mm
  for (const half of [0, 1]) heap[base + PerCpu.syncGeneration + half] = heap[mm + Mm.generation + half]
  heap[base + PerCpu.syncStart] = start
  heap[base + PerCpu.syncEnd] = end
  const ticket = (Atomics.add(heap, base + PerCpu.syncWanted, 1) + 1) | 0
  wakeFlusher(cpu)
  return ticket
}

/** For the flusher: performs the request of the CPU `id`. */
export function serveSync(cpu: Task, id: number): void {
  const { heap } = cpu
  const base = perCpuBase(heap, id)
  const wanted = Atomics.load(heap, base + PerCpu.syncWanted)
  if (wanted === Atomics.load(heap, base + PerCpu.syncDone)) return
  const mm = heap[base + PerCpu.syncMm]
  let result = -ENOMEM
  if (grabMmOf(cpu, mm, numberAt(heap, base + PerCpu.syncGeneration))) {
    result = syncMappings(cpu, mm, heap[base + PerCpu.syncStart], heap[base + PerCpu.syncEnd], MS_WRITE)
    dropMm(cpu, mm)
    finishCall(cpu)
  }
  heap[base + PerCpu.syncResult] = result
  Atomics.store(heap, base + PerCpu.syncDone, wanted)
  Atomics.notify(heap, base + PerCpu.syncDone)
}

/**
 * Ends {@link requestSync} in the thread that requested it. Returns the result of the msync, including errors of
 * earlier write-backs. If a page was unmapped since then, that is no error.
 */
export function finishSync(cpu: Task, mm: number): number {
  const { heap, base } = cpu
  const result = heap[base + PerCpu.syncResult]
  const earlier = syncMappings(cpu, mm, heap[base + PerCpu.syncStart], heap[base + PerCpu.syncEnd], MS_TELL)
  finishCall(cpu)
  if (result !== 0 || earlier === -ENOMEM) return result
  return earlier
}
