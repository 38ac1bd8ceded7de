// Who kept whom waiting for the mmap lock: tries that fail, holds that go on for reading, events that are missing.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LockAnalysis } from '../../src/trace/lock-history.ts'
import { traceReport, verdictOfTrace, verdictReport, type VerdictReport } from '../../src/report/index.ts'
import { importTrace, type ImportedTrace } from '../../src/trace/index.ts'
import { CLONE_THREAD, TraceText, fixture } from './trace-text.ts'

const A = 0x7f0000000000
const PAGE = 0x1000

/** A process with three threads, 1 to 3. */
function threads(): TraceText {
  const text = new TraceText().exec(1).newTask(1, 1, 2, CLONE_THREAD).newTask(1, 1, 3, CLONE_THREAD)
  return text.mmap(1, 1, A, 16 * PAGE)
}

async function locksOf(text: TraceText): Promise<LockAnalysis> {
  const trace = await text.import({ isReplayed: false })
  trace.close()
  return trace.locks
}

function reportOf(trace: ImportedTrace): VerdictReport {
  const told = traceReport(trace)
  return verdictReport(verdictOfTrace(told), told)
}

/** A thread enters munmap and gets the lock for writing. */
function unmaps(text: TraceText, tid: number): TraceText {
  text.enter(1, tid, 'munmap', { addr: A, len: PAGE }).lockStart(1, tid, true)
  return text.lockAcquired(1, tid, true)
}

/** A thread faults, and its try for the lock fails. */
function triesInVain(text: TraceText, tid: number): TraceText {
  text.fault(1, tid, A + tid * PAGE, 6).lockStart(1, tid, false)
  return text.lockAcquired(1, tid, false, false)
}

test('a thread whose try failed, and which went on, does not wait: nobody kept it until its next wait', async () => {
  const text = threads()
  triesInVain(unmaps(text, 1), 2).fault(1, 2, A + 5 * PAGE, 6)
  text.wait(2_000_000).unlock(1, 1, true).exit(1, 1, 'munmap', 0)
  // Much later it waits for another.
  unmaps(text.wait(5_000_000), 3)
  text.fault(1, 2, A + 6 * PAGE, 6).lockStart(1, 2, false)
  text.wait(500).unlock(1, 3, true).lockAcquired(1, 2, false).unlock(1, 2, false)
  const { holders, keptNs, longest } = await locksOf(text)
  assert.deepEqual(
    holders.map(({ call, waits, waitedNs }) => [call, waits, waitedNs]),
    [['munmap', 1, 502_000]],
  )
  assert.deepEqual([keptNs.readersByWriters, longest[0]!.holder!.tid], [502_000, 3])
})

test('a try that failed and the wait that follows are one wait', async () => {
  const text = threads()
  triesInVain(unmaps(text, 1), 2).wait(10).lockStart(1, 2, false)
  text.wait(100).unlock(1, 1, true).lockAcquired(1, 2, false).unlock(1, 2, false)
  const { keptNs } = await locksOf(text)
  assert.equal(keptNs.readersByWriters, 114_000)
})

test('a writer that gave up its try does not stand between two readers', async () => {
  const text = threads()
  text.fault(1, 1, A, 6).lockStart(1, 1, false).lockAcquired(1, 1, false)
  text.enter(1, 3, 'munmap', { addr: A, len: PAGE }).lockStart(1, 3, true).lockAcquired(1, 3, true, false)
  text.exit(1, 3, 'munmap', '0xfffffffffffffffc')
  text.fault(1, 2, A + PAGE, 6).lockStart(1, 2, false)
  text.wait(100).unlock(1, 1, false).lockAcquired(1, 2, false).unlock(1, 2, false)
  const { keptNs } = await locksOf(text)
  assert.deepEqual([keptNs.readersByReaders, keptNs.unknown], [0, 102_000])
})

