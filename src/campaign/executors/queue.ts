// Tasks on a queue of BullMQ, which workers on other machines take: see queue-worker.ts.
//
// A task is delivered at least once. Its identifier is its key, so that it is not on the queue twice; whoever does it
// again finds the same, and who asked takes the first answer. Answers come in the queue's stream of events, which is
// read from its beginning: they are not lost with the process that asked. What Redis itself has lost, as when it was
// killed before it wrote to disk, is asked for again when it is back.

import type { Queue, QueueEvents } from 'bullmq'
import type { Redis } from 'ioredis'
import type { Outcome, Task, Work } from '../task.ts'
import { type Crew, type Executor, TaskFailed } from './executor.ts'
import { QueueRefused, announce, connect, connectionTo, loadBullmq, presentOn, queueName } from './redis.ts'
import { codeDigest } from '../code.ts'
import { receivedOutcome } from '../received.ts'
import { sendRecording } from '../recordings.ts'

/** Tasks on the queue at once. */
const WIDTH = 1000
/** Events that are kept for a campaign that was stopped; each task makes about four. */
const EVENTS_MAX = 100_000
/** Events that are read at once. */
const BATCH = 1000
/** Answers that nobody has asked for yet, at most. */
const EARLY_MAX = 100_000

/** How often it is asked who works, while there is something to do. */
const ASKED_MS = 2000

export interface QueueOptions {
  /** Tasks wait, and nobody works for them any more, or yet; `ofOtherCode`: workers of another version are there. */
  readonly onNobody?: (ofOtherCode: boolean) => void
}

interface Pending {
  readonly task: Task
  readonly answer: Promise<Outcome>
  readonly resolve: (outcome: Outcome) => void
  readonly reject: (error: Error) => void
}

/** An answer as it came. */
type Answer = unknown

export class QueueExecutor implements Executor {
  readonly width = WIDTH
  readonly #client: Redis
  readonly #queue: Queue<Work, Outcome>
  readonly #events: QueueEvents
  readonly #takeBack: () => Promise<void>
  readonly #pending = new Map<string, Pending>()
  /** Answers to what another process of the campaign had asked for. */
  readonly #early = new Map<string, Answer>()
  #toAdd: Task[] = []
  readonly #asking: NodeJS.Timeout
  /** How many have come: as long as some do, somebody works. */
  #answers = 0
  #crew: Crew | null = null

  private constructor(
    client: Redis,
    queue: Queue<Work, Outcome>,
    events: QueueEvents,
    takeBack: () => Promise<void>,
    { onNobody }: QueueOptions,
  ) {
    this.#client = client
    this.#queue = queue
    this.#events = events
    this.#takeBack = takeBack
    this.#asking = this.#askWhoWorks(onNobody)
    events.on('completed', ({ jobId, returnvalue }) => this.#take(jobId, returnvalue))
    events.on('failed', ({ jobId, failedReason }) => this.#fail(jobId, failedReason))
  }

  /** @throws QueueRefused where nobody answers at the address, or BullMQ is not installed */
  static async open(url: string, options: QueueOptions = {}): Promise<QueueExecutor> {
    const { Queue: QueueOf, QueueEvents: EventsOf } = await loadBullmq()
    const client = await connect(url)
    const connection = connectionTo(url)
    const queue = new QueueOf<Work, Outcome>(queueName(), {
      connection,
      streams: { events: { maxLen: EVENTS_MAX } },
      defaultJobOptions: { removeOnComplete: true, removeOnFail: true },
    })
    queue.on('error', () => {})
    await queue.waitUntilReady()
    const early = new Map<string, Answer>()
    const lastEventId = await readBacklog(client, queue.toKey('events'), early)
    const events = new EventsOf(queueName(), { connection, lastEventId })
    events.on('error', () => {})
    const executor = new QueueExecutor(client, queue, events, await announce(client, 'campaign', 0), options)
    for (const [key, answer] of early) executor.#early.set(key, answer)
    client.on('ready', () => executor.#addAgain())
    return executor
  }

  get crew(): Crew | null {
    return this.#crew
  }

  run(task: Task): Promise<Outcome> {
    const early = this.#earlyOutcome(task)
    if (early !== null) return Promise.resolve(early)
    const present = this.#pending.get(task.key)
    if (present !== undefined) return present.answer
    const { promise: answer, resolve, reject } = Promise.withResolvers<Outcome>()
    this.#pending.set(task.key, { task, answer, resolve, reject })
    // All that is asked for now goes to the queue at once.
    if (this.#toAdd.push(task) === 1) queueMicrotask(() => void this.#add())
    return answer
  }

  /** The answer that was there before it was asked for, unless it makes no sense. */
  #earlyOutcome(task: Task): Outcome | null {
    const answer = this.#early.get(task.key)
    try {
      return answer === undefined ? null : outcomeOf(task, answer)
    } catch {
      return null
    }
  }

  async #add(): Promise<void> {
    const tasks = this.#toAdd
    this.#toAdd = []
    try {
      for (const { work } of tasks) if (work.kind === 'replay') await sendRecording(this.#client, work.job)
      await this.#queue.addBulk(
        tasks.map(({ key, work }) => ({ name: work.kind, data: work, opts: { jobId: key } })),
      )
    } catch (error) {
      // Where the connection breaks meanwhile, they are added again when it is back.
      if (isRefusal(error)) this.#refuse(tasks, error)
    }
  }

  /** The server takes nothing: it has no memory left, or its disk is full. */
  #refuse(tasks: readonly Task[], { message }: Error): void {
    const remedy = 'give it more memory or room on its disk: the same command goes on from what the store has'
    for (const { key } of tasks) {
      this.#pending.get(key)?.reject(new QueueRefused(`the queue takes no task: ${message}`, remedy))
      this.#pending.delete(key)
    }
  }

  #addAgain(): void {
    const tasks = [...this.#pending.values()].map(({ task }) => task)
    if (tasks.length === 0) return
    this.#toAdd.push(...tasks)
    void this.#add()
  }

  #take(key: string, answer: Answer): void {
    this.#answers++
    const pending = this.#pending.get(key)
    if (pending === undefined) return
    this.#pending.delete(key)
    try {
      pending.resolve(outcomeOf(pending.task, answer))
    } catch (error) {
      pending.reject(new TaskFailed(`the answer makes no sense: ${(error as Error).message}`))
    }
  }

