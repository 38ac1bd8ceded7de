// What the steppable form of a program calls: announcing operations, doing them, reading and writing elements.
//
// Threads are generators. A thread announces its next operation and asks the scheduler who goes on; only if that is
// another thread does it yield, since leaving and entering a nest of generators costs more than everything else. So the
// scheduler knows the next operation of every thread, and is called from the thread that was last at work.
//
// There is one program at a time, hence module state and no object: it is read at every step.

import { type View, memory } from './memory.ts'
import { bulkMethods, viewMethod } from './names.ts'
import { SteppingRefused, TimeUp } from './refusal.ts'
import { type Site, currentPlace } from './sites.ts'
import { SHARED, TRACKED } from './tags.ts'

/** Operations by number. */
export const LOAD = 0
export const STORE = 1
export const ADD = 2
export const SUB = 3
export const AND = 4
export const OR = 5
export const XOR = 6
export const EXCHANGE = 7
export const COMPARE_EXCHANGE = 8
export const WAIT = 9
export const NOTIFY = 10
/** The thread has been woken from a wait. */
export const WOKEN = 11
/** The thread has read the same as before and goes on when something of that changes. */
export const PAUSE = 12

export const operationNames = [
  'load',
  'store',
  'add',
  'sub',
  'and',
  'or',
  'xor',
  'exchange',
  'compareExchange',
  'wait',
  'notify',
  'woken',
  'pause',
] as const

export type Watched = Int32Array & { [SHARED]?: View; [TRACKED]?: View }

/** How a thread stands. */
export const READY = 0
/** In `Atomics.wait`, and not yet notified. */
export const WAITING = 1
/** It has read the same as before; see PAUSE. */
export const SPINNING = 2
export const FINISHED = 3

/** Where among a thread's reads the turns of a loop began: the last but one, or -1, and the last. */
interface Turns {
  epoch: number
  before: number
  from: number
}

/** Reads that are remembered since a thread last changed something. */
const READS_MAX = 512
const noArray: Watched = new Int32Array(0)

export class Thread {
  readonly id: number
  generator: Generator<void, unknown, void> | null = null
  state = READY

  // The next operation.
  kind = LOAD
  site = -1
  array: Watched = noArray
  index = 0
  operand = 0
  expected = 0
  timeout = Infinity
  cell = 0
  cells = 1
  /** The elements are no 32-bit integers, or not shared, or nobody schedules: the engine does it. */
  native = false
  /** The operation is not shared: no step. */
  local = false

  /** How `Atomics.wait` ended. */
  waitResult: 'ok' | 'not-equal' | 'timed-out' = 'ok'
  /** The cell on which it waits. */
  waitCell = 0
  /** How often it went on without cause, because nothing else could. */
  rescues = 0

  // What it has read since it last changed something.
  reads = 0
  readonly readArrays: Watched[] = []
  readonly readIndices = new Int32Array(READS_MAX)
  readonly readCells = new Int32Array(READS_MAX)
  readonly readValues = new Float64Array(READS_MAX)
  /** Where the element is a big integer, its value; {@link readValues} has NaN for it. */
  readonly readBigInts: bigint[] = []
  /** From which read on a pause looks. */
  watchFrom = 0
  watchTo = 0
  /** Moves when it forgets what it has read. */
  epoch = 0
  /** Turns of loops, by the number of the loop. */
  readonly turns: (Turns | undefined)[] = []

  constructor(id: number) {
    this.id = id
  }

  reset(): void {
    this.generator = null
    this.state = READY
    this.site = -1
    this.rescues = 0
    this.forgetReads()
  }

  forgetReads(): void {
    this.reads = 0
    this.epoch++
    this.watchFrom = 0
    this.watchTo = 0
  }

  /** Something of what it spun on has changed. */
  sawChange(): boolean {
    for (let at = this.watchFrom; at < this.watchTo; at++) {
      const value: number | bigint = this.readArrays[at]![this.readIndices[at]!]!
      if (value !== this.readValues[at] && !this.#isBigInt(at, value)) return true
    }
    return false
  }

  /** Two of its reads had the same value. */
  readsAgree(at: number, other: number): boolean {
    if (this.readValues[at] === this.readValues[other]) return true
    return Number.isNaN(this.readValues[at]!) && this.#isBigInt(other, this.readBigInts[at]!)
  }

  #isBigInt(at: number, value: number | bigint): boolean {
    return Number.isNaN(this.readValues[at]!) && this.readBigInts[at] === value
  }
}

