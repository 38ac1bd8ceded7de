/**
 * What each thread did over the time of a recording: how long it waited for the mmap lock, held it, and how often it
 * faulted, in slices of equal length.
 *
 * Principle: constant memory, however long the recording is. The slices begin short, and where time goes beyond the
 * last one, neighbours are joined and all are twice as long.
 */

/** Slices of a whole recording, at most. */
export const SLICES = 512
const FIRST_SLICE_NS = 1000
/** Threads with slices of their own; what others do is added up. */
const MAX_LANES = 1024

/** One thread. */
export class Lane {
  readonly pid: number
  readonly tid: number
  process: string
  comm: string
  /** Nanoseconds in each slice: waiting for the lock, holding it for writing, for reading; and page faults. */
  readonly waited = new Float64Array(SLICES)
  readonly heldWrite = new Float64Array(SLICES)
  readonly heldRead = new Float64Array(SLICES)
  readonly faults = new Float64Array(SLICES)
  waits = 0
  calls = 0

  constructor(pid: number, tid: number, process: string, comm: string) {
    this.pid = pid
    this.tid = tid
    this.process = process
    this.comm = comm
  }

  get series(): readonly Float64Array[] {
    return [this.waited, this.heldWrite, this.heldRead, this.faults]
  }
}

export class Timeline {
  readonly #lanes = new Map<number, Lane>()
  #others: Lane | null = null
  #origin = 0
  #end = 0
  sliceNs = FIRST_SLICE_NS

  begin(ns: number): void {
    this.#origin = ns
    this.#end = ns
  }

  /** Slices that something was told of. */
  get length(): number {
    return Math.min(SLICES, Math.ceil((this.#end - this.#origin) / this.sliceNs))
  }

  /** Every thread's, and that of those that have none of their own. */
  get lanes(): readonly Lane[] {
    return this.#others === null ? [...this.#lanes.values()] : [...this.#lanes.values(), this.#others]
  }

  lane(pid: number, tid: number, process: string, comm: string): Lane {
    const key = pid * 2 ** 23 + tid
    let lane = this.#lanes.get(key)
    if (lane !== undefined) {
      if (comm !== '') lane.comm = comm
      // exec has made another program of it.
      lane.process = process
      return lane
    }
    if (this.#lanes.size >= MAX_LANES)
      return (this.#others ??= new Lane(0, 0, 'other threads', 'other threads'))
    lane = new Lane(pid, tid, process, comm === '' ? process : comm)
    this.#lanes.set(key, lane)
    return lane
  }

  /** Adds the time from `startNs` to `endNs` to the slices that it lies in. */
  span(series: Float64Array, startNs: number, endNs: number): void {
    this.#reach(endNs)
    let at = Math.max(0, startNs - this.#origin)
    const end = endNs - this.#origin
    while (at < end) {
      const slice = Math.min(SLICES - 1, Math.floor(at / this.sliceNs))
      const behind = slice === SLICES - 1 ? end : Math.min(end, (slice + 1) * this.sliceNs)
      series[slice]! += behind - at
      at = behind
    }
  }

  /** Counts what happened at one moment. */
  count(series: Float64Array, ns: number): void {
    this.#reach(ns)
    series[Math.min(SLICES - 1, Math.floor(Math.max(0, ns - this.#origin) / this.sliceNs))]!++
  }

  #reach(ns: number): void {
    if (ns <= this.#end) return
    this.#end = ns
    while (ns - this.#origin >= SLICES * this.sliceNs) {
      this.sliceNs *= 2
      for (const lane of this.lanes) for (const series of lane.series) joinNeighbours(series)
    }
  }
}

function joinNeighbours(series: Float64Array): void {
  const half = SLICES / 2
  for (let slice = 0; slice < half; slice++) series[slice] = series[2 * slice]! + series[2 * slice + 1]!
  series.fill(0, half)
}
