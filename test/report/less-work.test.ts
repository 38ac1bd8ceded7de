// Changes by which faults and calls go away: when they are named, of which program, and what they are said to save.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  verdictOfTrace,
  verdictReport,
  type TraceReport,
  type VerdictReport,
} from '../../src/report/index.ts'
import { ranked } from '../../src/report/advice.ts'
import { traceReport } from '../../src/report/trace-report.ts'
import { CLONE_FORK, TraceText } from '../trace/trace-text.ts'

const A = 0x7f0000000000
const PAGE = 0x1000
const AREA = 0x200000

type Advice = VerdictReport['advice']

async function analysisOf(text: TraceText, notes: readonly string[] = []): Promise<TraceReport> {
  text.lines.unshift(...notes.map((note) => `# faultline: ${note}`))
  const trace = await text.import({ isReplayed: false })
  trace.close()
  return traceReport(trace)
}

async function adviceOf(text: TraceText, notes: readonly string[] = []): Promise<Advice> {
  const trace = await analysisOf(text, notes)
  return verdictReport(verdictOfTrace(trace), trace).advice
}

const changes = (advice: Advice): string[] => advice.map(({ change }) => change)

/** Calls of so many microseconds each. */
function protects(text: TraceText, calls: number, microseconds: number): TraceText {
  for (let call = 0; call < calls; call++) {
    text.enter(1, 1, 'mprotect', { start: A, len: PAGE, prot: call % 2 === 0 ? 5 : 3 }).wait(microseconds)
    text.exit(1, 1, 'mprotect', 0)
  }
  return text.fault(1, 1, 0x7ffc00000000, 6)
}

test('processes instead of threads come last, as what they cost is not known', async () => {
  const trace = await analysisOf(protects(new TraceText().exec(1).mmap(1, 1, A, PAGE), 1, 1))
  const processes = 'Use processes instead of threads: each process has an mmap lock of its own.'
  const all = [processes, 'small', 'large'].map((change, at) => ({
    change,
    savesMs: [9, 1, 2][at]!,
    how: '',
  }))
  assert.deepEqual(changes(ranked(trace, all)), ['large', 'small', processes])
})

test('what may save more comes first in one program, and what surely does in several', async () => {
  const trace = await analysisOf(protects(new TraceText().exec(1).mmap(1, 1, A, PAGE), 1, 1))
  const all = [
    { change: 'surely', savesMs: 2, how: '' },
    { change: 'perhaps', savesMs: 1, savesAtMostMs: 9, how: '' },
  ]
  assert.deepEqual(changes(ranked(trace, all)), ['perhaps', 'surely'])
  const several = { ...trace, programs: [...trace.programs, ...trace.programs] }
  assert.deepEqual(changes(ranked(several, all)), ['surely', 'perhaps'])
})

test('calls that are many save what they take themselves, though nobody waits for them', async () => {
  const [first, ...others] = await adviceOf(protects(new TraceText().exec(1).mmap(1, 1, A, PAGE), 200, 49))
  assert.match(
    first!.change,
    /^Call mprotect less often: for larger pieces at a time, or map the memory twice/,
  )
  // Each lasts 50 µs, from its enter to its exit.
  assert.equal(first!.savesMs, 10)
  assert.match(first!.how, /^200 calls took 10\.0 ms \(50\.0 µs each\), without waits\.$/)
  assert.deepEqual(others, [])
})

test('a few calls are no habit', async () => {
  assert.deepEqual(await adviceOf(protects(new TraceText().exec(1).mmap(1, 1, A, PAGE), 20, 500)), [])
})

/** Faults on so many pages of each of two areas. */
function fills(pages: number, from = A): TraceText {
  const text = new TraceText().exec(1).mmap(1, 1, from, 2 * AREA)
  for (const area of [from, from + AREA])
    for (let page = 0; page < pages; page++) text.fault(1, 1, area + page * PAGE, 6).wait(9)
  return text
}

