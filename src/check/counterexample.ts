// The counterexample: the execution that failed, run once more and recorded step by step.
//
// It is plain data: which thread did what in which function, what it read and wrote under which name, why the
// scheduler switched to another thread, and what failed. The rows are for people: in a long execution they leave out
// what concerns only one thread, and show repeated iterations of a loop once. The events have everything, for tools.

import {
  COMPARE_EXCHANGE,
  ChoicesNeeded,
  FINISHED,
  LEAVE,
  LOAD,
  NOTIFY,
  PAUSE,
  READY,
  SHARED,
  SPINNING,
  STOP,
  STORE,
  type Site,
  Scheduler,
  Thread,
  WAITING,
  WOKEN,
  type Watched,
  operationNames,
  runThreads,
  setTracer,
  setWatching,
  steppedHost,
} from '../backends/stepped/index.ts'
import { type Counterexample, HARNESS } from './counterexample-data.ts'
import { TIME } from './execution.ts'
import { OlderValues, olderValue } from './older-values.ts'
import { goOn, isOver, noticeChanges } from './passing-time.ts'
import { NotDeterministic } from './step-log.ts'
import { type Subject, runAgain } from './run-once.ts'
import { Names, type Naming } from './names.ts'
import { type FailedExecution, ToldExecution } from './counterexample-rows.ts'
import {
  type Frame,
  type Recorded,
  cellsAwaited,
  isReading,
  sayOperation,
  recordOf,
  shortPlace,
} from './recorded-events.ts'

/** Characters of source that a reason quotes. */
const QUOTE_MAX = 60

/** Event loops: their steps are told in words, of which they leave the others out, and at the place of their caller. */
const LOOP = /[\\/]stepped[\\/]loop[\\/][\w-]+\.[jt]s$/
/** What does as methods of the engine that call functions: see library.ts of the stepped backend. */
const LIBRARY = /[\\/]stepped[\\/]library(-\w+)?\.[jt]s$/
/** What stands behind the name of an async function that goes on after an `await`. */
const GOES_ON = ' (continued)'

/** What one thread waits for, by name, at most. */
const NAMES_MAX = 3

/** Of what is told of a thread and is no access of memory. */
const noAccess = {
  cell: -1,
  index: 0,
  before: null,
  after: null,
  writes: false,
  reads: false,
  isLoops: false,
  wokenBy: null,
} as const

/** Runs the execution again and writes it down. `sites` are those of the program that `subject` runs. */
export function recordCounterexample(
  subject: Subject,
  sites: readonly Site[],
  failed: FailedExecution,
): Counterexample {
  return runAgain(subject, () => recordOnce(subject, sites, failed))
}

function recordOnce(subject: Subject, sites: readonly Site[], failed: FailedExecution): Counterexample {
  const threads = Array.from({ length: subject.threads }, (_, id) => new Thread(id))
  const bodies = subject.begin()
  const hidden = subject.hidden ?? []
  const { noun } = failed
  const recorder = new Recorder(threads, sites, failed, subject.naming?.() ?? null, hidden)
  if (subject.isRacy === true) {
    recorder.older = new OlderValues(threads.length)
    recorder.ordersUpdates = true
    setWatching(true)
  }
  setTracer(recorder)
  let error: unknown = null
  try {
    error = runThreads(threads, bodies, recorder).thrown?.error
  } finally {
    setTracer(null)
  }
  if (recorder.isLost) {
    throw new NotDeterministic('the failing execution runs differently when it is recorded')
  }
  // In the other runs of this execution, errors have no stack: that takes time.
  if (failed.kind === 'error' && noun === 'thread') error ??= thrownBy(() => subject.end())
  // Rows say which call they are about, by the numbers that calls get here.
  const told = recorder.told()
  const everything = told.everything()
  const { rows, leftOut } = told.rows()
  const { kind, message, race } = failed
  const ofError = kind === 'error' && noun === 'thread' ? placeOfError(error) : []
  const details = kind === 'deadlock' ? recorder.waiting() : race === null ? ofError : told.racing(race)
  const broken = { kind, message, details }
  const areLast = hidden.at(-1) === threads.length - 1
  const shown = areLast
    ? { threads: hidden[0]! }
    : { threads: threads.length, ...(hidden.length > 0 && { hidden }) }
  return { noun, ...shown, rows, ...everything, leftOut, broken }
}

