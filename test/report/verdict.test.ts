// What a recording says of its mmap lock: who held it, what a newer kernel would do, what would help.
import assert from 'node:assert/strict'
import path from 'node:path'
import { describe, test } from 'node:test'
import {
  reportText,
  verdictOf,
  verdictOfTrace,
  verdictReport,
  type TraceReport,
} from '../../src/report/index.ts'
import type { VerdictReport } from '../../src/report/index.ts'
import { traceReport } from '../../src/report/trace-report.ts'
import { importTrace } from '../../src/trace/index.ts'
import { CLONE_THREAD, TraceText } from '../trace/trace-text.ts'
import { NO_CENSUS } from './no-census.ts'
import * as reports from './replay-objects.ts'

const A = 0x7f0000000000
const PAGE = 0x1000

async function analysisOf(text: TraceText): Promise<TraceReport> {
  const trace = await text.import({ isReplayed: false })
  trace.close()
  return traceReport(trace)
}

/** So many nanoseconds in one wait, or none. */
function waitOf(total: number): TraceReport['linux']['lockWaitNs']['readers'] {
  return { count: total === 0 ? 0 : 1, total, p50: total, p99: total }
}

function judged(trace: TraceReport): VerdictReport {
  return verdictReport(verdictOfTrace(trace), trace)
}

/** A fault of the kernel, which copies for `read`, under the mmap lock. */
function copyTo(text: TraceText, tid: number, address: number, waits = 0): void {
  const at = `0x${address.toString(16)}`
  text.line(1, tid, `exceptions:page_fault_kernel: address=${at} ip=_copy_to_iter error_code=0x2`)
  text.lockStart(1, tid, false).wait(waits).lockAcquired(1, tid, false).wait(2).unlock(1, tid, false)
}

describe('two threads that read into a new buffer each time', () => {
  /** Rounds of eight pages in each of two threads; the second one waits in each of its first faults. */
  function readers(rounds: number): TraceText {
    const text = new TraceText().exec(1).newTask(1, 1, 2, CLONE_THREAD)
    for (let round = 0; round < rounds; round++) {
      for (const tid of [1, 2]) {
        const buffer = A + (2 * round + tid) * 0x100000
        text.mmap(1, tid, buffer, 8 * PAGE)
        for (let page = 0; page < 8; page++) copyTo(text, tid, buffer + page * PAGE)
        text.fault(1, tid, 0x7ffc00000000 + (2 * round + tid) * PAGE, 6)
      }
    }
    return text
  }

  test('name read, expect nothing of a newer kernel, and one buffer to save nearly all faults', async () => {
    const trace = await analysisOf(readers(10))
    assert.deepEqual(trace.faultCensus.copied, {
      read: {
        buffers: 20,
        faults: 160,
        avoidableFaults: 144,
        avoidableNs: 144 * (5000 + 1000),
        samples: 0,
        avoidableDelayedNs: 144 * (5000 + 1000),
        avoidableWaitedNs: 0,
      },
    })
    assert.deepEqual([trace.faultCensus.user.faults, trace.linux.faultsUnderMmapLock], [20, 160])
    const { summary, advice } = judged(trace)
    assert.match(
      summary,
      /160 of the 160 faults under the lock were taken inside the kernel.*copied for read/,
    )
    assert.match(summary, /a newer kernel changes nothing/)
    assert.match(advice[0]!.change, /^Use one buffer again for every read/)
    assert.match(advice[0]!.how, /144 of 180 faults \(80\.0 %\) go away/)
    // 144 faults of 5 µs and 1 µs until the next event, on the one processor that the trace has.
    assert.equal(advice[0]!.savesMs, 0.86)
    assert.ok(advice.every(({ change }) => !/kernel|Linux|trim|decay/.test(change)))
  })

  test('of several programs, the one whose buffers they are is named', async () => {
    const trace = await analysisOf(readers(10))
    const [program] = trace.programs
    const { faultCensus } = program!
    const idle = { ...program!, name: 'idle', faultCensus: { ...faultCensus, kernel: {} } }
    const into = (programs: TraceReport['programs'], copied = trace.faultCensus.copied): string =>
      /copied for read \((.*?)\)/.exec(
        judged({ ...trace, programs, faultCensus: { ...trace.faultCensus, copied } }).summary,
      )![1]!
    const both = [idle, { ...program!, name: 'reader' }]
    assert.equal(into(both), 'new buffers of reader')
    assert.equal(into(both, {}), 'the memory of reader')
    assert.equal(into([idle, idle]), 'new buffers')
    assert.equal(into([program!], {}), "the program's memory")
  })

  test('a buffer that is used again is no reason for advice', async () => {
    const { advice } = judged(await analysisOf(readers(1)))
    assert.ok(advice.every(({ change }) => !/buffer/.test(change)))
  })
})

