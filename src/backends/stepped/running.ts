// Threads that run: who is at work, how one stops and goes on, and what ends an execution.
//
// There is one program at a time, hence module state and no object: it is read at every step.

import { Promise, enterScope, restoreGlobals } from './global-scope.ts'
import { steppedHost } from './host.ts'
import { memory } from './memory.ts'
import { guard, setGuard, unguard } from './real-atomics.ts'
import { Decided, ScriptNeeded, SteppingRefused, TimeUp } from './refusal.ts'
import type { Site } from './sites.ts'
import { type Forbidden, type Probes, SAVE, Scheduler, type Tracer } from './scheduler.ts'
import { type AsyncWaiter, FINISHED, type Frame, Thread } from './thread.ts'

export const soloThread = new Thread(-1)

export let current: Thread = soloThread
/** Those of the execution. */
export let all: readonly Thread[] = []
export let scheduler: Scheduler | null = null
let nextThread = -1
/** The threads run up to their first operation. */
let starting = false
/** Plain accesses are reported. */
export let watching = false
export let tracer: Tracer | null = null
export let probes: Probes | null = null
export let sites: Site[] = []
/** Code that cannot be stepped was come to: whoever catches the error, the program cannot be checked. */
let refusal: Error | null = null
export let forbidden: Forbidden | null = null
export type Sleepers = readonly (Thread | AsyncWaiter)[]
/** Threads that wait, in the order in which they came. */
export const sleepers: (Thread | AsyncWaiter)[] = []

/** Those that wait now. */
export function whoSleeps(): Sleepers {
  return sleepers.length === 0 ? nobody : [...sleepers]
}

const nobody: Sleepers = []

export function setWatching(on: boolean): void {
  watching = on
}

export function setTracer(value: Tracer | null): void {
  tracer = value
}

/** What `body` does is not told. */
export function withoutTracer<T>(body: () => T): T {
  const before = tracer
  tracer = null
  try {
    return body()
  } finally {
    tracer = before
  }
}

export function setProbes(value: Probes | null): void {
  probes = value
}

export function setForbidden(value: Forbidden | null): void {
  forbidden = value
}

/** `value` grows where code is come to that the transform could not see. */
export function setSites(value: Site[]): void {
  sites = value
}

/** The program is over, and whoever catches errors may have caught the one that says so. */
export function isBroken(): boolean {
  return refusal !== null
}

/** What the next operation of the thread means, which loop/ does: for those who tell of it. */
export function noteNext(text: string): void {
  if (tracer === null) return
  current.told = text
  current.toldAt = siteHere(text, 'event loop')
}

/** Where the thread is, for those who tell of it; -1 where nobody does. */
export function noteHere(what: string): number {
  return tracer === null ? -1 : siteHere(what, 'event loop')
}

/** Something happens that is no step. */
export function noteEvent(site: number, text: string): void {
  if (site >= 0) tracer?.event(current, site, text)
}

/** Where an async function has stopped for good, or for now, the trace is told. */
export function traceSuspend(): unknown {
  return tracer === null ? null : tracer.suspend(current)
}

export function traceGoOn(call: unknown): void {
  tracer?.goOn(current, call)
}

/** The number of the place from which the runtime was called, for what has no number of its own. */
export function siteHere(what: string, otherwise = 'unknown'): number {
  const place = steppedHost().currentPlace(what, otherwise)
  const known = sites.findIndex(
    (site) => site.file === place.file && site.line === place.line && site.what === place.what,
  )
  return known >= 0 ? known : sites.push(place) - 1
}

export function currentThread(): Thread {
  return current
}

/** A program catches an error: it does not get one that says that the program is over. */
export function caught(error?: unknown): unknown {
  if (refusal !== null) throw refusal
  return error
}

/** Reports a plain write of cells that the program itself does not do: what was there must not be used unordered. */
export function reportWrite(firstCell: number, cells: number, site: number): void {
  if (watching) scheduler!.plainWrite(current.id, firstCell, cells, site)
}

