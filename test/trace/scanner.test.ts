import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { TraceError } from '../../src/trace/index.ts'
import type { MapRecord, TraceEvents } from '../../src/trace/trace-events.ts'
import { Scanner } from '../../src/trace/scanner.ts'

type Seen = [string, ...unknown[]]

/** Everything that the scanner tells of a text. */
function scan(text: string, chunkSize = Buffer.byteLength(text)): { seen: Seen[]; scanner: Scanner } {
  const seen: Seen[] = []
  const events: TraceEvents = {
    fault: (address, errorCode, kernel) => seen.push(['fault', address, errorCode, kernel]),
    enterCall: (call, values) => seen.push(['enter', call, ...values]),
    exitCall: (call, result) => seen.push(['exit', call, result]),
    otherCall: (name) => seen.push(['otherCall', name]),
    lock: (_mm, started, write, success) => seen.push(['lock', started, write, success]),
    unlock: () => seen.push(['unlock']),
    switchedOut: (preempted) => seen.push(['switchedOut', preempted]),
    switchedIn: (tid) => seen.push(['switchedIn', tid]),
    woke: (tid) => seen.push(['woke', tid]),
    newTask: (tid, flags) => seen.push(['newTask', tid, flags]),
    exec: (name) => seen.push(['exec', name]),
    exit: (groupDead, locks) => seen.push(['exitTask', groupDead, locks]),
    mapRecord: (record) => seen.push(['map', record]),
    lost: (count) => seen.push(['lost', count]),
    sample: (address, symbol) => seen.push(['sample', address, symbol]),
    comment: () => 0,
    frame: (line) => seen.push(['frame', line]),
  }
  const scanner = new Scanner('test.txt', events)
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += chunkSize) scanner.feed(bytes.subarray(at, at + chunkSize))
  scanner.end()
  return { seen, scanner }
}

const header = '            node  6620/6620  [001]   820.817595: '
const one = (event: string): Seen => {
  const { seen } = scan(`${header}${event}\n`)
  assert.equal(seen.length, 1)
  return seen[0]!
}

describe('page faults', () => {
  test('user and kernel', () => {
    assert.deepEqual(
      one('          exceptions:page_fault_user: address=0x7f994522ed40 ip=0x7f9945249a13 error_code=0x4'),
      ['fault', 0x7f994522ed40, 4, false],
    )
    assert.deepEqual(one('exceptions:page_fault_kernel: address=0x565c4c0 ip=elf_load error_code=0x2'), [
      'fault',
      0x565c4c0,
      2,
      true,
    ])
  })

  test('upper case, no 0x, other spacing', () => {
    assert.deepEqual(one('exceptions:page_fault_user:  address=0X7F994522ED40  ip=0x1  error_code=14'), [
      'fault',
      0x7f994522ed40,
      0x14,
      false,
    ])
  })

  test('an instruction pointer that is a symbol with an offset', () => {
    assert.deepEqual(
      one('exceptions:page_fault_kernel: address=0x1000 ip=_copy_to_user+0x12/0x60 error_code=0x2'),
      ['fault', 0x1000, 2, true],
    )
  })

  test('an address of the kernel, as a number or as a symbol', () => {
    assert.deepEqual(one('exceptions:page_fault_kernel: address=0xffffffff81000000 ip=f error_code=0x0'), [
      'fault',
      0xffffffff81000000,
      0,
      true,
    ])
    const [, address] = one('exceptions:page_fault_kernel: address=init_task ip=f error_code=0x0')
    assert.ok((address as number) >= 0xffff800000000000)
  })
})

