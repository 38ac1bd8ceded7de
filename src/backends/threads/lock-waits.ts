// Reports this thread's waits for the mmap lock to an observer, once the thread has left the kernel.
//
// The kernel notes a wait where Linux has its tracepoints: inside, with the lock held. The observer is code of the
// user: inside, it could block every thread, or end the thread in the middle of a call. So it gets the wait at the end
// of the call; a wait of an access, at the end of the next call or in the next microtask, whichever comes first.

import type { Tracepoints } from '../../kernel/index.ts'

export type LockWaitReport = (write: boolean, nanoseconds: number) => void

/** The functions as they are when this module is loaded, since they are called inside the kernel. */
const now = performance.now.bind(performance)
const { round } = Math
const later = queueMicrotask

/** A wait that is not reported yet, in nanoseconds; negative for a writer. Each links to the one before. */
interface Untold {
  readonly nanoseconds: number
  readonly before: Untold | null
}

export class LockWaits implements Tracepoints {
  readonly #lock: number
  readonly #report: LockWaitReport
  #begun = 0
  #forWrite = false
  #untold: Untold | null = null

  /** @param lock in the kernel heap */
  constructor(lock: number, report: LockWaitReport) {
    this.#lock = lock
    this.#report = report
  }

  contentionBegin(lock: number, write: boolean): void {
    if (lock !== this.#lock) return
    this.#begun = now()
    this.#forWrite = write
  }

  contentionEnd(lock: number): void {
    if (lock !== this.#lock) return
    const waited = round((now() - this.#begun) * 1e6)
    const nanoseconds = waited < 1 ? 1 : waited
    if (this.#untold === null) later(() => this.tell())
    this.#untold = { nanoseconds: this.#forWrite ? -nanoseconds : nanoseconds, before: this.#untold }
  }

  /**
   * Reports the waits that are not reported yet. What the observer throws becomes an uncaught exception of the thread.
   */
  tell(): void {
    if (this.#untold === null) return
    const waits: number[] = []
    for (let last: Untold | null = this.#untold; last !== null; last = last.before)
      waits.unshift(last.nanoseconds)
    this.#untold = null
    for (const wait of waits) {
      try {
        this.#report(wait < 0, Math.abs(wait))
      } catch (error) {
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }
}
