// A bounded queue for several producers and several consumers: Vyukov, 1024cores.net, "Bounded MPMC queue", 2010.
//
// Each slot has a turn: 2n where it may be filled for the nth time round, 2n + 1 where it may be emptied. The error is
// to tell of the value before it is there.

import { it } from 'node:test'
import { check, linearizable } from 'faultline/check'
import { breaks, holds, isLarge } from './verdicts.ts'

const SIZE = 2
const HEAD = 0
const TAIL = 1
const TURNS = 2
const VALUES = TURNS + SIZE

class Queue {
  readonly #cells = new Int32Array(new SharedArrayBuffer((VALUES + SIZE) * 4))

  push(value: number): boolean {
    const cells = this.#cells
    for (;;) {
      const tail = Atomics.load(cells, TAIL)
      const slot = tail % SIZE
      const turn = Atomics.load(cells, TURNS + slot)
      if (turn !== 2 * Math.floor(tail / SIZE)) {
        if (tail - Atomics.load(cells, HEAD) >= SIZE) return false
        continue
      }
      if (Atomics.compareExchange(cells, TAIL, tail, tail + 1) !== tail) continue
      this.fill(cells, slot, turn, value)
      return true
    }
  }

  pop(): number | null {
    const cells = this.#cells
    for (;;) {
      const head = Atomics.load(cells, HEAD)
      const slot = head % SIZE
      const turn = Atomics.load(cells, TURNS + slot)
      if (turn !== 2 * Math.floor(head / SIZE) + 1) {
        if (head === Atomics.load(cells, TAIL)) return null
        continue
      }
      if (Atomics.compareExchange(cells, HEAD, head, head + 1) !== head) continue
      const value = Atomics.load(cells, VALUES + slot)
      Atomics.store(cells, TURNS + slot, turn + 1)
      return value
    }
  }

  protected fill(cells: Int32Array, slot: number, turn: number, value: number): void {
    Atomics.store(cells, VALUES + slot, value)
    Atomics.store(cells, TURNS + slot, turn + 1)
  }
}

class EarlyQueue extends Queue {
  protected override fill(cells: Int32Array, slot: number, turn: number, value: number): void {
    Atomics.store(cells, TURNS + slot, turn + 1)
    Atomics.store(cells, VALUES + slot, value)
  }
}

class SequentialQueue {
  readonly #values: number[] = []

  push(value: number): boolean {
    if (this.#values.length === SIZE) return false
    this.#values.push(value)
    return true
  }

  pop(): number | null {
    return this.#values.shift() ?? null
  }
}

const operations = { push: [[1], [2]], pop: [[]] }

it('a queue that tells of a value before it is there', (test) => {
  const checking = linearizable({
    create: () => new EarlyQueue(),
    operations,
    specification: SequentialQueue,
  })
  const steps = ['store cells[2] 0 → 1', 'cas cells[HEAD] 0 → 1', 'load cells[4] = 0']
  return breaks(test, checking, 'error', ...steps, 'no order of the calls gives these results')
})

it('what comes first goes first', (test) =>
  holds(test, linearizable({ create: () => new Queue(), operations, specification: SequentialQueue })))

it('a push and a pop each, of two threads', (test) => {
  const pushAndPop = (value: number) => (queue: Queue) => {
    queue.push(value)
    queue.pop()
  }
  return holds(test, check({ setup: () => new Queue(), threads: [pushAndPop(1), pushAndPop(2)] }))
})

it('two threads of three calls each', { skip: !isLarge }, (test) =>
  holds(
    test,
    linearizable({
      create: () => new Queue(),
      operations: { push: [[1]], pop: [[]] },
      specification: SequentialQueue,
      calls: 3,
      seconds: 600,
    }),
  ),
)
