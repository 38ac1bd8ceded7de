// Whose turn it is at a line that several want, and lines that are asked for ahead.
//
// Principles:
// - Who finds a line with somebody else, or on its way there, waits for it in turn. One of those who wait stands in the
//   queue of times for all of them.
// - When a line comes to a core, all threads of the core have read it that wait for that.
// - A line that was asked for ahead (`prefetchw`) comes while the CPU goes on. Who wants it before it is there waits in
//   the place that was taken for it; who wants it later may find it gone again.

import { LOAD, type Thread } from '../backends/stepped/index.ts'
import { Accesses } from './accesses.ts'
import { ClockQueue } from './clock-queue.ts'
import { LineWaiters, Waiting } from './line-waiters.ts'
import { LINE_SHIFT } from './lines.ts'
import type { SimulatorOptions } from './surroundings.ts'

const NOBODY = -1

export abstract class LineTurns extends Accesses {
  abstract readonly threads: readonly Thread[]

  /** When each goes on. Behind the threads, their requests for what they want ahead. */
  protected readonly queue: ClockQueue

  /** The line for which a thread, or a request, waits on behalf of all that do, or -1. */
  readonly #waitLine: Int32Array
  readonly #waiting: Waiting
  readonly #waiters = new Map<number, LineWaiters>()
  readonly #unusedWaiters: LineWaiters[] = []

  /** What a thread has asked for ahead and not used, as a cell, or -1; and when it came, or comes. */
  readonly #ahead: Int32Array
  readonly #aheadComes: Float64Array
  /** What the thread is to have read before its next operation, as a cell, or -1. */
  readonly #needed: Int32Array
  /** The thread waits where its request stood. */
  readonly #isInPlace: Uint8Array

  readonly #sharesCores: boolean

  constructor(options: SimulatorOptions) {
    super(options)
    const { count } = this
    this.#sharesCores = options.topology.shape.threadsPerCore > 1
    this.queue = new ClockQueue(2 * count)
    this.#waiting = new Waiting(options.topology, this.coreOf)
    this.#waitLine = new Int32Array(2 * count).fill(NOBODY)
    this.#ahead = new Int32Array(count).fill(NOBODY)
    this.#aheadComes = new Float64Array(count)
    this.#needed = new Int32Array(count).fill(NOBODY)
    this.#isInPlace = new Uint8Array(count)
  }

  override moveTo(thread: number, core: number): void {
    this.#waiting.move(thread, core)
    this.#waiting.move(thread + this.count, core)
    super.moveTo(thread, core)
  }

  protected queued(id: number, time: number): false {
    this.queue.set(id, time)
    return false
  }

  /** The window ends: who waits for a line has waited until then. */
  protected endTurns(time: number): void {
    for (const [line, waiters] of this.#waiters)
      for (const from of waiters.since()) this.accounts.addLine(line, from, time)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Waiting for a line

  /** It has come out of the queue of times for a line: for all that wait for one, or as a request. */
  protected isOfLine(id: number): boolean {
    return id >= this.count || this.#waitLine[id] !== NOBODY
  }

  /** Returns the thread that has got its line and goes on, or -1. */
  protected lineTurn(id: number, time: number): number {
    const line = this.#waitLine[id]!
    if (line === NOBODY) this.#request(id - this.count, time)
    else if (this.heldUntil[line]! > time) this.queue.set(id, this.heldUntil[line]!)
    else return this.#handOn(line, id, time)
    return NOBODY
  }

  /** Whether a thread has to wait for a line that it has not. If so, it does. */
  protected waitsFor(id: number, line: number, time: number): boolean {
    const waiters = this.#waiters.get(line)
    if (waiters === undefined && time >= this.heldUntil[line]!) {
      this.#noteUse(id, line)
      return false
    }
    this.#waitFor(id, line, waiters, time)
    return true
  }

  #waitFor(id: number, line: number, present: LineWaiters | undefined, time: number): void {
    let waiters = present
    if (waiters === undefined) {
      waiters = this.#unusedWaiters.pop() ?? new LineWaiters(this.#waiting)
      this.#waiters.set(line, waiters)
      this.#represent(line, id)
    }
    if (id >= this.count) waiters.add(id, time, Infinity)
    else if (this.#ahead[id]! >> LINE_SHIFT === line && waiters.has(id + this.count))
      this.#takePlace(id, line, waiters, time)
    else waiters.add(id, time)
  }

  /** The thread waits where its request did. */
  #takePlace(id: number, line: number, waiters: LineWaiters, time: number): void {
    const request = id + this.count
    waiters.replace(request, id, time)
    this.#isInPlace[id] = 1
    if (this.#waitLine[request] === NOBODY) return
    this.#waitLine[request] = NOBODY
    this.queue.remove(request)
    this.#represent(line, id)
  }

  /** It stands in the queue of times for all that wait for the line. */
  #represent(line: number, id: number): void {
    this.#waitLine[id] = line
    this.queue.set(id, this.heldUntil[line]!)
  }

  /** The line is free: who is next gets it. Returns that thread if it goes on with its operation, else -1. */
  #handOn(line: number, representative: number, time: number): number {
    this.#waitLine[representative] = NOBODY
    const waiters = this.#waiters.get(line)!
    let id = this.#sharesCores ? waiters.takeSibling((cpu) => this.#isServed(cpu, line)) : NOBODY
    if (id < 0) id = waiters.next(this.machine.nearHandovers, time)
    const isThread = id < this.count
    if (isThread) this.#get(id, line, time)
    else this.#comes(id - this.count, time)
    if (waiters.size === 0) {
      this.#waiters.delete(line)
      waiters.reset()
      this.#unusedWaiters.push(waiters)
    } else this.#represent(line, waiters.first)
    if (!isThread) return NOBODY
    return this.#needed[id] === NOBODY ? id : this.#hasReadInTurn(id)
  }

