// Turns in which the time of a thread passed, and nothing came of it.
//
// A thread that polls waits for a time, looks, and waits again. Where a turn has changed nothing but that it waited,
// the thread stands where it stood when the turn began, and might as well begin the turn now. So what further turns
// would lead to is known: without this one, which changed nothing for anybody, they were explored.
//
// Where the thread waits in its event loop, a turn makes promises and timers. Those that it has made itself, and that
// are over at its end, are no state: what a thread waits for is the same then, each of it, and no promise was changed
// that was there before the turn. That a clock has moved by what was waited for is no difference either: at each look,
// a clock may have moved far, which is tried (see clock.ts).

import { current, state } from './running.ts'
import { type Standing, type Thread, nowhereYet } from './thread.ts'

/** What an event loop waits for, and what it has to do at once: see host.ts in loop/. */
interface Awaiting {
  readonly jobs: readonly unknown[]
  readonly ticks: readonly unknown[]
  readonly rejected: readonly unknown[]
  readonly timers: readonly unknown[]
  readonly immediates: readonly unknown[]
  readonly ports: readonly unknown[]
  readonly waiters: readonly unknown[]
}

interface Turn {
  timeouts: number
  readonly standing: Standing
}

/** A turn begins; the one before took nothing over that is another now, if `isSame`, but what may show here. */
export function noteTurn(thread: Thread, turn: Turn, isSame: boolean): void {
  const { timeouts } = thread
  const passed = timeouts - turn.timeouts
  const stands = stand(thread, turn.standing)
  if (passed > 0 && isSame && stands) thread.vainTimeouts += passed
  turn.timeouts = timeouts
}

/** Notes where the thread stands. Returns whether that is where it stood. */
function stand(thread: Thread, before: Standing): boolean {
  // The next random number is another one.
  const own = state.changes - thread.sharedChanges - thread.loopChanges + thread.draws
  const shared = thread.sharedChanges - thread.loopShared
  const { queueing, inQueues, promisesMade } = thread
  const awaited = awaitedBy(thread.loop as Awaiting | null)
  const stands =
    before.own === own &&
    before.inQueues === inQueues &&
    shared - before.shared === queueing - before.queueing &&
    before.touched >= before.made &&
    isSameList(before.awaited, awaited)
  before.own = own
  before.shared = shared
  before.queueing = queueing
  before.inQueues = inQueues
  before.made = promisesMade
  before.touched = Infinity
  before.awaited = awaited
  return stands
}

const nothing: readonly unknown[] = []

function awaitedBy(loop: Awaiting | null): readonly unknown[] | null {
  if (loop === null) return nothing
  const { jobs, ticks, rejected, timers, immediates, ports, waiters } = loop
  if (jobs.length + ticks.length + rejected.length > 0) return null
  if (timers.length + immediates.length + ports.length + waiters.length === 0) return nothing
  return [...timers, null, ...immediates, null, ...ports, null, ...waiters]
}

function isSameList(before: readonly unknown[] | null, now: readonly unknown[] | null): boolean {
  if (before === null || now === null) return false
  return before.length === now.length && now.every((each, index) => each === before[index])
}

// ---------------------------------------------------------------------------------------------------------------------
// Event loops

/** A change that an event loop makes, of a promise or a timer. */
export function loopChange(): void {
  state.changes++
  current.loopChanges++
}

/** The number of a promise that the thread makes. */
export function promiseMade(): number {
  return ++current.promisesMade
}

/** A promise of the thread is settled, or something waits for it. */
export function promiseTouched(number: number): void {
  const thread = current
  for (const site of thread.loops)
    for (let turns = thread.turns[site] ?? null; turns !== null; turns = turns.outer)
      touch(turns.standing, number)
  for (const { standing } of callTurns.get(thread.loop as object)?.values() ?? []) touch(standing, number)
}

function touch(standing: Standing, number: number): void {
  standing.touched = Math.min(standing.touched, number - 1)
}

/** Something begins in an event loop that leaves nothing behind, though it takes steps: see endInner(). */
export function beginInner(): readonly number[] {
  return [state.changes, current.sharedChanges, current.loopChanges, current.loopShared]
}

export function endInner([changes, shared, loopChanges, loopShared]: readonly number[]): void {
  const thread = current
  const sharedNow = thread.sharedChanges - shared!
  thread.loopChanges = loopChanges! + state.changes - changes! - sharedNow
  thread.loopShared = loopShared! + sharedNow
}

interface CallTurn extends Turn {
  args: readonly unknown[]
}

/** Calls of different functions that are remembered. */
const CALLS_MAX = 8

/** Of event loops, the turns that are calls by timers: by what is called. */
const callTurns = new WeakMap<object, Map<unknown, CallTurn>>()

/** A timer calls `called`: that may be the next turn of a chain of timers. */
export function noteCallTurn(called: unknown, args: readonly unknown[]): void {
  const thread = current
  const loop = thread.loop as object
  let turns = callTurns.get(loop)
  if (turns === undefined) callTurns.set(loop, (turns = new Map()))
  let turn = turns.get(called)
  if (turn === undefined) {
    if (turns.size === CALLS_MAX) turns.delete(turns.keys().next().value)
    turns.set(called, (turn = { timeouts: Infinity, standing: nowhereYet(), args }))
  }
  const isSame = args.length === turn.args.length && args.every((arg, at) => Object.is(arg, turn.args[at]))
  turn.args = args
  noteTurn(thread, turn, isSame)
}
