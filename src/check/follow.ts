// One execution by a given schedule: what a candidate for a shorter counterexample is, and what a replay token says.
//
// A schedule is told by its turnings. Where it names no thread, a rule decides: the thread that was last at work stays
// as long as it can go on; then the first that can; where none can, the first that spins or waits with a timeout, as
// time would let it. So a schedule that is laid down only in part is still one execution, always the same.

import {
  ChoicesNeeded,
  CountRead,
  FINISHED,
  NOTIFY,
  PAUSE,
  READY,
  Scheduler,
  Thread,
  TimeUp,
  WOKEN,
  runThreads,
  setDeadline,
  setWatching,
  steppedHost,
} from '../backends/stepped/index.ts'
import { TIME } from './execution.ts'
import {
  RESCUES_MAX,
  goOn,
  isOver,
  isPassingOver,
  letGoOn,
  longestWaiting,
  mayTimeOut,
  noticeChanges,
  waitsForTime,
} from './passing-time.ts'
import {
  type FailureKind,
  type RawFailure,
  type Subject,
  lostWakeUp,
  runAgain,
  starvation,
} from './run-once.ts'
import type { RaceReport } from './data-races.ts'
import { HappensBefore, changes } from './happens-before.ts'
import { OlderValues, olderValue } from './older-values.ts'

/** At step `step`, from 0, thread `thread` is chosen against the rule. */
export interface Turning {
  readonly step: number
  readonly thread: number
}

/** A step as it was chosen. */
export interface Choice {
  readonly thread: number
  /** The thread that the rule names. */
  readonly rule: number
  /**
   * Threads that could go on, as a set of bits, those with them whose time-out may pass; where none could, those that
   * time would let go on.
   */
  readonly enabled: number
  /** The thread that was at work before could go on. */
  readonly lastEnabled: boolean
  /** Its clock is looked at: the thread stands for one that is as it was, TIME for one that has moved. */
  readonly isLook: boolean
  /** Nothing could go on. */
  readonly rescued: boolean
  /** What the operation touches, and whether it changes it; see PAUSE and WOKEN for those without memory. */
  readonly kind: number
  readonly cell: number
  readonly changes: boolean
}

export interface FollowedRun {
  readonly choices: readonly Choice[]
  readonly failure: RawFailure | null
  /** What the failure is told by: equal for the same failure in two executions. */
  readonly key: string
  /** Switches away from a thread that could have gone on. */
  readonly preemptions: number
  /** Steps up to the failure; of a deadlock, to where nothing could go on, without what time lets go on afterwards. */
  readonly steps: number
  /** As they stand at its end. */
  readonly threads: readonly Thread[]
  /** Where `lead` has left it, the threads that can go on there, as in a choice; null where it came to its end. */
  readonly left: number | null
}

/** What `lead` gives where the execution is to be left as it is. */
export const STOP_HERE = -2

export interface FollowOptions {
  /** Give up after so many steps. */
  readonly maxSteps: number
  /** Hold plain accesses against happens-before, which costs time. */
  readonly races: boolean
  /** The thread that is to do step `step`, -1 for what the rule says, or STOP_HERE. `enabled` is as in a choice. */
  readonly lead: (step: number, enabled: number) => number
}

/** Runs the execution. The failure is null too where the schedule names a thread that cannot go on. */
export function follow(subject: Subject, options: FollowOptions): FollowedRun {
  return runAgain(subject, () => followOnce(subject, options))
}

function followOnce(subject: Subject, options: FollowOptions): FollowedRun {
  const threads = Array.from({ length: subject.threads }, (_, id) => new Thread(id))
  const bodies = subject.begin()
  const older = subject.isRacy === true ? new OlderValues(subject.threads) : null
  const follower = new Follower(threads, options, older)
  if (options.races || older !== null) setWatching(true)
  const { thrown } = runThreads(threads, bodies, follower)
  const failed = (kind: FailureKind, thread: number, error: unknown, race: RaceReport | null) => ({
    kind,
    thread,
    error,
    race,
    schedule: follower.schedule(),
  })
  let failure: RawFailure | null = null
  if (thrown !== null) failure = failed('error', thrown.thread, thrown.error, null)
  else if (follower.ending === 'complete') {
    try {
      subject.end()
    } catch (error) {
      if (error instanceof TimeUp || error instanceof CountRead) throw error
      failure = failed('error', -1, error, null)
    }
  } else if (follower.ending === 'race') {
    failure = failed('race', follower.race!.second.thread, null, follower.race)
  } else if (follower.ending !== 'lost' && follower.ending !== 'left') {
    const schedule = follower.schedule()
    const known =
      follower.ending === 'livelock' ? starvation(threads, schedule, schedule.length) : lostWakeUp(threads)
    failure = failed(follower.ending, -1, known, null)
  }
  const steps = follower.steps()
  const choices = follower.choices.slice(0, steps)
  const { preemptions } = follower
  const key = failure === null ? '' : keyOf(failure, follower)
  const left = follower.ending === 'left' ? follower.enabled : null
  return { choices, failure, key, preemptions, steps, threads, left }
}

