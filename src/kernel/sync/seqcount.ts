// Sequence counts: a word that is odd while a writer is at work, so that a reader needs to write nothing.
//
// Two writers at once would turn it even while both are at work (race R9), so that writing needs a lock of its own;
// the assertions below hold the callers to it. `Atomics` orders everything around it, so no further barrier is
// written here. Values wrap at 2^32, as in Linux.

import { bugOn } from '../machine/errors.ts'
import { type Cpu, cpuWait } from '../machine/cpu.ts'

/** `raw_read_seqcount`: the current value, odd when a writer is at work. */
export function readSeqcount(cpu: Cpu, seqcount: number): number {
  return Atomics.load(cpu.heap, seqcount)
}

/** `read_seqcount_retry`: true when something was written since `start` was read. */
export function readSeqcountRetry(cpu: Cpu, seqcount: number, start: number): boolean {
  return Atomics.load(cpu.heap, seqcount) !== start
}

/** `read_seqbegin` of a seqlock: waits until no writer is at work. The result is even. */
export function readSeqBegin(cpu: Cpu, seqcount: number): number {
  for (let spins = 0; ; spins++) {
    const value = Atomics.load(cpu.heap, seqcount)
    if ((value & 1) === 0) return value
    cpuWait(cpu, seqcount, value, spins)
  }
}

/** Makes the count odd. The caller excludes other writers. */
export function writeSeqcountBegin(cpu: Cpu, seqcount: number): void {
  const before = Atomics.add(cpu.heap, seqcount, 1)
  bugOn((before & 1) !== 0, 'two writers in one sequence count')
}

/** Makes the count even again. */
export function writeSeqcountEnd(cpu: Cpu, seqcount: number): void {
  const before = Atomics.add(cpu.heap, seqcount, 1)
  bugOn((before & 1) === 0, 'a sequence count is ended that was not begun')
}
