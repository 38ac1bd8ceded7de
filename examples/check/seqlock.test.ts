// A sequence lock: Lameter, "Effective Synchronization on Linux/NUMA Systems", 2005; Boehm, "Can Seqlocks Get Along
// with Programming Language Memory Models?", MSPC 2012.
//
// The count is odd while somebody writes; who reads takes what it read if the count was even and is the same
// afterwards. Well-known errors: a reader who does not look whether the count is odd, a writer who counts only
// afterwards, and Boehm's: data in ordinary memory, which readers and the writer race for.

import { it } from 'node:test'
import { check, linearizable, racy } from 'faultline/check'
import { breaks, holds, isLarge } from './verdicts.ts'

const COUNT = 0
const LEFT = 1
const RIGHT = 2

type Pair = readonly [left: number, right: number]

class Seqlock {
  protected readonly cells = new Int32Array(new SharedArrayBuffer(3 * 4))

  write(value: number): void {
    const count = this.begin()
    this.put(value)
    Atomics.store(this.cells, COUNT, count + 2)
  }

  read(): Pair {
    for (;;) {
      const count = Atomics.load(this.cells, COUNT)
      const pair = this.get()
      if (this.isQuiet(count) && Atomics.load(this.cells, COUNT) === count) return pair
    }
  }

  /** Keeps other writers away, and has readers read again. */
  protected begin(): number {
    for (;;) {
      const count = Atomics.load(this.cells, COUNT)
      if (this.isQuiet(count) && Atomics.compareExchange(this.cells, COUNT, count, count + 1) === count)
        return count
    }
  }

  protected isQuiet(count: number): boolean {
    return count % 2 === 0
  }

  protected put(value: number): void {
    const { cells } = this
    racy(() => {
      cells[LEFT] = value
      cells[RIGHT] = value
    })
  }

  protected get(): Pair {
    const { cells } = this
    return racy(() => [cells[LEFT]!, cells[RIGHT]!])
  }
}

class TakesOdd extends Seqlock {
  override read(): Pair {
    for (;;) {
      const count = Atomics.load(this.cells, COUNT)
      const pair = this.get()
      if (Atomics.load(this.cells, COUNT) === count) return pair
    }
  }
}

class CountsAfterwards extends Seqlock {
  protected override begin(): number {
    return Atomics.load(this.cells, COUNT)
  }
}

class PlainData extends Seqlock {
  protected override put(value: number): void {
    this.cells[LEFT] = value
    this.cells[RIGHT] = value
  }

  protected override get(): Pair {
    return [this.cells[LEFT]!, this.cells[RIGHT]!]
  }
}

class SequentialPair {
  #value = 0

  write(value: number): void {
    this.#value = value
  }

  read(): Pair {
    return [this.#value, this.#value]
  }
}

const operations = { write: [[1], [2]], read: [[]] }

it('a reader who takes what it read while the count is odd', (test) => {
  const checking = linearizable({
    create: () => new TakesOdd(),
    operations,
    specification: SequentialPair,
  })
  const steps = [
    'cas cells[COUNT] 0 → 1',
    'load cells[COUNT] = 1',
    'load cells[COUNT] = 1',
    'store cells[COUNT] 1 → 2',
  ]
  return breaks(test, checking, 'error', ...steps, 'NotLinearizable')
})

it('a writer who counts only afterwards', (test) => {
  const checking = linearizable({
    create: () => new CountsAfterwards(),
    operations,
    specification: SequentialPair,
  })
  return breaks(test, checking, 'error', 'NotLinearizable')
})

it('data in ordinary memory', (test) => {
  const checking = check({
    setup: () => new PlainData(),
    threads: [(lock) => lock.write(1), (lock) => lock.read()],
  })
  return breaks(test, checking, 'race', 'there is no happens-before')
})

it('a pair, in every interleaving', (test) =>
  holds(test, linearizable({ create: () => new Seqlock(), operations, specification: SequentialPair })))

it('two threads of three calls each', { skip: !isLarge }, (test) =>
  holds(
    test,
    linearizable({
      create: () => new Seqlock(),
      operations,
      specification: SequentialPair,
      calls: 3,
      seconds: 600,
    }),
  ),
)
