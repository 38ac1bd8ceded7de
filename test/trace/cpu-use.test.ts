// What waiting cost: of waits that others worked through, of threads that lack CPUs, and of one thread among several.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { AtWork, CpuUse, ProgramUse } from '../../src/trace/cpu-use.ts'
import { CLONE_FORK, CLONE_THREAD, TraceText } from './trace-text.ts'

describe('CPUs', () => {
  test('are idle while fewer threads run than there are, and too few while one is queued', () => {
    const use = new CpuUse()
    use.changed('sleeping', 'running', 2, 0)
    use.changed('sleeping', 'running', 2, 100)
    use.changed('sleeping', 'queued', 2, 150)
    assert.deepEqual([use.idleNs(200), use.shortNs(200)], [100, 50])
    use.changed('running', 'waiting', 2, 200)
    use.changed('queued', 'running', 2, 220)
    assert.deepEqual([use.idleNs(300), use.shortNs(300)], [120, 70])
  })

  test('a wait costs what the thread spun, and what it slept while a CPU was idle', () => {
    const use = new CpuUse()
    assert.equal(use.costlyShare, 1)
    use.waited(100, 0, 0)
    assert.equal(use.costlyShare, 1)
    use.waited(300, 300, 100)
    assert.equal(use.costlyShare, (100 + 100) / 400)
  })
})

test('one of three threads that waits delays the whole by a third', () => {
  const process = new AtWork()
  for (const now of [0, 0, 30]) process.changed('sleeping', 'running', now)
  const asked = process.sharedNs(30)
  process.changed('running', 'waiting', 30)
  assert.equal(process.sharedNs(60) - asked, 10)
  process.changed('running', 'sleeping', 60)
  assert.equal(process.sharedNs(80) - asked, 10 + 10)
})

/** Two threads: the second waits 900 µs for what the first holds, who has the only CPU, or one of two. */
function twoThreads(cpus: number): TraceText {
  const text = new TraceText().exec(1).newTask(1, 1, 2, CLONE_THREAD)
  text.cpuOf = (tid) => (tid === 2 ? cpus - 1 : 0)
  const range = { addr: 0x10000, len: 0x1000 }
  const goesOut = (tid: number): TraceText => text.line(1, tid, 'PERF_RECORD_SWITCH OUT')
  text.line(1, 2, 'PERF_RECORD_SWITCH IN')
  text.enter(1, 1, 'munmap', range).lockStart(1, 1, true).lockAcquired(1, 1, true)
  text.enter(1, 2, 'munmap', range).lockStart(1, 2, true)
  goesOut(2).wait(900).unlock(1, 1, true).exit(1, 1, 'munmap', 0)
  if (cpus === 1) goesOut(1)
  text.line(1, 2, 'PERF_RECORD_SWITCH IN').lockAcquired(1, 2, true).unlock(1, 2, true)
  return text.exit(1, 2, 'munmap', 0).fault(1, 1, 0x7ffc00000000, 6)
}

test('who sleeps for the lock while others have all the CPUs costs nothing', async () => {
  for (const [cpus, least, most] of [
    [1, 0, 0.05],
    [2, 0.95, 1],
  ] as const) {
    const trace = await twoThreads(cpus).import({ isReplayed: false })
    trace.close()
    assert.equal(trace.locks.totals.held.waits, 1)
    assert.ok(trace.costlyWaitShare >= least && trace.costlyWaitShare <= most, `${trace.costlyWaitShare}`)
    // Both were at work all the time.
    const { delayedNs, totals } = trace.locks
    assert.ok(Math.abs(delayedNs / totals.held.waitedNs - 1 / 2) < 0.05, `${delayedNs}`)
  }
})

test('a forked process delays the others of its program only where one of them lacks its CPU', () => {
  const use = new ProgramUse()
  use.changed(false, 'sleeping', 'running', 0)
  use.changed(true, 'sleeping', 'running', 0)
  assert.deepEqual([use.running, use.runningUnforked], [2, 1])
  use.changed(false, 'running', 'queued', 100)
  assert.equal(use.delayedByForkedNs(130), 30)
  use.changed(false, 'sleeping', 'running', 130)
  assert.equal(use.delayedByForkedNs(150), 30 + 20 / 2, 'one of two at work')
  use.changed(true, 'running', 'sleeping', 150)
  assert.equal(use.delayedByForkedNs(200), 40)
})

test('a fork takes from when it asks for the lock of what it copies; the child, the CPU that its parent lacks', async () => {
  const text = new TraceText().exec(1).fault(1, 1, 0x7ffc00000000, 6).wait(500)
  text.lockStart(1, 1, true).lockAcquired(1, 1, true).wait(100).unlock(1, 1, true)
  text.newTask(1, 1, 2, CLONE_FORK).wait(10).line(1, 1, 'PERF_RECORD_SWITCH OUT preempt')
  text.line(2, 2, 'PERF_RECORD_SWITCH IN').wait(300).fault(2, 2, 0x7ffc00000000, 7)
  text.exitTask(2, 2, true).line(1, 1, 'PERF_RECORD_SWITCH IN').fault(1, 1, 0x7ffc00000000, 7)
  const trace = await text.import({ isReplayed: false })
  trace.close()
  const { calls, forkedDelayedNs, afterFork } = trace.faultCensus
  assert.deepEqual(calls, { fork: { count: 1, ns: 103_000, delayedNs: 103_000, waitedNs: 0 } })
  assert.deepEqual([forkedDelayedNs, afterFork.faults], [302_000, 1])
})

test('who was forked and forks itself, as a server that is a daemon, is no helper', async () => {
  const text = new TraceText().exec(1).newTask(1, 1, 2, CLONE_FORK).exitTask(1, 1, true)
  text.fault(2, 2, 0x7ffc00000000, 7).newTask(2, 2, 3, CLONE_FORK).line(2, 2, 'PERF_RECORD_SWITCH OUT')
  text.line(2, 2, 'PERF_RECORD_SWITCH IN').fault(2, 2, 0x7ffc00001000, 7)
  text.line(2, 2, 'PERF_RECORD_SWITCH OUT preempt').line(3, 3, 'PERF_RECORD_SWITCH IN').wait(400)
  text.fault(3, 3, 0x7ffc00000000, 7).exitTask(3, 3, true).line(2, 2, 'PERF_RECORD_SWITCH IN')
  const trace = await text.import({ isReplayed: false })
  trace.close()
  assert.equal(trace.faultCensus.forkedDelayedNs, 402_000)
})
