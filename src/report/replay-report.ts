// What `faultline replay` says: the types of its `--json` output, and how repetitions become one figure.
//
// Principles: the keys are an interface (camelCase, units in the name). Of several repetitions the one with
// the median elapsed time is shown whole, so that its figures add up; beside it stands the spread of all.
// Fidelity is the worst that any repetition had: a replay that failed once has failed.
import type { FaultCensus } from '../trace/given-back.ts'
import type { ProgramSummary } from '../trace/imported-trace.ts'
import type { RecordedKernel } from '../trace/recorded-kernel.ts'
import type { LinuxRecord } from '../trace/linux-locks.ts'
import type { LockAnalysis } from '../trace/lock-history.ts'
import type { Failure, LockedFaults, UnmatchedFault } from '../trace/replay-protocol.ts'
import { spread, type Spread } from '../workloads/statistics.ts'

export interface Latency {
  readonly p50: number
  readonly p99: number
  readonly max: number
}

export interface LockWait {
  readonly count: number
  readonly total: number
  readonly p50: number
  readonly p99: number
}

export interface TraceReport {
  readonly path: string
  readonly lines: number
  readonly events: number
  /** Threads and processes in the trace. */
  readonly threads: number
  readonly processes: number
  /** Page faults of what is replayed. */
  readonly recordedFaults: number
  /** What Linux itself met when the program was recorded, told by the trace's own events. */
  readonly linux: LinuxRecord
  /** The replayed process, by name and number; of all, the one with the most faults. */
  readonly program: string
  readonly process: number
  /** Which processes are replayed, and why: the only one, all, the busiest alone, or the one that was asked for. */
  readonly processChoice: 'only' | 'all' | 'busiest' | 'asked'
  /** Processes that are replayed, and their threads. */
  readonly replayedProcesses: number
  readonly processThreads: number
  /** From the first to the last replayed event. */
  readonly durationMs: number
  /** How long the replayed threads lived when they were recorded, summed up. */
  readonly threadMs: number
  /** Who held the mmap lock while others waited, in the whole trace. */
  readonly locks: LockAnalysis
  /** What the faults of the whole trace were. */
  readonly faultCensus: FaultCensus
  /** Faults that the kernel took with page faults disabled and did not handle; they count nowhere else. */
  readonly unhandledFaults: number
  /** Which kernel it was, and how that is known. */
  readonly kernel: RecordedKernel
  /** Events that perf lost. */
  readonly lostEvents: number
  /** Processors that events came from; 0 where the trace does not tell. */
  readonly cpus: number
  /** The threads that did most; their waits for the mmap lock, and how long they lived, summed up. */
  readonly hotThreads: { readonly count: number; readonly waitedNs: number; readonly aliveNs: number }
  /** What is replayed, by name, the most faults first. */
  readonly programs: readonly ProgramSummary[]
  /** How much of the time that threads waited cost time (a CPU was idle, or they spun); 1 where it does not tell. */
  readonly costlyWaitShare: number
  /** What recording took of the threads' CPU time, as `record` measured it before; null if it did not. */
  readonly recordingMs: number | null
  /** What the trace does not tell, in sentences. */
  readonly warnings: readonly string[]
}

export interface Fidelity {
  /** Faults that Linux took. */
  readonly recorded: number
  /** Of those, the ones that the replay took too. */
  readonly reproduced: number
  /** Of those, the ones that were reproduced without a correction of the replay's state before. */
  readonly uncorrected: number
  /** Faults whose correction turned back an earlier one of the same page, again and again: no state explains them. */
  readonly contradictory: number
  readonly notReproduced: number
  /** Accesses that failed here though Linux had allowed them: must be zero. */
  readonly failed: number
  /** reproduced / recorded. */
  readonly ratio: number
  /** What `notReproduced` is made of, by kind. */
  readonly notReproducedByKind: Readonly<Record<string, number>>
  /** The first of what failed. */
  readonly failures: readonly Failure[]
  /** The first that were not reproduced, with line of the trace and recorded address. */
  readonly faults: readonly (UnmatchedFault & { readonly address: string })[]
}

/** One design in one repetition. */
export interface DesignReplay {
  readonly design: string
  readonly rwsem: string
  readonly faults: number
  readonly speculative: {
    readonly attempted: number
    readonly succeeded: number
    readonly aborted: Readonly<Record<string, number>>
  }
  readonly classicFaults: number
  /** Of these, those that the kernel took. */
  readonly kernelFaults: number
  readonly elapsedMs: number
  readonly faultsPerSecond: number
  readonly faultLatencyNs: Latency
  readonly mmapLockWaitNs: LockWait
  /** Of the reproduced faults, which took the mmap lock here and in Linux; null where the trace does not tell. */
  readonly mmapLockFaults: LockedFaults | null
  readonly fidelity: Fidelity
  /** Corrections of the replay's state that recorded error codes asked for, by kind. */
  readonly corrections: Readonly<Record<string, number>>
}

/** One design over all repetitions. */
export interface DesignReport extends DesignReplay {
  readonly repetitions: number
  readonly elapsedMsSpread: Spread
  readonly faultsPerSecondSpread: Spread
  /** Share of the replaying threads' time that they waited for the mmap lock, 0..1. */
  readonly mmapLockWaitShare: Spread
}

export interface ReplayReport {
  readonly trace: TraceReport
  /** Worker threads that replayed. */
  readonly replayThreads: number
  /** How resident pages were counted. */
  readonly rss: 'batched' | 'shared'
  /** Processors that they had. */
  readonly processors: number
  readonly designs: readonly DesignReport[]
}

/** The faults of what is told of: of one process of several, those of the processes of its name. */
export function censusOf({ processChoice, programs, faultCensus }: TraceReport): FaultCensus {
  const isOne = processChoice === 'asked' || processChoice === 'busiest'
  return isOne ? (programs[0]?.faultCensus ?? faultCensus) : faultCensus
}

/** One report of the repetitions of one design on `threads` worker threads. */
export function mergeRepetitions(repetitions: readonly DesignReplay[], threads: number): DesignReport {
  const sorted = repetitions.toSorted((a, b) => a.elapsedMs - b.elapsedMs)
  const shown = sorted[(sorted.length - 1) >> 1]
  if (shown === undefined) throw new RangeError('there is no repetition to report')
  const worst = repetitions.reduce((a, b) => (isWorse(b.fidelity, a.fidelity) ? b : a))
  return {
    ...shown,
    fidelity: worst.fidelity,
    repetitions: repetitions.length,
    elapsedMsSpread: spread(repetitions.map((one) => one.elapsedMs)),
    faultsPerSecondSpread: spread(repetitions.map((one) => one.faultsPerSecond)),
    mmapLockWaitShare: spread(
      repetitions.map((one) => one.mmapLockWaitNs.total / Math.max(1, one.elapsedMs * 1e6 * threads)),
    ),
  }
}

function isWorse(a: Fidelity, b: Fidelity): boolean {
  return a.failed > b.failed || (a.failed === b.failed && a.ratio < b.ratio)
}

/** Share of the recorded faults that were reproduced, and that do not contradict each other. */
export function explainedShare({ recorded, ratio, contradictory }: Fidelity): number {
  return Math.max(0, ratio - contradictory / Math.max(1, recorded))
}

/** Whether every design of a replay was faithful enough: nothing failed, and at least `least` was explained. */
export function isFaithful(report: ReplayReport, least: number): boolean {
  return report.designs.every(({ fidelity }) => fidelity.failed === 0 && explainedShare(fidelity) >= least)
}
