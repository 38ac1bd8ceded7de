// A call of check() in a user's test, told to a thread that comes to the same call again.

import type { Begin } from '../backends/stepped/replaced-clocks.ts'
import type { CallFrame } from './call-place.ts'
import type { ErrorData } from './error-data.ts'

export interface InlineCall {
  readonly kind: 'check' | 'linearizable'
  /** The frames of the call in files of the user, the innermost first. */
  readonly frames: readonly CallFrame[]
  readonly name: string | null
  /** How many calls with these frames and this name were before. */
  readonly count: number
  /** What both loads must agree in. */
  readonly shape: {
    readonly threads: number
    readonly invariant: boolean
    /** See stateDigest(); null where it is not compared. */
    readonly state: string | null
    /** What clocks told the setup; absent without one. */
    readonly begin?: Begin
  }
  /** Of calls that are over: what comes after them may depend on it. */
  readonly outcomes: readonly Outcome[]
}

/** How a call ended. */
export interface Outcome {
  readonly key: string
  readonly count: number
  /** What it returned, or threw with ScenarioFailed; null where it threw something else. */
  readonly result: unknown
  readonly error: ErrorData | null
}

/** Where a load finds what takes a call of check() that is to be explored: common to all copies in a process. */
export const CAPTURE: unique symbol = Symbol.for('faultline.check.capture') as never

/** The matcher of `expect` that calls check(). */
export const MATCHER = 'toHoldInEveryInterleaving'

/** Calls of one key are told apart by their order. */
export function callKey(frames: readonly CallFrame[], name: string | null): string {
  return JSON.stringify([frames.map(({ url, line }) => `${url}:${line}`), name])
}
