// What `perf trace` prints, read for a report: lines as it printed them of real programs, shortened.
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { asPerfScript } from '../../src/trace/perf-trace.ts'
import { importTrace, type ImportedTrace } from '../../src/trace/index.ts'

const LINES = [
  '         ? (         ): demo/3  ... [continued]: execve())                                           = 0',
  '     0.980 ( 0.017 ms): demo/3 brk()                                                                 = 0x55cfdd125000',
  '     1.206 ( 0.020 ms): demo/3 mmap(len: 32768, prot: READ|WRITE, flags: PRIVATE|ANONYMOUS)          = 0x7f9fc8c34000',
  '     1.242 ( 0.014 ms): demo/3 access(filename: 0xc8c682a0, mode: R)                                 = -1 ENOENT (No such file or directory)',
  '     1.300 ( 0.000 ms): demo/3 minfault [memmove+0x58] => //anon@0x7f9fc8c34008 (d.)',
  '     1.310 ( 0.000 ms): demo/3 minfault [_dl_start+0x3d] => /usr/lib/ld.so@0x33e06 (d.)',
  '     1.320 ( 0.000 ms): demo/3 minfault [elf_load+0x28a] => 0x7f9fc8c35070 (?k)',
  '     2.000 (         ): demo/3 clone(clone_flags: VM|VFORK|0x11, newsp: 0x7f9a4825dff0)               ...',
  '     2.100 ( 0.272 ms): tool/4 execve(filename: 0xfc928004, argv: 0x7f9a4825df80, envp: 0x7fff3d314958) = 0',
  '     2.500 ( 0.000 ms): tool/4 minfault [_start+0x0] => /usr/lib/ld.so@0x33e06 (d.)',
  '     2.000 ( 0.700 ms): demo/3  ... [continued]: clone())                                            = 4 (tool)',
  '     3.000 ( 0.123 ms): demo/3 clone3(uargs: 0x7fff6de64ff0, size: 88)                               = 5 (demo)',
  '     3.050 ( 0.000 ms): 1/2 3.4: x/5 minfault [clone3+0x2a] => //anon@0x7f9fc8c36f78 (d.)',
  '     3.200 (         ): demo/3 munmap(addr: 0x7f9fc8c34000, len: 32768)                              ...',
  '     3.200 ( 0.100 ms): demo/3  ... [continued]: munmap())                                           = 0',
  '     3.350 ( 0.010 ms): demo/3 mmap(len: 32768, prot: READ|WRITE, flags: PRIVATE|ANONYMOUS)          = 0x7f9fc8c34000',
  '     3.400 ( 0.010 ms): demo/3 mprotect(start: 0x1000, len: 4096, prot: READ)                        = -1 ENOMEM (Cannot allocate memory)',
]

async function read(text: string, isReplayed = false, size = text.length): Promise<ImportedTrace> {
  const bytes = Buffer.from(text)
  const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
    bytes.subarray(at * size, (at + 1) * size),
  )
  const trace = await importTrace('-', { stdin: Readable.from(pieces), isReplayed })
  trace.close()
  return trace
}

test('faults and calls, of the threads and processes that clone tells', async () => {
  for (const size of [4096, 501]) {
    const trace = await read(`${LINES.join('\n')}\n`, false, size)
    assert.deepEqual([trace.processes, trace.threads, trace.recordedFaults], [2, 3, 5])
    assert.deepEqual(trace.programs.map(({ name, faults }) => [name, faults]).toSorted(), [
      ['demo', 4],
      ['tool', 1],
    ])
    const { munmap, mmap, mprotect } = trace.faultCensus.calls
    assert.deepEqual(
      [munmap, mmap, mprotect].map((call) => [call?.count, call?.ns]),
      [
        [1, 100_000],
        [2, 30_000],
        [1, 10_000],
      ],
    )
    assert.match(trace.warnings.join(), /no mmap_lock events.*no error codes/)
    // What was unmapped is not in the way.
    assert.doesNotMatch(trace.warnings.join(), /were removed by something/)
  }
})

/** The same lines as other versions of perf trace, or other settings of it, print them. */
const FORMS: Readonly<Record<string, (line: string) => string>> = {
  'arguments padded within the parentheses (perf 4)': (line) =>
    line.replace(
      /(\w)(\){1,2})( +)(=|\.\.\.)/,
      (_, last, close, blanks, behind) => `${last}${blanks}${close} ${behind}`,
    ),
  'trace.show_prefix': (line) =>
    line
      .replace(/prot: ([A-Z|]+)/, (_, flags: string) => `prot: PROT_${flags.replaceAll('|', '|PROT_')}`)
      .replace(/ flags: ([A-Z|]+)/, (_, flags: string) => ` flags: MAP_${flags.replaceAll('|', '|MAP_')}`)
      .replace('VM|VFORK', 'CLONE_VM|CLONE_VFORK'),
  'trace.show_arg_names=no': (line) =>
    line
      .replace('mmap(len: 32768', 'mmap(NULL, len: 32768')
      .replaceAll(/([(, ])(?:addr|len|prot|flags|start|clone_flags|newsp): /g, '$1'),
  'trace.show_duration=no': (line) => line.replace(/\([\d. ms]*\): /, ''),
}

