/**
 * How many faults a program takes only because it gave memory back that it had: the pages that faults brought in, the
 * pages that calls gave back, and the faults that these could have saved.
 *
 * Principle: memory given back is a stock; a fault on a new page of anonymous memory takes one page from it. What the
 * stock covers, the program could have kept without ever needing more memory than it had at once.
 */

import { ProgramUse } from './cpu-use.ts'
import {
  CallSum,
  type CallTime,
  type EndedFault,
  FaultSum,
  type FaultTime,
  type LeastCosts,
  Shortest,
} from './fault-costs.ts'
import type { Durations } from './operation-clock.ts'
import type { SampleCounts } from './thread-samples.ts'

export type { CallTime, FaultTime } from './fault-costs.ts'

/** Pages for which there could be a huge page. */
export const PAGES_PER_BLOCK = 512

/** What a mmap counts as that takes the place of memory which faults had brought in, as Java gives its heap back. */
export const MMAP_OVER = 'mmap over memory'

/** Pages of one address space, such as those that faults have brought in. */
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

  /** Whether a page behind the first of a block is there. */
  hasWithin(block: number): boolean {
    return this.#blocks.get(block)?.includes(1, 1) ?? false
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
  /** What these took their threads, by how many samples, and by how much that delayed the whole: see FaultTime. */
  avoidableNs: number
  samples: number
  avoidableDelayedNs: number
  /** How long they waited for the mmap lock beside that. */
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
    const { faults, costNs, samples, delayedNs, waitedNs } = this.#sum.summary(least)
    const avoidable = faults - this.#longest
    const share = faults === 0 ? 0 : avoidable / faults
    sum.buffers += this.#buffers
    sum.faults += faults
    sum.avoidableFaults += avoidable
    sum.avoidableNs += costNs * share
    sum.samples += samples
    sum.avoidableDelayedNs += delayedNs * share
    sum.avoidableWaitedNs += waitedNs * share
  }
}

/** A huge page has so many pages, and is worth it where faults bring in at least so many of them. */
const DENSE_FAULTS = PAGES_PER_BLOCK / 2

/** Faults on new memory, in areas that a huge page could be for each. */
class NewAreas {
  readonly #areas = new Map<object, Map<number, number>>()
  readonly #sum = new FaultSum()

  add(space: object, page: number, fault: EndedFault): void {
    this.#sum.add(fault)
    let areas = this.#areas.get(space)
    if (areas === undefined) this.#areas.set(space, (areas = new Map()))
    const area = Math.floor(page / PAGES_PER_BLOCK)
    areas.set(area, (areas.get(area) ?? 0) + 1)
  }