describe('system calls', () => {
  test('enter', () => {
    assert.deepEqual(
      one(
        'syscalls:sys_enter_mmap: addr: 0x7f9945217000, len: 0x00001000, prot: 0x00000005, flags: 0x00000812, fd: 0x00000003, off: 0x00001000',
      ),
      ['enter', 0, 0x7f9945217000, 0x1000, 5, 0x812, 3, 0x1000],
    )
    const [, , address, length] = one('syscalls:sys_enter_munmap: addr: 0x7f994521b000, len: 0x00008f9f')
    assert.deepEqual([address, length], [0x7f994521b000, 0x8f9f])
    assert.deepEqual(one('syscalls:sys_enter_brk: brk: 0x00000000').slice(0, 3), ['enter', 3, 0])
    assert.deepEqual(
      one(
        'syscalls:sys_enter_madvise: start: 0x16e854740000, len_in: 0x0007f000, behavior: 0x0000000a',
      ).slice(1, 5),
      [4, 0x16e854740000, 0x7f000, 10],
    )
    assert.deepEqual(
      one(
        'syscalls:sys_enter_mremap: addr: 0x7f0000000000, old_len: 0x1000, new_len: 0x2000, flags: 0x1, new_addr: 0x0',
      ).slice(1, 7),
      [5, 0x7f0000000000, 0x1000, 0x2000, 1, 0],
    )
  })

  test('exit: an address, success, errors in three spellings', () => {
    assert.deepEqual(one('syscalls:sys_exit_mmap: 0x7f9945217000'), ['exit', 0, 0x7f9945217000])
    assert.deepEqual(one('syscalls:sys_exit_mprotect: 0x0'), ['exit', 2, 0])
    assert.deepEqual(one('syscalls:sys_exit_mmap: 0xfffffffffffffff4'), ['exit', 0, -12])
    assert.deepEqual(one('syscalls:sys_exit_mmap: -12'), ['exit', 0, -12])
    assert.deepEqual(one('syscalls:sys_exit_munmap: ret=0x0'), ['exit', 1, 0])
  })
})

describe('the mmap lock', () => {
  test('start, success, failure, release', () => {
    assert.deepEqual(
      one('mmap_lock:mmap_lock_start_locking: mm=0xffff888100073840 memcg_id=4754 write=true'),
      ['lock', true, true, true],
    )
    assert.deepEqual(
      one('mmap_lock:mmap_lock_start_locking: mm=0xffff888100073840 memcg_path=/a b write=false'),
      ['lock', true, false, true],
    )
    assert.deepEqual(
      one('mmap_lock:mmap_lock_acquire_returned: mm=0x1 memcg_id=4754 write=true success=true'),
      ['lock', false, true, true],
    )
    assert.deepEqual(
      one('mmap_lock:mmap_lock_acquire_returned: mm=0x1 memcg_id=4754 write=false success=false'),
      ['lock', false, false, false],
    )
    assert.deepEqual(one('mmap_lock:mmap_lock_released: mm=0xffff888100073840 memcg_id=4754 write=true'), [
      'unlock',
    ])
  })
})

describe('tasks', () => {
  test('creation: flags are hexadecimal without 0x, the name may hold anything', () => {
    assert.deepEqual(one('task:task_newtask: pid=6622 comm=node clone_flags=3d0f00 oom_score_adj=0'), [
      'newTask',
      6622,
      0x3d0f00,
    ])
    assert.deepEqual(one('task:task_newtask: pid=7 comm=a clone_flags=1 clone_flags=4100 oom_score_adj=0'), [
      'newTask',
      7,
      0x4100,
    ])
  })
  test('exec and exit', () => {
    assert.deepEqual(one('sched:sched_process_exec: filename=/opt/my program pid=6620 old_pid=6620'), [
      'exec',
      '/opt/my program',
    ])
    assert.deepEqual(one('sched:sched_process_exit: comm=node pid=6620 prio=120 group_dead=true'), [
      'exitTask',
      true,
      1,
    ])
    assert.deepEqual(one('sched:sched_process_exit: comm=node pid=6620 prio=120 group_dead=false'), [
      'exitTask',
      false,
      0,
    ])
    // Before Linux 6.16 there was no group_dead, and each thread took the mmap lock to end, the last one twice.
    assert.deepEqual(one('sched:sched_process_exit: comm=node pid=6620 prio=120'), ['exitTask', true, 2])
  })
})

