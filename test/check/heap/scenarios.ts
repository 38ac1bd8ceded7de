// What threads do with a heap at once.

import assert from 'node:assert/strict'
import { scenario } from '../../../src/check.ts'
import { HALF, QUARTER, SPAN, SmallHeap } from './small-heap.ts'

/** What all threads have. */
const allOf = ({ blocks }: SmallHeap): number[] => blocks.flat()

export const twoRefills = scenario({
  title: 'two threads take their first blocks, and the heap grows',
  setup: () => new SmallHeap(2),
  threads: [(heap) => heap.take(0, HALF), (heap) => heap.take(1, HALF)],
  invariant(heap) {
    assert.equal(allOf(heap).length, 2)
    heap.check(allOf(heap))
  },
})

export const threeRefills = scenario({
  title: 'three threads take blocks, of two sizes, and sleep on the lock',
  setup: () => new SmallHeap(3),
  threads: [
    (heap) => heap.take(0, HALF),
    (heap) => heap.take(1, HALF),
    // It uses the CPU of thread 0 only for whole spans.
    (heap) => heap.takeSpans(2, 1),
  ],
  invariant(heap) {
    assert.equal(allOf(heap).length, 3)
    heap.check(allOf(heap))
  },
})

export const freedBeside = scenario({
  title: 'a thread takes blocks of a word in which another frees',
  setup() {
    const heap = new SmallHeap(1)
    heap.take(0, QUARTER)
    return heap
  },
  threads: [
    (heap) => {
      heap.take(0, QUARTER)
      heap.take(0, QUARTER)
    },
    (heap) => heap.free(1, 0),
  ],
  invariant(heap) {
    assert.deepEqual(heap.blocks[0], [0, 16, 32])
    heap.check([16, 32])
  },
})

export const freedWhenGivenUp = scenario({
  title: 'the last block of a span is taken, and one is freed while its owner gives it up',
  setup() {
    const heap = new SmallHeap(2)
    heap.take(0, HALF)
    heap.take(0, HALF)
    return heap
  },
  threads: [(heap) => heap.take(0, HALF), (heap) => heap.free(1, 0)],
  invariant(heap) {
    const last = heap.blocks[0]![2]!
    assert.ok(last === 0 || last === SPAN, `a block at ${last}`)
    heap.check([32, last])
  },
})

export const lastTwo = scenario({
  title: 'two threads free the last two blocks of a span that nobody owns',
  setup() {
    const heap = new SmallHeap(2)
    heap.take(0, HALF)
    heap.take(0, HALF)
    heap.cores[0]!.trim()
    return heap
  },
  threads: [(heap) => heap.free(0, 0), (heap) => heap.free(1, 32)],
  invariant(heap) {
    assert.equal(heap.cores[0]!.count().free, 2)
    heap.check([])
  },
})

export const trimmed = scenario({
  title: 'a thread gives its span up while another frees the last block of it',
  setup() {
    const heap = new SmallHeap(2, false, 0)
    heap.take(0, QUARTER)
    return heap
  },
  threads: [(heap) => heap.cores[0]!.trim(), (heap) => heap.free(1, 0)],
  invariant(heap) {
    assert.equal(heap.cores[0]!.count().free, 2)
    heap.check([])
  },
})

/** Two threads free the same block: one of them is refused. */
function freedTwice(title: string, take: (heap: SmallHeap) => void) {
  const free = (thread: number) => (heap: SmallHeap) => {
    if (heap.cores[thread]!.free(0) === null) heap.blocks[thread]!.push(SPAN)
  }
  return scenario({
    title,
    setup() {
      const heap = new SmallHeap(2)
      take(heap)
      heap.cores[0]!.trim()
      return heap
    },
    threads: [free(0), free(1)],
    invariant(heap) {
      assert.deepEqual(allOf(heap), [0, SPAN])
      heap.check([])
    },
  })
}

export const smallTwice = freedTwice('two threads free the same block', (heap) => heap.take(0, QUARTER))
export const largeTwice = freedTwice('two threads free the same large block', (heap) => heap.takeSpans(0, 2))

export const largeBesideSmall = scenario({
  title: 'a large block is freed while another thread takes a small one and one of two spans',
  setup() {
    const heap = new SmallHeap(3)
    heap.takeSpans(0, 2)
    return heap
  },
  threads: [
    (heap) => heap.free(0, 0),
    (heap) => {
      heap.take(1, QUARTER)
      heap.takeSpans(1, 2)
    },
  ],
  invariant(heap) {
    heap.check(heap.blocks[1]!)
  },
})

export const endedSmall = scenario({
  title: 'a thread ends anywhere while it takes small blocks',
  setup() {
    const heap = new SmallHeap(2, true)
    heap.take(0, HALF)
    return heap
  },
  threads: [
    (heap) =>
      heap.untilEnded(() => {
        heap.take(0, HALF)
        heap.take(0, HALF)
      }),
    (heap) => heap.take(1, QUARTER),
    (heap) => heap.end(),
  ],
  invariant(heap) {
    heap.check(allOf(heap), 1)
  },
})

export const endedFreeing = scenario({
  title: 'a thread ends anywhere while it frees',
  setup() {
    const heap = new SmallHeap(3, true)
    heap.take(1, QUARTER)
    heap.cores[1]!.trim()
    heap.takeSpans(1, 2)
    return heap
  },
  threads: [
    (heap) =>
      heap.untilEnded(() => {
        heap.free(0, 0)
        heap.free(0, SPAN)
      }),
    (heap) => heap.take(1, HALF),
    (heap) => heap.end(),
  ],
  invariant(heap) {
    heap.check(heap.blocks[1]!.slice(2), 2)
  },
})

export const endedRebuilding = scenario({
  title: 'a thread ends anywhere while it finds no room',
  setup() {
    const heap = new SmallHeap(2, true)
    heap.takeSpans(1, 1)
    return heap
  },
  threads: [
    (heap) => heap.untilEnded(() => heap.takeSpans(0, 2)),
    (heap) => heap.takeSpans(1, 1),
    (heap) => heap.end(),
  ],
  invariant(heap) {
    heap.check(heap.blocks[1]!, 2)
  },
})
