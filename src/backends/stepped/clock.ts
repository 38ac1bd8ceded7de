// The clocks of threads: `Date.now()`, `performance.now()` and `process.hrtime()`.
//
// Nobody knows how long anything takes, and what a thread does must follow from what it has read. So the clock of a
// thread stands still, and moves on where time passes for this thread: when a time-out of it passes or a timer fires,
// by as much as it had waited for; when it spins and nothing else can happen, further each time. Wherever it looks at
// its clock, that may be any time later than when somebody did before: the explorer tries both, that it is as it was,
// and that it has moved far, so that a deadline is over. Who reads what another has written is not before it in time.

import {
  type Begin,
  beginNow,
  drawn,
  drawnFunctions,
  replaceChance,
  replaceClocks,
  restoreClocks,
} from './replaced-clocks.ts'
import { modelFunctions } from './callees.ts'
import {
  all,
  current,
  endWith,
  noteEvent,
  noteHere,
  refused,
  scheduler,
  siteHere,
  sites,
  soloThread,
  state,
  turn,
} from './running.ts'
import type { Site } from './sites.ts'
import { STORE, type Thread } from './thread.ts'

/** So often a thread may look at its clock; then each look takes a millisecond, so that waiting by looking ends. */
const LOOKS_FREE = 100
/** The longest time, in milliseconds, by which it moves on when a thread spins. */
const LEAP_MAX = 2 ** 30
/** How far it moves at once, where it is looked at: ten days. Two of them are not yet too many for 32 bits. */
const FAR = 10 * 24 * 3600 * 1000

/** Programs whose code names a clock, and those whose code names chance: by their places. */
const reading = new WeakSet<object>()
const drawing = new WeakSet<object>()
/** The program whose clocks began last, and when: after all that its modules have read. */
let begunOf: object | null = null
let begun = beginNow()
let depth = 0
/** Programs whose modules look at a clock before any thread begins. */
const early = new WeakSet<object>()
/** Somebody has looked at a clock in this execution. */
let hasLooked = false
/** How late it was for those who have written to each cell, where a program reads clocks. */
let cellTimes: Map<number, number> | null = null

/** Names in the steppable form, in which what is taken out of `Date` or `Math` may stand in a temporary. */
const clocks = new RegExp(
  String.raw`\b(Date\??\.now|performance|hrtime|uptime|timeStamp)\b|\$t\d+\??\.now\b|` +
    String.raw`(?<!\$t\d+ )= *Date\b(?!\s*[(.]|\)\??\.(?!now\b))`,
)
const newDate = /\bnew\s+Date\b(?!\s*\()/
const chance = new RegExp(
  String.raw`\bMath\??\.random\b|\$t\d+\??\.random\b|` +
    String.raw`(?<!\$t\d+ )= *Math\b(?!\s*\.|\)\??\.(?!random\b))|\bgetRandomValues\b|\brandom(UUID|Int|Bytes)\b`,
)

/** Notes of a program whether the texts of its modules name a clock, or chance. */
export function noteNames(of: Site[], texts: readonly string[]): void {
  if (texts.some((text) => clocks.test(text) || newDate.test(text))) reading.add(of)
  if (texts.some((text) => chance.test(text))) drawing.add(of)
}

/** Loads modules of a program: one that looks at a clock meanwhile tells later looks apart. */
export async function loadingClocks<T>(of: Site[], load: () => Promise<T>): Promise<T> {
  if (!reading.has(of) || depth > 0) return load()
  replaceClocks(() => {
    early.add(of)
    return null
  })
  try {
    return await load()
  } finally {
    restoreClocks()
  }
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
  if (!reading.has(sites)) cellTimes = null
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
  const thread = current
  if (++thread.clockLooks > LOOKS_FREE) thread.elapsed++
  if (mayHavePassed(thread) && hasPassed(thread)) {
    noteEvent(noteHere('clock'), 'its clock has moved on by ten days')
    thread.elapsed += FAR
  }
  hasLooked = true
  thread.clockTold = thread.elapsed
  thread.isBusy = false
  const passed = Math.floor(thread.elapsed)
  return { ...begun, date: begun.date + passed, performance: begun.performance + passed }
}

/** Something was told before with which it may be compared, and nothing else says that it is later now. */
function mayHavePassed(thread: Thread): boolean {
  if (thread === soloThread || scheduler!.isSole || !(hasLooked || early.has(sites))) return false
  if (thread.clockLooks > 1 && thread.elapsed - thread.clockTold >= FAR) return false
  // A turn of a loop that only looks, and has found the same: it might have found the turn before what it finds now.
  return !thread.isBusy || thread.busyLooks !== thread.looks || thread.busyChanges !== state.changes
}

function hasPassed(thread: Thread): boolean {
  try {
    if (thread.clockLooks <= LOOKS_FREE) return scheduler!.hasPassed(thread)
    scheduler!.timeLeft()
    return false
  } catch (error) {
    endWith(error as Error)
  }
}

/** A turn of a loop begins that does nothing but to look whether it is over. */
export function busyTurn(site: number): void {
  turn(site)
  const thread = current
  thread.isBusy = thread.clockLooks > 0
  thread.busyLooks = thread.looks
  thread.busyChanges = state.changes
}

/** The thread reads what others have written: for it, it is no earlier than it was for them. */
export function takeTime(thread: Thread): void {
  if (cellTimes === null) return
  for (let cell = thread.cell; cell < thread.cell + thread.cells; cell++)
    thread.elapsed = Math.max(thread.elapsed, cellTimes.get(cell) ?? 0)
}

/** The thread changes what others may read. Whoever only adds to it does not read it. */
export function leaveTime(thread: Thread): void {
  if (cellTimes === null) return
  if (thread.kind !== STORE && !thread.unread) takeTime(thread)
  for (let cell = thread.cell; cell < thread.cell + thread.cells; cell++)
    cellTimes.set(cell, Math.max(thread.elapsed, cellTimes.get(cell) ?? 0))
}

/** It wakes another. */
export function tellTime(thread: Thread, other: Thread): void {
  if (cellTimes !== null) other.elapsed = Math.max(other.elapsed, thread.elapsed)
}

function draw(): number | null {
  return depth === 0 ? null : drawn(current.id, current.draws++)
}

modelFunctions('crypto', function* (module) {
  for (const [called, other] of drawnFunctions(module, draw))
    yield [called, (...args) => drawnBy(called.name, other, args)]
})

/** Calls one that gives chance, or refuses it in a thread where it would call back later. */
function drawnBy(
  name: string,
  other: (...args: readonly unknown[]) => unknown,
  args: readonly unknown[],
): unknown {
  if (current !== soloThread && typeof args.at(-1) === 'function')
    refused(siteHere(name), `${name}(), which calls back when an event of Node comes`, 'call it without')
  return other(...args)
}

/** What is alone, such as a setup, begins with its own clock, and nobody has looked at one. */
export function resetSoloClock(): void {
  hasLooked = false
  cellTimes = reading.has(sites) ? new Map() : null
  soloThread.elapsed = 0
  soloThread.clockLooks = 0
  soloThread.draws = 0
}

/** For `body`, which is alone when all threads have ended, it is as late as for the last of them. */
export function withLastClock<T>(body: () => T): T {
  soloThread.elapsed = Math.max(0, ...all.map((thread) => thread.elapsed))
  enterClocks()
  try {
    return body()
  } finally {
    leaveClocks()
  }
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
  const least = thread.seesTime ? FAR : 1
  thread.elapsed += Math.min(thread.elapsed + least, LEAP_MAX)
}
