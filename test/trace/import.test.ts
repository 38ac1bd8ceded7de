import assert from 'node:assert/strict'
import { createReadStream, readFileSync } from 'node:fs'
import path from 'node:path'
import { Readable } from 'node:stream'
import { describe, test } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import { importTrace, TraceError } from '../../src/trace/index.ts'
import { readChunks } from '../../src/trace/op-store.ts'
import {
  CLONE_FORK,
  CLONE_THREAD,
  CLONE_VFORK,
  fixture,
  importText,
  temporaryDirectory,
  temporaryFile,
  TraceText,
} from './trace-text.ts'

describe('the recorded programs', () => {
  for (const [name, lines, faults, probes, busiest, threads, processes] of [
    ['node-workers', 87337, 44472, 0, [6620, 'node', 44472], 11, 1],
    ['redis-bgsave', 16861, 11278, 3, [6486, 'redis-server', 8087], 12, 8],
    ['kernbench', 28830, 17653, 0, [5979, 'cc1', 1838], 25, 25],
  ] as const) {
    test(name, async () => {
      const trace = await importTrace(fixture(name))
      try {
        assert.equal(trace.lines, lines)
        assert.equal(trace.events, lines)
        assert.deepEqual([trace.faults, trace.unhandledFaults], [faults, probes])
        assert.deepEqual([trace.process.pid, trace.process.name, trace.process.faults], busiest)
        assert.equal(trace.recordedFaults, faults)
        assert.equal(trace.processChoice, processes === 1 ? 'only' : 'all')
        assert.deepEqual(trace.replayed, { processes, threads })
        assert.deepEqual([trace.threads, trace.processes], [threads, processes])
        assert.equal(trace.lostEvents, 0)
        assert.equal(trace.openCalls, 0)
        assert.deepEqual(trace.otherEvents, {})
        // The layout that the calls tell explains every fault.
        for (const image of trace.images) {
          assert.deepEqual(image.notPerformed, {
            outsideAnyMapping: 0,
            kernelAddress: 0,
          })
        }
        assert.equal(
          trace.images.reduce((sum, image) => sum + image.faults, 0),
          trace.recordedFaults,
        )
        assert.ok(trace.warnings.every((warning) => !/made by something|removed by something/.test(warning)))
      } finally {
        trace.close()
      }
    })
  }

  test('what Linux met at its lock: node-workers', async () => {
    const trace = await importTrace(fixture('node-workers'))
    const { linux } = trace
    trace.close()
    assert.equal(linux.recorded, true)
    assert.equal(linux.timeResolutionNs, 1000)
    assert.equal(linux.faultsUnderMmapLock + linux.faultsWithoutMmapLock, 44472)
    // Counted with awk over the text: 6,603 acquisitions for writing have a start.
    assert.equal(linux.lockAcquisitions.writers, 6603)
    for (const side of [linux.lockWaitNs.readers, linux.lockWaitNs.writers]) {
      assert.ok(side.count > 0 && side.p50 <= side.p99 && side.p99 <= side.total)
    }
    assert.ok(linux.faultsUnderMmapLock > 0 && linux.faultsUnderMmapLock < linux.lockAcquisitions.readers + 1)
  })

  test('every process of a trace of many can be chosen', async () => {
    for (const process of [5974, 5976, 5981]) {
      const trace = await importTrace(fixture('kernbench'), { process })
      trace.close()
      assert.equal(trace.process.pid, process)
      assert.equal(trace.processChoice, 'asked')
      assert.equal(trace.recordedFaults, trace.process.faults)
    }
  })
})

