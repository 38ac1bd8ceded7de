// Threads of a stepped program, their operations, and what those who follow them are told.

import type { GlobalScope } from './global-scope.ts'
import type { View } from './memory.ts'
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
/** `Atomics.waitAsync`. */
export const WAIT_ASYNC = 13
/** Tells the event loop of a thread that its `Atomics.waitAsync` was notified. */
export const SIGNAL = 14
/** Takes an `Atomics.waitAsync` out of the queue, as its time is over or its thread. */
export const LEAVE = 15
/** Ends another thread, wherever it is. */
export const STOP = 16
/** Looks at the clock of the thread, which may have moved far: no operation, and over at once. */
export const LOOK = 17

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
  'waitAsync',
  'signal',
  'leave',
  'stop',
  'look',
] as const

export type Watched = Int32Array & { [SHARED]?: View; [TRACKED]?: View }

/**
 * What a function has kept: the form of it that goes on, where, and its variables. Nobody changes it. Where the number
 * is odd, the function does nothing with what a call throws.
 */
export type Frame = readonly [resume: Resume, at: number, ...values: readonly unknown[]]

/** Goes on after a call that gave `value`, or threw it. */
export type Resume = (frame: Frame, value: unknown, thrown: boolean) => unknown

/** An `Atomics.waitAsync` in the queue of a cell. */
export interface AsyncWaiter {
  readonly waitCell: number
  /** What it waits at, and the cell by which its thread is told. */
  readonly array: Watched
  readonly index: number
  readonly signal: Watched
  readonly promise: unknown
}

/** How a thread stands. */
export const READY = 0
/** In `Atomics.wait`, and not yet notified. */
export const WAITING = 1
/** It has read the same as before; see PAUSE. */
export const SPINNING = 2
export const FINISHED = 3

/** What is known of the last two turns of a loop. */
interface Turns {
  /** The number under which the loop was entered; 0 where it has none, see loop() in spinning.ts. */
  entry: number
  /** Of when it was entered before, and is gone through yet, or was left: the last first. */
  outer: Turns | null
  /** Where among the thread's reads they began: the last but one, or -1, and the last. */
  epoch: number
  before: number
  from: number
  /** Of the thread where the last began: its changes, its reads, how often time let it go on; it counted; was woken. */
  changes: number
  looks: number
  rescues: number
  tallies: number
  wakings: number
  /** Changes of what is not shared, and how many turns in a row made some and read the same. */
  own: number
  vain: number
  /** How many time-outs of it had passed, and how often it saw its clock. */
  timeouts: number
  clockLooks: number
  /** Where the thread stood: see vain-turns.ts. */
  standing: Standing
  /** What the variables were that it hands from one turn to the next. */
  values: readonly unknown[]
}

/** Where a thread stands that begins a turn, as far as a turn may have changed it. */
export interface Standing {
  /** What it had changed for itself, and in shared memory, but for what its event loop does. */
  own: number
  shared: number
  /** Its ways into and out of queues that were changes; and those into them less those out by a time-out. */
  queueing: number
  inQueues: number
  /** Promises that it had made, and the oldest that was changed since. */
  made: number
  touched: number
  /** What its event loop waited for; null where there is none, or more is to be done at once. */
  awaited: readonly unknown[] | null
}

export function nowhereYet(): Standing {
  return { own: -1, shared: 0, queueing: 0, inQueues: 0, made: 0, touched: Infinity, awaited: null }
}

export const noValues: readonly unknown[] = []

/** An element that is 0 until something is there. */
export interface Place {
  readonly array: Int32Array
  readonly index: number
}

/** How the event loop of a thread waits. */
export interface EventWait {
  /** Its next timer may be due. */
  readonly isTimed: boolean
  /** Nobody waits for what the thread has promised: where all that are left do so, that is the end. */
  readonly serves: boolean
  /** It has not looked at what it waits for. */
  readonly isBlind: boolean
  /** It waits until something is at all places, or more than 1 at one. */
  readonly joins: boolean
  /**
   * It has decided to wait at one of several places, and not at these. Where it waits in vain while something is there,
   * another execution has it decide for that; where nothing is anywhere, one that has decided for a later place is like
   * the first.
   */
  readonly passedOver: readonly Place[]
  readonly isLater: boolean
}

