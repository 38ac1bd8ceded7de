// Errors of which several observers each get notice once (lib/errseq.c, Linux 4.13).
//
// A word holds the last error and a number that changes with each error that comes after an observer has looked. An
// observer keeps a copy of the word from its last look: if the two differ, there was an error since.

import type { Cpu } from '../machine/cpu.ts'

/** `MAX_ERRNO`: the bits of the error. */
const ERROR_MASK = 0xfff
/** `ERRSEQ_SEEN`: somebody was told, so that the next error has to be another number. */
const SEEN = 1 << 12
/** `ERRSEQ_CTR_INC`. */
const COUNTER_STEP = 1 << 13

/** `errseq_set`: `error` is a negative errno. */
export function errseqSet(cpu: Cpu, word: number, error: number): void {
  for (;;) {
    const old = Atomics.load(cpu.heap, word)
    const counted = (old & SEEN) === 0 ? old : (old + COUNTER_STEP) | 0
    const fresh = (counted & ~(ERROR_MASK | SEEN)) | -error
    if (fresh === old || Atomics.compareExchange(cpu.heap, word, old, fresh) === old) return
  }
}

/** `errseq_sample`: the copy of one who has not been told of anything; an error that nobody has seen is told to him. */
export function errseqSample(cpu: Cpu, word: number): number {
  const value = Atomics.load(cpu.heap, word)
  return (value & SEEN) === 0 ? 0 : value
}

/**
 * `errseq_check_and_advance`: the last error since the copy at `since` was taken, as a negative errno, or 0. Of several
 * who use one copy, one is told.
 */
export function errseqCheckAndAdvance(cpu: Cpu, word: number, since: number): number {
  const { heap } = cpu
  for (;;) {
    const before = Atomics.load(heap, since)
    const value = Atomics.load(heap, word)
    if (value === before) return 0
    const seen = value | SEEN
    // Where another error comes in between, it is the one to be told.
    if (seen !== value && Atomics.compareExchange(heap, word, value, seen) !== value) continue
    if (Atomics.compareExchange(heap, since, before, seen) === before) return -(seen & ERROR_MASK)
  }
}
