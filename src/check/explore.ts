// One run of the explorer over a subject: how many executions, and the first failure.

import {
  ChoicesNeeded,
  CountRead,
  type Ending,
  FinerCellsNeeded,
  READY,
  ScriptNeeded,
  SteppingRefused,
  type Thread,
  ThreadsNeeded,
  TimeUp,
  TurnsNeeded,
  WAITING,
  addCounting,
  memory,
  runThreads,
  steppedHost,
  takeCountRead,
} from '../backends/stepped/index.ts'
import { Checkpoints, type Saver } from './checkpoints.ts'
import type { RaceReport } from './data-races.ts'
import { COMPLETE, DEADLOCK, type Execution, RACE, REDUNDANT, TOO_LONG } from './execution.ts'
import { Explorer } from './explorer.ts'
import type { Naming } from './names.ts'
import { RandomWalk } from './random-walk.ts'
import { NotDeterministic, StepLog } from './step-log.ts'
import { NotSymmetric, Symmetry } from './symmetry.ts'
import { NoScenario } from './no-scenario.ts'

/** What is explored: threads that can be started again and again from the same state. */
export interface Subject {
  readonly threads: number
  /** Called when threads have to choose between events: adds a thread that makes the choices. */
  addChooser?(): void
  /** Called when threads start another one: adds a thread that may be started. */
  addThread?(): void
  /** Called when the setup or the invariant waits: from now on a thread runs it. */
  addTurns?(): void
  /** Threads that are not the program's, and not printed: what they do to one of the program is printed there. */
  readonly hidden?: readonly number[]
  /** What each thread runs, if threads that run the same are interchangeable. */
  readonly functions?: readonly unknown[]
  /** Brings everything to the state in which the threads begin, and returns them. */
  begin(): (() => unknown)[]
  /** Called when all threads have finished. Throws if something does not hold. */
  end(): void
  /** Saves what is not in memory, if all of it can be saved. Otherwise executions run from the beginning. */
  readonly saver?: Saver
  /** A better description of a data race, if there is one. */
  explainRace?(race: RaceReport): string | null
  /** Names of memory that are known beforehand. Called in the initial state of the threads. */
  naming?(): Naming
}

/** How to choose the next step: by partial-order reduction, until nothing is left, or randomly. */
export type Strategy = 'dpor' | 'pct' | 'random'

export interface ExploreOptions {
  /** Stop after this many executions. */
  readonly maxExecutions: number
  /** End an execution after this many steps. */
  readonly maxSteps: number
  /** Stop after this many milliseconds. */
  readonly maxMs: number
  /** Maximum number of preemptions; null, the default, for every interleaving. */
  readonly bound?: number | null
  /** Default: 'dpor'. */
  readonly strategy?: Strategy
  /** The seed of 'pct' and 'random'. Default 0. */
  readonly seed?: number
  /** Of 'pct': how many ordered steps a failure needs. Default 1. */
  readonly depth?: number
  /** Do not treat threads that run the same function as interchangeable. */
  readonly distinct?: boolean
  /** See ExecutionLimits. */
  readonly patience?: number | null
  /** For how many turns that read the same loops are followed, and how often time-outs pass: for workers. */
  readonly turns?: number
  readonly timeouts?: number
  /** The numbers of fields that count: for workers, see counts.ts. */
  readonly counting?: readonly number[]
  /** Called once after so many milliseconds, between two executions: what was found by other means, see aside.ts. */
  readonly aside?: { readonly afterMs: number; readonly look: () => Found | null }
  /** Called a few times a second. */
  readonly onProgress?: (progress: Progress) => void
  /** Called after each execution that is not redundant, with a digest of the order of conflicting steps. */
  readonly onOrder?: (digest: string) => void
}

export interface Progress {
  readonly executions: number
  readonly redundant: number
  readonly steps: number
  readonly seconds: number
  /** The estimated number of executions; null if unknown. */
  readonly estimatedExecutions: number | null
}

export type FailureKind = 'error' | 'race' | 'deadlock' | 'livelock'

export interface RawFailure {
  readonly kind: FailureKind
  /** The thread that threw; -1 if the state at the end is wrong. */
  readonly thread: number
  /** What was thrown; of others, what is known of them besides, or null. */
  readonly error: unknown
  readonly race: RaceReport | null
  /** Which thread did each step. */
  readonly schedule: readonly number[]
}

