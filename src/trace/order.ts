/**
 * Which operation must wait for which: every order that the program's correctness depends on, and no other, so that the
 * threads run in parallel.
 *
 * The orders that are kept:
 * - each thread's own;
 * - a thread begins after the call that created it;
 * - operations on the same page in recorded order: faults of several threads, calls that cover it, in any mixture. A
 *   read fault on a file concerns all pages that the kernel may map around it, for which of their faults happen depends
 *   on it;
 * - calls whose ranges overlap, in recorded order; and all moves of the program break.
 * Calls beside each other do not concern each other, as every placement is given; and advice that changes nothing about
 * pages (do not fork, do not dump …) does not concern faults.
 *
 * Each operation waits for the last operations that concern it, one for each worker at most; what another wait
 * already implies (vector clocks) is left out. As all waits go backwards in recorded order, and each worker performs
 * its operations in that order, no circle of waits can arise, however threads are dealt out to workers.
 */
import { IntervalMap } from './interval-map.ts'

export const PAGES_PER_BLOCK = 512

/** What the model knows of a page. */
export const PAGE_ABSENT = 0
/** A fault brought it in. */
export const PAGE_FAULTED = 1
/** The kernel mapped it around another page's fault. */
export const PAGE_AROUND = 2
/** The address space has a copy of its own in memory (rather than a page of a file, or the zero page). */
export const PAGE_OWNED = 4
/** Its address space was forked since it could be written. */
export const PAGE_FORKED = 8

/** The last operations on the pages of one page table. */
class Block {
  /** Number in its worker of the last operation since the last call that covered the page, or 0. */
  readonly operation = new Int32Array(PAGES_PER_BLOCK)
  /** The thread of that operation. */
  readonly thread = new Uint16Array(PAGES_PER_BLOCK)
  readonly state = new Uint8Array(PAGES_PER_BLOCK)
  /** The thread that brought the page in. */
  readonly owner = new Uint16Array(PAGES_PER_BLOCK)

  /** Whether there is nothing to remember. */
  isEmpty(): boolean {
    for (let index = 0; index < PAGES_PER_BLOCK; index++) {
      if (this.operation[index] !== 0 || this.state[index] !== PAGE_ABSENT) return false
    }
    return true
  }
}

/** What is known at a moment in a worker: how far every other worker is then at least. */
interface Snapshot {
  readonly operation: number
  readonly clock: Int32Array
  /** Length of the longest chain that ends with that operation. */
  readonly depth: number
}

/** Memory for snapshots, in words; older ones are forgotten, so that a wait may be kept that could be left out. */
const SNAPSHOT_WORDS = 8 * 1024 * 1024

export class OrderAnalysis {
  readonly #workerOf: Uint16Array
  readonly #blocks = new Map<number, Block>()
  /** The last call that covers each range: those that faults depend on, and all. */
  readonly #pageCalls = new IntervalMap()
  readonly #calls = new IntervalMap()
  readonly #counts: Int32Array
  readonly #clocks: Int32Array[]
  readonly #snapshots: Snapshot[][]
  readonly #depths: Int32Array
  readonly #maxSnapshots: number
  /** What a thread's next operation must come after: workers and operation numbers in turn. */
  readonly #pending = new Map<number, number[]>()
  #lastBreakWorker = -1
  #lastBreakOperation = 0
  readonly #afterCall = (worker: number, operation: number): void => this.#after(worker, operation)
  // The operation under way.
  #worker = 0
  readonly #candidates: Int32Array
  readonly #touched: number[] = []

  /** Waits of the last operation: workers and operation numbers. */
  readonly waitWorkers: number[] = []
  readonly waitOperations: number[] = []
  waits = 0
  operations = 0
  longestChain = 0
  /** Pages that the address space has copies of, now and at most. */
  ownedPages = 0
  peakOwnedPages = 0
  peakBlocks = 0

  /** @param workerOf the worker of each thread */
  constructor(workerOf: Uint16Array, workers: number) {
    this.#workerOf = workerOf
    this.#counts = new Int32Array(workers)
    this.#depths = new Int32Array(workers)
    this.#candidates = new Int32Array(workers)
    this.#clocks = Array.from({ length: workers }, () => new Int32Array(workers))
    this.#snapshots = Array.from({ length: workers }, () => [])
    this.#maxSnapshots = Math.max(16, Math.min(8192, Math.floor(SNAPSHOT_WORDS / (workers * workers))))
  }

  // ---- one operation: begin, then what it concerns, then end

  begin(thread: number): void {
    const worker = this.#workerOf[thread]!
    this.#worker = worker
    this.#counts[worker]!++
    this.operations++
    const pending = this.#pending.get(thread)
    if (pending !== undefined) {
      for (let i = 0; i < pending.length; i += 2) this.#after(pending[i]!, pending[i + 1]!)
      this.#pending.delete(thread)
    }
  }

