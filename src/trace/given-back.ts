/**
 * How many faults a program takes only because it gave memory back that it had: the pages that faults brought in, the
 * pages that calls gave back, and the faults that these could have saved.
 *
 * Principle: memory given back is a stock; a fault on a new page of anonymous memory takes one page from it. What the
 * stock covers, the program could have kept without ever needing more memory than it had at once.
 */

import { Histogram } from './histogram.ts'
import type { Durations } from './operation-clock.ts'

const PAGES_PER_BLOCK = 512

/** Faults, and what they took. */
export interface FaultTime {
  faults: number
  lockedFaults: number
  /** From the beginning to the release of the mmap lock, in nanoseconds, of those that took it. */
  lockedNs: number
  /** What all of them took their threads, as far as that can be told: see {@link FaultCounts}. */
  costNs: number
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
}

/** The pages of one address space that faults have brought in. */
export class PresentPages {
  readonly #blocks = new Map<number, Uint8Array>()

  /** Returns whether it was missing. */
  add(page: number): boolean {
    const number = Math.floor(page / PAGES_PER_BLOCK)
    let block = this.#blocks.get(number)
    if (block === undefined) this.#blocks.set(number, (block = new Uint8Array(PAGES_PER_BLOCK)))
    const index = page % PAGES_PER_BLOCK
    if (block[index] !== 0) return false
    block[index] = 1
    return true
  }

  /** Returns how many were there. */
  remove(first: number, behind: number): number {
    let removed = 0
    const firstBlock = Math.floor(first / PAGES_PER_BLOCK)
    const lastBlock = Math.floor((behind - 1) / PAGES_PER_BLOCK)
    const few = lastBlock - firstBlock < this.#blocks.size
    const numbers = few ? range(firstBlock, lastBlock) : [...this.#blocks.keys()]
    for (const number of numbers) {
      const block = this.#blocks.get(number)
      if (block === undefined || number < firstBlock || number > lastBlock) continue
      const base = number * PAGES_PER_BLOCK
      const to = Math.min(PAGES_PER_BLOCK, behind - base)
      for (let index = Math.max(0, first - base); index < to; index++) {
        removed += block[index]!
        block[index] = 0
      }
    }
    return removed
  }
}

function* range(first: number, last: number): Generator<number> {
  for (let number = first; number <= last; number++) yield number
}

/** Memory that the kernel copied into, or from, for the first time. */
export interface CopiedBuffers {
  /** Runs of neighbouring pages, each a buffer that a thread had not used before. */
  buffers: number
  faults: number
  /** Of those: the ones beyond the largest buffer of each thread, which threads that use theirs again do not take. */
  avoidableFaults: number
  /** What these took their threads, and how long they waited for the mmap lock beside that. */
  avoidableNs: number
  avoidableWaitedNs: number
}

/** One thread's copying in one call. */
export class CopyRuns {
  #last = -2
  #length = 0
  #longest = 0
  #buffers = 0
  readonly #sum = new FaultSum()

  add(page: number, fault: EndedFault): void {
    this.#sum.add(fault)
    if (page !== this.#last + 1) {
      this.#buffers++
      this.#length = 0
    }
    this.#last = page
    this.#length++
    this.#longest = Math.max(this.#longest, this.#length)
  }

  addTo(sum: CopiedBuffers, least: LeastCosts): void {
    const { faults, costNs, waitedNs } = this.#sum.summary(least)
    const avoidable = faults - this.#longest
    const share = faults === 0 ? 0 : avoidable / faults
    sum.buffers += this.#buffers
    sum.faults += faults
    sum.avoidableFaults += avoidable
    sum.avoidableNs += costNs * share
    sum.avoidableWaitedNs += waitedNs * share
  }
}

/** What the recorded faults were, and what the calls took. */
export interface FaultCensus {
  /** Taken by the program itself. */
  readonly user: FaultTime
  /** Taken by the kernel for the program, by the call that it was in. */
  readonly kernel: Readonly<Record<string, FaultTime>>
  /** Those of both that memory given back before could have saved. */
  readonly avoidable: { readonly user: FaultTime; readonly kernel: FaultTime }
  /** New anonymous memory that the kernel copied to or from, by the call. */
  readonly copied: Readonly<Record<string, CopiedBuffers>>
  /** Memory calls: how many, what they took their threads, and how long they waited for the mmap lock beside that. */
  readonly calls: Readonly<Record<string, CallTime>>
}

export interface CallTime {
  count: number
  ns: number
  waitedNs: number
}

/** What a fault takes, in nanoseconds, that the trace has no end of; see {@link FaultCounts}. */
interface LeastCosts {
  /** One that did not take the mmap lock: all of it. */
  readonly unlockedNs: number
  /** One that did: what passes after it gave the lock back. */
  readonly afterLockNs: number
}

/** Faults as they are counted. */
class FaultSum {
  #faults = 0
  #lockedFaults = 0
  #lockedNs = 0
  #ownNs = 0
  #waitedNs = 0

