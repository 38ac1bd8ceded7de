// What event loops ask of the runtime. It is not stepped: what is called here is over at once.

import {
  beginLooking,
  currentLoop,
  endWith,
  isAlone,
  isBroken,
  isModelled,
  noteNext,
  refused,
  siteHere,
} from '../runtime.ts'
import { ChoicesNeeded } from '../refusal.ts'

export type Job = () => unknown

/** Something that may happen when a message is there. */
interface Source {
  readonly isReferenced: boolean
}

/** A timer, which fires after others: see timers.ts. */
export interface Timed {
  readonly delay: number
  readonly repeats: boolean
  readonly called: Job
  /** The turn of the loop in which it was set, and its place among all that were. */
  turn: number
  order: number
  isReferenced: boolean
  /** It has fired before. */
  hasFired: boolean
}

/** An `Atomics.waitAsync` of a thread, whose notification is an event: see waiters.ts. */
interface Waiting {
  looks(): boolean
  deliver(): void
  leave(): void
}

/** What a thread has to do when its function has returned, and while it waits. */
export class EventLoop<Port extends Source = Source> {
  /** Reactions to promises, and what queueMicrotask() is given. */
  readonly jobs: Job[] = []
  /** What process.nextTick() is given: before the jobs. */
  readonly ticks: Job[] = []
  /** Promises that were rejected while nobody listened. */
  readonly rejected: { readonly promise: { readonly isHandled: boolean }; readonly value: unknown }[] = []
  /** What setImmediate() is given, in its order. */
  readonly immediates: Timed[] = []
  readonly timers: Timed[] = []
  /** Ports at which somebody listens. */
  readonly ports: Port[] = []
  readonly waiters: Waiting[] = []
  /** Events so far, and timers. */
  turn = 0
  timersSet = 0
  /** The promise of the thread's function is not settled. */
  isPending = false
  failure: { readonly error: unknown } | null = null
}

/** A choice that a thread leaves to the order of the steps: see choice.ts. */
export interface Request {
  readonly cell: Int32Array
  readonly count: number
}

/** Those of the execution, and a cell that says that there is another. */
export interface Choices {
  readonly asked: Int32Array
  readonly requests: Request[]
  readonly isServed: boolean
}

let choices: Choices | null = null

export const host = {
  beginLooking,
  isBroken,
  /** Code of a thread runs. */
  isThread: (): boolean => !isAlone(),
  /** Code of a thread runs, or what makes the state that threads begin with. */
  isModelled,
  /** The event loop of the thread that runs. */
  loop: <Port extends Source>(): EventLoop<Port> => currentLoop() as EventLoop<Port>,
  /** What the next operation is, for those who read a trace. */
  tell: noteNext,
  /** Ends the check: the program does what is not modelled. */
  refuse(what: string, remedy: string): never {
    return refused(siteHere(what), what, remedy)
  },
  choices(isNeeded: boolean): Choices {
    if (isNeeded && !choices!.isServed) endWith(new ChoicesNeeded())
    return choices!
  },
  setChoices(value: Choices): void {
    choices = value
  },
}
