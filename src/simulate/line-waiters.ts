// CPUs that wait for a line which somebody else is being given or still keeps. Who gets it next is decided when it
// becomes free, and not when they came: on machines with many last-level caches a line goes round within one of them
// several times before it leaves, and a plain queue would be wrong.

import { SAME_CORE, type Topology } from './topology.ts'

export class LineWaiters {
  /** In the order in which they came. */
  readonly cpus: number[] = []
  readonly since: number[] = []
  /** The core that had the line before; -1 at first. */
  #last = -1
  #handedNear = 0

  add(cpu: number, time: number): void {
    this.cpus.push(cpu)
    this.since.push(time)
  }

  /**
   * Takes out who gets the line next: the first that came; or, while `near` handovers in a row have not been used up,
   * the first of the nearest.
   */
  next(topology: Topology, coreOf: Int16Array, near: number): number {
    const place = near > 0 && this.#last >= 0 && this.#handedNear < near ? this.#nearest(topology, coreOf) : 0
    this.#handedNear = place === 0 ? 0 : this.#handedNear + 1
    const cpu = this.cpus[place]!
    this.#remove(place)
    this.#last = coreOf[cpu]!
    return cpu
  }

  /** As splice() does, but without an array of what was taken out. */
  #remove(place: number): void {
    const { cpus, since } = this
    const left = cpus.length - 1
    for (let at = place; at < left; at++) {
      cpus[at] = cpus[at + 1]!
      since[at] = since[at + 1]!
    }
    cpus.length = left
    since.length = left
  }

  /** Nobody waits any more: the next line that is waited for begins anew. */
  reset(): void {
    this.#last = -1
    this.#handedNear = 0
  }

  #nearest(topology: Topology, coreOf: Int16Array): number {
    let found = 0
    let distance = Infinity
    for (let place = 0; place < this.cpus.length; place++) {
      const away = topology.distance(this.#last, coreOf[this.cpus[place]!]!)
      if (away >= distance) continue
      distance = away
      found = place
      if (away === SAME_CORE) break
    }
    return found
  }
}
