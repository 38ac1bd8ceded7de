// The simulation of a recorded program: on one machine, under a list of designs, rwsems and numbers of CPUs, with both
// bounds of what its threads did between events.

import type { AccountingName, KernelConfig, SpinlockKind } from '../kernel/index.ts'
import type {
  HeldAndWaited,
  ImportedTrace,
  LinuxRecord,
  LockAnalysis,
  LockWaits,
  NotReproducedKind,
  TimedPlan,
} from '../trace/index.ts'
import { planRecording } from '../trace/index.ts'
import { type DesignName, type RwsemChoice, combine } from '../workloads/index.ts'
import { type SimulatedRun, findingsOf } from './findings.ts'
import { type MachineModel, accountingOf, rwsemsOf, spinlockOf } from './machine.ts'
import { kernelOptions } from './stepped-run.ts'
import { Topology } from './topology.ts'
import { BLOCKED_NS, type FaultTimes, type Gaps, faultHoldNs, unendedFaultNs } from './trace-program.ts'
import { type RawTraceRun, type TraceRunOptions, simulateTraceRun } from './trace-run.ts'

export interface TraceSimulateOptions {
  readonly trace: ImportedTrace
  readonly machine: MachineModel
  readonly designs: readonly DesignName[]
  readonly rwsems: RwsemChoice
  readonly cpus: readonly number[]
  readonly seed: number
  readonly config: Partial<KernelConfig>
  readonly rss: 'batched' | 'shared'
  /** What else a fault writes, as in which version of Linux: see kernel/memory/lru.ts. Default: that of the machine. */
  readonly accounting?: AccountingName | undefined
  /** What spinlocks are. Default: as in the kernel that was measured on the machine. */
  readonly spinlock?: SpinlockKind | undefined
  readonly onProgress?: (run: number, runs: number, what: string, done: number) => void
}

/** Waits for the mmap lock. */
export interface SimulatedLockWaits {
  readonly count: number
  readonly totalMs: number
}

/** A recorded program under one design on so many CPUs. Shares of time are of its threads' time, computing included. */
export interface SimulatedTraceRun extends SimulatedRun {
  /** What the threads did between events, as far as the recording does not tell. */
  readonly gaps: Gaps
  /** As `trace.linux` has them of the recording, and as `trace.heldWaits`; and held by × waited by. */
  readonly lockWaits: { readonly readers: SimulatedLockWaits; readonly writers: SimulatedLockWaits }
  readonly heldWaits: SimulatedLockWaits
  readonly matrix: readonly HeldAndWaited[]
  /** Thread time added to operations that took longer when recorded: while they held the mmap lock, and else. */
  readonly addedHeldMs: number
  readonly addedMs: number
  /** Faults that held the mmap lock, if only for a moment, and faults that the kernel took in itself. */
  readonly lockedFaults: number
  readonly kernelFaults: number
  /** How long threads waited for a CPU, all together. */
  readonly queuedMs: number
  readonly fidelity: {
    readonly recorded: number
    readonly reproduced: number
    readonly notReproducedByKind: Readonly<Partial<Record<NotReproducedKind, number>>>
    /** Calls and accesses that failed though Linux had performed them, by call and error. */
    readonly failures: Readonly<Record<string, number>>
  }
}

/** What `--json` prints. */
export interface TraceSimulateResult {
  readonly workload: string
  readonly machine: { readonly name: string; readonly cpus: number; readonly source: string }
  readonly kernel: { readonly options: Readonly<Record<string, boolean | string | number>> }
  readonly runs: readonly SimulatedTraceRun[]
  readonly published: readonly never[]
  readonly trace: {
    readonly path: string
    readonly recordedFaults: number
    /** Threads, and how many of them ran at once: lanes. */
    readonly threads: number
    readonly lanes: number
    /** Whether it tells when threads were switched: else each run is done for two bounds. */
    readonly hasSwitches: boolean
    /** The CPUs that it was recorded on, as far as the trace tells: else 0. */
    readonly cpus: number
    readonly durationMs: number
    readonly linux: LinuxRecord
    /** Of its waits, in the whole trace, those for which it has who held the lock: these are what is simulated. */
    readonly heldWaits: SimulatedLockWaits
    /** Taken off between events for each fault whose end is not in the trace, and the longest gap that is computing. */
    readonly faultNs: number
    readonly holdNs: number
    /** What it takes to write an event of the lock. */
    readonly eventNs: number
    readonly blockedAfterNs: number
    readonly corrections: Readonly<Record<string, number>>
    readonly warnings: readonly string[]
  }
}

const BOUNDS: readonly Gaps[] = ['computing', 'blocking']
const EXACT: readonly Gaps[] = ['recorded']

/** One run, as a list of them names it. */
export interface TraceJob {
  readonly design: DesignName
  readonly rwsem: string
  readonly cpus: number
  readonly gaps: Gaps
  readonly seed: number
}

/** What every run of a recording is given: values, which another thread can have. */
export type RecordingValues = Omit<TraceRunOptions, keyof TraceJob | 'onProgress'>

/** Simulates one run. There is one at a time in a thread. */
export async function simulateJob(
  values: RecordingValues,
  job: TraceJob,
  onProgress?: (done: number) => void,
): Promise<SimulatedTraceRun> {
  const progress = onProgress === undefined ? {} : { onProgress }
  const raw = await simulateTraceRun({ ...values, ...job, ...progress })
  return traceFindings(raw, job, values.plan.statistics.faults)
}

