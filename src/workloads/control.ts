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

  /** Publishes how much a thread has done: less than 2^31 more than it had published. */
  publish(slot: number, count: number): void {
    const at = (slot + 1) * WORDS_PER_SLOT
    Atomics.store(this.#words, at, count)
    const turns = Math.floor(count / TURN)
    if (this.#words[at + 1] !== turns) Atomics.store(this.#words, at + 1, turns)
  }

  /** What a thread has published. */
  count(slot: number): number {
    const at = (slot + 1) * WORDS_PER_SLOT
    // How often the highest bit of the count has changed. That is behind by one while a thread publishes.
    const turns = Atomics.load(this.#words, at + 1)
    const count = Atomics.load(this.#words, at) >>> 0
    const behind = turns % 2 === Math.floor(count / TURN) ? 0 : 1
    return (turns + behind) * TURN + (count % TURN)
  }
}

/** What a count has reached when its highest bit of 32 changes. */
const TURN = 2 ** 31