describe('what would help, and whether the lock hurts', () => {
  const text = new TraceText().exec(1).newTask(1, 1, 2, CLONE_THREAD)
  for (let round = 0; round < 3; round++) {
    for (const tid of [1, 2]) text.enter(1, tid, 'munmap', { addr: A, len: PAGE }).lockStart(1, tid, true)
    text.lockAcquired(1, 1, true).wait(100).unlock(1, 1, true).lockAcquired(1, 2, true).unlock(1, 2, true)
    for (const tid of [1, 2]) text.exit(1, tid, 'munmap', 0)
  }
  text.fault(1, 1, 0x7ffc00000000, 6)

  test('no change of waits saves more of the time than the share of it that threads waited', async () => {
    const trace = await analysisOf(text)
    const cost = {
      faults: 10,
      lockedFaults: 10,
      lockedNs: 0,
      costNs: 0,
      samples: 0,
      delayedNs: 0,
      waitedNs: 0,
    }
    const calm: TraceReport = {
      ...trace,
      // Many threads that sleep nearly all the time.
      linux: { ...trace.linux, lockWaitNs: { ...trace.linux.lockWaitNs, writers: waitOf(330_000) } },
      threadMs: 100_000,
      hotThreads: { count: 1, waitedNs: 330_000, aliveNs: 100e9 },
      faultCensus: { ...trace.faultCensus, user: cost },
    }
    const { hurts, summary, advice } = judged(calm)
    assert.equal(hurts, false)
    assert.match(summary, /^The mmap lock does not hurt this program\./)
    assert.deepEqual(advice, [])
  })

  test('where faults cost time though the lock is not waited for, it is not said that all is well', async () => {
    const trace = await analysisOf(text)
    const copied = {
      read: {
        buffers: 40,
        faults: 500,
        avoidableFaults: 400,
        avoidableNs: 82_500_000,
        samples: 0,
        avoidableDelayedNs: 82_500_000,
        avoidableWaitedNs: 0,
      },
    }
    const kernel = {
      read: {
        faults: 500,
        lockedFaults: 500,
        lockedNs: 90_000_000,
        costNs: 90_000_000,
        samples: 0,
        delayedNs: 90_000_000,
        waitedNs: 0,
      },
    }
    const costly: TraceReport = {
      ...trace,
      durationMs: 799,
      cpus: 1,
      linux: { ...trace.linux, lockWaitNs: { readers: waitOf(0), writers: waitOf(0) } },
      hotThreads: { count: 1, waitedNs: 0, aliveNs: 799e6 },
      faultCensus: { ...trace.faultCensus, copied, kernel },
    }
    const verdict = verdictOfTrace(costly)
    assert.deepEqual([verdict.hurts, verdict.mood], [false, 'notable'])
    assert.match(verdict.sentences[0]!, /^This program hardly waits .* 10\.3 % of the recorded time/)
    assert.equal(judged(costly).advice[0]!.savesMs, 82.5)
  })

  test('buffers are those of calls that copy, and matter by their share of the faults', async () => {
    const trace = await analysisOf(text)
    const buffers = {
      buffers: 40,
      faults: 500,
      avoidableFaults: 400,
      avoidableNs: 50_000_000,
      samples: 0,
      avoidableDelayedNs: 50_000_000,
      avoidableWaitedNs: 0,
    }
    const few = { ...buffers, avoidableFaults: 2 }
    const user = {
      faults: 8_196,
      lockedFaults: 0,
      lockedNs: 0,
      costNs: 0,
      samples: 0,
      delayedNs: 0,
      waitedNs: 0,
    }
    const changesFor = (copied: TraceReport['faultCensus']['copied']): string[] =>
      judged({
        ...trace,
        durationMs: 1000,
        faultCensus: { ...trace.faultCensus, user, copied },
      }).advice.flatMap(({ change }) => (/buffer/.test(change) ? [change] : []))
    assert.deepEqual(
      changesFor({ 'system call': buffers, execve: buffers, 'signal delivery': buffers, read: few }),
      [],
    )
    assert.equal(changesFor({ pread64: buffers }).length, 1)
  })

  test('where no fault could have been saved, giving back less is no advice', async () => {
    const trace = await analysisOf(text)
    const faultCensus: TraceReport['faultCensus'] = {
      ...NO_CENSUS,
      calls: { munmap: { count: 1, ns: 5_000_000, delayedNs: 5_000_000, waitedNs: 0 } },
    }
    const { advice } = judged({ ...trace, recordedFaults: 0, faultCensus })
    assert.ok(advice.every(({ change }) => !/memory back/.test(change)))
  })
})