/** An execution that takes longer is taken to be in a loop without end: others take some milliseconds. */
export const ENDLESS_MS = 1000

/**
 * A thread was in a loop without end when the time was up. If it waits there for what another writes plainly, that is a
 * data race, and shows where all others go first. Null where it does not.
 */
export function raceWithLoop(subject: Subject, { thread }: TimeUp, maxSteps: number): RawFailure | null {
  if (thread < 0) return null
  const lead = (_: number, enabled: number): number => {
    const others = enabled & ~(1 << thread)
    return others === 0 ? -1 : 31 - Math.clz32(others & -others)
  }
  setDeadline(performance.now() + ENDLESS_MS)
  try {
    const { failure } = follow(subject, { maxSteps, races: true, lead })
    return failure?.kind === 'race' ? failure : null
  } catch (error) {
    if (!(error instanceof TimeUp || error instanceof CountRead)) throw error
    return null
  } finally {
    setDeadline(Infinity)
  }
}

/** The turnings that lead to the choices. */
export function turningsOf(choices: readonly Choice[]): Turning[] {
  return choices.flatMap(({ thread, rule }, step) => (thread === rule ? [] : [{ step, thread }]))
}

/** A `lead` that takes the turnings. */
export function leadBy(turnings: readonly Turning[]): (step: number) => number {
  let next = 0
  return (step) => {
    if (step === 0) next = 0
    while (next < turnings.length && turnings[next]!.step < step) next++
    return turnings[next]?.step === step ? turnings[next]!.thread : -1
  }
}

function keyOf({ kind, error, race }: RawFailure, follower: Follower): string {
  switch (kind) {
    case 'error':
      return `error ${errorText(error)}`
    case 'race':
      return `race ${[race!.first, race!.second]
        .map(({ site, write, atomic }) => `${site} ${String(write)} ${String(atomic)}`)
        .toSorted()
        .join(' | ')}`
    case 'deadlock':
      return `deadlock ${follower.stuckSites.toSorted().join(' ')}`
    case 'livelock':
      return error === null ? kind : `${kind} of which a thread that could go on was kept out`
  }
}

/** What was thrown, in words. */
export function errorText(error: unknown): string {
  if (error instanceof Error) return `${error.name}: ${error.message}`
  return typeof error === 'object' ? steppedHost().inspect(error) : String(error)
}

class Follower extends Scheduler {
  ending: 'complete' | 'lost' | 'left' | Exclude<FailureKind, 'error'> = 'lost'
  /** Where it is left. */
  enabled = 0
  readonly choices: Choice[] = []
  preemptions = 0
  /** Where each thread that has not finished stood when nothing could go on any more. */
  stuckSites: number[] = []
  readonly #threads: readonly Thread[]
  readonly #options: FollowOptions
  readonly #order: HappensBefore | null
  readonly #older: OlderValues | null
  #last = -1
  /** Since this step, only threads that time let go on were at work, and came to nothing; -1 if it is not so. */
  #stuckSince = -1

  constructor(threads: readonly Thread[], options: FollowOptions, older: OlderValues | null) {
    super()
    this.#threads = threads
    this.#options = options
    this.#older = older
    this.ordersUpdates = older !== null
    this.#order = older ?? (options.races ? new HappensBefore(threads.length) : null)
  }

