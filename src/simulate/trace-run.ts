// One simulated run of a recorded program: under one design, on so many CPUs of a machine.

import { type Probes, SHARED, type Watched } from '../backends/stepped/index.ts'
import { KernelNames } from '../check/kernel-names.ts'
import { NO_FAULT, allVmEvents, errnoName } from '../kernel/index.ts'
import type { ImportedTrace, NotReproducedKind, TimedPlan } from '../trace/index.ts'
import {
  COMPARED_BITS,
  OP_GUEST,
  OP_NOTE_SHIFT,
  OP_TOUCH_ERROR_SHIFT,
  OP_TOUCH_REFUSED,
  isAccessOfKernel,
  unmatchedKind,
} from '../trace/operations.ts'
import { Charges, randomNumbers } from './charges.ts'
import { Cpus } from './cpus.ts'
import { FrameCosts } from './frames.ts'
import type { MachineModel } from './machine.ts'
import type { RawRun } from './run.ts'
import { Simulator, type Subject } from './simulator.ts'
import type { SimulatedMachine } from './stepped-machine.ts'
import {
  type RunKernel,
  SPARE_FRAMES_PER_THREAD,
  bootRequest,
  fallbacksOf,
  isAsleep,
  isHalted,
  machineLoader,
  runBodies,
} from './stepped-run.ts'
import { Topology } from './topology.ts'
import type { TraceMeter, TraceRequest, TracedFile } from './trace-machine.ts'
import { type Gaps, lanePrograms } from './trace-program.ts'

export interface TraceRunOptions extends RunKernel {
  readonly trace: ImportedTrace
  readonly plan: TimedPlan
  readonly machine: MachineModel
  readonly cpus: number
  readonly gaps: Gaps
  /** See `unendedFaultNs`. */
  readonly faultNs: number
  readonly seed: number
  readonly onProgress?: (done: number) => void
}

/** Waits for an mmap lock. */
export interface LockWaitSum {
  count: number
  totalNs: number
}

/** What a run of a recorded program has found, beside what every run does. */
export interface RawTraceRun extends RawRun {
  readonly lockWaits: { readonly readers: LockWaitSum; readonly writers: LockWaitSum }
  /** Faults that held an mmap lock, if only for a moment, and of these the ones of the kernel. */
  readonly lockedFaults: number
  readonly kernelFaults: number
  readonly reproduced: number
  readonly notReproduced: Readonly<Partial<Record<NotReproducedKind, number>>>
  readonly failures: Readonly<Record<string, number>>
  /** How long threads waited for a CPU, all together, and the share of the CPUs' time in which they had no thread. */
  readonly queuedNs: number
  readonly idleShare: number
}

/** Words of a page table with what describes it. */
const TABLE_WORDS = 1024
/** A frame's number has 20 bits. */
const FRAMES_MAX = 2 ** 20 - 1

/** The program needs more than a simulated machine can have. */
export class TraceTooLarge extends Error {
  override readonly name = 'TraceTooLarge'
  readonly remedy = 'record for a shorter time, or choose a process with --process'
}

const loadMachine = machineLoader<TraceRequest>('trace-machine')

/** Simulates one run. There is one at a time. */
export async function simulateTraceRun(options: TraceRunOptions): Promise<RawTraceRun> {
  return new TraceRun(options).run(await loadMachine())
}

class TraceRun implements TraceMeter, Probes, Subject {
  readonly #options: TraceRunOptions
  readonly #lanes: number
  readonly #operations: number
  readonly #frames: number
  readonly #topology: Topology
  readonly #places: readonly number[]
  readonly #cpus: Cpus
  readonly #contended: Int32Array
  readonly #contendedSince: Float64Array
  readonly #contendedForWrite: Uint8Array
  /** Where mmap locks are, in the heap. */
  readonly #locks = new Set<number>()
  readonly #busiest: number
  #simulator: Simulator | null = null
  #charges!: Charges
  #machine!: SimulatedMachine
  #names: KernelNames | null = null
  #done = 0
  #faults = 0
  #lockedFaults = 0
  #kernelFaults = 0
  #reproduced = 0
  readonly #lockWaits = { readers: { count: 0, totalNs: 0 }, writers: { count: 0, totalNs: 0 } }
  readonly #notReproduced: Partial<Record<NotReproducedKind, number>> = {}
  readonly #failures: Record<string, number> = {}

