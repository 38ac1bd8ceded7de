// The lock of a heap. It is robust: if its holder has ended, the next thread takes it over.
//
// It is the mutex of Ulrich Drepper, "Futexes Are Tricky" (2011), whose word names the holder, as the robust futexes of
// Linux do (`Documentation/locking/robust-futexes.rst`): 0 is free, else the holder, and in the lowest bit whether a
// thread may be asleep.

/** The words of a heap, each of 0 to 2^32 - 1. Words that only the holder of the lock uses are accessed plainly. */
export interface HeapWords {
  get(word: number): number
  set(word: number, value: number): void
  /** Atomic operations; those that change a word return its old value. */
  load(word: number): number
  store(word: number, value: number): void
  and(word: number, value: number): number
  or(word: number, value: number): number
  exchange(word: number, value: number): number
  compareExchange(word: number, expected: number, value: number): number
  /** Sleeps until notify(), for `milliseconds` at most; returns at once unless the word is `expected`. */
  wait(word: number, expected: number, timeout: number): void
  notify(word: number): void
}

/** The name of a thread in an address space, as a holder of locks: a number of 1 to 2^30 - 1. */
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
      // The holder is this thread itself if leave() has failed, for lack of a frame for a copy of the page.
      if (seen >>> 1 === this.#holders.own || this.#holders.isGone(seen >>> 1)) {
        // Threads that slept when the holder ended still sleep.
        const found = this.#words.compareExchange(word, seen, own | SLEEPERS)
        if (found === seen) return
        seen = found
      } else {
        if (this.#isAnnounced(seen)) this.#words.wait(word, seen | SLEEPERS, PATIENCE_MS)
        // A thread that has slept does not know whether others sleep.
        seen = this.#words.compareExchange(word, 0, own | SLEEPERS)
      }
    }
  }

  /** Whether the word says that a thread may be asleep. */
  #isAnnounced(seen: number): boolean {
    return (seen & SLEEPERS) !== 0 || this.#words.compareExchange(this.#word, seen, seen | SLEEPERS) === seen
  }

  leave(): void {
    if ((this.#words.exchange(this.#word, 0) & SLEEPERS) !== 0) this.#words.notify(this.#word)
  }
}
