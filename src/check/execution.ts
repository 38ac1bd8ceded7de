// An execution as it happens: which thread did what, and how it ended.
//
// This class has what all strategies share: threads that block and spin, and the repetition of a prefix; dependence.ts
// has the clocks of the events, and data races. A subclass chooses which thread runs next.
//
// A spinning thread (see PAUSE) waits for a change of what it has read: continuing is a read of all of that, which
// is possible only after a change. If nothing else can continue, spinning threads and threads that wait with a
// time-out may continue a number of times, as time would allow; if that leads nowhere, it is a deadlock. A time-out
// may also pass at any moment while others can continue, but not more often than setTimeouts() says for each thread. It
// removes the thread from the queue of waiters, and so depends on notifications.
//
// If an iteration of a loop has changed nothing, the thread could have started it later. If every order is explored,
// the thread stops there: the later iteration belongs to another execution, since the reads of the iteration and
// later writes of others depend on each other. Once something changes that the iteration has read, the execution is
// redundant; until then the thread waits like a spinning one.
//
// An event loop chooses the place of its next event before the event is there. If it waits in vain, no thread can
// continue and another place has an event, the execution is redundant: another execution has chosen that place. If
// not every order is explored, there is no such execution, and the loop takes the event that is there.

import {
  COMPARE_EXCHANGE,
  FINISHED,
  LOOK,
  NOTIFY,
  READY,
  STOP,
  SAVE,
  type Sleepers,
  Thread,
  WOKEN,
  memory,
  setWatching,
  siteHere,
} from '../backends/stepped/index.ts'
import {
  RESCUES_MAX,
  goOn,
  hasDecidedLater,
  hasJumpsLeft,
  hasTimer,
  isOver,
  isPassingOver,
  leavesTimeout,
  longestWaiting,
  mayTimeOut,
  noticeChanges,
  waitsForAnother,
} from './passing-time.ts'
import type { Checkpoints } from './checkpoints.ts'
import type { Coverage } from './coverage.ts'
import { Dependence } from './dependence.ts'
import { OlderValues, olderValue } from './older-values.ts'
import { aimStop } from './operation-modes.ts'
import { NotDeterministic, type StepLog } from './step-log.ts'
import { NotSymmetric, type Symmetry } from './symmetry.ts'

/**
 * Where a thread looks at its clock, a schedule names the thread, or this in its place: then the clock has moved. It is
 * a bit of a set of threads as they are.
 */
export const TIME = 30
/** Threads at most: sets of threads are the bits of a word, and no set is negative. */
export const THREADS_MAX = 30

/** Why the execution ended. */
const RUNNING = 0
/** Every thread is finished. */
export const COMPLETE = 1
/** Every way to go on was explored before in another order. */
export const REDUNDANT = 2
export const DEADLOCK = 3
export const RACE = 4
export const TOO_LONG = 5
/** The path is to be followed again: see Dependence.isOutdated. */
const OUTDATED = 6

export interface ExecutionLimits {
  /** Steps after which an execution is given up. */
  readonly maxSteps: number
  /**
   * A thread that can go on waits for so many steps at most: a loop that only it ends is left then, and is no failure.
   * Null, the default, for no limit.
   */
  readonly patience?: number | null
  /** Accesses of racy() may read older values. Default false. */
  readonly isRacy?: boolean
  /** Where set, it is told what is come to. */
  readonly coverage?: Coverage | null
}

export abstract class Execution extends Dependence {
  readonly threads: readonly Thread[]
  override readonly exchanges: boolean
  status = RUNNING
  /** Steps of all executions, and those of them that were not run, as the execution began at a saved state. */
  steps = 0
  skipped = 0
  /** Where set, states are saved on the way, and executions begin there. */
  checkpoints: Checkpoints | null = null
  /** Where set, what each step did is noted or compared with what was noted. */
  log: StepLog | null = null

  /** See ExecutionLimits. */
  readonly patience: number | null
  /** Events before this one repeat the last execution. */
  protected branch = 0
  protected lastThread = -1

  // For each event:
  /** The threads that could go on, and those of them that were not asleep. */
  protected readonly enabled: Int32Array
  protected readonly ready: Int32Array
  /** A clock was looked at, and had moved. */
  readonly #moved: Uint8Array
  /** A time-out was not let pass that may have (see leavesTimeout()): the place of the first one, or -1. */
  leftTimeout = -1
  /** A loop was left to wait that may have gone on otherwise (see setTurns()): the place of the first one, or -1. */
  leftLoop = -1
  /** How often, before it, a thread was left that could have gone on. */
  readonly preemptions: Int32Array
  readonly #limits: ExecutionLimits
  #isFirst = true

