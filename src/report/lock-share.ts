// The share of its threads' time that a recorded program waited for the mmap lock: what decides whether that hurts.
import type { TraceReport } from './replay-report.ts'

/** Below this share of their time, waiting threads are not worth a change of design. */
export const NEGLIGIBLE_SHARE = 0.01
/** From this share on, the lock is what the program waits for. */
export const HARMFUL_SHARE = 0.1

/**
 * The share of its threads' time that Linux recorded as waits for the lock, or undefined when it did not record them.
 */
export function linuxShare(trace: TraceReport): number | undefined {
  if (!trace.linux.recorded) return undefined
  const { readers, writers } = trace.linux.lockWaitNs
  const ofAll = (readers.total + writers.total) / Math.max(1, trace.threadMs * 1e6)
  // Threads that mostly sleep would dilute what those that work meet.
  const { waitedNs, aliveNs } = trace.hotThreads
  return Math.max(ofAll, waitedNs / Math.max(1, aliveNs))
}