test('large memory that is touched page by page: huge pages, as the machine allows them', async () => {
  const trace = await analysisOf(fills(400))
  assert.equal(trace.faultCensus.dense.faults, 798)
  const [asked] = await adviceOf(fills(400), ['transparent_hugepage madvise'])
  assert.match(asked!.change, /^Use huge pages for large new memory\./)
  // All but one of each area, of 10 µs.
  assert.ok(Math.abs(asked!.savesMs - 7.98) < 0.1, String(asked!.savesMs))
  assert.match(asked!.how, /798 of 800 faults .*madvise\(MADV_HUGEPAGE\) asks for them\.$/)
  const [refused] = await adviceOf(fills(400), ['transparent_hugepage never'])
  assert.match(refused!.how, /The machine refuses them until/)
})

test('no huge pages are asked for where Linux makes them unasked, nor for what they would be too large for', async () => {
  assert.deepEqual(await adviceOf(fills(400), ['transparent_hugepage always']), [])
  // Where a hypervisor takes free memory back, a huge page costs more than all faults that it saves.
  const reported = await analysisOf(fills(400), ['free_page_reporting y'])
  assert.deepEqual(verdictReport(verdictOfTrace(reported), reported).advice, [])
  assert.match(reported.warnings.join(), /huge pages are not advised: the hypervisor/)
  // Fewer than half of the pages are used.
  assert.deepEqual(await adviceOf(fills(200)), [])
  // The mapping has no whole area but one.
  const { faultCensus } = await analysisOf(fills(400, A + PAGE))
  assert.equal(faultCensus.dense.faults, 399)
})

test('no huge pages are asked for by who maps less than one at a time, though Linux joins the mappings', async () => {
  const text = new TraceText().exec(1)
  for (const half of [A, A + AREA / 2]) text.mmap(1, 1, half, AREA / 2)
  for (let page = 0; page < 512; page++) text.fault(1, 1, A + page * PAGE, 6).wait(9)
  assert.equal((await analysisOf(text)).faultCensus.dense.faults, 0)
  // One call that maps all of it in their place is what counts then.
  text.munmap(1, 1, A, AREA).mmap(1, 1, A, 2 * AREA)
  for (let page = 0; page < 1024; page++) text.fault(1, 1, A + page * PAGE, 6).wait(9)
  assert.equal((await analysisOf(text)).faultCensus.dense.faults, 511)
})

/** Large ranges that are mapped, used in part and unmapped. */
function ranges(protection: number, flags: number): TraceText {
  const text = new TraceText().exec(1)
  for (let round = 0; round < 20; round++) {
    text.mmap(1, 1, A, 2 ** 33, { protection, flags }).mprotect(1, 1, A, 16 * PAGE, 3)
    for (let page = 0; page < 16; page++) text.fault(1, 1, A + page * PAGE, 6).wait(9)
    text.munmap(1, 1, A, 2 ** 33)
  }
  return text
}

test('what was unmapped with ranges that were reserved is memory of WebAssembly', async () => {
  const [advice] = await adviceOf(ranges(0, 0x4022))
  assert.match(advice!.change, /^Use one WebAssembly memory again/)
  assert.match(advice!.how, /ranges of 4 GiB or more/)
  // As malloc maps as much.
  const [allocated] = await adviceOf(ranges(3, 0x22))
  assert.match(allocated!.change, /^Give memory back less eagerly/)
})

/**
 * A shell that starts programs and waits for each, which has a CPU for 99 µs until it is loaded, then for `work`,
 * and 50 µs later the shell goes on.
 */