  /** Whether somebody who waits for a line only reads it, and his core has got it. */
  #isServed(id: number, line: number): boolean {
    const isLoad = id < this.count && (this.#needed[id] !== NOBODY || this.threads[id]!.kind === LOAD)
    return isLoad && this.directory.isHit(line, this.coreOf[id]!, false)
  }

  #get(id: number, line: number, time: number): void {
    this.accounts.addLine(line, this.clock[id]!, time)
    this.clock[id] = time
    if (this.#isInPlace[id] !== 0) {
      this.#isInPlace[id] = 0
      this.#comes(id, time)
      this.clock[id] = this.#aheadComes[id]!
      this.accounts.addLine(line, time, this.clock[id]!)
    }
    const needed = this.#needed[id]!
    const isReading = needed !== NOBODY
    const { kind, cell } = this.threads[id]!
    const write = !isReading && kind !== LOAD
    // The other thread of its core may have fetched it meanwhile.
    if (!this.directory.isHit(line, this.coreOf[id]!, write))
      this.fetch(id, line, isReading ? needed : cell, isReading ? LOAD : kind)
    else if (!isReading) this.hit(id, line, kind)
    this.#noteUse(id, line)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Lines that are asked for ahead

  /** The thread asks for the line of `cell`, to write it, and goes on. */
  fetchAhead(id: number, cell: number): void {
    const request = id + this.count
    // Of the last fault, which had no use for it: the two are one request.
    if (this.queue.has(request) || this.#waiters.get(cell >> LINE_SHIFT)?.has(request) === true) return
    this.#ahead[id] = cell
    this.clock[request] = this.clock[id]!
    this.queue.set(request, this.clock[id]!)
  }

  /** Before its next operation the thread reads `cell`. */
  readNext(id: number, cell: number): void {
    this.#needed[id] = cell
  }

  /** Whether the thread has not made a request for the line yet, which goes before what it does with that itself. */
  protected isToRequest(id: number, line: number): boolean {
    return this.#ahead[id]! >> LINE_SHIFT === line && this.#isRequestDue(id + this.count)
  }

  #isRequestDue(request: number): boolean {
    return this.queue.has(request) && this.#waitLine[request] === NOBODY
  }

  protected requestNow(id: number, time: number): void {
    this.queue.remove(id + this.count)
    this.#request(id, time)
  }

  /** A request is made: at its time, which is the earliest of all. */
  #request(id: number, time: number): void {
    const line = this.#ahead[id]! >> LINE_SHIFT
    if (this.directory.isHit(line, this.coreOf[id]!, true)) return
    const waiters = this.#waiters.get(line)
    if (waiters !== undefined || time < this.heldUntil[line]!)
      this.#waitFor(id + this.count, line, waiters, time)
    else this.#comes(id, time)
  }

  /** What it has asked for is on its way. */
  #comes(id: number, time: number): void {
    const cell = this.#ahead[id]!
    // What was measured between cores has an operation in it, which is not done yet.
    this.#aheadComes[id] = Math.max(time, this.transfer(id, cell, true, time) - this.atomicNs[id]!)
    if (this.watched[cell >> LINE_SHIFT] !== 0) this.written.push(cell >> LINE_SHIFT, id)
  }

  /** The thread has the line: whether that is there, if it has asked for it ahead. If not, it is queued until it is. */
  protected hasCome(id: number, line: number, time: number): boolean {
    if (line !== this.#ahead[id]! >> LINE_SHIFT) return true
    const comes = this.#aheadComes[id]!
    if (time >= comes) {
      this.#noteUse(id, line)
      return true
    }
    this.accounts.addLine(line, time, comes)
    this.clock[id] = comes
    return this.queued(id, comes)
  }

  /** Whether the thread has read what it is to have read. If not, it waits, or is queued. */
  protected hasRead(id: number): boolean {
    const cell = this.#needed[id]!
    if (cell === NOBODY) return true
    const line = cell >> LINE_SHIFT
    const time = this.clock[id]!
    if (time > this.queue.earliest) return this.queued(id, time)
    if (this.isToRequest(id, line)) this.requestNow(id, time)
    if (this.directory.isHit(line, this.coreOf[id]!, false)) {
      if (!this.hasCome(id, line, time)) return false
      this.#needed[id] = NOBODY
      return true
    }
    if (this.waitsFor(id, line, time)) return false
    this.fetch(id, line, cell, LOAD)
    this.#hasReadInTurn(id)
    return false
  }

  /** It goes on when it is its time. */
  #hasReadInTurn(id: number): number {
    this.#needed[id] = NOBODY
    this.queue.set(id, this.clock[id]!)
    return NOBODY
  }

  #noteUse(id: number, line: number): void {
    if (line === this.#ahead[id]! >> LINE_SHIFT) this.#ahead[id] = NOBODY
  }
}