test('memory that is given back and faulted in again: give back less', async () => {
  const text = new TraceText().exec(1).mmap(1, 1, A, 16 * PAGE)
  for (let round = 0; round < 5; round++) {
    for (let page = 0; page < 16; page++) text.fault(1, 1, A + page * PAGE, 6)
    text.madvise(1, 1, A, 16 * PAGE, 4)
  }
  const trace = await analysisOf(text)
  assert.equal(trace.faultCensus.avoidable.user.faults, 64)
  assert.match(judged(trace).advice[0]!.change, /^Give memory back less eagerly/)
})

test('what a fault costs that has no end in the trace is told by the shortest tenth, to the next event', async () => {
  const text = new TraceText().exec(1).mmap(1, 1, A, 16 * PAGE)
  for (let round = 0; round < 20; round++) {
    // Every eighth page is computed with.
    for (let page = 0; page < 16; page++)
      text.fault(1, 1, A + page * PAGE, 6).wait(page % 8 === 7 ? 500 : 9 + (page % 4))
    text.enter(1, 1, 'madvise', { start: A, len_in: 16 * PAGE, behavior: 4 })
    text.wait(99).exit(1, 1, 'madvise', 0)
  }
  const trace = await analysisOf(text)
  const { user } = trace.faultCensus.avoidable
  // Times are counted to three digits.
  assert.deepEqual([user.faults, Math.round(user.costNs / 304 / 100)], [304, 100])
  const [first] = judged(trace).advice
  assert.match(first!.how, /at least 10\.0 µs each/)
  // These faults, and 20 calls of 100 µs, on one processor.
  assert.equal(first!.savesMs, 3.04 + 2)
})

test('readers of /proc that live for a moment each are one cause', async () => {
  const text = new TraceText().exec(1).munmap(1, 1, A, PAGE)
  const own = (pid: number): string => (pid === 1 ? '0xffff888100000000' : '0xffff888100100000')
  const take = (pid: number, mm: string, what: string, write: boolean): TraceText =>
    text.line(pid, pid, `mmap_lock:mmap_lock_${what.replace(' ', `: mm=${mm} memcg_id=1 write=${write} `)}`)
  const unmap = (during: () => void): void => {
    text.enter(1, 1, 'munmap', { addr: A, len: PAGE })
    take(1, own(1), 'start_locking ', true)
    during()
    take(1, own(1), 'acquire_returned success=true', true)
    take(1, own(1), 'released ', true)
    text.exit(1, 1, 'munmap', 0)
  }
  unmap(() => {})
  for (const reader of [50, 51, 52]) {
    text.comm = 'monitor'
    take(reader, own(1), 'start_locking ', false)
    take(reader, own(1), 'acquire_returned success=true', false)
    text.comm = 'program'
    unmap(() => {
      text.wait(1000)
      text.comm = 'monitor'
      take(reader, own(1), 'released ', false)
      text.comm = 'program'
    })
  }
  const trace = await analysisOf(text)
  assert.deepEqual(
    trace.locks.foreign.map(({ process, processes, waits }) => [process, processes, waits]),
    [['monitor', 3, 3]],
  )
  const shown = reportText(trace, verdictOfTrace(trace))
  assert.match(
    shown,
    /PROGRAMS.*\n {2}program +1 +1 thread.*waited 3\.0\d ms \(9\d\.\d %\)\n {2}monitor +50 and 2 more +3 threads/,
  )
  assert.match(shown, /The mmap lock hurts program \(process 1\)\./)
  assert.match(
    shown.replaceAll(/\s+/g, ' '),
    /program \(process 1\) waited 3 times, 3\.0\d ms in all, 99\.\d % of its threads' time\./,
  )
  const advice = judged(trace).advice.filter(({ change }) => change.startsWith('Keep'))
  assert.match(
    advice[0]!.change,
    /^Keep monitor \(3 processes\) from taking the mmap lock of program \(process 1\)/,
  )
  assert.equal(advice.length, 1)
})