  add({ lockedNs, took }: EndedFault): void {
    this.#faults++
    if (lockedNs < 0) return
    this.#lockedFaults++
    this.#lockedNs += lockedNs
    this.#ownNs += Math.max(0, took.ownNs)
    this.#waitedNs += took.waitedNs
  }

  summary({ unlockedNs, afterLockNs }: LeastCosts): FaultTime {
    const faults = this.#faults
    const lockedFaults = this.#lockedFaults
    const costNs = this.#ownNs + lockedFaults * afterLockNs + (faults - lockedFaults) * unlockedNs
    return { faults, lockedFaults, lockedNs: this.#lockedNs, costNs, waitedNs: this.#waitedNs }
  }
}

/** Of fewer times a tenth tells nothing. */
const TIMES_MIN = 100

/** Times of which the shortest are asked for. */
class Shortest {
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

/**
 * Collects the census.
 *
 * Principle: a trace has no event for the end of a fault, only for when it gives the mmap lock back, if it took that;
 * what comes then, the return to the program and the exception before the first event, can be most of it (in a virtual
 * machine, for one). A fault takes no longer than until its thread's next event, and about so long where next to
 * nothing was computed in between. That is taken to be so in the shortest tenth, and all others to take as long.
 */
export class FaultCounts {
  readonly #user = new FaultSum()
  readonly #kernel = new Map<string, FaultSum>()
  readonly #avoidable = { user: new FaultSum(), kernel: new FaultSum() }
  readonly #calls = new Map<string, CallTime>()
  /** By call and thread. */
  readonly #runs = new Map<string, Map<object, CopyRuns>>()
  readonly #unlocked = new Shortest()
  readonly #afterLock = new Shortest()

  /** @param kernelCall the call in which the kernel took the fault; null for one of the program */
  fault(kernelCall: string | null, fault: EndedFault, avoidable: boolean): void {
    let times = this.#user
    if (kernelCall !== null) {
      times = this.#kernel.get(kernelCall) ?? new FaultSum()
      this.#kernel.set(kernelCall, times)
    }
    times.add(fault)
    if (avoidable) this.#avoidable[kernelCall === null ? 'user' : 'kernel'].add(fault)
    if (fault.afterNs >= 0) (fault.lockedNs < 0 ? this.#unlocked : this.#afterLock).add(fault.afterNs)
  }

  call(name: string, { ownNs, waitedNs }: Durations): void {
    const call = this.#calls.get(name) ?? { count: 0, ns: 0, waitedNs: 0 }
    call.count++
    call.ns += ownNs
    call.waitedNs += waitedNs
    this.#calls.set(name, call)
  }

  /** The kernel copied to or from a page of anonymous memory that was new. */
  copy(call: string, thread: object, page: number, fault: EndedFault): void {
    let threads = this.#runs.get(call)
    if (threads === undefined) this.#runs.set(call, (threads = new Map()))
    let runs = threads.get(thread)
    if (runs === undefined) threads.set(thread, (runs = new CopyRuns()))
    runs.add(page, fault)
  }

  #copied(least: LeastCosts): Record<string, CopiedBuffers> {
    const copied: Record<string, CopiedBuffers> = {}
    for (const [call, threads] of this.#runs) {
      const sum = { buffers: 0, faults: 0, avoidableFaults: 0, avoidableNs: 0, avoidableWaitedNs: 0 }
      for (const runs of threads.values()) runs.addTo(sum, least)
      copied[call] = sum
    }
    return copied
  }

  census(): FaultCensus {
    const least = { unlockedNs: this.#unlocked.tenthNs, afterLockNs: this.#afterLock.tenthNs }
    const { user, kernel } = this.#avoidable
    return {
      user: this.#user.summary(least),
      kernel: Object.fromEntries(
        [...this.#kernel]
          .map(([call, sum]) => [call, sum.summary(least)] as const)
          .toSorted(([, a], [, b]) => b.faults - a.faults),
      ),
      avoidable: { user: user.summary(least), kernel: kernel.summary(least) },
      copied: this.#copied(least),
      calls: Object.fromEntries(this.#calls),
    }
  }
}
