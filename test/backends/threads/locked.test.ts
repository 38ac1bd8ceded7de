// The instructions on the kernel heap do what `Atomics` does.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createHeapMemory, lockedInstructions } from '../../../src/backends/threads/locked.ts'

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

describe('instructions', () => {
  const memory = createHeapMemory(words)
  const heap = new Int32Array(memory.buffer)
  const locked = lockedInstructions(memory)
  const expected = new Int32Array(heap.length)
  const same = (word: number, result: number, wanted: number): void => {
    assert.equal(result, wanted)
    assert.equal(heap[word], expected[word])
  }

  const operations = [
    ['add', locked.lockedAdd],
    ['sub', locked.lockedSub],
    ['and', locked.lockedAnd],
    ['or', locked.lockedOr],
    ['xor', locked.lockedXor],
    ['exchange', locked.lockedExchange],
  ] as const
  for (const [name, operation] of operations) {
    test(`${name} gives the value before, wraps, and changes one word`, () => {
      for (const start of numbers) {
        for (const value of numbers) {
          heap[7] = expected[7] = start
          same(7, operation(7, value), Atomics[name](expected, 7, value))
        }
      }
      assert.deepEqual(heap, expected)
    })
  }

  test('load and store', () => {
    for (const word of [0, 1, 16383, 16384, words - 1]) {
      for (const value of numbers) {
        locked.lockedStore(word, value)
        Atomics.store(expected, word, value)
        same(word, locked.lockedLoad(word), Atomics.load(expected, word))
      }
    }
    assert.deepEqual(heap, expected)
  })

  test('compareExchange gives the value before, and stores only where that was expected', () => {
    for (const start of numbers) {
      for (const value of numbers) {
        heap[7] = expected[7] = start
        const wanted = Atomics.compareExchange(expected, 7, value, 42)
        same(7, locked.lockedCompareExchange(7, value, 42), wanted)
      }
    }
  })

  test('a word outside the heap is refused', () => {
    for (const word of [words, -1]) assert.throws(() => locked.lockedLoad(word), Error)
    assert.throws(() => locked.lockedAdd(words, 1), Error)
  })
})

test('a heap has room for what was asked', () => {
  assert.equal(createHeapMemory(1).buffer.byteLength, 65536)
  assert.equal(createHeapMemory(16384).buffer.byteLength, 65536)
  assert.equal(createHeapMemory(16385).buffer.byteLength, 131072)
})
