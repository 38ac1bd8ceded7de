// The workers of a replay, as its main thread has them.
import { Worker } from 'node:worker_threads'
import type { Pacing } from './pacing.ts'
import type { FromReplayWorker, ReplayWorkerData, ToReplayWorker, WorkerResult } from './replay-protocol.ts'

/** How long workers may take to end by themselves. */
const GRACE_MS = 10_000

/** What a worker said before it gave up. */
export class WorkerFailure extends Error {
  readonly outOfMemory: boolean
  constructor(message: string, outOfMemory: boolean, stack?: string) {
    super(message)
    this.name = 'WorkerFailure'
    this.outOfMemory = outOfMemory
    if (stack !== undefined) this.stack = stack
  }
}

/** The workers. The first failure of any of them fails whatever is waited for, after all others have been woken. */
export class Team {
  readonly #pacing: Pacing
  readonly #workers: Worker[] = []
  readonly #exits: Promise<void>[] = []
  #failure = Promise.withResolvers<never>()
  #answers: ((message: FromReplayWorker) => void)[] = []

  constructor(pacing: Pacing) {
    this.#pacing = pacing
    // Whoever waits sees a failure; this keeps it from being called unhandled before that.
    this.#failure.promise.catch(() => {})
  }

  start(count: number, machine: ReplayWorkerData['machine']): void {
    const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
    for (let worker = 0; worker < count; worker++) {
      const data: ReplayWorkerData = { machine, pacing: this.#pacing.shared, worker }
      const thread = new Worker(new URL(`./replay-worker${extension}`, import.meta.url), { workerData: data })
      this.#workers.push(thread)
      thread.on('message', (message: FromReplayWorker) => {
        if (message.type === 'failed') {
          this.#fail(
            new WorkerFailure(`${message.name}: ${message.message}`, message.outOfMemory, message.stack),
          )
        } else {
          this.#answers[worker]?.(message)
        }
      })
      thread.on('error', (error) =>
        this.#fail(new WorkerFailure(`it threw ${String(error)}`, false, (error as Error).stack)),
      )
      const exit = Promise.withResolvers<void>()
      this.#exits.push(exit.promise)
      thread.on('exit', (code) => {
        this.#fail(new WorkerFailure(`it ended with code ${code}`, false))
        exit.resolve()
      })
    }
  }

  #fail(error: WorkerFailure): void {
    this.#failure.reject(error)
    this.#pacing.abort()
  }

  /** The next message of this type from every worker. */
  #gather<Type extends FromReplayWorker['type']>(
    type: Type,
  ): Promise<Extract<FromReplayWorker, { type: Type }>[]> {
    this.#answers = []
    const all = this.#workers.map((_, worker) => {
      const { promise, resolve } = Promise.withResolvers<Extract<FromReplayWorker, { type: Type }>>()
      this.#answers[worker] = (message) => {
        if (message.type === type) resolve(message as Extract<FromReplayWorker, { type: Type }>)
      }
      return promise
    })
    return Promise.race([Promise.all(all), this.#failure.promise])
  }

  async attached(): Promise<void> {
    await this.#gather('attached')
  }

  async warmUp(message: ToReplayWorker): Promise<void> {
    const warm = this.#gather('warm')
    for (const thread of this.#workers) thread.postMessage(message)
    await warm
  }

  /** Lets every worker do its part. */
  async replay(messageFor: (worker: number) => ToReplayWorker): Promise<WorkerResult[]> {
    const ready = this.#gather('ready')
    for (const [worker, thread] of this.#workers.entries()) thread.postMessage(messageFor(worker))
    await ready
    const done = this.#gather('done')
    this.#pacing.start()
    return done
  }

  /** Ends every worker; those that do not end by themselves, as nothing should keep a command from ending, by force. */
  async dispose(): Promise<void> {
    for (const thread of this.#workers) thread.postMessage({ type: 'end' } satisfies ToReplayWorker)
    const force = setTimeout(() => {
      for (const thread of this.#workers) void thread.terminate()
    }, GRACE_MS)
    await Promise.all(this.#exits)
    clearTimeout(force)
  }
}
