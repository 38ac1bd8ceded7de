// An execution as it happens: which thread did what, what each event depends on, and how it ended.
//
// This class has what all strategies share: threads that block and spin, the clocks of the events, data races, and
// the repetition of a prefix. A subclass chooses which thread runs next.
//
// A spinning thread (see PAUSE) waits for a change of what it has read: continuing is a read of all of that, which
// is possible only after a change. If nothing else can continue, spinning threads and threads that wait with a
// time-out may continue a number of times, as time would allow; if that leads nowhere, it is a deadlock. A time-out
// may also pass at any moment while others can continue, but not more often than setTimeouts() says for each thread. It
// removes the thread from the queue of waiters, and so depends on notifications.
//
// Two operations depend on each other if they touch a common cell and one changes it; a failed compare-and-swap only
// reads. Two updates of one kind are independent (additions, or `or`s, whose results are unused), since they have
// the same effect in either order. Happens-before is smaller than dependence: see data-races.ts. In it, an update
// acquires nothing; a later read acquires from all updates.
//
// Ending another thread (STOP) depends on everything that this thread does, on its next operation, and, if it waits
// or spins, on every operation that could let it continue.
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
  FINISHED,
  NOTIFY,
  PAUSE,
  READY,
  STOP,
  STORE,
  SAVE,
  Scheduler,
  SPINNING,
  type Sleepers,
  Thread,
  WAITING,
  WOKEN,
  memory,
  setWatching,
} from '../backends/stepped/index.ts'
import {
  RESCUES_MAX,
  hasTimer,
  hasTimeoutsLeft,
  leavesTimeout,
  goOn,
  hasDecidedLater,
  isOver,
  isPassingOver,
  longestWaiting,
  mayTimeOut,
  noticeChanges,
  waitsForAnother,
} from './passing-time.ts'
import type { Checkpoints } from './checkpoints.ts'
import { RaceDetector, type RaceReport } from './data-races.ts'
import {
  LAST_QUEUE,
  LAST_WRITE,
  PER_THREAD,
  QUEUED_BY,
  READ_BY,
  Shadow,
  THREAD_WORDS,
  UPDATED_BY,
  UPDATES_SINCE,
  WRITTEN_BY,
} from './shadow.ts'
import { READS, WRITES, QUEUES, UPDATES, aimStop, modeOf } from './operation-modes.ts'
import { NotDeterministic, type StepLog } from './step-log.ts'
import { NotSymmetric, type Symmetry } from './symmetry.ts'

/** Threads at most: sets of threads are the bits of a word, and no set is negative. */
export const THREADS_MAX = 31

/** Why the execution ended. */
const RUNNING = 0
/** Every thread is finished. */
export const COMPLETE = 1
/** Every way to go on was explored before in another order. */
export const REDUNDANT = 2
export const DEADLOCK = 3
export const RACE = 4
export const TOO_LONG = 5

export interface ExecutionLimits {
  /** Steps after which an execution is given up. */
  readonly maxSteps: number
  /**
   * A thread that can go on waits for so many steps at most: a loop that only it ends is left then, and is no failure.
   * Null, the default, for no limit.
   */
  readonly patience?: number | null
}

export abstract class Execution extends Scheduler {
  readonly threads: readonly Thread[]
  override readonly exchanges: boolean
  status = RUNNING
  /** Events of the execution so far. */
  depth = 0
  /** Which thread did each event. */
  readonly schedule: Uint8Array
  /** Steps of all executions, and those of them that were not run, as the execution began at a saved state. */
  steps = 0
  skipped = 0
  /** Where set, states are saved on the way, and executions begin there. */
  checkpoints: Checkpoints | null = null
  /** Where set, what each step did is noted or compared with what was noted. */
  log: StepLog | null = null

  /** See ExecutionLimits. */
  readonly patience: number | null
  protected readonly count: number
  protected readonly shadow: Shadow
  /** Threads that may be exchanged for one another. */
  protected readonly symmetry: Symmetry | null
  /** Events before this one repeat the last execution. */
  protected branch = 0
  protected lastThread = -1
  /** The events of other threads that the last event depends on, and that nothing else puts before it. */
  protected readonly racing: number[] = []