  /** The operation must come after another. */
  #after(worker: number, operation: number): void {
    if (worker === this.#worker || operation <= this.#clocks[this.#worker]![worker]!) return
    const known = this.#candidates[worker]!
    if (known === 0) this.#touched.push(worker)
    if (operation > known) this.#candidates[worker] = operation
  }

  /** Works out the waits. Returns their number. */
  end(): number {
    const worker = this.#worker
    const touched = this.#touched
    const { waitWorkers, waitOperations } = this
    waitWorkers.length = 0
    waitOperations.length = 0
    let depth = this.#depths[worker]! + 1
    if (touched.length > 0) {
      const clock = this.#clocks[worker]!
      for (const other of touched) {
        const operation = this.#candidates[other]!
        if (!this.#isImplied(other, operation)) {
          waitWorkers.push(other)
          waitOperations.push(operation)
        }
      }
      for (let i = 0; i < waitWorkers.length; i++) {
        const other = waitWorkers[i]!
        const operation = waitOperations[i]!
        const snapshot = this.#snapshotAt(other, operation)
        if (snapshot !== undefined) {
          for (let w = 0; w < clock.length; w++)
            if (snapshot.clock[w]! > clock[w]!) clock[w] = snapshot.clock[w]!
        }
        if (operation > clock[other]!) clock[other] = operation
        depth = Math.max(depth, this.#depthAt(operation, snapshot) + 1)
      }
      for (const other of touched) this.#candidates[other] = 0
      touched.length = 0
      if (waitWorkers.length > 0) {
        this.waits += waitWorkers.length
        const snapshots = this.#snapshots[worker]!
        snapshots.push({ operation: this.#counts[worker]!, clock: clock.slice(), depth })
        if (snapshots.length > 2 * this.#maxSnapshots)
          snapshots.splice(0, snapshots.length - this.#maxSnapshots)
      }
    }
    this.#depths[worker] = depth
    if (depth > this.longestChain) this.longestChain = depth
    return waitWorkers.length
  }

  /** Number, in its worker, of the operation under way. */
  get number(): number {
    return this.#counts[this.#worker]!
  }

  /** Whether another wait of the operation under way includes this one. */
  #isImplied(worker: number, operation: number): boolean {
    for (const other of this.#touched) {
      if (other === worker) continue
      const snapshot = this.#snapshotAt(other, this.#candidates[other]!)
      if (snapshot !== undefined && snapshot.clock[worker]! >= operation) return true
    }
    return false
  }

  /** What was known in a worker after an operation. */
  #snapshotAt(worker: number, operation: number): Snapshot | undefined {
    const snapshots = this.#snapshots[worker]!
    let low = 0
    let high = snapshots.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (snapshots[middle]!.operation <= operation) low = middle + 1
      else high = middle
    }
    return snapshots[low - 1]
  }

  #depthAt(operation: number, snapshot: Snapshot | undefined): number {
    // Without waits in between, a worker's chain grows by one with each operation.
    return snapshot === undefined ? operation : snapshot.depth + operation - snapshot.operation
  }

  // ---- what operations concern

  /**
   * A fault, which concerns the pages from `first` to `last`. Returns what was known of the page, and afterwards knows
   * that it is there.
   */
  fault(thread: number, page: number, first: number, last: number): number {
    this.#afterCalls(this.#pageCalls, first, last + 1)
    for (let at = first; at <= last; at++) {
      const block = this.#block(at)
      const index = at % PAGES_PER_BLOCK
      const operation = block.operation[index]!
      if (operation > 0) this.#after(this.#workerOf[block.thread[index]!]!, operation)
      block.operation[index] = this.#counts[this.#worker]!
      block.thread[index] = thread
    }
    return this.#block(page).state[page % PAGES_PER_BLOCK]!
  }

  /** The thread that brought a page in. */
  ownerOf(page: number): number {
    return this.#block(page).owner[page % PAGES_PER_BLOCK]!
  }

  state(page: number): number {
    return this.#blocks.get(Math.floor(page / PAGES_PER_BLOCK))?.state[page % PAGES_PER_BLOCK] ?? PAGE_ABSENT
  }

  setState(page: number, state: number, thread: number): void {
    const block = this.#block(page)
    const index = page % PAGES_PER_BLOCK
    const owned = ((state & PAGE_OWNED) !== 0 ? 1 : 0) - ((block.state[index]! & PAGE_OWNED) !== 0 ? 1 : 0)
    block.state[index] = state
    block.owner[index] = thread
    if (owned !== 0) this.#count(owned)
  }

  #count(change: number): void {
    this.ownedPages += change
    if (this.ownedPages > this.peakOwnedPages) this.peakOwnedPages = this.ownedPages
  }