describe('mappings', () => {
  const record = (event: string): MapRecord => one(event)[1] as MapRecord

  test('a file', () => {
    assert.deepEqual(
      record(
        'PERF_RECORD_MMAP2 6620/6621: [0x7f9945217000(0x1000) @ 0x1000 fe:00 339442 12]: r-xp my lib.so',
      ),
      {
        pid: 6620,
        tid: 6621,
        start: 0x7f9945217000,
        length: 0x1000,
        offset: 0x1000,
        protection: 5,
        shared: false,
        name: 'my lib.so',
        file: 'fe:00 339442 12 my lib.so',
      },
    )
  })
  test('anonymous memory and the stack have no file, whatever stands behind @; the vdso is one', () => {
    const anonymous = record('PERF_RECORD_MMAP2 1/1: [0x565d000(0x2c000) @ 0x565d000 00:00 0 0]: rw-p anon')
    assert.deepEqual([anonymous.file, anonymous.offset, anonymous.protection], ['', 0, 3])
    assert.equal(
      record('PERF_RECORD_MMAP2 1/1: [0x7ffcb124f000(0x21000) @ 0x7ffffffde000 00:00 0 0]: rw-p [stack]')
        .file,
      '',
    )
    assert.equal(
      record('PERF_RECORD_MMAP2 1/1: [0x1000(0x1000) @ 0 <0123456789abcdef>]: r-xp [vdso]').file,
      '<0123456789abcdef> [vdso]',
    )
  })
  test('shared, no access, a build id in the place of the inode', () => {
    const shared = record('PERF_RECORD_MMAP2 1/1: [0x1000(0x1000) @ 0 fe:00 7 0]: r--s cache')
    assert.deepEqual([shared.shared, shared.protection], [true, 1])
    assert.equal(
      record('PERF_RECORD_MMAP2 1/1: [0x1000(0x1000) @ 0x1000 00:00 0 0]: ---p anon').protection,
      0,
    )
    const withBuildId = record(
      'PERF_RECORD_MMAP2 1/1: [0x1000(0x1000) @ 0x3000 <0123456789abcdef>]: r-xp lib.so',
    )
    assert.deepEqual([withBuildId.file, withBuildId.offset], ['<0123456789abcdef> lib.so', 0x3000])
  })
  test('the older record, and the kernel, which is skipped', () => {
    assert.deepEqual(record('PERF_RECORD_MMAP 5/5: [0x1000(0x1000) @ 0x2000]: x lib.so').protection, 5)
    assert.deepEqual(
      scan(
        `${header}PERF_RECORD_MMAP -1/0: [0xffffffff81000000(0x1209988) @ 0xffffffff81000000]: x [kernel.kallsyms]_text\n`,
      ).seen,
      [],
    )
  })
  test('lost records', () => {
    assert.deepEqual(one('PERF_RECORD_LOST lost 12'), ['lost', 12])
    assert.deepEqual(one('PERF_RECORD_LOST_SAMPLES lost 3'), ['lost', 3])
  })
})

