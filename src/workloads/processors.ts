// How busy the machine's processors were, as the operating system counts it.
import os from 'node:os'

/** Idle and total time of all processors since they started, in milliseconds. */
export interface ProcessorTimes {
  readonly idleMs: number
  readonly totalMs: number
}

export function processorTimes(): ProcessorTimes {
  let idleMs = 0
  let totalMs = 0
  for (const { times } of os.cpus()) {
    idleMs += times.idle
    totalMs += times.idle + times.user + times.nice + times.sys + times.irq
  }
  return { idleMs, totalMs }
}

/** Share of all processors' time that was idle between two readings, in percent. */
export function idlePercentBetween(start: ProcessorTimes, end: ProcessorTimes): number {
  const totalMs = end.totalMs - start.totalMs
  return totalMs <= 0 ? 0 : (100 * (end.idleMs - start.idleMs)) / totalMs
}
