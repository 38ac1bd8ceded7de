import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Control, PHASE_MEASURING, PHASE_PREPARING } from '../../src/workloads/control.ts'

test('counters of different threads are 128 bytes apart and seen through the shared memory', () => {
  const control = Control.create(3)
  const other = new Control(control.shared)
  for (const slot of [0, 1, 2]) control.publish(slot, slot + 100)
  assert.deepEqual(
    [0, 1, 2].map((slot) => other.count(slot)),
    [100, 101, 102],
  )
  assert.equal(control.shared.byteLength, 4 * 128)
  assert.equal(other.phase(), PHASE_PREPARING)
  control.setPhase(PHASE_MEASURING)
  assert.equal(other.phase(), PHASE_MEASURING)
})

test('a count goes on where 32 bits come round', () => {
  const control = Control.create(1)
  const counts = [2 ** 31 - 1, 2 ** 31, 2 ** 32 - 10, 2 ** 32, 2 ** 32 + 25, 3 * 2 ** 31, 7 * 2 ** 32 - 1]
  for (const count of counts) {
    control.publish(0, count)
    assert.equal(control.count(0), count)
  }
})

test('a count is right also while its thread is publishing it', () => {
  const control = Control.create(1)
  for (const [before, count] of [
    [2 ** 31 - 3, 2 ** 31 + 5],
    [2 ** 32 - 3, 2 ** 32 + 5],
  ] as const) {
    control.publish(0, before)
    // The first word of the counter is stored, and the second is not yet.
    new Int32Array(control.shared)[32] = count
    assert.equal(control.count(0), count)
  }
})
