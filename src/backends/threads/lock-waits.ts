// What this thread has waited for the mmap lock, told to an observer once the thread has left the kernel.
//
// The kernel notes a wait where Linux has its tracepoints, that is inside, with the lock in its hands. The observer is
// code of the user: inside, it could hold everybody up, or end the thread in the middle of a call. So it is told at the
// end of the call; of a wait of an access, at the end of the next call or in the next microtask, whichever comes first.

import type { Tracepoints } from '../../kernel/index.ts'

export type LockWaitReport = (write: boolean, nanoseconds: number) => void

export class LockWaits implements Tracepoints {
  readonly #lock: number
  readonly #report: LockWaitReport
  #begun = 0
  #forWrite = false
  /** Waits that were not told yet, in nanoseconds; negative for those of a writer. */
  #untold: number[] = []

  /** @param lock in the kernel heap */
  constructor(lock: number, report: LockWaitReport) {
    this.#lock = lock
    this.#report = report
  }

  contentionBegin(lock: number, write: boolean): void {
    if (lock !== this.#lock) return
    this.#begun = performance.now()
    this.#forWrite = write
  }

  contentionEnd(lock: number): void {
    if (lock !== this.#lock) return
    const nanoseconds = Math.max(1, Math.round((performance.now() - this.#begun) * 1e6))
    if (this.#untold.length === 0) queueMicrotask(() => this.tell())
    this.#untold.push(this.#forWrite ? -nanoseconds : nanoseconds)
  }

  /** Tells what was not told yet. What the observer throws becomes an uncaught exception of the thread. */
  tell(): void {
    if (this.#untold.length === 0) return
    const waits = this.#untold
    this.#untold = []
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