/** How an execution ended: a thread threw, or the scheduler had enough, or every thread is finished. */
export interface Ending {
  readonly thrown: { readonly thread: number; readonly error: unknown } | null
}

const regularEnding: Ending = { thrown: null }

/** For what an async function waits, or what an async generator yields. */
interface Awaited {
  readonly kind: 'await' | 'yield' | 'delegate'
  readonly value: unknown
  readonly site: number
}

/** Whether the thread that runs is on its way out, as another one is to go on: asked after each call that may stop. */
export const state = {
  stopping: false,
  /** An object that was made for a constructor to return. */
  given: null as unknown,
  /** Moves at each change that the thread makes which runs, in shared memory or in objects of its own. */
  changes: 0,
  /** Set while an async function is on its way out because it waits, or yields: what for. See coroutine.ts. */
  awaited: null as Awaited | null,
  /** What an async generator is to return that goes on from a `yield`. */
  returned: undefined as unknown,
  /** The function of a package that is not stepped, and within which the thread is; else null. */
  outsider: null as object | null,
}

/** What the functions of the thread that stops have kept, the innermost first. */
const leaving: Frame[] = []
/** How many they are: an array that is emptied would be given new memory each time. */
let leavingCount = 0

/**
 * What a function returns that stops. Only those that look for it may get it: whoever else does anything with it comes
 * from a place where nothing can stop.
 */
export const stopped: object = new Proxy(Object.freeze(Object.create(null)) as object, {
  get: refuseToStop,
  set: refuseToStop,
  has: refuseToStop,
  defineProperty: refuseToStop,
  deleteProperty: refuseToStop,
  getOwnPropertyDescriptor: refuseToStop,
  getPrototypeOf: refuseToStop,
  ownKeys: refuseToStop,
})

/** A function stops: it returns what this returns. `value` is what the call gave after which it does. */
export function save(value: unknown, frame: Frame): unknown {
  if (value !== stopped) refuseToStop()
  leaving[leavingCount++] = frame
  return stopped
}

/** Takes the frames of what has stopped, the innermost first: of an async function that waits. */
export function takeLeaving(): Frame[] {
  const frames = leaving.slice(0, leavingCount)
  leavingCount = 0
  return frames
}

/** Where the thread has stopped. */
let stopSite = 0

/** The thread has to stop before its operation. */
export function stop(): never {
  state.stopping = true
  stopSite = current.site
  return stopped as never
}

/** What threads do between stops: told by runtime.ts, as it stands on this file. */
export interface Work {
  /** Does the operation that a thread has announced. */
  readonly perform: (thread: Thread) => unknown
  /** Does what is left of its event loop. */
  readonly runLoop: (loop: unknown, result: unknown) => unknown
  /** Lets them find what is modelled on the global object too, and their clocks. */
  readonly replaceModelled: () => void
  readonly leaveClocks: () => void
}

let work: Work

/** See runThreads() in runtime.ts. */
export function runWith(
  given: Work,
  threads: readonly Thread[],
  bodies: readonly (() => unknown)[] | null,
  chooser: Scheduler,
  asleep: Sleepers,
): Ending {
  work = given
  scheduler = chooser
  all = threads
  refusal = null
  sleepers.length = 0
  sleepers.push(...asleep)
  leavingCount = 0
  state.stopping = false
  state.awaited = null
  given.replaceModelled()
  guard()
  try {
    if (bodies !== null) startThreads(threads, bodies)
    nextThread = chooseNext()
    while (nextThread !== -1) {
      if (nextThread === SAVE) {
        chooser.save()
        nextThread = chooseNext()
        continue
      }
      goTo(threads[nextThread]!)
      if (goOn(current)) nextThread = chooseNext()
    }
  } catch (error) {
    if (refusal === null) return { thrown: { thread: current.id, error: memory.finerNeeded ?? error } }
  } finally {
    starting = false
    state.stopping = false
    watching = false
    scheduler = null
    unguard()
    given.leaveClocks()
    const left = restoreGlobals()
    if (left !== null) {
      refusal = null
      noteLeft(left, current.site)
    }
    current = soloThread
  }
  if (wasDecided()) chooser.choose()
  raiseWhatWasCaught()
  return regularEnding
}

