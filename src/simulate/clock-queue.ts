// Who is next: CPUs by the time at which they go on. A binary heap with places, so that a time can be brought forward.
//
// Of equal times the lower CPU is first: the order is the same in every run.

export class ClockQueue {
  /** The earliest time; Infinity where nobody waits. */
  earliest = Infinity
  size = 0
  readonly #heap: Int32Array
  readonly #placeOf: Int32Array
  readonly #times: Float64Array

  constructor(cpus: number) {
    this.#heap = new Int32Array(cpus)
    this.#placeOf = new Int32Array(cpus).fill(-1)
    this.#times = new Float64Array(cpus)
  }

  has(cpu: number): boolean {
    return this.#placeOf[cpu]! >= 0
  }

  /** Adds a CPU, or changes its time. */
  set(cpu: number, time: number): void {
    const place = this.#placeOf[cpu]!
    this.#times[cpu] = time
    if (place < 0) this.#up(this.#append(cpu))
    else {
      this.#up(place)
      this.#down(this.#placeOf[cpu]!)
    }
    this.#noteEarliest()
  }

  remove(cpu: number): void {
    const place = this.#placeOf[cpu]!
    if (place < 0) return
    this.#placeOf[cpu] = -1
    const last = this.#heap[--this.size]!
    if (last !== cpu) {
      this.#put(place, last)
      this.#up(place)
      this.#down(this.#placeOf[last]!)
    }
    this.#noteEarliest()
  }

  /** Takes out the CPU that is first; -1 where there is none. */
  pop(): number {
    if (this.size === 0) return -1
    const cpu = this.#heap[0]!
    this.#placeOf[cpu] = -1
    const last = this.#heap[--this.size]!
    if (last !== cpu) {
      this.#put(0, last)
      this.#down(0)
    }
    this.#noteEarliest()
    return cpu
  }

  #append(cpu: number): number {
    this.#put(this.size, cpu)
    return this.size++
  }

  #noteEarliest(): void {
    this.earliest = this.size === 0 ? Infinity : this.#times[this.#heap[0]!]!
  }

  #put(place: number, cpu: number): void {
    this.#heap[place] = cpu
    this.#placeOf[cpu] = place
  }

  #isBefore(one: number, other: number): boolean {
    const difference = this.#times[one]! - this.#times[other]!
    return difference < 0 || (difference === 0 && one < other)
  }

  #up(from: number): void {
    let place = from
    const cpu = this.#heap[place]!
    while (place > 0) {
      const above = (place - 1) >> 1
      const other = this.#heap[above]!
      if (!this.#isBefore(cpu, other)) break
      this.#put(place, other)
      place = above
    }
    this.#put(place, cpu)
  }

  #down(from: number): void {
    let place = from
    const cpu = this.#heap[place]!
    for (;;) {
      let below = 2 * place + 1
      if (below >= this.size) break
      if (below + 1 < this.size && this.#isBefore(this.#heap[below + 1]!, this.#heap[below]!)) below++
      const other = this.#heap[below]!
      if (!this.#isBefore(other, cpu)) break
      this.#put(place, other)
      place = below
    }
    this.#put(place, cpu)
  }
}