describe('where the text comes from', () => {
  const text = new TraceText().exec(1).mmap(1, 1, 0x10000, 0x4000).fault(1, 1, 0x10000, 6).toString()

  test('a plain file, a gzip file whatever its name, several gzip members', async () => {
    for (const [name, bytes] of [
      ['plain.txt', Buffer.from(text)],
      ['packed.txt', gzipSync(text)],
      ['plain.gz', Buffer.from(text)],
      ['members.gz', Buffer.concat([gzipSync(text.slice(0, 200)), gzipSync(text.slice(200))])],
    ] as const) {
      const trace = await importTrace(temporaryFile(name, bytes))
      trace.close()
      assert.equal(trace.recordedFaults, 1, name)
    }
  })

  test('standard input, plain and gzip, in pieces of any size', async () => {
    for (const bytes of [Buffer.from(text), gzipSync(text)]) {
      for (const size of [1, 7, 100_000]) {
        const pieces: Buffer[] = []
        for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size))
        const trace = await importTrace('-', { stdin: Readable.from(pieces) })
        trace.close()
        assert.deepEqual([trace.path, trace.recordedFaults], ['-', 1])
      }
    }
    const stream = createReadStream(fixture('redis-bgsave'))
    const trace = await importTrace('-', { stdin: stream })
    trace.close()
    assert.equal(trace.lines, 16861)
  })

  test('progress is told', async () => {
    const seen: number[] = []
    const trace = await importTrace(fixture('node-workers'), { onProgress: ({ lines }) => seen.push(lines) })
    trace.close()
    assert.ok(seen.length >= 5 && seen.every((lines, at) => at === 0 || lines > seen[at - 1]!))
  })
})

