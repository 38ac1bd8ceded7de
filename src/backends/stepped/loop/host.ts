// What event loops ask of the runtime. It is not stepped: what is called here is over at once.

import { createRequire } from 'node:module'
import {
  beginInner,
  beginLooking,
  currentLoop,
  currentSites,
  currentThread,
  elapsed,
  endInner,
  endWith,
  followed,
  isAlone,
  isBroken,
  isModelled,
  isNothingExplored,
  isSole,
  needsNoScope,
  noteCallTurn,
  noteEvent,
  noteHere,
  noteNext,
  ownsLoop,
  ownsScope,
  passTo,
  promiseMade,
  promiseTouched,
  refuseLater,
  refused,
  siteHere,
  state,
  waitAt,
} from '../runtime.ts'
import { isOfProgram } from '../callees.ts'
import { ChoicesNeeded, ScriptNeeded, type ScriptRequest, ThreadsNeeded } from '../refusal.ts'
import type { Place } from '../thread.ts'
import { type Found, findModule } from '../thread-modules.ts'
import { Untranslatable } from '../wasm/binary.ts'
import type { Module } from '../wasm/engine.ts'
import { compileWasm, linkWasm, memoryMadeBy, textOfWasm, textWithFunction } from '../wasm/modules.ts'

export type Job = () => unknown

/** Where something arrives that is an event. */
export interface Source {
  isReferenced: boolean
  /** That there is an event is not told at one element. */
  readonly isVague?: boolean
  /** Where it is told that something is there; null where nothing will be. */
  place(): Place | null
  looks(): boolean
  deliver(): unknown
  /** The program hears nothing of what arrives here, and it keeps the thread until then. */
  readonly isUnheard?: boolean
  /** An event begins, maybe of another source. */
  passes?(): void
  /** An event is there, and timers may fire first: how many were set by then, and how many later ones have fired. */
  passing?: { readonly since: number; count: number } | undefined
}

/** A timer, which fires after others: see timers.ts. */
export interface Timed {
  readonly delay: number
  readonly repeats: boolean
  readonly called: Job
  /** What it calls, and with what. */
  readonly given: unknown
  readonly args: readonly unknown[]
  /** Where it was set, for those who read a trace. */
  readonly setAt: number
  /** How far the clock of its thread will have moved by the time that it is due: see clock.ts. */
  due: number
  /** Its place among all that were set. */
  order: number
  /** It is the time-out of an `Atomics.waitAsync`. */
  isOfWait: boolean
  isReferenced: boolean
  /** It has fired before. */
  hasFired: boolean
  /** How many others have fired while it waited. */
  passedOver: number
  /** Of an interval: how often it has fired since something else happened, and whether it need not do so again. */
  turns: number
  isSettled: boolean
}

/** An `Atomics.waitAsync` of a thread, whose notification is an event: see waiters.ts. */
interface Waiting extends Pick<Source, 'place' | 'looks' | 'deliver' | 'passing'> {
  leave(): void
}

/** What belongs to a thread until it ends, and is told of that then. */
export interface Owned {
  ownerEnds(): unknown
}

/** What a thread has to do when its function has returned, and while it waits. */
export class EventLoop {
  /** Reactions to promises, and what queueMicrotask() is given. */
  readonly jobs: Job[] = []
  /** What process.nextTick() is given: before the jobs. */
  readonly ticks: Job[] = []
  /** Promises that were rejected while nobody listened. */
  readonly rejected: { readonly promise: { readonly isHandled: boolean }; readonly value: unknown }[] = []
  /** What setImmediate() is given, in its order. */
  readonly immediates: Timed[] = []
  readonly timers: Timed[] = []
  /** Ports at which somebody listens, and the like. */
  readonly ports: Source[] = []
  readonly waiters: Waiting[] = []
  readonly owned: Owned[] = []
  /** What storages know where the thread is: see async-context.ts. */
  frame: ReadonlyMap<object, unknown> | null = null
  /** What a thread has of its own in a process: see context.ts. */
  context: unknown = null
  makeContext: (() => unknown) | null = null
  /** Told of an error that nobody has caught: returns whether the thread goes on all the same. */
  onUncaught: ((error: unknown, kind: 'uncaughtException' | 'unhandledRejection') => unknown) | null = null
  /** Tells the process that nothing is left to do. Returns whether somebody has heard of it. */
  beforeEnd: (() => boolean) | null = null
  /** Does what a process does before its main thread ends by itself. */
  onEnd: (() => unknown) | null = null
  timersSet = 0
  /** How often it has waited for an event without looking for one before. */
  waits = 0
  /** Nothing keeps the thread any more: of its timers, those that were set by then may still fire, once. */
  lastTimer = Infinity
  /** The promise of the thread's function is not settled. That of a script, which awaits at its top, keeps nothing. */
  isPending = false
  isScript = false
  failure: { readonly error: unknown } | null = null
}

interface Requests {
  putAt(index: number, request: Request, told: string): void
  place(): Place
  take(): Request
}

/** A choice that a thread leaves to the order of the steps: see choice.ts. */
export interface Request {
  readonly cell: Int32Array
  readonly count: number
}

