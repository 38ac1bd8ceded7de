import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Control, countsBetween, PHASE_MEASURING, PHASE_PREPARING } from '../../src/workloads/control.ts'

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

test('a count that wraps between two readings is still counted', () => {
  const control = Control.create(1)
  control.publish(0, 2 ** 32 - 10)
  const earlier = control.count(0)
  control.publish(0, 2 ** 32 + 25)
  assert.equal(countsBetween(earlier, control.count(0)), 35)
})