  /** Those that huge pages save, where they are used: all but one of each area. */
  summary(least: LeastCosts): FaultTime {
    const all = this.#sum.summary(least)
    const counts = [...this.#areas.values()].flatMap((areas) => [...areas.values()])
    const saved = counts.reduce((sum, faults) => sum + (faults < DENSE_FAULTS ? 0 : faults - 1), 0)
    return shareOf(all, all.faults === 0 ? 0 : saved / all.faults)
  }
}

function shareOf(all: FaultTime, share: number): FaultTime {
  return {
    faults: Math.round(all.faults * share),
    lockedFaults: Math.round(all.lockedFaults * share),
    lockedNs: all.lockedNs * share,
    costNs: all.costNs * share,
    samples: all.samples,
    delayedNs: all.delayedNs * share,
    waitedNs: all.waitedNs * share,
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
  /** Those on pages of files that a fault of the process had mapped before. */
  readonly mappedAgain: FaultTime
  /** Those of the program on new memory, not given back before, that huge pages would save. */
  readonly dense: FaultTime
  /** Those of the program on pages that were not there before, outside heap and stack: what was mapped for them. */
  readonly fresh: FaultTime
  /** Writes of processes that had forked to pages from which the fork had taken the right to write. */
  readonly afterFork: FaultTime
  /** Those of processes that were forked while it was recorded, and run no other program. */
  readonly forked: FaultTime
  /** By how much such processes delayed the others of their program, whose CPUs they had. */
  readonly forkedDelayedNs: number
  /** New anonymous memory that the kernel copied to or from, by the call. */
  readonly copied: Readonly<Record<string, CopiedBuffers>>
  /** Memory calls, {@link MMAP_OVER} and fork: what they took their threads, and how long they waited for the lock. */
  readonly calls: Readonly<Record<string, CallTime>>
}

/** Collects the census. */
export class FaultCounts {
  readonly #user = new FaultSum()
  readonly #kernel = new Map<string, FaultSum>()
  readonly #avoidable = { user: new FaultSum(), kernel: new FaultSum() }
  readonly #mappedAgain = new FaultSum()
  readonly #dense = new NewAreas()
  readonly #fresh = new FaultSum()
  readonly #afterFork = new FaultSum()
  readonly #forked = new FaultSum()
  readonly cpus = new ProgramUse()
  readonly #calls = new Map<string, CallSum>()
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

  /** A fault on a page of a file that the process had mapped before. */
  again(fault: EndedFault): void {
    this.#mappedAgain.add(fault)
  }

  /** A fault of the program on new memory, in an area of which a mapping has all. */
  newPage(space: object, page: number, fault: EndedFault): void {
    this.#dense.add(space, page, fault)
  }

  /** A fault of the program on a page that was not there before. */
  onFresh(fault: EndedFault): void {
    this.#fresh.add(fault)
  }

  /** A process that had forked wrote to a page that it shared with the other since. */
  writtenAfterFork(fault: EndedFault): void {
    this.#afterFork.add(fault)
  }

  /** A fault of a process that was forked. */
  ofForked(fault: EndedFault): void {
    this.#forked.add(fault)
  }

  /** @param running threads that had a CPU; 0 where the trace does not tell */
  call(name: string, took: Durations, running: number): void {
    let call = this.#calls.get(name)
    if (call === undefined) this.#calls.set(name, (call = new CallSum()))
    call.add(took, running)
  }

  /** A thread does something else after a call. */
  returned(name: string, ns: number, samples: SampleCounts): void {
    this.#calls.get(name)?.returned(ns, samples)
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
      const sum = noBuffers()
      for (const runs of threads.values()) runs.addTo(sum, least)
      copied[call] = sum
    }
    return copied
  }

  /** @param parallel threads that work at once, for where it is not known when they have a CPU */
  census(parallel: number): FaultCensus {
    const least = { unlockedNs: this.#unlocked.tenthNs, afterLockNs: this.#afterLock.tenthNs, parallel }
    const { user, kernel } = this.#avoidable
    return {
      user: this.#user.summary(least),
      kernel: Object.fromEntries(
        [...this.#kernel]
          .map(([call, sum]) => [call, sum.summary(least)] as const)
          .toSorted(([, a], [, b]) => b.faults - a.faults),
      ),
      avoidable: { user: user.summary(least), kernel: kernel.summary(least) },
      mappedAgain: this.#mappedAgain.summary(least),
      dense: this.#dense.summary(least),
      fresh: this.#fresh.summary(least),
      afterFork: this.#afterFork.summary(least),
      forked: this.#forked.summary(least),
      forkedDelayedNs: this.cpus.delayedByForkedNs(0),
      copied: this.#copied(least),
      calls: Object.fromEntries([...this.#calls].map(([name, sum]) => [name, sum.summary(parallel)])),
    }
  }
}

function noBuffers(): CopiedBuffers {
  return {
    buffers: 0,
    faults: 0,
    avoidableFaults: 0,
    avoidableNs: 0,
    samples: 0,
    avoidableDelayedNs: 0,
    avoidableWaitedNs: 0,
  }
}

/** The census of a whole trace, and that of each program by its name. */
export class CensusByProgram {
  readonly whole = new FaultCounts()
  readonly #programs = new Map<string, readonly [whole: FaultCounts, program: FaultCounts]>()

  /** What counts for a program: the whole, and its own. */
  of(program: string): readonly [whole: FaultCounts, program: FaultCounts] {
    let both = this.#programs.get(program)
    if (both === undefined) this.#programs.set(program, (both = [this.whole, new FaultCounts()]))
    return both
  }
}
