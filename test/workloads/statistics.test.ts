import assert from 'node:assert/strict'
import { test } from 'node:test'
import { median, overlaps, spread } from '../../src/workloads/statistics.ts'

test('the median is the middle value, or the mean of the two middle ones', () => {
  assert.equal(median([3, 1, 2]), 2)
  assert.equal(median([4, 1, 3, 2]), 2.5)
  assert.throws(() => median([]), RangeError)
})

test('a spread keeps the lowest and the highest', () => {
  assert.deepEqual(spread([3, 1, 10]), { median: 3, min: 1, max: 10 })
})

test('ranges overlap where they share a value', () => {
  const range = (min: number, max: number): { median: number; min: number; max: number } => ({
    median: min,
    min,
    max,
  })
  assert.ok(overlaps(range(1, 2), range(2, 3)))
  assert.ok(overlaps(range(1, 9), range(4, 5)))
  assert.ok(!overlaps(range(1, 2), range(3, 4)))
  assert.ok(!overlaps(range(3, 4), range(1, 2)))
})
