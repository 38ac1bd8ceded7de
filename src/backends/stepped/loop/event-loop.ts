// The event loop of a thread: what it does when its function has returned, until nothing is left.

import { EventLoop, type Job, host } from './host.ts'
import { Promise, react } from './promise.ts'

declare global {
  interface Atomics {
    /** See runtime.ts: the thread waits for an event. */
    idle(isTimed: boolean, serves: boolean): boolean
  }
}

export function newLoop(): EventLoop {
  return new EventLoop()
}

export function nextTick(called: Job): void {
  host.loop().ticks.push(called)
}

/** Does what is left for a thread to do whose function has returned `result`. */
export function runLoop(loop: EventLoop, result: unknown): void {
  if (result instanceof Promise) awaitEnd(loop, result)
  for (;;) {
    runJobs(loop)
    if (loop.failure !== null) throw loop.failure.error
    if (!loop.isPending) return
    Atomics.idle(false, false)
  }
}

function awaitEnd(loop: EventLoop, result: unknown): void {
  loop.isPending = true
  react(
    result,
    () => {
      loop.isPending = false
    },
    (error: unknown) => {
      loop.isPending = false
      loop.failure = { error }
    },
  )
}

/** Ticks and jobs, until there are no more; then what was rejected must have found somebody who listens. */
function runJobs({ ticks, jobs, rejected }: EventLoop): void {
  while (ticks.length + jobs.length > 0) {
    const job = (ticks.length > 0 ? ticks : jobs).shift()!
    job()
  }
  while (rejected.length > 0) {
    const { promise, value } = rejected.shift()!
    if (!promise.isHandled) throw value
  }
}
