// What the runs of a bench come to: medians, spreads, and ratios to the peer.
//
// Principles: pure functions of the runs, so that the figures can be recomputed from a stored result; medians are
// compared, and always reported with the extremes.
import type { KernelConfig } from '../backends/threads/index.ts'
import type { DesignName, RssMode, RwsemName, Workload, WorkloadName } from './catalogue.ts'
import { median, spread, type Spread } from './statistics.ts'
import type { DesignRun, Latency, Run } from './thread-run.ts'

/** What every run of a bench has in common. */
export interface BenchSetting {
  readonly workload: Workload
  /** Mapping of each thread, in bytes: a multiple of the page size. */
  readonly bytesPerThread: number
  /** Length of the measured window, in seconds. */
  readonly seconds: number
  readonly repetitions: number
  /** How resident pages are counted. Default 'batched'. */
  readonly rss?: RssMode
  /** Kernel options that differ from the default. */
  readonly config: Partial<KernelConfig>
}

/** One design, rwsem and thread count over its repetitions. */
export interface RunSummary {
  readonly threads: number
  readonly repetitions: number
  readonly faultsPerSecond: Spread
  /** Medians of the repetitions' percentiles, and the longest of all. */
  readonly faultLatencyNs: Latency | null
  readonly writerCyclesPerSecond: Spread | null
  readonly idlePercent: number
}

export interface DesignSummary extends RunSummary {
  readonly design: DesignName
  readonly rwsem: RwsemName
  /** Median share of the measured threads' time that they waited for the mmap lock, 0..1. */
  readonly mmapLockWaitShare: number
  /** Median share of the faults that were handled speculatively, 0..1. */
  readonly speculativeShare: number
}

export interface Ratio {
  readonly design: DesignName
  readonly rwsem: RwsemName
  readonly threads: number
  /** Median rate over the peer's median rate: above 1 is faster than the peer. */
  readonly ratio: number
  /** The smallest and the largest ratio of a run to the peer's run of the same round. */
  readonly lowest: number
  readonly highest: number
}

/** What `bench --json` prints. */
export interface BenchResult {
  readonly workload: WorkloadName
  readonly counts: Workload['counts']
  readonly bytesPerThread: number
  readonly seconds: number
  readonly repetitions: number
  readonly rss: RssMode
  readonly config: Partial<KernelConfig>
  readonly runs: readonly DesignRun[]
  readonly summaries: readonly DesignSummary[]
  readonly peer: {
    readonly name: string
    readonly runs: readonly Run[]
    readonly summaries: readonly RunSummary[]
  } | null
  readonly ratios: readonly Ratio[]
}

/** Medians, spreads and ratios of a bench's runs. */
export function assemble(
  setting: BenchSetting,
  runs: readonly DesignRun[],
  peer: { readonly name: string; readonly runs: readonly Run[] } | null,
): BenchResult {
  const groups = Map.groupBy(runs, (run) => `${run.design}/${run.rwsem}/${run.threads}`)
  const summaries = [...groups.values()].map(summarizeDesign)
  const peerSummaries = [...Map.groupBy(peer?.runs ?? [], (run) => run.threads).values()].map(summarizeRuns)
  return {
    workload: setting.workload.name,
    counts: setting.workload.counts,
    bytesPerThread: setting.bytesPerThread,
    seconds: setting.seconds,
    repetitions: setting.repetitions,
    rss: setting.rss ?? 'batched',
    config: setting.config,
    runs,
    summaries,
    peer: peer && { ...peer, summaries: peerSummaries },
    ratios: ratiosOf(summaries, runs, peerSummaries, peer?.runs ?? []),
  }
}

function summarizeDesign(runs: readonly DesignRun[]): DesignSummary {
  const { design, rwsem } = runs[0]!
  return {
    design,
    rwsem,
    ...summarizeRuns(runs),
    mmapLockWaitShare: median(
      runs.map((run) => run.mmapLockWaitNs.total / (run.seconds * 1e9 * run.threads)),
    ),
    speculativeShare: median(
      runs.map((run) => (run.faultsTaken === 0 ? 0 : run.speculative.succeeded / run.faultsTaken)),
    ),
  }
}

function summarizeRuns(runs: readonly Run[]): RunSummary {
  const latencies = runs.flatMap((run) => (run.faultLatencyNs === null ? [] : [run.faultLatencyNs]))
  const cycles = runs.flatMap((run) => (run.writerCycles === null ? [] : [run.writerCycles / run.seconds]))
  return {
    threads: runs[0]!.threads,
    repetitions: runs.length,
    faultsPerSecond: spread(runs.map((run) => run.faultsPerSecond)),
    faultLatencyNs: latencies.length === 0 ? null : summarizeLatencies(latencies),
    writerCyclesPerSecond: cycles.length === 0 ? null : spread(cycles),
    idlePercent: median(runs.map((run) => run.idlePercent)),
  }
}

function summarizeLatencies(latencies: readonly Latency[]): Latency {
  return {
    p50: median(latencies.map((latency) => latency.p50)),
    p99: median(latencies.map((latency) => latency.p99)),
    max: Math.max(...latencies.map((latency) => latency.max)),
    samples: latencies.reduce((sum, latency) => sum + latency.samples, 0),
  }
}

function ratiosOf(
  summaries: readonly DesignSummary[],
  runs: readonly DesignRun[],
  peers: readonly RunSummary[],
  peerRuns: readonly Run[],
): Ratio[] {
  return summaries.flatMap(({ design, rwsem, threads, faultsPerSecond: ours }) => {
    const theirs = peers.find((peer) => peer.threads === threads)?.faultsPerSecond
    if (theirs === undefined || theirs.min === 0) return []
    const ofTurns = runs
      .filter((run) => run.design === design && run.rwsem === rwsem && run.threads === threads)
      .flatMap(({ repetition, faultsPerSecond }) => {
        const peer = peerRuns.find((run) => run.threads === threads && run.repetition === repetition)
        return peer === undefined ? [] : [faultsPerSecond / peer.faultsPerSecond]
      })
    return [
      {
        design,
        rwsem,
        threads,
        ratio: ours.median / theirs.median,
        lowest: Math.min(...ofTurns),
        highest: Math.max(...ofTurns),
      },
    ]
  })
}