  #fail(key: string, reason: string): void {
    this.#answers++
    this.#pending.get(key)?.reject(new TaskFailed(reason))
    this.#pending.delete(key)
  }

  /** Says once that nobody works, and again when somebody has meanwhile. */
  #askWhoWorks(onNobody: QueueOptions['onNobody']): NodeJS.Timeout {
    let wasSaid = false
    let answers = 0
    const ask = async (): Promise<void> => {
      if (this.#pending.size === 0) return
      const present = await presentOn(this.#client, 'worker')
      const own = present.get(codeDigest())
      const { wait = 0, active = 0 } = await this.#queue.getJobCounts('wait', 'active')
      this.#crew = { workers: own?.count ?? 0, threads: own?.threads ?? 0, active, waiting: wait }
      const works = this.#answers > answers
      answers = this.#answers
      const isNobody = own === undefined && !works
      if (isNobody && !wasSaid) onNobody?.(present.size > 0)
      wasSaid = isNobody
    }
    // Where the connection breaks meanwhile, it is asked again next time.
    return setInterval(() => void ask().catch(() => {}), ASKED_MS).unref()
  }

  async close(): Promise<void> {
    clearInterval(this.#asking)
    const left = [...this.#pending.keys()]
    this.#pending.clear()
    // What a worker is at cannot be removed, and harms nobody.
    await Promise.allSettled(left.map((key) => this.#queue.remove(key)))
    await this.#takeBack()
    await Promise.all([this.#events.close(), this.#queue.close()])
    this.#client.disconnect()
  }
}

/** What an answer says: from the stream it comes as text. Throws for one that makes no sense. */
function outcomeOf(task: Task, answer: Answer): Outcome {
  return receivedOutcome(task, typeof answer === 'string' ? JSON.parse(answer) : answer)
}

/** An answer of the server itself, and not a broken connection. */
function isRefusal(error: unknown): error is Error {
  return (
    error instanceof Error &&
    (error.name === 'ReplyError' || /^(OOM|MISCONF|READONLY|NOPERM)\b/.test(error.message))
  )
}

/** Takes the answers that are in the stream, and returns where it ends. */
async function readBacklog(client: Redis, stream: string, early: Map<string, Answer>): Promise<string> {
  let last = '0-0'
  for (;;) {
    const entries = await client.xrange(stream, `(${last}`, '+', 'COUNT', BATCH)
    for (const [id, fields] of entries) {
      last = id
      const field = (name: string): string => fields[fields.indexOf(name) + 1]!
      if (field('event') !== 'completed' || early.size >= EARLY_MAX) continue
      early.set(field('jobId'), field('returnvalue'))
    }
    if (entries.length < BATCH) return last
  }
}
