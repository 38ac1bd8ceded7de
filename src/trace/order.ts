/**
 * Which operation must wait for which, over all address spaces: each waits for the last operations that concern it, one
 * for each worker at most; what another wait already implies (vector clocks) is left out.
 *
 * As all waits go backwards in recorded order, and each worker performs its operations in that order, no circle of
 * waits can arise, however threads are dealt out to workers. What concerns an operation: see space-order.ts.
 */

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
  readonly #counts: Int32Array
  readonly #clocks: Int32Array[]
  readonly #snapshots: Snapshot[][]
  readonly #depths: Int32Array
  readonly #maxSnapshots: number
  /**
   * What a seat's next operation must come after: the last operation of each worker. A shell that starts programs in
   * turn awaits each of them without an operation of its own, and each of them all before it.
   */
  readonly #pending = new Map<number, Map<number, number>>()
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

  /** @param workerOf the worker of each seat */
  constructor(workerOf: Uint16Array, workers: number) {
    this.#workerOf = workerOf
    this.#counts = new Int32Array(workers)
    this.#depths = new Int32Array(workers)
    this.#candidates = new Int32Array(workers)
    this.#clocks = Array.from({ length: workers }, () => new Int32Array(workers))
    this.#snapshots = Array.from({ length: workers }, () => [])
    this.#maxSnapshots = Math.max(16, Math.min(8192, Math.floor(SNAPSHOT_WORDS / (workers * workers))))
  }

  // ---- one operation: begin, then what it comes after, then end

  begin(seat: number): void {
    this.beginExtra(this.#workerOf[seat]!)
    this.operations++
    const pending = this.#pending.get(seat)
    if (pending !== undefined) {
      for (const [worker, operation] of pending) this.after(worker, operation)
      this.#pending.delete(seat)
    }
  }

  /** Begins an operation of a worker that no recorded thread did. */
  beginExtra(worker: number): void {
    this.#worker = worker
    this.#counts[worker]!++
  }

  /** The operation under way must come after another. */
  after(worker: number, operation: number): void {
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

  /** The worker of the operation under way, and the operation's number there. */
  get worker(): number {
    return this.#worker
  }

  get number(): number {
    return this.#counts[this.#worker]!
  }

  /** How many operations the worker of a seat has begun. */
  operationsOf(seat: number): number {
    return this.#counts[this.#workerOf[seat]!]!
  }

  workerOf(seat: number): number {
    return this.#workerOf[seat]!
  }

  /**
   * The next operation of a seat comes after everything that another has done.
   * @param isIdle the other never does anything
   */
  seatAfter(seat: number, other: number, isIdle: boolean): void {
    // What the other's next operation has to come after, that of the seat has to as well.
    const awaited = new Map(this.#pending.get(other))
    const worker = this.#workerOf[other]!
    if (!isIdle && this.#counts[worker]! > 0) awaited.set(worker, this.#counts[worker]!)
    if (awaited.size === 0) return
    const pending = this.#pending.get(seat)
    if (pending === undefined) this.#pending.set(seat, awaited)
    else
      for (const [before, operation] of awaited)
        pending.set(before, Math.max(pending.get(before) ?? 0, operation))
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
}
