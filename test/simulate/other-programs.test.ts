// What other programs take of the CPUs of a recorded one: seen in a recording, and inferred from it.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OtherPrograms } from '../../src/simulate/other-programs.ts'
import { LackObserver } from '../../src/trace/index.ts'

test('a CPU that no recorded thread has while one could run is another program’s', () => {
  const seen = new LackObserver()
  seen.runs(1, 0, 1000)
  seen.runs(2, 1, 1000)
  // Thread 2 loses its CPU at 3000 and gets it again at 8000.
  seen.lacks(false, 2, 3000)
  seen.leaves(2, 3000)
  seen.runs(2, 1, 8000)
  seen.lacksNoMore(8000)
  const others = new OtherPrograms(seen.stretches(2, 1000), 100)
  assert.equal(others.next(1, 0), 2000)
  assert.equal(others.until(1, 2000), 7000)
  assert.equal(others.until(1, 7000), 7000, 'it is free again')
  assert.equal(others.next(0, 0), Infinity, 'the CPU of thread 1 was never lacked')
})

test('waking an idle CPU takes time that no other program has', () => {
  const seen = new LackObserver()
  seen.runs(1, 0, 0)
  seen.lacks(true, 2, 1000)
  seen.runs(2, 1, 1080)
  seen.lacksNoMore(1080)
  seen.leaves(2, 2000)
  seen.lacks(true, 2, 3000)
  seen.runs(2, 1, 4000)
  seen.lacksNoMore(4000)
  const others = new OtherPrograms(seen.stretches(2, 0), 100)
  // From the middle between 2000, when its thread fell asleep, and 3100, when it could have run again.
  assert.equal(others.next(1, 0), 2550)
  assert.equal(others.until(1, 2550), 4000)
})

test('a CPU that another program had on both sides of a time, it had in between; one never seen, from the first', () => {
  const seen = new LackObserver()
  seen.runs(1, 0, 0)
  seen.lacks(false, 2, 100)
  seen.lacksNoMore(1000)
  seen.lacks(false, 2, 5000)
  seen.lacksNoMore(6000)
  const others = new OtherPrograms(seen.stretches(2, 0), 10)
  assert.equal(others.next(1, 0), 100)
  assert.equal(others.until(1, 3000), 6000)
})
