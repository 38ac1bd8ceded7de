/**
 * What the operations in one address space concern: every order that the program's correctness depends on, and no
 * other, so that the threads run in parallel. Beside it a small model of the pages: there or not, and why.
 *
 * The orders that are kept:
 * - each thread's own;
 * - a thread begins after the call that created it, a forked process after the fork;
 * - operations on the same page in recorded order: faults of several threads, calls that cover it, in any mixture. A
 *   read fault on a file concerns all pages that the kernel may map around it, for which of their faults happen depends
 *   on it;
 * - calls whose ranges overlap, in recorded order; and all moves of the program break. What a call or a growing stack
 *   needs to be free beside its range belongs to the range;
 * - a fork concerns every page and every call: what was there before is copied and loses its write permission;
 * - an address space is destroyed after everything that was done in it.
 *
 * Calls beside each other do not concern each other, as every placement is given; and advice that changes nothing about
 * pages (do not fork, do not dump …) does not concern faults. Address spaces concern each other by fork, and by the
 * page cache: see cache-order.ts.
 */
import { IntervalMap } from './interval-map.ts'
import type { OrderAnalysis } from './order.ts'

/** Pages that the kernel keeps free below a growing stack (stack_guard_gap). */
const STACK_GAP_PAGES = 256
const ALL_PAGES = 2 ** 31

const PAGES_PER_BLOCK = 512

/** What the model knows of a page. */
export const PAGE_ABSENT = 0
/** A fault brought it in. */
export const PAGE_FAULTED = 1
/** The kernel mapped it around another page's fault. */
export const PAGE_AROUND = 2
/** The address space has a copy of its own in memory (rather than a page of a file, or the zero page). */
export const PAGE_OWNED = 4
/** Its address space was forked since it could be written, for a process that is not replayed. */
export const PAGE_FORKED = 8
/** It can be written without a fault. */
export const PAGE_WRITABLE = 16
/** Mapped around a neighbour, and certainly: a fault had asked for it before, so that it was in memory. */
export const PAGE_CACHED = 32

/** Of `Block.corrected`: the page was corrected one way, and then the other. */
const TURNED = 4

/** The last operations on the pages of one page table. */
class Block {
  /** Number in its worker of the last operation since the last call that covered the page, or 0. */
  readonly operation = new Int32Array(PAGES_PER_BLOCK)
  /** The worker of that operation. */
  readonly worker = new Uint8Array(PAGES_PER_BLOCK)
  readonly state = new Uint8Array(PAGES_PER_BLOCK)
  /** The seat of the thread that brought the page in. */
  readonly owner = new Int32Array(PAGES_PER_BLOCK)
  /** Of an owned page, which frame holds it. */
  readonly frame = new Int32Array(PAGES_PER_BLOCK)
  /** Which way each page was corrected last, and whether that had changed before; see `turns`. */
  readonly corrected = new Uint8Array(PAGES_PER_BLOCK)
  /** Faults that found a page of it missing. */
  missing = 0

  /** Whether there is nothing to remember. */
  isEmpty(): boolean {
    for (let index = 0; index < PAGES_PER_BLOCK; index++) {
      if (this.operation[index] !== 0 || this.state[index] !== PAGE_ABSENT) return false
    }
    return true
  }
}

/** How much memory all address spaces of a replay need at once, in recorded order. */
export class MemoryUse {
  /** How many address spaces have each frame. */
  readonly #sharers: number[] = []
  readonly #free: number[] = []
  #frames = 0
  #tables = 0
  #spaces = 0
  peakFrames = 0
  peakTables = 0
  peakSpaces = 0

