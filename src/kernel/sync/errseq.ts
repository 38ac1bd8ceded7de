// Errors of which several observers each get notice once (lib/errseq.c, Linux 4.13).
//
// A word holds the last error and a number that changes with each error that comes after an observer has looked. An
// observer keeps a copy of the word from its last look: if the two differ, there was an error since.

import type { Cpu } from '../machine/cpu.ts'

/** `MAX_ERRNO`: the bits of the error. */
const ERROR_MASK = 0xfff
/** `ERRSEQ_SEEN`: an observer has seen the error, so the next error must change the number. */
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

/**
 * `errseq_sample`: the copy of a new observer. If no observer has seen the last error yet, the copy is 0, so that the
 * new one gets that error.
 */
export function errseqSample(cpu: Cpu, word: number): number {
  const value = Atomics.load(cpu.heap, word)
  return (value & SEEN) === 0 ? 0 : value
}

/**
 * `errseq_check_and_advance`: the last error since the copy at `since` was taken, as a negative errno, or 0. Updates
 * the copy. If several threads share the copy, one of them gets the error.
 */
export function errseqCheckAndAdvance(cpu: Cpu, word: number, since: number): number {
  const { heap } = cpu
  for (;;) {
    const before = Atomics.load(heap, since)
    const value = Atomics.load(heap, word)
    if (value === before) return 0
    const seen = value | SEEN
    // If another error is recorded in between, the next round returns that one.
    if (seen !== value && Atomics.compareExchange(heap, word, value, seen) !== value) continue
    if (Atomics.compareExchange(heap, since, before, seen) === before) return -(seen & ERROR_MASK)
  }
}
