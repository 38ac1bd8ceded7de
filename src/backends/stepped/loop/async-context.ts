// What AsyncLocalStorage knows where code runs, and whatever that code lets happen later. A thread has it in its event
// loop: each job and timer brings the one with it in which it was set.

import { type EventLoop, type Job, host } from './host.ts'

/** What is stored, by the storage. Nobody changes it. */
export type Frame = ReadonlyMap<object, unknown>

/** Of code that is no thread's. */
const alone: Pick<EventLoop, 'frame'> = { frame: null }

function holder(): Pick<EventLoop, 'frame'> {
  return host.isThread() ? host.loop() : alone
}

export function currentFrame(): Frame | null {
  return holder().frame
}

/** From now on, until what runs is over. */
export function enterFrame(frame: Frame | null): void {
  holder().frame = frame
}

export function within<Result>(frame: Frame | null, called: () => Result): Result {
  const own = holder()
  const before = own.frame
  own.frame = frame
  try {
    return called()
  } finally {
    own.frame = before
  }
}

/** A job that knows what is known now. The loop begins each with nothing. */
export function inFrame(job: Job): Job {
  const frame = currentFrame()
  return frame === null ? job : () => within(frame, job)
}