describe('bad input', () => {
  async function fails(
    input: string | { text: string | Uint8Array },
    code: string,
    expected: { line?: number; message: RegExp; remedy: RegExp; options?: Parameters<typeof importTrace>[1] },
  ): Promise<void> {
    const running =
      typeof input === 'string'
        ? importTrace(input, expected.options)
        : importText(input.text, expected.options)
    await assert.rejects(running, (error) => {
      assert.ok(error instanceof TraceError, String(error))
      assert.equal(error.code, code)
      assert.equal(error.file, typeof input === 'string' ? input : '<stdin>')
      if (expected.line !== undefined) assert.equal(error.line, expected.line)
      assert.match(error.message, expected.message)
      assert.match(error.remedy, expected.remedy)
      assert.ok(error.message.includes(error.file) && error.message.includes(error.remedy))
      return true
    })
  }
  const text = (): TraceText => new TraceText().exec(1)

  test('no file, a directory', async () => {
    await fails(path.join(temporaryDirectory(), 'missing.gz'), 'unreadable', {
      message: /no such file/,
      remedy: /Check the path/,
    })
    await fails(temporaryDirectory(), 'unreadable', { message: /directory/, remedy: /perf script/ })
  })

  test('empty, and gzip of nothing', async () => {
    await fails(temporaryFile('empty', ''), 'not-a-trace', { message: /empty/, remedy: /perf script/ })
    await fails(temporaryFile('empty.gz', gzipSync('')), 'not-a-trace', {
      message: /empty/,
      remedy: /perf script/,
    })
    await fails({ text: '' }, 'not-a-trace', { message: /empty/, remedy: /perf script/ })
    await fails({ text: '\n\n# only a comment\n' }, 'not-a-trace', {
      message: /no event/,
      remedy: /perf script/,
    })
  })

  test('truncated gzip, at any place', async () => {
    const whole = readFileSync(fixture('redis-bgsave'))
    for (const length of [2, 9, 30, 1000, 100_000, whole.length - 1]) {
      await fails(temporaryFile('truncated.gz', whole.subarray(0, length)), 'corrupt', {
        message: /ends too early/,
        remedy: /truncated/,
      })
    }
  })

  test('a truncated gzip says how far it got', async () => {
    const whole = readFileSync(fixture('redis-bgsave'))
    await assert.rejects(importTrace(temporaryFile('half.gz', whole.subarray(0, 100_000))), (error) => {
      assert.ok(error instanceof TraceError)
      assert.ok(error.line !== undefined && error.line > 1000 && error.line < 16861)
      return true
    })
  })

  test('damaged gzip', async () => {
    const whole = Buffer.from(readFileSync(fixture('redis-bgsave')))
    whole.fill(0x55, 50_000, 50_100)
    await fails(temporaryFile('damaged.gz', whole), 'corrupt', {
      message: /damaged|cannot be read|malformed/,
      remedy: /gzip -t/,
    })
    const header = Buffer.from(readFileSync(fixture('redis-bgsave')))
    header[2] = 99
    await fails(temporaryFile('header.gz', header), 'corrupt', { message: /damaged/, remedy: /gzip -t/ })
  })

  test('pictures, gzip within gzip, the binary file of perf', async () => {
    const jpeg = Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 16, 0x4a, 0x46, 0x49, 0x46, 0, 1])
    await fails(temporaryFile('picture.jpg', jpeg), 'not-a-trace', {
      line: 1,
      message: /binary file/,
      remedy: /perf script/,
    })
    await fails(temporaryFile('picture.gz', gzipSync(jpeg)), 'not-a-trace', {
      message: /binary file/,
      remedy: /perf script/,
    })
    await fails({ text: 'PERFILE2 and more' }, 'not-a-trace', {
      message: /binary file of perf record/,
      remedy: /perf script .*-i FILE/,
    })
    await fails({ text: gzipSync(gzipSync('x')) }, 'not-a-trace', {
      message: /gzip inside gzip/,
      remedy: /gzip -d/,
    })
    await fails({ text: Buffer.from([1, 2, 3, 0, 5]) }, 'not-a-trace', {
      message: /binary/,
      remedy: /perf script/,
    })
  })

  test('text that is no trace', async () => {
    await fails({ text: 'Lorem ipsum\n'.repeat(100) }, 'not-a-trace', {
      line: 1,
      message: /none of the first 20 lines/,
      remedy: /perf script/,
    })
    await fails({ text: '{"a": 1}' }, 'not-a-trace', {
      line: 1,
      message: /none of the first/,
      remedy: /perf script/,
    })
  })

  test('a recording of somebody who did nothing with memory', async () => {
    const idle = `# faultline: kernel 6.18.44\n${text().line(1, 1, 'PERF_RECORD_SWITCH IN').toString()}`
    await fails({ text: idle }, 'missing-events', {
      message: /no page fault and no memory call/,
      remedy: /for longer/,
    })
  })

  test('perf text without page faults', async () => {
    await fails({ text: text().mmap(1, 1, 0x10000, 0x1000).toString() }, 'missing-events', {
      message: /lacks events.*Missing: exceptions:page_fault_user/,
      remedy: /perf record .*exceptions:page_fault_user/,
    })
  })

  test('perf text without system calls', async () => {
    const only = new TraceText().map2(1, 1, 0x10000, 0x1000, 'rw-p', 'anon').fault(1, 1, 0x10000, 6)
    await fails({ text: only.toString() }, 'missing-events', {
      message: /sys_enter_mmap/,
      remedy: /perf record .*sys_enter_mmap/,
    })
  })

  test('system calls without their exits', async () => {
    const entered = text().fault(1, 1, 0x7ffc00001000, 6)
    for (let i = 0; i < 3; i++) entered.enter(1, 1, 'munmap', { addr: 0x10000, len: 0x1000 })
    await fails({ text: entered.toString() }, 'missing-events', {
      message: /sys_exit_munmap/,
      remedy: /perf record/,
    })
  })

  test('faults that no mapping explains', async () => {
    const lost = new TraceText().mmap(1, 1, 0x10000, 0x1000).fault(1, 1, 0x999000, 6)
    await fails({ text: lost.toString() }, 'missing-events', {
      message: /none of the 1 page faults/,
      remedy: /--show-mmap-events/,
    })
  })

  test('cycles only', async () => {
    await fails(
      { text: new TraceText().line(1, 1, 'cycles: ffffffff81000000').toString() },
      'missing-events',
      {
        message: /the trace has cycles, but lacks/,
        remedy: /perf record/,
      },
    )
  })

  test('addresses and results out of range', async () => {
    const line = 6
    const base = (): TraceText => text().fault(1, 1, 0x7ffc00001000, 6).mmap(1, 1, 0x10000, 0x1000)
    await fails({ text: base().fault(1, 1, 0x1000000000000, 4).toString() }, 'out-of-range', {
      line,
      message: /48-bit/,
      remedy: /48-bit/,
    })
    await fails({ text: base().munmap(1, 1, 0x1000000000000, 0x1000).toString() }, 'out-of-range', {
      line: line + 1,
      message: /munmap/,
      remedy: /48-bit/,
    })
    await fails({ text: base().mmap(1, 1, 0x1000000000000, 0x1000).toString() }, 'out-of-range', {
      line: line + 1,
      message: /mmap/,
      remedy: /48-bit/,
    })
    await fails(
      { text: base().map2(1, 1, 0x1000000000000, 0x1000, 'rw-p', 'anon').toString() },
      'out-of-range',
      { line, message: /mapping/, remedy: /48-bit/ },
    )
    await fails({ text: base().map2(1, 1, 0x10001, 0x1000, 'rw-p', 'anon').toString() }, 'out-of-range', {
      line,
      message: /mapping/,
      remedy: /48-bit/,
    })
  })

  test('a process that is not there, and one without faults', async () => {
    await fails(fixture('kernbench'), 'no-such-process', {
      message: /no process 4242/,
      remedy: /5979 \(cc1, 1838 faults\)/,
      options: { process: 4242 },
    })
  })

  test('a temporary file that cannot be written', async () => {
    await fails(fixture('redis-bgsave'), 'spool', {
      message: /temporary file/,
      remedy: /TMPDIR/,
      options: { memoryLimit: 1000, temporaryDirectory: path.join(temporaryDirectory(), 'missing') },
    })
  })
})

