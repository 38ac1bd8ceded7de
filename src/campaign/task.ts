// A task: what a worker does, wherever it is. Given the same task it gives the same outcome, but for times.

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type Slice, exploreSlice } from '../check/index.ts'
import { mergeRepetitions } from '../report/index.ts'
import { findMachine, findSimulatedWorkload, simulate } from '../simulate/index.ts'
import { importTrace, replayTrace } from '../trace/index.ts'
import { withConstants } from './constants.ts'
import type { ReplayJob, ReplayJobResult, SimulateJob, SimulateJobResult } from './job.ts'

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

function valueOf(work: Work): Promise<unknown> {
  switch (work.kind) {
    case 'check':
      return exploreSlice(work.slice)
    case 'simulate':
      return simulateOne(work.job)
    case 'replay':
      return replayOne(work.job)
    case 'nothing':
      return Promise.resolve(null)
  }
}

async function simulateOne(job: SimulateJob): Promise<SimulateJobResult> {
  const { seed, config, rss, effort } = job
  const { runs } = await simulate({
    workload: findSimulatedWorkload(job.workload)!,
    machine: withConstants(findMachine(job.machine)!, job.constants),
    designs: [job.design],
    rwsems: [job.rwsem],
    cpus: [job.cpus],
    seed,
    config,
    rss,
    effort,
  })
  const { design: _design, rwsem: _rwsem, cpus: _cpus, wallMs: _wallMs, ...result } = runs[0]!
  return result
}

/** Another file lies where the recording was when the campaign began, on this machine. */
class RecordingDiffers extends Error {
  override readonly name = 'RecordingDiffers'
}

async function replayOne({ trace: path, content, ...job }: ReplayJob): Promise<ReplayJobResult> {
  if (createHash('sha256').update(readFileSync(path)).digest('hex') !== content)
    throw new RecordingDiffers(`${path} is not the recording that the campaign is about`)
  const trace = await importTrace(path, { process: 'all' })
  try {
    const { design, rwsem, rss, threads, repeat } = job
    const runs = []
    let replayThreads = 0
    for (let repetition = 0; repetition < repeat; repetition++) {
      const run = await replayTrace(trace, { design, rwsem, rss, ...(threads !== null && { threads }) })
      replayThreads = run.threads
      runs.push(run)
    }
    const { design: _design, rwsem: _rwsem, ...result } = mergeRepetitions(runs, replayThreads)
    return { ...result, replayThreads }
  } finally {
    trace.close()
  }
}
