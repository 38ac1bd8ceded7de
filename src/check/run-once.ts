// One execution of a subject, and what was wrong with it.

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
  memory,
  runThreads,
  steppedHost,
  takeCountRead,
} from '../backends/stepped/index.ts'
import type { Saver } from './checkpoints.ts'
import type { RaceReport } from './data-races.ts'
import { COMPLETE, DEADLOCK, type Execution, RACE, TOO_LONG } from './execution.ts'
import type { Naming } from './names.ts'
import { NoScenario } from './no-scenario.ts'
import { NotDeterministic } from './step-log.ts'
import { NotSymmetric } from './symmetry.ts'

/** What is explored: threads that can be started again and again from the same state. */
export interface Subject {
  readonly threads: number
  /** It has accesses of racy(), which may read older values. */
  isRacy?: boolean
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

/** Runs one execution. Returns what was wrong with it. `atEnd` is called when all threads have finished. */
export function runOnce(subject: Subject, execution: Execution, atEnd?: () => void): RawFailure | null {
  let { thrown } = runFromCheckpoint(execution) ?? runFromBeginning(subject, execution)
  while (execution.isOutdated) {
    execution.followAgain()
    thrown = runFromBeginning(subject, execution).thrown
  }
  const failed = (kind: FailureKind, thread: number, error: unknown): RawFailure => ({
    kind,
    thread,
    error,
    race: execution.race,
    schedule: execution.path(),
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
