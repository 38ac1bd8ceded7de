// `linearizable()`: a sequential object as the specification of one that threads share, where the user's test stands.

import type { CheckResult } from './check-result.ts'
import { refuseOperations, refuseUnknown } from './given-options.ts'
import { checkHere } from './inline.ts'
import type { Linearizable } from './linear-description.ts'

/** See linearizable() of check.ts. */
export async function linearizable<Shared>(description: Linearizable<Shared>): Promise<CheckResult> {
  refuseUnknown('linearizable', 'linearizable()', description)
  refuseOperations(description as Linearizable)
  return checkHere('linearizable', description, { threads: 0, invariant: false, state: null })
}
