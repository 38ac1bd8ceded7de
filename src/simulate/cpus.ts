// Recorded threads on the CPUs of a simulated machine: who runs, what it computes between its operations, and when it
// may begin the next.
//
// Principles:
// - Any CPU that is free takes the thread that has waited longest. A thread keeps its CPU until it waits for something,
//   or until its time slice is over while another thread waits for a CPU; but never gives it up within the kernel,
//   except to sleep there.
// - A thread computes for as long as the recording has it, on whatever machine. What it was away for, it is away for
//   again; it needs no CPU meanwhile.
// - What must come after another thread's operation waits for that, without a CPU.

import { COMPUTING } from './accounts.ts'
import { CpuPool } from './cpu-pool.ts'
import type { OtherPrograms } from './other-programs.ts'
import type { ReaderSpins } from './reader-spins.ts'
import type { LeastTimes, RecordedDurations } from './recorded-durations.ts'
import type { Simulator } from './simulator.ts'
import type { Topology } from './topology.ts'

/** What a lane does around its operations. */
export interface LaneProgram extends LeastTimes {
  /** Before each operation, in nanoseconds: away from a CPU, then computing. */
  readonly awayNs: Float64Array
  readonly computeNs: Float64Array
  /** The operation is the first of a thread: it is away from when this operation was done; of lane -1: from time 0. */
  readonly isBorn: Uint8Array
  readonly bornOf: Int32Array
  readonly bornAfter: Int32Array
  /** What each operation must come after: lanes and numbers of operations, from `waitsAt[operation]` on. */
  readonly waitsAt: Int32Array
  readonly waits: Int32Array
}

// What a thread is at.
/** In the kernel, or between an access to its gate and the next. */
const IN_KERNEL = 0
const ARRIVED = 1
const UNBORN = 2
const AWAY = 3
const COMPUTES = 4
const ORDERED = 5

const NOT_DONE = -1

export class Cpus extends CpuPool {
  readonly #lanes: readonly LaneProgram[]
  readonly #wakeLatencyNs: number
  #simulator!: Simulator
  #durations!: RecordedDurations
  #spins: ReaderSpins | null = null
  readonly #phase: Uint8Array
  readonly #operation: Int32Array
  readonly #awayUntil: Float64Array
  readonly #computeNs: Float64Array
  /** When each operation was done. */
  readonly #doneAt: readonly Float64Array[]
  /** Threads that wait for an operation of a lane, and which. */
  readonly #waiting: { readonly thread: number; readonly operation: number }[][]
  /** When the last thread had done its last operation. */
  endNs = 0

  /**
   * @param places the CPUs of the machine that are used
   * @param wakeLatencyNs until a thread that another has created or woken runs on a CPU that is free
   * @param others what other programs take of the CPUs
   */
  constructor(
    lanes: readonly LaneProgram[],
    places: readonly number[],
    topology: Topology,
    wakeLatencyNs: number,
    others: OtherPrograms | null,
  ) {
    const threads = lanes.length
    super(threads, places, topology, others)
    this.#lanes = lanes
    this.#wakeLatencyNs = wakeLatencyNs
    this.#phase = new Uint8Array(threads)
    this.#operation = new Int32Array(threads)
    this.#awayUntil = new Float64Array(threads)
    this.#computeNs = new Float64Array(threads)
    this.#doneAt = lanes.map(({ awayNs }) => new Float64Array(awayNs.length).fill(NOT_DONE))
    this.#waiting = lanes.map(() => [])
  }

  /** Before anything else, once the simulator and the durations are there. */
  attachTo(
    simulator: Simulator,
    durations: RecordedDurations,
    tell: (thread: number, isToLeave: boolean) => void,
    spins: ReaderSpins | null,
  ): void {
    this.attach(simulator, tell)
    this.#simulator = simulator
    this.#durations = durations
    this.#spins = spins
  }

  /** A thread has come to its gate before this operation. */
  arrive(thread: number, operation: number): void {
    this.#phase[thread] = ARRIVED
    this.#operation[thread] = operation
    this.#computeNs[thread] = this.#lanes[thread]!.computeNs[operation]!
  }

