// What a replay tells.
import { createHistogram } from 'node:perf_hooks'
import type { DesignName, Machine, RwsemKind } from '../backends/threads/index.ts'
import { isAbortReason } from '../kernel/index.ts'
import type { ImportedTrace } from './imported-trace.ts'
import type { CorrectionKind, PlanStatistics, ReplayPlan } from './plan-types.ts'
import { addressesOf, faultsOutside } from './recorded-faults.ts'
import type {
  Failure,
  LockedFaults,
  NotReproducedKind,
  UnmatchedFault,
  WorkerResult,
} from './replay-protocol.ts'

export interface ReplayResult {
  readonly design: DesignName
  readonly rwsem: RwsemKind
  /** Worker threads that replayed. */
  readonly threads: number
  /** Bytes of memory of the machine. */
  readonly memory: number
  /** Faults that the replayed accesses took. */
  readonly faults: number
  readonly speculative: {
    readonly attempted: number
    readonly succeeded: number
    readonly aborted: Readonly<Record<string, number>>
  }
  /** Faults handled under the mmap lock. */
  readonly classicFaults: number
  /** Of these, faults that the kernel took, which no design tries without it. */
  readonly kernelFaults: number
  /** From the common start to the end of the last worker. */
  readonly elapsedMs: number
  readonly faultsPerSecond: number
  /** Of accesses that took a fault, in nanoseconds. */
  readonly faultLatencyNs: { readonly p50: number; readonly p99: number; readonly max: number }
  /** Waits for the mmap lock of all workers. */
  readonly mmapLockWaitNs: {
    readonly count: number
    readonly total: number
    readonly p50: number
    readonly p99: number
  }
  /**
   * Of the faults that were reproduced: which of them took the mmap lock, here and in Linux; null where the trace does
   * not tell.
   */
  readonly mmapLockFaults: LockedFaults | null
  readonly fidelity: {
    readonly recorded: number
    readonly reproduced: number
    /** Of those: the ones before which nothing was corrected. Only of these it tells anything that they came. */
    readonly uncorrected: number
    /** Faults whose correction turned back an earlier one of the same page, again and again: no state explains them. */
    readonly contradictory: number
    readonly notReproduced: number
    /** Accesses and calls that failed though Linux had allowed them. */
    readonly failed: number
    readonly ratio: number
    readonly notReproducedByKind: Readonly<Partial<Record<NotReproducedKind, number>>>
    /** The first failures. */
    readonly failures: readonly Failure[]
    /** The first that were not reproduced: where the trace has them, and the recorded address in hexadecimal. */
    readonly faults: readonly (UnmatchedFault & { readonly address: string })[]
  }
  /**
   * How often the state of a page, or of the layout, was corrected first because a recorded error code contradicted it,
   * by kind. None of it is counted elsewhere.
   */
  readonly corrections: Readonly<Partial<Record<CorrectionKind, number>>>
  /** What was performed, and in what order it had to be. */
  readonly operations: PlanStatistics
  /** The machine's own counters, under the kernel's names. */
  readonly counters: Readonly<Record<string, number>>
}

const MAX_FAILURES = 16

/**
 * What the workers of a replay counted, as one result.
 * @param memory bytes that the machine has
 * @param before the machine's counters when they began
 */
