// What a program has of loop/, and of library.ts: both in their steppable form, by its places.

import { enterClocks, leaveClocks, resetSoloClock } from './clock.ts'
import { GlobalScope, noScope, replaceGlobals } from './global-scope.ts'
import type * as libraryModule from './library.ts'
import { modelledNames } from './names.ts'
import { TurnsNeeded } from './refusal.ts'
import { current, endWith, goIntoScope, isAlone, scheduler, sites, soloThread } from './running.ts'
import type { Site } from './sites.ts'
import type { AsyncWaiter } from './thread.ts'

type Library = Readonly<Record<keyof typeof libraryModule, (...args: readonly unknown[]) => unknown>>

/** The steppable form of library.ts, of each program: by its places. */
const libraries = new WeakMap<Site[], Library>()

export function setLibrary(of: Site[], value: Library): void {
  libraries.set(of, value)
}

export function library(): Library {
  return libraries.get(sites)!
}

/** For scenarios in which a thread may be ended: to be made before each execution. */
export interface Enders {
  /** What a thread does that ends thread `id`, if it comes before the others that end one. */
  readonly serve: (id: number) => () => unknown
  /** The thread that was ended before it had finished. */
  readonly ended: () => number | null
}

export function newEnders(): Enders {
  const { newEnding, endThread } = library()
  const ending = newEnding()
  let ended: number | null = null
  return {
    serve: (id) => () => endThread(ending, id, () => (ended = id)),
    ended: () => ended,
  }
}

/** The event loops of each program that has some, in their steppable form: by its places. */
const loopsOf = new WeakMap<Site[], EventLoops>()

/** What the runtime asks of loop/index.ts. */
export interface EventLoops {
  /** Does what is left for a thread to do, whose function has returned `result`. */
  readonly runLoop: (loop: unknown, result: unknown) => unknown
  readonly newLoop: () => unknown
  /** A promise, and what settles it. */
  readonly deferred: () => Deferred
  /** Has one of two functions called, as a job, when `value` is settled. */
  readonly react: (
    value: unknown,
    onFulfilled: (value: unknown) => unknown,
    onRejected: (reason: unknown) => unknown,
  ) => void
  /** What an async generator function returns: `body` is what runGenerator() runs. */
  readonly newGenerator: (body: unknown) => unknown
  readonly nextTick: (called: () => unknown) => void
  readonly newWaiter: (
    place: Pick<AsyncWaiter, 'waitCell' | 'array' | 'index'> & { readonly timeout: number },
  ) => AsyncWaiter
  /** Called before each execution, with how many threads there are that may be started; and what these do. */
  readonly beginStarts: (first: number, count: number) => void
  readonly serveStarts: (index: number) => () => unknown
  /** What a thread does that is alone: `tell` is given the result, awaited. */
  readonly tellResult: (body: () => unknown, tell: (value: unknown) => void) => unknown
  /** Runs a script as the main thread of a process. */
  readonly runScript: (url: string) => unknown
  /** `process.getBuiltinModule()` of a thread. */
  readonly builtinModule: (specifier: unknown) => unknown
  /** Called before each execution, and what a thread of ours does in it: see loop/choice.ts. */
  readonly beginChoices: (isServed: boolean) => void
  readonly serveChoices: () => void
}

export interface Deferred {
  readonly promise: unknown
  readonly resolve: (value: unknown) => void
  readonly reject: (reason: unknown) => void
}

export function setEventLoops(of: Site[], value: EventLoops): void {
  loopsOf.set(of, value)
}

export function eventLoops(): EventLoops {
  return loopsOf.get(sites)!
}

/** The event loop of the thread that runs. */
export function currentLoop(): unknown {
  if (current.loop === null) {
    try {
      scheduler?.loopMade()
    } catch (error) {
      endWith(error as Error)
    }
    current.loop = eventLoops().newLoop()
  }
  return current.loop
}

/** The state that threads begin with is being made: what it makes of channels is for them. */
let preparing = false
/** What runs alone is run anew, as a thread, where it calls an async function. */
let mayHaveTurns = false

export function withTurns<T>(mayHave: boolean, body: () => T): T {
  mayHaveTurns = mayHave
  try {
    return body()
  } finally {
    mayHaveTurns = false
  }
}

/** An async function is called. */
export function takesTurns(): void {
  if (mayHaveTurns && isAlone()) endWith(new TurnsNeeded())
}

export function setPreparing(value: boolean): void {
  if (value) {
    resetSoloClock()
    enterClocks()
  } else leaveClocks()
  preparing = value
}

/** What the engine does in time is modelled: in threads, and where their state is made. */
export function isModelled(): boolean {
  return preparing || current !== soloThread
}

/** The thread that runs does what is left of its event loop itself. */
export function ownsLoop(): void {
  current.isLooping = true
}

/** Programs whose code may touch the global object: by their places. */
const touching = new WeakSet<object>()

export function setTouching(of: Site[]): void {
  touching.add(of)
}

/** Lets threads find what is modelled on the global object too. */
export function replaceModelled(): void {
  const loops = loopsOf.get(sites)
  if (loops === undefined) return
  // A script has a process of its own.
  replaceGlobals({ getBuiltinModule: loops.builtinModule }, globalThis.process)
  if (!touching.has(sites)) return
  const modelled = loops as unknown as Readonly<Record<string, unknown>>
  replaceGlobals(Object.fromEntries(modelledNames.map((name) => [name, modelled[name]])))
}

/** The thread that runs gets a global object of its own, with its own `process`. */
export function ownsScope(process: object): void {
  if (!touching.has(sites)) return
  current.scope = new GlobalScope()
  // Node keeps both where all would share what one assigns.
  const { Buffer, console } = globalThis
  for (const [name, value] of Object.entries({ process, Buffer, console: Object.create(console) as unknown }))
    current.scope.own.set(name, { value, writable: true, enumerable: false, configurable: true })
  goIntoScope(-1)
}

/** The thread that runs needs none. */
export function needsNoScope(): void {
  current.scope = noScope
}

/** The places of the program that runs: what belongs to it is found by them. */
export function currentSites(): object {
  return sites
}