/** Decides who goes on, and is told of plain accesses. */
export abstract class Scheduler {
  /** Every thread has announced its next operation. Returns the thread that does its own, or -1 to end it all. */
  abstract choose(): number
  /** Plain accesses of shared cells, while {@link setWatching} says so. */
  abstract plainRead(thread: number, firstCell: number, cells: number, site: number): void
  abstract plainWrite(thread: number, firstCell: number, cells: number, site: number): void
  /** There are more cells: a thread has made an array over memory that was not known yet. */
  memoryGrew(): void {}
}

/** Follows an execution step by step, for a trace. */
export interface Tracer {
  operation(thread: Thread, kind: number, before: number, after: number): void
  access(thread: Thread, array: Watched, index: number, value: number, write: boolean, site: number): void
  enter(thread: Thread, site: number, args: readonly unknown[]): void
  leave(thread: Thread, site: number): void
}

/** Told of probed functions, with the first five of their arguments. */
export interface Probes {
  called(id: number, first: unknown, a: unknown, b: unknown, c: unknown, d: unknown): void
  returned(id: number, result: unknown, first: unknown, a: unknown, b: unknown, c: unknown, d: unknown): void
}

/** Memory that must not be touched. */
export interface Forbidden {
  /** For every 16 cells, 0 where they may be touched. */
  readonly marks: Int32Array
  /** Called before the access of a cell that may not be; may throw. */
  touched(thread: number, cell: number, site: number): void
}

const soloThread = new Thread(-1)

/** Operations that what runs alone may do until it is taken to be in a loop without end. */
const SOLO_OPERATIONS_MAX = 1_000_000
let soloOperations = 0

/** What runs without other threads does not come to an end. */
export class EndlessLoop extends Error {
  override readonly name = 'EndlessLoop'
}

let current: Thread = soloThread
let scheduler: Scheduler | null = null
let nextThread = -1
/** The threads run up to their first operation. */
let starting = false
/** Where something was called that must not stop now; -1 as a rule. */
let rigidSite = -1
/** Plain accesses are reported. */
let watching = false
let tracer: Tracer | null = null
let probes: Probes | null = null
let sites: Site[] = []
/** Code that cannot be stepped was come to: whoever catches the error, the program cannot be checked. */
let refusal: SteppingRefused | TimeUp | null = null
let forbidden: Forbidden | null = null
/** Threads that wait, in the order in which they came. */
const sleepers: Thread[] = []

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