  constructor(threadCount: number, limits: ExecutionLimits, symmetry: Symmetry | null = null) {
    super(threadCount, limits.maxSteps, symmetry, limits.coverage)
    this.threads = Array.from({ length: threadCount }, (_, id) => new Thread(id))
    this.#limits = limits
    this.patience = limits.patience ?? null
    this.exchanges = symmetry !== null
    this.ordersUpdates = limits.isRacy === true
    const events = limits.maxSteps + 1
    this.preemptions = new Int32Array(events + 1)
    this.#moved = new Uint8Array(events)
    this.enabled = new Int32Array(events)
    this.ready = new Int32Array(events)
  }

  /** Returns the thread that goes on of those that can, or -1 after end(). */
  protected abstract pick(event: number, enabled: number): number

  /** The event was chosen and is about to happen. */
  protected abstract chosen(event: number, thread: number): void

  /** A clock is looked at in the event. */
  protected looked(_event: number, _thread: number): void {}

  /** Whether a clock that is looked at at a new event has moved: a thread, or TIME. */
  protected abstract pickTime(event: number, thread: number): number

  /** What a schedule says of an event. */
  entry(event: number): number {
    return this.#moved[event] === 1 ? TIME : this.schedule[event]!
  }

  /** The schedule of the events before this one. */
  path(length = this.depth): number[] {
    return Array.from({ length }, (_, event) => this.entry(event))
  }

  /** To be called before each execution. */
  begin(): void {
    this.#beginAt(0, -1)
    this.wokenBy.fill(-1)
    this.shadow.grow(memory.cells)
    const { isRacy = false } = this.#limits
    if (isRacy) this.older = new OlderValues(this.count)
    // What happens before the first operation is the same in every execution.
    this.isRepeating = !this.#isFirst
    setWatching(this.#isFirst || isRacy)
    this.#isFirst = false
  }

  #beginAt(event: number, lastThread: number): void {
    this.status = RUNNING
    this.races.report = null
    this.isOutdated = false
    this.depth = event
    this.lastThread = lastThread
  }

  /**
   * To be called before an execution in place of begin(): goes to where the threads are somewhere on the way to where
   * the next execution differs from the last. Returns who sleeps there, or null where everything begins anew.
   */
  goBack(): Sleepers | null {
    const point = this.checkpoints?.goBack(this.branch) ?? null
    if (point === null) return null
    this.#beginAt(point.event, point.lastThread)
    this.skipped += point.event
    this.wokenBy.set(point.wokenBy)
    setWatching(false)
    return point.sleepers
  }

  /** The state before this event is to be saved. What is run twice is run from the beginning. */
  protected isSavedAt(event: number): boolean {
    return this.checkpoints !== null && this.log === null && this.checkpoints.isWanted(event, this.branch)
  }

  override save(): void {
    this.checkpoints!.save(this.depth, this.lastThread, this.wokenBy)
  }

  override loopMade(): void {
    if (this.symmetry !== null) throw new NotSymmetric('a thread has an event loop')
  }

  override loopLeft(site: number): void {
    if (this.leftLoop < 0) this.leftLoop = site
  }

  get hasLeftLoops(): boolean {
    return this.leftLoop >= 0
  }

  get hasLeftTimeouts(): boolean {
    return this.leftTimeout >= 0
  }

  /** Threads that could go on have waited for so long that those at work seem to be in a loop that only they end. */
  leaveLoop(): void {
    const thread = this.threads[this.lastThread]
    if (thread !== undefined) this.loopLeft(thread.site)
  }