for (const [form, print] of Object.entries(FORMS)) {
  test(form, async () => {
    const lines = LINES.map(print)
    assert.notDeepEqual(lines, LINES)
    const whole = ({
      processes,
      threads,
      recordedFaults,
      faultCensus,
      images,
      warnings,
    }: ImportedTrace): unknown => ({
      contents: [processes, threads, recordedFaults, warnings, images],
      calls: Object.entries(faultCensus.calls).map(([call, { count, ns }]) => [
        call,
        count,
        form.includes('duration') ? 0 : ns,
      ]),
    })
    const expected = whole(
      await read(
        LINES.map((line) =>
          form.includes('duration') ? line.replace(/\([\d. ms]*\): /, '( 0.000 ms): ') : line,
        ).join('\n'),
      ),
    )
    assert.deepEqual(whole(await read(lines.join('\n'))), expected)
  })
}

test('without the names of programs', async () => {
  const trace = await read(LINES.map((line) => line.replace(/(\): )[^()]*\/(\d+ )/, '$1$2')).join('\n'))
  assert.deepEqual([trace.processes, trace.threads, trace.recordedFaults], [2, 3, 5])
})

test('a thread that calls execve was a process', async () => {
  const trace = await read(
    [...LINES, '     4.000 ( 0.200 ms): other/5 execve(filename: 0x1, argv: 0x2, envp: 0x3) = 0'].join('\n'),
  )
  assert.deepEqual([trace.processes, trace.threads], [3, 3])
})

test('calls alone are told of too, with lines that end as on Windows', async () => {
  const trace = await read(LINES.filter((line) => !line.includes('fault')).join('\r\n'))
  assert.deepEqual([trace.recordedFaults, trace.faultCensus.calls['munmap']?.count], [0, 1])
})

test('tracepoints tell what was waited for, and what faults were', async () => {
  const line = (ms: string, tid: number, event: string): string =>
    `     ${ms} (         ): demo/${tid} ${event}`
  const lock = (ms: string, tid: number, event: string, success = ''): string =>
    line(ms, tid, `mmap_lock:mmap_lock_${event}(mm: 0xffff8881855e7080, memcg_id: 3665, write: 1${success})`)
  const trace = await read(
    [
      line('0.000', 3, 'sched:sched_process_exec(filename: "/bin/demo", pid: 3 (demo), old_pid: 3 (demo))'),
      line('0.100', 3, 'task:task_newtask(pid: 4 (demo), comm: "demo", clone_flags: 4001536)'),
      '     0.090 ( 0.050 ms): demo/3 clone3(uargs: 0x7fff6de64ff0, size: 88)            = 4 (demo)',
      lock('0.200', 3, 'start_locking'),
      lock('0.201', 3, 'acquire_returned', ', success: 1'),
      lock('0.210', 4, 'start_locking'),
      lock('0.211', 4, 'acquire_returned', ', success: 0'),
      lock('0.400', 3, 'released'),
      lock('0.410', 4, 'acquire_returned', ', success: 1'),
      lock('0.420', 4, 'released'),
      line('0.500', 4, 'exceptions:page_fault_user(address: 0x7fcbf53e6110, ip: -2123025558, error_code: 6)'),
      line('0.600', 4, 'sched:sched_process_exit(comm: "demo", pid: 4 (demo), prio: 120, group_dead: 0)'),
    ].join('\n'),
  )
  assert.deepEqual([trace.processes, trace.threads, trace.recordedFaults], [1, 2, 1])
  assert.deepEqual(
    trace.locks.holders.map(({ comm, waits, waitedNs }) => [comm, waits, waitedNs]),
    [['demo', 1, 200_000]],
  )
  assert.doesNotMatch(trace.warnings.join(), /error codes|no mmap_lock events/)
})

test('without error codes nothing is replayed', async () => {
  await assert.rejects(read(LINES.join('\n'), true), /without error codes/)
})

/** One line of a call that ended at once. */
const called = (ms: string, tid: number, call: string, result: string): string =>
  `     ${ms} ( 0.001 ms): demo/${tid} ${call}   = ${result}`
const faulted = (ms: string, tid: number, where: string): string =>
  `     ${ms} ( 0.000 ms): demo/${tid} minfault [f+0x1] => ${where} (d.)`

