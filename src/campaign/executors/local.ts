// Tasks on worker threads of this process.
//
// A thread has loaded what its last task needed, so it is given one that needs the same if one waits. A replay measures
// time, so nothing else runs beside it. A thread that dies is replaced, and its task given to another.

import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import type { Outcome, Task, Work } from '../task.ts'
import { type Crew, type Executor, TaskFailed } from './executor.ts'
import type { ThreadData, ThreadReply } from './local-worker.ts'

/** A task whose thread dies is given to another one so often. */
const ATTEMPTS = 3
/** How many of the tasks that wait are looked through for one that fits a thread. */
const LOOK_AHEAD = 64
/**
 * A file, and each mutant's kernel, stays in memory once it is loaded, some 10 MB. A thread that has loaded so many is
 * replaced by another.
 */
const LOADED_MAX = 30

interface Pending {
  readonly task: Task
  attempts: number
  readonly resolve: (outcome: Outcome) => void
  readonly reject: (error: Error) => void
}

export class LocalExecutor implements Executor {
  readonly width: number
  readonly #waiting: Pending[] = []
  readonly #threads: (Thread | null)[]
  readonly #files: string | null
  #isClosed = false

  /**
   * @param workers threads; by default, one for each processor
   * @param files the folder of the files that may be checked; by default, none may
   */
  constructor(workers: number = availableParallelism(), files: string | null = null) {
    this.width = workers * 2
    this.#threads = Array.from({ length: workers }, () => null)
    this.#files = files
  }

  get crew(): Crew {
    const active = this.#threads.filter((thread) => thread?.pending).length
    return { workers: 1, threads: this.#threads.length, active, waiting: this.#waiting.length }
  }

  run(task: Task): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ task, attempts: 0, resolve, reject })
      this.#dispatch()
    })
  }

  /** For tests: ends a thread that is at work, as if it had run out of memory. Returns whether one was. */
  killOne(): boolean {
    const thread = this.#threads.find((each) => each?.pending)
    void thread?.end()
    return thread !== undefined
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#waiting.length = 0
    await Promise.all(this.#threads.map((thread) => thread?.end()))
  }

  #dispatch(): void {
    for (const [place, thread] of this.#threads.entries()) {
      if (this.#isClosed || this.#waiting.length === 0) return
      if (thread?.pending) continue
      if (!this.#mayBegin()) return
      const pending = this.#takeFor(thread)
      this.#threadAt(place, pending.task.work.kind).begin(pending)
    }
  }

  /** The task that comes next is not one that must be alone, or nothing runs. */
  #mayBegin(): boolean {
    const running = this.#threads.flatMap((thread) => thread?.pending ?? [])
    if (running.length === 0) return true
    return ![this.#waiting[0]!, ...running].some(({ task }) => task.work.kind === 'replay')
  }

  #takeFor(thread: Thread | null): Pending {
    const near = this.#waiting.slice(0, LOOK_AHEAD).map(({ task }) => task.work)
    const fits = near.findIndex((work) => thread !== null && groupOf(work) === thread.group)
    const alike = fits >= 0 ? fits : near.findIndex(({ kind }) => kind === thread?.kind)
    return this.#waiting.splice(Math.max(0, alike), 1)[0]!
  }

  /** What is stepped is the state of modules: a thread keeps to one kind of tasks. */
  #threadAt(place: number, kind: Work['kind']): Thread {
    const present = this.#threads[place]
    if (present?.kind === kind && present.loaded < LOADED_MAX) return present
    void present?.end()
    const thread: Thread = new Thread(kind, this.#files, {
      onFree: () => this.#dispatch(),
      onDeath: (pending) => {
        if (this.#threads[place] === thread) this.#threads[place] = null
        if (pending !== null && !this.#isClosed) this.#again(pending)
        this.#dispatch()
      },
    })
    this.#threads[place] = thread
    return thread
  }

  #again(pending: Pending): void {
    if (++pending.attempts < ATTEMPTS) this.#waiting.unshift(pending)
    else pending.reject(new TaskFailed(`${ATTEMPTS} threads have died of it`))
  }
}

/** Tasks of one group need the same to be loaded. */
function groupOf(work: Work): string {
  return work.kind === 'check' ? JSON.stringify(work.slice.target) : work.kind
}

interface Events {
  onFree(): void
  /** With the task that was not done. */
  onDeath(pending: Pending | null): void
}

class Thread {
  readonly kind: Work['kind']
  group: string | undefined
  pending: Pending | null = null
  /** How much it has loaded that no other task needs. */
  loaded = 0
  readonly #worker: Worker

  constructor(kind: Work['kind'], files: string | null, events: Events) {
    this.kind = kind
    const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
    const workerData: ThreadData = { files }
    this.#worker = new Worker(new URL(`./local-worker${extension}`, import.meta.url), { workerData })
    this.#worker.on('message', (reply: ThreadReply) => {
      const { resolve, reject } = this.pending!
      this.pending = null
      if (reply.outcome === null) reject(new TaskFailed(reply.problem))
      else resolve(reply.outcome)
      events.onFree()
    })
    // It ends after an error, for want of memory too.
    this.#worker.on('error', () => {})
    this.#worker.on('exit', () => {
      const { pending } = this
      this.pending = null
      events.onDeath(pending)
    })
  }

  begin(pending: Pending): void {
    const { work } = pending.task
    this.pending = pending
    const group = groupOf(work)
    if (group !== this.group && work.kind === 'check' && !('scenario' in work.slice.target)) this.loaded++
    this.group = group
    this.#worker.postMessage(work)
  }

  async end(): Promise<void> {
    await this.#worker.terminate()
  }
}
