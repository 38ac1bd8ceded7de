/**
 * How long a thread itself takes for what it does: a call from its enter to its exit, a fault until it gives the mmap
 * lock back. Not counted is when it had no processor, and when it waited for the lock.
 */

/** In nanoseconds. */
export interface Durations {
  /** All of it; -1 where its end is not in the trace. */
  readonly ownNs: number
  /** How long of that it held the mmap lock. */
  readonly writeNs: number
  readonly readNs: number
  /** How long it waited for the lock, beside that. */
  readonly waitedNs: number
}

export const NO_DURATIONS: Durations = { ownNs: -1, writeNs: 0, readNs: 0, waitedNs: 0 }

const NOTHING = -1

export class OperationClock {
  #beganNs = NOTHING
  /** Since it began: without a processor, or waiting for the lock. */
  #offNs = 0
  #offWhenAsked = 0
  #heldSinceNs = NOTHING
  #offWhenGot = 0
  #holdsWrite = false
  #writeNs = 0
  #readNs = 0
  #waitedNs = 0

  begin(now: number): void {
    this.#beganNs = now
    this.#offNs = 0
    this.#heldSinceNs = NOTHING
    this.#writeNs = 0
    this.#readNs = 0
    this.#waitedNs = 0
  }

  /** The thread had no processor for so long, until now. */
  isAway(ns: number): void {
    this.#offNs += ns
  }

  /** It asks for the lock. */
  asks(): void {
    this.#offWhenAsked = this.#offNs
  }

  /**
   * It has got it, or goes on as a reader. Returns for how long it had no processor since it asked.
   * @param waitedNs how long it waited; negative if it did not
   */
  got(write: boolean, waitedNs: number, now: number): number {
    this.released(now)
    const awayNs = this.#offNs - this.#offWhenAsked
    // Also without a processor it waited.
    if (waitedNs >= 0) {
      this.#offNs = this.#offWhenAsked + waitedNs
      this.#waitedNs += waitedNs
    }
    this.#heldSinceNs = now
    this.#offWhenGot = this.#offNs
    this.#holdsWrite = write
    return awayNs
  }

  /** It has given it back. Returns how long it held it; 0 where that is not known. */
  released(now: number): number {
    if (this.#heldSinceNs === NOTHING) return 0
    const ns = Math.max(0, now - this.#heldSinceNs - (this.#offNs - this.#offWhenGot))
    if (this.#holdsWrite) this.#writeNs += ns
    else this.#readNs += ns
    this.#heldSinceNs = NOTHING
    return ns
  }

  /** Returns what it took; null if its beginning is not known. */
  end(now: number): Durations | null {
    if (this.#beganNs === NOTHING) return null
    const ownNs = Math.max(0, now - this.#beganNs - this.#offNs)
    this.#beganNs = NOTHING
    return { ownNs, writeNs: this.#writeNs, readNs: this.#readNs, waitedNs: this.#waitedNs }
  }
}
