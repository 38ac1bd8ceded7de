// Read-copy-update in user space, the flavour with a count for each reader: Desnoyers, McKenney, Stern, Dagenais and
// Walpole, "User-Level Implementations of Read-Copy Update", IEEE TPDS 23(2), 2012, section 5 (general-purpose RCU).
//
// A reader notes the phase that it began in. To wait for all readers, the phase is changed, and those of the other
// phase are waited for; twice, as the paper explains. A reader may have read the phase long before it notes it: with
// one change, the next wait takes it for one that began just now.

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { check } from 'faultline/check'
import { breaks, holds, isLarge } from './verdicts.ts'

const READERS = 2
const NODES = 2
/** The phase, with a one below it. */
const PHASE = 0
/** The node that readers are to read. */
const CURRENT = 1
/** From here on, the phase in which each reader is inside; 0: it is outside. */
const READER = 2
const INSIDE = 1
const FLIP = 2

class Rcu {
  protected readonly cells = new Int32Array(new SharedArrayBuffer((READER + READERS) * 4))
  /** What readers read. It is written where no reader can be. */
  readonly #nodes = new Int32Array(new SharedArrayBuffer(NODES * 4))

  constructor() {
    this.cells[PHASE] = INSIDE
    this.#nodes[0] = 1
  }

  read(me: number): number {
    Atomics.store(this.cells, READER + me, Atomics.load(this.cells, PHASE))
    const value = this.#nodes[Atomics.load(this.cells, CURRENT)]!
    Atomics.store(this.cells, READER + me, 0)
    return value
  }

  /** By one at a time. */
  update(value: number): void {
    const old = Atomics.load(this.cells, CURRENT)
    const node = 1 - old
    this.#nodes[node] = value
    Atomics.store(this.cells, CURRENT, node)
    this.synchronize()
    this.#nodes[old] = 0
  }

  protected synchronize(): void {
    this.flipAndWait()
    this.flipAndWait()
  }

  protected flipAndWait(): void {
    const phase = Atomics.load(this.cells, PHASE) ^ FLIP
    Atomics.store(this.cells, PHASE, phase)
    for (let reader = 0; reader < READERS; reader++) while (this.#isBefore(reader, phase)) Atomics.pause()
  }

  #isBefore(reader: number, phase: number): boolean {
    const its = Atomics.load(this.cells, READER + reader)
    return its !== 0 && its !== phase
  }
}

class OneFlip extends Rcu {
  protected override synchronize(): void {
    this.flipAndWait()
  }
}

class NoWait extends Rcu {
  protected override synchronize(): void {
    // What was replaced is used again at once.
  }
}

const read = (rcu: Rcu, me: number): void => assert.notEqual(rcu.read(me), 0)

function updateTwice(rcu: Rcu): void {
  rcu.update(2)
  rcu.update(3)
}

it('nobody is waited for', (test) => {
  const checking = check({
    setup: () => new NoWait(),
    threads: [(rcu) => read(rcu, 0), (rcu) => rcu.update(2)],
  })
  return breaks(test, checking, 'race', '1: store cells[CURRENT] 0 → 1', 'write #nodes[0] ← 0')
})

it('the phase changes once', (test) => {
  const checking = check({ setup: () => new OneFlip(), threads: [(rcu) => read(rcu, 0), updateTwice] })
  const steps = ['0: load cells[PHASE] = 1', '1: store cells[PHASE] 1 → 3', '1: store cells[PHASE] 3 → 1']
  return breaks(test, checking, 'race', ...steps, '1: write #nodes[1] ← 0')
})

it('a reader, and two updates', (test) =>
  holds(test, check({ setup: () => new Rcu(), threads: [(rcu) => read(rcu, 0), updateTwice] })))

it('a reader who reads twice, and two updates', (test) =>
  holds(
    test,
    check({
      setup: () => new Rcu(),
      threads: [
        (rcu) => {
          read(rcu, 0)
          read(rcu, 0)
        },
        updateTwice,
      ],
    }),
  ))

it('two readers, and an update', (test) =>
  holds(
    test,
    check({
      setup: () => new Rcu(),
      threads: [(rcu) => read(rcu, 0), (rcu) => read(rcu, 1), (rcu) => rcu.update(2)],
    }),
  ))

it('two readers, and two updates', { skip: !isLarge }, (test) =>
  holds(
    test,
    check({
      setup: () => new Rcu(),
      threads: [(rcu) => read(rcu, 0), (rcu) => read(rcu, 1), updateTwice],
      seconds: 600,
    }),
  ),
)
