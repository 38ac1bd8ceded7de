// Explores the interleavings of a program: one execution for each order of dependent operations, and as few redundant
// ones as possible.
//
// Dynamic partial-order reduction with source sets and sleep sets (Abdulla, Aronis, Jonsson, Sagonas: Optimal dynamic
// partial order reduction, POPL 2014). An execution repeats the prefix that it shares with the one before, whose
// data is kept, so that this costs only its steps; it starts at a checkpoint, if there is one.
//
// With a bound on preemptions, two executions of the same order may need different numbers of them, so that sleep sets
// and source sets could omit the cheaper one. The explorer then uses bounded partial-order reduction (Coons, Musuvathi,
// McKinley, OOPSLA 2013): if a thread's next operation depends on an earlier event of another, the thread is
// tried before that event, and also at the last switch to that event's thread, since a switch there costs nothing
// more.
//
// The exploration is a tree, and each subtree can be explored on its own: see WorkUnit.

import { FINISHED, LOOK } from '../backends/stepped/index.ts'
import { Execution, type ExecutionLimits, REDUNDANT, TIME } from './execution.ts'
import { NotDeterministic } from './step-log.ts'
import type { Symmetry } from './symmetry.ts'

export interface ExplorerOptions extends ExecutionLimits {
  /** Preemptions at most; null for all interleavings. */
  readonly bound: number | null
  readonly symmetry: Symmetry | null
  /** Before this event everything is tried that sleep sets do not rule out, whatever depends on what. Default 0. */
  readonly fullDepth?: number
  /**
   * See Scheduler. Default false: with a bound, the execution with the later turn may need one preemption more; and
   * a schedule that was found without this may let a thread go on that would be left.
   */
  readonly leavesIdle?: boolean
  /** Without sleep sets the same order is met again and again; for comparison. Default true. */
  readonly sleepSets?: boolean
}

/** A part of the tree that is yet to be explored. Plain data. */
export interface WorkUnit {
  /** The thread of each event down to the first that is yet to be tried. */
  readonly schedule: readonly number[]
  /** For each of them, the threads that are to be tried in its place, and those that were before. */
  readonly backtrack: readonly number[]
  readonly done: readonly number[]
  /** Events before this one belong to somebody else. What should be tried there is told in `demands`. */
  readonly floor: number
}

/** One of `threads` is to be tried instead of event `event` of a unit's path. */
export interface Demand {
  readonly event: number
  /** A set of threads, and the one to be preferred. */
  readonly threads: number
  readonly preferred: number
}

/** All of a program. */
export const wholeTree: WorkUnit = { schedule: [], backtrack: [], done: [], floor: 0 }

export class Explorer extends Execution {
  override readonly leavesIdle: boolean
  /** Executions so far. */
  executions = 0
  /** Steps of them that did not repeat those of the execution before. */
  fresh = 0
  readonly #bound: number | null
  readonly #fullDepth: number
  readonly #hasSleepSets: boolean
  // For each event:
  /** Sets of threads: what is to be tried, what was tried, what need not be tried. */
  readonly #backtrack: Int32Array
  readonly #done: Int32Array
  readonly #sleep: Int32Array
  /** How many executions there were when it was come to first, and when its present thread was. */
  readonly #leavesAtNode: Float64Array
  readonly #leavesAtChild: Float64Array

  #branchThread = -1
  readonly #first: Int32Array
  /** The path that is given, as long as it is followed for the first time. */
  #unit: WorkUnit = wholeTree
  #isSeeded = false
  /** What is not explored here is explored nowhere. */
  #isWhole = true
  /** Of an execution that is followed again: where it differs from the last, and the unit that it is of. */
  #again: { readonly branch: number; readonly unit: WorkUnit } | null = null
  #baseMark = 0
  readonly #demands = new Map<number, Demand>()

  constructor(threadCount: number, options: ExplorerOptions) {
    super(threadCount, options, options.symmetry)
    this.#bound = options.bound
    this.#fullDepth = options.fullDepth ?? 0
    this.leavesIdle = options.leavesIdle ?? false
    this.#hasSleepSets = this.#bound === null && (options.sleepSets ?? true)
    const events = options.maxSteps + 1
    this.#backtrack = new Int32Array(events)
    this.#done = new Int32Array(events)
    this.#sleep = new Int32Array(events + 1)
    this.#leavesAtNode = new Float64Array(events)
    this.#leavesAtChild = new Float64Array(events)
    this.#first = new Int32Array(threadCount)
  }