/** What was found aside, and how much was done for it. */
export interface Found {
  readonly failure: RawFailure
  readonly executions: number
  readonly steps: number
}

export interface Exploration extends Progress {
  /** Every interleaving within the bound was covered. */
  readonly complete: boolean
  readonly failure: RawFailure | null
  /** The loop in which an execution was when the time was up; null where the time was up between two. */
  readonly endless: TimeUp | null
  /** Of a random strategy, the steps of the longest of the executions from which it learned; else null. */
  readonly stepsMax: number | null
  /** A time-out was not let pass once more, though it may have: see setTimeouts(). */
  readonly hasLeftTimeouts: boolean
  /** The place of the first one, unless others than this thread have explored. */
  readonly leftTimeout?: number
  /** A loop that pauses, or counts what nobody sees, was left to wait after so many turns: see setTurns(). */
  readonly hasLeftLoops: boolean
  /** The place of the first one, unless others than this thread have explored. */
  readonly leftLoop?: number
}

/** So many executions are run twice. */
const SELF_CHECKS = 3
const PROGRESS_MS = 200
/** Orders that are remembered, to know which were met before. */
const ORDERS_MAX = 1 << 20

/** Explores until something fails, nothing is left, or a limit is reached. Throws NotDeterministic. */
export function explore(subject: Subject, options: ExploreOptions): Exploration {
  let distinct = options.distinct ?? false
  for (;;) {
    try {
      return exploreOnce(subject, { ...options, distinct })
    } catch (error) {
      if (error instanceof NotSymmetric) distinct = true
      else if (error instanceof CountRead) addCounting(error)
      else if (!mayRunAgain(subject, error)) throw error
    }
  }
}

/** As explore(), but throws what makes that begin anew. */
export function exploreOnce(subject: Subject, options: ExploreOptions): Exploration {
  const { strategy = 'dpor' } = options
  return strategy === 'dpor' ? exploreTree(subject, options) : exploreByChance(subject, options)
}

/** The explorer for a subject. Before the event `fullDepth` it tries everything that sleep sets do not rule out. */
export function makeExplorer(
  subject: Subject,
  options: ExploreOptions,
  fullDepth = 0,
  leavesIdle = (options.bound ?? null) === null,
): Explorer {
  const { maxSteps, bound = null, distinct = false, patience = null } = options
  // A switch between threads that are alike may be a preemption, and be none with the two exchanged.
  const mayExchange = bound === null && !distinct && subject.functions !== undefined
  const symmetry = mayExchange ? Symmetry.of(subject.functions, maxSteps + 1) : null
  const explorer = new Explorer(subject.threads, {
    maxSteps,
    bound,
    symmetry,
    fullDepth,
    leavesIdle,
    patience,
  })
  if (subject.saver !== undefined) explorer.checkpoints = new Checkpoints(explorer.threads, subject.saver)
  return explorer
}

function exploreTree(subject: Subject, options: ExploreOptions): Exploration {
  const explorer = makeExplorer(subject, options)
  const { onOrder } = options
  let redundant = 0
  const run = runMany(subject, explorer, options, () => {
    if (explorer.status === REDUNDANT) redundant++
    else onOrder?.(explorer.orderDigest())
    return { redundant, more: explorer.advance() }
  })
  if (run.first !== null && run.failure === null && run.endless === null)
    runFirstAgain(subject, options, run.first)
  const complete = run.finished && run.failure === null
  if (complete && redundant === run.executions && explorer.patience === null)
    throw new Error('no execution was followed to its end: each was left to another')
  const estimatedExecutions = complete || run.failure !== null ? run.executions : explorer.estimate()
  return { ...run, redundant, complete, estimatedExecutions, stepsMax: null, ...limitsOf(explorer) }
}

function exploreByChance(subject: Subject, options: ExploreOptions): Exploration {
  const { maxSteps, strategy, seed = 0, depth = 1, patience = null, onOrder } = options
  const walk = new RandomWalk(subject.threads, {
    maxSteps,
    strategy: strategy === 'pct' ? 'pct' : 'random',
    seed,
    depth,
    patience,
  })
  const orders = new Set<string>()
  let redundant = 0
  const run = runMany(subject, walk, options, () => {
    const digest = walk.orderDigest()
    if (orders.has(digest)) redundant++
    else if (orders.size < ORDERS_MAX) orders.add(digest)
    onOrder?.(digest)
    return { redundant, more: walk.advance() }
  })
  const { stepsMax } = walk
  return { ...run, redundant, complete: false, estimatedExecutions: null, stepsMax, ...limitsOf(walk) }
}