  get race(): RaceReport | null {
    return (this.#options.races ? this.#order?.race : null) ?? null
  }

  steps(): number {
    return this.ending === 'deadlock' ? this.#stuckSince : this.choices.length
  }

  schedule(): number[] {
    return this.choices.slice(0, this.steps()).map(({ thread }) => thread)
  }

  override isDecided(): boolean {
    return this.race !== null
  }

  override choose(): number {
    this.#noticeChanges()
    if (this.race !== null) return this.#end('race')
    const step = this.choices.length
    if (step >= this.#options.maxSteps) return this.#end('livelock')
    const ready = this.#ready()
    this.#noticeStuck(step, ready)
    if (ready === 0 && this.#threads.every(isOver)) return this.#end('complete')
    const enabled = ready !== 0 ? ready | this.#threadsIn(mayTimeOut) : this.#rescuable()
    if (enabled === 0) return this.#end('deadlock')
    const last = this.#last < 0 ? 0 : 1 << this.#last
    const rule = this.#rule(ready, last)
    const wanted = this.#options.lead(step, enabled)
    if (wanted >= this.#threads.length) throw new ChoicesNeeded()
    if (wanted === STOP_HERE) {
      this.enabled = enabled
      return this.#end('left')
    }
    const thread = this.#threads[wanted < 0 ? rule : wanted]!
    const isReady = (ready & (1 << thread.id)) !== 0
    if (!isReady && !waitsForTime(thread)) return this.#end('lost')
    const lastEnabled = (ready & last) !== 0
    if (lastEnabled && thread.id !== this.#last) this.preemptions++
    this.choices.push({
      thread: thread.id,
      rule,
      enabled,
      lastEnabled,
      isLook: false,
      rescued: ready === 0,
      kind: thread.kind,
      cell: thread.cell,
      changes: changes(thread) || thread.kind === NOTIFY,
    })
    if (!isReady) letGoOn(thread)
    else goOn(thread)
    this.#order?.step(thread, step + 1)
    this.#last = thread.id
    // Before the operation is done: that may be found to be wrong in another way, too.
    return this.race === null ? thread.id : this.#end('race')
  }

  override hasPassed({ id }: Thread): boolean {
    return this.#decides(id)
  }

  override valueRead(thread: Thread, last: number): number {
    const values = this.#older?.of(thread, last) ?? []
    return olderValue(thread, last, values, () => this.#decides(thread.id))
  }

  #decides(id: number): boolean {
    const step = this.choices.length
    if (this.ending !== 'lost' || step >= this.#options.maxSteps) return false
    const enabled = (1 << id) | (1 << TIME)
    const thread = this.#options.lead(step, enabled) === TIME ? TIME : id
    const no = { lastEnabled: false, rescued: false, changes: false }
    this.choices.push({ thread, rule: id, enabled, isLook: true, kind: PAUSE, cell: 0, ...no })
    return thread === TIME
  }

  override plainRead(thread: number, firstCell: number, cells: number, site: number): void {
    this.#order?.plain(thread, firstCell, cells, site, false)
  }

  override plainWrite(thread: number, firstCell: number, cells: number, site: number): void {
    this.#order?.plain(thread, firstCell, cells, site, true)
  }

  #end(ending: Follower['ending']): number {
    this.ending = ending
    return -1
  }

  /** Where none can go on, an event loop that waits for the wrong event takes one that is there. */
  #ready(): number {
    const ready = this.#threadsIn((thread) => thread.state === READY)
    return ready === 0 ? this.#threadsIn(isPassingOver) : ready
  }

  /** Who goes on unless another is wanted: as in the explorer, no switch without need, and time for all in turn. */
  #rule(ready: number, last: number): number {
    if (ready === 0) return longestWaiting(this.#threads)!.id
    return (ready & last) !== 0 ? this.#last : 31 - Math.clz32(ready & -ready)
  }

  #threadsIn(has: (thread: Thread) => boolean): number {
    let set = 0
    for (const thread of this.#threads) if (has(thread)) set |= 1 << thread.id
    return set
  }

  #rescuable(): number {
    return this.#threadsIn((thread) => waitsForTime(thread) && thread.rescues < RESCUES_MAX)
  }

  /** As the explorer does: a thread that spins can go on once what it read has changed, even if it changes back. */
  #noticeChanges(): void {
    noticeChanges(this.#threads)
    const last = this.choices.at(-1)
    if (last?.kind !== NOTIFY) return
    for (const thread of this.#threads) {
      if (thread.kind === WOKEN && thread.state === READY) this.#order?.woken(thread.id, last.thread)
    }
  }

  #noticeStuck(step: number, ready: number): void {
    if (ready === 0) {
      const finished = this.#last >= 0 && this.#threads[this.#last]!.state === FINISHED
      if (this.#stuckSince >= 0 && !finished) return
      this.#stuckSince = step
      this.stuckSites = this.#threads.filter(({ state }) => state !== FINISHED).map(({ site }) => site)
    } else if (this.#stuckSince >= 0 && (ready & ~(1 << this.#last)) !== 0) {
      // Somebody else can go on because of what the last one did.
      this.#stuckSince = -1
    }
  }
}