  #block(page: number): Block {
    const number = Math.floor(page / PAGES_PER_BLOCK)
    let block = this.#blocks.get(number)
    if (block === undefined) {
      block = new Block()
      this.#blocks.set(number, block)
      if (this.#blocks.size > this.peakBlocks) this.peakBlocks = this.#blocks.size
    }
    return block
  }

  #afterCalls(calls: IntervalMap, first: number, behind: number): void {
    calls.visit(first, behind, this.#afterCall)
  }

  /**
   * A call that covers a range of pages.
   * @param changesPages whether faults in the range depend on it
   * @param removesPages whether the pages are gone afterwards
   */
  call(first: number, behind: number, changesPages: boolean, removesPages: boolean): void {
    if (behind <= first) return
    const number = this.#counts[this.#worker]!
    this.#afterCalls(this.#calls, first, behind)
    this.#calls.assign(first, behind, this.#worker, number)
    if (!changesPages) return
    this.#afterCalls(this.#pageCalls, first, behind)
    this.#pageCalls.assign(first, behind, this.#worker, number)
    this.#eachBlock(first, behind, (block, from, to) => {
      for (let index = from; index < to; index++) {
        const operation = block.operation[index]!
        if (operation === 0) continue
        this.#after(this.#workerOf[block.thread[index]!]!, operation)
        // The call stands for it from now on.
        block.operation[index] = 0
      }
      if (!removesPages) return false
      let owned = 0
      for (let index = from; index < to; index++) {
        if ((block.state[index]! & PAGE_OWNED) !== 0) owned++
        block.state[index] = PAGE_ABSENT
      }
      if (owned > 0) this.#count(-owned)
      return block.isEmpty()
    })
  }

  /** Moves what is known of pages, after `call` on both ranges without removal of the first. */
  movePages(first: number, behind: number, target: number): void {
    const moved: [number, number, number][] = []
    this.#eachBlock(first, behind, (block, from, to, base) => {
      for (let index = from; index < to; index++) {
        const state = block.state[index]!
        if (state === PAGE_ABSENT) continue
        moved.push([base + index - first, state, block.owner[index]!])
        this.setState(base + index, PAGE_ABSENT, 0)
      }
      return false
    })
    for (const [offset, state, owner] of moved) this.setState(target + offset, state, owner)
  }

  /** Pages that a call brings in by itself. */
  populate(first: number, behind: number, thread: number): void {
    for (let page = first; page < behind; page++) this.setState(page, PAGE_FAULTED | PAGE_OWNED, thread)
  }

  /** The address space was forked: what it could write is shared with the copy until it is written again. */
  fork(): void {
    for (const block of this.#blocks.values()) {
      for (let index = 0; index < PAGES_PER_BLOCK; index++) {
        if ((block.state[index]! & PAGE_OWNED) !== 0) block.state[index]! |= PAGE_FORKED
      }
    }
  }

  /** The operation moves the program break. */
  moveBreak(): void {
    if (this.#lastBreakWorker >= 0) this.#after(this.#lastBreakWorker, this.#lastBreakOperation)
    this.#lastBreakWorker = this.#worker
    this.#lastBreakOperation = this.#counts[this.#worker]!
  }

  /** The next operation of `thread` comes after everything that `other` has done. */
  threadAfter(thread: number, other: number): void {
    const worker = this.#workerOf[other]!
    const operation = this.#counts[worker]!
    if (operation === 0) return
    const pending = this.#pending.get(thread)
    if (pending === undefined) this.#pending.set(thread, [worker, operation])
    else pending.push(worker, operation)
  }

  /**
   * Calls `visit` for each block in a range, with the part of it that is in the range; it says whether to forget it.
   */
  #eachBlock(
    first: number,
    behind: number,
    visit: (block: Block, from: number, to: number, base: number) => boolean,
  ): void {
    const firstBlock = Math.floor(first / PAGES_PER_BLOCK)
    const lastBlock = Math.floor((behind - 1) / PAGES_PER_BLOCK)
    const visitOne = (number: number, block: Block): void => {
      const base = number * PAGES_PER_BLOCK
      const from = Math.max(0, first - base)
      const to = Math.min(PAGES_PER_BLOCK, behind - base)
      if (visit(block, from, to, base)) this.#blocks.delete(number)
    }
    if (lastBlock - firstBlock < this.#blocks.size) {
      for (let number = firstBlock; number <= lastBlock; number++) {
        const block = this.#blocks.get(number)
        if (block !== undefined) visitOne(number, block)
      }
    } else {
      for (const [number, block] of this.#blocks) {
        if (number >= firstBlock && number <= lastBlock) visitOne(number, block)
      }
    }
  }
}
