// Waits of a simulated program are found by the rules of recordings, in whatever order its threads tell of them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LockEvents } from '../../src/simulate/lock-events.ts'

const MM = 64

test('who asked before the lock was given back waited for it, though it is told afterwards', () => {
  const events = new LockEvents(2, () => 0)
  events.started(0, MM, true, 10)
  events.got(0, MM, true, 11, 'mprotect')
  events.released(0, MM, 300)
  events.started(1, MM, true, 100)
  events.got(1, MM, true, 320, 'munmap')
  events.released(1, MM, 330)
  const { linux, locks } = events.summary()
  const { count, total } = linux.lockWaitNs.writers
  assert.deepEqual([count, total, linux.lockAcquisitions.writers], [1, 220, 2])
  const wait = { owner: '', heldBy: 'mprotect', waitedBy: 'munmap', waits: 1, waitedNs: 220 }
  assert.deepEqual(locks.matrix, [wait])
})

test('a try that failed and what follows are one wait; a try that is given up is none', () => {
  const events = new LockEvents(2, () => 0)
  events.started(0, MM, true, 0)
  events.got(0, MM, true, 1, 'mmap')
  for (const from of [10, 50]) {
    events.started(1, MM, false, from)
    events.failed(1, MM, from + 1)
    if (from === 10) events.gaveUp(1, 20)
  }
  events.started(1, MM, false, 52)
  events.released(0, MM, 90)
  events.got(1, MM, false, 95, 'page fault')
  const { linux, locks } = events.summary()
  assert.deepEqual([linux.lockWaitNs.readers.count, linux.lockWaitNs.readers.total], [1, 45])
  assert.equal(locks.keptNs.readersByWriters, 45)
})

test('what is told is kept until nothing can come before it', () => {
  let horizon = 0
  const events = new LockEvents(2, () => horizon)
  events.started(0, MM, true, 0)
  events.got(0, MM, true, 1, 'mmap')
  events.released(0, MM, 100_000)
  // Enough that it goes through them, with the time of the other thread behind.
  for (let time = 200_000; time < 240_000; time++) events.gaveUp(0, time)
  horizon = 50_000
  events.started(1, MM, false, 50_000)
  events.got(1, MM, false, 100_010, 'page fault')
  assert.equal(events.summary().linux.lockWaitNs.readers.total, 50_010)
})
