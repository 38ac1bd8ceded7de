// `linearizable()`: a sequential object as the specification of one that threads share, where the user's test stands.

import type { CheckResult } from './check-result.ts'
import { refuseOperations, refuseUnknown } from './given-options.ts'
import { checkHere } from './inline.ts'
import type { Linearizable } from './linear-description.ts'

/**
 * Checks that whatever threads get from a shared object, they might have got from a sequential one, call after call,
 * with no call before one that was over when it began. Programs of a few threads with a few calls each are made of the
 * operations, and each is explored in every interleaving.
 *
 * Called in a test as check() is, and throws as that does. What a file exports as default, `faultline check` explores.
 */
export async function linearizable<Shared>(description: Linearizable<Shared>): Promise<CheckResult> {
  refuseUnknown('linearizable', 'linearizable()', description)
  refuseOperations(description as Linearizable)
  return checkHere('linearizable', description, { threads: 0, invariant: false, state: null })
}