/** No turn has been taken since the loop was entered. */
export function enterLoop(turns: Turns): void {
  turns.epoch = -1
  turns.changes = -1
  turns.vain = 0
  turns.timeouts = Infinity
}

/** So often a loop may be entered anew within its turns, that its turns are yet known when it goes on. */
const ENTRIES_MAX = 8

function newTurns(entry: number, outer: Turns | null): Turns {
  const places = { entry, outer, epoch: -1, before: -1, from: 0, values: noValues }
  const counts = { changes: -1, looks: 0, rescues: 0, tallies: 0, wakings: 0, own: 0, vain: 0 }
  const waits = { timeouts: Infinity, clockLooks: 0, standing: nowhereYet() }
  return { ...places, ...counts, ...waits }
}

/** In the place of `old`, which nobody needs. */
function copyOf(turns: Turns, old: Turns | null): Turns {
  const { outer } = turns
  const standing = Object.assign(old?.standing ?? {}, turns.standing)
  return Object.assign(old ?? {}, turns, { standing, outer: outer && copyOf(outer, old?.outer ?? null) })
}

/** Those that were met last. */
function withoutOldest(turns: Turns | null): Turns | null {
  let last = turns
  for (let count = 2; count < ENTRIES_MAX && last !== null; count++) last = last.outer
  if (last !== null) last.outer = null
  return turns
}

/** Reads that are remembered since a thread last changed something. */
export const READS_MAX = 512
const noArray: Watched = new Int32Array(0)

export class Thread {
  readonly id: number
  /** Where it goes on: what each of its functions has kept, the innermost last. */
  readonly frames: Frame[] = []
  /** How many these are. */
  depth = 0
  /** What it runs, until it has begun. */
  body: (() => unknown) | null = null
  state = READY
  /** It has run since somebody has set this to false. */
  hasRun = true

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
  /** It is an access of racy(): no operation of `Atomics`, so that it orders nothing. */
  isPlain = false

  /** How many `notify` has woken, and whom of them it has yet to tell. */
  woken = 0
  readonly toTell: AsyncWaiter[] = []
  /** Who is to leave the queue. */
  leaver: AsyncWaiter | null = null
  /** The thread that it ends. */
  victim: Thread | null = null
  /** It ends where it is, and this is left for it to do. */
  ending: (() => unknown) | null = null
  /** How `Atomics.wait` ended. */
  waitResult: 'ok' | 'not-equal' | 'timed-out' = 'ok'
  /** The cell on which it waits. */
  waitCell = 0
  /** How often it went on without cause, because nothing else could. */
  rescues = 0
  /** How often a time-out of it passed, and how many of these came to nothing: see again() in spinning.ts. */
  timeouts = 0
  vainTimeouts = 0
  /** How far its clock has moved, in milliseconds, and how often it has looked at it: see clock.ts. */
  elapsed = 0
  clockLooks = 0
  /** What its clock told last, and how often it had moved far by itself: see look(). */
  clockTold = 0
  jumps = 0
  /** How often it has read an older value in racy(); and whether its last read did. */
  olderReads = 0
  isOlder = false
  /** A turn of a loop has begun that only looks at a clock; its reads and changes by then. */
  isBusy = false
  busyLooks = 0
  busyChanges = 0
  /** How many random numbers it has drawn. */
  draws = 0
  /** Its looks at its clock when it last paused, or came to a loop. */
  pausedClock = 0
  /** It spins, and has looked at its clock since it last did: how far that has moved may end it. */
  seesTime = false
  /** What it has changed, in shared memory or for itself: this moves at each change, while it does not run. */
  changes = 0
  /** Those of them that others see in shared memory, or by who waits. */
  sharedChanges = 0
  /** Those of them that nobody else sees: of objects that it has made itself. */
  privateChanges = 0
  /** Those that its event loop makes, of promises and timers, for itself and in shared memory. */
  loopChanges = 0
  loopShared = 0
  /** See Standing. */
  queueing = 0
  inQueues = 0
  promisesMade = 0

  /** Of `add`, `sub`, `and`, `or`, `xor`: nobody looks at what was there before. */
  unread = false

