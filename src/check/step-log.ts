// What each step of an execution did, to compare a second run with the same choices.
//
// It also records the value of the cell before the operation: everything that a thread reads is compared with the
// first run.

import {
  COMPARE_EXCHANGE,
  LOAD,
  NOTIFY,
  PAUSE,
  type Thread,
  WAIT,
  WAIT_ASYNC,
} from '../backends/stepped/index.ts'

/** The program did something else when it was run again with the same choices. */
export class NotDeterministic extends Error {
  override readonly name = 'NotDeterministic'
  /** The step, from 1, and the place in the source; -1 where there is none. */
  readonly step: number
  readonly site: number

  constructor(message: string, step = -1, site = -1) {
    super(message)
    this.step = step
    this.site = site
  }
}

/** Words of a step. */
const STEP_WORDS = 6

export class StepLog {
  readonly #words: unknown[] = []
  #isComparing = false

  /** From now on steps are compared. */
  compare(): void {
    this.#isComparing = true
  }

  step(event: number, thread: Thread): void {
    const { id, kind, site, array, index } = thread
    // What an operation does not have is left over from another one.
    const operand = (kind > LOAD && kind <= COMPARE_EXCHANGE) || kind === NOTIFY ? thread.operand : 0
    const expected = kind === COMPARE_EXCHANGE || kind === WAIT || kind === WAIT_ASYNC ? thread.expected : 0
    const words =
      kind === PAUSE ? [kind, site, 0, 0, 0, 0] : [kind, site, index, operand, expected, array[index]]
    const at = event * STEP_WORDS
    for (let word = 0; word < STEP_WORDS; word++) {
      if (!this.#isComparing) this.#words[at + word] = words[word]
      else if (!Object.is(this.#words[at + word], words[word])) {
        const what = word === STEP_WORDS - 1 ? 'found another value' : 'came to another operation'
        throw new NotDeterministic(
          `repeated with the same choices, thread ${id} ${what} at step ${event + 1}`,
          event + 1,
          site,
        )
      }
    }
  }
}