test('a wait of which the trace lost the end is no part of the next one', async () => {
  const text = threads()
  unmaps(text, 1)
  text.fault(1, 2, A, 6).lockStart(1, 2, false)
  text.wait(3_000_000).unlock(1, 1, true).exit(1, 1, 'munmap', 0)
  unmaps(text, 3)
  text.fault(1, 2, A + PAGE, 6).lockStart(1, 2, false)
  text.wait(100).unlock(1, 3, true).lockAcquired(1, 2, false).unlock(1, 2, false)
  const { keptNs, longest } = await locksOf(text)
  assert.deepEqual([keptNs.readersByWriters, longest[0]!.holder!.tid], [102_000, 3])
})

test('munmap that goes on as a reader kept a reader for as long as it held the lock for writing', async () => {
  const text = threads()
  unmaps(text, 1)
  text.fault(1, 2, A + 5 * PAGE, 6).lockStart(1, 2, false)
  text.wait(9_500).lockAcquired(1, 1, false).lockAcquired(1, 2, false).unlock(1, 2, false)
  text.wait(1_000).unlock(1, 1, false)
  const { holders, keptNs, longest } = await locksOf(text)
  assert.deepEqual(
    holders.map(({ call, waits, waitedNs }) => [call, waits, waitedNs]),
    [['munmap', 1, 9_502_000]],
  )
  assert.deepEqual([keptNs.readersByWriters, keptNs.unknown], [9_502_000, 0])
  assert.equal(longest[0]!.holder!.write, true)
})

test('munmap that goes on as a reader kept a writer first as a writer, then as a reader', async () => {
  const text = threads()
  unmaps(text, 1)
  text.enter(1, 2, 'munmap', { addr: A + PAGE, len: PAGE }).lockStart(1, 2, true)
  text.wait(9_500).lockAcquired(1, 1, false)
  text.wait(100).unlock(1, 1, false).lockAcquired(1, 2, true).unlock(1, 2, true)
  const { keptNs, matrix } = await locksOf(text)
  assert.deepEqual([keptNs.writersByWriters, keptNs.writersByReaders], [9_501_000, 102_000])
  assert.deepEqual(matrix, [
    { owner: 'program', heldBy: 'munmap', waitedBy: 'munmap', waits: 1, waitedNs: 9_603_000 },
  ])
})

test('held, unseen and unexplained waits are all that there are, and the first two are what Linux counts', async () => {
  const text = threads()
  // One is kept by a writer; one failed to get the lock though nobody is seen to hold it; one only took long.
  triesInVain(unmaps(text, 1), 2).lockStart(1, 2, false)
  text.wait(50).unlock(1, 1, true).exit(1, 1, 'munmap', 0).lockAcquired(1, 2, false).unlock(1, 2, false)
  triesInVain(text, 3).wait(5).lockStart(1, 3, false).lockAcquired(1, 3, false).unlock(1, 3, false)
  text
    .fault(1, 2, A + 9 * PAGE, 6)
    .lockStart(1, 2, false)
    .wait(30)
    .lockAcquired(1, 2, false)
    .unlock(1, 2, false)
  const trace = await text.import({ isReplayed: false })
  trace.close()
  const { totals, holders, matrix, waiters } = trace.locks
  assert.deepEqual(totals, {
    held: { waits: 1, waitedNs: 55_000 },
    unseen: { waits: 1, waitedNs: 8000 },
    outside: { waits: 0, waitedNs: 0, delayedNs: 0 },
    unexplained: { waits: 1, waitedNs: 31_000 },
  })
  const { readers, writers } = trace.linux.lockWaitNs
  assert.deepEqual([readers.count + writers.count, readers.total + writers.total], [2, 63_000])
  const sum = (all: readonly { waits: number; waitedNs: number }[]): number[] => [
    all.reduce((waits, one) => waits + one.waits, 0),
    all.reduce((ns, one) => ns + one.waitedNs, 0),
  ]
  assert.deepEqual(
    [sum(holders), sum(matrix), sum(waiters)],
    [
      [1, 55_000],
      [1, 55_000],
      [3, 94_000],
    ],
  )
})