describe('lines', () => {
  const event = 'exceptions:page_fault_user: address=0x1000 ip=0x1 error_code=0x4'

  for (const comm of [
    'node',
    'a b',
    '1/2',
    'kworker/0:1-ev',
    'x 3/4 [000] 5.0:',
    'Web Content',
    '[000]',
    'ä',
  ]) {
    test(`a command named ${comm}`, () => {
      const { seen, scanner } = scan(
        `${' '.repeat(16 - Buffer.byteLength(comm))}${comm}  6620/6628  [001]   820.817595: ${event}\n`,
      )
      assert.equal(seen.length, 1)
      assert.deepEqual(
        [scanner.pid, scanner.tid, scanner.seconds, scanner.nanoseconds],
        [6620, 6628, 820, 817595000],
      )
      assert.equal(scanner.comm(), comm)
    })
  }

  test('without the usual padding, without cpu, with nanoseconds, with a period, with CRLF', () => {
    for (const line of [
      `node 6620/6628 [001] 820.817595: ${event}`,
      `node 6620/6628 820.817595: ${event}`,
      `node 6620/6628 [001] 820.817595000: ${event}`,
      `            node  6620/6628  [001]   820.817595:          1 ${event}`,
      `            node  6620/6628  [001]   820.817595:          ${event}\r`,
    ]) {
      const { seen, scanner } = scan(`${line}\n`)
      assert.deepEqual(seen, [['fault', 0x1000, 4, false]], line)
      assert.deepEqual(
        [scanner.pid, scanner.tid, scanner.seconds, scanner.nanoseconds],
        [6620, 6628, 820, 817595000],
        line,
      )
    }
    assert.equal(scan(`node 1/1 [001] 820.817595000: ${event}\n`).scanner.timeDigits, 9)
    assert.equal(scan(`node 1/1 [001] 820.817595: ${event}\n`).scanner.timeDigits, 6)
  })

  test('a name that looks like the beginning of a line is none, padded or not', () => {
    for (const name of ['1/1 [000] 1.0:', '1/1 1.0:', '9/9 99999.0: x', '1/1 [000] 1.0: ', 'a 2/2 3.1:']) {
      for (const before of [name.padStart(16), name]) {
        const { seen, scanner } = scan(`${before} 6620/6621 [001]   820.817595: ${event}\n`)
        assert.deepEqual(seen, [['fault', 0x1000, 4, false]], before)
        assert.deepEqual([scanner.pid, scanner.tid, scanner.seconds], [6620, 6621, 820], before)
      }
    }
  })

  test('comments, empty lines and call chains are passed over', () => {
    const { seen, scanner } = scan(
      `# captured on: today\n\n${header}${event}\n\t    7f9945248b70 _start+0x0 (/usr/lib/ld.so)\n\n${header}${event}\n`,
    )
    assert.equal(seen.length, 2)
    assert.equal(scanner.line, 6)
  })

  test('call chains without a tab, with unknown addresses and inlined functions', () => {
    const chain = `\t               0 [unknown] ([unknown])\n            7f99 f (inlined)\n\tg (/lib/x.so)\n\n`
    assert.equal(scan(`${header}${event}\n${chain}${header}${event}\n${chain}`).seen.length, 2)
  })

  test('what perf prints behind the fields: addresses, symbols', () => {
    const behind = 'ffffffff8105 down_read+0x10 ([kernel.kallsyms])'
    const lock = 'mmap_lock:mmap_lock_acquire_returned: mm=0xff memcg_id=1 write=false success=true'
    assert.deepEqual(one(`${lock} ${behind}`), ['lock', false, false, true])
    assert.deepEqual(one(`syscalls:sys_exit_munmap: 0x0 ${behind}`), ['exit', 1, 0])
    assert.deepEqual(one(`exceptions:page_fault_user: address=0x1000 ip=0x1 error_code=0x6 ${behind}`), [
      'fault',
      0x1000,
      6,
      false,
    ])
  })

  test('other system calls, by name', () => {
    const { seen, scanner } = scan(
      `${header}syscalls:sys_enter_read: fd: 0x3, buf: 0x1, count: 0x1\n${header}syscalls:sys_exit_read: 0x1\n`,
    )
    assert.deepEqual(seen, [
      ['otherCall', 'read'],
      ['otherCall', null],
    ])
    assert.deepEqual(scanner.counts(false), { 'syscalls:sys_enter_read': 1, 'syscalls:sys_exit_read': 1 })
  })

  test('switches of threads, in both forms', () => {
    const { seen } = scan(
      `${header}PERF_RECORD_SWITCH OUT preempt\n${header}PERF_RECORD_SWITCH IN         \n` +
        `${header}PERF_RECORD_SWITCH_CPU_WIDE OUT          next pid/tid:    18/18   \n` +
        `${header}sched:sched_switch: prev_comm=a b prev_pid=7 prev_prio=120 prev_state=R+ ==> next_comm=c d next_pid=42 next_prio=120\n` +
        `${header}sched:sched_switch: prev_comm=a prev_pid=7 prev_prio=120 prev_state=S ==> next_comm=swapper/0 next_pid=0 next_prio=120\n`,
    )
    assert.deepEqual(seen.slice(1), [
      ['switchedIn', 6620],
      ['switchedOut', false],
      ['switchedOut', true],
      ['switchedIn', 42],
      ['switchedOut', false],
      ['switchedIn', 0],
    ])
    assert.deepEqual(seen[0], ['switchedOut', true])
    assert.deepEqual(one('sched:sched_waking: comm=a pid=3 b pid=42 prio=120 target_cpu=001'), ['woke', 42])
    assert.throws(
      () => scan(`${header}sched:sched_switch: prev_comm=a next_pid=1\n`),
      /sched_switch cannot be read/,
    )
  })

  test('unknown events are counted by name', () => {
    const { scanner } = scan(
      `${header}sched:sched_migrate_task: prev=a\n${header}cycles: \n${header}sched:sched_migrate_task: prev=b\n${header}${event}\n`,
    )
    assert.deepEqual(scanner.counts(false), { cycles: 1, 'sched:sched_migrate_task': 2 })
    assert.equal(scanner.counts(true)['exceptions:page_fault_user'], 1)
    assert.equal(scanner.eventCount, 4)
  })

  test('records whose fields follow the name at once are one kind', () => {
    const { scanner } = scan(`${header}PERF_RECORD_OTHER(1:1):(2:2)\n${header}PERF_RECORD_OTHER(1:1):(3:3)\n`)
    assert.deepEqual(scanner.counts(false), { PERF_RECORD_OTHER: 2 })
  })

  test('chunks may end anywhere', () => {
    const text = `${header}${event}\n${header}syscalls:sys_exit_mprotect: 0x0\n${header}mmap_lock:mmap_lock_released: mm=0x1 write=true\n`
    const whole = scan(text).seen
    for (let size = 1; size < 90; size++)
      assert.deepEqual(scan(text, size).seen, whole, `chunks of ${size} bytes`)
  })

  test('a text may end within a line, which is told; lines before its end may not', () => {
    const line = `${header}${event}`
    for (const end of [40, 20]) {
      const { seen, scanner } = scan(`${line}\n${line.slice(0, end)}`)
      assert.deepEqual([seen.length, scanner.isCut], [1, true], `cut at ${end}`)
    }
    assert.throws(() => scan(`${line}\n${line.slice(0, 40)}\n`), /not a line of perf script/)
    assert.throws(() => scan(line.slice(0, 40)))
  })

  test('where it was, as -F misc tells it, is passed over', () => {
    assert.equal(scan(`${header.replace(']', '] UM ')}${event}\n`).seen.length, 1)
  })

  test('the name of a thread may have a line break', () => {
    const line = `${header}${event}`
    const { seen } = scan(`${line}\n        q\nb 1/2 x${line.slice(16)}\n`)
    assert.equal(seen.length, 2)
    const ends = `${header}sched:sched_process_exit: comm=q\nb 1/2 x pid=6620 prio=120 group_dead=true\n`
    assert.deepEqual(scan(ends).seen[0]![0], 'exitTask')
    assert.throws(() => scan(`${line}\n        q\n`), /not a line of perf script: " +q"/)
    assert.throws(() => scan(`${line}\n        q\n        z\n${line}\n`), /not a line of perf script: " +q"/)
  })

  test('the last line may lack its end', () => {
    assert.equal(scan(`${header}${event}`).seen.length, 1)
  })
})

