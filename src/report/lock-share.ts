// The share of its threads' time that a recorded program waited for the mmap lock: what decides whether that hurts.
import type { ProgramSummary } from '../trace/imported-trace.ts'
import type { TraceReport } from './replay-report.ts'

/** Below this share of their time, waiting threads are not worth a change of design. */
export const NEGLIGIBLE_SHARE = 0.01
/** From this share on, the lock is what the program waits for. */
export const HARMFUL_SHARE = 0.1

/**
 * The share of its threads' time that Linux recorded as waits for the lock, or undefined when it did not record them.
 * Of several processes, that of the one which waited most, as each has a lock of its own.
 */
export function linuxShare(trace: TraceReport): number | undefined {
  if (!trace.linux.recorded) return undefined
  const [worst] = waitingPrograms(trace)
  // Threads that mostly sleep would dilute what those that work meet.
  return Math.max(shareOfAll(trace), shareOfHot(trace), worst?.waitShare ?? 0)
}

/** Of several processes, the programs that the lock hurts at least a little, the worst first. */
export function waitingPrograms({ programs, replayedProcesses }: TraceReport): ProgramSummary[] {
  if (replayedProcesses < 2) return []
  return programs
    .filter(({ waitShare }) => waitShare >= NEGLIGIBLE_SHARE)
    .toSorted((a, b) => b.waitShare - a.waitShare)
}

/** Of the time of all threads. */
export function shareOfAll({ linux, threadMs }: TraceReport): number {
  const { readers, writers } = linux.lockWaitNs
  return (readers.total + writers.total) / Math.max(1, threadMs * 1e6)
}

/** Of the time of the busiest threads. */
export function shareOfHot({ hotThreads: { waitedNs, aliveNs } }: TraceReport): number {
  return waitedNs / Math.max(1, aliveNs)
}
