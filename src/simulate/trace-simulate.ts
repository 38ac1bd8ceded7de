// The simulation of a recorded program: on one machine, under a list of designs, rwsems and numbers of CPUs, with both
// bounds of what its threads did between events.

import type { AccountingName, KernelConfig, SpinlockKind } from '../kernel/index.ts'
import type { ImportedTrace, LinuxRecord, NotReproducedKind } from '../trace/index.ts'
import { planRecording } from '../trace/index.ts'
import { type DesignName, type RwsemChoice, combine } from '../workloads/index.ts'
import { type SimulatedRun, findingsOf } from './findings.ts'
import { type MachineModel, accountingOf, spinlockOf } from './machine.ts'
import { kernelOptions } from './stepped-run.ts'
import { Topology } from './topology.ts'
import { BLOCKED_NS, type Gaps, unendedFaultNs } from './trace-program.ts'
import { type RawTraceRun, simulateTraceRun } from './trace-run.ts'

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
  readonly lockWaits: { readonly readers: SimulatedLockWaits; readonly writers: SimulatedLockWaits }
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
    readonly blockedAfterNs: number
    readonly corrections: Readonly<Record<string, number>>
    readonly warnings: readonly string[]
  }
}

const BOUNDS: readonly Gaps[] = ['computing', 'blocking']
const EXACT: readonly Gaps[] = ['recorded']

/** Simulates a recording that was imported with `isTimed`. */
export async function simulateTrace(options: TraceSimulateOptions): Promise<TraceSimulateResult> {
  const { trace, machine, config, rss } = options
  const accounting = accountingOf(machine, options.accounting)
  const spinlock = spinlockOf(machine, options.spinlock)
  const plan = planRecording(trace)
  const faultNs = unendedFaultNs(plan)
  const jobs = combine(options.designs, options.rwsems).flatMap(({ design, rwsem }) =>
    options.cpus.flatMap((cpus) =>
      (trace.hasSwitches ? EXACT : BOUNDS).map((gaps) => ({ design, rwsem, cpus, gaps })),
    ),
  )
  const runs: SimulatedTraceRun[] = []
  for (const job of jobs) {
    const what = `${job.design}/${job.rwsem}, CPUs: ${job.cpus}, gaps ${job.gaps}`
    const onProgress = (done: number): void => options.onProgress?.(runs.length + 1, jobs.length, what, done)
    onProgress(0)
    const { seed } = options
    const raw = await simulateTraceRun({
      trace,
      plan,
      machine,
      faultNs,
      ...job,
      seed,
      config,
      rss,
      accounting,
      spinlock,
      onProgress,
    })
    runs.push(traceFindings(raw, job, plan.statistics.faults))
  }
  const { name, source } = machine
  return {
    workload: trace.path,
    machine: { name, cpus: new Topology(machine.topology).cpus, source },
    kernel: { options: kernelOptions({ config, rss, accounting, spinlock }, 1) },
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
      heldWaits: {
        count: trace.locks.matrix.reduce((sum, { waits }) => sum + waits, 0),
        totalMs: trace.locks.matrix.reduce((sum, { waitedNs }) => sum + waitedNs, 0) / 1e6,
      },
      faultNs,
      blockedAfterNs: BLOCKED_NS,
      corrections: plan.corrections,
      warnings: trace.warnings,
    },
  }
}

function traceFindings(
  raw: RawTraceRun,
  { design, rwsem, gaps }: { readonly design: string; readonly rwsem: string; readonly gaps: Gaps },
  recorded: number,
): SimulatedTraceRun {
  const { lockWaits, lockedFaults, kernelFaults, idleShare } = raw
  const sum = ({ count, totalNs }: { count: number; totalNs: number }): SimulatedLockWaits => ({
    count,
    totalMs: totalNs / 1e6,
  })
  return {
    ...findingsOf(raw, design, rwsem),
    idleShare,
    gaps,
    lockWaits: { readers: sum(lockWaits.readers), writers: sum(lockWaits.writers) },
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
