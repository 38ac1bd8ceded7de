// What the steppable form of a program calls: announcing operations, doing them, reading and writing elements.
//
// Threads are generators. A thread announces its next operation and asks the scheduler who goes on; only if that is
// another thread does it yield, since leaving and entering a nest of generators costs more than everything else. So the
// scheduler knows the next operation of every thread, and is called from the thread that was last at work.
//
// There is one program at a time, hence module state and no object: it is read at every step.

import { type View, memory } from './memory.ts'
import { SteppingRefused } from './refusal.ts'
import type { Site } from './sites.ts'
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
  /** From which read on a pause looks. */
  watchFrom = 0
  watchTo = 0
  loopSite = -1
  loopBefore = -1
  loopFrom = 0

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
    this.loopSite = -1
    this.watchFrom = 0
    this.watchTo = 0
  }

  /** Something of what it spun on has changed. */
  sawChange(): boolean {
    for (let at = this.watchFrom; at < this.watchTo; at++) {
      if (this.readArrays[at]![this.readIndices[at]!] !== this.readValues[at]) return true
    }
    return false
  }
}

/** Decides who goes on, and is told of plain accesses. */
export abstract class Scheduler {
  /** Every thread has announced its next operation. Returns the thread that does its own, or -1 to end it all. */
  abstract choose(): number
  /** Plain accesses of shared cells, while {@link setWatching} says so. */
  abstract plainRead(thread: number, firstCell: number, cells: number, site: number): void
  abstract plainWrite(thread: number, firstCell: number, cells: number, site: number): void
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
let forbidden: Forbidden | null = null
let sites: readonly Site[] = []
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

export function setSites(value: readonly Site[]): void {
  sites = value
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
    if (error instanceof SteppingRefused) throw error
    return { thrown: { thread: running, error } }
  } finally {
    starting = false
    rigidSite = -1
    watching = false
    scheduler = null
    current = soloThread
  }
  return regularEnding
}

/** True for what a steppable function returns when it is called. */
export function stops(value: unknown): value is Generator<void, unknown, void> {
  return (
    typeof value === 'object' &&
    value !== null &&
    (value as { [Symbol.toStringTag]?: string })[Symbol.toStringTag] === 'Generator'
  )
}

/** The result of a steppable function that runs without other threads, or of any other as it is. */
export function alone(value: unknown): unknown {
  if (!stops(value)) return value
  const outer = current
  current = soloThread
  soloOperations = 0
  try {
    const { done, value: result } = value.next()
    if (done !== true) throw new Error('the only thread waits for ever')
    return result
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
  const { file, line, source } = sites[rigidSite]!
  throw new SteppingRefused(
    file,
    line,
    `${source} comes to a shared access where nothing can stop`,
    'call it from an ordinary function and not from a constructor, accessor or callback of the engine',
  )
}

// ---------------------------------------------------------------------------------------------------------------------
// Announcing operations

/** Returns whether the thread has to stop before its operation. */
function announce(thread: Thread): boolean {
  const { array, index } = thread
  const view = array[SHARED]
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
  thread.operand = value
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
  thread.operand = operand
  return announce(thread)
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
  current.expected = expected
  return announceWithOperand(COMPARE_EXCHANGE, site, array, index, operand)
}

export function wait(
  site: number,
  array: Watched,
  index: number,
  expected: number,
  timeout: number | undefined,
): boolean {
  current.expected = expected
  current.timeout = timeout === undefined || Number.isNaN(timeout) ? Infinity : timeout
  return announceWithOperand(WAIT, site, array, index, 0)
}

export function notify(site: number, array: Watched, index: number, count: number | undefined): boolean {
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
  const thread = current
  thread.loopSite = site
  thread.loopBefore = -1
  thread.loopFrom = thread.reads
}

/** A turn of a loop begins. One that repeats the reads of the last, and has changed nothing, only waits. */
export function again(site: number): boolean {
  const thread = current
  if (thread === soloThread) return false
  const { reads, loopFrom, loopBefore } = thread
  if (thread.loopSite !== site || reads < loopFrom) {
    thread.loopSite = site
    thread.loopBefore = -1
    thread.loopFrom = reads
    return false
  }
  const waits = loopBefore >= 0 && reads > loopFrom && sameReads(thread, loopBefore, loopFrom, reads)
  thread.loopBefore = loopFrom
  thread.loopFrom = reads
  return waits && spin(thread, site, loopFrom, reads)
}

function sameReads(thread: Thread, from: number, to: number, end: number): boolean {
  const length = to - from
  if (length !== end - to) return false
  for (let at = from; at < to; at++) {
    if (thread.readCells[at] !== thread.readCells[at + length]) return false
    if (thread.readValues[at] !== thread.readValues[at + length]) return false
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
  thread.readValues[at] = value
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
  return operand
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
  thread.waitResult = equal ? 'ok' : 'not-equal'
  noteRead(thread, value)
  if (tracer !== null) tracer.operation(thread, WAIT, value, value)
  if (!equal) return false
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
  current.loopSite = -1
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
      const source = first as Watched
      const sourceView = source[SHARED]
      if (sourceView !== undefined) noteBulkRead(sourceView, 0, sourceView.length, site)
      noteBulkWrite(view, second ?? 0, (second ?? 0) + source.length, site)
      break
    }
    case 'reverse':
    case 'sort':
      noteBulkRead(view, 0, length, site)
      noteBulkWrite(view, 0, length, site)
      break
    case 'subarray':
      break
    default:
      noteBulkRead(view, 0, length, site)
  }
  const result = (array as unknown as Record<string, (...args: readonly unknown[]) => unknown>)[name]!(
    ...args,
  )
  return name === 'subarray' ? made(result as ArrayBufferView) : result
}

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
  return (object as unknown as Record<string, (...args: readonly unknown[]) => unknown>)[name]!(...args)
}

/** A typed array or DataView was made: from now on it is watched if its memory is shared. */
export function made<T extends ArrayBufferView>(array: T): T {
  const { buffer } = array
  if (!memory.has(buffer) && !(buffer instanceof SharedArrayBuffer)) return array
  return memory.add(array, true)
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
