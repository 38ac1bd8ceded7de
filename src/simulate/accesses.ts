// What accesses cost: the clock of each thread, where each line is, and what moving it takes.
//
// Principle: this file does accesses whose turn has come. Whose turn it is, and who waits, is simulator.ts.

import { LOAD, STORE, Scheduler, memory } from '../backends/stepped/index.ts'
import { Accounts, WORKING } from './accounts.ts'
import { latencyOf } from './latency.ts'
import { LINE_SHIFT, linesOf } from './lines.ts'
import { type MachineModel, slownessOfCores } from './machine.ts'
import { Directory, FROM_LAST_LEVEL, FROM_MEMORY, FROM_OWN, MODIFIED } from './protocol.ts'
import type { SimulatorOptions } from './surroundings.ts'
import type { Topology } from './topology.ts'
import { Watchers } from './watchers.ts'

/** How long after another core has used it a line is used in exact order. */
const HOT_NS = 20_000
/** At the same time, who waits for a line comes before who has it and goes on. */
const TIE_NS = 0.001
const NOBODY = -1

export abstract class Accesses extends Scheduler {
  /** The time of each thread, in nanoseconds. */
  readonly clock: Float64Array
  readonly coreOf: Int16Array
  /** How many threads there are. Behind them stand as many that only fetch ahead, one for each: line-turns.ts. */
  protected readonly count: number
  readonly accounts: Accounts
  readonly directory: Directory
  /** Accesses of all threads so far: operations and plain ones. */
  accesses = 0

  protected readonly machine: MachineModel
  protected readonly topology: Topology
  protected readonly watchers: Watchers
  /** Of each thread, on the core that it is on: what a hit takes. */
  protected readonly hitNs: Float64Array
  /** Watched lines that were written since the last step, each with who wrote it. */
  protected readonly written: number[] = []
  /** Until when nobody else may take a line, and until when its order is exact. */
  protected heldUntil: Float64Array
  protected hotUntil: Float64Array
  /** Whether somebody watches a line. */
  protected watched: Uint8Array
  /** Until when the stores of a thread are on their way. */
  protected readonly drainAt: Float64Array

  /** Of each core, as of the next for each thread. */
  readonly #slowness: Float64Array
  readonly atomicNs: Float64Array
  /** The line of a thread's last store that was on its way. */
  readonly #storeLine: Int32Array
  /** The socket that a line is at home in. */
  #home: Int8Array

  constructor({ machine, topology, places, begin }: SimulatorOptions) {
    super()
    const count = places.length
    const lines = linesOf(memory.cells)
    this.count = count
    this.clock = new Float64Array(2 * count)
    this.clock.set(begin)
    this.coreOf = Int16Array.from([...places, ...places], (cpu) => topology.coreOf(cpu))
    this.accounts = new Accounts(lines)
    this.directory = new Directory(machine.protocol, topology.groupOfCore, lines)
    this.machine = machine
    this.topology = topology
    this.#slowness = slownessOfCores(machine, topology.cores)
    this.hitNs = new Float64Array(count)
    this.atomicNs = new Float64Array(count)
    for (let id = 0; id < count; id++) this.#takesOn(id, this.coreOf[id]!)
    this.drainAt = new Float64Array(count)
    this.#storeLine = new Int32Array(count)
    this.heldUntil = new Float64Array(lines)
    this.hotUntil = new Float64Array(lines)
    this.#home = new Int8Array(lines).fill(NOBODY)
    this.watchers = new Watchers(count, lines)
    this.watched = this.watchers.watched
  }

  override memoryGrew(): void {
    const lines = linesOf(memory.cells)
    this.directory.grow(lines)
    this.accounts.grow(lines)
    const grown = <T extends Float64Array | Int8Array>(array: T, larger: T): T => {
      larger.set(array)
      return larger
    }
    this.heldUntil = grown(this.heldUntil, new Float64Array(lines))
    this.hotUntil = grown(this.hotUntil, new Float64Array(lines))
    this.#home = grown(this.#home, new Int8Array(lines).fill(NOBODY))
    this.watchers.grow(lines)
    this.watched = this.watchers.watched
  }

  /** The thread takes so long for something that is no access. */
  spend(thread: number, cause: number, ns: number): void {
    const from = this.clock[thread]!
    this.clock[thread] = from + ns
    this.accounts.add(cause, from, from + ns)
  }

  /** The thread is on this core from now on. */
  moveTo(thread: number, core: number): void {
    this.coreOf[thread] = core
    this.coreOf[thread + this.count] = core
    this.#takesOn(thread, core)
  }

