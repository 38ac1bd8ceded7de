// The clocks of threads: `Date.now()`, `performance.now()` and `process.hrtime()`.
//
// Nobody knows how long anything takes, and what a thread does must follow from what it has read. So the clock of a
// thread stands still, and moves on where time passes for this thread: when a time-out of it passes or a timer fires,
// by as much as it had waited for; when it spins and nothing else can happen, further each time.

import { type Begin, beginNow, replaceClocks, restoreClocks } from './replaced-clocks.ts'
import { current, sites, soloThread } from './running.ts'
import type { Site } from './sites.ts'
import type { Thread } from './thread.ts'

/** So often a thread may look at its clock; then each look takes a millisecond, so that waiting by looking ends. */
const LOOKS_FREE = 100
/** The longest time, in milliseconds, by which it moves on when a thread spins. */
const LEAP_MAX = 2 ** 30

/** Programs whose code names a clock: by their places. */
const reading = new WeakSet<object>()
/** The program whose clocks began last, and when: after all that its modules have read. */
let begunOf: object | null = null
let begun = beginNow()
let depth = 0

/** Whether the text of a module names a clock. */
export function namesClock(text: string): boolean {
  return /\b(Date\??\.now|performance|hrtime)\b/.test(text)
}

export function setReadingClocks(of: Site[]): void {
  reading.add(of)
}

/** The program reads a clock, or might. */
export function readsClocks(of: object): boolean {
  return reading.has(of)
}

/** From here on, the program finds the clocks of its threads, until as many calls of leaveClocks(). */
export function enterClocks(): void {
  if (depth++ > 0 || !reading.has(sites)) return
  if (begunOf !== sites) beginClocks(beginNow())
  replaceClocks(begun, look)
}

/** The clocks of the program tell this at first. */
export function beginClocks(begin: Begin): void {
  begunOf = sites
  begun = begin
}

export function leaveClocks(): void {
  if (--depth === 0) restoreClocks()
}

function look(): number {
  if (++current.clockLooks > LOOKS_FREE) current.elapsed++
  return Math.floor(current.elapsed)
}

/** What is alone, such as a setup, begins with its own clock. */
export function resetSoloClock(): void {
  soloThread.elapsed = 0
  soloThread.clockLooks = 0
}

/** How far the clock of the thread that runs has moved, in milliseconds. */
export function elapsed(): number {
  return current.elapsed
}

/** The clock of the thread that runs is not before `at`. */
export function passTo(at: number): void {
  current.elapsed = Math.max(current.elapsed, at)
}

/** A thread that spins looks again, as nothing else can happen: twice as late as before. */
export function leap(thread: Thread): void {
  thread.elapsed += Math.min(thread.elapsed + 1, LEAP_MAX)
}
