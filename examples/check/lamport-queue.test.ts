// Lamport's queue for one producer and one consumer: "Specifying Concurrent Program Modules", ACM TOPLAS 5(2), 1983,
// section 3.
//
// What is in the queue lies in ordinary memory: the two indices order all that is done to it. The errors: a value that
// is announced before it is there, and a place that is given back before it is read, as a processor may have it that
// keeps no order of stores; and a full queue that looks like an empty one, where indices go round and no place is
// left.

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { check } from 'faultline/check'
import { breaks, holds, isLarge } from './verdicts.ts'

const SIZE = 2
const HEAD = 0
const TAIL = 1

class Queue {
  protected readonly indices = new Int32Array(new SharedArrayBuffer(2 * 4))
  protected readonly values = new Int32Array(new SharedArrayBuffer(SIZE * 4))

  /** Returns whether there was room. Called by the producer. */
  push(value: number): boolean {
    const tail = Atomics.load(this.indices, TAIL)
    if (tail - Atomics.load(this.indices, HEAD) === SIZE) return false
    this.values[tail % SIZE] = value
    Atomics.store(this.indices, TAIL, tail + 1)
    return true
  }

  /** Called by the consumer. */
  pop(): number | null {
    const head = Atomics.load(this.indices, HEAD)
    if (head === Atomics.load(this.indices, TAIL)) return null
    const value = this.values[head % SIZE]!
    Atomics.store(this.indices, HEAD, head + 1)
    return value
  }
}

class EarlyQueue extends Queue {
  override push(value: number): boolean {
    const tail = Atomics.load(this.indices, TAIL)
    if (tail - Atomics.load(this.indices, HEAD) === SIZE) return false
    Atomics.store(this.indices, TAIL, tail + 1)
    this.values[tail % SIZE] = value
    return true
  }
}

class HastyQueue extends Queue {
  override pop(): number | null {
    const head = Atomics.load(this.indices, HEAD)
    if (head === Atomics.load(this.indices, TAIL)) return null
    Atomics.store(this.indices, HEAD, head + 1)
    return this.values[head % SIZE]!
  }
}

class RoundQueue extends Queue {
  override push(value: number): boolean {
    const tail = Atomics.load(this.indices, TAIL)
    this.values[tail] = value
    Atomics.store(this.indices, TAIL, (tail + 1) % SIZE)
    return true
  }

  override pop(): number | null {
    const head = Atomics.load(this.indices, HEAD)
    if (head === Atomics.load(this.indices, TAIL)) return null
    const value = this.values[head]!
    Atomics.store(this.indices, HEAD, (head + 1) % SIZE)
    return value
  }
}

interface Shared {
  readonly queue: Queue
  readonly got: number[]
}

const VALUES = isLarge ? [1, 2, 3, 4, 5, 6, 7] : [1, 2, 3, 4]

function produce({ queue }: Shared): void {
  for (const value of VALUES) while (!queue.push(value)) Atomics.pause()
}

function consume({ queue, got }: Shared): void {
  while (got.length < VALUES.length) {
    let value = queue.pop()
    while (value === null) value = queue.pop()
    got.push(value)
  }
}

const invariant = ({ got }: Shared): void => assert.deepEqual(got, VALUES)

it('a value that is announced before it is there', (test) => {
  const checking = check({
    setup: () => ({ queue: new EarlyQueue(), got: [] }),
    threads: [produce, consume],
    invariant,
  })
  return breaks(
    test,
    checking,
    'race',
    '0: store indices[TAIL]',
    '1: load indices[TAIL]',
    'the read of thread 1',
  )
})

it('a place that is given back before it is read', (test) => {
  const checking = check({
    setup: () => ({ queue: new HastyQueue(), got: [] }),
    threads: [produce, consume],
    invariant,
  })
  return breaks(
    test,
    checking,
    'race',
    '1: store indices[HEAD]',
    '0: load indices[HEAD]',
    'the write of thread 0',
  )
})

it('a full queue that looks like an empty one', (test) => {
  const checking = check({
    setup: () => ({ queue: new RoundQueue(), got: [] }),
    threads: [produce, consume],
    invariant,
  })
  const steps = ['0: store indices[TAIL] 1 → 0', '0: write values[0] ← 3']
  return breaks(test, checking, 'deadlock', ...steps, 'thread 1 spins')
})

it('values through room for two', (test) =>
  holds(
    test,
    check({ setup: () => ({ queue: new Queue(), got: [] }), threads: [produce, consume], invariant }),
  ))