/** Those of the execution, and how many there were. */
export interface Choices {
  readonly asked: Int32Array
  readonly requests: Requests
  readonly isServed: boolean
}

let choices: Choices | null = null

/** A thread that may be started. */
export interface Slot {
  /** The number of the thread. */
  readonly id: number
  readonly started: Int32Array
  body: () => unknown
}

/** Those of the execution, and how many were started. */
interface Starts {
  readonly next: Int32Array
  readonly slots: readonly Slot[]
}

let starts: Starts | null = null

/** Those who speak to each other under one name, and a cell that changes with them. */
interface Group {
  readonly members: unknown[]
  readonly count: Int32Array
}

const groups = new Map<string, Group>()

export const host = {
  /** Where it listens at several places, the first thread decides first where its next event comes from. */
  mayDecide: (): boolean => currentThread().id === 0,
  beginLooking,
  isBroken,
  /** Code runs that is alone, and waits: a setup. */
  isSole,
  /** Code of a thread runs. */
  isThread: (): boolean => !isAlone(),
  /** Code of a thread runs, or what makes the state that threads begin with. */
  isModelled,
  /** How far the clock of the thread has moved, in milliseconds; and it moves on. */
  elapsed,
  passTo,
  /** The event loop of the thread that runs. */
  loop: (): EventLoop => currentLoop() as EventLoop,
  /** See vain-turns.ts. */
  beginInner,
  endInner,
  noteCallTurn,
  promiseMade,
  promiseTouched,
  /** The program changes something for the thread, which shows in nothing that the event loop waits for. */
  noteChange: (): void => void state.changes++,
  /** Moves at each change that the thread makes which runs. */
  changes: (): number => state.changes,
  ownsLoop,
  ownsScope,
  needsNoScope,
  waitAt,
  /** What the next operation is, for those who read a trace. */
  tell: noteNext,
  /** Where the thread is, for `happens`. */
  here: noteHere,
  /** What happens that is no operation, for those who read a trace. */
  happens: noteEvent,
  /** Ends the check: the program does what is not modelled. */
  refuse(what: string, remedy: string): never {
    return refused(siteHere(what), what, remedy)
  },
  /** What is called later: where it is none of the program, it tells what it does. */
  followed: (called: unknown): unknown =>
    typeof called !== 'function' || isOfProgram(called) ? called : followed(called, siteHere('call')),
  /** Ends the check if what is called calls back when an event of Node comes. */
  refuseLater: (called: unknown, args: readonly unknown[]): void =>
    refuseLater(called as never, args, siteHere('promisify')),
  compileWasm,
  linkWasm,
  memoryMadeBy,
  isExploring: (): boolean => !isNothingExplored,
  /** The text in JavaScript of a module of WebAssembly, which has to be stepped because it has what `why` says. */
  textOfWasm: (module: Module, why: string): string => textOf(() => textOfWasm(module), why),
  /** A function of such a module is called that its text has not: the program is loaded anew, with that. */
  wantFunction(module: Module, index: number, why: string): never {
    const specifier = textOf(() => textWithFunction(module, index), why)
    return endWith(new ScriptNeeded({ from: '', specifier, kind: 'eval' }))
  },
  choices(isNeeded: boolean): Choices {
    if (isNeeded && !choices!.isServed) endWith(new ChoicesNeeded())
    return choices!
  },
  setChoices(value: Choices): void {
    choices = value
  },
  starts: (): Starts => starts!,
  setStarts(value: Starts): void {
    starts = value
    groups.clear()
  },
  group(name: string): Group {
    let group = groups.get(name)
    if (group === undefined)
      groups.set(name, (group = { members: [], count: new Int32Array(new SharedArrayBuffer(4)) }))
    return group
  },
  needThread(): never {
    return endWith(new ThreadsNeeded())
  },
  /** Where something leads that a thread loads. */
  find(request: ScriptRequest): Found {
    try {
      return findModule(currentSites(), request)
    } catch (error) {
      if (!(error instanceof ScriptNeeded)) throw error
      // Nobody begins anew while modules are loaded: what is there is taken.
      if (isAlone() && request.kind !== 'eval')
        return { kind: 'native', exports: createRequire(request.from || import.meta.url)(request.specifier) }
      return endWith(error)
    }
  },
}

function textOf(write: () => string, why: string): string {
  try {
    return write()
  } catch (error) {
    if (!(error instanceof Untranslatable)) throw error
    const problem = `a module of WebAssembly with ${why} cannot be stepped: ${error.message}`
    return refused(siteHere('WebAssembly.Instance'), problem, error.remedy)
  }
}

/** What the engine's async iterators have in common. */
export const asyncIteratorPrototype = Object.getPrototypeOf(
  Object.getPrototypeOf(Object.getPrototypeOf((async function* () {})())),
) as object

/** What the engine's iterators have in common. */
export const iteratorPrototype = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]())) as object

/** Takes what is in a list at most once out of it. */
export function takeOut<Element>(list: Element[], element: Element): void {
  const at = list.indexOf(element)
  if (at >= 0) list.splice(at, 1)
}