export function resultOf(
  trace: ImportedTrace,
  plan: ReplayPlan,
  memory: number,
  machine: Machine,
  results: readonly WorkerResult[],
  before: Readonly<Record<string, number>>,
): ReplayResult {
  const elapsedNs =
    Math.max(...results.map(({ endNs }) => endNs)) - Math.min(...results.map(({ startNs }) => startNs))
  const latencies = createHistogram()
  const lockWaits = createHistogram()
  const kinds: Partial<Record<NotReproducedKind, number>> = {}
  const failures: Failure[] = []
  const { records, seats } = trace
  const outside = trace.images.some(({ notPerformed }) => notPerformed.outsideAnyMapping > 0)
  const unmatched = outside ? faultsOutside(records, seats, MAX_FAILURES) : []
  const locked = { both: 0, onlyHere: 0, onlyLinux: 0, neither: 0 }
  let faults = 0
  let speculativeFaults = 0
  let reproduced = 0
  let corrected = 0
  let failed = 0
  let maxLatency = 0
  let lockWaitCount = 0
  let lockWaitTotal = 0
  const count = (kind: NotReproducedKind, times: number): void => {
    if (times > 0) kinds[kind] = (kinds[kind] ?? 0) + times
  }
  for (const result of results) {
    if (result.latencies.count > 0) latencies.add(result.latencies)
    if (result.lockWaits.count > 0) lockWaits.add(result.lockWaits)
    for (const [kind, times] of Object.entries(result.notReproduced)) count(kind as NotReproducedKind, times)
    failures.push(...result.failures)
    unmatched.push(...result.unmatched)
    for (const key of Object.keys(locked) as (keyof LockedFaults)[]) locked[key] += result.locked[key]
    faults += result.faults
    speculativeFaults += result.speculative
    reproduced += result.reproduced
    corrected += result.corrected
    failed += result.failed
    maxLatency = Math.max(maxLatency, result.maxLatency)
    lockWaitCount += result.lockWaitCount
    lockWaitTotal += result.lockWaitTotal
  }
  const { images, recordedFaults: recorded, unseenMappings } = trace
  for (const image of images) {
    for (const [kind, times] of Object.entries(image.notPerformed)) count(kind as NotReproducedKind, times)
  }
  const counters = machine.counters()
  for (const [name, times] of Object.entries(before)) counters[name]! -= times
  const aborted = Object.fromEntries(
    Object.entries(counters).filter(([name, times]) => isAbortReason(name) && times > 0),
  )
  const { design, rwsem } = machine
  return {
    design,
    rwsem,
    threads: plan.streams.length,
    memory,
    faults,
    speculative: { attempted: counters['spf_attempt'] ?? 0, succeeded: speculativeFaults, aborted },
    classicFaults: faults - speculativeFaults,
    kernelFaults: counters['page_fault_kernel'] ?? 0,
    elapsedMs: elapsedNs / 1e6,
    faultsPerSecond: elapsedNs > 0 ? faults / (elapsedNs / 1e9) : 0,
    faultLatencyNs: { ...percentiles(latencies), max: maxLatency },
    mmapLockWaitNs: { count: lockWaitCount, total: Math.round(lockWaitTotal), ...percentiles(lockWaits) },
    mmapLockFaults: trace.linux.recorded ? locked : null,
    fidelity: {
      recorded,
      reproduced,
      uncorrected: reproduced - corrected,
      contradictory: plan.contradictions,
      notReproduced: recorded - reproduced,
      failed,
      ratio: recorded === 0 ? 1 : reproduced / recorded,
      notReproducedByKind: kinds,
      failures: failures.slice(0, MAX_FAILURES),
      faults: located(trace, unmatched),
    },
    corrections: { ...plan.corrections, ...(unseenMappings > 0 && { unseenMapping: unseenMappings }) },
    operations: plan.statistics,
    counters,
  }
}

/** The first of them in the trace, with the addresses that it has. */
function located(
  { records }: ImportedTrace,
  faults: readonly UnmatchedFault[],
): (UnmatchedFault & { address: string })[] {
  const first = faults.toSorted((a, b) => a.line - b.line).slice(0, MAX_FAILURES)
  const addresses = addressesOf(records, new Set(first.map(({ line }) => line)))
  return first.map((fault) => ({ ...fault, address: `0x${(addresses.get(fault.line) ?? 0).toString(16)}` }))
}

function percentiles(histogram: ReturnType<typeof createHistogram>): { p50: number; p99: number } {
  return histogram.count === 0
    ? { p50: 0, p99: 0 }
    : { p50: histogram.percentile(50), p99: histogram.percentile(99) }
}
