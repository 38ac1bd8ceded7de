// One simulated run of a recorded program: under one design, on so many CPUs of a machine.

import { type Probe, type Probes, SHARED, type Watched } from '../backends/stepped/index.ts'
import { KernelNames } from '../check/kernel-names.ts'
import { Mm, NO_FAULT, type Task, allVmEvents, errnoName } from '../kernel/index.ts'
import type {
  ImportedTrace,
  LinuxRecord,
  LockAnalysis,
  NotReproducedKind,
  TimedPlan,
} from '../trace/index.ts'
import {
  COMPARED_BITS,
  OP_ADVISE,
  OP_BRK,
  OP_FORK,
  OP_GUEST,
  OP_MAP,
  OP_NOTE_SHIFT,
  OP_PROTECT,
  OP_REMAP,
  OP_TOUCH,
  OP_TOUCH_ERROR_SHIFT,
  OP_TOUCH_REFUSED,
  OP_UNMAP,
  isAccessOfKernel,
  unmatchedKind,
} from '../trace/operations.ts'
import { WORKING } from './accounts.ts'
import { Charges, FURTHER_PROBES, costProbes, randomNumbers } from './charges.ts'
import { Cpus, type LaneProgram } from './cpus.ts'
import { FrameCosts } from './frames.ts'
import { LockEvents } from './lock-events.ts'
import type { MachineModel } from './machine.ts'
import { RecordedDurations } from './recorded-durations.ts'
import { OtherPrograms } from './other-programs.ts'
import { ReaderSpins } from './reader-spins.ts'
import type { RawRun } from './run.ts'
import { Simulator } from './simulator.ts'
import type { Subject } from './surroundings.ts'
import type { SimulatedMachine } from './stepped-machine.ts'
import {
  FRAMES_MAX,
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
import type { TraceMeter, TraceRequest, TracedFile } from './trace-machine.ts'
import { type FaultTimes, type Gaps, RecordedSpans, lanePrograms } from './trace-program.ts'

/** What a run needs of a recording: values, which another thread can be given. */
export interface SimulatedTrace extends Pick<
  ImportedTrace,
  'cpus' | 'linux' | 'lackedCpus' | 'wakeLatencyNs' | 'eventNs' | 'withoutFaultAround'
> {
  readonly images: readonly Pick<ImportedTrace['images'][number], 'faults'>[]
}

export interface TraceRunOptions extends RunKernel {
  readonly trace: SimulatedTrace
  readonly plan: TimedPlan
  readonly machine: MachineModel
  readonly cpus: number
  readonly gaps: Gaps
  readonly faultTimes: FaultTimes
  readonly seed: number
  readonly onProgress?: (done: number) => void
}

/** What a run of a recorded program has found, beside what every run does. */
export interface RawTraceRun extends RawRun {
  /** What it met at the mmap lock, by the rules of recordings. */
  readonly linux: LinuxRecord
  readonly locks: LockAnalysis
  /** Added to operations that took longer when recorded: while they held the mmap lock, and else. */
  readonly addedHeldNs: number
  readonly addedNs: number
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

/** The program needs more than a simulated machine can have. */
export class TraceTooLarge extends Error {
  override readonly name = 'TraceTooLarge'
  readonly remedy = 'record for a shorter time, or choose a process with --process'
}

// What the runtime calls the functions of the mmap lock.
const READ_LOCK = FURTHER_PROBES
const READ_TRY_LOCK = FURTHER_PROBES + 1
const READ_UNLOCK = FURTHER_PROBES + 2
const WRITE_LOCK = FURTHER_PROBES + 3
const WRITE_UNLOCK = FURTHER_PROBES + 4
const WRITE_DOWNGRADE = FURTHER_PROBES + 5

const lockProbes: readonly Probe[] = [
  { function: 'mmapReadLock', id: READ_LOCK, result: true },
  { function: 'mmapReadTryLock', id: READ_TRY_LOCK, result: true },
  { function: 'mmapReadUnlock', id: READ_UNLOCK },
  { function: 'mmapWriteLock', id: WRITE_LOCK, result: true },
  { function: 'mmapWriteUnlock', id: WRITE_UNLOCK },
  { function: 'mmapWriteDowngrade', id: WRITE_DOWNGRADE, result: true },
].map((probe) => ({ ...probe, file: 'mm/mmap-lock.ts' }))

/** What an operation is called among holders and waiters, as in a recording. */
const callNames: Readonly<Record<number, string>> = {
  [OP_TOUCH]: 'page fault',
  [OP_MAP]: 'mmap',
  [OP_UNMAP]: 'munmap',
  [OP_PROTECT]: 'mprotect',
  [OP_ADVISE]: 'madvise',
  [OP_REMAP]: 'mremap',
  [OP_BRK]: 'brk',
  [OP_FORK]: 'fork',
}

const loadMachine = machineLoader<TraceRequest>('trace-machine', [...costProbes, ...lockProbes])

/** Simulates one run. There is one at a time. */
export async function simulateTraceRun(options: TraceRunOptions): Promise<RawTraceRun> {
  return new TraceRun(options).run(await loadMachine())
}

/** A machine on which a thread that was woken runs no sooner than it did where the program was recorded. */
function asSlowToWake(machine: MachineModel, latencyNs: number): MachineModel {
  const { software } = machine
  return { ...machine, software: { ...software, wakeLatencyNs: Math.max(latencyNs, software.wakeLatencyNs) } }
}

class TraceRun implements TraceMeter, Probes, Subject {
  readonly #options: TraceRunOptions
  readonly #lanes: number
  readonly #operations: number
  readonly #frames: number
  readonly #topology: Topology
  readonly #places: readonly number[]
  readonly #programs: readonly LaneProgram[]
  readonly #cpus: Cpus
  readonly #contended: Int32Array
  readonly #busiest: number
  #simulator: Simulator | null = null
  #charges!: Charges
  #durations!: RecordedDurations
  #lockEvents!: LockEvents
  #spins: ReaderSpins | null = null
  /** What each lane is at; whether its last try for a lock was for nothing. */
  readonly #calls: string[]
  readonly #hasFailed: Uint8Array
  #machine!: SimulatedMachine
  #names: KernelNames | null = null
  #done = 0
  #faults = 0
  #lockedFaults = 0
  #kernelFaults = 0
  #reproduced = 0
  readonly #notReproduced: Partial<Record<NotReproducedKind, number>> = {}
  readonly #failures: Record<string, number> = {}

  constructor(options: TraceRunOptions) {
    const { plan, machine, cpus, trace, gaps, faultTimes, seed } = options
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
    const spans = new RecordedSpans(trace.linux.timeResolutionNs, randomNumbers(seed))
    this.#programs = lanePrograms(plan, gaps, faultTimes, spans)
    const wakeLatencyNs = Math.max(trace.wakeLatencyNs, machine.software.wakeLatencyNs)
    // On more CPUs than when it was recorded no other program has them.
    const others =
      gaps === 'recorded' && cpus <= trace.cpus ? new OtherPrograms(trace.lackedCpus, wakeLatencyNs) : null
    this.#cpus = new Cpus(this.#programs, this.#places, this.#topology, trace.wakeLatencyNs, others)
    this.#contended = new Int32Array(this.#lanes)
    this.#calls = plan.lanes.map(() => '')
    this.#hasFailed = new Uint8Array(this.#lanes)
    this.#busiest = trace.images.reduce(
      (most, { faults }, image) => (faults > (trace.images[most]?.faults ?? -1) ? image : most),
      0,
    )
  }

  run(make: (request: TraceRequest) => SimulatedMachine): RawTraceRun {
    const began = performance.now()
    this.#machine = make(this.#request())
    const { seed } = this.#options
    const machine = asSlowToWake(this.#options.machine, this.#options.trace.wakeLatencyNs)
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
    this.#durations = new RecordedDurations(this.#programs, simulator)
    this.#lockEvents = new LockEvents(this.#lanes, () => simulator.horizon)
    if (this.#options.rwsem === 'spinning') this.#spins = new ReaderSpins(this.#machine)
    const tell = (thread: number, isToLeave: boolean): void => tellToLeave(this.#machine, thread, isToLeave)
    this.#cpus.attachTo(simulator, this.#durations, tell, this.#spins)
    this.#charges = new Charges({
      machine,
      simulator,
      frames: new FrameCosts(machine, this.#topology, this.#frames, 1),
      factor: new Float64Array(this.#lanes).fill(this.#shareCores() ? machine.smtFactor : 1),
      random: randomNumbers(seed),
      // The recorded durations have in them what the recorded kernel did.
      prefetchesMmapLock: false,
      besideLock: null,
      layoutShare: 0,
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
      ...bootRequest(
        this.#options,
        this.#lanes,
        this.#frames,
        this.#options.machine,
        2 * plan.peakTables * TABLE_WORDS,
      ),
      lanes: plan.lanes.map((lane) => lane.words),
      images: plan.images,
      seatImages: plan.seatImages,
      files,
      meter: this,
    }
  }

  #result(simulator: Simulator, began: number): RawTraceRun {
    const { cpus } = this.#options
    const { endNs, queuedNs } = this.#cpus
    const busyNs = this.#cpus.busyNs(endNs)
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
      ...this.#lockEvents.summary(),
      addedHeldNs: this.#durations.addedHeldNs,
      addedNs: this.#durations.addedNs,
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

  arrive(lane: number, operation: number, first: number, second: number): void {
    const kind = first & 15
    const isOfKernel = kind === OP_TOUCH && isAccessOfKernel((second >>> OP_TOUCH_ERROR_SHIFT) & 0xff)
    this.#calls[lane] = isOfKernel ? 'page fault in system call' : (callNames[kind] ?? 'exit')
    this.#cpus.arrive(lane, operation)
  }

  done(lane: number, operation: number): void {
    if (this.#hasFailed[lane] === 1) this.#lockEvents.gaveUp(lane, this.#simulator!.clock[lane]!)
    this.#hasFailed[lane] = 0
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

  noteBroadcast(thread: number): void {
    this.#charges.broadcast(thread)
  }

  noteContention(thread: number, lock: number): void {
    this.#contended[thread] = lock
  }

  called(id: number, first: unknown, a: unknown): void {
    if (id < FURTHER_PROBES) {
      this.#charges.called(id, first, a)
      return
    }
    const lane = (first as Task).id
    if (id === READ_LOCK || id === READ_TRY_LOCK || id === WRITE_LOCK) {
      this.#lockEvents.started(lane, a as number, id === WRITE_LOCK, this.#simulator!.clock[lane]!)
      this.#writesEvent(lane)
      this.#durations.asks(lane)
      if (id === WRITE_LOCK) this.#spins?.asks(lane, (a as number) + Mm.mmapLock)
      return
    }
    this.#durations.releasing(lane)
    if (id !== WRITE_DOWNGRADE) this.#lockEvents.released(lane, a as number, this.#simulator!.clock[lane]!)
    this.#writesEvent(lane)
  }

  /**
   * Linux writes `mmap_lock_start_locking` before it asks for the lock, and `mmap_lock_released` before it gives it
   * back: the lock is held longer than events tell, and who waits gets it that much later.
   */
  #writesEvent(lane: number): void {
    this.#simulator!.spend(lane, WORKING, this.#options.trace.eventNs)
  }

  /** Of the functions that get the lock, or try to. */
  returned(id: number, result: unknown, first: unknown, a: unknown): void {
    const lane = (first as Task).id
    const now = this.#simulator!.clock[lane]!
    const write = id === WRITE_LOCK
    const failed = id === READ_TRY_LOCK && result !== true
    if (id === WRITE_DOWNGRADE) this.#durations.downgraded(lane)
    else this.#durations.answered(lane, write, !failed)
    this.#spins?.answered(lane)
    this.#hasFailed[lane] = failed ? 1 : 0
    if (failed) this.#lockEvents.failed(lane, a as number, now)
    else this.#lockEvents.got(lane, a as number, write, now, this.#calls[lane]!)
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
