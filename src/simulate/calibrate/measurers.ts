// Threads that measure, each on a CPU of its own as far as that can be arranged.
//
// Node cannot bind a thread to a CPU. On Linux `taskset` of util-linux can, given the thread's number, which a thread
// finds in /proc. Where that does not work the operating system chooses, and two threads may even share a CPU.

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { Worker } from 'node:worker_threads'
import type { TaskRequest } from './tasks.ts'

const runFile = promisify(execFile)
const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js'

export class Measurers {
  readonly #workers: Worker[]
  readonly #numbers: number[]
  /** The CPU that each is bound to; -1 where it is not. */
  readonly #cpus: number[]
  #canBind = true

  private constructor(workers: Worker[], numbers: number[]) {
    this.#workers = workers
    this.#numbers = numbers
    this.#cpus = workers.map(() => -1)
  }

  static async start(count: number): Promise<Measurers> {
    const url = new URL(`./worker${extension}`, import.meta.url)
    const workers = Array.from({ length: count }, () => new Worker(url))
    const numbers = await Promise.all(workers.map((worker) => answerOf<number>(worker)))
    return new Measurers(workers, numbers)
  }

  /** Whether every binding so far has worked. */
  get isBound(): boolean {
    return this.#canBind
  }

  /** Binds the first threads to these CPUs, each to one. */
  async bind(cpus: readonly number[]): Promise<void> {
    for (const [index, cpu] of cpus.entries()) {
      if (!this.#canBind || this.#cpus[index] === cpu) continue
      const number = this.#numbers[index]!
      try {
        if (number === 0) throw new Error('the number of the thread is not known')
        await runFile('taskset', ['-p', '-c', String(cpu), String(number)])
        this.#cpus[index] = cpu
      } catch {
        this.#canBind = false
      }
    }
  }

  /** The first `threads` do it together. Returns what each has measured. */
  async run(task: Omit<TaskRequest, 'index'>): Promise<number[]> {
    task.control.fill(0)
    const answers = this.#workers.slice(0, task.threads).map((worker) => answerOf<number>(worker))
    for (let index = 0; index < task.threads; index++) this.#workers[index]!.postMessage({ ...task, index })
    return Promise.all(answers)
  }

  async stop(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()))
  }
}

function answerOf<Answer>(worker: Worker): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const done = (answer: Answer): void => {
      worker.off('error', failed)
      resolve(answer)
    }
    const failed = (error: unknown): void => {
      worker.off('message', done)
      reject(error as Error)
    }
    worker.once('message', done)
    worker.once('error', failed)
  })
}
