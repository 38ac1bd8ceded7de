// The checker alone, to check your own code: without the kernel and its scenarios.

// oxlint-disable-next-line import/no-unassigned-import -- for what it throws
import './backends/threads/node-version.ts'

import type { CheckOptions, CheckResult } from './check/check.ts'
import { type InlineCheck, check as checkInline } from './check/inline.ts'
import type { Linearizable } from './check/linear-description.ts'
import { linearizable as linearizableInline } from './check/linearizable.ts'
import { MATCHER } from './check/inline-call.ts'
import { ScenarioFailed } from './check/scenario-failed.ts'

export { SteppingRefused } from './backends/stepped/index.ts'
export {
  type CheckOptions,
  type CheckResult,
  type ReplayOptions,
  assertHolds,
  checkFile,
  replayFile,
} from './check/check.ts'
export type {
  Counterexample,
  CounterexampleCall,
  CounterexampleEvent,
  CounterexampleRow,
} from './check/counterexample-data.ts'
export type { Progress, Strategy } from './check/explore.ts'
export type { FailureKind } from './check/run-once.ts'
export type { CheckFailure } from './check/failure.ts'
export type { InlineCheck } from './check/inline.ts'
export type { ArgumentLists, Linearizable, Operation } from './check/linear-description.ts'
export { perfettoTrace } from './check/perfetto.ts'
export { racy } from './check/racy.ts'
export { ScenarioFailed }
export { type Scenario, type ScenarioOptions, scenario } from './check/scenario.ts'
export { counterexampleText } from './check/table.ts'
export { NoScenario } from './check/no-scenario.ts'
export { TokenRefused } from './check/token.ts'
export type { Shard } from './check/work.ts'

/**
 * Checks an inline scenario: in a test of node:test, vitest or jest, or in a module. Its functions may use everything
 * in scope there. The checker loads the file once more, in a separate thread, with its tests silenced; hooks of the
 * tests around the call run there too.
 *
 * Throws ScenarioFailed if something fails, with the interleaving and a token. With the token in the environment
 * variable FAULTLINE_REPLAY, the test repeats that execution; if FAULTLINE_PAGES names a folder, the page of the
 * counterexample is written there. If a limit ends the exploration first, this is not a failure; `complete` of the
 * result is then false. Throws SteppingRefused, with file, line and a remedy, if the call cannot be loaded again or
 * differs then, and whatever checkFile throws.
 */
export function check<State>(description: InlineCheck<State>): Promise<CheckResult> {
  return withPage(checkInline(description))
}

/**
 * Checks that a shared object is linearizable: some sequential order of the calls gives the same results, and keeps the
 * order of calls that do not overlap. The checker generates programs of a few threads with a few calls each from the
 * operations, and explores each in every interleaving.
 *
 * Call it in a test like check(); it throws the same errors. If a file exports it as default, `faultline check`
 * explores it.
 */
export function linearizable<Shared>(description: Linearizable<Shared>): Promise<CheckResult> {
  return withPage(linearizableInline(description))
}

/** The matchers of {@link matchers}, for the types of vitest and jest: see docs/check-your-code.md. */
export interface CheckMatchers {
  /**
   * The argument of check() or linearizable() holds in every interleaving; with `bound`, in all with at most that many
   * preemptions; with `turns`, in all in which loops that pause or count are left after so many turns; with `timeouts`,
   * in all in which time-outs pass so often. Throws if a limit ends the exploration first, if such a loop or time-out
   * is left and its option was not given, and what check() throws except ScenarioFailed.
   */
  toHoldInEveryInterleaving(options?: Omit<CheckOptions, 'patches' | 'shard'>): Promise<void>
}

function counted(executions: number): string {
  return executions === 1 ? '1 execution' : `${executions} executions`
}

function where(result: CheckResult): string {
  const { bound, timeouts, turns } = result
  const time = timeouts === null ? '' : `, where ${timeoutsLeft(timeouts)}`
  const loops = turns === null ? '' : `, where ${loopsLeft(result)}`
  const clock = result.clock === true ? ', where a clock stands or moves by ten days at each look' : ''
  const chance = result.chance === true ? ', with one sequence of random numbers' : ''
  const early = `${time}${loops}${clock}${chance}`
  return bound === null ? `in every interleaving${early}` : `with at most ${bound} preemptions${early}`
}

function timeoutsLeft(timeouts: number): string {
  return `time-outs of a thread pass early at most ${timeouts} times`
}

function loopsLeft({ turns, patience }: CheckResult): string {
  if (patience !== undefined) return `a thread waits at most ${patience} steps for the loop of another`
  return `loops that pause or count are followed for ${turns} turns that read the same`
}

/** Why it does not hold in every interleaving, though nothing has failed. */
function remainder(result: CheckResult): string {
  const { executions, estimatedExecutions, turns, leftLoop, leftCounter, timeouts, leftTimeout } = result
  const isLimited = estimatedExecutions !== null && estimatedExecutions !== executions
  if (isLimited || (turns === null && timeouts === null))
    return 'others were not explored: give it more seconds, a bound, or less to do'
  const placeOf = (place: string | undefined): string =>
    place === undefined ? '' : `, the first at ${place}`
  const counter = leftCounter === undefined ? '' : `, where each count in ${leftCounter} is another result`
  const loops = turns === null ? [] : [`${loopsLeft(result)}${placeOf(leftLoop)}${counter}`]
  const waits = timeouts === null ? [] : [`${timeoutsLeft(timeouts)}${placeOf(leftTimeout)}`]
  const options = [
    ...(turns === null ? [] : [`turns: ${turns}`]),
    ...(timeouts === null ? [] : [`timeouts: ${timeouts}`]),
  ]
  return (
    `others were not explored, as ${[...loops, ...waits].join(', and ')}: ` +
    `let them give up sooner, or accept that with { ${options.join(', ')} }`
  )
}

/** For `expect.extend()` of vitest and jest. */
export const matchers = {
  async [MATCHER](
    received: InlineCheck<never> | Linearizable<never>,
    options: Omit<CheckOptions, 'patches' | 'shard'> = {},
  ): Promise<{ pass: boolean; message: () => string }> {
    const given = { ...received, ...options }
    if ('shard' in given) throw new TypeError('a shard is a part of the interleavings: use check()')
    try {
      const result = await ('create' in given ? linearizable(given) : check(given))
      const { complete, executions } = result
      if (complete) return { pass: true, message: () => `it holds ${where(result)}: ${counted(executions)}` }
      throw new Error(`it held in ${counted(executions)}, and ${remainder(result)}`)
    } catch (error) {
      if (!(error instanceof ScenarioFailed)) throw error
      return { pass: false, message: () => error.message }
    }
  },
}

/** Writes the page of a failure, if the environment names a folder. */
async function withPage(checking: Promise<CheckResult>): Promise<CheckResult> {
  try {
    return await checking
  } catch (error) {
    const folder = process.env['FAULTLINE_PAGES'] ?? ''
    if (folder === '' || !(error instanceof ScenarioFailed)) throw error
    try {
      const { keepPage } = await import('./report/kept-page.ts')
      error.message += `\n  page: ${keepPage(folder, error.result)}`
    } catch (problem) {
      error.message += `\n  its page could not be kept: ${String(problem)}`
    }
    throw error
  }
}
