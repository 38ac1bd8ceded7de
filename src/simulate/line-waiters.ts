// CPUs that wait for a line which somebody else is being given or still keeps. Who gets it next is decided when it
// becomes free, and not when they came: on machines with many last-level caches a line goes round within one of them
// several times before it leaves, and a plain queue would be wrong.
//
// A load that misses a line which its core has requested already waits in the fill buffer of that request, and gets the
// data with it: so when a core gets a line, the loads of its other thread go on too (Intel 64 and IA-32 Architectures
// Software Developer's Manual, volume 3B, event MEM_LOAD_RETIRED.FB_HIT; the buffers are of the core, and track lines).
// A locked instruction requests its line at retirement (the same, L1D_CACHE_LOCK_DURATION), and waits for its turn.
//
// Nobody waits for two lines at once. So each that waits has one place in arrays for all lines, the queue of a line is
// a list of these places, and those who wait are also listed by their cores: who is near is found without a look at
// all that wait.

import type { Topology } from './topology.ts'

const NOBODY = -1

/** All that wait, for whatever line. */
export class Waiting {
  readonly topology: Topology
  /** Of each that may wait: what it waits for; since when that counts; when it came, or the request before it. */
  readonly at: (LineWaiters | null)[]
  readonly since: Float64Array
  readonly came: Float64Array
  /** Rises along each queue. */
  readonly order: Float64Array
  readonly next: Int32Array
  readonly previous: Int32Array
  readonly #coreOf: Int16Array
  readonly #byCore: readonly number[][]
  #orders = 0

  /** @param coreOf the core of each that may wait; who changes it while one waits says so: {@link move} */
  constructor(topology: Topology, coreOf: Int16Array) {
    const count = coreOf.length
    this.topology = topology
    this.at = Array.from({ length: count }, () => null)
    this.since = new Float64Array(count)
    this.came = new Float64Array(count)
    this.order = new Float64Array(count)
    this.next = new Int32Array(count)
    this.previous = new Int32Array(count)
    this.#coreOf = coreOf
    this.#byCore = Array.from({ length: topology.cores }, () => [])
  }

  /** The number of who comes last. */
  nextOrder(): number {
    return this.#orders++
  }

  coreOf(id: number): number {
    return this.#coreOf[id]!
  }

  /** Those who wait on a core, for any line, in no order. */
  on(core: number): readonly number[] {
    return this.#byCore[core]!
  }

  enter(id: number, waiters: LineWaiters): void {
    this.at[id] = waiters
    this.#byCore[this.#coreOf[id]!]!.push(id)
  }

  leave(id: number): void {
    this.at[id] = null
    const there = this.#byCore[this.#coreOf[id]!]!
    there[there.indexOf(id)] = there.at(-1)!
    there.pop()
  }

  /** It goes to another core, also if it waits: a request may, whose thread has gone on. */
  move(id: number, core: number): void {
    const waiters = this.at[id]!
    if (waiters !== null) this.leave(id)
    this.#coreOf[id] = core
    if (waiters !== null) this.enter(id, waiters)
  }
}

/** Those who wait for one line. */
export class LineWaiters {
  size = 0
  /** Who came first, or -1. */
  first = NOBODY
  readonly #waiting: Waiting
  #end = NOBODY
  /** The core that had the line before; -1 at first. And when it got it. */
  #last = NOBODY
  #lastAt = -Infinity
  #handedNear = 0

  constructor(waiting: Waiting) {
    this.#waiting = waiting
  }

  /** Since when each waits. */
  since(): number[] {
    const { since, next } = this.#waiting
    const times: number[] = []
    for (let id = this.first; id !== NOBODY; id = next[id]!) times.push(since[id]!)
    return times
  }

  /** @param since for what waiting is counted from; it comes at `time` */
  add(id: number, time: number, since = time): void {
    const waiting = this.#waiting
    waiting.enter(id, this)
    waiting.since[id] = since
    waiting.came[id] = time
    waiting.order[id] = waiting.nextOrder()
    this.#link(this.#end, id)
    this.#link(id, NOBODY)
    this.size++
  }

  has(id: number): boolean {
    return this.#waiting.at[id] === this
  }

  /** Somebody else waits in the place of `id` from now on. */
  replace(id: number, by: number, time: number): void {
    const waiting = this.#waiting
    waiting.leave(id)
    waiting.enter(by, this)
    waiting.since[by] = time
    waiting.came[by] = waiting.came[id]!
    waiting.order[by] = waiting.order[id]!
    this.#link(waiting.previous[id]!, by)
    this.#link(by, waiting.next[id]!)
  }

  /**
   * Takes out somebody on the core that had the line before who waited for it already when that got it.
   *
   * @param isServed whether what the core got is all that a waiter on it waits for
   * @returns the waiter, or -1 if there is none
   */
  takeSibling(isServed: (id: number) => boolean): number {
    if (this.#last === NOBODY) return NOBODY
    const { at, came, order } = this.#waiting
    let found = NOBODY
    for (const id of this.#waiting.on(this.#last)) {
      if (at[id] !== this || came[id]! > this.#lastAt || !isServed(id)) continue
      if (found === NOBODY || order[id]! < order[found]!) found = id
    }
    if (found !== NOBODY) this.#remove(found)
    return found
  }

  /**
   * Takes out who gets the line next: the first that came; or, while `near` handovers in a row have not been used up,
   * the first of the nearest.
   */
  next(near: number, time: number): number {
    const isNear = near > 0 && this.#last !== NOBODY && this.#handedNear < near
    const id = isNear ? this.#nearest() : this.first
    this.#handedNear = id === this.first ? 0 : this.#handedNear + 1
    this.#remove(id)
    this.#last = this.#waiting.coreOf(id)
    this.#lastAt = time
    return id
  }

  /** Nobody waits any more: the next line that is waited for begins anew. */
  reset(): void {
    this.#last = NOBODY
    this.#lastAt = -Infinity
    this.#handedNear = 0
  }

  /** One stands behind another, or is the first, or the last. */
  #link(id: number, following: number): void {
    const { next, previous } = this.#waiting
    if (id === NOBODY) this.first = following
    else next[id] = following
    if (following === NOBODY) this.#end = id
    else previous[following] = id
  }

  #remove(id: number): void {
    const { next, previous } = this.#waiting
    this.#link(previous[id]!, next[id]!)
    this.#waiting.leave(id)
    this.size--
  }

  #nearest(): number {
    const { socketOfCore, groupOfCore, shape } = this.#waiting.topology
    const sameCore = this.#firstOn(this.#last, this.#last + 1)
    if (sameCore !== NOBODY) return sameCore
    const groupBegin = groupOfCore[this.#last]! * shape.coresPerGroup
    const sameGroup = this.#firstOn(groupBegin, groupBegin + shape.coresPerGroup)
    if (sameGroup !== NOBODY) return sameGroup
    const { next } = this.#waiting
    const socket = socketOfCore[this.#last]!
    for (let id = this.first; id !== NOBODY; id = next[id]!)
      if (socketOfCore[this.#waiting.coreOf(id)] === socket) return id
    return this.first
  }

  /** Who came first of those on the cores from `begin` to `end`; -1 if there is none. */
  #firstOn(begin: number, end: number): number {
    const { at, order } = this.#waiting
    let found = NOBODY
    for (let core = begin; core < end; core++) {
      for (const id of this.#waiting.on(core))
        if (at[id] === this && (found === NOBODY || order[id]! < order[found]!)) found = id
    }
    return found
  }
}