  constructor(options: TraceRunOptions) {
    const { plan, machine, cpus, trace, gaps, faultNs } = options
    this.#options = options
    this.#lanes = plan.lanes.length
    this.#operations = plan.operations.reduce((sum, count) => sum + count, 0)
    const mapped = plan.images.reduce((sum, { prelude }) => sum + prelude.length, 0)
    const { peakFrames, peakTables, cachedPages } = plan
    this.#frames = Math.max(
      4096,
      2 * (peakFrames + peakTables) + cachedPages + mapped + this.#lanes * SPARE_FRAMES_PER_THREAD,
    )
    if (this.#frames > FRAMES_MAX)
      throw new TraceTooLarge(
        `the program needs ${this.#frames} pages of memory at once, and a simulated machine has ${FRAMES_MAX}`,
      )
    this.#topology = new Topology(machine.topology)
    this.#places = this.#topology.place(cpus, 'spread')
    this.#cpus = new Cpus(lanePrograms(plan, gaps, faultNs), this.#places, this.#topology)
    this.#contended = new Int32Array(this.#lanes)
    this.#contendedSince = new Float64Array(this.#lanes)
    this.#contendedForWrite = new Uint8Array(this.#lanes)
    this.#busiest = trace.images.reduce(
      (most, { faults }, image) => (faults > (trace.images[most]?.faults ?? -1) ? image : most),
      0,
    )
  }

  run(make: (request: TraceRequest) => SimulatedMachine): RawTraceRun {
    const began = performance.now()
    this.#machine = make(this.#request())
    const { machine, seed } = this.#options
    const begin = new Float64Array(this.#lanes)
    const simulator = new Simulator({
      machine,
      topology: this.#topology,
      places: Array.from(begin, (_, lane) => this.#places[lane % this.#places.length]!),
      subject: this,
      begin,
      scheduler: this.#cpus,
    })
    simulator.accounts.from = 0
    this.#simulator = simulator
    this.#cpus.attach(simulator)
    this.#charges = new Charges({
      machine,
      simulator,
      frames: new FrameCosts(machine, this.#topology, this.#frames, 1),
      factor: new Float64Array(this.#lanes).fill(this.#shareCores() ? machine.smtFactor : 1),
      random: randomNumbers(seed),
      hasCpu: (thread) => this.#cpus.hasCpu(thread),
      isRunning: (thread) => this.#cpus.hasCpu(thread),
    })
    runBodies(simulator, this.#machine, this)
    simulator.endWindow(this.#cpus.endNs)
    return this.#result(simulator, began)
  }

  #shareCores(): boolean {
    return new Set(this.#places.map((cpu) => this.#topology.coreOf(cpu))).size < this.#places.length
  }

  #request(): TraceRequest {
    const { plan, trace } = this.#options
    const files = plan.files.map(({ number, firstPage, behindPage, cached }): TracedFile => ({
      number,
      firstPage,
      pages: behindPage - firstPage,
      faultAround: !trace.withoutFaultAround.has(number),
      cached,
    }))
    return {
      ...bootRequest(this.#options, this.#lanes, this.#frames, 2 * plan.peakTables * TABLE_WORDS),
      lanes: plan.lanes.map((lane) => lane.words),
      images: plan.images,
      seatImages: plan.seatImages,
      files,
      meter: this,
    }
  }

  #result(simulator: Simulator, began: number): RawTraceRun {
    const { cpus } = this.#options
    const { endNs, busyNs, queuedNs } = this.#cpus
    return {
      simulated: this.#machine,
      simulator,
      firstCell: (this.#machine.heap as Watched)[SHARED]!.firstCell,
      counted: this.#faults,
      windowNs: endNs,
      cpus,
      fallbacks: fallbacksOf(allVmEvents(this.#machine.tasks[0]!)),
      wallMs: performance.now() - began,
      names: this.#names,
      lockWaits: this.#lockWaits,
      lockedFaults: this.#lockedFaults,
      kernelFaults: this.#kernelFaults,
      reproduced: this.#reproduced,
      notReproduced: this.#notReproduced,
      failures: this.#failures,
      queuedNs,
      idleShare: Math.max(0, 1 - busyNs / (cpus * endNs)),
    }
  }

  // -------------------------------------------------------------------------------------------------------------------
  // What the program tells

  arrive(lane: number, operation: number): void {
    this.#cpus.arrive(lane, operation)
  }

  done(lane: number, operation: number): void {
    this.#cpus.done(lane, operation)
    if (++this.#done % 512 === 0) this.#options.onProgress?.(this.#done / this.#operations)
  }

  touched(_: number, first: number, second: number, result: number, lockedMm: boolean): void {
    const errorCode = (second >>> OP_TOUCH_ERROR_SHIFT) & 0xff
    const faulted = result >= 0
    if (faulted) {
      this.#faults++
      if (lockedMm) this.#lockedFaults++
      if (isAccessOfKernel(errorCode)) this.#kernelFaults++
    }
    if ((first & OP_GUEST) !== 0) return
    const mustFail = (second & OP_TOUCH_REFUSED) !== 0
    const failed = result < NO_FAULT
    if (mustFail ? failed : faulted && ((result ^ errorCode) & COMPARED_BITS) === 0) {
      this.#reproduced++
      return
    }
    const kind = failed
      ? 'failed'
      : mustFail
        ? 'notRefused'
        : unmatchedKind((first >>> OP_NOTE_SHIFT) & 15, faulted)
    this.#notReproduced[kind] = (this.#notReproduced[kind] ?? 0) + 1
    if (failed) this.#countFailure('access')
  }

  failed(call: string, errno: number): void {
    this.#countFailure(errno === 0 ? `${call}: another answer` : `${call}: ${errnoName(-errno)}`)
  }

  #countFailure(what: string): void {
    this.#failures[what] = (this.#failures[what] ?? 0) + 1
  }

  spaceBegins(_: number, __: number, lock: number): void {
    this.#locks.add(lock)
  }

  /** What is in the busiest address space is named while it is there. */
  spaceEnds(image: number, mm: number): void {
    if (image !== this.#busiest) return
    const { heap, tasks } = this.#machine
    this.#names = new KernelNames({ heap, tasks, mm })
  }

  noteClear(thread: number, frame: number): void {
    // What is there before the program begins takes no time.
    if (this.#simulator !== null) this.#charges.clear(thread, frame)
  }

  noteCopy(thread: number, to: number, from: number): void {
    if (this.#simulator !== null) this.#charges.copy(thread, to, from)
  }

  noteContention(thread: number, lock: number, write: boolean): void {
    if (this.#simulator === null) return
    const now = this.#simulator.clock[thread]!
    const before = this.#contended[thread]!
    this.#contended[thread] = lock
    if (lock !== 0) {
      this.#contendedSince[thread] = now
      this.#contendedForWrite[thread] = write ? 1 : 0
    } else if (this.#locks.has(before)) {
      const sum = this.#contendedForWrite[thread] === 1 ? this.#lockWaits.writers : this.#lockWaits.readers
      sum.count++
      sum.totalNs += now - this.#contendedSince[thread]!
    }
  }

  called(id: number, first: unknown, a: unknown): void {
    this.#charges.called(id, first, a)
  }

  returned(): void {}

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