describe('address spaces', () => {
  const faultsOf = (trace: Awaited<ReturnType<typeof importTrace>>) =>
    trace.images.map(({ faults }) => faults)

  test('exec begins a new one, whose first mappings are its prelude', async () => {
    const trace = await new TraceText()
      .exec(1, ['PERF_RECORD_MMAP2 1/1: [0x400000(0x2000) @ 0 fe:00 7 0]: r-xp program'])
      .fault(1, 1, 0x400000, 0x14)
      .exec(1, ['PERF_RECORD_MMAP2 1/1: [0x500000(0x2000) @ 0 fe:00 8 0]: r-xp other'])
      .mmap(1, 1, 0x10000, 0x1000)
      .fault(1, 1, 0x500000, 0x14)
      .import()
    trace.close()
    assert.deepEqual(faultsOf(trace), [1, 1])
    assert.deepEqual(
      trace.images.map(({ prelude }) => prelude.map(({ start }) => start)),
      [
        [0x7ffc00000000, 0x400000],
        [0x7ffc00000000, 0x500000],
      ],
    )
    assert.deepEqual(trace.images[1]!.notPerformed.outsideAnyMapping, 0)
    assert.equal(trace.process.name, 'program')
  })

  test('the old mappings are gone after exec', async () => {
    const trace = await new TraceText()
      .exec(1)
      .mmap(1, 1, 0x10000, 0x1000)
      .fault(1, 1, 0x10000, 6)
      .exec(1)
      .fault(1, 1, 0x10000, 6)
      .fault(1, 1, 0x7ffc00001000, 6)
      .import()
    trace.close()
    assert.deepEqual(
      trace.images.map(({ notPerformed }) => notPerformed.outsideAnyMapping),
      [0, 1],
    )
  })

  test('a forked process inherits the layout as it was then', async () => {
    const text = new TraceText()
      .exec(1)
      .brk(1, 1, 0, 0x900000)
      .brk(1, 1, 0x902000, 0x902000)
      .mmap(1, 1, 0x10000, 0x2000)
      .newTask(1, 1, 2, CLONE_FORK)
      .munmap(1, 1, 0x10000, 0x1000)
      .mmap(1, 1, 0x50000, 0x1000)
      .fault(2, 2, 0x10000, 7)
      .fault(2, 2, 0x50000, 6)
      .fault(2, 2, 0x901000, 7)
      .fault(1, 1, 0x11000, 6)
      .exitTask(2, 2, true)
    const trace = await text.import({ process: 2 })
    trace.close()
    const [image] = trace.images
    assert.equal(image!.inherited, true)
    assert.deepEqual([image!.heapStart, image!.heapEnd], [0x900000, 0x902000])
    assert.deepEqual(
      image!.prelude.map(({ start, end }) => [start, end]),
      [
        [0x10000, 0x12000],
        [0x900000, 0x902000],
        [0x7ffc00000000, 0x7ffc00021000],
      ],
    )
    assert.deepEqual([image!.faults, image!.notPerformed.outsideAnyMapping], [3, 1])
  })

  test('vfork lends the address space: the child counts as a guest there, and in its own', async () => {
    const text = new TraceText()
      .exec(1)
      .mmap(1, 1, 0x10000, 0x2000)
      .newTask(1, 1, 2, CLONE_VFORK)
      .fault(2, 2, 0x10000, 6)
      .exec(2)
      .fault(2, 2, 0x7ffc00001000, 6)
      .fault(2, 2, 0x7ffc00002000, 6)
      .fault(1, 1, 0x11000, 6)
      .fault(1, 1, 0x7ffc00001000, 6)
    const parent = await text.import({ process: 1 })
    parent.close()
    assert.deepEqual(faultsOf(parent), [2])
    assert.deepEqual(
      parent.seats
        .filter(({ image }) => image === 0)
        .map(({ tid, guest, operations }) => [tid, guest, operations]),
      [
        [1, false, 3],
        [2, true, 1],
      ],
    )
    const child = await text.import({ process: 2 })
    child.close()
    assert.deepEqual(faultsOf(child), [1, 2])
  })

  test('whole programs: fork copies, vfork lends, exec begins anew, and everything is counted once', async () => {
    const trace = await new TraceText()
      .exec(1)
      .mmap(1, 1, 0x10000, 0x2000)
      .fault(1, 1, 0x10000, 6)
      .newTask(1, 1, 2, CLONE_FORK)
      .munmap(1, 1, 0x10000, 0x1000)
      .fault(2, 2, 0x10000, 7)
      .newTask(2, 2, 3, CLONE_VFORK)
      .fault(3, 3, 0x11000, 6)
      .exec(3)
      .fault(3, 3, 0x7ffc00001000, 6)
      .fault(3, 3, 0x11000, 6)
      .exitTask(3, 3, true)
      .fault(2, 2, 0x11000, 4)
      .exitTask(2, 2, true)
      // Its address space is gone.
      .fault(2, 2, 0x11000, 4)
      .import()
    trace.close()
    assert.deepEqual([trace.processes, trace.processChoice, trace.recordedFaults], [3, 'all', 7])
    assert.deepEqual(
      trace.images.map(({ origin, faults, notPerformed }) => [
        origin,
        faults,
        notPerformed.outsideAnyMapping,
      ]),
      [
        ['start', 1, 0],
        ['fork', 4, 1],
        // Outside, and the process ended: refused.
        ['exec', 2, 0],
      ],
    )
    assert.deepEqual(
      trace.seats
        .filter(({ image }) => image >= 0)
        .map(({ tid, image, guest, lender }) => [tid, image, guest, lender >= 0]),
      [
        [1, 0, false, false],
        [2, 1, false, false],
        [3, 1, false, true],
        [3, 2, false, false],
      ],
    )
    // The copy is where the original is.
    assert.equal(trace.images[1]!.extents, trace.images[0]!.extents)
    assert.notEqual(trace.images[2]!.extents, trace.images[0]!.extents)
  })

  test('exec by another thread than the first ends all others, the first one too', async () => {
    const trace = await new TraceText()
      .exec(1)
      .newTask(1, 1, 2, CLONE_THREAD)
      .newTask(1, 1, 3, CLONE_THREAD)
      .mmap(1, 2, 0x10000, 0x1000)
      .exitTask(1, 1, false)
      .exec(1)
      .fault(1, 1, 0x7ffc00001000, 6)
      .import()
    trace.close()
    assert.deepEqual([trace.processes, trace.images.map(({ origin }) => origin)], [1, ['start', 'exec']])
    assert.ok(trace.seats.filter(({ image }) => image === 0).every(({ left }) => left < Infinity))
  })

  test('calls of a thread that has ended are those of a process whose creation is not in the trace', async () => {
    const trace = await new TraceText()
      .exec(1)
      .mmap(1, 1, 0x10000, 0x1000)
      .exitTask(1, 1, true)
      .mmap(1, 1, 0x20000, 0x1000)
      .fault(1, 1, 0x20000, 6)
      .fault(1, 1, 0x10000, 6)
      .import()
    trace.close()
    assert.equal(trace.processes, 2)
    assert.deepEqual(
      trace.images.map(({ faults, notPerformed }) => [faults, notPerformed.outsideAnyMapping]),
      [
        [0, 0],
        [2, 1],
      ],
    )
  })

  describe('in a PID namespace, where tracepoints have the numbers of the machine,', () => {
    const [HERE, CHILD, THREAD] = [3, 5, 6]
    const recorded = (isTold: boolean): TraceText => {
      const fork = (text: TraceText, tid: number, child: number, flags: number): TraceText => {
        if (isTold) text.line(HERE, HERE, 'PERF_RECORD_FORK(-1:-1):(3:3)')
        if (isTold) text.line(HERE, HERE, `PERF_RECORD_FORK(${tid}:${child}):(${HERE}:${HERE})`)
        return text.newTask(HERE, HERE, 5700 + child, flags)
      }
      const text = new TraceText()
        .map2(HERE, HERE, 0x7ffc00000000, 0x21000, 'rw-p', '[stack]')
        .line(HERE, HERE, 'sched:sched_process_exec: filename=/bin/program pid=5703 old_pid=5703')
        .mmap(HERE, HERE, 0x10000, 0x2000)
        .fault(HERE, HERE, 0x10000, 6)
      fork(text, CHILD, CHILD, 0x1200000).fault(CHILD, CHILD, 0x10000, 7)
      return fork(text, HERE, THREAD, 0x3d0f00).fault(HERE, THREAD, 0x11000, 6)
    }

    test('records of forks tell which thread is which', async () => {
      const trace = await recorded(true).import()
      trace.close()
      assert.deepEqual([trace.processes, trace.threads, trace.recordedFaults], [2, 3, 3])
      assert.deepEqual(
        trace.images.map(({ origin, notPerformed }) => [origin, notPerformed.outsideAnyMapping]),
        [
          ['start', 0],
          ['fork', 0],
        ],
      )
      assert.doesNotMatch(trace.warnings.join(), /namespace/)
    })

    test('without them it is said', async () => {
      const trace = await recorded(false).import()
      trace.close()
      assert.match(trace.warnings.join(), /PID namespace.*--show-task-events/)
    })
  })

  test('a process number used again is another process', async () => {
    const text = new TraceText()
      .exec(1)
      .mmap(1, 1, 0x10000, 0x1000)
      .fault(1, 1, 0x10000, 6)
      .exitTask(1, 1, true)
      .exec(1)
      .fault(1, 1, 0x7ffc00001000, 6)
      .fault(1, 1, 0x7ffc00002000, 6)
    const trace = await text.import()
    trace.close()
    assert.equal(trace.processes, 2)
    assert.deepEqual(
      [trace.recordedFaults, trace.images.map(({ origin }) => origin)],
      [3, ['start', 'start']],
    )
    const busiest = await text.import({ process: 'busiest' })
    busiest.close()
    assert.equal(busiest.recordedFaults, 2)
  })

  test('perf attached to a running process: what it makes up at time zero is the prelude', async () => {
    const start = new TraceText()
    start.microseconds = 0
    start.map2(7, 7, 0x400000, 0x1000, 'r-xp', 'program', 0, 9)
    start.microseconds = 0
    start.map2(7, 7, 0x900000, 0x3000, 'rw-p', '[heap]')
    start.microseconds = 0
    start.map2(7, 7, 0x7ffc00000000, 0x21000, 'rw-p', '[stack]')
    start.microseconds = 5_000_000
    const trace = await start
      .mmap(7, 8, 0x10000, 0x1000)
      .fault(7, 8, 0x10000, 6)
      .fault(7, 7, 0x400000, 0x14)
      .import()
    trace.close()
    const [image] = trace.images
    assert.equal(image!.prelude.length, 3)
    assert.deepEqual([image!.heapStart, image!.heapEnd], [0x900000, 0x903000])
    assert.deepEqual(faultsOf(trace), [2])
    assert.equal(image!.notPerformed.outsideAnyMapping, 0)
  })

  test('a call on memory that was mapped before the recording shows that it was mapped', async () => {
    const trace = await new TraceText().mprotect(1, 1, 0x10000, 0x2000, 3).fault(1, 1, 0x11000, 6).import()
    trace.close()
    assert.equal(trace.images[0]!.notPerformed.outsideAnyMapping, 0)
    assert.ok(trace.warnings.some((warning) => warning.startsWith('1 mapping was made by something')))
  })

  test('faults that cannot be performed are counted by kind', async () => {
    const trace = await new TraceText()
      .exec(1)
      .mmap(1, 1, 0x10000, 0x1000, { protection: 0 })
      .mmap(1, 1, 0x20000, 0x1000, { protection: 1 })
      .fault(1, 1, 0x10000, 4)
      .fault(1, 1, 0x20000, 7)
      .fault(1, 1, 0x20000, 4)
      .fault(1, 1, 0x0, 4) // refused by every Linux
      .fault(1, 1, 0x999000, 4)
      .fault(1, 1, 0xffffffffff600000, 0x14)
      .import()
    trace.close()
    assert.deepEqual(trace.images[0]!.notPerformed, {
      outsideAnyMapping: 1,
      kernelAddress: 1,
    })
    assert.deepEqual([trace.recordedFaults, trace.images[0]!.faults], [6, 6])
  })

  test('a refused call changes nothing, an open one is left out', async () => {
    const trace = await new TraceText()
      .exec(1)
      .mmap(1, 1, 0x10000, 0x2000)
      .enter(1, 1, 'munmap', { addr: 0x10000, len: 0x1000 })
      .exit(1, 1, 'munmap', '0xfffffffffffffff4')
      .fault(1, 1, 0x10000, 6)
      .enter(1, 1, 'mprotect', { start: 0x10000, len: 0x2000, prot: 0 })
      .exit(1, 1, 'mprotect', '-13')
      .fault(1, 1, 0x11000, 6)
      .enter(1, 1, 'mmap', { addr: 0, len: 0x1000, prot: 3, flags: 0x22, fd: 0xffffffff, off: 0 })
      .import()
    trace.close()
    assert.equal(trace.images[0]!.notPerformed.outsideAnyMapping, 0)
    assert.equal(trace.openCalls, 1)
  })

  test('a call whose exit was lost is taken to have succeeded if its thread went on', async () => {
    const trace = await new TraceText()
      .exec(1)
      .mmap(1, 1, 0x10000, 0x2000)
      .enter(1, 1, 'munmap', { addr: 0x10000, len: 0x1000 })
      .mmap(1, 1, 0x30000, 0x1000)
      .fault(1, 1, 0x10000, 6)
      .fault(1, 1, 0x11000, 6)
      .import()
    trace.close()
    assert.deepEqual([trace.openCalls, trace.images[0]!.notPerformed.outsideAnyMapping], [1, 1])
  })

  test('a program break that moved unseen shows in the next answer', async () => {
    const trace = await new TraceText()
      .exec(1)
      .brk(1, 1, 0, 0x900000)
      .brk(1, 1, 0, 0x904000)
      .fault(1, 1, 0x903000, 6)
      .import()
    trace.close()
    assert.equal(trace.images[0]!.notPerformed.outsideAnyMapping, 0)
    assert.ok(trace.warnings.some((warning) => warning.includes('made by something')))
  })

  test('a stack grows by a fault below it, and the record of that is no exec', async () => {
    const trace = await new TraceText()
      .exec(1)
      .mmap(1, 1, 0x10000, 0x1000)
      .fault(1, 1, 0x7ffbffffe010, 6)
      .map2(1, 1, 0x7ffbffffe000, 0x23000, 'rw-p', '[stack]')
      .fault(1, 1, 0x7ffbfffff010, 6)
      .import()
    trace.close()
    assert.deepEqual(faultsOf(trace), [2])
    assert.equal(trace.images[0]!.notPerformed.outsideAnyMapping, 0)
  })

  test('mremap moves, grows and keeps', async () => {
    const remap = (
      text: TraceText,
      addr: number,
      from: number,
      to: number,
      flags: number,
      result: number,
    ): TraceText =>
      text
        .enter(1, 1, 'mremap', { addr, old_len: from, new_len: to, flags, new_addr: 0 })
        .exit(1, 1, 'mremap', result)
    const text = new TraceText().exec(1).mmap(1, 1, 0x10000, 0x2000)
    remap(text, 0x10000, 0x2000, 0x4000, 1, 0x80000)
    text.fault(1, 1, 0x83000, 6).fault(1, 1, 0x10000, 6)
    remap(text, 0x80000, 0x4000, 0x1000, 0, 0x80000)
    text.fault(1, 1, 0x80000, 6).fault(1, 1, 0x81000, 6)
    const trace = await text.import()
    trace.close()
    assert.equal(trace.images[0]!.notPerformed.outsideAnyMapping, 2)
    assert.equal(trace.images[0]!.faults, 4)
  })

  test('threads share, and lost records are told', async () => {
    const trace = await new TraceText()
      .exec(1)
      .newTask(1, 1, 2, CLONE_THREAD)
      .mmap(1, 2, 0x10000, 0x1000)
      .fault(1, 1, 0x10000, 6)
      .line(1, 1, 'PERF_RECORD_LOST lost 5')
      .import()
    trace.close()
    assert.deepEqual([trace.threads, trace.process.threads, trace.lostEvents], [2, 2, 5])
    assert.ok(trace.warnings.some((warning) => warning.startsWith('perf lost 5 events')))
  })
})

