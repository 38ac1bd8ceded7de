// Tasks on a queue of BullMQ, which workers on other machines take: see queue-worker.ts.
//
// A task is delivered at least once. Its identifier is its key, so that it is not on the queue twice; whoever does it
// again finds the same, and who asked takes the first answer. Answers come in the queue's stream of events, which is
// read from its beginning: they are not lost with the process that asked. What Redis itself has lost, as when it was
// killed before it wrote to disk, is asked for again when it is back.

import type { Queue, QueueEvents } from 'bullmq'
import type { Redis } from 'ioredis'
import type { Outcome, Task, Work } from '../task.ts'
import { type Executor, TaskFailed } from './executor.ts'
import { announce, connect, connectionTo, loadBullmq, presentOn, queueName } from './redis.ts'
import { codeDigest } from '../code.ts'

/** Tasks on the queue at once. */
const WIDTH = 1000
/** Events that are kept for a campaign that was stopped; each task makes about four. */
const EVENTS_MAX = 100_000
/** Events that are read at once. */
const BATCH = 1000
/** Answers that nobody has asked for yet, at most. */
const EARLY_MAX = 100_000

/** How often it is asked whether anybody works, while there is something to do. */
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

export class QueueExecutor implements Executor {
  readonly width = WIDTH
  readonly #client: Redis
  readonly #queue: Queue<Work, Outcome>
  readonly #events: QueueEvents
  readonly #takeBack: () => Promise<void>
  readonly #pending = new Map<string, Pending>()
  /** Answers to what another process of the campaign had asked for. */
  readonly #early = new Map<string, Outcome>()
  #toAdd: Task[] = []
  readonly #asking: NodeJS.Timeout
  /** How many have come: as long as some do, somebody works. */
  #answers = 0

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
    events.on('completed', ({ jobId, returnvalue }) => this.#take(jobId, returnvalue as unknown as Outcome))
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
    const early = new Map<string, Outcome>()
    const lastEventId = await readBacklog(client, queue.toKey('events'), early)
    const events = new EventsOf(queueName(), { connection, lastEventId })
    events.on('error', () => {})
    const executor = new QueueExecutor(client, queue, events, await announce(client, 'campaign'), options)
    for (const [key, outcome] of early) executor.#early.set(key, outcome)
    client.on('ready', () => executor.#addAgain())
    return executor
  }

  run(task: Task): Promise<Outcome> {
    const early = this.#early.get(task.key)
    if (early !== undefined) return Promise.resolve(early)
    const present = this.#pending.get(task.key)
    if (present !== undefined) return present.answer
    const { promise: answer, resolve, reject } = Promise.withResolvers<Outcome>()
    this.#pending.set(task.key, { task, answer, resolve, reject })
    // All that is asked for now goes to the queue at once.
    if (this.#toAdd.push(task) === 1) queueMicrotask(() => this.#add())
    return answer
  }

  #add(): void {
    const tasks = this.#toAdd
    this.#toAdd = []
    const jobs = tasks.map(({ key, work }) => ({ name: work.kind, data: work, opts: { jobId: key } }))
    // Where the connection breaks meanwhile, they are added again when it is back.
    this.#queue.addBulk(jobs).catch(() => {})
  }

  #addAgain(): void {
    const tasks = [...this.#pending.values()].map(({ task }) => task)
    if (tasks.length === 0) return
    this.#toAdd.push(...tasks)
    this.#add()
  }

  #take(key: string, outcome: Outcome): void {
    this.#answers++
    this.#pending.get(key)?.resolve(outcome)
    this.#pending.delete(key)
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
      const works = this.#answers > answers
      answers = this.#answers
      if (works) wasSaid = false
      // To ask takes a look at all keys that are there.
      if (works || this.#pending.size === 0) return
      const present = await presentOn(this.#client, 'worker')
      const isNobody = !present.has(codeDigest())
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

/** Takes the answers that are in the stream, and returns where it ends. */
async function readBacklog(client: Redis, stream: string, early: Map<string, Outcome>): Promise<string> {
  let last = '0-0'
  for (;;) {
    const entries = await client.xrange(stream, `(${last}`, '+', 'COUNT', BATCH)
    for (const [id, fields] of entries) {
      last = id
      const field = (name: string): string => fields[fields.indexOf(name) + 1]!
      if (field('event') !== 'completed' || early.size >= EARLY_MAX) continue
      early.set(field('jobId'), JSON.parse(field('returnvalue')) as Outcome)
    }
    if (entries.length < BATCH) return last
  }
}