function limitsOf({
  hasLeftTimeouts,
  hasLeftLoops,
  leftLoop,
  leftTimeout,
}: Execution): Pick<Exploration, 'hasLeftTimeouts' | 'hasLeftLoops' | 'leftLoop' | 'leftTimeout'> {
  return { hasLeftTimeouts, hasLeftLoops, leftLoop, leftTimeout }
}

interface ManyRuns {
  readonly executions: number
  readonly steps: number
  readonly seconds: number
  readonly finished: boolean
  readonly failure: RawFailure | null
  readonly endless: TimeUp | null
  /** The first execution, if there were many and each began anew. */
  readonly first: FirstRun | null
}

/** What an execution did, to be compared when all others are over. */
interface FirstRun {
  readonly log: StepLog
  readonly schedule: readonly number[]
  readonly status: number
  /** A digest of memory at its end. */
  readonly state: string
}

/** Runs executions until one fails, `next` finds no other, or a limit is reached. The first few are run twice. */
function runMany(
  subject: Subject,
  execution: Explorer | RandomWalk,
  options: ExploreOptions,
  next: () => { redundant: number; more: boolean },
): ManyRuns {
  const started = performance.now()
  const { onProgress } = options
  let { aside } = options
  let found = null as Found | null
  let reported = started
  let executions = 0
  let failure: RawFailure | null = null
  let endless: TimeUp | null = null
  let more = true
  let first: FirstRun | null = null
  const runAll = (): void => {
    while (more && executions < options.maxExecutions) {
      failure = runChecked(subject, execution, executions, (run) => (first = run))
      executions++
      if (failure !== null) return
      const after = next()
      more = after.more
      if ((executions & 63) !== 0) continue
      const now = performance.now()
      if (now - started > options.maxMs) return
      if (aside !== undefined && more && now - started > aside.afterMs) {
        found = aside.look()
        aside = undefined
        if (found !== null) return
      }
      if (onProgress === undefined || now - reported < PROGRESS_MS) continue
      reported = now
      const { steps } = execution
      const seconds = (now - started) / 1000
      const estimatedExecutions = more && execution instanceof Explorer ? execution.estimate() : null
      onProgress({ executions, redundant: after.redundant, steps, seconds, estimatedExecutions })
    }
  }
  try {
    withoutStacks(runAll)
  } catch (error) {
    if (!(error instanceof TimeUp)) throw error
    endless = error
  }
  const steps = execution.steps + (failure === null ? 0 : execution.depth)
  const seconds = (performance.now() - started) / 1000
  const told = withStack(subject, execution, failure)
  execution.retire()
  if (found !== null) {
    const all = { executions: executions + found.executions, steps: steps + found.steps, seconds }
    return { ...all, finished: false, failure: found.failure, endless: null, first: null }
  }
  const kept = execution.checkpoints === null && executions > SELF_CHECKS ? first : null
  return { executions, steps, seconds, finished: !more, failure: told, endless, first: kept }
}

/** Of the first executions each is run twice; of those that begin at a saved state, ever fewer. */
function runChecked(
  subject: Subject,
  execution: Execution,
  executions: number,
  keepFirst: (run: FirstRun) => void,
): RawFailure | null {
  if (executions < SELF_CHECKS) return runTwice(subject, execution, executions === 0 ? keepFirst : undefined)
  const isPowerOfTwo = (executions & (executions - 1)) === 0
  if (execution.checkpoints !== null && isPowerOfTwo) return runBothWays(subject, execution)
  return runOnce(subject, execution)
}

/** Something was found out without which the program cannot be explored: with it, it can. */
export function mayRunAgain(subject: Subject, error: unknown): boolean {
  if (error instanceof FinerCellsNeeded) memory.byteCells.add(error.ordinal)
  else if (error instanceof ChoicesNeeded) subject.addChooser!()
  else if (error instanceof ThreadsNeeded) subject.addThread!()
  else if (error instanceof TurnsNeeded) subject.addTurns!()
  else return false
  return true
}