  // For each event:
  protected readonly logMark: Int32Array
  /** The thread's event before, or -1. */
  readonly previous: Int32Array
  /** For each thread, one more than its last event that this one depends on; of itself, this one. */
  protected readonly clock: Int32Array
  /** The threads that could go on, and those of them that were not asleep. */
  protected readonly enabled: Int32Array
  protected readonly ready: Int32Array
  /** A time-out was not let pass that may have (see leavesTimeout()): the place of the first one, or -1. */
  leftTimeout = -1
  /** A loop was left to wait that may have gone on otherwise (see setTurns()): the place of the first one, or -1. */
  leftLoop = -1
  /** How often, before it, a thread was left that could have gone on. */
  readonly preemptions: Int32Array
  readonly #kind: Uint8Array
  readonly #cell: Int32Array
  readonly #cellCount: Int32Array
  readonly #mode: Uint8Array
  readonly #site: Int32Array
  readonly #rescued: Uint8Array
  /** It is an access of racy(), which orders nothing. */
  readonly #plain: Uint8Array
  /** Of an event that ends a thread, that one. */
  readonly #victim: Int8Array
  /** The clock of happens-before. */
  readonly #sync: Int32Array

  readonly lastEvent: Int32Array
  readonly #limits: ExecutionLimits
  readonly #wokenBy: Int32Array
  /** Cells on which the thread spins that goes on or is ended in the last event. */
  readonly #watched: number[] = []
  readonly #races: RaceDetector
  #isFirst = true