function script(programs: number, work: number, library = '/lib/libc.so.6', sleeps = false): TraceText {
  const text = new TraceText().exec(1).mmap(1, 1, A, PAGE).fault(1, 1, A, 6)
  for (let child = 2; child < 2 + programs; child++) {
    text.newTask(1, 1, child, CLONE_FORK).line(1, 1, 'PERF_RECORD_SWITCH OUT')
    text.comm = 'shell'
    text.line(child, child, 'PERF_RECORD_SWITCH IN').wait(49)
    text.map2(child, child, 0x7ffc00000000, 0x21000, 'rw-p', '[stack]')
    text.line(child, child, `sched:sched_process_exec: filename=/bin/small pid=${child} old_pid=${child}`)
    text.map2(child, child, A + AREA, PAGE, 'r-xp', library, 9)
    text.mmap(child, child, A, PAGE).wait(43).munmap(child, child, A, PAGE)
    if (sleeps)
      text.line(child, child, 'PERF_RECORD_SWITCH OUT').wait(work).line(child, child, 'PERF_RECORD_SWITCH IN')
    text
      .wait(sleeps ? 0 : work)
      .exitTask(child, child, true)
      .wait(49)
      .line(1, 1, 'PERF_RECORD_SWITCH IN')
      .wait(19)
  }
  return text
}

test('programs that are started again and again for little: start them less often', async () => {
  const [advice] = await adviceOf(script(200, 10))
  assert.match(advice!.change, /^Start programs less often/)
  assert.match(advice!.how, /^200 processes were started, one for each program run \(200 of small\)\./)
  // 99 µs until each is loaded, and 50 until who waits goes on.
  assert.ok(Math.abs(advice!.savesMs - 29.8) < 0.5, String(advice!.savesMs))
  // What is left for its work is too little to be told.
  assert.equal(advice!.savesAtMostMs, undefined)
  assert.ok(changes(await adviceOf(script(8, 10))).every((change) => !change.startsWith('Start')))
})

test('only the loader of glibc ends with munmap', async () => {
  const startOf = async (library: string): Promise<number> =>
    (await analysisOf(script(200, 5000, library))).programs.find(({ name }) => name === 'small')!.loaded
      .startNs
  assert.ok((await startOf('/lib/ld-musl-x86_64.so.1')) < (await startOf('/lib/libc.so.6')))
})

test('of programs that have work of their own their start is saved, and at most all of the time in which they are there', async () => {
  const [advice] = await adviceOf(script(200, 5000))
  assert.match(advice!.how, /At most, it is all of the time in which one of these programs existed/)
  assert.ok(Math.abs(advice!.savesAtMostMs! - 200 * 5.162) < 5, String(advice!.savesAtMostMs))
  // Who sleeps waits for something else than its start.
  const asleep = await adviceOf(script(200, 5000, '/lib/libc.so.6', true))
  assert.equal(asleep.find(({ change }) => change.startsWith('Start'))!.savesAtMostMs, undefined)
  // 99 µs until it is loaded, and 50 until who waits goes on.
  assert.ok(Math.abs(advice!.savesMs - 29.8) < 0.1, String(advice!.savesMs))
})

test('the calls with which each of many processes is loaded are no habit', async () => {
  const text = script(200, 10)
  assert.equal((await analysisOf(text)).faultCensus.calls['mmap']?.count, 201)
  assert.ok(changes(await adviceOf(text)).every((change) => !/^(small: )?Call /.test(change)))
})

/** A process that writes to its memory, forks, and writes to it again. */
function forks(times: number): TraceText {
  const text = new TraceText().exec(1).mmap(1, 1, A, 8 * PAGE)
  for (let page = 0; page < 8; page++) text.fault(1, 1, A + page * PAGE, 6).wait(9)
  for (let child = 2; child < 2 + times; child++) {
    text.newTask(1, 1, child, CLONE_FORK)
    for (let page = 0; page < 8; page++) text.fault(1, 1, A + page * PAGE, 7).wait(9)
    text.fault(child, child, A, 7).wait(9).exitTask(child, child, true)
  }
  return text
}

test('writes to what a fork made read-only: fork less', async () => {
  const advice = await adviceOf(forks(20))
  assert.equal(
    changes(advice)[0],
    'Fork less often, from a smaller process, or by posix_spawn if exec follows at once.',
  )
  assert.match(advice[0]!.how, /^160 of 188 faults wrote to pages that a fork had made read-only/)
})

