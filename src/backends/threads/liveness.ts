// The ends of threads: noticing them, and acting before them.
//
// A terminated thread cannot report its end. There are two ways to notice: the thread that started it gets an 'exit'
// event; and if the operating system lists the threads of the process (Linux), any thread that waits long can look it
// up. The second is needed because the first does not reach a thread that is itself asleep in the kernel, waiting for
// something that the dead one holds.
//
// Node gives no notice before it terminates a worker. Hence `terminate` of its class Worker is replaced in every thread
// that attaches to a machine: the worker gets the time to finish its work in the kernel of a machine.

import { existsSync, readlinkSync } from 'node:fs'
import { Worker, getEnvironmentData, setEnvironmentData, threadId } from 'node:worker_threads'

/** The operating system's number of this thread, or 0 if unknown. */
export function nativeThreadId(): number {
  try {
    return Number(/\d+$/.exec(readlinkSync('/proc/thread-self'))?.[0] ?? 0)
  } catch {
    return 0
  }
}

/**
 * Whether any thread can find out that another has died, since the operating system lists the threads of the process
 * (Linux). Elsewhere only the thread that started it learns of it, from its 'exit' event.
 */
export function seesDeadThreads(): boolean {
  return nativeThreadId() !== 0
}

/** The function as it is when this module is loaded, since threads that wait inside the kernel call it. */
const exists = existsSync

/** False if the operating system reports that the thread has ended; true if it lives or that is unknown. */
export function isThreadAlive(nativeThread: number): boolean {
  return nativeThread === 0 || exists(`/proc/self/task/${nativeThread}`)
}

/** A listener to the starts and ends of this thread's workers, by the runtime's number of the worker. */
export interface ThreadListener {
  /**
   * This thread is about to terminate the worker, and with it those that it started. It does so when the promise has
   * settled.
   */
  stopThread(hostThread: number): Promise<void>
  /**
   * The worker has ended, and with it those that it started. Only for workers started after the first listener was
   * added.
   */
  threadEnded(hostThread: number): void
}

const listeners = new Set<ThreadListener>()
let watching = false

function watch(worker: Worker): void {
  const id = worker.threadId
  worker.once('exit', () => {
    for (const listener of listeners) listener.threadEnded(id)
  })
}

function interposeTerminate(): void {
  const prototype = Worker.prototype as { terminate(this: Worker): Promise<number> }
  const { terminate } = prototype
  prototype.terminate = async function () {
    const id = this.threadId
    // Terminates it even if the promise was rejected.
    await Promise.allSettled([...listeners].map((listener) => listener.stopThread(id)))
    return terminate.call(this)
  }
}

/** Adds a listener. Returns a function that removes it. */
export function onThreadEnd(listener: ThreadListener): () => void {
  listeners.add(listener)
  if (!watching) {
    process.on('worker', watch)
    interposeTerminate()
  }
  watching = true
  return () => listeners.delete(listener)
}

/** What a thread passes to those that it starts: its number, then those of its ancestors. */
const LINEAGE = 'faultline lineage'
const inherited: unknown = getEnvironmentData(LINEAGE)
const ancestors = Array.isArray(inherited) ? inherited.filter(Number.isInteger) : []
setEnvironmentData(LINEAGE, [threadId, ...ancestors])

/**
 * The runtime's numbers of the thread that started this one and of the one that started that, plus one; 0 where there
 * is none, or it has not loaded this module before.
 */
export function hostAncestors(): readonly [parent: number, grandparent: number] {
  const [parent = -1, grandparent = -1] = ancestors as number[]
  return [parent + 1, grandparent + 1]
}

/** The runtime's number of this thread, plus one so that 0 can mean none. */
export function hostThreadId(): number {
  return threadId + 1
}
