/**
 * How many faults a program takes only because it gave memory back that it had: the pages that faults brought in, the
 * pages that calls gave back, and the faults that these could have saved.
 *
 * Principle: memory given back is a stock; a fault on a new page of anonymous memory takes one page from it. What the
 * stock covers, the program could have kept without ever needing more memory than it had at once.
 */

const PAGES_PER_BLOCK = 512

/** Faults and the time from their beginning to the release of the mmap lock, in nanoseconds, where they took it. */
export interface FaultTime {
  faults: number
  lockedFaults: number
  lockedNs: number
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
  avoidableNs: number
}

/** One thread's copying in one call. */
export class CopyRuns {
  #last = -2
  #length = 0
  #longest = 0
  #faults = 0
  #ns = 0
  #buffers = 0

  add(page: number, ns: number): void {
    this.#faults++
    this.#ns += ns
    if (page !== this.#last + 1) {
      this.#buffers++
      this.#length = 0
    }
    this.#last = page
    this.#length++
    this.#longest = Math.max(this.#longest, this.#length)
  }

  addTo(sum: CopiedBuffers): void {
    const avoidable = this.#faults - this.#longest
    sum.buffers += this.#buffers
    sum.faults += this.#faults
    sum.avoidableFaults += avoidable
    sum.avoidableNs += this.#faults === 0 ? 0 : (this.#ns * avoidable) / this.#faults
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
  /** Memory calls: how many, and nanoseconds from enter to exit. */
  readonly calls: Readonly<Record<string, { readonly count: number; readonly ns: number }>>
}

function noFaults(): FaultTime {
  return { faults: 0, lockedFaults: 0, lockedNs: 0 }
}

/** Collects the census. */
export class FaultCounts {
  readonly #user = noFaults()
  readonly #kernel = new Map<string, FaultTime>()
  readonly #avoidable = { user: noFaults(), kernel: noFaults() }
  readonly #calls = new Map<string, { count: number; ns: number }>()
  /** By call and thread. */
  readonly #runs = new Map<string, Map<object, CopyRuns>>()

  /**
   * @param kernelCall the call in which the kernel took the fault; null for one of the program
   * @param lockedNs until the mmap lock was given back, or -1 if it was not taken
   */
  fault(kernelCall: string | null, lockedNs: number, avoidable: boolean): void {
    let times = this.#user
    if (kernelCall !== null) {
      times = this.#kernel.get(kernelCall) ?? noFaults()
      this.#kernel.set(kernelCall, times)
    }
    count(times, lockedNs)
    if (avoidable) count(this.#avoidable[kernelCall === null ? 'user' : 'kernel'], lockedNs)
  }

  call(name: string, ns: number): void {
    const call = this.#calls.get(name) ?? { count: 0, ns: 0 }
    call.count++
    call.ns += ns
    this.#calls.set(name, call)
  }

  /** The kernel copied to or from a page of anonymous memory that was new. */
  copy(call: string, thread: object, page: number, ns: number): void {
    let threads = this.#runs.get(call)
    if (threads === undefined) this.#runs.set(call, (threads = new Map()))
    let runs = threads.get(thread)
    if (runs === undefined) threads.set(thread, (runs = new CopyRuns()))
    runs.add(page, Math.max(0, ns))
  }

  #copied(): Record<string, CopiedBuffers> {
    const copied: Record<string, CopiedBuffers> = {}
    for (const [call, threads] of this.#runs) {
      const sum = { buffers: 0, faults: 0, avoidableFaults: 0, avoidableNs: 0 }
      for (const runs of threads.values()) runs.addTo(sum)
      copied[call] = sum
    }
    return copied
  }

  census(): FaultCensus {
    return {
      user: this.#user,
      kernel: Object.fromEntries([...this.#kernel].toSorted(([, a], [, b]) => b.faults - a.faults)),
      avoidable: this.#avoidable,
      copied: this.#copied(),
      calls: Object.fromEntries(this.#calls),
    }
  }
}

function count(times: FaultTime, lockedNs: number): void {
  times.faults++
  if (lockedNs < 0) return
  times.lockedFaults++
  times.lockedNs += lockedNs
}
