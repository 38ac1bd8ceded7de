// One simulated run: a workload under one design, on so many CPUs of a machine.

import { SHARED, type Probes, type Watched } from '../backends/stepped/index.ts'
import { type NodeOptions, allVmEvents } from '../kernel/index.ts'
import type { KernelNames } from '../check/kernel-names.ts'
import { Charges, randomNumbers } from './charges.ts'
import { memoryNodes } from './cpu-counts.ts'
import { SharedCpus } from './shared-cpus.ts'
import { FrameCosts } from './frames.ts'
import { type MachineModel, besideLock, isSince6, prefetchesMmapLock } from './machine.ts'
import { Simulator } from './simulator.ts'
import type { Subject } from './surroundings.ts'
import type { Meter, MachineRequest, SimulatedMachine } from './stepped-machine.ts'
import {
  type RunKernel,
  SPARE_FRAMES_PER_THREAD,
  bootRequest,
  fallbacksOf,
  isAsleep,
  isHalted,
  machineLoader,
  runBodies,
  tellToLeave,
} from './stepped-run.ts'
import { Topology } from './topology.ts'
import { type SimulatedWorkload, threadsOn } from './workloads.ts'

export interface RunOptions extends RunKernel {
  readonly workload: SimulatedWorkload
  readonly machine: MachineModel
  readonly cpus: number
  readonly seed: number
  /** How far ahead a CPU may run, see simulator.ts. */
  readonly aheadNs?: number
  /** How much the workload does, of what it usually does. Default 1. */
  readonly effort?: number
  /** Told now and then how far the run is, from 0 to 1. */
  readonly onProgress?: (done: number) => void
}

/** What a run has found, with the machine as it was at the end, for names. */
export interface RawRun {
  readonly simulated: SimulatedMachine
  readonly simulator: Simulator
  /** The first cell of the heap. */
  readonly firstCell: number
  readonly counted: number
  readonly windowNs: number
  readonly cpus: number
  /** By the kernel's counters: why faults were not handled without the mmap lock. */
  readonly fallbacks: Readonly<Record<string, number>>
  readonly wallMs: number
  /** Names of the heap, where they cannot be found at the end any more. */
  readonly names?: KernelNames | null
  /** Where threads share CPUs: the share of the CPUs' time in which they had no thread. */
  readonly idleShare?: number
  /** Where a thread measures itself: how long it takes, on average. */
  readonly threadMs?: number
}

/** Threads begin one after the other within so long, in nanoseconds: not in step. */
const BEGIN_WITHIN_NS = 20_000
/** A run that takes more accesses than this for each CPU and count goes nowhere. */
const ACCESSES_PER_COUNT = 20_000

/** The workload does not come to an end. */
export class RunTooLong extends Error {
  override readonly name = 'RunTooLong'
}

const loadMachine = machineLoader<MachineRequest>('stepped-machine')

/** Simulates one run. There is one at a time. */
export async function simulateRun(options: RunOptions): Promise<RawRun> {
  return new SimulatedRun(options).run(await loadMachine())
}

/** Whether it is warm when all threads together have done so much; else each thread has to. */
function warmsTogether(workload: SimulatedWorkload): boolean {
  return workload.ends || workload.warmsTogether === true
}

class SimulatedRun implements Meter, Probes, Subject {
  readonly #options: RunOptions
  readonly #topology: Topology
  readonly #places: readonly number[]
  /** A memory node for each socket. */
  readonly #nodes: NodeOptions
  readonly #random: () => number
  readonly #frames: number
  readonly #frameCosts: FrameCosts
  readonly #counted: number
  /** By how much a thread computes longer, as another shares its core. */
  readonly #factor: Float64Array
  readonly #done: Float64Array
  readonly #contended: Int32Array
  /** Where there are more threads than CPUs. */
  readonly #shared: SharedCpus | null
  #simulator!: Simulator
  #charges: Charges | null = null
  #machine!: SimulatedMachine
  #busyBefore = 0
  readonly #spanFrom: Float64Array
  #spansNs = 0
  #spans = 0
  /** Threads that have still to warm up; of a program that ends, what all of them together have still to do. */
  #warming: number
  #counts = 0
  #target: number
  #eventsBefore: Record<string, number> = {}
  #limit: number
  #reported = 0