  /** All that it has read. */
  looks = 0
  // What it has read since it last changed something.
  reads = 0
  readonly readArrays: Watched[] = []
  readonly readIndices = new Int32Array(READS_MAX)
  readonly readCells = new Int32Array(READS_MAX)
  readonly readValues = new Float64Array(READS_MAX)
  /** Where the element is a big integer, its value; {@link readValues} has NaN for it. */
  readonly readBigInts: bigint[] = []
  /** How often it has paused with nothing to look at, since it last did an operation. */
  vainPauses = 0
  /** How often it has paused without waiting, since it last changed what is shared, and what it had changed then. */
  pauses = 0
  pausedShared = 0
  pausedOwn = -1
  pausedLooks = -1
  /** From which read on a pause looks. */
  watchFrom = 0
  watchTo = 0
  /** It pauses between two turns of a loop, and was not told to. */
  betweenTurns = false
  /** The turn before this pause changed nothing: to begin it later would have been the same. */
  isIdle = false
  /** Since then, something of what it read has changed. */
  isStale = false
  /** Moves when it forgets what it has read. */
  epoch = 0
  /** Its event loop: made when it first needs one. See loop/. */
  loop: unknown = null
  /** What it has on its global object; null for what the process has. */
  scope: GlobalScope | null = null
  /** What its next operation means, where loop/ does it. */
  told = ''
  /** The place in the program from which loop/ was called. */
  toldAt = -1
  /** Its function has returned, and the loop is at work. */
  isLooping = false
  /** It spins on the sources of its event loop; nobody changes this. */
  eventWait: EventWait | null = null
  /** How often it has entered a loop, counted what nobody has read (see counts.ts), and was woken: these only grow. */
  entries = 0
  tallies = 0
  wakings = 0
  /** Turns of loops, by the number of the loop. */
  readonly turns: (Turns | undefined)[] = []
  /** The numbers of these loops. */
  readonly loops: number[] = []

  constructor(id: number) {
    this.id = id
  }

  reset(): void {
    this.depth = 0
    this.body = null
    this.state = READY
    this.site = -1
    this.rescues = 0
    this.timeouts = 0
    this.vainTimeouts = 0
    this.elapsed = 0
    this.clockLooks = 0
    this.clockTold = 0
    this.jumps = 0
    this.olderReads = 0
    this.isOlder = false
    this.isBusy = false
    this.draws = 0
    this.pausedClock = 0
    this.seesTime = false
    this.sharedChanges = this.changes
    this.privateChanges = 0
    this.isIdle = false
    this.isStale = false
    this.loop = null
    this.scope = null
    this.toTell.length = 0
    this.ending = null
    this.pauses = 0
    this.pausedShared = this.sharedChanges
    this.pausedOwn = -1
    this.pausedLooks = -1
    this.isLooping = false
    this.eventWait = null
    this.forgetReads()
  }

  /** It has not run since it stood as `other` does, nor has anybody changed how it waits. */
  stands(other: Thread): boolean {
    return (
      !this.hasRun &&
      this.state === other.state &&
      this.kind === other.kind &&
      this.ending === other.ending &&
      this.isIdle === other.isIdle &&
      this.isStale === other.isStale &&
      this.rescues === other.rescues &&
      this.timeouts === other.timeouts &&
      this.elapsed === other.elapsed &&
      this.waitResult === other.waitResult
    )
  }