function thrownBy(call: () => void): unknown {
  try {
    call()
  } catch (error) {
    return error
  }
  return null
}

/** Where the user's code has thrown it, as far as its stack tells: it may be none, or another than what was told. */
function placeOfError(error: unknown): string[] {
  if (!(error instanceof Error) || typeof error.stack !== 'string') return []
  const place = steppedHost()
    .placesOfStack(error.stack)
    .find(({ file }) => !HARNESS.test(file) && !LOOP.test(file))
  return place === undefined ? [] : [`at ${shortPlace(place)}: ${quoted(place.source)}`]
}

function quoted(source: string): string {
  return source.length > QUOTE_MAX ? `${source.slice(0, QUOTE_MAX - 1)}…` : source
}

/** Follows a schedule and notes what happens. */
class Recorder extends Scheduler {
  isLost = false
  /** Where racy accesses may read older values: what is known of them. */
  older: OlderValues | null = null
  readonly #threads: readonly Thread[]
  readonly #sites: readonly Site[]
  readonly #failed: FailedExecution
  /** The threads that are not told of. */
  readonly #hidden: readonly number[]
  /** The one that such a thread has ended. */
  #ended: Thread | null = null
  readonly #stacks: Frame[][]
  readonly #recorded: Recorded[] = []
  readonly #names: Names
  /** The last write of each cell, and of each thread the last write that it read there. */
  readonly #written = new Map<number, Recorded>()
  readonly #read: readonly Map<number, Recorded>[]
  /** Of each thread that is ready to go on from `Atomics.wait`, what woke it. */
  readonly #wokenBy: (Recorded | null)[]
  #step = 0
  /** Steps that are told, which are numbered without the others. */
  #toldSteps = 0
  #last = -1
  #lastStep: { readonly thread: number; readonly kind: number } | null = null
  #reason = ''

