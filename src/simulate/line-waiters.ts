// CPUs that wait for a line which somebody else is being given or still keeps. Who gets it next is decided when it
// becomes free, and not when they came: on machines with many last-level caches a line goes round within one of them
// several times before it leaves, and a plain queue would be wrong.
//
// A load that misses a line which its core has requested already waits in the fill buffer of that request, and gets the
// data with it: so when a core gets a line, the loads of its other thread go on too (Intel 64 and IA-32 Architectures
// Software Developer's Manual, volume 3B, event MEM_LOAD_RETIRED.FB_HIT; the buffers are of the core, and track lines).
// A locked instruction requests its line at retirement (the same, L1D_CACHE_LOCK_DURATION), and waits for its turn.

import { SAME_CORE, type Topology } from './topology.ts'

/** Places at the beginning that are given up at once, when so many are unused. */
const UNUSED_MAX = 512

export class LineWaiters {
  /** In the order in which they came, from {@link #first} on. */
  readonly #cpus: number[] = []
  readonly #since: number[] = []
  /** When each came, or the request in whose place it waits. */
  readonly #came: number[] = []
  #first = 0
  /** The core that had the line before; -1 at first. And when it got it. */
  #last = -1
  #lastAt = -Infinity
  #handedNear = 0

  get size(): number {
    return this.#cpus.length - this.#first
  }

  /** Who came first. */
  get first(): number {
    return this.#cpus[this.#first]!
  }

  /** Since when each waits. */
  since(): number[] {
    return this.#since.slice(this.#first)
  }

  /** @param since for what waiting is counted from; it comes at `time` */
  add(cpu: number, time: number, since = time): void {
    this.#cpus.push(cpu)
    this.#since.push(since)
    this.#came.push(time)
  }

  has(cpu: number): boolean {
    return this.#cpus.includes(cpu, this.#first)
  }

  /** Somebody else waits in the place of `cpu` from now on. */
  replace(cpu: number, by: number, time: number): void {
    const place = this.#cpus.indexOf(cpu, this.#first)
    this.#cpus[place] = by
    this.#since[place] = time
  }

  /**
   * Takes out somebody on the core that had the line before who waited for it already when that got it.
   *
   * @param isServed whether what the core got is all that a waiter on it waits for
   * @returns the waiter, or -1 if there is none
   */
  takeSibling(coreOf: Int16Array, isServed: (cpu: number) => boolean): number {
    if (this.#last < 0) return -1
    for (let place = this.#first; place < this.#cpus.length; place++) {
      const cpu = this.#cpus[place]!
      if (coreOf[cpu] !== this.#last || this.#came[place]! > this.#lastAt || !isServed(cpu)) continue
      this.#remove(place)
      return cpu
    }
    return -1
  }

  /**
   * Takes out who gets the line next: the first that came; or, while `near` handovers in a row have not been used up,
   * the first of the nearest.
   */
  next(topology: Topology, coreOf: Int16Array, near: number, time: number): number {
    const isNear = near > 0 && this.#last >= 0 && this.#handedNear < near
    const place = isNear ? this.#nearest(topology, coreOf) : this.#first
    this.#handedNear = place === this.#first ? 0 : this.#handedNear + 1
    const cpu = this.#cpus[place]!
    this.#remove(place)
    this.#last = coreOf[cpu]!
    this.#lastAt = time
    return cpu
  }

  /** Moves those before it, or those behind it, whoever are fewer. */
  #remove(place: number): void {
    const end = this.#cpus.length - 1
    const isNearEnd = place - this.#first > end - place
    for (const values of [this.#cpus, this.#since, this.#came]) {
      if (isNearEnd) {
        for (let at = place; at < end; at++) values[at] = values[at + 1]!
        values.length = end
      } else for (let at = place; at > this.#first; at--) values[at] = values[at - 1]!
    }
    if (isNearEnd) return
    this.#first++
    if (this.#first > end || this.#first === UNUSED_MAX) this.#giveUpUnused()
  }

  #giveUpUnused(): void {
    this.#cpus.splice(0, this.#first)
    this.#since.splice(0, this.#first)
    this.#came.splice(0, this.#first)
    this.#first = 0
  }

  /** Nobody waits any more: the next line that is waited for begins anew. */
  reset(): void {
    this.#last = -1
    this.#lastAt = -Infinity
    this.#handedNear = 0
  }

  #nearest(topology: Topology, coreOf: Int16Array): number {
    let found = this.#first
    let distance = Infinity
    for (let place = this.#first; place < this.#cpus.length; place++) {
      const away = topology.distance(this.#last, coreOf[this.#cpus[place]!]!)
      if (away >= distance) continue
      distance = away
      found = place
      if (away === SAME_CORE) break
    }
    return found
  }
}
