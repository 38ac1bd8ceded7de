// Finding out that a thread is gone.
//
// A thread that is terminated cannot say so. Two ways lead to the news: the thread that started it gets an 'exit'
// event; and where the operating system lists the threads of the process (Linux), any thread that waits long can
// look. The second is needed because the first does not reach a thread that is itself asleep in the kernel, waiting
// for what the dead one holds.

import { existsSync, readlinkSync } from 'node:fs'
import { threadId, type Worker } from 'node:worker_threads'

/** The operating system's number of this thread, or 0 where it does not tell. */
export function nativeThreadId(): number {
  try {
    return Number(/\d+$/.exec(readlinkSync('/proc/thread-self'))?.[0] ?? 0)
  } catch {
    return 0
  }
}

/** False when the operating system says that the thread is gone; true when it lives or nobody knows. */
export function isThreadAlive(nativeThread: number): boolean {
  return nativeThread === 0 || existsSync(`/proc/self/task/${nativeThread}`)
}

type ThreadExit = (hostThread: number) => void

const listeners = new Set<ThreadExit>()
let watching = false

function watch(worker: Worker): void {
  const id = worker.threadId
  worker.once('exit', () => {
    for (const listener of listeners) listener(id)
  })
}

/** Calls `listener` with the thread id of every worker that this thread starts from now on and that ends. */
export function onThreadExit(listener: ThreadExit): () => void {
  listeners.add(listener)
  if (!watching) process.on('worker', watch)
  watching = true
  return () => listeners.delete(listener)
}

/** The runtime's number of this thread, plus one so that 0 can mean none. */
export function hostThreadId(): number {
  return threadId + 1
}