  /** Explores the part of the tree that is `unit`, from the next execution on. */
  seed(unit: WorkUnit): void {
    this.#unit = unit
    this.#isWhole = unit.schedule.length === 0
    this.#isSeeded = true
    this.#demands.clear()
    this.checkpoints?.clear()
    this.branch = 0
    this.#branchThread = -1
    this.#leavesAtNode[0] = this.executions
    this.#leavesAtChild[0] = this.executions
    this.lastEvent.fill(-1)
    if (this.executions > 0) this.shadow.undo(this.#baseMark)
  }

  /**
   * A thread has touched what another one had for itself on this path: now it is known, the path is followed once more,
   * as nothing of it was noted where that one passed.
   */
  override followAgain(): void {
    if (this.#isSeeded) throw new Error('a path that is followed is outdated again')
    const { branch } = this
    this.#again = { branch, unit: this.#unit }
    this.#unit = this.#path(branch + 1, this.#unit.floor)
    this.#isSeeded = true
    this.checkpoints?.clear()
    this.branch = 0
    this.#branchThread = -1
    this.lastEvent.fill(-1)
    this.shadow.undo(this.#baseMark)
  }

  #followedAgain(): void {
    if (this.#again === null) return
    this.branch = this.#again.branch
    this.#unit = this.#again.unit
    this.#again = null
  }

  protected override passed(event: number, thread: number): void {
    this.#backtrack[event] = 1 << thread
    this.#done[event] = 0
    this.#sleep[event + 1] = this.#sleep[event]!
  }

  /**
   * Not where a thread sleeps because of what it has done elsewhere: that may be what this one has for itself as far as
   * is known here. Not before everything was noted once, and not where each event counts: with a bound, where threads
   * are exchanged, where one may be hungry.
   */
  protected override mayPass(event: number): boolean {
    if (this.#isSeeded || this.executions === 0 || event < this.#fullDepth) return false
    if (!this.#hasSleepSets || this.symmetry !== null || this.patience !== null) return false
    return this.#isWhole || this.#sleep[event] === 0
  }

  override repeat(): void {
    this.#followedAgain()
    this.#countLeaves()
    super.repeat()
    this.#branchThread = -1
  }

  /** To be called after each execution. Finds the next one; false when there is none left. */
  advance(): boolean {
    this.#followedAgain()
    this.steps += this.depth
    this.fresh += this.depth - this.branch
    this.#countLeaves()
    if (this.executions === 0) this.#baseMark = this.depth === 0 ? this.shadow.logLength : this.logMark[0]!
    this.executions++
    this.checkpoints?.expect(this.fresh / this.executions)
    this.#isSeeded = false
    for (let event = this.depth - 1; event >= this.#unit.floor; event--) {
      this.#done[event]! |= 1 << this.entry(event)
      this.lastEvent[this.schedule[event]!] = this.previous[event]!
      const todo = this.#todo(event)
      if (todo === 0) continue
      this.branch = event
      this.#branchThread = 31 - Math.clz32(todo & -todo)
      this.#leavesAtChild[event] = this.executions
      this.shadow.undo(this.logMark[event]!)
      return true
    }
    return false
  }

  #countLeaves(): void {
    if (this.depth <= this.branch) return
    this.#leavesAtNode.fill(this.executions, this.branch + 1, this.depth)
    this.#leavesAtChild.fill(this.executions, this.branch + 1, this.depth)
  }

  /** Threads that are yet to be tried in place of an event. */
  #todo(event: number): number {
    return this.#backtrack[event]! & ~this.#done[event]! & ~this.#sleep[event]!
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Choosing

  protected override pick(event: number, enabled: number): number {
    if (event === this.branch && this.#branchThread >= 0) return this.#branchThread
    if (event === 0) this.#sleep[0] = 0
    if (this.#isSeeded && event < this.#unit.schedule.length) {
      this.#backtrack[event] = this.#unit.backtrack[event]!
      this.#done[event] = this.#unit.done[event]!
      return this.#follow(event, enabled)
    }
    const candidates = enabled & ~this.#sleep[event]!
    if (candidates === 0) return this.end(REDUNDANT)
    // Time passes for those who wait where it makes a difference, or nothing else is left to be tried.
    const awake = candidates & this.ready[event]!
    const last = 1 << this.lastThread
    const first = awake !== 0 ? awake : candidates
    const pick = this.lastThread >= 0 && (awake & last) !== 0 ? last : first & -first
    this.#backtrack[event] = event < this.#fullDepth ? this.#withinBound(event, candidates) : pick
    this.#done[event] = 0
    if (this.#bound !== null) this.#meetNextOperation(event)
    return 31 - Math.clz32(pick)
  }

  /** Both are tried, also within a bound: time that passes is no preemption. */
  protected override pickTime(event: number, thread: number): number {
    if (event === this.branch && this.#branchThread >= 0) return this.#branchThread
    if (event === 0) this.#sleep[0] = 0
    const isOld = this.#isSeeded && event < this.#unit.schedule.length
    this.#backtrack[event] = isOld ? this.#unit.backtrack[event]! : this.enabled[event]!
    this.#done[event] = isOld ? this.#unit.done[event]! : 0
    return isOld ? this.#unit.schedule[event]! : thread
  }

  protected override looked(event: number, thread: number): void {
    if (this.#hasSleepSets) this.#passSleep(event, thread, 0)
  }

  #follow(event: number, enabled: number): number {
    const thread = this.#unit.schedule[event]!
    if ((enabled & (1 << thread)) !== 0) return thread
    const problem = `thread ${thread} cannot go on at step ${event + 1} of a path that was explored before`
    throw new NotDeterministic(problem, event + 1)
  }

  protected override chosen(event: number, chosen: number): void {
    if (this.#hasSleepSets) this.#passSleep(event, chosen, this.#done[event]!)
    else if (this.#bound !== null && !this.#isOld(event)) this.#meetPending(event, chosen)
  }

  /** The event is in the path that was given, and not its last: what it leads to was looked at before. */
  #isOld(event: number): boolean {
    return this.#isSeeded && event < this.#unit.schedule.length - 1
  }

  /** What need not be tried after the event: what need not be before it, or was tried instead, and commutes with it. */
  #passSleep(event: number, chosen: number, done: number): void {
    let asleep = (this.#sleep[event]! | done) & ~(1 << chosen)
    let stays = 0
    while (asleep !== 0) {
      const bit = asleep & -asleep
      asleep ^= bit
      if (!this.dependsOn(this.threads[31 - Math.clz32(bit)]!, event)) stays |= bit
    }
    this.#sleep[event + 1] = stays
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Reversing races: each pair of dependent events that nothing forces into this order is to be seen in the other, too

  protected override meetRaces(event: number, id: number): void {
    if (this.#bound !== null || this.#isOld(event)) return
    const { racing } = this
    this.#meetVictim(event)
    for (const earlier of racing) {
      // Only what follows directly: what is behind another racing event is reversed when that one is.
      const other = this.schedule[earlier]!
      const direct = racing.every(
        (between) => between === earlier || this.clock[between * this.count + other]! <= earlier,
      )
      if (direct) this.#reverse(earlier, event, id)
    }
  }

  /**
   * What a thread was about to do that is ended is no event: it is to be done first, too. If that need not be tried,
   * something else may come before it: nothing here would tell what.
   */
  #meetVictim(event: number): void {
    const victim = this.victimOf(event)
    const own = 1 << victim
    const enabled = this.enabled[event]!
    if (victim < 0 || (enabled & own) === 0) return
    let threads = (this.#sleep[event]! & own) !== 0 ? enabled : own
    for (; threads !== 0; threads &= threads - 1) this.#demand(event, threads & -threads, threads & -threads)
  }

  #reverse(earlier: number, event: number, id: number): void {
    const initials = this.#initials(earlier, event, id) & this.enabled[earlier]!
    if (initials === 0) return
    const own = 1 << id
    this.#demand(earlier, initials, (initials & own) !== 0 ? own : initials & -initials)
  }

  /** One of `threads` is to be tried in place of an event, `preferred` if none is. */
  #demand(event: number, threads: number, preferred: number): void {
    if ((threads & (this.#backtrack[event]! | this.#sleep[event]!)) !== 0) return
    if (event >= this.#unit.floor) this.#backtrack[event]! |= preferred
    else this.#demands.set(event * 2 ** (TIME + 1) + threads, { event, threads, preferred })
  }

  /**
   * The threads that can begin, in the state before `earlier`, what happened since without depending on it, followed by
   * `event` of thread `id`.
   */
  #initials(earlier: number, event: number, id: number): number {
    const { count } = this
    const first = this.#first
    const other = this.schedule[earlier]!
    let seen = 0
    let initials = 0
    for (let between = earlier + 1; between <= event; between++) {
      const thread = between === event ? id : this.schedule[between]!
      const bit = 1 << thread
      if ((seen & bit) !== 0) continue
      if (between !== event && this.clock[between * count + other]! > earlier) continue
      let free = true
      for (let before = 0; before < count && free; before++) {
        if ((seen & (1 << before)) !== 0 && this.clock[between * count + before]! > first[before]!)
          free = false
      }
      if (between === event) {
        for (const racing of this.racing) {
          if (racing > earlier && this.clock[racing * count + other]! <= earlier) free = false
        }
      }
      seen |= bit
      first[thread] = between
      if (free) initials |= bit
    }
    return initials
  }

  // -------------------------------------------------------------------------------------------------------------------
  // With a bound

  /** The operation that the last thread has come to is new: it may depend on what others did before. */
  #meetNextOperation(event: number): void {
    const thread = this.threads[this.lastThread]
    if (event === 0 || thread === undefined || thread.state === FINISHED) return
    for (let other = 0; other < this.count; other++) {
      if (other === thread.id) continue
      const earlier = this.lastDependent(thread, other)
      // What the thread knew already could not come after anything that it does now.
      const known = this.clock[(event - 1) * this.count + other]!
      if (earlier >= known) this.#tryBefore(earlier, thread.id)
    }
  }

  /** The event may depend on what another thread is about to do. */
  #meetPending(event: number, chosen: number): void {
    for (const thread of this.threads) {
      if (thread.id === chosen || thread.state === FINISHED) continue
      if (this.dependsOn(thread, event)) this.#tryBefore(event, thread.id)
    }
  }

  /** Tries the thread before an event: at it, and where it last cost nothing to leave the event's thread. */
  #tryBefore(event: number, thread: number): void {
    this.#tryAt(event, thread)
    const other = this.schedule[event]!
    let start = event
    while (start > 0 && this.schedule[start - 1] === other && (this.ready[start]! & (1 << other)) !== 0)
      start--
    while (this.kind[start] === LOOK) start++
    if (start !== event) this.#tryAt(start, thread)
  }

  /**
   * Tries the thread in place of an event; all threads, if it could go on there only because its time is over, or not
   * at all: another may let it go on in another way.
   */
  #tryAt(event: number, thread: number): void {
    const own = 1 << thread
    const enabled = this.enabled[event]!
    let threads =
      ((enabled & this.ready[event]! & own) !== 0 ? own : enabled) & this.#withinBound(event, enabled)
    for (; threads !== 0; threads &= threads - 1) this.#demand(event, threads & -threads, threads & -threads)
  }

  /** Of the threads that could go on at an event, those whose going on is no preemption too many. */
  #withinBound(event: number, enabled: number): number {
    if (this.#bound === null || event === 0 || this.preemptions[event]! < this.#bound) return enabled
    const last = 1 << this.schedule[event - 1]!
    return (enabled & this.ready[event]! & last) === 0 ? enabled : last
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Parts of the tree

  /** What the unit that is explored found should be tried outside it, since it was begun. */
  takeDemands(): Demand[] {
    const demands = [...this.#demands.values()]
    this.#demands.clear()
    return demands
  }

  /** What is left of the unit that is explored; after advance() was true. */
  remainder(): WorkUnit {
    const unit = this.#path(this.branch + 1, this.#unit.floor)
    return { ...unit, schedule: [...unit.schedule.slice(0, -1), this.#branchThread] }
  }

  /** What is below the execution that has just ended, as a part of its own; before advance(). */
  partBelow(): WorkUnit {
    return this.#path(this.depth, this.depth)
  }

  #path(length: number, floor: number): WorkUnit {
    return {
      schedule: this.path(length),
      backtrack: [...this.#backtrack.subarray(0, length)],
      done: [...this.#done.subarray(0, length)],
      floor,
    }
  }

  /**
   * How many executions the unit seems to have, from what was explored of it: what is left to be tried at an event is
   * taken to be as large as what was tried there (after Kilby, Slaney, Thiébaux, Walsh: Estimating search tree size,
   * AAAI 2006). It is too small as long as something is found to be tried at an early event. After advance() was true.
   */
  estimate(): number {
    let below = 0
    for (let event = this.branch; event >= this.#unit.floor; event--) {
      const before = this.#leavesAtChild[event]! - this.#leavesAtNode[event]!
      const own = event === this.branch ? 0 : below
      const triedBefore = event < this.#unit.done.length ? bitCount(this.#unit.done[event]!) : 0
      const tried = bitCount(this.#done[event]!) - triedBefore + (event === this.branch ? 0 : 1)
      const pathBit = event === this.branch ? 0 : 1 << this.entry(event)
      const left = bitCount(this.#todo(event) & ~pathBit)
      below = tried === 0 ? own : (before + own) * (1 + left / tried)
    }
    return Math.round(below)
  }
}

function bitCount(set: number): number {
  let count = 0
  for (let left = set; left !== 0; left &= left - 1) count++
  return count
}