  /** A thread has done an operation: those go on that have waited for it. */
  done(thread: number, operation: number): void {
    this.#durations.done(thread)
    const now = this.#simulator.clock[thread]!
    this.#doneAt[thread]![operation] = now
    this.endNs = Math.max(this.endNs, now)
    const waiting = this.#waiting[thread]!
    for (let place = waiting.length - 1; place >= 0; place--) {
      const { thread: waiter, operation: awaited } = waiting[place]!
      if (awaited > operation) continue
      waiting.splice(place, 1)
      this.#simulator.resume(waiter, Math.max(now, this.#simulator.clock[waiter]!))
    }
  }

  // -------------------------------------------------------------------------------------------------------------------
  // What the simulator asks

  isAway(thread: number): boolean {
    return this.#phase[thread] !== IN_KERNEL || !this.hasCpu(thread)
  }

  override spinsUntil(thread: number): number {
    const until = this.#spins?.until(thread, this.#simulator.clock[thread]!) ?? Infinity
    return Math.min(super.spinsUntil(thread), until)
  }

  override isToLeave(thread: number, now: number): boolean {
    return this.#spins?.isOver(thread, now) === true || super.isToLeave(thread, now)
  }

  goesOn(thread: number, now: number): boolean {
    // It was woken in the kernel.
    if (this.#phase[thread] === IN_KERNEL) return this.takes(thread, now)
    const operation = this.#operation[thread]!
    const { awayNs, isBorn, bornOf, bornAfter } = this.#lanes[thread]!
    if (this.#phase[thread] === ARRIVED) {
      this.#awayUntil[thread] = now + awayNs[operation]!
      this.#phase[thread] = isBorn[operation] === 1 ? UNBORN : AWAY
    }
    if (this.#phase[thread] === UNBORN) {
      const creator = bornOf[operation]!
      const bornAt = creator < 0 ? 0 : this.#doneAtOrWaits(thread, creator, bornAfter[operation]!)
      if (bornAt === Infinity) return this.letGo(thread, now)
      const latencyNs = creator >= 0 && this.hasIdle(now) ? this.#wakeLatencyNs : 0
      this.#awayUntil[thread] = bornAt + awayNs[operation]! + latencyNs
      this.#phase[thread] = AWAY
    }
    if (this.#phase[thread] === AWAY) {
      if (this.#awayUntil[thread]! > now) return this.#awayTo(thread, now, this.#awayUntil[thread]!)
      this.#phase[thread] = COMPUTES
    }
    if (this.#phase[thread] === COMPUTES) {
      if (!this.#computes(thread, now)) return false
      this.#phase[thread] = ORDERED
    }
    const after = this.#afterOthers(thread, operation)
    if (after === Infinity) return this.letGo(thread, now)
    if (after > now) return this.#awayTo(thread, now, after)
    if (!this.takes(thread, now)) return false
    this.#phase[thread] = IN_KERNEL
    this.#durations.begin(thread, operation, now)
    return true
  }

  // -------------------------------------------------------------------------------------------------------------------

  /** Computes on, for a time slice at most. Returns whether it has computed all. */
  #computes(thread: number, now: number): boolean {
    if (!this.takes(thread, now)) return false
    if (!this.mayLose(thread, now)) return false
    const left = this.#computeNs[thread]!
    if (left === 0) return true
    const ns = Math.min(left, this.sliceEnd(thread, now) - now)
    this.#computeNs[thread] = left - ns
    this.#simulator.spend(thread, COMPUTING, ns)
    this.#simulator.resume(thread, now + ns)
    return false
  }

  /**
   * When what an operation must come after was done: Infinity where it is not, in which case the thread is resumed when
   * it is; -1 where there is nothing.
   */
  #afterOthers(thread: number, operation: number): number {
    const { waits, waitsAt } = this.#lanes[thread]!
    let after = NOT_DONE
    for (let at = waitsAt[operation]!; at < waitsAt[operation + 1]!; at += 2) {
      const doneAt = this.#doneAtOrWaits(thread, waits[at]!, waits[at + 1]!)
      if (doneAt === Infinity) return Infinity
      after = Math.max(after, doneAt)
    }
    return after
  }

  #doneAtOrWaits(thread: number, lane: number, operation: number): number {
    const doneAt = this.#doneAt[lane]![operation]!
    if (doneAt !== NOT_DONE) return doneAt
    this.#waiting[lane]!.push({ thread, operation })
    return Infinity
  }

  #awayTo(thread: number, now: number, time: number): false {
    this.letGo(thread, now)
    this.#simulator.resume(thread, time)
    return false
  }
}