  /** Of threads that can go on, only the one whose patience is over, if there is one: none goes on before it. */
  #hungriest(event: number, enabled: number, patience: number): number {
    let earliest = event - patience
    let found = 0
    for (let left = enabled & this.ready[event]!; left !== 0; left &= left - 1) {
      const last = this.lastEvent[31 - Math.clz32(left & -left)]!
      if (last >= earliest) continue
      earliest = last
      found = left & -left
    }
    if (found === 0) return enabled
    this.leaveLoop()
    return found
  }

  override memoryGrew(): void {
    this.shadow.grow(memory.cells)
  }

  /** To be called after the last one. */
  retire(): void {
    this.shadow.retire()
  }

  /** The next execution repeats this one. */
  repeat(): void {
    this.branch = this.depth
    this.checkpoints?.clear()
  }

  /** The next execution repeats the events before this one. */
  get firstNew(): number {
    return this.branch
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Choosing

  override choose(): number {
    const event = this.depth
    if (this.isSavedAt(event)) return SAVE
    if (this.isOutdated) return this.end(OUTDATED)
    this.#noticeChanges(event)
    if (this.races.report !== null) return this.end(RACE)
    if (event < this.branch) return this.#repeatEvent(event)
    if (event >= this.#limits.maxSteps) return this.end(TOO_LONG)
    let enabled = this.#enabledThreads(event)
    this.rescued[event] = 0
    if (enabled === 0) {
      enabled = this.#rescue(event)
      if (enabled === 0) return -1
      this.ready[event] = enabled
    }
    if (this.patience !== null) enabled = this.#hungriest(event, enabled, this.patience)
    if (this.symmetry !== null) enabled = this.symmetry.firstOnly(event, this.threads, this, enabled)
    const chosen = this.pick(event, enabled)
    if (chosen < 0) return -1
    const thread = this.threads[chosen]!
    const last = this.lastThread
    const preempts = chosen !== last && last >= 0 && (enabled & this.ready[event]! & (1 << last)) !== 0
    this.preemptions[event + 1] = this.preemptions[event]! + (preempts ? 1 : 0)
    this.schedule[event] = chosen
    this.#moved[event] = 0
    this.enabled[event] = enabled
    this.account(event, thread)
    goOn(thread)
    this.chosen(event, chosen)
    this.depth = event + 1
    this.lastThread = chosen
    if (event === this.branch) this.#beginNew()
    if (this.log !== null) this.log.step(event, thread)
    this.older?.step(thread, event + 1)
    if (this.isOutdated) return this.end(OUTDATED)
    return this.races.report === null ? chosen : this.end(RACE)
  }

  /**
   * Where no other thread has come to a cell in any execution, nobody depends on what this one does there: nothing is
   * to be tried in its place, and no order is noted. If another comes to it after all, the path is followed again.
   */
  override passes(thread: Thread): boolean {
    if (thread.kind > COMPARE_EXCHANGE || this.log !== null || this.endsThreads || this.older !== null)
      return false
    const { id, cell } = thread
    if (this.shadow.owners[cell] !== id + 1 || thread.cells !== 1) return false
    const event = this.depth
    // What else has just been done may have changed who can go on.
    if (this.races.report !== null || this.isOutdated || this.kind[event - 1]! > COMPARE_EXCHANGE)
      return false
    if (event < this.branch) {
      const isSame =
        this.schedule[event] === id && this.kind[event] === thread.kind && this.cell[event] === cell
      if (!isSame || this.rescued[event] !== 0) return false
    } else {
      if (event === this.branch || event >= this.#limits.maxSteps || !this.mayPass(event)) return false
      this.#moved[event] = 0
      this.pass(event, thread)
      this.preemptions[event + 1] = this.preemptions[event]!
      this.passed(event, id)
    }
    this.depth = event + 1
    return true
  }

  /** Whether a thread may pass on a new path: see pass(). */
  protected mayPass(_event: number): boolean {
    return false
  }

  /** A thread has passed. */
  protected passed(_event: number, _thread: number): void {}

  /** To be called after an execution that has ended as OUTDATED: the next one follows its path from the beginning. */
  followAgain(): void {}

  /** What comes is not what was before. */
  #beginNew(): void {
    this.isRepeating = false
    setWatching(true)
  }

  override hasPassed(thread: Thread): boolean {
    if (this.symmetry !== null) throw new NotSymmetric('a thread looks at a clock')
    const mayMove = hasJumpsLeft(thread)
    if (!mayMove) this.timeLeft()
    const hasMoved = mayMove && this.#decides(thread)
    if (hasMoved) thread.jumps++
    return hasMoved
  }

  override valueRead(thread: Thread, last: number): number {
    const values = this.older?.of(thread, last) ?? []
    if (values.length > 0 && this.symmetry !== null)
      throw new NotSymmetric('a racy access may read an older value')
    return olderValue(thread, last, values, () => this.#decides(thread))
  }

  /** The thread looks at its clock, or at an older value, in the middle of what it does: nobody else sees it. */
  #decides(thread: Thread): boolean {
    const { id } = thread
    const event = this.depth
    const isNew = event >= this.branch
    if (event >= this.#limits.maxSteps) return false
    if (!isNew && (this.kind[event] !== LOOK || this.schedule[event] !== id)) {
      const what = `thread ${id} looked at its clock, or at an older value, at step ${event + 1}`
      throw new NotDeterministic(`repeated with the same choices, ${what}`, event + 1, thread.site)
    }
    if (isNew) {
      this.ready[event] = 1 << id
      this.enabled[event] = (1 << id) | (1 << TIME)
      this.rescued[event] = 0
      this.preemptions[event + 1] = this.preemptions[event]!
      this.#moved[event] = this.pickTime(event, id) === TIME ? 1 : 0
      this.schedule[event] = id
      this.accountLook(event, thread)
      this.looked(event, id)
      if (event === this.branch) this.#beginNew()
    }
    this.depth = event + 1
    return this.#moved[event] === 1
  }

  override timeLeft(): void {
    if (this.leftTimeout < 0) this.leftTimeout = siteHere('clock')
  }

  override isDecided(): boolean {
    return this.races.report !== null || this.isOutdated
  }

  protected end(status: number): number {
    this.status = status
    return -1
  }

  #repeatEvent(event: number): number {
    const chosen = this.schedule[event]!
    const thread = this.threads[chosen]!
    if (thread.kind === STOP) aimStop(thread)
    if (this.rescued[event] !== 0) {
      thread.rescues++
      this.#timePasses()
    }
    if (thread.kind !== this.kind[event] || (thread.kind !== WOKEN && thread.cell !== this.cell[event])) {
      const what = `thread ${chosen} came to another operation at step ${event + 1}`
      throw new NotDeterministic(`repeated with the same choices, ${what}`, event + 1, thread.site)
    }
    if (this.log !== null) this.log.step(event, thread)
    goOn(thread)
    this.older?.step(thread, event + 1)
    this.depth = event + 1
    this.lastThread = chosen
    return chosen
  }

  /** Threads that spin go on when what they read has changed; those that were notified, because of that. */
  #noticeChanges(event: number): void {
    noticeChanges(this.threads, this.leavesIdle)
    // A thread may have looked at its clock since, before it came to its next operation.
    let last = event - 1
    while (last >= 0 && this.kind[last] === LOOK) last--
    if (last < 0 || this.kind[last] !== NOTIFY) return
    for (const thread of this.threads) {
      if (thread.kind !== WOKEN || thread.state !== READY) continue
      if (this.wokenBy[thread.id]! < 0) this.wokenBy[thread.id] = last
      this.older?.woken(thread.id, this.schedule[last]!)
    }
  }

  #enabledThreads(event: number): number {
    let ready = 0
    let asleep = 0
    for (const thread of this.threads) {
      if (thread.state === READY) ready |= 1 << thread.id
      else if (mayTimeOut(thread)) asleep |= 1 << thread.id
    }
    this.ready[event] = ready
    if ((ready | asleep) !== 0) this.#noteTimeouts()
    return ready === 0 && this.threads.every(isOver) ? 0 : ready | asleep
  }

  /** Nothing can go on. Lets one go on for which time would pass; else it is the end, good or bad. */
  #rescue(event: number): number {
    if (this.threads.every((thread) => thread.state === FINISHED)) return this.#stop(COMPLETE)
    // Not earlier: what the others would do first instead is learned from what they do.
    if (this.threads.some(waitsForAnother)) return this.#stop(REDUNDANT)
    const passing = this.threads.find(isPassingOver)
    if (passing !== undefined && this.leavesIdle) return this.#stop(REDUNDANT)
    if (passing !== undefined) return 1 << passing.id
    if (this.threads.every(isOver)) return this.#stop(this.#onceOnly(COMPLETE))
    const thread = longestWaiting(this.threads)
    if (thread === null || thread.rescues >= RESCUES_MAX)
      return this.#stop(this.#onceOnly(thread !== null && hasTimer(thread) ? TOO_LONG : DEADLOCK))
    this.#noteTimeouts(thread)
    thread.rescues++
    this.#timePasses()
    this.rescued[event] = 1
    return 1 << thread.id
  }

  /** Another goes on than threads whose time may be over. */
  #noteTimeouts(chosen: Thread | null = null): void {
    if (this.leftTimeout >= 0) return
    const left = this.threads.find((thread) => thread !== chosen && leavesTimeout(thread))
    if (left !== undefined) this.leftTimeout = left.site
  }

  /** Where threads wait for events of which none will come, it is the same wherever they do. */
  #onceOnly(status: number): number {
    return this.leavesIdle && this.threads.some(hasDecidedLater) ? REDUNDANT : status
  }

  /** A thread goes on because no other can: none could have looked later than this, and so none is left for that. */
  #timePasses(): void {
    for (const thread of this.threads) thread.isIdle = false
  }

  #stop(status: number): number {
    this.status = status
    return 0
  }
}