test('a program that has never forked copies nothing that it shares', async () => {
  const text = new TraceText().exec(1).mmap(1, 1, A, 8 * PAGE)
  for (let page = 0; page < 8; page++) text.fault(1, 1, A + page * PAGE, 7)
  assert.deepEqual(await adviceOf(text), [])
})

test('a process for each task: keep them', async () => {
  const pools = changes(await adviceOf(forks(12))).filter((change) => change.startsWith('Keep processes'))
  assert.equal(pools.length, 1)
  assert.ok(changes(await adviceOf(forks(8))).every((change) => !change.startsWith('Keep processes')))
})

/** `rounds` times, so many processes at once that take a share of the time each. */
function generations(rounds: number, atOnce: number): TraceText {
  const text = new TraceText().exec(1).mmap(1, 1, A, 8 * PAGE)
  for (let page = 0; page < 8; page++) text.fault(1, 1, A + page * PAGE, 6).wait(9)
  for (let round = 0; round < rounds; round++) {
    const children = Array.from({ length: atOnce }, (_, place) => 2 + round * atOnce + place)
    for (const child of children) text.newTask(1, 1, child, CLONE_FORK)
    for (const child of children)
      for (let page = 0; page < 8; page++) text.fault(child, child, A + page * PAGE, 7).wait(9)
    for (const child of children) text.exitTask(child, child, true)
  }
  return text
}

test('processes that others follow are started too often, however long they are there; those at once are not', async () => {
  const isPool = (change: string): boolean => change.startsWith('Keep processes')
  const advice = (await adviceOf(generations(5, 4))).filter(({ change }) => isPool(change))
  assert.equal(advice.length, 1)
  // The first four came in nobody's place, and were no shorter.
  assert.match(advice[0]!.how, /^16 processes were forked for one task, or in the place of others; /)
  assert.ok(!changes(await adviceOf(generations(1, 20))).some(isPool))
  assert.ok(!changes(await adviceOf(generations(2, 9))).some(isPool))
})

test('what forked processes computed themselves is no part of what a pool saves at most', async () => {
  const computing = (samples: number): TraceText => {
    const text = new TraceText().exec(1).mmap(1, 1, A, 8 * PAGE)
    const switched = (pid: number, how: string): TraceText => text.line(pid, pid, `PERF_RECORD_SWITCH ${how}`)
    for (let page = 0; page < 8; page++) text.fault(1, 1, A + page * PAGE, 6).wait(9)
    for (let child = 2; child < 14; child++) {
      text.newTask(1, 1, child, CLONE_FORK)
      switched(child, 'IN')
      for (let page = 0; page < 8; page++) text.fault(child, child, A + page * PAGE, 7).wait(9)
      // Not computing is another fault, and what it takes.
      for (let sample = 0; sample < 10; sample++)
        if (sample < samples) text.line(child, child, 'cpu-clock/period=1000000/uI: 401234 work').wait(100)
        else {
          text.fault(child, child, A + sample * PAGE, 7).wait(99)
          text.line(child, child, 'cpu-clock/period=1000000,call-graph=fp/kI: ')
          text.lines.push('\tffffffff81000000 clear_page', '\tffffffff81000001 exc_page_fault', '')
        }
      text.exitTask(child, child, true)
      switched(child, 'OUT')
    }
    return text
  }
  const mostOf = async (samples: number): Promise<number> => {
    const pool = (await adviceOf(computing(samples))).find(({ change }) =>
      change.startsWith('Keep processes'),
    )
    return pool!.savesAtMostMs!
  }
  const [none, half] = [await mostOf(0), await mostOf(5)]
  assert.ok(half > none * 0.45 && half < none * 0.55, `${half} of ${none}`)
})