  constructor(options: RunOptions) {
    const { workload, machine, cpus, seed, effort = 1 } = options
    this.#options = options
    this.#topology = new Topology(machine.topology)
    const counted = threadsOn(cpus, workload)
    const threads = counted + workload.writers
    const place = (count: number): number[] =>
      this.#topology.place(count, workload.placement, isSince6(options.accounting))
    this.#shared = counted > cpus ? new SharedCpus(threads, place(cpus), this.#topology) : null
    this.#places = this.#shared?.beginsOn ?? place(threads)
    this.#random = randomNumbers(seed)
    this.#nodes = this.#nodesOf(machine)
    const framesPerNode = this.#framesPerNode()
    this.#frames = framesPerNode * this.#nodes.count
    this.#frameCosts = new FrameCosts(
      machine,
      this.#topology,
      this.#frames,
      workload.pages / workload.sourcePages,
      this.#shared === null ? framesPerNode : 0,
    )
    this.#counted = counted
    this.#spanFrom = new Float64Array(threads)
    this.#factor = this.#places.map((cpu) => (this.#sharesCore(cpu) ? machine.smtFactor : 1)) as never
    this.#done = new Float64Array(threads)
    this.#contended = new Int32Array(threads)
    this.#warming = warmsTogether(workload) ? counted * workload.warmUp : counted
    // Few threads are measured longer: one round of one of them says little.
    this.#target = workload.isWhole
      ? Infinity
      : Math.ceil(effort * workload.measured * Math.max(counted, workload.ends ? 1 : 4))
    this.#limit = ACCESSES_PER_COUNT * counted * (workload.warmUp + workload.measured) + 1e8
  }

  /** The memory nodes, and whose CPU is of which. */
  #nodesOf(machine: MachineModel): NodeOptions {
    const { workload, cpus } = this.#options
    const count = memoryNodes(machine, workload, cpus)
    if (count === 1) return { count, ofCpu: [] }
    return {
      count,
      ofCpu: this.#places.map((cpu) => this.#topology.socketOfCore[this.#topology.coreOf(cpu)]!),
    }
  }

  /** As many as the threads of the node that has most of them fill, and more: nobody goes to another for memory. */
  #framesPerNode(): number {
    const { workload } = this.#options
    const { count, ofCpu } = this.#nodes
    const threads =
      count === 1
        ? [this.#places.length]
        : Array.from({ length: count }, (_, node) => ofCpu.filter((of) => of === node).length)
    const perThread = SPARE_FRAMES_PER_THREAD + workload.framesPerPage * workload.pages
    return Math.max(Math.ceil(4096 / count), Math.max(...threads) * perThread)
  }

  #sharesCore(cpu: number): boolean {
    const core = this.#topology.coreOf(cpu)
    const used = this.#shared?.places ?? this.#places
    return used.some((other) => other !== cpu && this.#topology.coreOf(other) === core)
  }

  run(make: (request: MachineRequest) => SimulatedMachine): RawRun {
    const { workload, machine, aheadNs } = this.#options
    const { isWhole = false } = workload
    const shared = this.#shared
    const began = performance.now()
    this.#machine = make({
      ...bootRequest(this.#options, this.#places.length, this.#frames, machine, 0, this.#nodes),
      workload: workload.name,
      pages: workload.pages,
      meter: this,
    })
    this.#simulator = new Simulator({
      machine,
      topology: this.#topology,
      places: this.#places,
      subject: this,
      begin: Float64Array.from(this.#places, (_, thread) =>
        // Who makes the others is there before them.
        isWhole && thread >= this.#counted ? 0 : this.#random() * BEGIN_WITHIN_NS,
      ),
      ...(shared === null ? {} : { scheduler: shared }),
      ...(aheadNs === undefined ? {} : { aheadNs }),
    })
    shared?.attach(this.#simulator, (thread, isToLeave) => tellToLeave(this.#machine, thread, isToLeave))
    if (isWhole) this.#simulator.accounts.from = 0
    this.#charges = new Charges({
      machine,
      simulator: this.#simulator,
      frames: this.#frameCosts,
      factor: this.#factor,
      random: this.#random,
      prefetchesMmapLock: prefetchesMmapLock(machine, this.#options.accounting),
      besideLock: besideLock(machine, this.#options.accounting),
      // Where pages are counted, calls are of fewer pages than in the source, and so much more frequent.
      layoutShare: workload.counts === 'pages' ? workload.pages / workload.sourcePages : 1,
      hasCpu: (thread) => shared === null || shared.hasCpu(thread),
      isRunning: (thread) => (shared === null ? !this.isAsleep(thread) : shared.hasCpu(thread)),
    })
    runBodies(this.#simulator, this.#machine, this)
    if (isWhole) this.#endWhole()
    return this.#result(began)
  }

  #endWhole(): void {
    this.#simulator.endWindow(this.#simulator.clock.reduce((latest, time) => Math.max(latest, time), 0))
    this.#simulator.isOver = true
  }

  #result(began: number): RawRun {
    const { accounts } = this.#simulator
    const { cpus } = this.#options
    if (!this.#simulator.isOver) throw new RunTooLong('the threads have ended before enough was measured')
    const after = allVmEvents(this.#machine.tasks[0]!)
    const counts = Object.entries(after).map(
      ([name, count]) => [name, count - (this.#eventsBefore[name] ?? 0)] as const,
    )
    return {
      simulated: this.#machine,
      simulator: this.#simulator,
      firstCell: (this.#machine.heap as Watched)[SHARED]!.firstCell,
      counted: this.#counts,
      windowNs: accounts.to - accounts.from,
      cpus,
      fallbacks: fallbacksOf(Object.fromEntries(counts)),
      wallMs: performance.now() - began,
      ...(this.#shared === null ? {} : { idleShare: this.#idleShare(this.#shared) }),
      ...(this.#spans === 0 ? {} : { threadMs: this.#spansNs / this.#spans / 1e6 }),
    }
  }

  #idleShare(shared: SharedCpus): number {
    const { from, to } = this.#simulator.accounts
    return Math.max(0, 1 - (shared.busyNs(to) - this.#busyBefore) / (this.#options.cpus * (to - from)))
  }

  // -------------------------------------------------------------------------------------------------------------------
  // What the program tells

  noteCounts(thread: number, counts: number): void {
    if (thread >= this.#counted) return
    const simulator = this.#simulator
    this.#shared?.leftKernel(thread)
    const { accounts } = simulator
    const done = (this.#done[thread]! += counts)
    if (accounts.from === Infinity) {
      if (this.#isWarm(done, counts)) this.#openWindow()
      if (simulator.accesses > this.#limit) throw new RunTooLong('a thread does not come through its warm-up')
      return
    }
    const now = simulator.clock[thread]!
    if (now < accounts.from || simulator.isOver) return
    this.#counts += counts
    if (this.#counts >= this.#target || this.#endsWith(done)) {
      simulator.endWindow(now)
      simulator.isOver = true
    } else if (simulator.accesses > this.#limit) throw new RunTooLong('too little is counted')
    this.#tellProgress()
  }

  /**
   * Whether the warm-up is over with this. Every thread has a first round behind it; of a program that ends, all
   * together have done as much, since where locks are handed on unevenly the last may begin when the first are
   * through.
   */
  #isWarm(done: number, counts: number): boolean {
    const { workload } = this.#options
    const { warmUp } = workload
    if (warmsTogether(workload)) return (this.#warming -= counts) <= 0
    return done >= warmUp && done - counts < warmUp && --this.#warming === 0
  }

  /**
   * Of a program that ends: one of its threads has, so that what follows is not what was asked for, and enough has been
   * counted. Threads that run well apart may all have ended before the target is reached.
   */
  #endsWith(done: number): boolean {
    const { ends, pages } = this.#options.workload
    return ends && done >= pages && this.#counts >= this.#target / 4
  }

  #openWindow(): void {
    const simulator = this.#simulator
    simulator.accounts.from = simulator.clock.reduce((latest, time) => Math.max(latest, time), 0)
    this.#eventsBefore = allVmEvents(this.#machine.tasks[0]!)
    this.#busyBefore = this.#shared?.busyNs(simulator.accounts.from) ?? 0
  }

  noteCreate(thread: number): void {
    this.#charges!.create(thread)
  }

  noteSpan(thread: number, begins: boolean): void {
    const now = this.#simulator.clock[thread]!
    if (begins) this.#spanFrom[thread] = now
    else {
      this.#spansNs += now - this.#spanFrom[thread]!
      this.#spans++
    }
  }

  #tellProgress(): void {
    if (this.#counts - this.#reported < this.#target / 64) return
    this.#reported = this.#counts
    this.#options.onProgress?.(this.#counts / this.#target)
  }

  noteClear(thread: number, frame: number): void {
    // What is there before the threads begin takes no time.
    this.#charges?.clear(thread, frame)
  }

  noteCopy(thread: number, to: number, from: number): void {
    this.#charges?.copy(thread, to, from)
  }

  noteBroadcast(thread: number): void {
    this.#charges?.broadcast(thread)
  }

  noteContention(thread: number, lock: number): void {
    this.#contended[thread] = lock
  }

  called(id: number, first: unknown, a: unknown): void {
    this.#charges!.called(id, first, a)
  }

  returned(id: number, result: unknown, first: unknown, a: unknown): void {
    this.#charges!.returned(id, result, first, a)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // What the simulator asks

  isAsleep(thread: number): boolean {
    return isAsleep(this.#machine, thread)
  }

  isHalted(thread: number): boolean {
    return isHalted(this.#machine, thread)
  }

  lockOf(thread: number): number {
    return this.#contended[thread]!
  }
}
