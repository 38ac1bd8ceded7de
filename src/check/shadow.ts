// What is remembered of each cell of shared memory during an execution, with a log so that it can be taken back.
//
// The words of a cell: the last atomic write, the last use of the queue of those who wait on it, and the kind of the
// updates since that write (see dependence.ts), then for each thread its last atomic read, write, update and use of the
// queue, and when and where it last read and wrote plainly. Events are numbered from 1 here, so that 0 is none. Where
// coverage is told, a word for each thread follows: see coverage.ts.

export const LAST_WRITE = 0
export const LAST_QUEUE = 1
export const UPDATES_SINCE = 2
export const PER_THREAD = 3
export const READ_BY = 0
export const WRITTEN_BY = 1
export const PLAIN_READ = 2
export const PLAIN_READ_SITE = 3
export const PLAIN_WRITE = 4
export const PLAIN_WRITE_SITE = 5
export const QUEUED_BY = 6
export const UPDATED_BY = 7
export const THREAD_WORDS = 8

/** Of a cell: several threads have touched it. */
export const MANY = 255

const LOG_WORDS = 1 << 16

/** Words that nobody uses, all zero: tens of megabytes, which cost more to get anew than a short exploration. */
let spare = new Int32Array(0)

export class Shadow {
  /** Words of a cell. */
  readonly stride: number
  readonly threads: number
  words = new Int32Array(0)
  /** Pairs of a place and what was there before. */
  #log = new Int32Array(LOG_WORDS)
  logLength = 0
  /** Who has touched each cell, in all executions: nobody (0), one thread (one more than its number) or MANY. */
  owners = new Uint8Array(0)

  constructor(threads: number, isCovered = false) {
    this.threads = threads
    this.stride = PER_THREAD + threads * (THREAD_WORDS + (isCovered ? 1 : 0))
  }

  /** Makes room for so many cells. */
  grow(cells: number): void {
    if (cells > this.owners.length) {
      const { owners } = this
      this.owners = new Uint8Array(cells)
      this.owners.set(owners)
    }
    const length = cells * this.stride
    if (length <= this.words.length) return
    const words = length <= spare.length ? spare : new Int32Array(length)
    if (words === spare) spare = new Int32Array(0)
    words.set(this.words)
    this.words = words
  }

  /** Leaves its words to the next. It remembers nothing then. */
  retire(): void {
    this.undo(0)
    if (this.words.length > spare.length) spare = this.words
    this.words = new Int32Array(0)
  }

  set(at: number, value: number): void {
    if (this.logLength + 2 > this.#log.length) {
      const log = new Int32Array(this.#log.length * 2)
      log.set(this.#log)
      this.#log = log
    }
    this.#log[this.logLength++] = at
    this.#log[this.logLength++] = this.words[at]!
    this.words[at] = value
  }

  /** Takes back everything since the log had this length. */
  undo(mark: number): void {
    const log = this.#log
    while (this.logLength > mark) {
      const value = log[--this.logLength]!
      this.words[log[--this.logLength]!] = value
    }
  }
}
