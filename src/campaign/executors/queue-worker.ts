// A worker of a queue: takes tasks and has its threads do them, until it is told to stop.
//
// Its main thread computes nothing, so that it can tell the queue all the while that it is alive. If it is not, its
// tasks are given to others when its locks have run out.

import type { Worker } from 'bullmq'
import type { Redis } from 'ioredis'
import { codeDigest } from '../code.ts'
import { receivedWork } from '../received.ts'
import { Recordings } from '../recordings.ts'
import type { Outcome, Work } from '../task.ts'
import { LocalExecutor } from './local.ts'
import { QueueRefused, announce, connect, connectionTo, loadBullmq, presentOn, queueName } from './redis.ts'

/** A worker that has not been heard of for so long is dead. */
const LOCK_MS = 30_000
/** A task whose workers have died so often is not given out again: it may be what they die of. */
const DEATHS_MAX = 8
/** How often it is asked whether the campaign is over. */
const ASKED_MS = 1000

export interface QueueWorkerOptions {
  /** Threads; by default, one for each processor. */
  readonly workers?: number | undefined
  /** The folder of the files that may be checked, and in which recordings may lie; by default, none may. */
  readonly files?: string | undefined
  /** Default: 30,000 milliseconds. */
  readonly lockMs?: number
  readonly onTask?: (done: number) => void
}

export class QueueWorker {
  readonly #client: Redis
  readonly #worker: Worker<Work, Outcome>
  readonly #executor: LocalExecutor
  readonly #recordings: Recordings
  readonly #takeBack: () => Promise<void>

  private constructor(
    client: Redis,
    worker: Worker<Work, Outcome>,
    executor: LocalExecutor,
    recordings: Recordings,
    takeBack: () => Promise<void>,
  ) {
    this.#client = client
    this.#worker = worker
    this.#executor = executor
    this.#recordings = recordings
    this.#takeBack = takeBack
  }

  /** @throws QueueRefused where nobody answers, or the campaigns there are of other code */
  static async start(url: string, options: QueueWorkerOptions = {}): Promise<QueueWorker> {
    const { workers, files = null, lockMs = LOCK_MS, onTask } = options
    const { Worker: WorkerOf } = await loadBullmq()
    const client = await connect(url)
    const present = await presentOn(client, 'campaign')
    if (present.size > 0 && !present.has(codeDigest())) {
      client.disconnect()
      const others = [...present.keys()].map((digest) => digest.slice(0, 12)).join(', ')
      throw new QueueRefused(
        `the campaign there has other code (${others}) than this worker (${codeDigest().slice(0, 12)})`,
        'install the same version on both sides',
      )
    }
    const executor = new LocalExecutor(workers, files)
    const { threads } = executor.crew
    const recordings = new Recordings(client, files, threads)
    let done = 0
    const worker = new WorkerOf<Work, Outcome>(
      queueName(),
      async ({ id, data }) => {
        const work = receivedWork(data)
        const here =
          work.kind === 'replay'
            ? { ...work, job: { ...work.job, trace: await recordings.find(work.job) } }
            : work
        const outcome = await executor.run({ key: id!, work: here })
        onTask?.(++done)
        return outcome
      },
      {
        connection: connectionTo(url),
        concurrency: threads,
        lockDuration: lockMs,
        stalledInterval: lockMs,
        maxStalledCount: DEATHS_MAX,
      },
    )
    worker.on('error', () => {})
    await worker.waitUntilReady()
    return new QueueWorker(client, worker, executor, recordings, await announce(client, 'worker', threads))
  }

  /** Resolves when a campaign of this code has been there and is no more. */
  async campaignOver(signal: AbortSignal): Promise<void> {
    let wasThere = false
    while (!signal.aborted) {
      const isThere = (await presentOn(this.#client, 'campaign')).has(codeDigest())
      if (wasThere && !isThere) return
      wasThere ||= isThere
      await new Promise((resolve) => setTimeout(resolve, ASKED_MS))
    }
  }

  /** Finishes what it is at, and takes nothing more. */
  async close(): Promise<void> {
    await this.#worker.close()
    await this.#takeBack()
    await this.#executor.close()
    this.#recordings.close()
    this.#client.disconnect()
  }
}
