// What the steppable form of a program calls: announcing operations, doing them, reading and writing elements.
//
// A thread announces its next operation and asks the scheduler who goes on. If that is another thread, the access
// returns `stopped`, and so does every function on the way out, after it has kept what it needs in a frame. Who goes on
// does its operation and calls the innermost of its functions with its frame, and then the others, one after the other.
// So the scheduler knows the next operation of every thread, and is called from the thread that was last at work.
//
// There is one program at a time, hence module state and no object: it is read at every step.

import { type View, memory } from './memory.ts'
import type * as libraryModule from './library.ts'
import { steppedHost } from './host.ts'
import { bulkMethods, viewMethod } from './names.ts'
import { Decided, SteppingRefused, TimeUp } from './refusal.ts'
import type { Site } from './sites.ts'
import { SHARED, TRACKED } from './tags.ts'
import {
  ADD,
  AND,
  COMPARE_EXCHANGE,
  EXCHANGE,
  FINISHED,
  LEAVE,
  LOAD,
  NOTIFY,
  OR,
  PAUSE,
  READS_MAX,
  READY,
  SAVE,
  SIGNAL,
  SPINNING,
  STOP,
  STORE,
  SUB,
  Scheduler,
  Thread,
  WAIT,
  WAITING,
  WAIT_ASYNC,
  WOKEN,
  XOR,
  type AsyncWaiter,
  type Forbidden,
  type Frame,
  type Probes,
  type Tracer,
  type Watched,
  enterLoop,
  noPlaces,
  noValues,
} from './thread.ts'

const soloThread = new Thread(-1)

/** Operations that what runs alone may do until it is taken to be in a loop without end. */
const SOLO_OPERATIONS_MAX = 1_000_000
let soloOperations = 0

/** What runs without other threads does not come to an end. */
export class EndlessLoop extends Error {
  override readonly name = 'EndlessLoop'
}

let current: Thread = soloThread
/** Those of the execution. */
let all: readonly Thread[] = []
let scheduler: Scheduler | null = null
let nextThread = -1
/** The threads run up to their first operation. */
let starting = false
/** Plain accesses are reported. */
let watching = false
let tracer: Tracer | null = null
let probes: Probes | null = null
let sites: Site[] = []
/** Code that cannot be stepped was come to: whoever catches the error, the program cannot be checked. */
let refusal: Error | null = null
let forbidden: Forbidden | null = null
export type Sleepers = readonly (Thread | AsyncWaiter)[]
/** Threads that wait, in the order in which they came. */
const sleepers: (Thread | AsyncWaiter)[] = []

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

export function setProbes(value: Probes | null): void {
  probes = value
}

/** Reports a plain write of cells that the program itself does not do: what was there must not be used unordered. */
export function reportWrite(firstCell: number, cells: number, site: number): void {
  if (watching) scheduler!.plainWrite(current.id, firstCell, cells, site)
}

export function setForbidden(value: Forbidden | null): void {
  forbidden = value
}

function checkForbidden(cell: number, site: number): void {
  if (forbidden!.marks[cell >> 4] !== 0) forbidden!.touched(current.id, cell, site)
}

/** `value` grows where code is come to that the transform could not see. */
export function setSites(value: Site[]): void {
  sites = value
}

type Library = Readonly<Record<keyof typeof libraryModule, (...args: readonly unknown[]) => unknown>>

/** The steppable form of library.ts, of each program: by its places. */
const libraries = new WeakMap<Site[], Library>()

export function setLibrary(of: Site[], value: Library): void {
  libraries.set(of, value)
}