/** Memory that is given back and faulted in again, by the program that exec has run. */
function churn(text: TraceText, pid: number, name: string, library = ''): TraceText {
  text.comm = name
  text.map2(pid, pid, 0x7ffc00000000, 0x21000, 'rw-p', '[stack]')
  if (library !== '') text.map2(pid, pid, 0x7e0000000000, 0x21000, 'r-xp', library, 0, 7)
  text.line(pid, pid, `sched:sched_process_exec: filename=/bin/${name} pid=${pid} old_pid=${pid}`)
  text.mmap(pid, pid, A, 16 * PAGE)
  for (let round = 0; round < 20; round++) {
    for (let page = 0; page < 16; page++) text.fault(pid, pid, A + page * PAGE, 6).wait(9)
    text.madvise(pid, pid, A, 16 * PAGE, 4)
  }
  return text
}

test('of several programs, a change is that of one of them, which is named', async () => {
  const text = churn(new TraceText(), 1, 'server')
  text.comm = 'quiet'
  text.exec(2).mmap(2, 2, A, 400 * PAGE)
  // So many faults of another program do not hide it.
  for (let page = 0; page < 400; page++) text.fault(2, 2, A + page * PAGE, 6)
  const advice = changes(await adviceOf(text))
  assert.equal(
    advice.filter((change) => change.startsWith('server (process 1): Give memory back less eagerly')).length,
    1,
  )
  assert.ok(
    advice.every((change) => !change.startsWith('program (process 1): Give')),
    advice.join('\n'),
  )
})

test('of one process of several, what is told is of its program', async () => {
  const text = churn(new TraceText(), 1, 'server')
  text.comm = 'quiet'
  text.exec(2).mmap(2, 2, A, 400 * PAGE)
  for (let page = 0; page < 400; page++) text.fault(2, 2, A + page * PAGE, 6)
  for (const [process, expected] of [
    [1, ['Give memory back less eagerly: a longer decay or a larger trim threshold of the allocator.']],
    [2, []],
  ] as const) {
    const trace = await text.import({ isReplayed: false, process })
    trace.close()
    const report = traceReport(trace)
    assert.deepEqual(changes(verdictReport(verdictOfTrace(report), report).advice), expected)
  }
})

test('an mmap over memory gives it back, as Java does, and counts whole; one over nothing does not', async () => {
  const text = new TraceText().exec(1).mmap(1, 1, A, 64 * PAGE)
  for (let round = 0; round < 20; round++) {
    for (let page = 0; page < 8; page++) text.fault(1, 1, A + page * PAGE, 6)
    text.mmap(1, 1, A, 64 * PAGE, { protection: 0, fixed: true }).mmap(1, 1, A, 64 * PAGE, { fixed: true })
  }
  const trace = await text.import({ isReplayed: false })
  trace.close()
  const { calls, avoidable } = trace.faultCensus
  assert.deepEqual(
    [calls['mmap over memory']?.count, calls['mmap']?.count, avoidable.user.faults],
    [20, 21, 152],
  )
  assert.match((await adviceOf(text))[0]!.how, /munmap, madvise, mmap over memory, and as many calls/)
})

