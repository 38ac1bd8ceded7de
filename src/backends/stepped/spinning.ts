// Waiting for a change of what was read: pauses, turns of loops that change nothing, and event loops.

import { readsClocks } from './clock.ts'
import { noteRead, pauseDone } from './doing.ts'
import { made } from './plain-accesses.ts'
import { noteTurn } from './vain-turns.ts'
import { real } from './real-atomics.ts'
import { current, mustStop, refuseToStop, scheduler, sites, soloThread, state, stop } from './running.ts'
import { SHARED } from './tags.ts'
import {
  enterLoop,
  type EventWait,
  noValues,
  PAUSE,
  type Place,
  SPINNING,
  type Thread,
  type Watched,
} from './thread.ts'

type Blind = Omit<EventWait, 'isTimed' | 'serves'>

/** It waits for what it has looked at. */
const looked: Blind = { isBlind: false, joins: false, passedOver: [], isLater: false }

/** How the next idle() waits. */
let nextWait = looked

/** The next idle() waits for something at these places as if the thread had read 0 there: without a step. */
export function waitAt(
  places: readonly Place[],
  { joins = false, passedOver = [], isLater = false }: Partial<Blind> = {},
): void {
  const thread = current
  beginLooking()
  for (const { array, index } of places) {
    made(array)
    thread.array = array as Watched
    thread.index = index
    thread.cell = thread.array[SHARED]!.firstCell + index
    noteRead(thread, 0)
  }
  nextWait = { isBlind: true, joins, passedOver, isLater }
}

/** More pauses with no operation between them than any program has that ends. */
const VAIN_PAUSES_MAX = 10_000

/**
 * `Atomics.pause`: the thread spins on what it has read since it last changed something or paused. One that has read
 * nothing waits for what another writes plainly, which is a data race; it lets the others come to that.
 */
export function pause(site: number, turns?: number): unknown {
  const thread = current
  // The engine says what it does not take.
  if (turns !== undefined) (real as unknown as { pause: (turns: number) => void }).pause(turns)
  if (thread === soloThread) return undefined
  if (thread.reads === 0 && ++thread.vainPauses < VAIN_PAUSES_MAX) return undefined
  thread.isIdle = false
  const sees = thread.clockLooks !== thread.pausedClock
  thread.pausedClock = thread.clockLooks
  return spin(thread, site, 0, thread.reads, false, sees)
}

/** Default: how often a thread goes on though it has read the same as before, if that may lead to something else. */
export const TURNS_MAX = 3

let turnsMax = TURNS_MAX

/** Loops are followed for so many turns that read the same, from 1, by every execution from here on. */
export function setTurns(turns: number): void {
  turnsMax = turns
}

/**
 * As pause(), where nobody has looked at what the loops around it take from one turn to the next. The thread goes on
 * as often as setTurns() says, since it may count how often it does, and then waits. Where again() `waits` for the
 * loop, the pause itself only does so if something is changed that is not shared.
 */
export function pauseWithin(site: number, waits: boolean, turns?: number): unknown {
  const thread = current
  if (thread.reads === 0 || thread === soloThread) return pause(site, turns)
  const own = state.changes - thread.sharedChanges
  const isSame = thread.pausedOwn === own || thread.pausedOwn < 0
  const hasLooked = thread.pausedLooks !== thread.looks
  thread.pausedOwn = own
  thread.pausedLooks = thread.looks
  if (thread.pausedShared !== thread.sharedChanges) thread.pauses = 0
  thread.pausedShared = thread.sharedChanges
  const goesOn = hasLooked
    ? (waits && isSame) || ++thread.pauses <= turnsMax
    : ++thread.vainPauses < VAIN_PAUSES_MAX
  if (!goesOn) {
    scheduler!.loopLeft(site)
    return pause(site, turns)
  }
  if (turns !== undefined) (real as unknown as { pause: (turns: number) => void }).pause(turns)
  return undefined
}

const nowhere: Watched = new Int32Array(0)

/**
 * The thread waits for an event: for a change of what it has read since it began to look (see beginLooking()), or, if
 * `isTimed`, until its next timer is due. Returns whether that is so. Nothing else passes in time.
 */