  #takesOn(thread: number, core: number): void {
    const { hitNs, atomicNs } = this.machine.latency
    this.hitNs[thread] = hitNs * this.#slowness[core]!
    this.atomicNs[thread] = atomicNs * this.#slowness[core]!
  }

  /** How many times as long as on the fastest core software takes where the thread is. */
  slownessOf(thread: number): number {
    return this.#slowness[this.coreOf[thread]!]!
  }

  /** Another core has used it lately, or somebody watches it. */
  protected isHot(line: number, time: number): boolean {
    return time < this.hotUntil[line]! || this.watched[line] !== 0
  }

  /** A locked instruction waits until the stores before it are done. */
  protected drain(id: number): void {
    const from = this.clock[id]!
    this.clock[id] = this.drainAt[id]!
    this.accounts.addLine(this.#storeLine[id]!, from, this.drainAt[id]!)
  }

  protected hit(id: number, line: number, kind: number): void {
    this.accesses++
    const from = this.clock[id]!
    const to = from + (kind === LOAD || kind === STORE ? this.hitNs : this.atomicNs)[id]!
    this.clock[id] = to
    this.accounts.add(WORKING, from, to)
    if (kind === LOAD) return
    this.directory.state[line] = MODIFIED
    if (this.watched[line] !== 0) this.written.push(line, id)
  }

  /** Gets the line of `cell` for a thread, which has waited its turn, and does the operation's cost. */
  protected fetch(id: number, line: number, cell: number, kind: number): void {
    this.accesses++
    const from = this.clock[id]!
    const write = kind !== LOAD
    const arrives = this.transfer(id, cell, write, from)
    if (kind === STORE) {
      this.#storeLine[id] = line
      this.drainAt[id] = Math.max(this.drainAt[id]!, arrives)
      this.clock[id] = from + this.hitNs[id]!
      this.accounts.add(WORKING, from, from + this.hitNs[id]!)
    } else {
      // What was measured between cores has the operation in it.
      const to = arrives + (write ? 0 : this.hitNs[id]!)
      this.accounts.addLine(line, from, arrives)
      this.accounts.add(WORKING, arrives, to)
      this.clock[id] = to
    }
    if (write && this.watched[line] !== 0) this.written.push(line, id)
  }

  /** Moves the line to the core of the thread. Returns when it is there. */
  protected transfer(id: number, cell: number, write: boolean, now: number): number {
    const line = cell >> LINE_SHIFT
    const core = this.coreOf[id]!
    const { directory, machine } = this
    if (this.#home[line]! < 0) this.#home[line] = this.topology.socketOfCore[core]!
    if (write) directory.write(line, core)
    else directory.read(line, core)
    if (directory.source === FROM_OWN && directory.endedCount === 0) return now
    const arrives = now + latencyOf(directory, this.topology, machine.latency, core, this.#home[line]!)
    if (directory.source !== FROM_MEMORY) this.accounts.addTransfer(line, cell, now)
    if (write) this.heldUntil[line] = arrives + machine.residencyNs - TIE_NS
    else if (directory.source === FROM_LAST_LEVEL) this.heldUntil[line] = now + machine.sharedReadNs
    else this.heldUntil[line] = arrives
    if (directory.source !== FROM_MEMORY) this.hotUntil[line] = arrives + HOT_NS
    return arrives
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Plain accesses, which cannot stop

  override plainRead(id: number, firstCell: number, cells: number): void {
    const last = (firstCell + cells - 1) >> LINE_SHIFT
    const core = this.coreOf[id]!
    for (let line = firstCell >> LINE_SHIFT; line <= last; line++) {
      this.accesses++
      const from = this.clock[id]!
      let arrives = from
      if (!this.directory.isHit(line, core, false)) {
        arrives = this.transfer(
          id,
          Math.max(firstCell, line << LINE_SHIFT),
          false,
          Math.max(from, this.heldUntil[line]!),
        )
        this.accounts.addLine(line, from, arrives)
      }
      this.clock[id] = arrives + this.hitNs[id]!
      this.accounts.add(WORKING, arrives, arrives + this.hitNs[id]!)
    }
  }

  override plainWrite(id: number, firstCell: number, cells: number): void {
    const last = (firstCell + cells - 1) >> LINE_SHIFT
    const core = this.coreOf[id]!
    for (let line = firstCell >> LINE_SHIFT; line <= last; line++) {
      this.accesses++
      const from = this.clock[id]!
      const { directory } = this
      if (directory.isHit(line, core, true)) directory.state[line] = MODIFIED
      else {
        this.#storeLine[id] = line
        const arrives = this.transfer(
          id,
          Math.max(firstCell, line << LINE_SHIFT),
          true,
          Math.max(from, this.heldUntil[line]!),
        )
        this.drainAt[id] = Math.max(this.drainAt[id]!, arrives)
      }
      this.clock[id] = from + this.hitNs[id]!
      this.accounts.add(WORKING, from, from + this.hitNs[id]!)
      if (this.watched[line] !== 0) this.written.push(line, id)
    }
  }
}
