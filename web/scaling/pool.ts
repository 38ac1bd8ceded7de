// The workers of the page: each does one thing at a time, and what is no longer wanted is never begun.

import { endOfWorker } from '../dom.ts'
import type { Answer, Answers, Question } from './protocol.ts'

type Ask = Question extends infer Each ? (Each extends Question ? Omit<Each, 'id'> : never) : never

interface Job {
  readonly ask: Ask
  readonly isWanted: () => boolean
  readonly resolve: (value: never) => void
  readonly reject: (error: Error) => void
}

const WORKERS_MAX = 4

export class Pool {
  readonly #idle: Worker[] = []
  readonly #jobs: Job[] = []
  readonly #running = new Map<Worker, Job>()
  #made = 0
  #ids = 0

  /** Asks the first worker that has nothing to do; one that is `isWanted` no more when its turn comes is refused. */
  ask<Kind extends keyof Answers>(
    ask: Ask & { readonly kind: Kind },
    isWanted: () => boolean = () => true,
  ): Promise<Answers[Kind]> {
    return new Promise((resolve, reject) => {
      this.#jobs.push({ ask, isWanted, resolve, reject })
      this.#next()
    })
  }

  #next(): void {
    while (this.#jobs.length > 0) {
      const worker = this.#idle.pop() ?? this.#make()
      if (worker === null) return
      const job = this.#jobs.shift()!
      if (job.isWanted()) {
        this.#running.set(worker, job)
        worker.postMessage({ ...job.ask, id: ++this.#ids })
      } else {
        this.#idle.push(worker)
        job.reject(new Error('it is not wanted any more'))
      }
    }
  }

  #make(): Worker | null {
    if (this.#made >= Math.min(WORKERS_MAX, navigator.hardwareConcurrency)) return null
    this.#made++
    const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' })
    worker.addEventListener('message', ({ data }: MessageEvent<Answer>) => {
      const job = this.#running.get(worker)!
      this.#running.delete(worker)
      this.#idle.push(worker)
      if ('error' in data) job.reject(new Error(data.error))
      else job.resolve(data.value as never)
      this.#next()
    })
    worker.addEventListener('error', (event) => {
      this.#running.get(worker)?.reject(new Error(endOfWorker(event)))
      this.#running.delete(worker)
      this.#made--
      this.#next()
    })
    return worker
  }
}
