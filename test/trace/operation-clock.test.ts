// What a recorded operation took: without waiting for the lock, and without the time in which its thread had no
// processor.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OperationClock } from '../../src/trace/operation-clock.ts'
import { type OperationTimes, planRecording } from '../../src/trace/index.ts'
import { CLONE_THREAD, TraceText } from './trace-text.ts'

const A = 0x7f0000000000
const PAGE = 0x1000

test('an operation took all of its time, but for the waits and the time away', () => {
  const clock = new OperationClock()
  clock.begin(100)
  clock.isAway(7)
  clock.asks()
  clock.got(true, 50, 160)
  clock.isAway(5)
  clock.got(false, -1, 200)
  clock.released(220)
  assert.deepEqual(clock.end(230), { ownNs: 130 - 7 - 50 - 5, writeNs: 35, readNs: 20, waitedNs: 50 })
  assert.equal(clock.end(240), null)
})

test('without a processor in a wait is waiting, and is not taken off twice', () => {
  const clock = new OperationClock()
  clock.begin(0)
  clock.asks()
  clock.isAway(30)
  clock.got(true, 40, 50)
  clock.released(60)
  assert.deepEqual(clock.end(70), { ownNs: 30, writeNs: 10, readNs: 0, waitedNs: 40 })
})

/** The times of each operation, in lanes by thread. */
async function timesOf(text: TraceText): Promise<OperationTimes[]> {
  const trace = await text.import({ isTimed: true })
  try {
    return planRecording(trace).lanes.map(({ times }) => times)
  } finally {
    trace.close()
  }
}

test('calls and faults under the lock have their times, a fault without the lock has none', async () => {
  const text = new TraceText().exec(1).mmap(1, 1, A, 8 * PAGE)
  text.enter(1, 1, 'munmap', { addr: A, len: PAGE }).lockStart(1, 1, true)
  text.lockAcquired(1, 1, true).wait(40).lockAcquired(1, 1, false).wait(20).unlock(1, 1, false)
  text.exit(1, 1, 'munmap', 0)
  text
    .fault(1, 1, A + PAGE, 6)
    .lockStart(1, 1, false)
    .lockAcquired(1, 1, false)
    .wait(5)
    .unlock(1, 1, false)
  text.fault(1, 1, A + 2 * PAGE, 6).wait(30)
  text.fault(1, 1, A + 3 * PAGE, 6)
  const [{ ownNs, writeNs, readNs }] = (await timesOf(text)) as [OperationTimes]
  // mmap; munmap, whose hold goes on for reading; three faults.
  assert.deepEqual([...ownNs], [1000, 65_000, 8000, -1, -1])
  assert.deepEqual([...writeNs], [0, 41_000, 0, 0, 0])
  assert.deepEqual([...readNs], [0, 21_000, 6000, 0, 0])
})

test('a hold does not count while its thread has no processor, nor the wait before', async () => {
  const text = new TraceText()
    .exec(1)
    .newTask(1, 1, 2, CLONE_THREAD)
    .mmap(1, 1, A, 8 * PAGE)
  text.enter(1, 1, 'mprotect', { start: A, len: PAGE, prot: 1 }).lockStart(1, 1, true)
  text.lockAcquired(1, 1, true).line(1, 1, 'PERF_RECORD_SWITCH OUT preempt')
  text.enter(1, 2, 'munmap', { addr: A + 4 * PAGE, len: PAGE }).lockStart(1, 2, true)
  text.wait(500).line(1, 1, 'PERF_RECORD_SWITCH IN').wait(10)
  text.unlock(1, 1, true).exit(1, 1, 'mprotect', 0).lockAcquired(1, 2, true).wait(3).unlock(1, 2, true)
  text.exit(1, 2, 'munmap', 0).fault(1, 1, A + 2 * PAGE, 6)
  const [first, second] = await timesOf(text)
  assert.deepEqual([first!.writeNs[1], first!.ownNs[1]], [12_000, 15_000])
  assert.deepEqual([second!.writeNs[0], second!.ownNs[0]], [4000, 6000])
})

test('without switches, who is seen on the CPU of a thread has it', async () => {
  const text = new TraceText()
    .exec(1)
    .newTask(1, 1, 2, CLONE_THREAD)
    .mmap(1, 1, A, 8 * PAGE)
  text.cpuOf = () => 1
  text
    .fault(1, 1, A, 6)
    .wait(99)
    .fault(1, 2, A + PAGE, 6)
  text.wait(999).fault(1, 2, A + 2 * PAGE, 6)
  text.wait(199).fault(1, 1, A + 3 * PAGE, 6)
  const [{ betweenNs, displacedNs }] = (await timesOf(text)) as [OperationTimes]
  // The other came in the middle of 100 µs, and left in the middle of 200.
  assert.deepEqual([displacedNs[2], betweenNs[2]], [1_150_000, 150_000])
  const apart = new TraceText()
    .exec(1)
    .newTask(1, 1, 2, CLONE_THREAD)
    .mmap(1, 1, A, 8 * PAGE)
  apart.cpuOf = (tid) => tid
  apart
    .fault(1, 1, A, 6)
    .wait(99)
    .fault(1, 2, A + PAGE, 6)
  apart.wait(999).fault(1, 1, A + 3 * PAGE, 6)
  const [beside] = (await timesOf(apart)) as [OperationTimes]
  assert.deepEqual([beside.displacedNs[2], beside.betweenNs[2]], [0, 1_100_000])
})