describe('the mmap lock of Linux', () => {
  test('waits, downgrades, tries that failed, faults that took it', async () => {
    const trace = await new TraceText()
      .exec(1)
      .newTask(1, 1, 2, CLONE_THREAD)
      .lockStart(1, 2, false)
      .lockAcquired(1, 2, false)
      .enter(1, 1, 'munmap', { addr: 0x10000, len: 0x1000 })
      .lockStart(1, 1, true)
      .wait(8)
      .unlock(1, 2, false)
      .lockAcquired(1, 1, true)
      .lockAcquired(1, 1, false)
      .unlock(1, 1, false)
      .exit(1, 1, 'munmap', 0)
      .fault(1, 1, 0x7ffc00001000, 6)
      .lockStart(1, 1, false)
      .lockAcquired(1, 1, false, false)
      .wait(3)
      .lockStart(1, 1, false)
      .lockAcquired(1, 1, false)
      .unlock(1, 1, false)
      .fault(1, 1, 0x7ffc00002000, 6)
      .mmap(1, 1, 0x20000, 0x1000)
      .lockStart(1, 1, false)
      .wait(2)
      .lockAcquired(1, 1, false)
      .unlock(1, 1, false)
      .import()
    trace.close()
    const { linux } = trace
    assert.deepEqual(linux.lockAcquisitions, { readers: 3, writers: 1 })
    assert.deepEqual([linux.lockWaitNs.writers.count, linux.lockWaitNs.writers.total], [1, 10_000])
    assert.deepEqual([linux.lockWaitNs.readers.count, linux.lockWaitNs.readers.total], [1, 6_000])
    assert.deepEqual([linux.faultsUnderMmapLock, linux.faultsWithoutMmapLock], [1, 1])
    // Two that met nobody, of 1 and 3 µs.
    assert.equal(trace.eventNs, 2000)
  })

  test('the lock that a thread takes to end is not that of its last fault', async () => {
    const underLock = async (
      address: number,
      locks: number,
      groupDead?: boolean,
      tid = 1,
    ): Promise<number> => {
      const text = new TraceText().exec(1).mmap(1, 1, 0x10000, 0x1000).newTask(1, 1, 2, CLONE_THREAD)
      text.fault(1, tid, address, 6)
      for (let n = 0; n < locks; n++)
        text.lockStart(1, tid, false).lockAcquired(1, tid, false).wait(5).unlock(1, tid, false)
      const trace = await text.exitTask(1, tid, groupDead).import()
      trace.close()
      return trace.linux.faultsUnderMmapLock
    }
    assert.equal(await underLock(0x10000, 1, true), 0)
    assert.equal(await underLock(0x10000, 2, true), 1)
    assert.equal(await underLock(0x10000, 1, false), 1)
    // Linux looks under the lock whether anything is mapped there.
    assert.equal(await underLock(0x20000, 1, true), 1)
    // Before Linux 6.16 a thread takes it to end, and the last one twice.
    assert.deepEqual([await underLock(0x10000, 2), await underLock(0x10000, 3)], [0, 1])
    assert.deepEqual(
      [await underLock(0x10000, 1, undefined, 2), await underLock(0x10000, 2, undefined, 2)],
      [0, 1],
    )
  })

  test('without its events nothing is said', async () => {
    const trace = await new TraceText().exec(1).mmap(1, 1, 0x10000, 0x1000).fault(1, 1, 0x10000, 6).import()
    trace.close()
    assert.deepEqual([trace.linux.recorded, trace.linux.faultsWithoutMmapLock], [false, 0])
    assert.equal(trace.eventNs, 0)
    assert.ok(trace.warnings.some((warning) => warning.includes('no mmap_lock events')))
  })
})

describe('a trace larger than memory', () => {
  test('records in a temporary file are the same as in memory', async () => {
    const words = async (memoryLimit: number): Promise<{ spooled: boolean; words: number[] }> => {
      const trace = await importTrace(fixture('node-workers'), { memoryLimit })
      const all: number[] = []
      for (const chunk of readChunks(trace.records))
        for (let i = 0; i < chunk.length; i++) all.push(chunk.words[i]!)
      trace.close()
      return { spooled: trace.spooled, words: all }
    }
    const inMemory = await words(2 ** 30)
    const spooled = await words(300_000)
    assert.equal(inMemory.spooled, false)
    assert.equal(spooled.spooled, true)
    assert.deepEqual(spooled.words, inMemory.words)
  })
})

test('the text of the fixtures is what gzip says it is', () => {
  // Guards the other tests: a fixture that changed would make their numbers meaningless.
  assert.equal(gunzipSync(readFileSync(fixture('redis-bgsave'))).length, 2395763)
})
