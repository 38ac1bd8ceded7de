// A task: what a worker does, wherever it runs. The same task gives the same outcome, except for times.

import type { Slice } from '../check/index.ts'
import type { ReplayJob, SimulateJob } from './job.ts'

/** Plain data, as it is sent to threads and over queues. */
export type Work =
  | { readonly kind: 'check'; readonly slice: Slice }
  | { readonly kind: 'simulate'; readonly job: SimulateJob }
  /** The job's path is that of the recording where the work is done. */
  | { readonly kind: 'replay'; readonly job: ReplayJob }
  /** Shows what it costs to have a task done. */
  | { readonly kind: 'nothing' }

export interface Task {
  /** One task has one key, and nothing else has it. */
  readonly key: string
  readonly work: Work
}

/** Plain data. */
export interface Outcome {
  readonly value: unknown
  /**
   * What it took of a processor, so that a busy machine tells the same as another; of a replay, which has threads of
   * its own and measures time, until it was done.
   */
  readonly seconds: number
}

/**
 * Does the work. One at a time in a thread, and all of one kind.
 *
 * @param files the folder of the files that may be checked; null where none may
 */
export async function doWork(work: Work, files: string | null): Promise<Outcome> {
  const begun = secondsOf(work)
  const value = await valueOf(work, files)
  return { value, seconds: secondsOf(work) - begun }
}

function secondsOf({ kind }: Work): number {
  if (kind === 'replay') return performance.now() / 1000
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1e6
}

/** A thread loads what its kind of tasks needs, and nothing else. */
async function valueOf(work: Work, files: string | null): Promise<unknown> {
  switch (work.kind) {
    case 'check':
      return (await import('../check/slice.ts')).exploreSlice(work.slice, files)
    case 'simulate':
      return (await import('./simulate-task.ts')).simulateOne(work.job)
    case 'replay':
      return (await import('./replay-task.ts')).replayOne(work.job)
    case 'nothing':
      return null
  }
}
