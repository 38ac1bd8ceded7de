// What recording itself takes: measured with the events that are recorded, on a program whose work is known, after
// the recording, and counted by the events, threads and processes that there were.
//
// Principle: what is told is CPU time of the recorded threads, as that is what the tracepoints take. What perf takes
// to write its file, on a CPU of its own if there is one, is not in it.
import { fileURLToPath } from 'node:url'
import type { Took } from './overhead-child.ts'
import type { Tally } from './tally.ts'

const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js'

/** The program that it is measured on. */
export const OVERHEAD_CHILD: readonly string[] = [
  process.execPath,
  fileURLToPath(new URL(`./overhead-child${extension}`, import.meta.url)),
]

/** Nanoseconds of CPU time that recording adds to each. */
export interface Costs {
  readonly eventNs: number
  /** A thread or process that is created. */
  readonly taskNs: number
}

/** What recording took. */
export interface Overhead extends Costs {
  /** CPU time of all recorded threads, in milliseconds. */
  readonly ms: number
}

/** What the child printed; null if it did not. */
export function tookOf(output: string): Took | null {
  try {
    const { pid, faultNs, taskNs } = JSON.parse(output) as Took
    return pid > 0 && faultNs > 0 && taskNs > 0 ? { pid, faultNs, taskNs } : null
  } catch {
    return null
  }
}

/**
 * @param recorded what the child told while it was recorded
 * @param plain what it told when it was not, several times
 * @param text the events that perf recorded of it, which may be among those of other processes
 */
export function costsOf(recorded: Took, plain: readonly Took[], text: string): Costs | null {
  const more = (of: 'faultNs' | 'taskNs'): number =>
    Math.max(0, recorded[of] - plain.reduce((sum, took) => sum + took[of], 0) / plain.length)
  let lines = 0
  let faults = 0
  for (const [, pid, event] of text.matchAll(LINE)) {
    if (Number(pid) !== recorded.pid) continue
    lines++
    if (event === 'page_fault_user' || event === 'page-faults') faults++
  }
  // Where each fault takes the mmap lock, there are several events for it.
  return faults < FAULTS_MIN ? null : { eventNs: more('faultNs') / (lines / faults), taskNs: more('taskNs') }
}

const LINE = /^.{0,16} +(\d+)\/\d+ +\[\d+\] +[\d.]+: +(?:\w+:)?([\w-]+)/gm
/** The child takes thousands. */
const FAULTS_MIN = 1000

/** By what a recording has. */
export function overheadOf({ eventNs, taskNs }: Costs, { events, tasks }: Tally): Overhead {
  return { eventNs, taskNs, ms: Math.round((eventNs * events + taskNs * tasks) / 1e4) / 100 }
}