function goTo(thread: Thread): void {
  const { site } = current
  current = thread
  goIntoScope(site)
}

/** The thread that runs finds what it has on its global object; the one before has stopped at the place `site`. */
export function goIntoScope(site: number): void {
  const left = enterScope(current.scope)
  if (left !== null) throw noteLeft(left, site)
}

function noteLeft(key: string, site: number): SteppingRefused {
  return noteRefusal(
    site < 0 ? siteHere('global object') : site,
    `the property ${key} of the global object cannot be taken away for other threads`,
    'assign to globalThis, or define it there',
  )
}

/** Runs each up to its first operation. */
function startThreads(threads: readonly Thread[], bodies: readonly (() => unknown)[]): void {
  starting = true
  for (const thread of threads) {
    thread.reset()
    // An invariant comes after all threads.
    if (scheduler!.isSole) thread.elapsed = soloThread.elapsed
    thread.body = bodies[thread.id]!
    goTo(thread)
    goOn(thread)
  }
  starting = false
}

/** Runs a thread until it stops or has finished. Returns whether it has finished. */
function goOn(thread: Thread): boolean {
  const { frames } = thread
  thread.hasRun = true
  state.changes = thread.changes
  let value: unknown
  let thrown = false
  const { body } = thread
  try {
    if (body === null) value = work.perform(thread)
    else {
      thread.body = null
      value = body()
    }
  } catch (error) {
    value = error
    thrown = true
  }
  for (;;) {
    if (state.stopping && state.awaited === null) {
      if (value !== stopped) refuseToStop()
      state.stopping = false
      if (thread.ending !== null) {
        // What it was in is gone, `finally` and all.
        leavingCount = 0
        thread.depth = 0
        frames[thread.depth++] = [endingFrame, 0, thread.ending]
        thread.ending = null
        value = undefined
        continue
      }
      thread.changes = state.changes
      while (leavingCount > 0) frames[thread.depth++] = leaving[--leavingCount]!
      return false
    }
    try {
      if (thread.depth > 0) {
        const frame = frames[--thread.depth]!
        // An odd number says that it would only throw the error again: see form.ts.
        if (thrown && (frame[1] & 1) === 1) continue
        value = frame[0](frame, value, thrown)
      } else if (!thrown && hasLoop(thread, value)) {
        thread.isLooping = true
        value = work.runLoop(thread.loop, value)
      } else break
      thrown = false
    } catch (error) {
      value = error
      thrown = true
    }
  }
  if (thrown) throw value
  thread.state = FINISHED
  return true
}

const endingFrame: Frame[0] = (frame) => (frame[2] as () => unknown)()

/** Its function has returned, and there is more that it may have to do. */
function hasLoop(thread: Thread, value: unknown): boolean {
  return !thread.isLooping && (thread.loop !== null || value instanceof Promise)
}

function wasDecided(): boolean {
  if (!(refusal instanceof Decided)) return false
  refusal = null
  return true
}

/** A program that catches errors may have caught one that was not meant for it. */
export function raiseWhatWasCaught(): void {
  const error = refusal ?? memory.finerNeeded
  refusal = null
  if (error !== null) throw error
}

export function mustStop(thread: Thread): boolean {
  if (starting) return true
  if (scheduler!.passes(thread)) return false
  const chosen = chooseNext()
  if (chosen === thread.id) return false
  nextThread = chosen
  return true
}

/** What the scheduler throws is not meant for the program, which may catch it. */
function chooseNext(): number {
  try {
    return scheduler!.choose()
  } catch (error) {
    refusal ??= error as Error
    throw error
  }
}

/** Has the package of a function stepped, and all begun anew; returns where the function is of none. */
export function stepPackageOf(called: object): void {
  const folder = steppedHost().packageOf(called)
  if (folder !== null) endWith(new ScriptNeeded({ from: '', specifier: folder, kind: 'package' }))
}

