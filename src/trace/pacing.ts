/**
 * How the workers of a replay keep the order: each publishes how many operations it has done, and another one that
 * must come later waits for a number.
 *
 * Principles: a short spin, then sleep until the very operation that is waited for; no polling, no timeout. A waiter
 * writes down the number it wants before it looks again; a publisher that reaches a wanted number changes the epoch
 * and wakes all who sleep on it. Whoever read the epoch before writing its wish cannot miss that: either the
 * publisher sees the wish, or the epoch has changed and the sleep does not begin. When a worker cannot go on, `abort`
 * wakes everyone.
 */

/** Words of each worker: two cache lines of its own, as processors fetch lines in pairs. */
const STRIDE = 32
const DONE = 0
const WANTED = 1
const EPOCH = 2
// The words before the workers'.
const STARTED = 0
const ABORTED = 1

const NOBODY = 0x7fffffff
/** How often to look before sleeping: a few microseconds, in which most waits end. */
const SPINS = 300

/** Another worker cannot go on, so this one must not either. */
export class ReplayAborted extends Error {
  constructor() {
    super('another worker of the replay failed')
    this.name = 'ReplayAborted'
  }
}

export class Pacing {
  readonly shared: SharedArrayBuffer
  readonly #words: Int32Array

  constructor(shared: SharedArrayBuffer) {
    this.shared = shared
    this.#words = new Int32Array(shared)
  }

  static create(workers: number): Pacing {
    return new Pacing(new SharedArrayBuffer((workers + 1) * STRIDE * Int32Array.BYTES_PER_ELEMENT))
  }

  /** Operations that a worker has done since `reset`. */
  done(worker: number): number {
    return Atomics.load(this.#words, (worker + 1) * STRIDE + DONE)
  }

  /** Back to the beginning, for the next address space; while no worker runs. */
  reset(): void {
    Atomics.store(this.#words, STARTED, 0)
    for (let at = STRIDE; at < this.#words.length; at += STRIDE) {
      Atomics.store(this.#words, at + DONE, 0)
      Atomics.store(this.#words, at + WANTED, NOBODY)
    }
  }

  /** Lets every worker begin. */
  start(): void {
    Atomics.store(this.#words, STARTED, 1)
    Atomics.notify(this.#words, STARTED)
  }

  /** Sleeps until `start`. */
  awaitStart(): void {
    while (Atomics.load(this.#words, STARTED) === 0) Atomics.wait(this.#words, STARTED, 0)
    this.#check()
  }

  /** Makes every wait end with `ReplayAborted`. */
  abort(): void {
    Atomics.store(this.#words, ABORTED, 1)
    this.start()
    for (let at = STRIDE; at < this.#words.length; at += STRIDE) {
      Atomics.add(this.#words, at + EPOCH, 1)
      Atomics.notify(this.#words, at + EPOCH)
    }
  }

  #check(): void {
    if (Atomics.load(this.#words, ABORTED) !== 0) throw new ReplayAborted()
  }

  /** This worker has done `count` operations. */
  publish(worker: number, count: number): void {
    const words = this.#words
    const at = (worker + 1) * STRIDE
    Atomics.store(words, at + DONE, count)
    if (count >= Atomics.load(words, at + WANTED)) {
      // The wish is taken back before the epoch changes: see the top.
      Atomics.store(words, at + WANTED, NOBODY)
      Atomics.add(words, at + EPOCH, 1)
      Atomics.notify(words, at + EPOCH)
    }
  }

  /** Returns when a worker has done `count` operations. @throws ReplayAborted */
  await(worker: number, count: number): void {
    const words = this.#words
    const at = (worker + 1) * STRIDE
    if (Atomics.load(words, at + DONE) >= count) return
    for (let spin = 0; spin < SPINS; spin++) if (Atomics.load(words, at + DONE) >= count) return
    for (;;) {
      const epoch = Atomics.load(words, at + EPOCH)
      this.#check()
      // Only the least of several wishes is kept; who wants more is woken with it, and wishes again.
      let wanted = Atomics.load(words, at + WANTED)
      while (count < wanted) {
        const seen = Atomics.compareExchange(words, at + WANTED, wanted, count)
        if (seen === wanted) break
        wanted = seen
      }
      if (Atomics.load(words, at + DONE) >= count) return
      Atomics.wait(words, at + EPOCH, epoch)
    }
  }
}
