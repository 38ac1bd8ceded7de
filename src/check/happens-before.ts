// Data races in one execution, by vector clocks.
//
// It says of a single execution what the explorer says of all of them: which two accesses, one of them a plain one, no
// chain of "reads what the other wrote" orders. An atomic read takes over what the write that it read from knew, a
// notified thread what the notifying one knew; nothing else orders two threads.

import {
  ADD,
  COMPARE_EXCHANGE,
  LEAVE,
  LOAD,
  NOTIFY,
  PAUSE,
  STOP,
  STORE,
  type Thread,
  WAIT,
  WAIT_ASYNC,
  WOKEN,
  XOR,
} from '../backends/stepped/index.ts'
import type { RaceReport } from './data-races.ts'

/** The last accesses of one kind to a cell: for each thread when, and where. */
interface Accesses {
  readonly times: Int32Array
  readonly sites: Int32Array
}

interface Cell {
  readonly plainReads: Accesses
  readonly plainWrites: Accesses
  readonly atomicReads: Accesses
  readonly atomicWrites: Accesses
  /** What the last atomic write knew, the updates since, and the last use of the queue of those who wait. */
  written: Int32Array | null
  readonly updated: Int32Array[]
  queued: Int32Array | null
}

export class HappensBefore {
  race: RaceReport | null = null
  readonly #count: number
  /** For each thread, which step of each other it knows of; of itself, its last. */
  protected readonly clocks: readonly Int32Array[]
  readonly #cells = new Map<number, Cell>()
  /** What those knew who notified a thread that has not gone on yet. */
  readonly #wakers: (Int32Array | null)[]

  constructor(threads: number) {
    this.#count = threads
    this.#wakers = Array.from({ length: threads }, () => null)
    this.clocks = Array.from({ length: threads }, () => new Int32Array(threads))
  }

  /** Thread `id` was notified by thread `by`, in its last step. */
  woken(id: number, by: number): void {
    this.#wakers[id] ??= this.clocks[by]!.slice()
  }

  /** A thread is about to do its operation as step `step`, from 1. */
  step(thread: Thread, step: number): void {
    const { id, kind } = thread
    const clock = this.clocks[id]!
    if (kind === STOP) {
      const victim = thread.victim!.id
      join(clock, this.clocks[victim]!)
      // What it did plainly since its last step, too.
      clock[victim] = this.clocks[victim]![victim]! + 1
    }
    if (kind === WOKEN) {
      const waker = this.#wakers[id]
      if (waker) join(clock, waker)
      if (!waker || thread.timeout !== Infinity) this.#leaveQueue(thread, step)
      this.#wakers[id] = null
    } else if (kind !== PAUSE) {
      const reads = kind !== STORE && !isOfQueue(kind)
      const writes = changes(thread)
      const queues = usesQueue(thread)
      const isPlain = isRacy(thread)
      for (let at = thread.cell; at < thread.cell + thread.cells; at++) {
        const cell = this.#cell(at)
        if (reads && !isUpdate(thread) && !isPlain) {
          if (cell.written !== null) join(clock, cell.written)
          for (const update of cell.updated) join(clock, update)
        }
        if (queues && cell.queued !== null) join(clock, cell.queued)
        if (!isOfQueue(kind)) this.#checkAtomic(at, cell, thread, writes)
      }
    }
    clock[id] = step
    if (kind !== WOKEN && kind !== PAUSE) this.#leaveMarks(thread, step)
  }