export function idle(site: number, isTimed: boolean, serves: boolean): boolean {
  const thread = current
  const wait = nextWait
  nextWait = looked
  thread.eventWait = { isTimed, serves, ...wait }
  // What it waits for without having looked, it does not look at in another execution.
  thread.isIdle = !isTimed && scheduler!.leavesIdle && !wait.isBlind
  thread.isStale = false
  if (thread.reads === 0) {
    // What stands there is of an earlier operation.
    thread.readCells[0] = 0
    thread.array = nowhere
  }
  return spin(thread, site, 0, thread.reads, false, false) as boolean
}

/** What is read from here on is what idle() waits for a change of. */
export function beginLooking(): void {
  current.forgetReads()
}

/** It `sees` its clock, which may have moved far at any moment: see leap(). Then it is not left for a later turn. */
function spin(
  thread: Thread,
  site: number,
  from: number,
  to: number,
  turns: boolean,
  sees: boolean,
): unknown {
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
  thread.seesTime = sees
  if (sees) thread.isIdle = false
  return mustStop(thread) ? stop() : pauseDone(thread)
}

/** The next loop is entered. Returns a number for that. */
export function loop(site: number): number {
  const turns = current.turns[site]
  current.pausedClock = current.clockLooks
  if (turns?.entry === 0) enterLoop(turns)
  return ++current.entries
}

/**
 * A turn of a loop begins that takes nothing over from the last but what it reads, `values` and, if `keeps`,
 * properties. If the last has changed nothing, with these values too, it only waits, and so it does if it has read the
 * same as the one before (and `keeps` is false: of properties that changed, nobody knows what they mean). Loops within
 * it are part of the turn. With `follows`, one that has changed what is not shared, which may be what it counts in, or
 * in which the thread was woken, is gone on with as often as setTurns() says though it has read the same. The turns are
 * those since loop() returned `entry`; 0 for those since its last call.
 */
export function again(
  site: number,
  keeps: boolean,
  values: readonly unknown[] = noValues,
  follows = false,
  entry = 0,
): unknown {
  const thread = current
  if (thread === soloThread) return undefined
  const { reads, epoch, looks, rescues } = thread
  const { changes } = state
  const own = changes - thread.sharedChanges
  const turns = thread.turnsOf(site, entry)
  const isSameEpoch = turns.epoch === epoch
  const from = isSameEpoch ? turns.from : 0
  const isSame = values === noValues || sameValues(turns.values, values)
  const isIdle = scheduler!.waitsAtOnce && isSame && turns.changes === changes && turns.looks !== looks
  // What it sees of a clock is another then.
  const hasMoved = thread.timeouts > turns.timeouts && readsClocks(sites)
  // Who was woken has waited, which others see: whoever notifies next must find it there again.
  const wasWoken = turns.wakings !== thread.wakings
  const isLike = !keeps && !hasMoved && !(wasWoken && !follows) && isSameEpoch && turns.before >= 0
  const repeats = isLike && sameReads(thread, turns.before, from, reads)
  // What it saw when it was let go on because nothing else could is not what it would see later. Somebody may read what
  // it has counted: see counts.ts.
  const mayBeLater = isIdle && turns.rescues === rescues && turns.tallies === thread.tallies
  turns.epoch = epoch
  turns.before = isSameEpoch ? from : -1
  turns.from = reads
  turns.changes = changes
  turns.looks = looks
  turns.rescues = rescues
  turns.tallies = thread.tallies
  turns.wakings = thread.wakings
  turns.values = values
  const isCounting = follows && (turns.own !== own || wasWoken)
  if (follows || thread.loop === null) noteTurn(thread, turns, isSame)
  const sees = thread.clockLooks !== turns.clockLooks
  turns.clockLooks = thread.clockLooks
  turns.own = own
  turns.vain = repeats && isCounting ? turns.vain + 1 : 0
  if (repeats && isCounting && turns.vain < turnsMax) return undefined
  if (turns.vain > 0) scheduler!.loopLeft(site)
  const hasRead = reads > from
  if (!(hasRead ? isIdle || repeats : mayBeLater && scheduler!.leavesIdle)) return undefined
  thread.isIdle = mayBeLater
  // It has paused in this turn, until something changed.
  thread.isStale = !hasRead
  return spin(thread, site, from, reads, true, sees)
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
