// The queue of times: in the order of times, and of CPUs where these are equal, whatever is changed in between.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { ClockQueue } from '../../src/simulate/clock-queue.ts'

const CPUS = 20
const change = fc.record({
  cpu: fc.nat(CPUS - 1),
  time: fc.nat(9),
  kind: fc.constantFrom('set', 'remove', 'pop'),
})

test('a queue of times is a sorted list', () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
      const queue = new ClockQueue(CPUS)
      const times = new Map<number, number>()
      const first = (): number =>
        [...times].toSorted(([one, a], [other, b]) => a - b || one - other)[0]?.[0] ?? -1
      for (const { cpu, time, kind } of changes) {
        if (kind === 'set') {
          queue.set(cpu, time)
          times.set(cpu, time)
        } else if (kind === 'remove') {
          queue.remove(cpu)
          times.delete(cpu)
        } else {
          const expected = first()
          assert.equal(queue.pop(), expected)
          times.delete(expected)
        }
        assert.equal(queue.size, times.size)
        assert.equal(queue.earliest, times.get(first()) ?? Infinity)
      }
    }),
    { numRuns: 300 },
  )
})
