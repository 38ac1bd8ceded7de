// What event loops ask of the runtime. It is not stepped: what is called here is over at once.

import {
  beginLooking,
  currentLoop,
  isAlone,
  isBroken,
  isModelled,
  refused,
  siteHere,
} from '../runtime.ts'

export type Job = () => unknown

/** What a thread has to do when its function has returned, and while it waits. */
export class EventLoop {
  /** Reactions to promises, and what queueMicrotask() is given. */
  readonly jobs: Job[] = []
  /** What process.nextTick() is given: before the jobs. */
  readonly ticks: Job[] = []
  /** Promises that were rejected while nobody listened. */
  readonly rejected: { readonly promise: { readonly isHandled: boolean }; readonly value: unknown }[] = []
  /** The promise of the thread's function is not settled. */
  isPending = false
  failure: { readonly error: unknown } | null = null
}

export const host = {
  beginLooking,
  /** Code of a thread runs. */
  isThread: (): boolean => !isAlone(),
  isBroken,
  isModelled,
  /** The event loop of the thread that runs. */
  loop: (): EventLoop => currentLoop() as EventLoop,
  /** Ends the check: the program does what is not modelled. */
  refuse(what: string, remedy: string): never {
    return refused(siteHere(what), what, remedy)
  },
}
