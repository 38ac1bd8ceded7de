// Sequence counts: a word that is odd while a writer is at work, so that a reader needs to write nothing.
//
// Two writers at once would make it even while both are at work (race R9), so writing needs a lock of its own; the
// assertions below check that callers have it. `Atomics` orders everything around it, so no further barrier is
// written here.
//
// In Linux the count wraps at 2^32. A reader here is a thread that the host may not run for hours, while others write
// the count millions of times a second, so a second word counts the wraps. A reader reads that word first; a writer
// moves it while the count is odd. Thus an even count belongs to the wraps that were read before, or the wraps differ
// when the reader checks them again.

import { bugOn } from '../machine/errors.ts'
import { type Cpu, cpuWait } from '../machine/cpu.ts'

/** Words of a sequence count. */
export const SEQCOUNT_WORDS = 2

/** How often the count has wrapped; to be read before {@link readSeqcount}. */
export function readSeqcountTurns(cpu: Cpu, seqcount: number): number {
  return Atomics.load(cpu.heap, seqcount + 1)
}

/** `raw_read_seqcount`: the current value, odd when a writer is at work. */
export function readSeqcount(cpu: Cpu, seqcount: number): number {
  return Atomics.load(cpu.heap, seqcount)
}

/** `read_seqcount_retry`: true when something was written since `turns`, and then `start`, were read. */
export function readSeqcountRetry(cpu: Cpu, seqcount: number, start: number, turns: number): boolean {
  return Atomics.load(cpu.heap, seqcount) !== start || Atomics.load(cpu.heap, seqcount + 1) !== turns
}

/** `read_seqbegin` of a seqlock: waits until no writer is at work. The result is even. */
export function readSeqBegin(cpu: Cpu, seqcount: number): number {
  for (let spins = 0; ; spins++) {
    const value = Atomics.load(cpu.heap, seqcount)
    if ((value & 1) === 0) return value
    cpuWait(cpu, seqcount, value, spins)
  }
}

/** The last even count: the write that begins here wraps, and ends at 0. */
const LAST_EVEN = -2

/** Makes the count odd. The caller excludes other writers. */
export function writeSeqcountBegin(cpu: Cpu, seqcount: number): void {
  const before = Atomics.add(cpu.heap, seqcount, 1)
  bugOn((before & 1) !== 0, 'two writers in one sequence count')
  if (before === LAST_EVEN) Atomics.add(cpu.heap, seqcount + 1, 1)
}

/** Makes the count even again. */
export function writeSeqcountEnd(cpu: Cpu, seqcount: number): void {
  const before = Atomics.add(cpu.heap, seqcount, 1)
  bugOn((before & 1) === 0, 'a sequence count is ended that was not begun')
}
