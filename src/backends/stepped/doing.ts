// Doing the operations that were announced.

import { announce } from './announcing.ts'
import { leaveTime, takeTime, tellTime } from './clock.ts'
import { eventLoops } from './event-loops.ts'
import { checkForbidden } from './plain-accesses.ts'
import { real } from './real-atomics.ts'
import { forbidden, mustStop, scheduler, sleepers, soloThread, state, stop, tracer } from './running.ts'
import { TRACKED } from './tags.ts'
import { beginInner, endInner } from './vain-turns.ts'
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
  SIGNAL,
  STOP,
  STORE,
  SUB,
  Thread,
  WAIT,
  WAIT_ASYNC,
  WAITING,
  type Watched,
  WOKEN,
  XOR,
} from './thread.ts'

/** A change that others see, in memory or in who waits. */
function noteShared(thread: Thread): void {
  state.changes++
  thread.sharedChanges++
}

/** Others see it there, until it is woken, or its time is over. */
function enterQueue(thread: Thread): void {
  thread.queueing++
  thread.inQueues++
}

export function noteRead(thread: Thread, value: number): void {
  const at = thread.reads
  thread.looks++
  takeTime(thread)
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

export function loadDone(thread: Thread): number {
  const { array, index } = thread
  if (thread.isPlain) return racyLoadDone(thread)
  if (thread.native) return nativeDone(thread)
  if (forbidden !== null) checkForbidden(thread.cell, thread.site)
  const value = array[index]!
  noteRead(thread, value)
  if (tracer !== null) tracer.operation(thread, LOAD, value, value)
  return value
}

function racyLoadDone(thread: Thread): number {
  if (forbidden !== null) checkForbidden(thread.cell, thread.site)
  const value = scheduler!.valueRead(thread, thread.array[thread.index]!)
  noteRead(thread, value)
  if (tracer !== null) tracer.operation(thread, LOAD, value, value)
  return value
}

/** Does the operation that a thread has announced. */
export function perform(thread: Thread): unknown {
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
    leaveTime(thread)
    noteShared(thread)
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
    leaveTime(thread)
    noteShared(thread)
    thread.forgetReads()
  }
  if (tracer !== null) tracer.operation(thread, thread.kind, before, after)
  return result
}

function nativeOperation(thread: Thread, array: Watched, index: number, operand: number): number {
  switch (thread.kind) {
    case LOAD:
      return real.load(array, index)
    case STORE:
      return thread.isPlain ? (array[index] = operand) : real.store(array, index, operand)
    case ADD:
      return real.add(array, index, operand)
    case SUB:
      return real.sub(array, index, operand)
    case AND:
      return real.and(array, index, operand)
    case OR:
      return real.or(array, index, operand)
    case XOR:
      return real.xor(array, index, operand)
    case EXCHANGE:
      return real.exchange(array, index, operand)
    default:
      return real.compareExchange(array, index, thread.expected, operand)
  }
}

export function pauseDone(thread: Thread): unknown {
  // Of a loop, the turns are compared on.
  if (thread.betweenTurns) return undefined
  const isDue = thread.eventWait?.isTimed === true && !thread.sawChange()
  if (tracer !== null) tracer.operation(thread, PAUSE, 0, 0)
  thread.eventWait = null
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
  noteShared(thread)
  enterQueue(thread)
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
  noteShared(thread)
  enterQueue(thread)
  const begun = beginInner()
  const waiter = eventLoops().newWaiter({ waitCell: thread.cell, array, index, timeout })
  endInner(begun)
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
    noteShared(thread)
    thread.queueing++
    thread.inQueues--
  }
  if (tracer !== null) tracer.operation(thread, LEAVE, 0, 0)
  return place >= 0
}

function stopDone(thread: Thread): unknown {
  const victim = thread.victim!
  const wasRunning = victim.state !== FINISHED
  const place = sleepers.indexOf(victim)
  if (place >= 0) sleepers.splice(place, 1)
  // Its frames stay: they may be those of a function that is asked where it was.
  victim.state = FINISHED
  noteShared(thread)
  thread.forgetReads()
  if (tracer !== null) tracer.operation(thread, STOP, Number(wasRunning), victim.id)
  return wasRunning
}

/** Nobody else is there who could notify. */
function waitAlone(
  array: Watched,
  index: number,
  expected: number,
  timeout: number,
): 'not-equal' | 'timed-out' {
  if (real.load(array, index) !== expected) return 'not-equal'
  if (timeout === Infinity) throw new Error('Atomics.wait without a timeout, and no other thread to notify')
  return 'timed-out'
}

function wokenDone(thread: Thread): string {
  if (tracer !== null) tracer.operation(thread, WOKEN, 0, 0)
  if (thread.waitResult === 'ok') thread.wakings++
  return thread.waitResult
}

/** The time that a waiting thread was ready to wait is over. */
export function timeOut(thread: Thread): void {
  sleepers.splice(sleepers.indexOf(thread), 1)
  thread.waitResult = 'timed-out'
  thread.state = READY
  thread.inQueues--
}

function notifyDone(thread: Thread): number {
  if (thread.local) return real.notify(thread.array, thread.index, thread.operand)
  const { cell } = thread
  let woken = 0
  for (let place = 0; place < sleepers.length && woken < thread.operand;) {
    const sleeper = sleepers[place]!
    if (sleeper.waitCell !== cell) {
      place++
      continue
    }
    sleepers.splice(place, 1)
    if (sleeper instanceof Thread) {
      sleeper.state = READY
      tellTime(thread, sleeper)
    } else thread.toTell.push(sleeper)
    woken++
  }
  if (woken > 0) {
    noteShared(thread)
    thread.forgetReads()
  }
  if (tracer !== null) tracer.operation(thread, NOTIFY, woken, woken)
  thread.woken = woken
  return thread.toTell.length > 0 ? tellNext(thread) : woken
}
