/**
 * What Linux itself met at the mmap lock while the program was recorded, from the trace's own events.
 *
 * An acquisition waited when it failed to get the lock at first (success=false), when somebody who kept it gave the
 * lock back between its start and its end, or when the thread gave up its CPU by itself between them. Time alone tells
 * of no wait: to record two events takes some, and the processor may do something else between them.
 */
import { Histogram } from './histogram.ts'

/**
 * An acquisition that nobody was seen to delay is told as a wait from here on: what it takes to get a free lock and to
 * record that stays below, a wait for the processor may not.
 */
export const UNEXPLAINED_WAIT_NS = 10_000

export interface LockWaits {
  readonly count: number
  /** Sum, in nanoseconds. */
  readonly total: number
  readonly p50: number
  readonly p99: number
}

export interface LinuxRecord {
  /** Whether the trace has mmap_lock events at all; without them every number here is zero. */
  readonly recorded: boolean
  /** Faults during which the mmap lock was taken. */
  readonly faultsUnderMmapLock: number
  /** Faults that were handled without it, under a per-VMA lock. */
  readonly faultsWithoutMmapLock: number
  /** Acquisitions of the mmap lock that had to wait for somebody, however few digits the times have. */
  readonly lockWaitNs: { readonly readers: LockWaits; readonly writers: LockWaits }
  /** Acquisitions of the mmap lock in all. */
  readonly lockAcquisitions: { readonly readers: number; readonly writers: number }
  /** What the times of the trace can resolve, in nanoseconds. */
  readonly timeResolutionNs: number
}

class Side {
  acquisitions = 0
  count = 0
  total = 0
  #waits: Histogram | null = null

  wait(nanoseconds: number): void {
    this.count++
    this.total += nanoseconds
    this.#waits ??= new Histogram()
    this.#waits.record(Math.max(1, nanoseconds))
  }

  summary(): LockWaits {
    const { count, total } = this
    return { count, total, p50: this.#waits?.percentile(50) ?? 0, p99: this.#waits?.percentile(99) ?? 0 }
  }
}

/** Collects for one process. */
export class LockRecord {
  readonly #readers = new Side()
  readonly #writers = new Side()
  faultsUnderLock = 0

  acquired(write: boolean): void {
    if (write) this.#writers.acquisitions++
    else this.#readers.acquisitions++
  }

  waited(write: boolean, nanoseconds: number): void {
    if (write) this.#writers.wait(nanoseconds)
    else this.#readers.wait(nanoseconds)
  }

  summary(recorded: boolean, faults: number, timeResolutionNs: number): LinuxRecord {
    return {
      recorded,
      faultsUnderMmapLock: this.faultsUnderLock,
      faultsWithoutMmapLock: recorded ? faults - this.faultsUnderLock : 0,
      lockWaitNs: { readers: this.#readers.summary(), writers: this.#writers.summary() },
      lockAcquisitions: { readers: this.#readers.acquisitions, writers: this.#writers.acquisitions },
      timeResolutionNs,
    }
  }
}