test('many threads that are named alike, and wait once each, are one waiter', async () => {
  const text = threads()
  for (let tid = 10; tid < 30; tid++) {
    text.comm = 'program'
    text.newTask(1, 1, tid, CLONE_THREAD)
    unmaps(text, 1)
    text.comm = `Thread-${tid}`
    text.enter(1, tid, 'munmap', { addr: A, len: PAGE }).lockStart(1, tid, true)
    text.wait(100).unlock(1, 1, true).lockAcquired(1, tid, true).unlock(1, tid, true)
  }
  const { waiters, holders } = await locksOf(text)
  const { comm, tid, call, waits, threads: all } = waiters[0]!
  assert.deepEqual([waiters.length, comm, tid, call, waits, all], [1, 'Thread-#', 10, 'munmap', 20, 20])
  assert.equal(
    holders.reduce((sum, one) => sum + one.waits, 0),
    20,
  )
})

const OUT = 'PERF_RECORD_SWITCH OUT'
const IN = 'PERF_RECORD_SWITCH IN'

test('a thread that slept for the lock, which nobody recorded held, waited for a process outside', async () => {
  const text = threads().line(1, 3, IN)
  text.enter(1, 2, 'munmap', { addr: A, len: PAGE }).lockStart(1, 2, true).line(1, 2, OUT)
  text.wait(20_000).line(1, 2, IN).lockAcquired(1, 2, true).unlock(1, 2, true).exit(1, 2, 'munmap', 0)
  const trace = await text.import({ isReplayed: false })
  trace.close()
  const { totals, waiters, longest } = trace.locks
  assert.deepEqual([totals.outside.waits, totals.outside.waitedNs], [1, 20_003_000])
  assert.equal(trace.linux.lockWaitNs.writers.total, 20_003_000)
  assert.deepEqual([waiters[0]!.tid, longest[0]!.holder], [2, null])
  const { advice, summary, unseenHolders } = reportOf(trace)
  assert.match(advice[0]!.change, /record the whole machine/)
  assert.match(summary, /^The mmap lock hurts this program\..*For 100 % of that time, a process that was not/)
  assert.deepEqual(unseenHolders, { waits: 1, waitedNs: 20_003_000 })
})

test('who wakes a thread that sleeps for the lock gave it back, be it a little before that asked', async () => {
  const text = threads().line(1, 3, IN)
  unmaps(text, 1).unlock(1, 1, true)
  text.enter(1, 2, 'munmap', { addr: A, len: PAGE }).lockStart(1, 2, true).line(1, 2, OUT)
  text.wait(50).line(1, 1, 'sched:sched_waking: comm=program pid=2 prio=120 target_cpu=000')
  text.line(1, 2, IN).lockAcquired(1, 2, true)
  const { totals, holders } = await locksOf(text)
  assert.deepEqual([totals.held.waits, totals.outside.waits], [1, 0])
  assert.deepEqual([holders[0]!.call, holders[0]!.waitedNs], ['munmap', 54_000])
})

test('a thread that kept its CPU, or lost it to others, did not wait for the lock, however long it took', async () => {
  const text = threads().line(1, 3, IN)
  text.enter(1, 2, 'munmap', { addr: A, len: PAGE }).lockStart(1, 2, true).wait(80).lockAcquired(1, 2, true)
  text.unlock(1, 2, true).exit(1, 2, 'munmap', 0)
  text.enter(1, 2, 'munmap', { addr: A, len: PAGE }).lockStart(1, 2, true).line(1, 2, `${OUT} preempt`)
  text.wait(300).line(1, 2, IN).lockAcquired(1, 2, true).unlock(1, 2, true)
  const { totals, waiters, longest } = await locksOf(text)
  assert.deepEqual([totals.unexplained.waits, waiters, longest], [2, [], []])
})

test('of real programs, holders and those who are not seen add up to all waits', async () => {
  for (const name of ['node-readfile', 'node-workers']) {
    const trace = await importTrace(fixture(name), { isReplayed: false })
    trace.close()
    const { totals, holders } = trace.locks
    const { readers, writers } = trace.linux.lockWaitNs
    assert.equal(totals.held.waits + totals.unseen.waits, readers.count + writers.count, name)
    assert.equal(totals.held.waitedNs + totals.unseen.waitedNs, readers.total + writers.total, name)
    assert.equal(
      holders.reduce((sum, { waits }) => sum + waits, 0),
      totals.held.waits,
      name,
    )
  }
})
