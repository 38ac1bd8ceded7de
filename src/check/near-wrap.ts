// Counters of the kernel shortly before they wrap, as on a machine that has run for long.
//
// Kernel scenarios with the generic form of the mmap lock start like this: what a token repeats must follow from the
// machine that it names.

import { CPU_ENTRY, Header, Mm, PerCpu, SRCU_INDEXES, type Task, Vma, perCpuBase } from '../kernel/index.ts'

/** Numbers of the machine, before it has done anything. */
export function machineNearWrap(heap: Int32Array, cpus: number): void {
  for (const word of [
    Header.mmGeneration,
    Header.fileGeneration,
    Header.mmuNotifierGeneration,
    Header.clockRevolutions,
    Header.frameHand,
    Header.writebackPeriod,
  ])
    heap[word] = -1
  heap[Header.vmacacheSeqnum] = -4
  for (let id = 0; id < cpus; id++) {
    const base = perCpuBase(heap, id)
    heap[base + PerCpu.state] = -4 * CPU_ENTRY
    for (let index = 0; index < SRCU_INDEXES; index++) {
      heap[base + PerCpu.srcuLock + index] = -1
      heap[base + PerCpu.srcuUnlock + index] = -1
    }
  }
}

/** Numbers of all address spaces, when they are set up: what threads remember of them moves along. */
export function spacesNearWrap(heap: Int32Array, tasks: readonly Task[]): void {
  for (let mm = heap[Header.mmList]!; mm !== 0; mm = heap[mm + Mm.nextMm]!) {
    for (const task of tasks) {
      if (task.versionMm === mm && task.version === heap[mm + Mm.version]) task.version = LAST
    }
    heap[mm + Mm.mmapSeq] = LAST
    heap[mm + Mm.mmSeq] = LAST
    heap[mm + Mm.version] = LAST
    const difference = LAST - heap[mm + Mm.mmLockSeq]!
    heap[mm + Mm.mmLockSeq]! += difference
    for (let vma = heap[mm + Mm.mmap]!; vma !== 0; vma = heap[vma + Vma.vmNext]!) {
      heap[vma + Vma.vmSequence] = LAST
      heap[vma + Vma.vmLockSeq]! += difference
    }
  }
}

/** The last even number before 0. */
const LAST = -2

/** The lock number of the mm becomes, in `writers` steps, what the first VMA has kept from its last write lock. */
export function lockNumberComesRound(heap: Int32Array, mm: number, writers: number): void {
  const vma = heap[mm + Mm.mmap]!
  heap[mm + Mm.mmLockSeq] = heap[vma + Vma.vmLockSeq]! - writers
}
