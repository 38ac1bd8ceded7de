// The scenario of a file as the explorer wants it.

import { alone, memory } from '../backends/stepped/index.ts'
import type { Subject } from './explore.ts'
import type { Scenario } from './scenario.ts'

/** Something that should hold at the end does not. */
export class InvariantBroken extends Error {
  override readonly name = 'InvariantBroken'
}

/** A scenario of a loaded program as the explorer wants it. */
export function userSubject(description: Scenario): Subject {
  let state: unknown
  return {
    threads: description.threads.length,
    functions: description.threads,
    begin() {
      memory.restore()
      state = alone(description.setup?.())
      return description.threads.map((thread) => () => thread(state))
    },
    end() {
      if (alone(description.invariant?.(state)) === false)
        throw new InvariantBroken('the invariant does not hold')
    },
  }
}
