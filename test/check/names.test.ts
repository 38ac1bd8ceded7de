// Names of memory in a counterexample, as the source gives them.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Names } from '../../src/check/names.ts'

describe('names of elements', () => {
  it('tell arrays apart that the source calls the same, and number no others', () => {
    const names = new Names(null)
    // Cells 0 to 3 are a lock, 8 to 11 what it protects, 16 to 19 a ring.
    const uses = [
      [0, 0, 'Atomics.compareExchange(this.data, 0, 0, 1)'],
      [8, 0, 'data[0]'],
      [1, 1, 'Atomics.add(data, index + 1, 1)'],
      [9, 1, 'state.data[1]'],
      [16, 0, 'Atomics.load(ring, HEAD)'],
      [17, 1, 'Atomics.load(ring, 1)'],
    ] as const
    for (const [cell, index, source] of uses) names.learn(cell, index, source)
    assert.deepEqual(
      uses.map(([cell, index]) => names.nameOf(cell, index)),
      ['data[0]', 'data₂[0]', 'data[1]', 'data₂[1]', 'ring[HEAD]', 'ring[1]'],
    )
  })

  it('leave those alone whose elements have names of their own', () => {
    const names = new Names(null)
    names.learn(0, 0, 'Atomics.load(words, 0)')
    names.learn(9, 1, 'Atomics.load(words, 1)')
    assert.deepEqual([names.nameOf(0, 0), names.nameOf(9, 1)], ['words[0]', 'words[1]'])
  })
})
