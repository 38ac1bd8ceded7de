// Peterson's algorithm for the mutual exclusion of two: "Myths About the Mutual Exclusion Problem", Information
// Processing Letters 12(3), 1981.
//
// Its two stores are in the right order, and it is wrong with them exchanged. And the error that stood in print:
// Hyman's "Comments on a Problem in Concurrent Programming Control", Communications of the ACM 9(1), 1966, page 45.

import { it } from 'node:test'
import { check } from 'faultline/check'
import { type Lock, criticalSection } from './critical-section.ts'
import { breaks, holds, isLarge } from './verdicts.ts'

const TURN = 2

class Peterson implements Lock {
  /** Who wants to enter, one after the other, and who is to wait if both do. */
  readonly cells = new Int32Array(new SharedArrayBuffer(3 * 4))

  enter(me: number): void {
    this.announce(me)
    while (Atomics.load(this.cells, 1 - me) === 1 && Atomics.load(this.cells, TURN) === me) Atomics.pause()
  }

  leave(me: number): void {
    Atomics.store(this.cells, me, 0)
  }

  protected announce(me: number): void {
    Atomics.store(this.cells, me, 1)
    Atomics.store(this.cells, TURN, me)
  }
}

class TurnFirst extends Peterson {
  protected override announce(me: number): void {
    Atomics.store(this.cells, TURN, me)
    Atomics.store(this.cells, me, 1)
  }
}

class Hyman extends Peterson {
  override enter(me: number): void {
    Atomics.store(this.cells, me, 1)
    while (Atomics.load(this.cells, TURN) !== me) {
      while (Atomics.load(this.cells, 1 - me) === 1) Atomics.pause()
      Atomics.store(this.cells, TURN, me)
    }
  }
}

it('the turn before the wish', (test) => {
  const checking = check(criticalSection(() => new TurnFirst()))
  const steps = ['0: store cells[TURN] 0', '1: store cells[TURN] 0 → 1', '1: load cells[0] = 0']
  return breaks(test, checking, 'race', ...steps, '0: load cells[TURN] = 1')
})

it("Hyman's algorithm", (test) => {
  const checking = check(criticalSection(() => new Hyman()))
  const steps = ['1: load cells[0] = 0', '0: load cells[TURN] = 0', '1: store cells[TURN] 0 → 1']
  return breaks(test, checking, 'race', ...steps)
})

it('two threads, once each', (test) => holds(test, check(criticalSection(() => new Peterson()))))

it('two threads, twice each', (test) =>
  holds(test, check(criticalSection(() => new Peterson(), { turns: 2 }))))

it('two threads, three times each', { skip: !isLarge }, (test) =>
  holds(test, check(criticalSection(() => new Peterson(), { turns: 3 }))),
)