describe('lines without the process, as perf script prints them unasked', () => {
  test('prose before them is none, though it has numbers', () => {
    const { scanner } = scan('took 12 3.45: s\nnode  7  1.000001: page-faults: 1000 0\n')
    assert.deepEqual([scanner.eventCount, scanner.tid], [1, 7])
  })

  const line = (tid: number, event: string): string =>
    `            node  ${tid}  [001]   820.817595: ${event}\n`
  const fault = 'exceptions:page_fault_user: address=0x1000 ip=0x1 error_code=0x4'
  const processOf = (text: string): readonly [pid: number, threadsAlone: number] => {
    const { scanner } = scan(text)
    return [scanner.pid, scanner.threadsAlone]
  }

  test('the process is that of who created the thread, or what a record tells', () => {
    const task = (flags: string): string =>
      line(7, `task:task_newtask: pid=8 comm=node clone_flags=${flags} oom_score_adj=0`)
    assert.deepEqual(processOf(`${task('3d0f00')}${line(8, fault)}`), [7, 1])
    assert.deepEqual(processOf(`${task('1200000')}${line(8, fault)}`), [8, 1])
    const record = line(8, 'PERF_RECORD_MMAP2 7/8: [0x1000(0x1000) @ 0 fe:00 5 0]: r--p /lib')
    assert.deepEqual(processOf(`${record}${line(8, fault)}`), [7, 0])
  })

  test('else it is taken for a process of its own, and counted', () => {
    assert.deepEqual(processOf(`${line(7, fault)}${line(8, fault)}`), [8, 2])
  })

  test('names with spaces and numbers, and no names', () => {
    const odd = `     my 12 thread  8  [001]   820.817595: ${fault}\n   8   820.817596: ${fault}\n`
    assert.deepEqual(scan(odd).seen.length, 2)
    assert.equal(scan(odd).scanner.tid, 8)
  })
})