test('names that objects have unasked, and numbers that cannot be, end no report', async () => {
  const odd = [
    called('4.000', 3, 'constructor(len: 1)', '0'),
    called('4.001', 3, 'mmap(addr: toString, len: -1, prot: constructor, fd: -1)', '-1 EINVAL'),
    called('4.002', 3, 'munmap(addr: 0x1000, len: 4096)', 'none'),
    called('4.003', 2 ** 30, 'brk()', '0'),
    called('4.004', 3, 'clone(clone_flags: valueOf)', `${2 ** 30} (x)`),
    called('4000000000000000.005', 3, 'brk()', '0'),
    faulted('4.006', 3, '0x12345678901234567'),
    ...['exceptions:page_fault_user(address: x, error_code: 6)', 'mmap_lock:mmap_lock_released(mm: x)'].map(
      (event) => `     4.007 (         ): demo/3 ${event}`,
    ),
    '     4.009 (         ): demo/3 exceptions:page_fault_user(address: 0x1000, error_code: -6)',
  ]
  const trace = await read([...LINES, ...odd].join('\n'))
  assert.deepEqual([trace.processes, trace.threads, trace.recordedFaults], [2, 3, 5])
  assert.equal(trace.lines, LINES.length + odd.length)
})

test('a process that maps many files, and pages far within them', async () => {
  const files = Array.from({ length: 2600 }, (_, file) => faulted('5.000', 3, `/data/${file}@0x1000`))
  const trace = await read([...LINES, ...files, faulted('6.000', 3, '/data/0@0xffffffffff')].join('\n'))
  assert.equal(trace.recordedFaults, 2606)
})

test('what is too long to be kept says so, with its line', async () => {
  const chunks = asPerfScript(
    'a.txt',
    Readable.from([Buffer.from(LINES.join('\n'))]),
    undefined,
    undefined,
    5,
  )
  await assert.rejects(chunks.next(), { code: 'limit', message: /a\.txt:7.*too long/ })
})

test('an error, and a fault, are told with their line, though what began before stands behind them', async () => {
  const numbers: number[] = []
  const chunks = asPerfScript(
    'a.txt',
    Readable.from([
      Buffer.from(
        [
          called(
            '1.000',
            3,
            'mmap(len: 8192, prot: READ|WRITE, flags: PRIVATE|ANONYMOUS, fd: -1)',
            '0x7f0000000000',
          ),
          faulted('2.100', 3, '0x7f0000000000'),
          '     2.000 ( 0.500 ms): demo/3 munmap(addr: 0x7f0000000000, len: 8192)   = 0',
        ].join('\n'),
      ),
    ]),
    undefined,
    (line) => numbers.push(line),
  )
  let text = ''
  for await (const chunk of chunks) text += Buffer.from(chunk).toString()
  assert.deepEqual(text.match(/sys_e\w+|page-faults/g), [
    'sys_enter_mmap',
    'sys_exit_mmap',
    'sys_enter_munmap',
    'page-faults',
    'sys_exit_munmap',
  ])
  assert.deepEqual(numbers, [1, 1, 3, 2, 3])
  const bad = called('9.000', 3, 'mmap(addr: 0x1fffffffffffff, len: 8192)', '0x7fffffffffffff')
  await assert.rejects(
    read([...LINES, bad, ...LINES].join('\n')),
    new RegExp(`line ${LINES.length + 1}|:${LINES.length + 1}: `),
  )
})

test('lost events count', async () => {
  const trace = await read(['LOST 2 events!', ...LINES, '\x1b[31mLOST 12 events!', '\x1b[m'].join('\n'))
  assert.equal(trace.lostEvents, 14)
})

test('what a program prints first, and pieces of any size, hide nothing', async () => {
  const printed = ['took 12 3.45: s', '', 'a', 'b']
  for (const size of [1, 4096]) {
    const trace = await read([...printed, ...LINES].join('\n'), false, size)
    assert.deepEqual([trace.recordedFaults, trace.lines], [5, LINES.length + 4])
  }
})

test('a program that exec starts has mapped no files, and numbers are used again', async () => {
  const mappedAgain = async (...lines: string[]): Promise<number> => {
    const trace = await read([faulted('0.001', 3, '/lib/a@0x1000'), ...lines].join('\n'))
    assert.doesNotMatch(trace.warnings.join(), /in no mapping|is in a mapping/)
    return trace.images.reduce((sum, { notPerformed }) => sum + notPerformed.outsideAnyMapping, 0)
  }
  const executed = called('1.000', 3, 'execve(filename: 0x1)', '0')
  assert.equal(await mappedAgain(executed, faulted('2.000', 3, '/lib/a@0x1000')), 0)
  const told =
    '     1.000 (         ): demo/3 sched:sched_process_exec(filename: "/x, pid: 7", pid: 3 (a, pid: 7), old_pid: 3)'
  assert.equal(await mappedAgain(told, faulted('2.000', 3, '/lib/a@0x1000')), 0)
  // Thread 4 of process 3, then a process of that number.
  const created = (ms: string, flags: number): string =>
    `     ${ms} (         ): demo/3 task:task_newtask(pid: 4 (a, pid: 7), comm: "x, pid: 7", clone_flags: ${flags})`
  const trace = await read(
    [
      created('0.000', 0x3d0f00),
      created('0.010', 0).replace('pid: 4', `pid: ${2 ** 30}`),
      faulted('0.100', 4, '0x1000'),
      created('1.000', 0x1200000),
      faulted('1.100', 4, '0x1000'),
    ].join('\n'),
  )
  assert.deepEqual([trace.processes, trace.threads], [2, 3])
})
