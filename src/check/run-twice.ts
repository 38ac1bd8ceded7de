// Executions that are run once more with the same choices: what is checked must do the same again.

import { memory } from '../backends/stepped/index.ts'
import type { Execution } from './execution.ts'
import type { Explorer } from './explorer.ts'
import { type RawFailure, type Subject, runOnce } from './run-once.ts'
import { NotDeterministic, StepLog } from './step-log.ts'

/** So many executions are run twice. */
export const SELF_CHECKS = 3

/** What an execution did, to be compared when all others are over. */
export interface FirstRun {
  readonly log: StepLog
  readonly schedule: readonly number[]
  readonly status: number
  /** A digest of memory at its end. */
  readonly state: string
}

/** Of the first executions each is run twice; of those that begin at a saved state, ever fewer. */
export function runChecked(
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

/** Runs the execution that failed once more, which proves that it can be, and gives the error its stack. */
export function withStack(
  subject: Subject,
  execution: Execution,
  failure: RawFailure | null,
): RawFailure | null {
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
  keep?.({ log, schedule: execution.path(), status, state })
  return failure
}

/**
 * Runs the first execution once more when all others are over: what they have left behind outside `setup`, such as in a
 * variable of a module, shows where it makes a difference to it. Throws NotDeterministic.
 */
export function runFirstAgain(subject: Subject, explorer: Explorer, first: FirstRun): void {
  const { log, schedule, status, state } = first
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