/** The thread would have to stop, and something is under way that cannot. */
export function refuseToStop(): never {
  state.stopping = false
  state.awaited = null
  leavingCount = 0
  if (state.outsider !== null) stepPackageOf(state.outsider)
  const { file, source: text } = sites[stopSite]!
  // What loop/ does, the program has called.
  const isOfLoop = /[\\/]stepped[\\/]loop[\\/][\w-]+\.[jt]s$/.test(file)
  const site = isOfLoop ? siteHere('call') : stopSite
  return refused(
    site,
    `${isOfLoop ? sites[site]!.source : text} comes to a shared access where nothing can stop`,
    'call it from an ordinary function, and not where the engine calls: in a valueOf, a trap, a static field',
  )
}

/** Ends the check: the program came to code that cannot be stepped. */
export function refused(site: number, problem: string, remedy: string): never {
  throw noteRefusal(site, problem, remedy)
}

/** Unseen operations that are done until one throws: what comes to the first may well be in an async function. */
const UNSEEN_MAX = 1000

/** Operations of `Atomics` in code that is not stepped, which threads of a program run, are refused. */
export function refuseUnseen(): void {
  let unseen = 0
  setGuard((operation) => {
    if (refusal === null) {
      unseen = 0
      const problem = `Atomics.${operation} in code that is not stepped, such as what is made of a text`
      noteRefusal(siteHere(`Atomics.${operation}`), problem, 'write it into a module')
    } else if (++unseen > UNSEEN_MAX || operation === 'wait') throw refusal
  })
}

/** As refused(), but the error is thrown when the execution is over. */
export function noteRefusal(site: number, problem: string, remedy: string): SteppingRefused {
  const { file, line } = sites[site]!
  const error = new SteppingRefused(file, line, problem, remedy)
  refusal ??= error
  return error
}

/** Ends the execution with an error that is not meant for the program, which may catch it. */
export function endWith(error: Error): never {
  refusal ??= error
  throw error
}

/** What was refused in a program that is over is forgotten. */
export function forgetRefusal(): void {
  refusal = null
}

/** Not that of a thread: see clock.ts. */
const now = performance.now.bind(performance)
/** Turns of loops between two looks at the clock, which costs as much as some dozens of short turns. */
const TURNS_PER_LOOK = 256
let turnsLeft = TURNS_PER_LOOK
let deadline = Infinity
let timeUp: TimeUp | null = null

/** From `at` on, a time of performance.now(), every loop of a program ends with TimeUp; Infinity: never. */
export function setDeadline(at: number): void {
  deadline = at
  timeUp = null
  if (refusal instanceof TimeUp) refusal = null
  turnsLeft = TURNS_PER_LOOK
}

/** A turn of a loop begins. A loop without an operation of `Atomics` would end nowhere else. */
export function turn(site: number): void {
  if (--turnsLeft < 0) lookAtClock(site)
}

function lookAtClock(site: number): void {
  if (timeUp === null) {
    turnsLeft = TURNS_PER_LOOK
    if (scheduler?.isDecided() === true) throw (refusal ??= new Decided())
    if (now() < deadline) return
    const place = sites[site]!
    timeUp = new TimeUp(place.file, place.line, place.source, current.id)
  }
  // Whoever catches it comes no further than to the next turn of a loop.
  turnsLeft = 0
  refusal ??= timeUp
  throw timeUp
}

/** A thread of the program runs that is alone: its setup, say. */
export function isSole(): boolean {
  return scheduler !== null && scheduler.isSole
}

/**
 * The thread has changed something that is not in shared memory, and that others may see: an object, a variable. Or it
 * has drawn random numbers, which are its own.
 */
export function hasOwnChanges(thread: Thread): boolean {
  const changes = thread === current ? state.changes : thread.changes
  return changes > thread.sharedChanges + thread.privateChanges || thread.draws > 0
}

/** No thread of the program runs: its state is being made or looked at. */
export function isAlone(): boolean {
  return current === soloThread
}
