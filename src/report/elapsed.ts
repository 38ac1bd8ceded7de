// What the time of threads is of the time that passed.
import type { TraceReport } from './replay-report.ts'

/** Of time that threads waited for somebody, by how much that delayed the whole: one thread of many delays it less. */
export function elapsedWaits({ locks }: TraceReport, ns: number): number {
  const { waitedNs } = locks.totals.held
  return hundredths(waitedNs === 0 ? 0 : (ns * Math.min(1, locks.delayedNs / waitedNs)) / 1e6)
}

/** The same of waits for each other: they cost nothing while others have all processors, as these work for them. */
export function elapsedOwnWaits(trace: TraceReport, ns: number): number {
  return elapsedWaits(trace, ns * trace.costlyWaitShare)
}

/** Of time that threads worked, how much of the elapsed time that was. */
export function elapsed(trace: TraceReport, ns: number): number {
  const threads = Math.max(1, trace.hotThreads.count)
  const parallel = trace.cpus === 0 ? threads : Math.min(threads, trace.cpus)
  return hundredths(ns / parallel / 1e6)
}

export function hundredths(value: number): number {
  return Math.round(value * 100) / 100
}