/** Does it, and once more wherever something was found out without which it cannot be done. */
export function runAgain<T>(subject: Subject, body: () => T): T {
  for (;;) {
    try {
      return body()
    } catch (error) {
      if (!mayRunAgain(subject, error)) throw error
    }
  }
}

/** Runs an execution that failed elsewhere. Throws NotDeterministic if it does not fail here. */
export function confirm(subject: Subject, options: ExploreOptions, schedule: readonly number[]): RawFailure {
  for (;;) {
    try {
      const explorer = makeExplorer(subject, { ...options, bound: null, distinct: true }, 0, false)
      explorer.seed({ schedule, backtrack: schedule, done: schedule.map(() => 0), floor: schedule.length })
      const failure = withStack(subject, explorer, runOnce(subject, explorer))
      if (failure !== null) return failure
      throw new NotDeterministic('an execution that failed elsewhere does not fail here')
    } catch (error) {
      if (!mayRunAgain(subject, error)) throw error
    }
  }
}

/** Most errors are signals that the program expects; a stack for each would cost more than the execution. */
export function withoutStacks(body: () => void): void {
  const { stackTraceLimit } = Error
  if (!steppedHost().areFilesShown()) Error.stackTraceLimit = 0
  try {
    body()
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

/** Runs the execution that failed once more, which proves that it can be, and gives the error its stack. */
function withStack(subject: Subject, execution: Execution, failure: RawFailure | null): RawFailure | null {
  if (failure === null || failure.kind === 'race') return failure
  // What was found from the beginning, and not from a saved state, has no stack to be given.
  if (failure.kind !== 'error' && execution.checkpoints === null) return failure
  execution.repeat()
  const again = runOnce(subject, execution)
  if (again?.kind === failure.kind) return again
  throw new NotDeterministic('a failing execution does not fail when it is repeated with the same choices')
}

/** Runs an execution, and once more with the same choices; every step and the end must be the same. */
export function runTwice(
  subject: Subject,
  execution: Execution,
  keep?: (run: FirstRun) => void,
): RawFailure | null {
  const log = new StepLog()
  execution.log = log
  let state = ''
  const failure = runOnce(subject, execution, () => (state = memory.digest()))
  execution.log = null
  // A data race is seen only where it is new, and an error is run again anyway.
  if (failure !== null) return failure
  const { status, depth } = execution
  log.compare()
  execution.log = log
  execution.repeat()
  let stateAgain = ''
  const failureAgain = runOnce(subject, execution, () => (stateAgain = memory.digest()))
  execution.log = null
  if (failureAgain !== null || execution.status !== status || execution.depth !== depth)
    throw new NotDeterministic('repeated with the same choices, an execution ends differently')
  if (state !== stateAgain)
    throw new NotDeterministic('repeated with the same choices, an execution leaves other values in memory')
  keep?.({ log, schedule: [...execution.schedule.subarray(0, depth)], status, state })
  return failure
}

/**
 * Runs the first execution once more when all others are over: what they have left behind outside `setup`, such as in a
 * variable of a module, shows where it makes a difference to it. Throws NotDeterministic.
 */
function runFirstAgain(subject: Subject, options: ExploreOptions, first: FirstRun): void {
  const { log, schedule, status, state } = first
  const explorer = makeExplorer(subject, options)
  explorer.seed({
    schedule,
    backtrack: schedule.map((thread) => 1 << thread),
    done: schedule.map(() => 0),
    floor: schedule.length,
  })
  explorer.log = log
  let stateAgain = ''
  try {
    const failure = runOnce(subject, explorer, () => (stateAgain = memory.digest()))
    const isSame = failure === null && explorer.status === status && explorer.depth === schedule.length
    if (isSame && stateAgain === state) return
    throw new NotDeterministic('it ends in another way')
  } catch (error) {
    if (!(error instanceof NotDeterministic)) throw error
    throw new NotDeterministic(
      `the first execution, run once more at the end, is another (${error.message}): others have left something behind`,
      error.step,
      error.site,
    )
  } finally {
    explorer.retire()
  }
}

/** Runs an execution that may begin at a saved state, and once more from the beginning: it must end in the same way. */
export function runBothWays(subject: Subject, execution: Execution): RawFailure | null {
  let state = ''
  const failure = runOnce(subject, execution, () => (state = memory.digest()))
  if (failure !== null) return failure
  const { status, depth } = execution
  execution.repeat()
  let stateAgain = ''
  const failureAgain = runOnce(subject, execution, () => (stateAgain = memory.digest()))
  if (
    failureAgain !== null ||
    execution.status !== status ||
    execution.depth !== depth ||
    state !== stateAgain
  )
    throw new NotDeterministic('an execution ends differently from a checkpoint and from the beginning')
  return failure
}

/** Runs one execution. Returns what was wrong with it. `atEnd` is called when all threads have finished. */
export function runOnce(subject: Subject, execution: Execution, atEnd?: () => void): RawFailure | null {
  const { thrown } = runFromCheckpoint(execution) ?? runFromBeginning(subject, execution)
  const failed = (kind: FailureKind, thread: number, error: unknown): RawFailure => ({
    kind,
    thread,
    error,
    race: execution.race,
    schedule: [...execution.schedule.subarray(0, execution.depth)],
  })
  if (thrown !== null) {
    if (isOurs(thrown.error)) throw thrown.error
    return failed('error', thrown.thread, thrown.error)
  }
  switch (execution.status) {
    case RACE:
      return failed('race', execution.race!.second.thread, subject.explainRace?.(execution.race!) ?? null)
    case DEADLOCK:
      return failed('deadlock', -1, lostWakeUp(execution.threads))
    case TOO_LONG: {
      const starved = starvation(execution.threads, execution.schedule, execution.depth)
      if (starved === null || execution.patience === null) return failed('livelock', -1, starved)
      execution.leaveLoop()
      return null
    }
    case COMPLETE:
      atEnd?.()
      try {
        subject.end()
      } catch (error) {
        if (error instanceof TimeUp || isNoFinding(error)) throw error
        raiseCountRead()
        return failed('error', -1, error)
      }
      raiseCountRead()
      return null
    default:
      return null
  }
}

function runFromBeginning(subject: Subject, execution: Execution): Ending {
  const bodies = subject.begin()
  execution.begin()
  return runThreads(execution.threads, bodies, execution)
}

/** Null where there is none. */
function runFromCheckpoint(execution: Execution): Ending | null {
  const asleep = execution.goBack()
  return asleep && runThreads(execution.threads, null, execution, asleep)
}

/** What is checked cannot be: that says nothing of it. */
function isNoFinding(error: unknown): boolean {
  return [SteppingRefused, NoScenario, ScriptNeeded, TurnsNeeded, CountRead].some(
    (kind) => error instanceof kind,
  )
}

/** Throws what an invariant has caught that was not meant for it. */
function raiseCountRead(): void {
  const read = takeCountRead()
  if (read !== null) throw read
}

/** Thrown by the explorer, in the middle of a thread. */
function isOurs(error: unknown): boolean {
  return (
    error instanceof FinerCellsNeeded || error instanceof NotSymmetric || error instanceof NotDeterministic
  )
}

/** The execution has not ended, but would perhaps have, had each thread had its turns: see starvation(). */
export function isUnfair(failure: RawFailure | null): boolean {
  return failure?.kind === 'livelock' && failure.error !== null
}

/** A thread that waits for ever, though what it waits for has changed: nobody has woken it. */
export function lostWakeUp(threads: readonly Thread[]): string | null {
  const asleep = threads.find(
    ({ state, array, index, expected }) => state === WAITING && array[index] !== expected,
  )
  if (asleep === undefined) return null
  return `lost wake-up: thread ${asleep.id} sleeps in Atomics.wait on a word that has changed, and nobody is left to wake it`
}

/**
 * Of an execution that has not ended: who could go on, and was not let for more than half of it. Where that thread
 * would end the others' loop, threads that all have their turns come to an end.
 */
export function starvation(
  threads: readonly Thread[],
  schedule: Uint8Array | readonly number[],
  steps: number,
): string | null {
  const atWork = new Set(schedule.slice(steps >> 1, steps))
  const starved = threads.filter(({ id, state }) => state === READY && !atWork.has(id))
  if (starved.length === 0) return null
  const who = starved.map(({ id }) => id).join(' and ')
  return (
    `the execution has not ended, but thread ${who} could go on all the while and had no turn in the last half of it: ` +
    'nothing is wrong if that would end the loop'
  )
}
