// Runs the jobs of a campaign: what the store holds is not done again, the rest is given to an executor.

import { type SliceResult, exploreSliced } from '../check/index.ts'
import { type CheckJob, type Job, type JobResult, keyOf } from './job.ts'
import { type Executor, TaskFailed } from './executors/executor.ts'
import type { Store } from './store.ts'

export interface CampaignProgress {
  /** Jobs that are done, of them those that the store held, and all. */
  readonly done: number
  readonly known: number
  readonly jobs: number
  readonly failed: number
  /** Since the campaign was begun here. */
  readonly seconds: number
  /** Until it is over, if the jobs that are left take as long as those that were done; null where none was. */
  readonly secondsLeft: number | null
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

/** Runs jobs. @throws StoreFailed, and the signal's reason */
export async function runCampaign(jobs: readonly Job[], options: RunOptions): Promise<CampaignOutcome> {
  const { executor, store, onProgress, signal } = options
  signal?.throwIfAborted()
  const begun = performance.now()
  const keys = jobs.map(keyOf)
  const results = jobs.map((job, number) => store.find(keys[number]!, job))
  const left = [...jobs.keys()].filter((number) => results[number] === null)
  const failed: FailedJob[] = []
  const known = jobs.length - left.length
  let ended = 0
  const tell = (): void => {
    const seconds = (performance.now() - begun) / 1000
    const secondsLeft = ended === 0 ? null : (seconds / ended) * (left.length - ended)
    onProgress?.({
      done: known + ended,
      known,
      jobs: jobs.length,
      failed: failed.length,
      seconds,
      secondsLeft,
    })
  }
  const next = left.values()
  const runOne = async (number: number): Promise<void> => {
    const [job, key] = [jobs[number]!, keys[number]!]
    try {
      const result = await runJob(job, key, options)
      store.add(result)
      results[number] = result
    } catch (error) {
      if (!(error instanceof TaskFailed)) throw error
      failed.push({ job, problem: error.message })
    }
    ended++
    tell()
  }
  const runSome = async (): Promise<void> => {
    for (const number of next) {
      signal?.throwIfAborted()
      await runOne(number)
    }
  }
  tell()
  const stopped = signal && abortOf(signal)
  const width = Math.min(executor.width, left.length)
  const all = Promise.all(Array.from({ length: width }, runSome))
  await (stopped === undefined ? all : Promise.race([all, stopped]))
  return { results: results.filter((result) => result !== null), failed }
}

/** Rejects when the signal comes; tasks that are being done are not waited for. */
function abortOf(signal: AbortSignal): Promise<never> {
  const stopped = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
  })
  stopped.catch(() => {})
  return stopped
}

async function runJob(job: Job, key: string, options: RunOptions): Promise<JobResult> {
  if (job.kind === 'check') return exploreJob(job, key, options)
  const work =
    job.kind === 'simulate' ? ({ kind: 'simulate', job } as const) : ({ kind: 'replay', job } as const)
  const { value, seconds } = await options.executor.run({ key, work })
  return { key, job, result: value, seconds } as JobResult
}

/** The slices of a job follow from what came of those before, so that their numbers say what they are. */
async function exploreJob(job: CheckJob, key: string, { executor, store }: RunOptions): Promise<JobResult> {
  const { scenario, design, rwsem, rss, published, steps } = job
  let slices = 0
  let seconds = 0
  const result = await exploreSliced({ scenario, design, rwsem, rss, published }, steps, async (slice) => {
    const number = slices++
    let outcome = store.findSlice(key, number)
    if (outcome === null) {
      outcome = await executor.run({ key: `${key}-${number}`, work: { kind: 'check', slice } })
      store.addSlice(key, number, outcome)
    }
    seconds += outcome.seconds
    return outcome.value as SliceResult
  })
  return { key, job, result, seconds }
}
