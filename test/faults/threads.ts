// Threads that die in the middle of their work with a file, see thread-worker.ts.

import { Worker } from 'node:worker_threads'
import type { AddressSpace, AddressSpaceHandle, DiskFile, DiskFileHandle } from '../../src/memory.ts'

export interface ThreadData {
  readonly space: AddressSpaceHandle
  readonly file: DiskFileHandle
  /** Before which of its host operations it stops; none if it is never reached. */
  readonly step: number
  /** Its pages are PAGES_EACH from this one on. */
  readonly first: number
  readonly control: Int32Array
}

export const PAGES_EACH = 8

/** As a library ends a thread that knows nothing of machines: the kernel has no say before. */
const { terminate: terminateAtOnce } = Worker.prototype

/** What the words of a thread's control are. */
export const STATE = 0
export const ACKNOWLEDGED = 1
/** States. */
export const WORKING = 1
export const STOPPED = 2

/** How long a thread may take to come to work before it counts as hanging, in milliseconds. */
const PATIENCE = 60_000

export function makeControl(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(64))
}

export class DoomedThread {
  readonly control = makeControl()
  readonly #worker: Worker

  constructor(space: AddressSpace, file: DiskFile, step: number, first: number) {
    const { control } = this
    const workerData: ThreadData = { space: space.handle, file: file.handle, step, first, control }
    this.#worker = new Worker(new URL('./thread-worker.ts', import.meta.url), { workerData })
  }

  /** Waits until the thread is in that state, without blocking this thread's events. */
  async until(state: number): Promise<void> {
    const failed = new Promise<never>((_, reject) => this.#worker.once('error', reject))
    failed.catch(() => {})
    for (;;) {
      const seen = Atomics.load(this.control, STATE)
      if (seen === state) return
      const wait = Atomics.waitAsync(this.control, STATE, seen, PATIENCE)
      if (!wait.async) continue
      if ((await Promise.race([wait.value, failed])) === 'timed-out') throw new Error('the thread hangs')
    }
  }

  /** Ends the thread as programs do; or at once, wherever it is. */
  async terminate(atOnce = false): Promise<void> {
    await (atOnce ? terminateAtOnce.call(this.#worker) : this.#worker.terminate())
  }

  /** The last round that was on disk by the word of the kernel. */
  get acknowledged(): number {
    return Atomics.load(this.control, ACKNOWLEDGED)
  }
}

/** Has a thread die inside the kernel, before its host operation `step`. */
export async function dieInKernel(space: AddressSpace, file: DiskFile, step: number): Promise<DoomedThread> {
  const thread = new DoomedThread(space, file, step, 0)
  await thread.until(STOPPED)
  await thread.terminate(true)
  return thread
}
