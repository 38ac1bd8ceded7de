// The queue of Michael and Scott: "Simple, Fast, and Practical Non-Blocking and Blocking Concurrent Queue Algorithms",
// PODC 1996, figure 1. The names of lines (D5, E12 …) are those of the figure.
//
// Nodes are used again, and each pointer has a count of its changes. Two of its comments are about errors. "Read value
// before CAS, otherwise another dequeue might free the next node"; and a tail that has fallen behind is moved on
// before the head passes it, else it points at a node that is free.

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { check, linearizable } from 'faultline/check'
import { breaks, holds, isLarge } from './verdicts.ts'

const NODES = 8
/** A pointer is the number of a node, from 1, and in front of it how often it was changed. */
const HEAD = 0
const TAIL = 1
const NEXT = 1
const VALUE = NEXT + NODES
/** Nodes that are free, as a set of bits. */
const FREE = VALUE + NODES + 1

class Queue {
  protected readonly cells = new Int32Array(new SharedArrayBuffer((FREE + 1) * 4))

  /** With `values` in it. */
  constructor(...values: readonly number[]) {
    const { cells } = this
    const count = 1 + values.length
    cells[FREE] = ((1 << (NODES - count)) - 1) << (1 + count)
    cells[HEAD] = 1
    cells[TAIL] = count
    for (const [index, value] of values.entries()) {
      cells[NEXT + 1 + index] = 2 + index
      cells[VALUE + 2 + index] = value
    }
  }

  enqueue(value: number): void {
    const { cells } = this
    const node = this.#allocate() // E1
    Atomics.store(cells, VALUE + node, value) // E2
    Atomics.store(cells, NEXT + node, changed(Atomics.load(cells, NEXT + node), 0)) // E3
    for (;;) {
      const tail = Atomics.load(cells, TAIL) // E5
      const next = Atomics.load(cells, NEXT + nodeOf(tail)) // E6
      if (Atomics.load(cells, TAIL) !== tail) continue // E7
      if (nodeOf(next) !== 0) {
        Atomics.compareExchange(cells, TAIL, tail, changed(tail, nodeOf(next))) // E13
        continue
      }
      if (Atomics.compareExchange(cells, NEXT + nodeOf(tail), next, changed(next, node)) !== next) continue // E9
      Atomics.compareExchange(cells, TAIL, tail, changed(tail, node)) // E17
      return
    }
  }

  dequeue(): number | null {
    const { cells } = this
    for (;;) {
      const head = Atomics.load(cells, HEAD) // D2
      const tail = Atomics.load(cells, TAIL) // D3
      const next = nodeOf(Atomics.load(cells, NEXT + nodeOf(head))) // D4
      if (Atomics.load(cells, HEAD) !== head) continue // D5
      if (nodeOf(head) === nodeOf(tail)) {
        if (next === 0) return null // D8
        this.help(tail, next) // D9
        if (this.waitsForTail) continue
      }
      const value = this.take(head, next)
      if (value === null) continue
      this.#release(nodeOf(head)) // D19
      return value
    }
  }

  /** The value of the node that becomes the first, if it does. */
  protected take(head: number, next: number): number | null {
    const value = Atomics.load(this.cells, VALUE + next) // D11
    return Atomics.compareExchange(this.cells, HEAD, head, changed(head, next)) === head ? value : null // D12
  }

  protected help(tail: number, next: number): void {
    Atomics.compareExchange(this.cells, TAIL, tail, changed(tail, next))
  }

  protected get waitsForTail(): boolean {
    return true
  }

  /** How many nodes are free, when everybody has finished. */
  get free(): number {
    const bits = this.cells[FREE]!
    return Array.from({ length: NODES }, (_, index) => (bits >> (1 + index)) & 1).filter(Boolean).length
  }

  #allocate(): number {
    for (;;) {
      const free = Atomics.load(this.cells, FREE)
      if (free === 0) throw new RangeError('all nodes are in use')
      const node = 31 - Math.clz32(free & -free)
      if (Atomics.compareExchange(this.cells, FREE, free, free & ~(1 << node)) === free) return node
    }
  }

  #release(node: number): void {
    Atomics.or(this.cells, FREE, 1 << node)
  }
}