/** The number of the place from which the runtime was called, for what has no number of its own. */
export function siteHere(what: string): number {
  const place = currentPlace(what)
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

/**
 * Runs `bodies` as threads under `chooser` until all have finished or it ends the execution. `threads` are the records
 * to use, one for each.
 */
export function runThreads(
  threads: readonly Thread[],
  bodies: readonly (() => unknown)[],
  chooser: Scheduler,
): Ending {
  scheduler = chooser
  refusal = null
  sleepers.length = 0
  let running = 0
  try {
    starting = true
    for (const thread of threads) {
      thread.reset()
      running = thread.id
      current = thread
      const result = bodies[thread.id]!()
      if (!stops(result)) thread.state = FINISHED
      else {
        thread.generator = result
        if (result.next().done === true) thread.state = FINISHED
      }
    }
    starting = false
    nextThread = chooser.choose()
    while (nextThread >= 0) {
      running = nextThread
      current = threads[running]!
      if (current.generator!.next().done === true) {
        current.state = FINISHED
        nextThread = chooser.choose()
      }
    }
  } catch (error) {
    if (refusal === null) return { thrown: { thread: running, error: memory.finerNeeded ?? error } }
  } finally {
    starting = false
    rigidSite = -1
    watching = false
    scheduler = null
    current = soloThread
  }
  raiseWhatWasCaught()
  return regularEnding
}

/** A program that catches errors may have caught one that was not meant for it. */
function raiseWhatWasCaught(): void {
  const error = refusal ?? memory.finerNeeded
  refusal = null
  if (error !== null) throw error
}

/** True for what a steppable function returns when it is called. */
export function stops(value: unknown): value is Generator<void, unknown, void> {
  if (typeof value !== 'object' || value === null) return false
  try {
    return (value as { [Symbol.toStringTag]?: string })[Symbol.toStringTag] === 'Generator'
  } catch {
    // A proxy that cannot be asked for that.
    return false
  }
}

/** The result of a steppable function that runs without other threads, or of any other as it is. */
export function alone(value: unknown): unknown {
  if (!stops(value)) return value
  const outer = current
  current = soloThread
  soloOperations = 0
  try {
    const { done, value: result } = value.next()
    if (scheduler === null) raiseWhatWasCaught()
    if (done !== true) throw new Error('the only thread waits for ever')
    return result
  } catch (error) {
    if (scheduler === null) raiseWhatWasCaught()
    throw error
  } finally {
    current = outer
  }
}

/**
 * A call from where nothing can stop: a constructor, an accessor, a function that the engine calls. What is called
 * may be able to stop, as long as it does not want to.
 */
export function plain(value: unknown, site: number): unknown {
  if (!stops(value)) return value
  if (current === soloThread) return alone(value)
  const outer = rigidSite
  rigidSite = site
  try {
    return value.next().value
  } finally {
    rigidSite = outer
  }
}

function refuseToStop(): never {
  const { source: text } = sites[rigidSite]!
  return refused(
    rigidSite,
    `${text} comes to a shared access where nothing can stop`,
    'call it from an ordinary function, and not from a callback of the engine, a constructor of a class that ' +
      'extends another, a generator or an async function',
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
    if (performance.now() < deadline) return
    const place = sites[site]!
    timeUp = new TimeUp(place.file, place.line, place.source)
  }
  // Whoever catches it comes no further than to the next turn of a loop.
  turnsLeft = 0
  refusal ??= timeUp
  throw timeUp
}

let outerRigidSite = -1

/** The next operation stands where nothing can stop. Called last before it, and loosen() after it. */
export function stiffen(site: number): void {
  outerRigidSite = rigidSite
  rigidSite = site
}

export function loosen(): void {
  rigidSite = outerRigidSite
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
  const view = array[SHARED] ?? viewOf(array)
  if (thread === soloThread && ++soloOperations > SOLO_OPERATIONS_MAX) {
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
  if (rigidSite >= 0) refuseToStop()
  if (starting) return true
  const chosen = scheduler!.choose()
  if (chosen === thread.id) return false
  nextThread = chosen
  return true
}

export function load(site: number, array: Watched, index: number): boolean {
  const thread = current
  thread.kind = LOAD
  thread.site = site
  thread.array = array
  thread.index = index
  return announce(thread)
}

export function store(site: number, array: Watched, index: number, value: number): boolean {
  const thread = current
  thread.kind = STORE
  thread.site = site
  thread.array = array
  thread.index = index
  thread.operand = typeof value === 'number' ? value : integerOf(array, value)
  return announce(thread)
}

function announceWithOperand(
  kind: number,
  site: number,
  array: Watched,
  index: number,
  operand: number,
): boolean {
  const thread = current
  thread.kind = kind
  thread.site = site
  thread.array = array
  thread.index = index
  thread.operand = typeof operand === 'number' ? operand : integerOf(array, operand)
  return announce(thread)
}

/** What `Atomics` makes of an operand before it does anything. */
function integerOf(array: Watched, value: unknown): number {
  const isBig = (array as unknown) instanceof BigInt64Array || (array as unknown) instanceof BigUint64Array
  // Big integers are left as they are; BigInt() would take numbers, which Atomics does not.
  return isBig ? (BigInt.asIntN(64, value as bigint) as unknown as number) : Number(value)
}

export function add(site: number, array: Watched, index: number, operand: number): boolean {
  return announceWithOperand(ADD, site, array, index, operand)
}

export function sub(site: number, array: Watched, index: number, operand: number): boolean {
  return announceWithOperand(SUB, site, array, index, operand)
}

export function and(site: number, array: Watched, index: number, operand: number): boolean {
  return announceWithOperand(AND, site, array, index, operand)
}

export function or(site: number, array: Watched, index: number, operand: number): boolean {
  return announceWithOperand(OR, site, array, index, operand)
}

export function xor(site: number, array: Watched, index: number, operand: number): boolean {
  return announceWithOperand(XOR, site, array, index, operand)
}

export function exchange(site: number, array: Watched, index: number, operand: number): boolean {
  return announceWithOperand(EXCHANGE, site, array, index, operand)
}

export function compareExchange(
  site: number,
  array: Watched,
  index: number,
  expected: number,
  operand: number,
): boolean {
  current.expected = typeof expected === 'number' ? expected : integerOf(array, expected)
  return announceWithOperand(COMPARE_EXCHANGE, site, array, index, operand)
}

export function wait(
  site: number,
  array: Watched,
  index: number,
  expected: number,
  timeout: number | undefined,
): boolean {
  const wanted = typeof expected === 'number' ? expected : integerOf(array, expected)
  // The engine says of what it does not take what it says to everybody; it does not come to wait for 0 milliseconds.
  if (!isWaitable(array)) Atomics.wait(array, index, wanted, 0)
  current.expected = typeof wanted === 'number' ? wanted | 0 : wanted
  const limit = timeout === undefined ? Infinity : Number(timeout)
  current.timeout = Number.isNaN(limit) ? Infinity : limit
  return announceWithOperand(WAIT, site, array, index, 0)
}

/** Queues exist for elements of 32 or 64 bits of shared memory only. */
function isWaitable(array: Watched): boolean {
  return (
    (array instanceof Int32Array || (array as unknown) instanceof BigInt64Array) &&
    (array as Int32Array).buffer instanceof SharedArrayBuffer
  )
}

export function notify(site: number, array: Watched, index: number, count: number | undefined): boolean {
  if (!isWaitable(array)) Atomics.notify(array, index, 0)
  return announceWithOperand(NOTIFY, site, array, index, count ?? Infinity)
}

/** `Atomics.pause`: the thread spins on what it has read since it last changed something or paused. */
export function pause(site: number): boolean {
  const thread = current
  if (thread === soloThread || thread.reads === 0) {
    thread.local = true
    return false
  }
  return spin(thread, site, 0, thread.reads)
}

function spin(thread: Thread, site: number, from: number, to: number): boolean {
  thread.kind = PAUSE
  thread.site = site
  thread.local = false
  thread.watchFrom = from
  thread.watchTo = to
  thread.cell = thread.readCells[from]!
  thread.cells = 1
  thread.state = SPINNING
  return mustStop(thread)
}

/** The next loop is entered. */
export function loop(site: number): void {
  const turns = current.turns[site]
  if (turns !== undefined) turns.epoch = -1
}

/**
 * A turn of a loop begins. One that repeats the reads of the last, and has changed nothing, only waits. Loops within it
 * are part of the turn.
 */
export function again(site: number): boolean {
  const thread = current
  if (thread === soloThread) return false
  const { reads, epoch } = thread
  const turns = (thread.turns[site] ??= { epoch: -1, before: -1, from: 0 })
  if (turns.epoch !== epoch) {
    turns.epoch = epoch
    turns.before = -1
    turns.from = reads
    return false
  }
  const { before, from } = turns
  const waits = before >= 0 && reads > from && sameReads(thread, before, from, reads)
  turns.before = from
  turns.from = reads
  return waits && spin(thread, site, from, reads)
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

export function loadDone(): number {
  const thread = current
  const { array, index } = thread
  if (thread.native) return nativeDone(thread)
  if (forbidden !== null) checkForbidden(thread.cell, thread.site)
  const value = array[index]!
  noteRead(thread, value)
  if (tracer !== null) tracer.operation(thread, LOAD, value, value)
  return value
}

export function storeDone(): number {
  const thread = current
  const { array, index, operand } = thread
  if (thread.native) return nativeDone(thread)
  change(thread, array[index]!, operand | 0)
  return Math.trunc(operand) + 0 || 0
}

/** Stores `after` where `before` was. */
function change(thread: Thread, before: number, after: number): void {
  const { array, index } = thread
  if (forbidden !== null) checkForbidden(thread.cell, thread.site)
  if (before === after) noteRead(thread, before)
  else {
    array[TRACKED]!.touch(index)
    array[index] = after
    thread.forgetReads()
  }
  if (tracer !== null) tracer.operation(thread, thread.kind, before, after)
}

export function addDone(): number {
  const thread = current
  if (thread.native) return nativeDone(thread)
  const before = thread.array[thread.index]!
  change(thread, before, (before + thread.operand) | 0)
  return before
}

export function subDone(): number {
  const thread = current
  if (thread.native) return nativeDone(thread)
  const before = thread.array[thread.index]!
  change(thread, before, (before - thread.operand) | 0)
  return before
}

export function andDone(): number {
  const thread = current
  if (thread.native) return nativeDone(thread)
  const before = thread.array[thread.index]!
  change(thread, before, before & thread.operand)
  return before
}

export function orDone(): number {
  const thread = current
  if (thread.native) return nativeDone(thread)
  const before = thread.array[thread.index]!
  change(thread, before, before | thread.operand)
  return before
}

export function xorDone(): number {
  const thread = current
  if (thread.native) return nativeDone(thread)
  const before = thread.array[thread.index]!
  change(thread, before, before ^ thread.operand)
  return before
}

export function exchangeDone(): number {
  const thread = current
  if (thread.native) return nativeDone(thread)
  const before = thread.array[thread.index]!
  change(thread, before, thread.operand | 0)
  return before
}

export function compareExchangeDone(): number {
  const thread = current
  if (thread.native) return nativeDone(thread)
  const before = thread.array[thread.index]!
  change(thread, before, before === (thread.expected | 0) ? thread.operand | 0 : before)
  return before
}

/** Lets the engine do an operation on other than 32-bit integers, or on an array that is not shared. */
function nativeDone(thread: Thread): number {
  const { array, index, operand } = thread
  if (array[TRACKED] !== undefined && thread.kind !== LOAD) array[TRACKED].touch(index)
  const before = thread.local ? 0 : array[index]!
  const result = nativeOperation(thread, array, index, operand)
  if (thread.local) return result
  const after = array[index]!
  if (before === after) noteRead(thread, before)
  else thread.forgetReads()
  if (tracer !== null) tracer.operation(thread, thread.kind, before, after)
  return result
}

function nativeOperation(thread: Thread, array: Watched, index: number, operand: number): number {
  switch (thread.kind) {
    case LOAD:
      return Atomics.load(array, index)
    case STORE:
      return Atomics.store(array, index, operand)
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

export function pauseDone(): void {
  const thread = current
  if (thread.local) return
  if (tracer !== null) tracer.operation(thread, PAUSE, 0, 0)
  thread.forgetReads()
}

/** Begins to wait. Returns whether the thread has to stop. */
export function waitDone(): boolean {
  const thread = current
  const { array, index } = thread
  if (thread === soloThread || thread.local) {
    thread.waitResult = waitAlone(array, index, thread.expected, thread.timeout)
    return false
  }
  const value = array[index]!
  const equal = value === thread.expected
  // Who has no time to wait is asleep for nobody: notify cannot come between.
  const sleeps = equal && thread.timeout > 0
  thread.waitResult = sleeps ? 'ok' : equal ? 'timed-out' : 'not-equal'
  noteRead(thread, value)
  if (tracer !== null) tracer.operation(thread, WAIT, value, value)
  if (!sleeps) return false
  thread.waitCell = thread.cell
  thread.state = WAITING
  thread.kind = WOKEN
  sleepers.push(thread)
  return mustStop(thread)
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

export function waited(): string {
  const thread = current
  if (thread.kind === WOKEN && tracer !== null) tracer.operation(thread, WOKEN, 0, 0)
  return thread.waitResult
}

/** The time that a waiting thread was ready to wait is over. */
export function timeOut(thread: Thread): void {
  sleepers.splice(sleepers.indexOf(thread), 1)
  thread.waitResult = 'timed-out'
  thread.state = READY
}

export function notifyDone(): number {
  const thread = current
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
    sleeper.state = READY
    woken++
  }
  if (woken > 0) thread.forgetReads()
  if (tracer !== null) tracer.operation(thread, NOTIFY, woken, woken)
  return woken
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
  if (object[TRACKED] !== undefined && typeof name === 'string') {
    if (viewMethod.test(name)) return dataView(object as unknown as DataView & Watched, name, site, args)
    return bulk(object, name, site, args)
  }
  return Reflect.apply((object as unknown as Methods)[name]!, object, args)
}

/** Notes that every element of an array is read, if it is shared. Returns it. */
export function source<T>(value: T, site: number): T {
  const view = (value as { [SHARED]?: View } | null | undefined)?.[SHARED]
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

/** Whether memories of WebAssembly are taken for buffers like others: where nothing is explored. */
let takesWebAssembly = false

export function takeWebAssembly(): void {
  takesWebAssembly = true
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
  if (!takesWebAssembly && Object.isFrozen(buffer)) {
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