  constructor(threadCount: number, limits: ExecutionLimits, symmetry: Symmetry | null = null) {
    super()
    this.threads = Array.from({ length: threadCount }, (_, id) => new Thread(id))
    this.count = threadCount
    this.#limits = limits
    this.patience = limits.patience ?? null
    this.symmetry = symmetry
    this.exchanges = symmetry !== null
    this.shadow = new Shadow(threadCount)
    const events = limits.maxSteps + 1
    this.schedule = new Uint8Array(events)
    this.preemptions = new Int32Array(events + 1)
    this.#kind = new Uint8Array(events)
    this.#cell = new Int32Array(events)
    this.#cellCount = new Int32Array(events)
    this.#mode = new Uint8Array(events)
    this.#site = new Int32Array(events)
    this.#rescued = new Uint8Array(events)
    this.#plain = new Uint8Array(events)
    this.#victim = new Int8Array(events)
    this.logMark = new Int32Array(events)
    this.previous = new Int32Array(events)
    this.clock = new Int32Array(events * threadCount)
    this.#sync = new Int32Array(events * threadCount)
    this.enabled = new Int32Array(events)
    this.ready = new Int32Array(events)
    this.lastEvent = new Int32Array(threadCount).fill(-1)
    this.#wokenBy = new Int32Array(threadCount).fill(-1)
    this.#races = new RaceDetector(threadCount, this.shadow, {
      sync: this.#sync,
      sites: this.#site,
      lastEvent: this.lastEvent,
    })
  }

  /** Returns the thread that goes on of those that can, or -1 after end(). */
  protected abstract pick(event: number, enabled: number): number

  /** The event has its clock, except for what it takes over from the events in `racing`. */
  protected abstract meetRaces(event: number, thread: number): void

  /** The event was chosen and is about to happen. */
  protected abstract chosen(event: number, thread: number): void

  get race(): RaceReport | null {
    return this.#races.report
  }

  /** To be called before each execution. */
  begin(): void {
    this.#beginAt(0, -1)
    this.#wokenBy.fill(-1)
    this.shadow.grow(memory.cells)
    // What happens before the first operation is the same in every execution.
    setWatching(this.#isFirst)
    this.#isFirst = false
  }

  #beginAt(event: number, lastThread: number): void {
    this.status = RUNNING
    this.#races.report = null
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
    this.#wokenBy.set(point.wokenBy)
    setWatching(false)
    return point.sleepers
  }

  /** The state before this event is to be saved. What is run twice is run from the beginning. */
  protected isSavedAt(event: number): boolean {
    return this.checkpoints !== null && this.log === null && this.checkpoints.isWanted(event, this.branch)
  }

  override save(): void {
    this.checkpoints!.save(this.depth, this.lastThread, this.#wokenBy)
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

  /** Where the execution left a thread that could have gone on. */
  get preemptionCount(): number {
    return this.preemptions[this.depth]!
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Choosing

  override choose(): number {
    const event = this.depth
    if (this.isSavedAt(event)) return SAVE
    this.#noticeChanges(event)
    if (this.#races.report !== null) return this.end(RACE)
    if (event < this.branch) return this.#repeatEvent(event)
    if (event >= this.#limits.maxSteps) return this.end(TOO_LONG)
    let enabled = this.#enabledThreads(event)
    this.#rescued[event] = 0
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
    this.enabled[event] = enabled
    this.#account(event, thread)
    goOn(thread)
    this.chosen(event, chosen)
    this.depth = event + 1
    this.lastThread = chosen
    if (event === this.branch) setWatching(true)
    if (this.log !== null) this.log.step(event, thread)
    return this.#races.report === null ? chosen : this.end(RACE)
  }

  override isDecided(): boolean {
    return this.#races.report !== null
  }

  protected end(status: number): number {
    this.status = status
    return -1
  }

  #repeatEvent(event: number): number {
    const chosen = this.schedule[event]!
    const thread = this.threads[chosen]!
    if (thread.kind === STOP) aimStop(thread)
    if (this.#rescued[event] !== 0) {
      thread.rescues++
      this.#timePasses()
    }
    if (thread.kind !== this.#kind[event] || (thread.kind !== WOKEN && thread.cell !== this.#cell[event])) {
      const what = `thread ${chosen} came to another operation at step ${event + 1}`
      throw new NotDeterministic(`repeated with the same choices, ${what}`, event + 1, thread.site)
    }
    if (this.log !== null) this.log.step(event, thread)
    goOn(thread)
    this.depth = event + 1
    this.lastThread = chosen
    return chosen
  }

  /** Threads that spin go on when what they read has changed; those that were notified, because of that. */
  #noticeChanges(event: number): void {
    noticeChanges(this.threads, this.leavesIdle)
    if (event === 0 || this.#kind[event - 1] !== NOTIFY) return
    for (const thread of this.threads) {
      if (thread.kind === WOKEN && thread.state === READY && this.#wokenBy[thread.id]! < 0)
        this.#wokenBy[thread.id] = event - 1
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
    this.#rescued[event] = 1
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

  // -------------------------------------------------------------------------------------------------------------------
  // Dependence

  /** The next operation of `thread` does not commute with the last event. */
  protected dependsOn(thread: Thread, event: number): boolean {
    if (thread.kind === STOP) aimStop(thread)
    if (thread.kind === STOP && thread.victim!.id === this.schedule[event]) return true
    if (this.victimOf(event) === thread.id) return true
    if (thread.kind === STOP && this.#mayFree(event, thread.victim!)) return true
    const mode = modeOf(thread)
    const other = this.#mode[event]!
    if ((mode & other & UPDATES) !== 0) return false
    const conflict =
      ((mode & WRITES) !== 0 && (other & (READS | WRITES)) !== 0) ||
      ((other & WRITES) !== 0 && (mode & READS) !== 0) ||
      (mode & other & QUEUES) !== 0
    if (!conflict) return false
    if (thread.kind === PAUSE) {
      for (let read = thread.watchFrom; read < thread.watchTo; read++) {
        if (this.#touches(event, thread.readCells[read]!, 1)) return true
      }
      return false
    }
    return this.#touches(event, thread.cell, thread.cells)
  }

  /** Of the last event: see #watched. */
  #touches(event: number, cell: number, cells: number): boolean {
    const first = this.#cell[event]!
    const kind = this.#kind[event]
    if (kind !== PAUSE && cell < first + this.#cellCount[event]! && first < cell + cells) return true
    if (kind !== PAUSE && kind !== STOP) return false
    return this.#watched.some((watched) => watched >= cell && watched < cell + cells)
  }

  /** The event changes what a thread spins on that another is about to end. */
  #mayFree(event: number, victim: Thread): boolean {
    if (victim.state !== SPINNING || (this.#mode[event]! & WRITES) === 0) return false
    for (let read = victim.watchFrom; read < victim.watchTo; read++)
      if (this.#touches(event, victim.readCells[read]!, 1)) return true
    return false
  }

  /** Of an event that ends a thread, that one; else -1. */
  protected victimOf(event: number): number {
    return this.#kind[event] === STOP ? this.#victim[event]! : -1
  }

  /** The last event of `other` with which the next operation of `thread` does not commute, or -1. */
  protected lastDependent(thread: Thread, other: number): number {
    if (thread.kind === STOP) aimStop(thread)
    if (thread.kind === STOP && thread.victim!.id === other) return this.lastEvent[other]!
    const mode = modeOf(thread)
    if (thread.kind !== PAUSE) return this.#lastDependentAt(thread.cell, thread.cells, other, mode)
    let last = -1
    for (let read = thread.watchFrom; read < thread.watchTo; read++)
      last = Math.max(last, this.#lastDependentAt(thread.readCells[read]!, 1, other, mode))
    return last
  }

  #lastDependentAt(first: number, cells: number, other: number, mode: number): number {
    const { words, stride } = this.shadow
    let last = 0
    for (let cell = first; cell < first + cells; cell++) {
      const theirs = cell * stride + PER_THREAD + other * THREAD_WORDS
      if ((mode & (READS | WRITES)) !== 0) {
        last = Math.max(last, words[theirs + WRITTEN_BY]!)
        if ((mode & UPDATES & words[cell * stride + UPDATES_SINCE]!) === 0)
          last = Math.max(last, words[theirs + UPDATED_BY]!)
      }
      if ((mode & WRITES) !== 0) last = Math.max(last, words[theirs + READ_BY]!)
      if ((mode & QUEUES) !== 0) last = Math.max(last, words[theirs + QUEUED_BY]!)
    }
    return last - 1
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Events

  #account(event: number, thread: Thread): void {
    const { id, kind } = thread
    const count = this.count
    const clock = event * count
    const previous = this.lastEvent[id]!
    if (kind === STOP) aimStop(thread)
    const mode = modeOf(thread)
    this.#kind[event] = kind
    this.#cell[event] = thread.cell
    this.#cellCount[event] = thread.cells
    this.#mode[event] = mode
    this.#site[event] = thread.site
    this.#plain[event] = thread.isPlain && kind <= STORE ? 1 : 0
    this.logMark[event] = this.shadow.logLength
    this.previous[event] = previous
    for (let other = 0; other < count; other++) {
      this.clock[clock + other] = previous < 0 ? 0 : this.clock[previous * count + other]!
      this.#sync[clock + other] = previous < 0 ? 0 : this.#sync[previous * count + other]!
    }
    this.racing.length = 0
    if (this.symmetry !== null) {
      const isByTime = this.#rescued[event] !== 0 || thread.state !== READY
      const before = this.symmetry.account(event, thread, this, isByTime)
      for (const other of before) this.#join(this.clock, clock, other)
    }
    if (kind === WOKEN && thread.state !== WAITING) this.#takeOverWaking(thread, clock)
    if (kind === STOP) this.#takeOverLife(event, thread.victim!.id)
    this.#watched.length = 0
    if (kind === PAUSE) this.#meetWatched(event, thread, thread)
    else if (mode !== 0) {
      for (let cell = thread.cell; cell < thread.cell + thread.cells; cell++)
        this.#meetCell(event, thread, cell, mode)
    }
    if (kind === STOP && thread.victim!.state === SPINNING) this.#meetWatched(event, thread, thread.victim!)
    this.meetRaces(event, id)
    for (const racing of this.racing) this.#join(this.clock, clock, racing)
    this.clock[clock + id] = event + 1
    this.#sync[clock + id] = event + 1
    this.lastEvent[id] = event
  }

  /** The event depends on whoever changes what `spinning` spins on. */
  #meetWatched(event: number, thread: Thread, spinning: Thread): void {
    for (let read = spinning.watchFrom; read < spinning.watchTo; read++) {
      const cell = spinning.readCells[read]!
      this.#watched.push(cell)
      this.#meetCell(event, thread, cell, READS)
    }
  }

  #takeOverWaking(thread: Thread, clock: number): void {
    const { id } = thread
    const wokenBy = this.#wokenBy[id]!
    if (wokenBy < 0) return
    // Its time might have been over before.
    if (thread.timeout !== Infinity && hasTimeoutsLeft(thread))
      this.#dependOn(clock, this.schedule[wokenBy]!, wokenBy)
    this.#join(this.clock, clock, wokenBy)
    this.#join(this.#sync, clock, wokenBy)
    this.#wokenBy[id] = -1
  }

  /** The thread that is ended has done all that it does. */
  #takeOverLife(event: number, victim: number): void {
    const clock = event * this.count
    const last = this.lastEvent[victim]!
    this.#victim[event] = victim
    if (last >= 0) {
      this.#dependOn(clock, victim, last)
      this.#join(this.#sync, clock, last)
    }
    // What it did plainly since, too.
    this.#sync[clock + victim] = last + 2
  }

  #join(clocks: Int32Array, into: number, event: number): void {
    const from = event * this.count
    for (let other = 0; other < this.count; other++) {
      if (clocks[from + other]! > clocks[into + other]!) clocks[into + other] = clocks[from + other]!
    }
  }

  /** Notes on what the event depends at one cell, and leaves its own mark there. */
  #meetCell(event: number, thread: Thread, cell: number, wanted: number): void {
    const { shadow, count } = this
    const { words } = shadow
    const { id } = thread
    const at = cell * shadow.stride
    const clock = event * count
    const lastWrite = words[at + LAST_WRITE]!
    const own = at + PER_THREAD + id * THREAD_WORDS
    const since = words[at + UPDATES_SINCE]!
    // Updates of another kind are there already: it is a write like others.
    const mode =
      (wanted & UPDATES) !== 0 && since !== 0 && (wanted & since) === 0 ? wanted & ~UPDATES : wanted
    if (mode !== wanted) this.#mode[event] = mode
    if ((mode & (READS | WRITES)) !== 0) {
      let isAfter = false
      if ((mode & WRITES) !== 0) {
        for (let other = 0; other < count; other++) {
          const read = words[at + PER_THREAD + other * THREAD_WORDS + READ_BY]!
          if (other === id || read <= lastWrite) continue
          isAfter = true
          this.#dependOn(clock, other, read - 1)
        }
      }
      if (since !== 0 && (mode & UPDATES) === 0) {
        this.#meetUpdates(event, thread, at, mode)
        isAfter = true
      }
      if (lastWrite !== 0 && !isAfter) this.#dependOn(clock, this.schedule[lastWrite - 1]!, lastWrite - 1)
      const isOrdered = lastWrite !== 0 && (this.#plain[event]! | this.#plain[lastWrite - 1]!) === 0
      if ((mode & READS) !== 0 && (mode & UPDATES) === 0 && isOrdered && !isQuiet(thread))
        this.#join(this.#sync, clock, lastWrite - 1)
    }
    if ((mode & QUEUES) !== 0) {
      const lastQueue = words[at + LAST_QUEUE]!
      if (lastQueue !== 0) {
        this.#dependOn(clock, this.schedule[lastQueue - 1]!, lastQueue - 1)
        this.#join(this.#sync, clock, lastQueue - 1)
      }
      shadow.set(at + LAST_QUEUE, event + 1)
      shadow.set(own + QUEUED_BY, event + 1)
    }
    if (!isQuiet(thread) && (mode & (READS | WRITES)) !== 0)
      this.#races.checkAtomic(event, id, cell, (mode & WRITES) !== 0)
    if ((mode & UPDATES) !== 0) {
      shadow.set(own + UPDATED_BY, event + 1)
      if (since === 0) shadow.set(at + UPDATES_SINCE, mode & UPDATES)
      return
    }
    if ((mode & READS) !== 0) shadow.set(own + READ_BY, event + 1)
    if ((mode & WRITES) !== 0) {
      shadow.set(own + WRITTEN_BY, event + 1)
      shadow.set(at + LAST_WRITE, event + 1)
      if (since !== 0) shadow.set(at + UPDATES_SINCE, 0)
    }
  }

  /** It comes after all updates since the last write, and reads what they left together. */
  #meetUpdates(event: number, thread: Thread, at: number, mode: number): void {
    const { words } = this.shadow
    const clock = event * this.count
    for (let other = 0; other < this.count; other++) {
      const updated = words[at + PER_THREAD + other * THREAD_WORDS + UPDATED_BY]!
      if (updated <= words[at + LAST_WRITE]!) continue
      if (other !== thread.id) this.#dependOn(clock, other, updated - 1)
      if ((mode & READS) !== 0 && !isQuiet(thread) && this.#plain[event] === 0)
        this.#join(this.#sync, clock, updated - 1)
    }
  }

  #dependOn(clock: number, other: number, event: number): void {
    if (this.clock[clock + other]! <= event && !this.racing.includes(event)) this.racing.push(event)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Plain accesses

  override plainRead(id: number, firstCell: number, cells: number, site: number): void {
    if (this.symmetry !== null) this.symmetry.plainRead(id, this)
    this.#races.plainRead(id, firstCell, cells, site)
  }

  override plainWrite(id: number, firstCell: number, cells: number, site: number): void {
    this.#races.plainWrite(id, firstCell, cells, site)
  }

  // -------------------------------------------------------------------------------------------------------------------

  /** A digest of what happened: the same for executions that differ only in the order of what commutes. */
  orderDigest(): string {
    const ordinals = new Int32Array(this.count)
    const ordinalOf = new Int32Array(this.depth)
    let first = 0
    let second = 0
    for (let event = 0; event < this.depth; event++) {
      const thread = this.schedule[event]!
      ordinalOf[event] = ++ordinals[thread]!
      let hash = (thread + 1) * 0x9e3779b1
      for (let other = 0; other < this.count; other++) {
        const last = this.clock[event * this.count + other]!
        hash = Math.imul(hash ^ (last === 0 ? 0 : ordinalOf[last - 1]!), 0x85ebca6b)
        hash ^= hash >>> 15
      }
      first = (first + Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)) | 0
      second = (second + Math.imul(hash ^ (hash >>> 16), 0x27d4eb2f)) | 0
    }
    return `${first} ${second}`
  }
}

/** Nobody is told what its next operation reads, or the program does not do it. */
function isQuiet({ kind }: Thread): boolean {
  return kind === PAUSE || kind === STOP
}
