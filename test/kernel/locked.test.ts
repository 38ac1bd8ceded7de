// The instructions on the kernel heap do what `Atomics` does.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createHeapMemory, lockedInstructions } from '../../src/kernel/index.ts'
import { LockedHeap } from '../../src/kernel/machine/locked.ts'

const numbers = [
  0,
  1,
  -1,
  2,
  0x55_55_55_55,
  2 ** 31 - 1,
  -(2 ** 31),
  2 ** 31,
  2 ** 32 - 1,
  -(2 ** 32) - 1,
  2 ** 40 + 3,
]
const words = 32768

/** Both kinds of instructions, each on a heap of its own. */
function heaps(): [name: string, heap: LockedHeap][] {
  const memory = createHeapMemory(words)
  return [
    ['a WebAssembly memory', new LockedHeap(new Int32Array(memory.buffer), lockedInstructions(memory))],
    ['a SharedArrayBuffer', new LockedHeap(new Int32Array(new SharedArrayBuffer(words * 4)))],
  ]
}

for (const [name, heap] of heaps()) {
  describe(`instructions on ${name}`, () => {
    const expected = new Int32Array(heap.heap.length)
    const same = (word: number, result: number, wanted: number): void => {
      assert.equal(result, wanted)
      assert.equal(heap.heap[word], expected[word])
    }

    const operations = [
      ['add', 'lockedAdd'],
      ['sub', 'lockedSub'],
      ['and', 'lockedAnd'],
      ['or', 'lockedOr'],
      ['xor', 'lockedXor'],
      ['exchange', 'lockedExchange'],
    ] as const
    for (const [operation, locked] of operations) {
      test(`${operation} gives the value before, wraps, and changes one word`, () => {
        for (const start of numbers) {
          for (const value of numbers) {
            heap.heap[7] = expected[7] = start
            same(7, heap[locked](7, value), Atomics[operation](expected, 7, value))
          }
        }
        assert.deepEqual(heap.heap, expected)
      })
    }

    test('load and store', () => {
      for (const word of [0, 1, 16383, 16384, words - 1]) {
        for (const value of numbers) {
          heap.lockedStore(word, value)
          Atomics.store(expected, word, value)
          same(word, heap.lockedLoad(word), Atomics.load(expected, word))
        }
      }
      assert.deepEqual(heap.heap, expected)
    })

    test('compareExchange gives the value before, and stores only where that was expected', () => {
      for (const start of numbers) {
        for (const value of numbers) {
          heap.heap[7] = expected[7] = start
          const wanted = Atomics.compareExchange(expected, 7, value, 42)
          same(7, heap.lockedCompareExchange(7, value, 42), wanted)
        }
      }
    })

    test('a word outside the heap is refused', () => {
      for (const word of [words, -1]) assert.throws(() => heap.lockedLoad(word), Error)
      assert.throws(() => heap.lockedAdd(words, 1), Error)
    })
  })
}

test('a heap has room for what was asked', () => {
  assert.equal(createHeapMemory(1).buffer.byteLength, 65536)
  assert.equal(createHeapMemory(16384).buffer.byteLength, 65536)
  assert.equal(createHeapMemory(16385).buffer.byteLength, 131072)
})
