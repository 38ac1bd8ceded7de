// The error that a check throws in a test if something fails.

import type { CheckResult } from './check-result.ts'
import type { CheckFailure } from './failure.ts'
import { counterexampleText } from './table.ts'

/** A scenario does not hold. The message shows the interleaving in which it fails, as the command does. */
export class ScenarioFailed extends Error {
  override readonly name = 'ScenarioFailed'
  declare readonly result: CheckResult

  constructor(result: CheckResult, failure: CheckFailure) {
    super(`${result.scenario}\n\n${counterexampleText(failure.counterexample)}`)
    // Whoever prints the error has it in the message already.
    Object.defineProperty(this, 'result', { value: result, enumerable: false })
  }
}
