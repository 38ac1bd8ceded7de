// Why waiting threads may continue, under every strategy: a change of what they have read, or time.

import { FINISHED, READY, SPINNING, type Thread, WAITING, leap, timeOut } from '../backends/stepped/index.ts'

/** How often a thread may go on because nothing else can. */
export const RESCUES_MAX = 200

/**
 * Default: how often the time-outs of a thread pass while something else could go on, each time at any moment. What a
 * further one would do is left out, which an execution tells: see leavesTimeout().
 */
export const TIMEOUTS_MAX = 2

let timeoutsMax = TIMEOUTS_MAX

/** Time-outs pass so often, from 0, in every execution from here on. */
export function setTimeouts(timeouts: number): void {
  timeoutsMax = timeouts
}

/** It waits for an event while it has a timer. */
export function hasTimer(thread: Thread): boolean {
  return thread.state === SPINNING && thread.eventWait?.isTimed === true
}

/** It waits with a time-out, for an event while it has a timer, or for a change while it looks at its clock. */
export function isTimed(thread: Thread): boolean {
  if (thread.state === SPINNING) return thread.seesTime || hasTimer(thread)
  return thread.state === WAITING && thread.timeout !== Infinity
}

/** It waits, and the time that it was ready to may be over at any moment. */
export function mayTimeOut(thread: Thread): boolean {
  return isTimed(thread) && hasTimeoutsLeft(thread)
}

/** Its time-outs have not passed as often as they may. */
export function hasTimeoutsLeft(thread: Thread): boolean {
  return thread.timeouts < timeoutsMax
}

/** Its clock has not moved far by itself as often as it may: as often as time-outs pass. */
export function hasJumpsLeft(thread: Thread): boolean {
  return thread.jumps < timeoutsMax
}

/**
 * It waits for a time that would be over once more than it may. If one of those before came to nothing, nothing is left
 * out: without that one, which changed nothing for anybody, this one is explored.
 */
export function leavesTimeout(thread: Thread): boolean {
  return isTimed(thread) && !hasTimeoutsLeft(thread) && thread.vainTimeouts === 0
}

/** It has nothing to do any more, unless another thread gives it something. */
export function isOver(thread: Thread): boolean {
  return thread.state === FINISHED || (thread.state === SPINNING && thread.eventWait?.serves === true)
}

/** It waits for an event at one place, and one is there at another. */
export function isPassingOver(thread: Thread): boolean {
  if (thread.state !== SPINNING || thread.eventWait === null) return false
  return thread.eventWait.passedOver.some(({ array, index }) => array[index] !== 0)
}

/** It waits for an event at one place, and might as well at another. */
export function hasDecidedLater(thread: Thread): boolean {
  return thread.state === SPINNING && thread.eventWait?.isLater === true
}

/** The thread continues: if it still sleeps, its time-out passes. */
export function goOn(thread: Thread): void {
  if (isTimed(thread)) thread.timeouts++
  if (thread.state === WAITING) {
    if (thread.timeout !== Infinity) thread.elapsed += thread.timeout
    timeOut(thread)
  } else if (thread.state === SPINNING && thread.eventWait === null) leap(thread)
  thread.state = READY
}

/**
 * Threads that spin go on when what they have read has changed, even if it changes back afterwards; with `leavesIdle`,
 * not those that might as well have looked later.
 */
export function noticeChanges(threads: readonly Thread[], leavesIdle = false): void {
  for (const thread of threads) {
    if (thread.state !== SPINNING || !thread.sawChange()) continue
    if (leavesIdle && thread.isIdle) thread.isStale = true
    else thread.state = READY
  }
}

/** It was left where it is because another execution has it look after what has changed since. */
export function waitsForAnother(thread: Thread): boolean {
  return thread.state === SPINNING && thread.isIdle && thread.isStale
}

/** The thread waits in a way that ends with time: spinning, or with a time-out. */
export function waitsForTime(thread: Thread): boolean {
  return isTimed(thread) || (thread.state === SPINNING && thread.eventWait === null)
}

/**
 * For whom time passes next where nothing else can happen: for whom it has passed least often, so that one who waits
 * for another, and looks again and again, leaves that one its time. Null where nobody waits so.
 */
export function longestWaiting(threads: readonly Thread[]): Thread | null {
  let found: Thread | null = null
  for (const thread of threads) {
    if (waitsForTime(thread) && (found === null || thread.rescues < found.rescues)) found = thread
  }
  return found
}

/** Time has passed for it: it looks again, or its timeout is over. */
export function letGoOn(thread: Thread): void {
  thread.rescues++
  goOn(thread)
}