export function library(): Library {
  return libraries.get(sites)!
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
  /** Runs a script as the main thread of a process. */
  readonly runScript: (url: string) => unknown
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

export function setPreparing(value: boolean): void {
  preparing = value
}

/** What the engine does in time is modelled: in threads, and where their state is made. */
export function isModelled(): boolean {
  return preparing || current !== soloThread
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

// ---------------------------------------------------------------------------------------------------------------------
// Running

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
function stop(): never {
  state.stopping = true
  stopSite = current.site
  return stopped as never
}

/**
 * Runs `bodies` as threads under `chooser` until all have finished or it ends the execution. `threads` are the records
 * to use, one for each. Without `bodies`, the threads go on where their records say that they have stopped, and
 * `asleep` are those in queues, in the order in which they came.
 */
export function runThreads(
  threads: readonly Thread[],
  bodies: readonly (() => unknown)[] | null,
  chooser: Scheduler,
  asleep: Sleepers = [],
): Ending {
  scheduler = chooser
  all = threads
  refusal = null
  sleepers.length = 0
  sleepers.push(...asleep)
  leavingCount = 0
  state.stopping = false
  state.awaited = null
  try {
    if (bodies !== null) startThreads(threads, bodies)
    nextThread = chooseNext()
    while (nextThread !== -1) {
      if (nextThread === SAVE) {
        chooser.save()
        nextThread = chooseNext()
        continue
      }
      current = threads[nextThread]!
      if (goOn(current)) nextThread = chooseNext()
    }
  } catch (error) {
    if (refusal === null) return { thrown: { thread: current.id, error: memory.finerNeeded ?? error } }
  } finally {
    starting = false
    state.stopping = false
    watching = false
    scheduler = null
    current = soloThread
  }
  if (wasDecided()) chooser.choose()
  raiseWhatWasCaught()
  return regularEnding
}

/** Runs each up to its first operation. */
function startThreads(threads: readonly Thread[], bodies: readonly (() => unknown)[]): void {
  starting = true
  for (const thread of threads) {
    thread.reset()
    thread.body = bodies[thread.id]!
    current = thread
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
    if (body === null) value = perform(thread)
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
        value = eventLoops().runLoop(thread.loop, value)
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
function raiseWhatWasCaught(): void {
  const error = refusal ?? memory.finerNeeded
  refusal = null
  if (error !== null) throw error
}

/** The result of a function that has run without other threads. */
export function alone(value: unknown): unknown {
  soloOperations = 0
  if (scheduler === null) raiseWhatWasCaught()
  return value
}

/** The thread would have to stop, and something is under way that cannot. */
function refuseToStop(): never {
  state.stopping = false
  state.awaited = null
  leavingCount = 0
  const { file, source: text } = sites[stopSite]!
  // What loop/ does, the program has called.
  const isOfLoop = /[\\/]stepped[\\/]loop[\\/][\w-]+\.[jt]s$/.test(file)
  const site = isOfLoop ? siteHere('call') : stopSite
  return refused(
    site,
    `${isOfLoop ? sites[site]!.source : text} comes to a shared access where nothing can stop`,
    'call it from an ordinary function, and not from a callback of the engine or a generator',
  )
}

/** Ends the check: the program came to code that cannot be stepped. */
export function refused(site: number, problem: string, remedy: string): never {
  throw noteRefusal(site, problem, remedy)
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
    if (performance.now() < deadline) return
    const place = sites[site]!
    timeUp = new TimeUp(place.file, place.line, place.source, current.id)
  }
  // Whoever catches it comes no further than to the next turn of a loop.
  turnsLeft = 0
  refusal ??= timeUp
  throw timeUp
}

/** No thread of the program runs: its state is being made or looked at. */
export function isAlone(): boolean {
  return current === soloThread
}

// ---------------------------------------------------------------------------------------------------------------------
// Announcing operations

/** Returns whether the thread has to stop before its operation. */
function announce(thread: Thread): boolean {
  const { array, index } = thread
  if (state.stopping) refuseToStop()
  const view = array[SHARED] ?? viewOf(array)
  if (thread === soloThread && ++soloOperations > SOLO_OPERATIONS_MAX && !isNothingExplored) {
    // What runs alone next has operations of its own.
    soloOperations = 0
    throw new EndlessLoop(
      `more than ${SOLO_OPERATIONS_MAX} operations, though no other thread is there to wait for`,
    )
  }
  if (
    view === undefined ||
    thread === soloThread ||
    !(index >= 0 && index < view.length && index === Math.floor(index))
  ) {
    thread.local = true
    thread.native = true
    return false
  }
  thread.local = false
  thread.native = !view.int32
  thread.cell = view.firstCell + index * view.cellsPerElement
  thread.cells = view.cellsPerElement
  return mustStop(thread)
}

/** An array over shared memory that was made where the transform does not come to. */
function viewOf(array: Watched): View | undefined {
  if (!ArrayBuffer.isView(array) || !(array.buffer instanceof SharedArrayBuffer)) return undefined
  return made(array)[SHARED]
}

function mustStop(thread: Thread): boolean {
  if (starting) return true
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

export function load(site: number, array: Watched, index: number): number {
  const thread = current
  thread.kind = LOAD
  thread.site = site
  thread.array = array
  thread.index = index
  thread.isPlain = false
  return announce(thread) ? stop() : loadDone(thread)
}

/** Reads an element in racy(): a step like an operation of `Atomics`, which orders nothing. */
export function loadRacy(site: number, array: Watched, index: number): number {
  if (!isSharedElement(array, index)) return array[index]!
  const thread = current
  thread.kind = LOAD
  thread.site = site
  thread.array = array
  thread.index = index
  thread.isPlain = true
  return announce(thread) ? stop() : loadDone(thread)
}

/** Writes an element in racy(). */
export function storeRacy(site: number, array: Watched, index: number, value: number): number {
  if (!isSharedElement(array, index)) {
    if (array.$tracked === undefined) array[index] = value
    else write(array, index, value, site)
    return value
  }
  const thread = current
  thread.kind = STORE
  thread.site = site
  thread.array = array
  thread.index = index
  thread.operand = typeof value === 'number' || typeof value === 'bigint' ? value : Number(value)
  thread.isPlain = true
  return announce(thread) ? stop() : (perform(thread) as number)
}

/** An element of shared memory that a thread comes to. */
function isSharedElement(array: Watched, index: number): boolean {
  if (current === soloThread || !ArrayBuffer.isView(array)) return false
  return (
    (array[SHARED] ?? viewOf(array)) !== undefined && index >= 0 && index < array.length && index % 1 === 0
  )
}

/** Announces an operation, and does it if the thread goes on. */
function operate(
  kind: number,
  site: number,
  array: Watched,
  index: number,
  operand: number,
  unread = false,
): number {
  const thread = current
  thread.kind = kind
  thread.unread = unread
  thread.isPlain = false
  thread.site = site
  thread.array = array
  thread.index = index
  thread.operand = typeof operand === 'number' ? operand : integerOf(array, operand)
  return announce(thread) ? stop() : (perform(thread) as number)
}

/** What `Atomics` makes of an operand before it does anything. */
function integerOf(array: Watched, value: unknown): number {
  const isBig = (array as unknown) instanceof BigInt64Array || (array as unknown) instanceof BigUint64Array
  // Big integers are left as they are; BigInt() would take numbers, which Atomics does not.
  return isBig ? (BigInt.asIntN(64, value as bigint) as unknown as number) : Number(value)
}

export function store(site: number, array: Watched, index: number, value: number): number {
  return operate(STORE, site, array, index, value)
}

export function add(site: number, array: Watched, index: number, operand: number, unread?: boolean): number {
  return operate(ADD, site, array, index, operand, unread)
}

export function sub(site: number, array: Watched, index: number, operand: number, unread?: boolean): number {
  return operate(SUB, site, array, index, operand, unread)
}

export function and(site: number, array: Watched, index: number, operand: number, unread?: boolean): number {
  return operate(AND, site, array, index, operand, unread)
}

export function or(site: number, array: Watched, index: number, operand: number, unread?: boolean): number {
  return operate(OR, site, array, index, operand, unread)
}

export function xor(site: number, array: Watched, index: number, operand: number, unread?: boolean): number {
  return operate(XOR, site, array, index, operand, unread)
}

export function exchange(site: number, array: Watched, index: number, operand: number): number {
  return operate(EXCHANGE, site, array, index, operand)
}

export function compareExchange(
  site: number,
  array: Watched,
  index: number,
  expected: number,
  operand: number,
): number {
  current.expected = typeof expected === 'number' ? expected : integerOf(array, expected)
  return operate(COMPARE_EXCHANGE, site, array, index, operand)
}

export function wait(
  site: number,
  array: Watched,
  index: number,
  expected: number,
  timeout: number | undefined,
): string {
  const wanted = typeof expected === 'number' ? expected : integerOf(array, expected)
  // The engine says of what it does not take what it says to everybody; it does not come to wait for 0 milliseconds.
  if (!isWaitable(array)) Atomics.wait(array, index, wanted, 0)
  current.expected = typeof wanted === 'number' ? wanted | 0 : wanted
  const limit = timeout === undefined ? Infinity : Number(timeout)
  current.timeout = Number.isNaN(limit) ? Infinity : limit
  return operate(WAIT, site, array, index, 0) as unknown as string
}

export function waitAsync(
  site: number,
  array: Watched,
  index: number,
  expected: number,
  timeout: number | undefined,
): unknown {
  if (current === soloThread)
    return (Atomics as unknown as { waitAsync: (...args: unknown[]) => unknown }).waitAsync(
      array,
      index,
      expected,
      timeout,
    )
  const wanted = typeof expected === 'number' ? expected : integerOf(array, expected)
  if (!isWaitable(array)) Atomics.wait(array, index, wanted, 0)
  current.expected = typeof wanted === 'number' ? wanted | 0 : wanted
  const limit = timeout === undefined ? Infinity : Number(timeout)
  current.timeout = Number.isNaN(limit) ? Infinity : limit
  return operate(WAIT_ASYNC, site, array, index, 0)
}

/** Takes a waiter out of its queue. Returns whether it was there. */
export function leaveQueue(site: number, waiter: AsyncWaiter): boolean {
  current.leaver = waiter
  return operate(LEAVE, site, waiter.array, waiter.index, 0) as unknown as boolean
}

/** The thread ends where it is: nothing of it goes on but `after`. */
export function exitThread(_site: number, after: () => unknown): unknown {
  if (state.stopping) refuseToStop()
  current.ending = after
  return stop()
}

/** Ends thread `id`, wherever it is. `cell` is one that is written for it. */
export function stopThread(site: number, cell: Watched, id: number): unknown {
  current.victim = all[id]!
  return operate(STOP, site, cell, 0, 1)
}

/** The thread that runs does what is left of its event loop itself. */
export function ownsLoop(): void {
  current.isLooping = true
}

/** The thread is to wait for a change of an element as if it had read `value` there: without a step. */
export function watchCell(array: Watched, index: number, value: number): void {
  const thread = current
  made(array as Int32Array)
  thread.array = array
  thread.index = index
  thread.cell = array[SHARED]!.firstCell + index
  thread.watches = true
  noteRead(thread, value)
}

/**
 * The thread has decided to wait at one of several places, and not at these. Where it waits in vain while something is
 * there, another execution has it decide for that; where nothing is anywhere, one that `isLater` is like the first.
 */
export function passOver(places: Thread['passedOver'], isLater: boolean): void {
  current.passedOver = places
  current.hasDecidedLater = isLater
}

/** The places of the program that runs: what belongs to it is found by them. */
export function currentSites(): object {
  return sites
}

/** Queues exist for elements of 32 or 64 bits of shared memory only. */
function isWaitable(array: Watched): boolean {
  return (
    (array instanceof Int32Array || (array as unknown) instanceof BigInt64Array) &&
    (array as Int32Array).buffer instanceof SharedArrayBuffer
  )
}

export function notify(site: number, array: Watched, index: number, count: number | undefined): number {
  if (!isWaitable(array)) Atomics.notify(array, index, 0)
  return operate(NOTIFY, site, array, index, count ?? Infinity)
}

/** More pauses with no operation between them than any program has that ends. */
const VAIN_PAUSES_MAX = 10_000

/**
 * `Atomics.pause`: the thread spins on what it has read since it last changed something or paused. One that has read
 * nothing waits for what another writes plainly, which is a data race; it lets the others come to that.
 */
export function pause(site: number): unknown {
  const thread = current
  if (thread === soloThread) return undefined
  if (thread.reads === 0 && ++thread.vainPauses < VAIN_PAUSES_MAX) return undefined
  thread.isIdle = false
  return spin(thread, site, 0, thread.reads, false)
}

const nowhere: Watched = new Int32Array(0)

/**
 * The thread waits for an event: for a change of what it has read since it began to look (see beginLooking()), or, if
 * `isTimed`, until its next timer is due. Returns whether that is so. Nothing else passes in time.
 */
export function idle(site: number, isTimed: boolean, serves: boolean): boolean {
  const thread = current
  thread.idles = true
  thread.isTimed = isTimed
  thread.serves = serves
  // What it watches without having looked, it does not look at in another execution.
  thread.isIdle = !isTimed && scheduler!.leavesIdle && !thread.watches
  thread.watches = false
  thread.isStale = false
  if (thread.reads === 0) {
    // What stands there is of an earlier operation.
    thread.readCells[0] = 0
    thread.array = nowhere
  }
  return spin(thread, site, 0, thread.reads, false) as boolean
}

/** What is read from here on is what idle() waits for a change of. */
export function beginLooking(): void {
  current.forgetReads()
}

function spin(thread: Thread, site: number, from: number, to: number, turns: boolean): unknown {
  if (state.stopping) refuseToStop()
  thread.kind = PAUSE
  thread.site = site
  thread.local = false
  thread.watchFrom = from
  thread.watchTo = to
  thread.cell = thread.readCells[from]!
  thread.cells = 1
  thread.state = SPINNING
  thread.betweenTurns = turns
  return mustStop(thread) ? stop() : pauseDone(thread)
}

/** The next loop is entered. */
export function loop(site: number): void {
  const turns = current.turns[site]
  if (turns !== undefined) enterLoop(turns)
}

/**
 * A turn of a loop begins that takes nothing over from the last but what it reads, `values` and, if `keeps`,
 * properties. If the last has changed nothing, with these values too, it only waits, and so it does if it has read the
 * same as the one before (and `keeps` is false: of properties that changed, nobody knows what they mean). Loops within
 * it are part of the turn.
 */
export function again(site: number, keeps: boolean, values: readonly unknown[] = noValues): unknown {
  const thread = current
  if (thread === soloThread) return undefined
  const { reads, epoch, looks, rescues } = thread
  const { changes } = state
  const turns = thread.turnsOf(site)
  const isSameEpoch = turns.epoch === epoch
  const from = isSameEpoch ? turns.from : 0
  const isSame = values === noValues || sameValues(turns.values, values)
  const isIdle = scheduler!.waitsAtOnce && isSame && turns.changes === changes && turns.looks !== looks
  const repeats = !keeps && isSameEpoch && turns.before >= 0 && sameReads(thread, turns.before, from, reads)
  // What it saw when it was let go on because nothing else could is not what it would see later.
  const mayBeLater = isIdle && turns.rescues === rescues
  turns.epoch = epoch
  turns.before = isSameEpoch ? from : -1
  turns.from = reads
  turns.changes = changes
  turns.looks = looks
  turns.rescues = rescues
  turns.values = values
  const hasRead = reads > from
  if (!(hasRead ? isIdle || repeats : mayBeLater && scheduler!.leavesIdle)) return undefined
  thread.isIdle = mayBeLater
  // It has paused in this turn, until something changed.
  thread.isStale = !hasRead
  return spin(thread, site, from, reads, true)
}

function sameValues(before: readonly unknown[], now: readonly unknown[]): boolean {
  return before.length === now.length && now.every((value, index) => Object.is(value, before[index]))
}

function sameReads(thread: Thread, from: number, to: number, end: number): boolean {
  const length = to - from
  if (length !== end - to) return false
  for (let at = from; at < to; at++) {
    if (thread.readCells[at] !== thread.readCells[at + length]) return false
    if (!thread.readsAgree(at, at + length)) return false
  }
  return true
}

// ---------------------------------------------------------------------------------------------------------------------
// Doing operations

function noteRead(thread: Thread, value: number): void {
  const at = thread.reads
  thread.looks++
  if (at === READS_MAX) {
    thread.forgetReads()
    return
  }
  thread.readArrays[at] = thread.array
  thread.readIndices[at] = thread.index
  thread.readCells[at] = thread.cell
  if (typeof value === 'number') thread.readValues[at] = value
  else {
    thread.readValues[at] = Number.NaN
    thread.readBigInts[at] = value
  }
  thread.reads = at + 1
}

function loadDone(thread: Thread): number {
  const { array, index } = thread
  if (thread.native) return nativeDone(thread)
  if (forbidden !== null) checkForbidden(thread.cell, thread.site)
  const value = array[index]!
  noteRead(thread, value)
  if (tracer !== null) tracer.operation(thread, LOAD, value, value)
  return value
}

/** Does the operation that a thread has announced. */
function perform(thread: Thread): unknown {
  switch (thread.kind) {
    case LOAD:
      return loadDone(thread)
    case PAUSE:
      return pauseDone(thread)
    case WAIT:
      return waitDone(thread)
    case WOKEN:
      return wokenDone(thread)
    case NOTIFY:
      return notifyDone(thread)
    case WAIT_ASYNC:
      return waitAsyncDone(thread)
    case SIGNAL:
      changeDone(thread)
      return tellNext(thread)
    case LEAVE:
      return leaveDone(thread)
    case STOP:
      return stopDone(thread)
    default:
      return thread.native ? nativeDone(thread) : changeDone(thread)
  }
}

function changeDone(thread: Thread): number {
  const { kind, operand } = thread
  const before = thread.array[thread.index]!
  change(thread, before, valueAfter(kind, before, operand, thread.expected))
  return kind === STORE ? Math.trunc(operand) + 0 || 0 : before
}

function valueAfter(kind: number, before: number, operand: number, expected: number): number {
  switch (kind) {
    case ADD:
      return (before + operand) | 0
    case SUB:
      return (before - operand) | 0
    case AND:
      return before & operand
    case OR:
      return before | operand
    case XOR:
      return before ^ operand
    case COMPARE_EXCHANGE:
      return before === (expected | 0) ? operand | 0 : before
    default:
      return operand | 0
  }
}

/** Stores `after` where `before` was. */
function change(thread: Thread, before: number, after: number): void {
  const { array, index } = thread
  if (forbidden !== null) checkForbidden(thread.cell, thread.site)
  if (before === after) noteRead(thread, before)
  else {
    array[TRACKED]!.touch(index)
    array[index] = after
    state.changes++
    thread.forgetReads()
  }
  if (tracer !== null) tracer.operation(thread, thread.kind, before, after)
}

/** Lets the engine do an operation on other than 32-bit integers, or on an array that is not shared. */
function nativeDone(thread: Thread): number {
  const { array, index, operand } = thread
  if (array[TRACKED] !== undefined && thread.kind !== LOAD) array[TRACKED].touch(index)
  const before = thread.local ? 0 : array[index]!
  const result = nativeOperation(thread, array, index, operand)
  if (thread.local) {
    if (thread.kind !== LOAD) state.changes++
    return result
  }
  const after = array[index]!
  if (before === after) noteRead(thread, before)
  else {
    state.changes++
    thread.forgetReads()
  }
  if (tracer !== null) tracer.operation(thread, thread.kind, before, after)
  return result
}

function nativeOperation(thread: Thread, array: Watched, index: number, operand: number): number {
  switch (thread.kind) {
    case LOAD:
      return thread.isPlain ? array[index]! : Atomics.load(array, index)
    case STORE:
      return thread.isPlain ? (array[index] = operand) : Atomics.store(array, index, operand)
    case ADD:
      return Atomics.add(array, index, operand)
    case SUB:
      return Atomics.sub(array, index, operand)
    case AND:
      return Atomics.and(array, index, operand)
    case OR:
      return Atomics.or(array, index, operand)
    case XOR:
      return Atomics.xor(array, index, operand)
    case EXCHANGE:
      return Atomics.exchange(array, index, operand)
    default:
      return Atomics.compareExchange(array, index, thread.expected, operand)
  }
}

function pauseDone(thread: Thread): unknown {
  // Of a loop, the turns are compared on.
  if (thread.betweenTurns) return undefined
  const isDue = thread.idles && thread.isTimed && !thread.sawChange()
  if (tracer !== null) tracer.operation(thread, PAUSE, 0, 0)
  thread.idles = false
  thread.passedOver = noPlaces
  thread.hasDecidedLater = false
  thread.isTimed = false
  thread.serves = false
  thread.forgetReads()
  return isDue
}

/** Begins to wait; returns how that ended, unless the thread has to stop. */
function waitDone(thread: Thread): string {
  const { array, index } = thread
  if (thread === soloThread || thread.local) {
    return waitAlone(array, index, thread.expected, thread.timeout)
  }
  const value = array[index]!
  const equal = value === thread.expected
  // Who has no time to wait is asleep for nobody: notify cannot come between.
  const sleeps = equal && thread.timeout > 0
  thread.waitResult = sleeps ? 'ok' : equal ? 'timed-out' : 'not-equal'
  noteRead(thread, value)
  if (tracer !== null) tracer.operation(thread, WAIT, value, value)
  if (!sleeps) return thread.waitResult
  state.changes++
  thread.waitCell = thread.cell
  thread.state = WAITING
  thread.kind = WOKEN
  sleepers.push(thread)
  return mustStop(thread) ? stop() : wokenDone(thread)
}

function waitAsyncDone(thread: Thread): unknown {
  const { array, index, timeout } = thread
  const value = array[index]!
  const equal = value === thread.expected
  noteRead(thread, value)
  if (tracer !== null) tracer.operation(thread, WAIT_ASYNC, value, value)
  if (!equal) return { async: false, value: 'not-equal' }
  if (timeout <= 0) return { async: false, value: 'timed-out' }
  state.changes++
  const waiter = eventLoops().newWaiter({ waitCell: thread.cell, array, index, timeout })
  sleepers.push(waiter)
  return { async: true, value: waiter.promise }
}

/** Its thread is told in a step for each, as the engine does by a task: the count is returned when all are. */
function tellNext(thread: Thread): number {
  const waiter = thread.toTell.shift()
  if (waiter === undefined) return thread.woken
  thread.kind = SIGNAL
  thread.array = waiter.signal
  thread.index = 0
  thread.operand = 1
  if (announce(thread)) return stop()
  changeDone(thread)
  return tellNext(thread)
}

function leaveDone(thread: Thread): boolean {
  const place = sleepers.indexOf(thread.leaver!)
  if (place >= 0) {
    sleepers.splice(place, 1)
    state.changes++
  }
  if (tracer !== null) tracer.operation(thread, LEAVE, 0, 0)
  return place >= 0
}

function stopDone(thread: Thread): unknown {
  const victim = thread.victim!
  const place = sleepers.indexOf(victim)
  if (place >= 0) sleepers.splice(place, 1)
  // Its frames stay: they may be those of a function that is asked where it was.
  victim.state = FINISHED
  state.changes++
  thread.forgetReads()
  if (tracer !== null) tracer.operation(thread, STOP, 0, victim.id)
  return undefined
}

/** Nobody else is there who could notify. */
function waitAlone(
  array: Watched,
  index: number,
  expected: number,
  timeout: number,
): 'not-equal' | 'timed-out' {
  if (Atomics.load(array, index) !== expected) return 'not-equal'
  if (timeout === Infinity) throw new Error('Atomics.wait without a timeout, and no other thread to notify')
  return 'timed-out'
}

function wokenDone(thread: Thread): string {
  if (tracer !== null) tracer.operation(thread, WOKEN, 0, 0)
  return thread.waitResult
}

/** The time that a waiting thread was ready to wait is over. */
export function timeOut(thread: Thread): void {
  sleepers.splice(sleepers.indexOf(thread), 1)
  thread.waitResult = 'timed-out'
  thread.state = READY
}

function notifyDone(thread: Thread): number {
  if (thread.local) return Atomics.notify(thread.array, thread.index, thread.operand)
  const { cell } = thread
  let woken = 0
  for (let place = 0; place < sleepers.length && woken < thread.operand;) {
    const sleeper = sleepers[place]!
    if (sleeper.waitCell !== cell) {
      place++
      continue
    }
    sleepers.splice(place, 1)
    if (sleeper instanceof Thread) sleeper.state = READY
    else thread.toTell.push(sleeper)
    woken++
  }
  if (woken > 0) {
    state.changes++
    thread.forgetReads()
  }
  if (tracer !== null) tracer.operation(thread, NOTIFY, woken, woken)
  thread.woken = woken
  return thread.toTell.length > 0 ? tellNext(thread) : woken
}

// ---------------------------------------------------------------------------------------------------------------------
// Plain accesses. What is not shared does not come here.

export function read(array: Watched, index: number, site: number): number {
  if (forbidden !== null) checkForbidden(array[SHARED]!.firstCell + index, site)
  const value = array[index]!
  if (watching) {
    const view = array[SHARED]!
    scheduler!.plainRead(
      current.id,
      view.firstCell + index * view.cellsPerElement,
      view.cellsPerElement,
      site,
    )
  }
  if (tracer !== null) tracer.access(current, array, index, value, false, site)
  return value
}

export function write(array: Watched, index: number, value: number, site: number): number {
  const view = array[TRACKED]!
  if (forbidden !== null && view.shared) checkForbidden(view.firstCell + index, site)
  view.touch(index)
  state.changes++
  if (view.shared) noteWrite(view, index, 1, site)
  array[index] = value
  if (tracer !== null && view.shared) tracer.access(current, array, index, array[index], true, site)
  return value
}

function noteWrite(view: View, index: number, length: number, site: number): void {
  if (watching) {
    scheduler!.plainWrite(
      current.id,
      view.firstCell + index * view.cellsPerElement,
      length * view.cellsPerElement,
      site,
    )
  }
  current.reads = 0
  current.epoch++
}

/** `a[i]++`: returns what was there. */
export function update(array: Watched, index: number, delta: number, site: number): number {
  const before = array[SHARED] === undefined ? array[index]! : read(array, index, site)
  write(array, index, plus(before, delta), site)
  return before
}

/** `++a[i]`: returns what is there now, before it is cut to the size of the element. */
export function updated(array: Watched, index: number, delta: number, site: number): number {
  const before = array[SHARED] === undefined ? array[index]! : read(array, index, site)
  return write(array, index, plus(before, delta), site)
}

function plus(value: number | bigint, delta: number): number {
  return (typeof value === 'bigint' ? value + BigInt(delta) : value + delta) as number
}

/** A method of a typed array that reads or writes many elements. */
export function bulk(array: Watched, name: string, site: number, args: readonly unknown[]): unknown {
  const view = array[TRACKED]!
  const { length } = view
  const [first, second, third] = args as [unknown, number | undefined, number | undefined]
  switch (name) {
    case 'fill':
      noteBulkWrite(view, clampIndex(second ?? 0, length), clampIndex(third ?? length, length), site)
      break
    case 'copyWithin': {
      const target = clampIndex(first as number, length)
      const start = clampIndex(second ?? 0, length)
      const count = Math.min(clampIndex(third ?? length, length) - start, length - target)
      noteBulkRead(view, start, start + count, site)
      noteBulkWrite(view, target, target + count, site)
      break
    }
    case 'set': {
      const from = first as Watched
      const sourceView = from[SHARED]
      if (sourceView !== undefined) noteBulkRead(sourceView, 0, sourceView.length, site)
      noteBulkWrite(view, second ?? 0, (second ?? 0) + from.length, site)
      break
    }
    case 'reverse':
    case 'sort':
      noteBulkRead(view, 0, length, site)
      noteBulkWrite(view, 0, length, site)
      break
    case 'subarray':
    case 'keys':
      break
    case 'values':
      return iterateWatched(array, site, read)
    case 'entries':
      return iterateWatched(array, site, entryOf)
    default:
      if (bulkMethods.has(name)) noteBulkRead(view, 0, length, site)
  }
  const result = Reflect.apply((array as unknown as Methods)[name]!, array, args)
  return name === 'subarray' ? made(result as ArrayBufferView) : result
}

type Method = (this: unknown, ...args: readonly unknown[]) => unknown
type Methods = Record<string, Method>

function clampIndex(index: number, length: number): number {
  return index < 0 ? Math.max(0, length + index) : Math.min(index, length)
}

/** One cell of each 16 stands for all. */
function checkBulk(view: View, start: number, end: number, site: number): void {
  if (forbidden === null || !view.shared) return
  for (let index = start; index < end; index += 16) checkForbidden(view.firstCell + index, site)
}

function noteBulkRead(view: View, start: number, end: number, site: number): void {
  checkBulk(view, start, end, site)
  if (!watching || !view.shared || start >= end) return
  scheduler!.plainRead(
    current.id,
    view.firstCell + start * view.cellsPerElement,
    (end - start) * view.cellsPerElement,
    site,
  )
}

function noteBulkWrite(view: View, start: number, end: number, site: number): void {
  if (start >= end) return
  checkBulk(view, start, end, site)
  view.touchRange(start, end)
  state.changes++
  if (view.shared) noteWrite(view, start, end - start, site)
}

/** A method of a DataView. */
export function dataView(
  object: DataView & Watched,
  name: string,
  site: number,
  args: readonly unknown[],
): unknown {
  const bytes = Number(/\d+/.exec(name)![0]) / 8
  const offset = Number(args[0])
  const track = object[TRACKED]!
  if (offset >= 0 && offset + bytes <= track.length) {
    if (name.startsWith('set')) noteBulkWrite(track, offset, offset + bytes, site)
    else noteBulkRead(track, offset, offset + bytes, site)
  }
  return Reflect.apply((object as unknown as Methods)[name]!, object, args)
}

/** `object[name](...args)`, where the name is computed. */
export function computedCall(object: Watched, name: string, site: number, args: readonly unknown[]): unknown {
  if (ArrayBuffer.isView(object) && object[TRACKED] !== undefined && typeof name === 'string') {
    if (viewMethod.test(name)) return dataView(object as unknown as DataView & Watched, name, site, args)
    return bulk(object, name, site, args)
  }
  return Reflect.apply((object as unknown as Methods)[name]!, object, args)
}

/** Notes that every element of an array is read, if it is shared. Returns it. */
export function source<T>(value: T, site: number): T {
  const view = ArrayBuffer.isView(value) ? (value as { [SHARED]?: View })[SHARED] : undefined
  if (view !== undefined) noteBulkRead(view, 0, view.length, site)
  return value
}

/** A typed array or DataView was made: from now on it is watched if its memory is shared. */
export function made<T extends ArrayBufferView>(array: T): T {
  const { buffer } = array
  if (!memory.has(buffer)) {
    if (!(buffer instanceof SharedArrayBuffer)) return array
    refuseToFollow(buffer)
  }
  const { cells } = memory
  memory.add(array, true)
  if (memory.cells > cells) scheduler?.memoryGrew()
  if ((array as { [SHARED]?: View })[SHARED] !== undefined) watchIteration(array)
  return array
}

/** Nothing is explored: memories of WebAssembly are taken for buffers like others, and nobody counts. */
let isNothingExplored = false

export function exploreNothing(): void {
  isNothingExplored = true
}

/** Shared memory of which something happens that cannot be seen. */
function refuseToFollow(buffer: SharedArrayBuffer): void {
  const known = memory.sameMemory(buffer)
  if (buffer.growable || (known !== undefined && known.buffer.byteLength !== buffer.byteLength))
    refused(
      siteHere('SharedArrayBuffer'),
      'shared memory that grows cannot be followed',
      'make it as large as it gets',
    )
  // The buffers of such memories, and no others, are frozen (WebAssembly JavaScript Interface, "create a fixed length
  // memory buffer").
  if (!isNothingExplored && Object.isFrozen(buffer)) {
    const problem = 'shared memory of WebAssembly: what its instructions do to it cannot be seen'
    refused(
      siteHere('WebAssembly.Memory'),
      problem,
      'use a SharedArrayBuffer, and a form of the code in JavaScript',
    )
  }
}

type Entry = (array: Watched, index: number, site: number) => unknown

const entryOf: Entry = (array, index, site) => [index, read(array, index, site)]

const watchedIterator = {
  value(this: Watched) {
    return iterateWatched(this, siteHere('read'), read)
  },
}
const watchedText = {
  value(this: Watched) {
    return bulk(this, 'join', siteHere('read'), [])
  },
}

/**
 * Lets a shared array tell what is read of it where no call or access can be seen: by spreading, by destructuring, by
 * `for…of`, by the engine. These properties are not enumerable, so that the array still equals one like it.
 */
function watchIteration(array: ArrayBufferView): void {
  if (array instanceof DataView || Object.hasOwn(array, Symbol.iterator)) return
  Object.defineProperty(array, Symbol.iterator, watchedIterator)
  Object.defineProperty(array, 'toString', watchedText)
}

/** Each element is read when it is asked for, as the engine does it. */
function iterateWatched(array: Watched, site: number, entry: Entry): IterableIterator<unknown> {
  let index = 0
  return {
    [Symbol.iterator]() {
      return this
    },
    next() {
      if (index >= array.length) return { done: true, value: undefined }
      return { done: false, value: entry(array, index++, site) }
    },
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Calls

export function probe(id: number, first: unknown, a: unknown, b: unknown, c: unknown, d: unknown): void {
  probes?.called(id, first, a, b, c, d)
}

export function probed<T>(
  id: number,
  result: T,
  first: unknown,
  a: unknown,
  b: unknown,
  c: unknown,
  d: unknown,
): T {
  probes?.returned(id, result, first, a, b, c, d)
  return result
}

export function enter(site: number, args: readonly unknown[]): void {
  tracer?.enter(current, site, args)
}

export function leave(site: number): void {
  tracer?.leave(current, site)
}