test('settings are those of the allocator that is mapped', async () => {
  for (const [library, setting] of [
    ['/usr/lib/jvm/libjvm.so', /-XX:MaxHeapFreeRatio/],
    ['/usr/lib/libjemalloc.so.2', /muzzy_decay_ms/],
    ['/usr/sbin/php-fpm8.2', /PHP's own allocator/],
    ['/usr/bin/php8.2', /PHP's own allocator/],
    ['/usr/lib/erlang/erts-13.1.5/bin/beam.smp', /\+MMscs/],
    ['/usr/bin/python3.11', /PYTHONMALLOC=malloc .*MALLOC_TRIM_THRESHOLD_/],
    ['/usr/lib/libpython3.12.so.1.0', /PYTHONMALLOC=malloc/],
    ['/usr/lib/libc.so.6', /MALLOC_TRIM_THRESHOLD_/],
    ['/usr/lib/libc-2.31.so', /MALLOC_TRIM_THRESHOLD_/],
    ['/lib/ld-musl-x86_64.so.1', /musl's malloc has no setting/],
    ['', /GOMEMLIMIT/],
  ] as const) {
    const [advice] = await adviceOf(churn(new TraceText(), 1, 'server', library))
    assert.match(advice!.how, setting, library)
  }
})

test('a kernel that has locks of single mappings is not to be run for them', async () => {
  const text = new TraceText().exec(1).mmap(1, 1, A, 512 * PAGE)
  for (let page = 0; page < 200; page++) {
    text
      .fault(1, 1, A + page * PAGE, 6)
      .lockStart(1, 1, false)
      .lockAcquired(1, 1, false, false)
      .wait(99)
    text.lockAcquired(1, 1, false).unlock(1, 1, false)
  }
  const without = ['kernel 6.18.0', 'CONFIG_PER_VMA_LOCK n']
  for (const [notes, expected] of [
    [['kernel 6.18.0', 'CONFIG_PER_VMA_LOCK y'], undefined],
    [without, /^Run a kernel with CONFIG_PER_VMA_LOCK/],
    [['kernel 5.15.0'], /^Run Linux 6\.7 or later/],
  ] as const) {
    const trace = await analysisOf(text, notes)
    text.lines.splice(0, notes.length)
    const held = { waits: 200, waitedNs: 20e6 }
    const matrix = [{ owner: 'program', heldBy: 'munmap', waitedBy: 'page fault', ...held }]
    const locks = { ...trace.locks, matrix, delayedNs: 20e6, totals: { ...trace.locks.totals, held } }
    const advice = changes(verdictReport(verdictOfTrace(trace), { ...trace, locks }).advice)
    const kernels = advice.filter((change) => /kernel|Linux/.test(change))
    assert.equal(kernels.length, expected === undefined ? 0 : 1, notes.join())
    if (expected !== undefined) assert.match(kernels[0]!, expected)
  }
})

test('what a collector of garbage took is saved at most, by the samples in it, and by threads that are named so', async () => {
  const collected = async (symbol: string, comm: string): Promise<Advice[0]> => {
    const text = churn(new TraceText(), 1, 'server').line(1, 1, 'PERF_RECORD_SWITCH OUT')
    text.line(1, 1, 'PERF_RECORD_SWITCH IN')
    for (let sample = 0; sample < 40; sample++) {
      text.comm = sample % 4 === 0 ? comm : 'server'
      const own = sample % 4 === 0 ? symbol : 'main.work'
      text.line(1, 1, `cpu-clock/period=1000000/uI:  401000 ${own}`).wait(99)
    }
    const [advice] = await adviceOf(text)
    return advice!
  }
  const plain = await collected('main.rest', 'server')
  assert.equal(plain.savesAtMostMs, undefined)
  for (const [symbol, comm] of [
    ['runtime.scanobject', 'server'],
    ['main.rest', 'GC Thread#0'],
  ] as const) {
    const { savesMs, savesAtMostMs, how } = await collected(symbol, comm)
    // A fourth of its CPU time, which is all of the time.
    const durationMs = (20 * (16 * 10 + 3) + 40 * 100) / 1000
    assert.ok(Math.abs(savesAtMostMs! - savesMs - durationMs / 4) < 0.2, `${savesMs} ${savesAtMostMs}`)
    assert.match(how, /the garbage collector/)
  }
})

test('memory that is new each time, and faults on it, may be saved with the calls that map it', async () => {
  const text = new TraceText().exec(1)
  for (let call = 0; call < 120; call++) {
    const start = A + call * 4 * PAGE
    text.mmap(1, 1, start, 4 * PAGE)
    for (let page = 0; page < 4; page++) text.fault(1, 1, start + page * PAGE, 6).wait(9)
  }
  const advice = (await adviceOf(text)).find(({ change }) => change.startsWith('Call mmap less often'))!
  // Each takes 10 µs at least.
  assert.ok(Math.abs(advice.savesAtMostMs! - advice.savesMs - 4.8) < 0.1, JSON.stringify(advice))
  assert.match(advice.how, /the 480 faults on new pages/)
})