function nodeOf(pointer: number): number {
  return pointer & 255
}

/** The pointer `from`, changed to `node`. */
function changed(from: number, node: number): number {
  return ((from >> 8) + 1) * 256 + node
}

class LateReadingQueue extends Queue {
  protected override take(head: number, next: number): number | null {
    if (Atomics.compareExchange(this.cells, HEAD, head, changed(head, next)) !== head) return null
    return Atomics.load(this.cells, VALUE + next)
  }
}

class LaggingQueue extends Queue {
  protected override help(): void {
    // The head passes the tail.
  }

  protected override get waitsForTail(): boolean {
    return false
  }
}

class SequentialQueue {
  readonly #values: number[]

  constructor(...values: readonly number[]) {
    this.#values = [...values]
  }

  enqueue(value: number): void {
    this.#values.push(value)
  }

  dequeue(): number | null {
    return this.#values.shift() ?? null
  }
}

const operations = { enqueue: [[1], [2]], dequeue: [[]] }

it('whoever reads the value after the swap may read that of another', (test) => {
  const checking = linearizable({
    create: () => new LateReadingQueue(9),
    operations,
    specification: () => new SequentialQueue(9),
    calls: 3,
  })
  return breaks(test, checking, 'error', 'cas cells[HEAD]', 'NotLinearizable')
})

it('the head passes the tail', (test) => {
  const checking = linearizable({
    create: () => new LaggingQueue(9),
    operations,
    specification: () => new SequentialQueue(9),
    calls: 3,
  })
  return breaks(test, checking, 'error', 'NotLinearizable')
})

it('what comes first goes first', (test) =>
  holds(test, linearizable({ create: () => new Queue(), operations, specification: SequentialQueue })))

interface Shared {
  readonly queue: Queue
  readonly got: (number | null)[]
}

/** Each value comes out once, and each node but one is free then. */
function allOnce(values: readonly number[]): (shared: Shared) => void {
  return ({ queue, got }) => {
    const all = [...got]
    for (let value = queue.dequeue(); value !== null; value = queue.dequeue()) all.push(value)
    assert.deepEqual(all.filter((value) => value !== null).toSorted(), values)
    assert.equal(queue.free, NODES - 1)
  }
}

it('two producers and a consumer', (test) =>
  holds(
    test,
    check({
      setup: (): Shared => ({ queue: new Queue(), got: [] }),
      threads: [
        ({ queue }) => queue.enqueue(1),
        ({ queue }) => queue.enqueue(2),
        ({ queue, got }) => void got.push(queue.dequeue(), queue.dequeue()),
      ],
      invariant: allOnce([1, 2]),
    }),
  ))

it('a tail that is helped on, while the queue goes on', (test) =>
  holds(
    test,
    check({
      setup: (): Shared => ({ queue: new Queue(), got: [] }),
      threads: [
        ({ queue, got }) => {
          queue.enqueue(1)
          got.push(queue.dequeue())
        },
        ({ queue, got }) => {
          queue.enqueue(2)
          queue.enqueue(3)
          got.push(queue.dequeue(), queue.dequeue())
          queue.enqueue(4)
        },
      ],
      invariant: allOnce([1, 2, 3, 4]),
    }),
  ))

it('nodes that are used again while somebody looks at them', (test) =>
  holds(
    test,
    check({
      setup: (): Shared => ({ queue: new Queue(1), got: [] }),
      threads: [
        ({ queue, got }) => void got.push(queue.dequeue()),
        ({ queue, got }) => {
          got.push(queue.dequeue())
          queue.enqueue(2)
          got.push(queue.dequeue())
          queue.enqueue(3)
        },
      ],
      invariant: allOnce([1, 2, 3]),
    }),
  ))

it('two threads of three calls each', { skip: !isLarge }, (test) =>
  holds(
    test,
    linearizable({
      create: () => new Queue(),
      operations: { enqueue: [[1]], dequeue: [[]] },
      specification: SequentialQueue,
      calls: 3,
      seconds: 600,
    }),
  ),
)