  constructor(
    threads: readonly Thread[],
    sites: readonly Site[],
    failed: FailedExecution,
    known: Naming | null,
    hidden: readonly number[],
  ) {
    super()
    this.#hidden = hidden
    this.#threads = threads
    this.#sites = sites
    this.#failed = failed
    this.#names = new Names(known)
    this.#stacks = threads.map(() => [])
    this.#read = threads.map(() => new Map<number, Recorded>())
    this.#wokenBy = threads.map(() => null)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // The schedule

  override choose(): number {
    const { schedule } = this.#failed
    if (this.#step === schedule.length) return -1
    const chosen = this.#threads[schedule[this.#step]!]
    // The one that makes choices.
    if (chosen === undefined) throw new ChoicesNeeded()
    if (chosen.state === FINISHED) {
      this.isLost = true
      return -1
    }
    const isShown = !this.#hidden.includes(chosen.id)
    if (isShown && this.#last >= 0 && this.#last !== chosen.id) this.#reason = this.#whySwitch()
    if (chosen.state === WAITING)
      this.#reason = `${this.#nameOf(chosen)} has waited as long as it was ready to`
    noticeChanges(this.#threads)
    this.#noticeWoken()
    goOn(chosen)
    this.#step++
    this.older?.step(chosen, this.#step)
    this.#lastStep = { thread: chosen.id, kind: chosen.kind }
    if (isShown) this.#last = chosen.id
    return chosen.id
  }

  /** Who goes on because of the last step, if that has notified. */
  #noticeWoken(): void {
    const last = this.#lastStep
    if (this.older === null || last?.kind !== NOTIFY) return
    for (const { id, kind, state } of this.#threads)
      if (kind === WOKEN && state === READY) this.older.woken(id, last.thread)
  }

  override valueRead(thread: Thread, last: number): number {
    const values = this.older?.of(thread, last) ?? []
    return olderValue(thread, last, values, () => this.hasPassed(thread))
  }

  override hasPassed(thread: Thread): boolean {
    const { schedule } = this.#failed
    if (this.#step === schedule.length) return false
    const entry = schedule[this.#step++]
    if (entry !== TIME && entry !== thread.id) this.isLost = true
    return entry === TIME
  }

  /** The second of two accesses that race may stand in a loop without end. */
  override isDecided(): boolean {
    const { race, schedule } = this.#failed
    return (
      race !== null &&
      this.#step === schedule.length &&
      recordOf(this.#recorded, race, race.second) !== undefined
    )
  }

  override plainRead(): void {
    // The tracer is told of the same access, with its value.
  }

  override plainWrite(thread: number, firstCell: number, cells: number, site: number): void {
    this.older?.plain(thread, firstCell, cells, site, true)
  }

  #whySwitch(): string {
    const last = this.#threads[this.#last]!
    const name = this.#nameOf(last)
    if (last === this.#ended) return `${name} was ended`
    if (last.state === FINISHED) return `${name} has finished`
    if (last.state === WAITING) return `${name} waits`
    if (last.eventWait !== null) return `${name} waits for an event`
    if (last.state === SPINNING) return `${name} waits until something of what it reads changes`
    if (HARNESS.test(this.#sites[last.site]?.file ?? '')) return `${name} is between two calls`
    return `${name} is stopped before ${this.#next(last)}`
  }

  /** The next operation of a thread, in words. */
  #next({ site, told }: Thread): string {
    return LOOP.test(this.#sites[site]?.file ?? '') ? `it may ${told || 'go on'}` : this.#quote(site)
  }

  #quote(site: number): string {
    return quoted(this.#sites[site]?.source ?? 'its next operation')
  }

  #nameOf(thread: Thread): string {
    return `${this.#failed.noun} ${thread.id}`
  }

  /** Where each thread that has not finished waits, and for a change of what. */
  waiting(): string[] {
    const ended = this.#ended === null ? [] : [`${this.#nameOf(this.#ended)} was ended, as terminate may`]
    const others = this.#threads
      .filter((thread) => !isOver(thread) && !this.#hidden.includes(thread.id))
      .flatMap((thread) => {
        if (thread.eventWait !== null)
          return [`${this.#nameOf(thread)} waits for an event that settles its promise`]
        const cells = cellsAwaited(thread)
        const names = [...cells]
          .slice(0, NAMES_MAX)
          .map(([cell, { index, value }]) => this.#sayCell(cell, index, value))
        const more = cells.size > NAMES_MAX ? ` and ${cells.size - NAMES_MAX} more` : ''
        const verb = thread.state === SPINNING ? 'spins' : 'waits'
        return [
          `${this.#nameOf(thread)} ${verb} at ${shortPlace(this.#sites[thread.site])}: ${this.#quote(thread.site)}`,
          `    for a change of ${names.join(', ') || 'what it reads plainly'}${more}`,
        ]
      })
    return [...ended, ...others]
  }

  #sayCell(cell: number, index: number, value: number): string {
    return `${this.#names.nameOf(cell, index)} = ${this.#names.valueOf(cell, value)}`
  }

  // -------------------------------------------------------------------------------------------------------------------
  // What happens

  enter(thread: Thread, site: number): void {
    const place = this.#sites[site]
    const { file = '' } = place ?? {}
    this.#stacks[thread.id]?.push({
      function: place?.function ?? 'unknown',
      isTold: ![HARNESS, LOOP, LIBRARY].some((beside) => beside.test(file)),
      place: shortPlace(place),
      file,
      depth: -1,
      number: -1,
      children: new Set(),
    })
  }

  leave(thread: Thread): void {
    this.#stacks[thread.id]?.pop()
  }

  suspend(thread: Thread): unknown {
    return this.#stacks[thread.id]?.pop()
  }

  goOn(thread: Thread, call: unknown): void {
    if (call === undefined || call === null) return
    const { function: name, ...frame } = call as Frame
    const isNews = { depth: -1, number: -1, children: new Set<object>() }
    const goesOn = name.endsWith(GOES_ON) ? name : `${name}${GOES_ON}`
    this.#stacks[thread.id]?.push({ ...frame, ...isNews, function: goesOn })
  }

  event(thread: Thread, site: number, text: string): void {
    if (this.#hidden.includes(thread.id)) return
    this.#note(thread, site, {
      step: null,
      operation: 'event',
      ...noAccess,
      say: () => text,
    })
  }

  operation(thread: Thread, kind: number, before: number, after: number): void {
    if (this.#hidden.includes(thread.id) && kind === STOP && before !== 0) this.#noteEnd(thread.victim!)
    if (this.#hidden.includes(thread.id)) return
    const hasMemory = kind !== PAUSE && kind !== WOKEN && kind !== LEAVE
    const operation = operationNames[kind]!
    if (hasMemory) this.#names.learn(thread.cell, thread.index, this.#sites[thread.site]?.source ?? '')
    const { expected } = thread
    const fails = kind === COMPARE_EXCHANGE && before !== expected
    const isWoken = kind === NOTIFY
    const isLoops = LOOP.test(this.#sites[thread.site]?.file ?? '')
    const { told } = thread
    thread.told = ''
    if (isLoops && told === '') return
    const racy = thread.isPlain && (kind === LOAD || kind === STORE) ? 'racy ' : ''
    const isOlder = racy !== '' && kind === LOAD && thread.isOlder
    const old = isOlder ? ', an older value' : ''
    const recorded = this.#note(thread, isLoops ? thread.toldAt : thread.site, {
      step: this.#step,
      operation,
      cell: hasMemory ? thread.cell : -1,
      index: thread.index,
      before: hasMemory && !isWoken ? before : null,
      after: hasMemory && !isWoken ? after : null,
      writes: hasMemory && !isWoken && !isReading(kind) && !fails,
      reads: hasMemory && !isWoken && kind !== STORE && !isOlder,
      isLoops,
      say: (name, value) =>
        isLoops ? told : `${racy}${sayOperation(kind, name, before, after, expected, value)}${old}`,
      wokenBy: kind === WOKEN ? (this.#wokenBy[thread.id] ?? null) : null,
    })
    if (recorded === null) return
    if (kind === WOKEN) this.#wokenBy[thread.id] = null
    if (kind === NOTIFY) this.#noteWoken(recorded)
  }

  /** A thread is ended where it is, by `terminate` of a scenario: that is told where it is. */
  #noteEnd(victim: Thread): void {
    this.#ended = victim
    this.#reason = ''
    this.#note(victim, victim.site, {
      step: this.#step,
      operation: operationNames[STOP]!,
      ...noAccess,
      say: () => `is ended before ${this.#next(victim)}`,
    })
  }

  access(thread: Thread, array: Watched, index: number, value: number, write: boolean, site: number): void {
    const view = array[SHARED]
    if (view === undefined) return
    const cell = view.firstCell + index * view.cellsPerElement
    this.#names.learn(cell, index, this.#sites[site]?.source ?? '')
    this.#note(thread, site, {
      step: null,
      operation: write ? 'write' : 'read',
      cell,
      index,
      before: write ? null : value,
      after: value,
      writes: write,
      reads: !write,
      isLoops: false,
      say: (name, words) => (write ? `write ${name} ← ${words(value)}` : `read ${name} = ${words(value)}`),
      wokenBy: null,
    })
  }

  /** Who could not go on before this operation, and can now. */
  #noteWoken(recorded: Recorded): void {
    for (const { id, kind, state } of this.#threads)
      if (kind === WOKEN && state === READY) this.#wokenBy[id] ??= recorded
  }

  #note(
    thread: Thread,
    site: number,
    {
      reads,
      isLoops,
      ...what
    }: Omit<
      Recorded,
      'at' | 'thread' | 'frames' | 'place' | 'file' | 'isTold' | 'reason' | 'from' | 'isNews'
    > & {
      readonly reads: boolean
      readonly isLoops: boolean
    },
  ): Recorded | null {
    const { id } = thread
    // The invariant is no thread's.
    const stack = this.#stacks[id]
    if (stack === undefined) return null
    const place = shortPlace(this.#sites[site])
    const { file = '' } = this.#sites[site] ?? {}
    const written = reads ? this.#written.get(what.cell) : undefined
    const from = written !== undefined && written.thread !== id ? written : null
    const isNews = from !== null && this.#read[id]!.get(what.cell) !== from
    if (from !== null) this.#read[id]!.set(what.cell, from)
    const frames = stack.filter((frame) => frame.isTold)
    // That an event loop looks and finds nothing new says nothing.
    const isIdle = isLoops && reads && !what.writes && !isNews
    const isTold = !HARNESS.test(file) && !isIdle
    const { length: at } = this.#recorded
    if (isTold && what.step !== null) this.#toldSteps++
    const recorded = {
      ...what,
      step: what.step === null ? null : this.#toldSteps,
      at,
      thread: id,
      frames,
      from,
      isNews,
      place,
      file,
      isTold,
      reason: this.#reason,
    }
    if (what.writes) this.#written.set(what.cell, recorded)
    this.#recorded.push(recorded)
    return recorded
  }

  told(): ToldExecution {
    return new ToldExecution(this.#recorded, this.#names, this.#failed)
  }
}
