// The lock of a heap. It is robust: if its holder has ended, the next thread takes it over.
//
// It is the mutex of Ulrich Drepper, "Futexes Are Tricky" (2011), whose word names the holder, as the robust futexes of
// Linux do (`Documentation/locking/robust-futexes.rst`): 0 is free, else the holder, and in the lowest bit whether a
// thread may be asleep.

/** The words of a heap, each of 0 to 2^32 - 1. What only the holder of the lock uses is read and written plainly. */
export interface HeapWords {
  get(word: number): number
  set(word: number, value: number): void
  /** These are atomic, and those that change a word give what was there. */
  load(word: number): number
  store(word: number, value: number): void
  and(word: number, value: number): number
  or(word: number, value: number): number
  exchange(word: number, value: number): number
  compareExchange(word: number, expected: number, value: number): number
  /** Sleeps until notify(), or so many milliseconds; not at all unless the word is `expected`. */
  wait(word: number, expected: number, timeout: number): void
  notify(word: number): void
}

/** Who may hold a lock: a thread, in an address space. A number of 1 to 2^30 - 1. */
export interface LockHolders {
  readonly own: number
  /** Whether that thread has ended, or never had the lock in this address space. */
  isGone(holder: number): boolean
}

const SLEEPERS = 1

/** How long a thread sleeps before it looks whether the holder has ended, in milliseconds. */
const PATIENCE_MS = 100

export class HeapLock {
  readonly #words: HeapWords
  readonly #word: number
  readonly #holders: LockHolders

  constructor(words: HeapWords, word: number, holders: LockHolders) {
    this.#words = words
    this.#word = word
    this.#holders = holders
  }

  take(): void {
    const word = this.#word
    const own = this.#holders.own * 2
    let seen = this.#words.compareExchange(word, 0, own)
    while (seen !== 0) {
      // It is its own where leave() has failed: there was no frame for a copy of the page.
      if (seen >>> 1 === this.#holders.own || this.#holders.isGone(seen >>> 1)) {
        // Who slept when the holder ended sleeps still.
        const found = this.#words.compareExchange(word, seen, own | SLEEPERS)
        if (found === seen) return
        seen = found
      } else {
        if (this.#isAnnounced(seen)) this.#words.wait(word, seen | SLEEPERS, PATIENCE_MS)
        // Who has slept does not know whether others do.
        seen = this.#words.compareExchange(word, 0, own | SLEEPERS)
      }
    }
  }

  /** The word says that somebody may be asleep. */
  #isAnnounced(seen: number): boolean {
    return (seen & SLEEPERS) !== 0 || this.#words.compareExchange(this.#word, seen, seen | SLEEPERS) === seen
  }

  leave(): void {
    if ((this.#words.exchange(this.#word, 0) & SLEEPERS) !== 0) this.#words.notify(this.#word)
  }
}
