// One run of the explorer over a subject: how many executions, and the first failure.

import { FinerCellsNeeded, type Thread, WAITING, memory, runThreads } from '../backends/stepped/index.ts'
import {
  COMPLETE,
  DEADLOCK,
  Explorer,
  NotDeterministic,
  RACE,
  REDUNDANT,
  type RaceReport,
  TOO_LONG,
} from './explorer.ts'
import type { Naming } from './names.ts'

/** What is explored: threads that can be started again and again from the same state. */
export interface Subject {
  readonly threads: number
  /** Brings everything to the state in which the threads begin, and returns them. */
  begin(): (() => unknown)[]
  /** Called when all threads have finished. Throws if something does not hold. */
  end(): void
  /** What a data race means here, if that is known better. */
  explainRace?(race: RaceReport): string | null
  /** Names of memory that are known beforehand. Called when the state is the one that the threads begin with. */
  naming?(): Naming
}

export interface ExploreOptions {
  /** Stop after so many executions. */
  readonly maxExecutions: number
  /** Give an execution up after so many steps. */
  readonly maxSteps: number
  /** Stop after so many milliseconds. */
  readonly maxMs: number
}

export type FailureKind = 'error' | 'race' | 'deadlock' | 'livelock'

export interface RawFailure {
  readonly kind: FailureKind
  /** The thread that threw; -1 if the state at the end is wrong. */
  readonly thread: number
  /** What was thrown; of a race or a deadlock, what is known of it besides, or null. */
  readonly error: unknown
  readonly race: RaceReport | null
  /** Which thread did each step. */
  readonly schedule: readonly number[]
}

export interface Exploration {
  readonly executions: number
  /** Executions that were given up because others had shown the same. */
  readonly redundant: number
  readonly steps: number
  readonly seconds: number
  /** Every interleaving was covered. */
  readonly complete: boolean
  readonly failure: RawFailure | null
}

/** Explores until something fails, nothing is left, or a limit is reached. */
export function explore(subject: Subject, options: ExploreOptions): Exploration {
  for (;;) {
    try {
      return exploreOnce(subject, options)
    } catch (error) {
      if (!(error instanceof FinerCellsNeeded)) throw error
      memory.byteCells.add(error.ordinal)
    }
  }
}

function exploreOnce(subject: Subject, options: ExploreOptions): Exploration {
  const explorer = new Explorer(subject.threads, { maxSteps: options.maxSteps, rescuesMax: 200 })
  const started = performance.now()
  let executions = 0
  let redundant = 0
  let failure: RawFailure | null = null
  let more = true
  const { stackTraceLimit } = Error
  // Most errors are signals that the program expects; a stack for each would cost more than the execution.
  Error.stackTraceLimit = 0
  try {
    while (more && executions < options.maxExecutions) {
      failure = runOnce(subject, explorer)
      executions++
      if (failure !== null) break
      if (explorer.status === REDUNDANT) redundant++
      more = explorer.advance()
      if ((executions & 63) === 0 && performance.now() - started > options.maxMs) break
    }
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
  const steps = explorer.steps + (failure === null ? 0 : explorer.depth)
  if (failure?.kind === 'error') failure = repeatFailure(subject, explorer)
  const seconds = (performance.now() - started) / 1000
  const complete = !more && failure === null
  return { executions, redundant, steps, seconds, complete, failure }
}

/** Runs the execution that failed once more, which proves that it can be, and gives the error its stack. */
function repeatFailure(subject: Subject, explorer: Explorer): RawFailure {
  explorer.repeat()
  const failure = runOnce(subject, explorer)
  if (failure?.kind === 'error') return failure
  throw new NotDeterministic(
    'an execution that failed does not fail when it is run again with the same choices',
  )
}

/** Runs one execution. Returns what was wrong with it. */
function runOnce(subject: Subject, explorer: Explorer): RawFailure | null {
  const bodies = subject.begin()
  explorer.begin()
  const { thrown } = runThreads(explorer.threads, bodies, explorer)
  const failed = (kind: FailureKind, thread: number, error: unknown): RawFailure => ({
    kind,
    thread,
    error,
    race: explorer.race,
    schedule: [...explorer.schedule.subarray(0, explorer.depth)],
  })
  if (thrown !== null) {
    if (thrown.error instanceof FinerCellsNeeded) throw thrown.error
    return failed('error', thrown.thread, thrown.error)
  }
  switch (explorer.status) {
    case RACE:
      return failed('race', explorer.race!.second.thread, subject.explainRace?.(explorer.race!) ?? null)
    case DEADLOCK:
      return failed('deadlock', -1, lostWakeUp(explorer.threads))
    case TOO_LONG:
      return failed('livelock', -1, null)
    case COMPLETE:
      try {
        subject.end()
      } catch (error) {
        return failed('error', -1, error)
      }
      return null
    default:
      return null
  }
}

/** A thread that waits for ever, though what it waits for has changed: nobody has woken it. */
function lostWakeUp(threads: readonly Thread[]): string | null {
  const asleep = threads.find(
    ({ state, array, index, expected }) => state === WAITING && array[index] !== expected,
  )
  if (asleep === undefined) return null
  return `lost wake-up: thread ${asleep.id} sleeps in Atomics.wait on a word that has changed, and nobody is left to wake it`
}
