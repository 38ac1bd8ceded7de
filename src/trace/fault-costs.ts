/**
 * What page faults and memory calls take their threads.
 *
 * Principle: a trace has no event for the end of a fault, only for when it gives the mmap lock back, if it took that.
 * What comes then, up to the thread's next event, is the rest of the fault and what the program computes. Where the
 * recording has samples of what the CPU was at (thread-samples.ts), these tell how much of it was the fault. Where it
 * has none, or too few, the shortest tenth is taken to be the fault alone, and all others to take as long: that is the
 * least that they cost, as the many that take longer than the shortest (a page table to be made, an interrupt, a
 * hypervisor that shadows page tables) count as the shortest do.
 */

import { Histogram } from './histogram.ts'
import type { Durations } from './operation-clock.ts'
import type { SampleCounts } from './thread-samples.ts'

/** Faults, and what they took. */
export interface FaultTime {
  faults: number
  lockedFaults: number
  /** From the beginning to the release of the mmap lock, in nanoseconds, of those that took it. */
  lockedNs: number
  /** What all of them took their threads. */
  costNs: number
  /** Samples that tell {@link costNs}; 0 where there are too few, so that it is the least that they cost. */
  samples: number
  /** By how much {@link costNs} delayed the whole: the kth part where k threads had a CPU. */
  delayedNs: number
  /** Beside that, how long they waited for the mmap lock. */
  waitedNs: number
}

/** One fault, when it is over. */
export interface EndedFault {
  /** From its beginning to the release of the mmap lock, or -1 if it did not take that. */
  readonly lockedNs: number
  /** Of that, what the thread itself took. */
  readonly took: Durations
  /** From the release, else the beginning, to what the thread did next; -1 where that is not in the trace. */
  readonly afterNs: number
  /** What the CPU was seen at in that time. */
  readonly samples: SampleCounts
  /** Threads that had a CPU when it began; 0 where the trace does not tell. */
  readonly running: number
}

/** Memory calls of one name: how many, and what they took. */
export interface CallTime {
  count: number
  ns: number
  /** By how much that delayed the whole. */
  delayedNs: number
  /** Beside that, how long they waited for the mmap lock. */
  waitedNs: number
}

/** What a fault takes, in nanoseconds, that the trace has no end of, where samples do not tell. */
export interface LeastCosts {
  /** One that did not take the mmap lock: all of it. */
  readonly unlockedNs: number
  /** One that did: what passes after it gave the lock back. */
  readonly afterLockNs: number
  /** Threads that work at once, where it is not known when they have a CPU. */
  readonly parallel: number
}

/** Of fewer samples a share tells nothing. */
const SAMPLES_MIN = 30
/** Of fewer times a tenth tells nothing. */
const TIMES_MIN = 100

/** Times after something, of which samples tell how much belongs to it. */
class TimeAfter {
  ns = 0
  all = 0
  #own = 0

  add(ns: number, { all, own }: SampleCounts): void {
    this.ns += ns
    this.all += all
    this.#own += own
  }

  /** How much of it was the thing itself; null where too few samples tell. */
  get ownNs(): number | null {
    return this.all < SAMPLES_MIN ? null : (this.ns * this.#own) / this.all
  }
}

/** The mean of 1 / k over what began while k threads had a CPU. */
class Shares {
  #sum = 0
  #count = 0

  add(running: number): void {
    if (running <= 0) return
    this.#sum += 1 / running
    this.#count++
  }

  mean(parallel: number): number {
    return this.#count === 0 ? 1 / Math.max(1, parallel) : this.#sum / this.#count
  }
}

/** Faults as they are counted. */
export class FaultSum {
  #faults = 0
  #lockedFaults = 0
  #lockedNs = 0
  #ownNs = 0
  #waitedNs = 0
  readonly #after = new TimeAfter()
  readonly #shares = new Shares()

  add({ lockedNs, took, afterNs, samples, running }: EndedFault): void {
    this.#faults++
    this.#shares.add(running)
    if (afterNs >= 0) this.#after.add(afterNs, samples)
    if (lockedNs < 0) return
    this.#lockedFaults++
    this.#lockedNs += lockedNs
    this.#ownNs += Math.max(0, took.ownNs)
    this.#waitedNs += took.waitedNs
  }

  summary({ unlockedNs, afterLockNs, parallel }: LeastCosts): FaultTime {
    const faults = this.#faults
    const lockedFaults = this.#lockedFaults
    const afterNs = this.#after.ownNs
    const leastNs = lockedFaults * afterLockNs + (faults - lockedFaults) * unlockedNs
    const costNs = this.#ownNs + (afterNs ?? leastNs)
    return {
      faults,
      lockedFaults,
      lockedNs: this.#lockedNs,
      costNs,
      samples: afterNs === null ? 0 : this.#after.all,
      delayedNs: costNs * this.#shares.mean(parallel),
      waitedNs: this.#waitedNs,
    }
  }
}

/** Calls of one name as they are counted. */
export class CallSum {
  #count = 0
  #ns = 0
  #waitedNs = 0
  readonly #after = new TimeAfter()
  readonly #shares = new Shares()

  add({ ownNs, waitedNs }: Durations, running: number): void {
    this.#count++
    this.#ns += ownNs
    this.#waitedNs += waitedNs
    this.#shares.add(running)
  }

  /** From the exit of one to what its thread did next: the way back to the program is part of the call. */
  returned(ns: number, samples: SampleCounts): void {
    this.#after.add(ns, samples)
  }

  summary(parallel: number): CallTime {
    const ns = this.#ns + (this.#after.ownNs ?? 0)
    const delayedNs = ns * this.#shares.mean(parallel)
    return { count: this.#count, ns, delayedNs, waitedNs: this.#waitedNs }
  }
}

/** Times of which the shortest are asked for. */
export class Shortest {
  readonly #times = new Histogram()
  #count = 0

  add(ns: number): void {
    this.#count++
    this.#times.record(Math.max(1, Math.round(ns)))
  }

  /** The tenth that is shorter than all others is no longer than this; 0 where there are too few to tell. */
  get tenthNs(): number {
    return this.#count < TIMES_MIN ? 0 : this.#times.percentile(10)
  }
}
