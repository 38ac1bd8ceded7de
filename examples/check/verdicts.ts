// What the examples expect of a check: that it holds under every interleaving, or how it breaks.

import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { type CheckFailure, type CheckResult, ScenarioFailed } from 'faultline/check'

/** Whether checks that take long are wanted, too: `npm run check:classics`. */
export const isLarge = process.env['FAULTLINE_CLASSICS'] === 'large'

/** The check passes, and has explored every interleaving; the test tells how many that were. */
export async function holds(test: TestContext, checking: Promise<CheckResult>): Promise<void> {
  const { verdict, complete, ...counts } = await checking
  assert.deepEqual({ verdict, complete }, { verdict: 'pass', complete: true })
  tell(test, counts)
}

/**
 * The check fails in the way `kind`. Its counterexample has the steps `parts`, each with the number of its thread in
 * front (`1: cas cells[TOP] 2 → 3`), in that order, and then the parts of its message.
 */
export async function breaks(
  test: TestContext,
  checking: Promise<CheckResult>,
  kind: CheckFailure['kind'],
  ...parts: readonly string[]
): Promise<void> {
  await assert.rejects(checking, (error) => {
    assert.ok(error instanceof ScenarioFailed, String(error))
    const failure = error.result.failure!
    assert.equal(failure.kind, kind, error.message)
    const { events, broken } = failure.counterexample
    const told = [
      ...events.map(({ thread, text }) => `${thread}: ${text}`),
      broken.message,
      ...broken.details,
    ]
    let from = 0
    for (const part of parts) {
      const at = told.findIndex((line, index) => index >= from && line.includes(part))
      assert.ok(at >= 0, `'${part}' is not there, or not in that order:\n${told.join('\n')}`)
      from = at + 1
    }
    tell(test, error.result)
    return true
  })
}

function tell(
  test: TestContext,
  { executions, steps, seconds }: Pick<CheckResult, 'executions' | 'steps' | 'seconds'>,
): void {
  test.diagnostic(`${executions} executions, ${steps} steps, ${seconds.toFixed(3)} s`)
}