describe('ftrace and trace-cmd', () => {
  const created = 'task_newtask: pid=12 comm=node clone_flags=3d0f00 oom_score_adj=0'
  const expected: Seen[] = [
    ['newTask', 12, 0x3d0f00],
    ['enter', 0, 0, 0x2000, 3, 0x22, 0xffffffff, 0],
    ['lock', true, true, true],
    ['exit', 0, 0x7f0000000000],
    ['fault', 0x7f0000000000, 6, false],
  ]
  const lock = 'mmap_lock_start_locking: mm=00000000d8b3c1a0 memcg_path=/user slice write=true'
  const fault = 'page_fault_user: address=0x7f0000000000 ip=0x1 error_code=0x6'

  test("ftrace's own text, with threads of the process that created them", () => {
    const text = [
      '# tracer: nop',
      '#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION',
      `            node-11      [001] d..2.   820.000001: ${created}`,
      '            node-12      [000] .....   820.000002: sys_mmap(addr: 0, len: 2000, prot: 3, flags: 22, fd: ffffffff, off: 0)',
      `            node-12      [000] .....   820.000003: ${lock}`,
      '            node-12      [000] .....   820.000004: sys_mmap -> 0x7f0000000000',
      `            node-12      [000] d....   820.000005: ${fault}`,
      'CPU:1 [LOST 17 EVENTS]',
      '            node-12      [000] .....   820.000006: sys_read -> 0x1',
    ]
    const { seen, scanner } = scan(`${text.join('\n')}\n`)
    assert.deepEqual(seen, [...expected, ['lost', 17], ['otherCall', null]])
    assert.deepEqual([scanner.pid, scanner.tid, scanner.comm(), scanner.cpus], [11, 12, 'node', 2])
  })

  test('trace-cmd report, and the process where it is printed', () => {
    const text = [
      'cpus=2',
      `            node-11    [001]   820.000001: ${created.replace(': ', ':         ')}`,
      '            no-de-12    [000]   820.000002: sys_enter_mmap:  addr: 0x00000000, len: 0x00002000, prot: 0x00000003, flags: 0x00000022, fd: 0xffffffff, off: 0x00000000',
      `            no-de-12    [000]   820.000003: ${lock}`,
      '            no-de-12    [000]   820.000004: sys_exit_mmap:   0x7f0000000000',
      `            no-de-12    (     9) [000]   820.000005: ${fault}`,
    ]
    const { seen, scanner } = scan(`${text.join('\n')}\n`)
    assert.deepEqual(seen, expected)
    assert.deepEqual([scanner.pid, scanner.tid, scanner.comm()], [9, 12, 'no-de'])
  })
})

