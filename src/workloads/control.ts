// The few shared words through which the main thread and the workers of one bench run steer and count.
//
// Principles: every word is accessed with Atomics. Each thread counts in a cache line of its own (two,
// because processors fetch lines in pairs), and the main thread reads all counters at the start and the end
// of the measured window, as will-it-scale does, so that threads that start late or stop late do not
// matter.

export const PHASE_PREPARING = 0
export const PHASE_WARMING_UP = 1
export const PHASE_MEASURING = 2
export const PHASE_STOPPED = 3

export type Phase = 0 | 1 | 2 | 3

const PHASE_WORD = 0
const WORDS_PER_SLOT = 32

export class Control {
  readonly shared: SharedArrayBuffer
  readonly #words: Int32Array

  constructor(shared: SharedArrayBuffer) {
    this.shared = shared
    this.#words = new Int32Array(shared)
  }

  /** Memory for `slots` counting threads. */
  static create(slots: number): Control {
    return new Control(new SharedArrayBuffer((slots + 1) * WORDS_PER_SLOT * Int32Array.BYTES_PER_ELEMENT))
  }

  phase(): Phase {
    return Atomics.load(this.#words, PHASE_WORD) as Phase
  }

  /** Moves every thread to a phase, and wakes those that wait to begin. */
  setPhase(phase: Phase): void {
    Atomics.store(this.#words, PHASE_WORD, phase)
    Atomics.notify(this.#words, PHASE_WORD)
  }

  /** Sleeps until the main thread lets the threads begin; all of them begin together. */
  waitForStart(): void {
    while (this.phase() === PHASE_PREPARING) Atomics.wait(this.#words, PHASE_WORD, PHASE_PREPARING)
  }

  /** Publishes how much a thread has done. Counts wrap at 2^32. */
  publish(slot: number, count: number): void {
    Atomics.store(this.#words, (slot + 1) * WORDS_PER_SLOT, count)
  }

  /** What a thread has published, modulo 2^32. */
  count(slot: number): number {
    return Atomics.load(this.#words, (slot + 1) * WORDS_PER_SLOT) >>> 0
  }
}

/** How far a wrapping counter moved between two readings less than 2^32 counts apart. */
export function countsBetween(earlier: number, later: number): number {
  return (later - earlier) >>> 0
}
