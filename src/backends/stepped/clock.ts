// The clocks of threads: `Date.now()`, `performance.now()` and `process.hrtime()`.
//
// Nobody knows how long anything takes, and what a thread does must follow from what it has read. So the clock of a
// thread stands still, and moves on where time passes for this thread: when a time-out of it passes or a timer fires,
// by as much as it had waited for; when it spins and nothing else can happen, further each time. Where it has looked at
// its clock in the turn before, that may be any time later at any moment: it moves far, so that a deadline is over.

import {
  type Begin,
  beginNow,
  drawn,
  replaceChance,
  replaceClocks,
  restoreClocks,
} from './replaced-clocks.ts'
import { current, sites, soloThread } from './running.ts'
import type { Site } from './sites.ts'
import type { Thread } from './thread.ts'

/** So often a thread may look at its clock; then each look takes a millisecond, so that waiting by looking ends. */
const LOOKS_FREE = 100
/** The longest time, in milliseconds, by which it moves on when a thread spins. */
const LEAP_MAX = 2 ** 30
/** The least where it looks at its clock meanwhile: some minutes. */
const LEAP_FAR = 2 ** 20

/** Programs whose code names a clock, and those whose code names chance: by their places. */
const reading = new WeakSet<object>()
const drawing = new WeakSet<object>()
/** The program whose clocks began last, and when: after all that its modules have read. */
let begunOf: object | null = null
let begun = beginNow()
let depth = 0

/** Names in the steppable form, in which what is taken out of `Date` or `Math` may stand in a temporary. */
const clocks = new RegExp(
  String.raw`\b(Date\??\.now|performance|hrtime)\b|\$t\d+\??\.now\b|` +
    String.raw`(?<!\$t\d+ )= *Date\b(?!\s*[(.]|\)\??\.(?!now\b))|\bnew\s+Date\b(?!\s*\()`,
)
const chance = new RegExp(
  String.raw`\bMath\??\.random\b|\$t\d+\??\.random\b|` +
    String.raw`(?<!\$t\d+ )= *Math\b(?!\s*\.|\)\??\.(?!random\b))|\bgetRandomValues\b|\brandom(UUID|Bytes|Int)\b`,
)

/** Notes of a program whether the texts of its modules name a clock, or chance. */
export function noteNames(of: Site[], texts: readonly string[]): void {
  if (texts.some((text) => clocks.test(text))) reading.add(of)
  if (texts.some((text) => chance.test(text))) drawing.add(of)
}

/** The program draws random numbers, or might: the same ones in each execution. */
export function drawsNumbers(of: object): boolean {
  return drawing.has(of)
}

/** The program reads a clock, or might. */
export function readsClocks(of: object): boolean {
  return reading.has(of)
}

/** From here on, the program finds the clocks and the chance of its threads, until as many calls of leaveClocks(). */
export function enterClocks(): void {
  if (depth++ > 0) return
  if (drawing.has(sites)) replaceChance(draw)
  if (!reading.has(sites)) return
  if (begunOf !== sites) beginClocks(beginNow())
  replaceClocks(look)
}

/** The clocks of the program tell this at first. */
export function beginClocks(begin: Begin): void {
  begunOf = sites
  begun = begin
}

export function leaveClocks(): void {
  if (--depth === 0) restoreClocks()
}

/** Null where no program is at work: code that is not stepped may have kept a clock of one. */
function look(): Begin | null {
  if (depth === 0) return null
  if (++current.clockLooks > LOOKS_FREE) current.elapsed++
  const passed = Math.floor(current.elapsed)
  return { date: begun.date + passed, performance: begun.performance + passed }
}

function draw(): number | null {
  return depth === 0 ? null : drawn(current.id, current.draws++)
}

/** What is alone, such as a setup, begins with its own clock. */
export function resetSoloClock(): void {
  soloThread.elapsed = 0
  soloThread.clockLooks = 0
  soloThread.draws = 0
}

/** How far the clock of the thread that runs has moved, in milliseconds. */
export function elapsed(): number {
  return current.elapsed
}

/** The clock of the thread that runs is not before `at`. */
export function passTo(at: number): void {
  current.elapsed = Math.max(current.elapsed, at)
}

/** A thread that spins looks again: later than any time that it would spin for, if it looks at its clock. */
export function leap(thread: Thread): void {
  const least = thread.seesTime ? LEAP_FAR : 1
  thread.elapsed += Math.min(thread.elapsed + least, LEAP_MAX)
}
