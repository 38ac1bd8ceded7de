// Operations of a recorded program take no less time than they did when it was recorded, and hold the mmap lock no
// shorter.
//
// Principles:
// - The simulated kernel does what concerns memory. What else Linux does in a call (cgroups, tracing, security modules,
//   what perf takes to write an event) is in the recorded times only. So what is missing at the end of an operation is
//   added there as work, and what is missing in a hold is added before the lock is given back. Nothing is shortened.
// - The work is the call's own, whichever lock protects it: under a design that does not take the mmap lock for it, it
//   is done without the lock.
// - Waiting for the lock is no work, and is as long as it is here.

import { WORKING } from './accounts.ts'
import type { Simulator } from './simulator.ts'

/** What each operation of a lane takes at least, and of that holds the mmap lock, in nanoseconds. */
export interface LeastTimes {
  readonly ownNs: Float64Array
  readonly writeNs: Float64Array
  readonly readNs: Float64Array
}

const NOT_HELD = -1

export class RecordedDurations {
  readonly #programs: readonly LeastTimes[]
  readonly #simulator: Simulator
  readonly #operation: Int32Array
  readonly #beganNs: Float64Array
  /** Of the operation under way: waiting for the lock, and holding it. */
  readonly #askedNs: Float64Array
  readonly #waitedNs: Float64Array
  readonly #heldFromNs: Float64Array
  readonly #writeNs: Float64Array
  readonly #readNs: Float64Array
  readonly #holdsWrite: Uint8Array
  /** How much was added, to holds and else, in nanoseconds. */
  addedHeldNs = 0
  addedNs = 0

  constructor(programs: readonly LeastTimes[], simulator: Simulator) {
    const lanes = programs.length
    this.#programs = programs
    this.#simulator = simulator
    this.#operation = new Int32Array(lanes)
    this.#beganNs = new Float64Array(lanes)
    this.#askedNs = new Float64Array(lanes)
    this.#waitedNs = new Float64Array(lanes)
    this.#heldFromNs = new Float64Array(lanes).fill(NOT_HELD)
    this.#writeNs = new Float64Array(lanes)
    this.#readNs = new Float64Array(lanes)
    this.#holdsWrite = new Uint8Array(lanes)
  }

  begin(lane: number, operation: number, now: number): void {
    this.#operation[lane] = operation
    this.#beganNs[lane] = now
    this.#waitedNs[lane] = 0
    this.#writeNs[lane] = 0
    this.#readNs[lane] = 0
  }

  asks(lane: number): void {
    this.#askedNs[lane] = this.#simulator.clock[lane]!
  }

  /** It has got the lock that it asked for, or has not by a try. */
  answered(lane: number, write: boolean, success: boolean): void {
    const now = this.#simulator.clock[lane]!
    this.#waitedNs[lane]! += now - this.#askedNs[lane]!
    if (success) this.#holds(lane, write, now)
  }

  downgraded(lane: number): void {
    this.#holds(lane, false, this.#simulator.clock[lane]!)
  }

  /** It is about to give the lock back, or to go on as a reader. */
  releasing(lane: number): void {
    const since = this.#heldFromNs[lane]!
    if (since === NOT_HELD) return
    const program = this.#programs[lane]!
    const write = this.#holdsWrite[lane] === 1
    const held = write ? this.#writeNs : this.#readNs
    const operation = this.#operation[lane]!
    held[lane]! += this.#simulator.clock[lane]! - since
    const missing = (write ? program.writeNs : program.readNs)[operation]! - held[lane]!
    if (missing > 0) {
      this.#simulator.spend(lane, WORKING, missing)
      this.addedHeldNs += missing
      held[lane]! += missing
    }
    this.#heldFromNs[lane] = NOT_HELD
  }

  done(lane: number): void {
    const took = this.#simulator.clock[lane]! - this.#beganNs[lane]! - this.#waitedNs[lane]!
    const missing = this.#programs[lane]!.ownNs[this.#operation[lane]!]! - took
    if (missing <= 0) return
    this.#simulator.spend(lane, WORKING, missing)
    this.addedNs += missing
  }

  #holds(lane: number, write: boolean, now: number): void {
    this.#heldFromNs[lane] = now
    this.#holdsWrite[lane] = write ? 1 : 0
  }
}