/** A recording that was imported with `isTimed`, ready to be simulated. */
export class PlannedRecording {
  readonly trace: ImportedTrace
  readonly plan: TimedPlan
  readonly faultTimes: FaultTimes
  /** What its threads did between events: as far as that is not recorded, there are two bounds. */
  readonly gaps: readonly Gaps[]
  readonly #kernel: Pick<TraceSimulateOptions, 'machine' | 'config' | 'rss'> & {
    readonly accounting: AccountingName
    readonly spinlock: SpinlockKind
  }

  constructor(
    options: Pick<TraceSimulateOptions, 'trace' | 'machine' | 'config' | 'rss' | 'accounting' | 'spinlock'>,
  ) {
    const { trace, machine, config, rss } = options
    this.trace = trace
    this.plan = planRecording(trace)
    this.faultTimes = { faultNs: unendedFaultNs(this.plan), holdNs: faultHoldNs(this.plan) }
    this.gaps = trace.hasSwitches ? EXACT : BOUNDS
    const accounting = accountingOf(machine, options.accounting)
    const spinlock = spinlockOf(machine, options.spinlock)
    this.#kernel = { machine, config, rss, accounting, spinlock }
  }

  get kernelOptions(): Readonly<Record<string, boolean | string | number>> {
    return kernelOptions(this.#kernel, 1, false)
  }

  /** What is performed in one run. */
  get operations(): number {
    return this.plan.operations.reduce((sum, count) => sum + count, 0)
  }

  get values(): RecordingValues {
    const { trace, plan, faultTimes } = this
    const { cpus, linux, lackedCpus, wakeLatencyNs, eventNs, withoutFaultAround } = trace
    const images = trace.images.map(({ faults }) => ({ faults }))
    return {
      trace: { cpus, linux, lackedCpus, wakeLatencyNs, eventNs, withoutFaultAround, images },
      // What the streams have is in the lanes.
      plan: { ...plan, streams: [], times: [] },
      faultTimes,
      ...this.#kernel,
    }
  }
}

/** Simulates a recording that was imported with `isTimed`. */
export async function simulateTrace(options: TraceSimulateOptions): Promise<TraceSimulateResult> {
  const { trace, machine, seed } = options
  const recording = new PlannedRecording(options)
  const jobs = combine(options.designs, rwsemsOf(options.machine, options.rwsems)).flatMap(
    ({ design, rwsem }) =>
      options.cpus.flatMap((cpus) => recording.gaps.map((gaps) => ({ design, rwsem, cpus, gaps, seed }))),
  )
  const runs: SimulatedTraceRun[] = []
  const { values } = recording
  for (const job of jobs) {
    const what = `${job.design}/${job.rwsem}, CPUs: ${job.cpus}, gaps ${job.gaps}`
    const onProgress = (done: number): void => options.onProgress?.(runs.length + 1, jobs.length, what, done)
    onProgress(0)
    runs.push(await simulateJob(values, job, onProgress))
  }
  const { plan, faultTimes } = recording
  const { name, source } = machine
  return {
    workload: trace.path,
    machine: { name, cpus: new Topology(machine.topology).cpus, source },
    kernel: { options: recording.kernelOptions },
    runs,
    published: [],
    trace: {
      path: trace.path,
      recordedFaults: trace.recordedFaults,
      threads: trace.replayed.threads,
      lanes: plan.lanes.length,
      hasSwitches: trace.hasSwitches,
      cpus: trace.cpus,
      durationMs: trace.durationMs,
      linux: trace.linux,
      heldWaits: heldWaits(trace.locks),
      ...faultTimes,
      eventNs: trace.eventNs,
      blockedAfterNs: BLOCKED_NS,
      corrections: plan.corrections,
      warnings: trace.warnings,
    },
  }
}

/** Of all waits those for which it is known who held the lock. */
export function heldWaits({ totals: { held } }: LockAnalysis): SimulatedLockWaits {
  return { count: held.waits, totalMs: held.waitedNs / 1e6 }
}

function traceFindings(
  raw: RawTraceRun,
  { design, rwsem, gaps }: { readonly design: string; readonly rwsem: string; readonly gaps: Gaps },
  recorded: number,
): SimulatedTraceRun {
  const { linux, locks, lockedFaults, kernelFaults, idleShare } = raw
  const sum = ({ count, total }: LockWaits): SimulatedLockWaits => ({ count, totalMs: total / 1e6 })
  return {
    ...findingsOf(raw, design, rwsem),
    idleShare,
    gaps,
    lockWaits: { readers: sum(linux.lockWaitNs.readers), writers: sum(linux.lockWaitNs.writers) },
    heldWaits: heldWaits(locks),
    matrix: locks.matrix,
    addedHeldMs: raw.addedHeldNs / 1e6,
    addedMs: raw.addedNs / 1e6,
    lockedFaults,
    kernelFaults,
    queuedMs: raw.queuedNs / 1e6,
    fidelity: {
      recorded,
      reproduced: raw.reproduced,
      notReproducedByKind: raw.notReproduced,
      failures: raw.failures,
    },
  }
}