  /** Its time is over: it takes itself out of the queue. */
  #leaveQueue(thread: Thread, step: number): void {
    const clock = this.clocks[thread.id]!
    for (let at = thread.cell; at < thread.cell + thread.cells; at++) {
      const cell = this.#cell(at)
      if (cell.queued !== null) join(clock, cell.queued)
      cell.queued = clock.slice()
      cell.queued[thread.id] = step
    }
  }

  plain(id: number, firstCell: number, cells: number, site: number, write: boolean): void {
    const clock = this.clocks[id]!
    for (let at = firstCell; at < firstCell + cells; at++) {
      const cell = this.#cell(at)
      const mine = { thread: id, site, write, atomic: false }
      for (let other = 0; other < this.#count; other++) {
        if (other === id) continue
        const known = clock[other]!
        this.#compare(at, cell.plainWrites, other, known, { write: true, atomic: false }, mine)
        this.#compare(at, cell.atomicWrites, other, known, { write: true, atomic: true }, mine)
        if (!write) continue
        this.#compare(at, cell.plainReads, other, known, { write: false, atomic: false }, mine)
        this.#compare(at, cell.atomicReads, other, known, { write: false, atomic: true }, mine)
      }
      // It is known to whoever knows of the thread's next step.
      note(write ? cell.plainWrites : cell.plainReads, id, clock[id]! + 1, site)
    }
  }

  #checkAtomic(at: number, cell: Cell, thread: Thread, writes: boolean): void {
    const mine = { thread: thread.id, site: thread.site, write: writes, atomic: true }
    for (let other = 0; other < this.#count; other++) {
      if (other === thread.id) continue
      const known = this.clocks[thread.id]![other]!
      this.#compare(at, cell.plainWrites, other, known, { write: true, atomic: false }, mine)
      if (writes) this.#compare(at, cell.plainReads, other, known, { write: false, atomic: false }, mine)
    }
  }

  #compare(
    cell: number,
    accesses: Accesses,
    other: number,
    known: number,
    how: { readonly write: boolean; readonly atomic: boolean },
    mine: RaceReport['second'],
  ): void {
    if (accesses.times[other]! <= known) return
    this.race ??= { cell, first: { thread: other, site: accesses.sites[other]!, ...how }, second: mine }
  }

  #leaveMarks(thread: Thread, step: number): void {
    const { id, kind, site } = thread
    const writes = changes(thread)
    const queues = usesQueue(thread)
    for (let at = thread.cell; at < thread.cell + thread.cells; at++) {
      const cell = this.#cell(at)
      if (queues) cell.queued = this.clocks[id]!.slice()
      if (isOfQueue(kind)) continue
      if (kind !== STORE) note(cell.atomicReads, id, step, site)
      if (!writes) continue
      note(cell.atomicWrites, id, step, site)
      const known = this.clocks[id]!.slice()
      if (isUpdate(thread)) cell.updated.push(known)
      else {
        cell.written = isRacy(thread) ? null : known
        cell.updated.length = 0
      }
    }
  }

  #cell(at: number): Cell {
    let cell = this.#cells.get(at)
    if (cell === undefined) {
      const none = (): Accesses => ({
        times: new Int32Array(this.#count),
        sites: new Int32Array(this.#count),
      })
      cell = {
        plainReads: none(),
        plainWrites: none(),
        atomicReads: none(),
        atomicWrites: none(),
        written: null,
        updated: [],
        queued: null,
      }
      this.#cells.set(at, cell)
    }
    return cell
  }
}

function join(clock: Int32Array, other: Int32Array): void {
  for (let at = 0; at < clock.length; at++) clock[at] = Math.max(clock[at]!, other[at]!)
}

function note(accesses: Accesses, thread: number, time: number, site: number): void {
  accesses.times[thread] = time
  accesses.sites[thread] = site
}

/** The next operation of a thread counts as a write, as memory is now: a compare-and-swap that fails does not. */
export function changes(thread: Thread): boolean {
  switch (thread.kind) {
    case LOAD:
    case PAUSE:
    case WAIT:
    case WAIT_ASYNC:
    case NOTIFY:
    case LEAVE:
    case WOKEN:
      return false
    case COMPARE_EXCHANGE:
      return seesExpected(thread)
  }
  return true
}

/** An access of racy(), which orders nothing. */
function isRacy({ isPlain, kind }: Thread): boolean {
  return isPlain && (kind === LOAD || kind === STORE)
}

/** It changes what is there without looking: see dependence.ts. */
function isUpdate({ kind, unread }: Thread): boolean {
  return unread && kind >= ADD && kind <= XOR
}

/** It looks at or changes the queue of those who wait, in the critical section of which a wait compares the value. */
function usesQueue(thread: Thread): boolean {
  const { kind } = thread
  return isOfQueue(kind) || kind === WAIT || kind === WAIT_ASYNC
}

/** It looks at the queue alone, and not at what is there. */
function isOfQueue(kind: number): boolean {
  return kind === NOTIFY || kind === LEAVE
}

function seesExpected(thread: Thread): boolean {
  const value = thread.array[thread.index]
  // Elements that are no 32-bit integers: it might.
  return thread.native || value === thread.expected || value === (thread.expected | 0)
}
