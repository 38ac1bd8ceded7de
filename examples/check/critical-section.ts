// What a lock is for, as a scenario: threads that go through a critical section, in which they count.
//
// They count in plain memory. Two of them at once would be a data race; two after each other that nothing orders, too.

import type { Scenario } from 'faultline/check'

export interface Lock {
  /** Called by thread `me`, from 0. */
  enter(me: number): void
  leave(me: number): void
}

interface State {
  readonly lock: Lock
  readonly count: Int32Array
}

/** So many threads that enter and leave `turns` times each, explored whole also by a machine that is slow or busy. */
export function criticalSection(
  create: () => Lock,
  { threads = 2, turns = 1 } = {},
): Required<Pick<Scenario<State>, 'setup' | 'threads' | 'invariant'>> & { readonly seconds: number } {
  return {
    seconds: 600,
    setup: () => ({ lock: create(), count: new Int32Array(new SharedArrayBuffer(4)) }),
    threads: Array.from({ length: threads }, (_, me) => ({ lock, count }: State) => {
      for (let turn = 0; turn < turns; turn++) {
        lock.enter(me)
        count[0]!++
        lock.leave(me)
      }
    }),
    invariant: ({ count }) => count[0] === threads * turns,
  }
}
