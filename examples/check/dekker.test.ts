// Dekker's algorithm for the mutual exclusion of two, and the attempts that lead to it: Dijkstra, "Cooperating
// Sequential Processes" (EWD 123, 1965), section 2.1.
//
// Dijkstra's own errors, in his order: who looks before it speaks is not alone; who speaks before it looks waits for
// ever; who takes its word back and tries again may do so for ever. Dekker has the two take turns in giving way.

import { it } from 'node:test'
import { check } from 'faultline/check'
import { type Lock, criticalSection } from './critical-section.ts'
import { breaks, holds, isLarge } from './verdicts.ts'

const TURN = 2

class Dekker implements Lock {
  /** Who wants to enter, one after the other, and whose turn it is. */
  readonly cells = new Int32Array(new SharedArrayBuffer(3 * 4))

  enter(me: number): void {
    const other = 1 - me
    Atomics.store(this.cells, me, 1)
    while (Atomics.load(this.cells, other) === 1) {
      if (Atomics.load(this.cells, TURN) === me) continue
      Atomics.store(this.cells, me, 0)
      while (Atomics.load(this.cells, TURN) !== me) Atomics.pause()
      Atomics.store(this.cells, me, 1)
    }
  }

  leave(me: number): void {
    Atomics.store(this.cells, TURN, 1 - me)
    Atomics.store(this.cells, me, 0)
  }
}

class LooksFirst extends Dekker {
  override enter(me: number): void {
    while (Atomics.load(this.cells, 1 - me) === 1) Atomics.pause()
    Atomics.store(this.cells, me, 1)
  }
}

class SpeaksFirst extends Dekker {
  override enter(me: number): void {
    Atomics.store(this.cells, me, 1)
    while (Atomics.load(this.cells, 1 - me) === 1) Atomics.pause()
  }
}

class GivesWay extends Dekker {
  override enter(me: number): void {
    Atomics.store(this.cells, me, 1)
    while (Atomics.load(this.cells, 1 - me) === 1) {
      Atomics.store(this.cells, me, 0)
      Atomics.store(this.cells, me, 1)
    }
  }
}

/** The flags as ordinary variables: no processor, and no compiler, keeps the order that the algorithm lives on. */
class PlainFlags extends Dekker {
  override enter(me: number): void {
    this.cells[me] = 1
    while (this.cells[1 - me] === 1) Atomics.pause()
  }
}

it('who looks before it speaks is not alone', (test) => {
  const checking = check(criticalSection(() => new LooksFirst()))
  const steps = ['0: load cells[1] = 0', '1: load cells[0] = 0', '0: store cells[0] 0 → 1']
  return breaks(test, checking, 'race', ...steps)
})

it('who speaks before it looks waits for ever', (test) => {
  const checking = check(criticalSection(() => new SpeaksFirst()))
  const steps = ['0: store cells[0] 0 → 1', '1: store cells[1] 0 → 1']
  return breaks(test, checking, 'deadlock', ...steps, 'thread 0 spins', 'thread 1 spins')
})

it('who takes its word back may do so for ever', (test) => {
  const checking = check({ ...criticalSection(() => new GivesWay()), maxSteps: 100, minimiseSeconds: 0.2 })
  return breaks(test, checking, 'livelock', '1: store cells[1] 1 → 0', '1: store cells[1] 0 → 1')
})

it('flags in plain memory are a data race', (test) => {
  const checking = check(criticalSection(() => new PlainFlags()))
  return breaks(test, checking, 'race')
})

it('two threads, once each', (test) => holds(test, check(criticalSection(() => new Dekker()))))

it('two threads, twice each', (test) => holds(test, check(criticalSection(() => new Dekker(), { turns: 2 }))))

it('two threads, three times each', { skip: !isLarge }, (test) =>
  holds(test, check(criticalSection(() => new Dekker(), { turns: 3 }))),
)