describe('errors name file and line', () => {
  const good = `${header}exceptions:page_fault_user: address=0x1000 ip=0x1 error_code=0x4\n`
  const fails = (text: string, code: string, line: number | undefined, pattern: RegExp): void => {
    assert.throws(
      () => scan(text),
      (error) => {
        assert.ok(error instanceof TraceError)
        assert.equal(error.code, code)
        assert.equal(error.line, line)
        assert.equal(error.file, 'test.txt')
        assert.match(error.message, pattern)
        assert.ok(error.remedy.length > 10)
        return true
      },
    )
  }

  test('malformed fields of every known event', () => {
    for (const event of [
      'exceptions:page_fault_user: addr=0x1 ip=0x1 error_code=0x4',
      'exceptions:page_fault_user: address=0x ip=0x1 error_code=0x4',
      'exceptions:page_fault_user: address=0x12zz ip=0x1 error_code=0x4',
      'exceptions:page_fault_user: address=0x1 ip=0x1 error_code=',
      'exceptions:page_fault_user: address=0x1 ip=0x1',
      'exceptions:page_fault_user: address= ip=0x1 error_code=0x4',
      'syscalls:sys_enter_mmap: addr: 0x0, len: 0x1000',
      'syscalls:sys_enter_munmap: addr: xyz, len: 0x1000',
      'syscalls:sys_exit_mmap:',
      'syscalls:sys_exit_mmap: foo',
      'mmap_lock:mmap_lock_start_locking: mm=0x1 write=maybe',
      'mmap_lock:mmap_lock_acquire_returned: mm=0x1 write=true',
      'task:task_newtask: pid=x comm=a clone_flags=1',
      'task:task_newtask: pid=1 comm=a',
      'sched:sched_process_exec: pid=1',
      'PERF_RECORD_MMAP2 1/1: [0x1000(0x1000) @ 0 fe:00 7]: r--p x',
      'PERF_RECORD_MMAP2 1/1: 0x1000(0x1000)',
      'PERF_RECORD_LOST',
    ]) {
      fails(`${good}${header}${event}\n`, 'malformed', 2, /cannot be read|has no fields/)
    }
  })
  test('numbers out of range', () => {
    fails(
      `${good}${header}exceptions:page_fault_user: address=0x11112222333344445 ip=0x1 error_code=0x4\n`,
      'out-of-range',
      2,
      /64 bits/,
    )
    fails(
      `${good}${header}exceptions:page_fault_user: address=0x1 ip=0x1 error_code=0x10000\n`,
      'out-of-range',
      2,
      /error code 0x10000/,
    )
    fails(
      `${good}${header}task:task_newtask: pid=9999999999 comm=a clone_flags=1 oom\n`,
      'out-of-range',
      2,
      /thread number/,
    )
  })
  test('time going backwards; equal times are fine', () => {
    fails(
      `${good}${good.replace('820.817595', '820.817594')}`,
      'time',
      2,
      /backwards, from 820\.817595000 to 820\.817594000/,
    )
    assert.equal(scan(`${good}${good}`).seen.length, 2)
  })
  test('a line in the middle that is none', () => {
    fails(
      `${good}Segmentation fault\n${good}`,
      'malformed',
      2,
      /not a line of perf script: "Segmentation fault"/,
    )
  })
  test('lines without the time', () => {
    fails(`node  6620/6620  [001] ${good.slice(header.length)}`, 'missing-events', 1, /have no time/)
  })
  test('a line without an end', () => {
    fails(`${good}${'x'.repeat(70_000)}`, 'not-a-trace', 2, /more than 65536 bytes/)
  })
})
