// CPUs that wait for a line which somebody else is being given or still keeps. Who gets it next is decided when it
// becomes free, and not when they came: on machines with many last-level caches a line goes round within one of them
// several times before it leaves, and a plain queue would be wrong.

import { SAME_CORE, type Topology } from './topology.ts'

/** Places at the beginning that are given up at once, when so many are unused. */
const UNUSED_MAX = 512

export class LineWaiters {
  /** In the order in which they came, from {@link #first} on. */
  readonly #cpus: number[] = []
  readonly #since: number[] = []
  #first = 0
  /** The core that had the line before; -1 at first. */
  #last = -1
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

  add(cpu: number, time: number): void {
    this.#cpus.push(cpu)
    this.#since.push(time)
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
   * Takes out who gets the line next: the first that came; or, while `near` handovers in a row have not been used up,
   * the first of the nearest.
   */
  next(topology: Topology, coreOf: Int16Array, near: number): number {
    const isNear = near > 0 && this.#last >= 0 && this.#handedNear < near
    const place = isNear ? this.#nearest(topology, coreOf) : this.#first
    this.#handedNear = place === this.#first ? 0 : this.#handedNear + 1
    const cpu = this.#cpus[place]!
    this.#remove(place)
    this.#last = coreOf[cpu]!
    return cpu
  }

  /** Moves those before it, or those behind it, whoever are fewer. */
  #remove(place: number): void {
    const cpus = this.#cpus
    const since = this.#since
    const end = cpus.length - 1
    if (place - this.#first > end - place) {
      for (let at = place; at < end; at++) {
        cpus[at] = cpus[at + 1]!
        since[at] = since[at + 1]!
      }
      cpus.length = end
      since.length = end
      return
    }
    for (let at = place; at > this.#first; at--) {
      cpus[at] = cpus[at - 1]!
      since[at] = since[at - 1]!
    }
    this.#first++
    if (this.#first > end || this.#first === UNUSED_MAX) this.#giveUpUnused()
  }

  #giveUpUnused(): void {
    this.#cpus.splice(0, this.#first)
    this.#since.splice(0, this.#first)
    this.#first = 0
  }

  /** Nobody waits any more: the next line that is waited for begins anew. */
  reset(): void {
    this.#last = -1
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
