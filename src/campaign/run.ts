// Runs the jobs of a campaign: jobs with a stored result do not run again, an executor runs the rest.

import {
  type SliceOutcome,
  type SlicedExtent,
  type SlicedTarget,
  exploreSliced,
  mutantNamed,
} from '../check/index.ts'
import { type Crew, type Executor, TaskFailed } from './executors/executor.ts'
import { type CheckJob, type Job, type JobResult, type MutantJob, keyOf } from './job.ts'
import type { Store } from './store.ts'

export interface CampaignProgress {
  /** Jobs that are done, of them those that the store held, and all. */
  readonly done: number
  readonly known: number
  readonly jobs: number
  readonly failed: number
  /** Since the campaign was begun here. */
  readonly seconds: number
  /**
   * Until it is over, if what is left takes as long as what was done, where explorations take all of their steps; null
   * where nothing was done.
   */
  readonly secondsLeft: number | null
  /** Who works. */
  readonly crew: Crew | null
}

export interface RunOptions {
  readonly executor: Executor
  readonly store: Store
  readonly onProgress?: (progress: CampaignProgress) => void
  /** Begin nothing more. */
  readonly signal?: AbortSignal
}

export interface FailedJob {
  readonly job: Job
  readonly problem: string
}

export interface CampaignOutcome {
  /** In the order of the jobs. Those that failed, or were not begun, are left out. */
  readonly results: readonly JobResult[]
  /** They are not in the store, and tried again by the next run. */
  readonly failed: readonly FailedJob[]
}

/** Runs jobs. @throws StoreFailed, QueueRefused, and the signal's reason */
export async function runCampaign(jobs: readonly Job[], options: RunOptions): Promise<CampaignOutcome> {
  const { executor, store, signal } = options
  signal?.throwIfAborted()
  const keys = jobs.map(keyOf)
  const results = jobs.map((job, number) => store.find(keys[number]!, job))
  const left = [...jobs.keys()].filter((number) => results[number] === null)
  const failed: FailedJob[] = []
  const tally = new Tally(jobs.length, left.length, options)
  const next = left.values()
  const runOne = async (number: number): Promise<void> => {
    const [job, key] = [jobs[number]!, keys[number]!]
    try {
      const result = await runJob(job, key, { executor, store, tally })
      store.add(result)
      results[number] = result
    } catch (error) {
      if (!(error instanceof TaskFailed)) throw error
      failed.push({ job, problem: error.message })
    }
    tally.end(key, failed.length)
  }
  const runSome = async (): Promise<void> => {
    for (const number of next) {
      signal?.throwIfAborted()
      await runOne(number)
    }
  }
  tally.tell()
  const stopped = signal && abortOf(signal)
  const width = Math.min(executor.width, left.length)
  const all = Promise.all(Array.from({ length: width }, runSome))
  await (stopped === undefined ? all : Promise.race([all, stopped]))
  return { results: results.filter((result) => result !== null), failed }
}

/** How far a campaign is. */
class Tally {
  readonly #begun = performance.now()
  readonly #jobs: number
  readonly #left: number
  readonly #options: RunOptions
  /** Of jobs that have not ended, the share that is done, and of that, what was done before. */
  readonly #parts = new Map<string, { done: number; known: number }>()
  #ended = 0
  #failed = 0
  /** Shares of jobs that ended, as far as they were done before. */
  #knownOfEnded = 0

  constructor(jobs: number, left: number, options: RunOptions) {
    this.#jobs = jobs
    this.#left = left
    this.#options = options
  }

  /** A share of a job is done, or was before. */
  add(key: string, share: number, isKnown: boolean): void {
    const part = this.#parts.get(key) ?? { done: 0, known: 0 }
    part.done = Math.min(1, part.done + share)
    if (isKnown) part.known = Math.min(1, part.known + share)
    this.#parts.set(key, part)
    if (!isKnown) this.tell()
  }

  end(key: string, failed: number): void {
    this.#knownOfEnded += this.#parts.get(key)?.known ?? 0
    this.#parts.delete(key)
    this.#ended++
    this.#failed = failed
    this.tell()
  }

  tell(): void {
    const { onProgress, executor } = this.#options
    if (onProgress === undefined) return
    const known = this.#jobs - this.#left
    const parts = [...this.#parts.values()]
    const done = this.#ended + parts.reduce((sum, part) => sum + part.done, 0)
    const before = this.#knownOfEnded + parts.reduce((sum, part) => sum + part.known, 0)
    const seconds = (performance.now() - this.#begun) / 1000
    onProgress({
      done: known + this.#ended,
      known,
      jobs: this.#jobs,
      failed: this.#failed,
      seconds,
      secondsLeft: done > before ? (seconds / (done - before)) * (this.#left - done) : null,
      crew: executor.crew,
    })
  }
}

/** Rejects when the signal comes; tasks that are being done are not waited for. */
function abortOf(signal: AbortSignal): Promise<never> {
  const stopped = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
  })
  stopped.catch(() => {})
  return stopped
}

interface JobOptions extends Pick<RunOptions, 'executor' | 'store'> {
  readonly tally: Tally
}

async function runJob(job: Job, key: string, options: JobOptions): Promise<JobResult> {
  if (job.kind === 'check' || job.kind === 'mutant') return exploreJob(job, key, options)
  const work =
    job.kind === 'simulate' ? ({ kind: 'simulate', job } as const) : ({ kind: 'replay', job } as const)
  const { value, seconds } = await options.executor.run({ key, work })
  return { key, job, result: value, seconds } as JobResult
}

/** The slices of a job follow from what came of those before, so that their numbers say what they are. */
async function exploreJob(
  job: CheckJob | MutantJob,
  key: string,
  { executor, store, tally }: JobOptions,
): Promise<JobResult> {
  let slices = 0
  let seconds = 0
  const extent = extentOf(job)
  const result = await exploreSliced(targetOf(job), extent, async (slice) => {
    const number = slices++
    const known = store.findSlice(key, number)
    const outcome = known ?? (await executor.run({ key: `${key}-${number}`, work: { kind: 'check', slice } }))
    if (known === null) store.addSlice(key, number, outcome)
    seconds += outcome.seconds
    const value = outcome.value as SliceOutcome
    tally.add(key, shareOf(value, extent), known !== null)
    return value
  })
  return { key, job, result, seconds } as JobResult
}

function targetOf(job: CheckJob | MutantJob): SlicedTarget {
  if (job.kind === 'mutant') return { mutant: job.mutant }
  if ('file' in job) return { file: job.file, content: job.content }
  const { scenario, design, rwsem, rss, published } = job
  return { scenario, design, rwsem, rss, published }
}

function extentOf(job: CheckJob | MutantJob): SlicedExtent {
  if (job.kind === 'mutant') {
    const seeks = mutantNamed(job.mutant)?.redundant === undefined
    return { steps: job.steps, seeks }
  }
  if ('steps' in job) return { steps: job.steps }
  const { strategy, depth, seed, executions } = job
  return { strategy, depth, seed, executions }
}

/** How much of an exploration a slice is, at most. */
function shareOf(outcome: SliceOutcome, extent: SlicedExtent): number {
  if ('discovery' in outcome) return 0
  return 'steps' in extent ? outcome.steps / extent.steps : outcome.executions / extent.executions
}
