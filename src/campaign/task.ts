// A task: what a worker does, wherever it is. Given the same task it gives the same outcome, but for times.

import type { Slice } from '../check/index.ts'
import type { ReplayJob, SimulateJob } from './job.ts'

/** Plain data, as it is sent to threads and over queues. */
export type Work =
  | { readonly kind: 'check'; readonly slice: Slice }
  | { readonly kind: 'simulate'; readonly job: SimulateJob }
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
  readonly seconds: number
}

/** Does the work. One at a time in a thread, and all of one kind. */
export async function doWork(work: Work): Promise<Outcome> {
  const begun = performance.now()
  const value = await valueOf(work)
  return { value, seconds: (performance.now() - begun) / 1000 }
}

/** A thread loads what its kind of tasks needs, and nothing else. */
async function valueOf(work: Work): Promise<unknown> {
  switch (work.kind) {
    case 'check':
      return (await import('../check/slices.ts')).exploreSlice(work.slice)
    case 'simulate':
      return (await import('./simulate-task.ts')).simulateOne(work.job)
    case 'replay':
      return (await import('./replay-task.ts')).replayOne(work.job)
    case 'nothing':
      return null
  }
}