  allocate(): number {
    const frame = this.#free.pop() ?? this.#sharers.length
    this.#sharers[frame] = 1
    if (++this.#frames > this.peakFrames) this.peakFrames = this.#frames
    return frame
  }

  share(frame: number): void {
    this.#sharers[frame]!++
  }

  isShared(frame: number): boolean {
    return this.#sharers[frame]! > 1
  }

  release(frame: number): void {
    if (--this.#sharers[frame]! > 0) return
    this.#free.push(frame)
    this.#frames--
  }

  countTables(change: number): void {
    this.#tables += change
    if (this.#tables > this.peakTables) this.peakTables = this.#tables
  }

  countSpaces(change: number): void {
    this.#spaces += change
    if (this.#spaces > this.peakSpaces) this.peakSpaces = this.#spaces
  }
}

export class SpaceOrder {
  readonly #order: OrderAnalysis
  readonly #memory: MemoryUse
  readonly #blocks = new Map<number, Block>()
  /** The last call that covers each range: those that faults depend on, and all. */
  readonly #pageCalls = new IntervalMap()
  readonly #calls = new IntervalMap()
  /** The last operation of each worker that has used the address space. */
  readonly #lastOf = new Map<number, number>()
  #lastBreakWorker = -1
  #lastBreakOperation = 0
  readonly #afterCall = (worker: number, operation: number): void => this.#order.after(worker, operation)

  constructor(order: OrderAnalysis, memory: MemoryUse) {
    this.#order = order
    this.#memory = memory
    memory.countSpaces(1)
  }

  /** Begins an operation of a thread in this address space. */
  begin(seat: number): void {
    this.#order.begin(seat)
    this.#lastOf.set(this.#order.worker, this.#order.number)
  }

  /**
   * A fault, which concerns the pages from `first` to `last`. Returns what was known of the page, and afterwards knows
   * that it is there.
   */
  fault(page: number, first: number, last: number): number {
    const { worker, number } = this.#order
    this.#pageCalls.visit(first, last + 1, this.#afterCall)
    for (let at = first; at <= last; at++) {
      const block = this.#block(at)
      const index = at % PAGES_PER_BLOCK
      const operation = block.operation[index]!
      if (operation > 0) this.#order.after(block.worker[index]!, operation)
      block.operation[index] = number
      block.worker[index] = worker
    }
    return this.#block(page).state[page % PAGES_PER_BLOCK]!
  }

  /** A fault makes a stack grow from the pages above `last` down to `first`; below, a gap must be free. */
  growStack(first: number, last: number): void {
    this.call(Math.max(0, first - STACK_GAP_PAGES), last + 1, false, false)
  }

  /** The seat of the thread that brought a page in. */
  ownerOf(page: number): number {
    return this.#block(page).owner[page % PAGES_PER_BLOCK]!
  }

  state(page: number): number {
    return this.#blocks.get(Math.floor(page / PAGES_PER_BLOCK))?.state[page % PAGES_PER_BLOCK] ?? PAGE_ABSENT
  }

  setState(page: number, state: number, seat: number): void {
    const block = this.#block(page)
    const index = page % PAGES_PER_BLOCK
    const before = block.state[index]!
    if ((state & PAGE_OWNED) !== 0) {
      if ((before & PAGE_OWNED) === 0) block.frame[index] = this.#memory.allocate()
    } else if ((before & PAGE_OWNED) !== 0) {
      this.#memory.release(block.frame[index]!)
    }
    block.state[index] = state
    block.owner[index] = seat
  }

  /** A write to a page that another address space has too: this one gets a copy. */
  unshare(page: number): void {
    const block = this.#block(page)
    const index = page % PAGES_PER_BLOCK
    if ((block.state[index]! & PAGE_OWNED) === 0 || !this.#memory.isShared(block.frame[index]!)) return
    this.#memory.release(block.frame[index]!)
    block.frame[index] = this.#memory.allocate()
  }

  #block(page: number): Block {
    const number = Math.floor(page / PAGES_PER_BLOCK)
    let block = this.#blocks.get(number)
    if (block === undefined) {
      block = new Block()
      this.#blocks.set(number, block)
      this.#memory.countTables(1)
    }
    return block
  }

  /**
   * A call that covers a range of pages.
   * @param changesPages whether faults in the range depend on it
   * @param removesPages whether the pages are gone afterwards
   */
  call(first: number, behind: number, changesPages: boolean, removesPages: boolean): void {
    if (behind <= first) return
    const { worker, number } = this.#order
    this.#calls.visit(first, behind, this.#afterCall)
    this.#calls.assign(first, behind, worker, number)
    if (!changesPages) return
    this.#pageCalls.visit(first, behind, this.#afterCall)
    this.#pageCalls.assign(first, behind, worker, number)
    this.#eachBlock(first, behind, (block, from, to) => {
      for (let index = from; index < to; index++) {
        const operation = block.operation[index]!
        if (operation === 0) continue
        this.#order.after(block.worker[index]!, operation)
        // The call stands for it from now on.
        block.operation[index] = 0
      }
      if (!removesPages) return false
      for (let index = from; index < to; index++) {
        if ((block.state[index]! & PAGE_OWNED) !== 0) this.#memory.release(block.frame[index]!)
        block.state[index] = PAGE_ABSENT
        block.corrected[index] = 0
      }
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

  /**
   * A page is corrected: it is gone, or cannot be written any more. Returns whether that turns back what the last
   * correction of it said, and not for the first time since a call removed it.
   */
  turns(page: number, isGone: boolean): boolean {
    const { corrected } = this.#block(page)
    const index = page % PAGES_PER_BLOCK
    const way = isGone ? 1 : 2
    const before = corrected[index]!
    const isOther = before !== 0 && (before & 3) !== way
    corrected[index] = way | (before & TURNED) | (isOther ? TURNED : 0)
    return isOther && (before & TURNED) !== 0
  }

  /** A fault found a page missing. */
  countMissing(page: number): void {
    this.#block(page).missing++
  }

  /** Whether a single fault found anything missing in the 2 MiB that a page is in. */
  hasOneMissing(page: number): boolean {
    return this.#block(page).missing === 1
  }

  /** mprotect takes the right to write from the pages of a range. */
  protect(first: number, behind: number): void {
    this.#eachBlock(first, behind, (block, from, to) => {
      for (let index = from; index < to; index++) block.state[index]! &= ~PAGE_WRITABLE
      return false
    })
  }

  /** Pages that a call brings in by itself. */
  populate(first: number, behind: number, seat: number, writable: boolean): void {
    const state = PAGE_FAULTED | PAGE_OWNED | (writable ? PAGE_WRITABLE : 0)
    for (let page = first; page < behind; page++) this.setState(page, state, seat)
  }

  /** A process that is not replayed was forked: what this one could write is shared until it is written again. */
  markForked(): void {
    for (const block of this.#blocks.values()) {
      for (let index = 0; index < PAGES_PER_BLOCK; index++) {
        if ((block.state[index]! & PAGE_OWNED) !== 0) block.state[index]! |= PAGE_FORKED
      }
    }
  }

  /** The operation under way forks the address space. Returns the copy, which shares the pages that are owned. */
  fork(): SpaceOrder {
    this.call(0, ALL_PAGES, true, false)
    const child = new SpaceOrder(this.#order, this.#memory)
    for (const [number, block] of this.#blocks) {
      for (let index = 0; index < PAGES_PER_BLOCK; index++) {
        // What a fault can bring in again from a file is not copied, as a rule.
        if ((block.state[index]! & PAGE_OWNED) === 0) continue
        const copy = child.#block(number * PAGES_PER_BLOCK + index)
        block.state[index]! &= ~PAGE_WRITABLE
        copy.state[index] = block.state[index]!
        copy.owner[index] = block.owner[index]!
        copy.frame[index] = block.frame[index]!
        this.#memory.share(block.frame[index]!)
      }
    }
    return child
  }

  /** Workers other than the one under way that have used the address space. */
  otherUsers(worker: number): number[] {
    return [...this.#lastOf.keys()].filter((other) => other !== worker)
  }

  /** The operation under way is the last of its worker in this address space. */
  leave(): void {
    this.#lastOf.set(this.#order.worker, this.#order.number)
  }

  /** The operation under way destroys the address space. */
  destroy(): void {
    for (const [worker, operation] of this.#lastOf) this.#order.after(worker, operation)
    for (const block of this.#blocks.values()) {
      for (let index = 0; index < PAGES_PER_BLOCK; index++)
        if ((block.state[index]! & PAGE_OWNED) !== 0) this.#memory.release(block.frame[index]!)
    }
    this.#memory.countTables(-this.#blocks.size)
    this.#memory.countSpaces(-1)
    this.#blocks.clear()
  }

  /** The operation moves the program break. */
  moveBreak(): void {
    const { worker, number } = this.#order
    if (this.#lastBreakWorker >= 0) this.#order.after(this.#lastBreakWorker, this.#lastBreakOperation)
    this.#lastBreakWorker = worker
    this.#lastBreakOperation = number
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
      if (visit(block, from, to, base) && this.#blocks.delete(number)) this.#memory.countTables(-1)
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
