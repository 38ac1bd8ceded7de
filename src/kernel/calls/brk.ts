// brk: the end of the heap (mm/mmap.c).

import { finishCall } from '../cache/task-work.ts'
import { mmPopulate } from '../fault/populate.ts'
import { Mm, RLIMIT_DATA, TASK_SIZE } from '../mm/mm.ts'
import { mmapReadUnlock, mmapWriteLock, mmapWriteUnlock } from '../mm/mmap-lock.ts'
import type { Task } from '../mm/task.ts'
import { limitBytes, mlockFutureOk } from '../vma/accounts.ts'
import { findVma, vmStartGap } from '../vma/vma-tree.ts'
import { VM_LOCKED, VM_READ, VM_WRITE, Vma } from '../vma/vma.ts'
import { mmapRegion, munmapLocked } from './mmap.ts'

/** The first page of the heap; 0 while none was set. */
export function startOfHeap(cpu: Task, mm: number): number {
  return cpu.heap[mm + Mm.startBrk]
}

/** Sets where the heap begins, as exec does. The heap is empty then. */
export function setStartOfHeap(cpu: Task, mm: number, page: number): void {
  mmapWriteLock(cpu, mm)
  cpu.heap[mm + Mm.startBrk] = page
  cpu.heap[mm + Mm.brkBytes] = 0
  mmapWriteUnlock(cpu, mm)
}

/** The size of the heap in bytes, 0 to 2^32 - 1. */
export function heapBytes(cpu: Task, mm: number): number {
  return cpu.heap[mm + Mm.brkBytes] >>> 0
}

/** Makes the heap `bytes` bytes long. Returns its size afterwards: the old one if the call fails, as in Linux. */
export function brk(cpu: Task, mm: number, bytes: number): number {
  mmapWriteLock(cpu, mm)
  const old = heapBytes(cpu, mm)
  const start = startOfHeap(cpu, mm)
  const oldEnd = start + Math.ceil(old / 4096)
  const newEnd = start + Math.ceil(bytes / 4096)
  let downgraded = false
  // check_data_rlimit() compares bytes, so it can refuse a call that maps no page.
  let done = start !== 0 && newEnd <= TASK_SIZE && bytes <= limitBytes(cpu, mm, RLIMIT_DATA)
  if (done && newEnd > oldEnd) {
    done = growHeap(cpu, mm, oldEnd, newEnd)
  } else if (done && newEnd < oldEnd) {
    // Since 6.1, Linux refuses to shrink a heap if the program has unmapped this part itself.
    const first = findVma(cpu, mm, newEnd)
    done = first !== 0 && cpu.heap[first + Vma.vmStart] < oldEnd
    const result = done ? munmapLocked(cpu, mm, newEnd, oldEnd, true) : 0
    downgraded = result === 1
    if (result < 0) done = false
  }
  if (done) cpu.heap[mm + Mm.brkBytes] = bytes | 0
  const populate = done && newEnd > oldEnd && (cpu.heap[mm + Mm.defFlags] & VM_LOCKED) !== 0
  if (downgraded) mmapReadUnlock(cpu, mm)
  else mmapWriteUnlock(cpu, mm)
  if (populate) mmPopulate(cpu, mm, oldEnd, newEnd, true)
  finishCall(cpu)
  return done ? bytes : old
}

/** `do_brk_flags`: maps anonymous memory from `start` to `end`, unless another mapping is in the way. */
function growHeap(cpu: Task, mm: number, start: number, end: number): boolean {
  const { heap } = cpu
  const next = findVma(cpu, mm, start)
  if (next !== 0 && Math.min(heap[next + Vma.vmStart], vmStartGap(cpu, next)) < end + 1) return false
  // Linux checks this even if the heap only extends its VMA.
  if (heap[mm + Mm.mapCount] > heap[mm + Mm.maxMapCount]) return false
  const flags = VM_READ | VM_WRITE | heap[mm + Mm.defFlags]
  if (!mlockFutureOk(cpu, mm, flags, end - start)) return false
  return mmapRegion(cpu, mm, { page: start, pages: end - start, vmFlags: flags, file: 0, pgoff: start }) >= 0
}