  /** Takes over how another stands, whose event loop is not yet made. */
  copyFrom(other: Thread): void {
    this.#copyFrames(other)
    this.#copyReads(other)
    this.#copyTurns(other)
    this.hasRun = other.hasRun
    this.body = other.body
    this.state = other.state
    this.kind = other.kind
    this.site = other.site
    this.array = other.array
    this.index = other.index
    this.operand = other.operand
    this.expected = other.expected
    this.timeout = other.timeout
    this.cell = other.cell
    this.cells = other.cells
    this.native = other.native
    this.local = other.local
    this.isPlain = other.isPlain
    this.woken = other.woken
    this.toTell.length = 0
    this.toTell.push(...other.toTell)
    this.leaver = other.leaver
    this.victim = other.victim
    this.ending = other.ending
    this.waitResult = other.waitResult
    this.waitCell = other.waitCell
    this.rescues = other.rescues
    this.timeouts = other.timeouts
    this.vainTimeouts = other.vainTimeouts
    this.elapsed = other.elapsed
    this.clockLooks = other.clockLooks
    this.clockTold = other.clockTold
    this.jumps = other.jumps
    this.olderReads = other.olderReads
    this.isOlder = other.isOlder
    this.isBusy = other.isBusy
    this.busyLooks = other.busyLooks
    this.busyChanges = other.busyChanges
    this.draws = other.draws
    this.pausedClock = other.pausedClock
    this.seesTime = other.seesTime
    this.changes = other.changes
    this.sharedChanges = other.sharedChanges
    this.privateChanges = other.privateChanges
    this.loopChanges = other.loopChanges
    this.loopShared = other.loopShared
    this.queueing = other.queueing
    this.inQueues = other.inQueues
    this.promisesMade = other.promisesMade
    this.unread = other.unread
    this.vainPauses = other.vainPauses
    this.pauses = other.pauses
    this.pausedShared = other.pausedShared
    this.pausedOwn = other.pausedOwn
    this.pausedLooks = other.pausedLooks
    this.watchFrom = other.watchFrom
    this.watchTo = other.watchTo
    this.betweenTurns = other.betweenTurns
    this.isIdle = other.isIdle
    this.isStale = other.isStale
    this.epoch = other.epoch
    this.loop = other.loop
    this.scope = other.scope
    this.told = other.told
    this.toldAt = other.toldAt
    this.isLooping = other.isLooping
    this.eventWait = other.eventWait
    this.entries = other.entries
    this.tallies = other.tallies
    this.wakings = other.wakings
  }

  #copyFrames(other: Thread): void {
    this.depth = other.depth
    for (let at = 0; at < other.depth; at++) this.frames[at] = other.frames[at]!
  }

  #copyReads(other: Thread): void {
    this.looks = other.looks
    this.reads = other.reads
    // A pause that looks at nothing says so in the first.
    const count = Math.max(1, other.reads, other.watchTo)
    for (let at = 0; at < count; at++) {
      this.readArrays[at] = other.readArrays[at]!
      this.readIndices[at] = other.readIndices[at]!
      this.readCells[at] = other.readCells[at]!
      this.readValues[at] = other.readValues[at]!
    }
    for (let at = 0; at < Math.min(count, other.readBigInts.length); at++)
      this.readBigInts[at] = other.readBigInts[at]!
  }

  #copyTurns(other: Thread): void {
    // Where the other has yet to take a first turn, it may have entered the loop, of which it knew nothing then.
    for (const site of this.loops) {
      if (other.turns[site] !== undefined) continue
      const turns = this.turns[site]!
      enterLoop(turns)
      // The loops that are entered from here on get the numbers that were given since, once more.
      turns.entry = 0
      turns.outer = null
    }
    for (const site of other.loops) {
      if (this.turns[site] === undefined) this.loops.push(site)
      this.turns[site] = copyOf(other.turns[site]!, this.turns[site] ?? null)
    }
  }

  /** What is known of the turns of a loop since it was entered. Whoever has entered it since then has left it. */
  turnsOf(site: number, entry = 0): Turns {
    const last = this.turns[site]
    for (let at: Turns | null = last ?? null; at !== null; at = at.outer)
      if (at.entry === entry) return (this.turns[site] = at)
    if (last === undefined) this.loops.push(site)
    return (this.turns[site] = newTurns(entry, withoutOldest(last ?? null)))
  }

  forgetReads(): void {
    this.reads = 0
    this.vainPauses = 0
    this.epoch++
    this.watchFrom = 0
    this.watchTo = 0
  }

  /** Something of what it spun on has changed. */
  sawChange(): boolean {
    if (this.eventWait?.joins === true) return this.#sawAll()
    for (let at = this.watchFrom; at < this.watchTo; at++) {
      const value: number | bigint = this.readArrays[at]![this.readIndices[at]!]!
      if (value !== this.readValues[at] && !this.#isBigInt(at, value)) return true
    }
    return false
  }

  #sawAll(): boolean {
    let are = true
    for (let at = this.watchFrom; at < this.watchTo; at++) {
      const value = this.readArrays[at]![this.readIndices[at]!]!
      if (value > 1) return true
      if (value === 0) are = false
    }
    return are
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