test('of several processes the one that waited is named, however busy others are that did not', async () => {
  const text = new TraceText()
  text.exec(1).newTask(1, 1, 2, CLONE_THREAD)
  for (const pid of [11, 12, 13, 14]) text.exec(pid).mmap(pid, pid, A, 2000 * PAGE)
  const unmapBoth = (): void => {
    for (const tid of [1, 2]) text.enter(1, tid, 'munmap', { addr: A, len: PAGE }).lockStart(1, tid, true)
    text.lockAcquired(1, 1, true).wait(200).unlock(1, 1, true).lockAcquired(1, 2, true).unlock(1, 2, true)
    for (const tid of [1, 2]) text.exit(1, tid, 'munmap', 0)
  }
  unmapBoth()
  for (let page = 0; page < 2000; page++)
    for (const pid of [11, 12, 13, 14]) text.fault(pid, pid, A + page * PAGE, 6)
  unmapBoth()
  const trace = await analysisOf(text)
  const { readers, writers } = trace.linux.lockWaitNs
  // Of the time of all threads, and of the busiest, it would be too little to be worth a word.
  assert.ok((readers.total + writers.total) / trace.threadMs / 1e6 < 0.01)
  assert.equal(trace.hotThreads.waitedNs, 0)
  const { hurts, summary, holders, waiters } = judged(trace)
  assert.equal(hurts, true)
  assert.match(
    summary,
    /^The mmap lock hurts program \(5 processes\) a little\..* program \(5 processes\) waited 2 times, 406 µs in all/,
  )
  assert.match(summary, /in all, 2\.4 % of its threads' time; process 1 waited for longest\./)
  assert.deepEqual(holders[0]!.owner, { process: 'program', pid: 1 })
  assert.deepEqual([waiters[0]!.process, waiters[0]!.pid], ['program', 1])
})

test('of a hundred faults, one under the lock is no reason to speak of kernels', async () => {
  const text = new TraceText().exec(1).mmap(1, 1, A, 400 * PAGE)
  for (let page = 0; page < 400; page++) text.fault(1, 1, A + page * PAGE, 6)
  copyTo(text, 1, A + 400 * PAGE)
  assert.doesNotMatch(judged(await analysisOf(text)).summary, /kernel/)
})

test('a reader of /proc is named as the holder, with what it cost', async () => {
  const file = path.join(import.meta.dirname, '../fixtures/traces/small/holder-is-another-process.perf.txt')
  const trace = await importTrace(file)
  trace.close()
  const report = traceReport(trace)
  const { hurts, holders, waiters, advice } = judged(report)
  assert.equal(hurts, true)
  const call = 'access to the memory of another process'
  const owner = { process: 'prog', pid: 1 }
  assert.deepEqual(holders, [
    { process: 'cat', pid: 9, comm: 'cat', call, owner, waits: 1, waitedNs: 50_002_000 },
  ])
  assert.deepEqual(waiters, [
    {
      process: 'prog',
      pid: 1,
      comm: 'prog',
      tid: 1,
      call: 'munmap',
      owner,
      waits: 1,
      waitedNs: 50_002_000,
      threads: 1,
    },
  ])
  assert.match(advice[0]!.change, /^Keep cat \(process 9\) from taking the mmap lock of prog \(process 1\)/)
  assert.match(advice[0]!.how, /\(access to the memory of another process\).* does not show which\./)
  assert.match(
    reportText(report, verdictOfTrace(report)),
    /cat of cat \(9\) +access to the memory of prog \(1\)/,
  )
  // Who waits for the lock of another is told whose it is, too.
  const [waiter] = report.locks.waiters
  const cat = { ...waiter!, process: 'cat', pid: 9, comm: 'cat', tid: 9, call }
  const longest = [{ ...report.locks.longest[0]!, waiter: { ...report.locks.longest[0]!.holder!, tid: 10 } }]
  const other = { ...report, locks: { ...report.locks, waiters: [cat], longest } }
  const text = reportText(other, verdictOfTrace(other)).replaceAll(/\s+/g, ' ')
  assert.match(text, /WAITED FOR IT cat \(9\) access to the memory of prog \(1\) 1 wait/)
  assert.match(
    text,
    /cat \(10\).{0,12}, access to the memory of prog \(1\).*; held by cat \(9\), access to the memory of prog/,
  )
})

test('a wait is told in pieces, and the pieces add up', async () => {
  const text = new TraceText().exec(1).newTask(1, 1, 2, CLONE_THREAD).newTask(1, 1, 3, CLONE_THREAD)
  const unmap = (tid: number): TraceText => text.enter(1, tid, 'munmap', { addr: A, len: PAGE })
  for (const tid of [1, 2, 3]) unmap(tid).lockStart(1, tid, true)
  // Nobody is seen to keep the first one.
  text.wait(20).lockAcquired(1, 1, true).wait(100).unlock(1, 1, true)
  text.lockAcquired(1, 2, true).wait(50).unlock(1, 2, true)
  text.lockAcquired(1, 3, true).unlock(1, 3, true)
  const { locks } = await analysisOf(text)
  assert.deepEqual(
    locks.waiters.map(({ tid, call, waits, waitedNs }) => [tid, call, waits, waitedNs]),
    [
      [3, 'munmap', 1, 175_000],
      [2, 'munmap', 1, 125_000],
      [1, 'munmap', 1, 25_000],
    ],
  )
  const { writersByWriters, unknown, ...others } = locks.keptNs
  assert.deepEqual([writersByWriters, unknown], [300_000, 25_000])
  assert.deepEqual(Object.values(others), [0, 0, 0])
  assert.deepEqual(locks.matrix, [
    { owner: 'program', heldBy: 'munmap', waitedBy: 'munmap', waits: 2, waitedNs: 300_000 },
  ])
  assert.equal(locks.longest[0]!.holder!.tid, 1)
})

test('where writers wait for writers, no design of faults is promised to help', async () => {
  const text = new TraceText().exec(1).newTask(1, 1, 2, CLONE_THREAD)
  for (let round = 0; round < 3; round++) {
    for (const tid of [1, 2]) text.enter(1, tid, 'munmap', { addr: A, len: PAGE }).lockStart(1, tid, true)
    text.lockAcquired(1, 1, true).wait(100).unlock(1, 1, true).lockAcquired(1, 2, true).unlock(1, 2, true)
    for (const tid of [1, 2]) text.exit(1, tid, 'munmap', 0)
  }
  text.fault(1, 1, 0x7ffc00000000, 6)
  const { summary, advice } = judged(await analysisOf(text))
  assert.match(summary, /no fault design can help/)
  assert.match(advice[0]!.change, /^Call munmap less often/)
})

test('of a recording that lost a share of its events nothing is judged', async () => {
  const file = path.join(import.meta.dirname, '../fixtures/traces/small/lost-most-events.perf.txt')
  const trace = await importTrace(file)
  trace.close()
  const { hurts, summary, holders, waiters, advice } = judged(traceReport(trace))
  assert.deepEqual([hurts, holders, waiters, advice], [null, [], [], []])
  assert.match(summary, /^perf lost 83,671 of 83,680 events .*there is no verdict/)
})

test('what does not hurt is not said to take less time in the same breath', () => {
  for (const report of Object.values(reports)) {
    if (typeof report === 'function') continue
    const { sentences } = verdictOf(report, 0.98)
    const text = sentences.join(' ')
    assert.ok(!(/does not hurt/.test(text) && /% less time/.test(text)), text)
  }
})

test('names from a trace cannot steer a terminal', async () => {
  const text = new TraceText()
  text.comm = 'a\u001b[2Jb'
  text.exec(1).newTask(1, 1, 2, CLONE_THREAD)
  for (const tid of [1, 2]) text.enter(1, tid, 'munmap', { addr: A, len: PAGE }).lockStart(1, tid, true)
  text.lockAcquired(1, 1, true).wait(100).unlock(1, 1, true).lockAcquired(1, 2, true).unlock(1, 2, true)
  text.fault(1, 1, 0x7ffc00000000, 6)
  const trace = await analysisOf(text)
  const verdict = verdictOfTrace(trace)
  assert.ok(trace.locks.holders[0]!.comm.includes('\u001b'))
  for (const shown of [reportText(trace, verdict), verdictReport(verdict, trace).summary])
    assert.ok(!shown.includes('\u001b') && shown.includes('a?[2Jb'))
})

test('holders that have no row, and who is not seen, have one each, so that all waits are accounted for', () => {
  const holders = Array.from({ length: 20 }, (_, number) => ({
    process: 'service',
    pid: 1,
    comm: `thread-${number}`,
    call: 'mmap',
    owner: { process: 'service', pid: 1 },
    waits: 20 - number,
    waitedNs: (20 - number) * 1000,
  }))
  const totals = {
    held: { waits: 210, waitedNs: 210_000 },
    unseen: { waits: 3000, waitedNs: 90_000 },
    outside: { waits: 0, waitedNs: 0, delayedNs: 0 },
    unexplained: { waits: 5, waitedNs: 80_000 },
  }
  const { trace } = reports.harmed
  const report = { ...trace, locks: { ...trace.locks, holders, totals } }
  const verdict = verdictOfTrace(report)
  const rows = [...reportText(report, verdict).matchAll(/^ {2}(\S.*?) {2,}.* ([\d,]+) waits? /gm)]
  const held = rows.map(([, name, waits]) => [name, Number(waits!.replace(',', ''))] as const)
  assert.deepEqual(held.slice(-2), [
    ['all others', 210 - 105],
    ['no visible holder', 3000],
  ])
  assert.equal(
    held.reduce((sum, [, waits]) => sum + waits, 0),
    totals.held.waits + totals.unseen.waits,
  )
  const { holders: listed, otherHolders, unseenHolders } = verdictReport(verdict, report)
  assert.equal(listed.length, 16)
  assert.deepEqual([otherHolders, unseenHolders], [{ waits: 4 + 3 + 2 + 1, waitedNs: 10_000 }, totals.unseen])
})

type FaultTime = TraceReport['faultCensus']['user']
type CallTime = TraceReport['faultCensus']['calls'][string]
type Advice = VerdictReport['advice'][number]

test('stacks of threads, and files that are mapped again, have changes of their own', async () => {
  const recorded = await analysisOf(new TraceText().exec(1).mmap(1, 1, A, PAGE).fault(1, 1, A, 6))
  const time = (faults: number, ms: number): FaultTime => ({
    faults,
    lockedFaults: 0,
    lockedNs: 0,
    costNs: 2e6 * ms,
    samples: 100,
    delayedNs: 1e6 * ms,
    waitedNs: 0,
  })
  const call = (count: number, ms: number): CallTime => ({
    count,
    ns: 2e6 * ms,
    delayedNs: 1e6 * ms,
    waitedNs: 0,
  })
  const adviceOf = (mine: number, again: number, threads: number, theirs = mine): Advice => {
    const faultCensus: TraceReport['faultCensus'] = {
      ...NO_CENSUS,
      user: time(1000, 300),
      avoidable: { user: time(mine, 100), kernel: time(0, 0) },
      mappedAgain: time(again, 200),
      calls: { mmap: call(400, 40), munmap: call(200, 10) },
    }
    const programs = [
      { ...recorded.programs[0]!, brief: { threads, faults: theirs, delayedNs: 0, aliveNs: 0 } },
    ]
    return judged({ ...recorded, durationMs: 1000, programs, faultCensus }).advice[0]!
  }
  const stacks = adviceOf(900, 0, 150)
  assert.match(stacks.change, /^Keep threads for later work, in a pool/)
  assert.match(stacks.how, /stacks and heaps of 150 threads/)
  // The faults, munmap, and half of the calls of mmap.
  assert.equal(stacks.savesMs, 100 + 10 + 20)
  assert.match(adviceOf(900, 0, 8).change, /^Give memory back less eagerly/)
  assert.match(adviceOf(900, 0, 150, 400).change, /^Give memory back less eagerly/)
  const files = adviceOf(0, 800, 4)
  assert.match(files.change, /^Keep files mapped that are used again/)
  assert.equal(files.savesMs, 200 + 10 + 20)
  assert.match(files.how, /800 of 1,000 faults mapped a page of a file .*500 µs each, by 100 samples/)
})

test('a page of a file counts as mapped again when a fault had mapped it before, wherever it is mapped', async () => {
  const text = new TraceText().exec(1)
  for (const start of [A, A + 64 * PAGE]) {
    text.enter(1, 1, 'mmap', { addr: 0, len: 4 * PAGE, prot: 1, flags: 1, fd: 3, off: 0 })
    text.map2(1, 1, start, 4 * PAGE, 'r--s', '/data', 0, 77).exit(1, 1, 'mmap', start)
    for (const page of [0, 2]) text.fault(1, 1, start + page * PAGE, 4)
    text.munmap(1, 1, start, 4 * PAGE)
  }
  const { faultCensus } = await analysisOf(text)
  assert.equal(faultCensus.mappedAgain.faults, 2)
})
