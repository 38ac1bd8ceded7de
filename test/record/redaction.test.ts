// Recordings without names: nothing of them is left, and they are analysed and replayed as before.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { MovedAddresses } from '../../src/record/moved-addresses.ts'
import { Redaction } from '../../src/record/redaction.ts'
import { Redactor } from '../../src/report/index.ts'
import { DetailCollector } from '../../src/trace/index.ts'
import { fixture, importText } from '../trace/trace-text.ts'

function redacted(input: string | Buffer, pieceBytes = 64 * 1024): Promise<string> {
  const bytes = Buffer.from(input)
  const pieces: Buffer[] = []
  for (let at = 0; at < bytes.length; at += pieceBytes) pieces.push(bytes.subarray(at, at + pieceBytes))
  return text(Readable.from(pieces).pipe(new Redaction(new Redactor())))
}

test('names, paths, kernel pointers and unknown fields are gone; the same name has the same number', async () => {
  const lines = [
    '# hostname : secret-host',
    '  secret 9/9 [00] 3/4  7/8     [001]     1.000001: task:task_newtask: pid=9 comm=secret clone_flags=3d0f00 oom_score_adj=0',
    '     secret-comm     7/8     [001]     1.000002: sched:sched_process_exec: filename=/home/secret/bin pid=7 old_pid=7',
    '     secret-comm     7/8     [001]     1.000003: PERF_RECORD_MMAP2 7/8: [0x7f0000000000(0x2000) @ 0 fe:00 260104 0]: r-xp /home/secret/lib.so',
    '     secret-comm     7/8     [001]     1.000004: PERF_RECORD_MMAP2 7/8: [0x7ffc00000000(0x21000) @ 0 00:00 0 0]: rw-p [stack]',
    '     secret-comm     7/8     [001]     1.000005: mmap_lock:mmap_lock_start_locking: mm=0xffff888100dead40 memcg_path=/user/secret write=true',
    '     secret-comm     7/8     [001]     1.000006: mmap_lock:mmap_lock_acquire_returned: mm=0xffff888100dead40 memcg_id=4 write=true success=true',
    '\tffffffff81101234 down_write+0x12 ([kernel.kallsyms])',
    '\t    55aa401000 secret_function+0x2 (/home/secret/bin)',
    '',
    '     secret-comm     7/8     [001]     1.000007: syscalls:sys_enter_openat: dfd: 0, filename: "secret"',
    '     secret-comm     7/8     [001]     1.000008: exceptions:page_fault_user: address=0x7f0000001000 ip=secret_function error_code=0x6',
    '     secret-comm     7/8     [001]     1.000009: exceptions:page_fault_kernel: address=0x7f0000001000 ip=_copy_to_iter error_code=0x2',
    '     secret-comm     7/8     [001]     1.000010: sched:sched_process_exit: comm=secret-comm pid=8 prio=120 group_dead=true',
    '     secret-comm     7/8     [001]     1.000011: sched:sched_switch: prev_comm=secret-comm prev_pid=8 prev_prio=120 prev_state=R+ ==> next_comm=my secret next_pid=9 next_prio=120',
    '     secret-comm     7/8     [001]     1.000011: sched:sched_waking: comm=secret pid=9 prio=120 target_cpu=001',
    '     secret-comm     7/8     [001]     1.000012: PERF_RECORD_SWITCH OUT preempt',
    '     secret-comm     7/8     [001]     1.000012: PERF_RECORD_FORK(7:9):(7:8)',
    '     secret-comm     7/8     [001]     1.000013: PERF_RECORD_SWITCH_CPU_WIDE IN           prev pid/tid:     9/9    secret',
    '     secret-comm     7/8     [001]     1.000014: cpu-clock/period=1000000/uI:      7f0000001234 secret_function',
    '     secret-comm     7/8     [001]     1.000015: cpu-clock/period=1000000/uI:      7f0000001238 __munmap',
    '     secret-comm     7/8     [001]     1.000016: exceptions:page_fault_user: address=0x7f0000001000 ip=0x7f0000001234 error_code=0x6',
    '     secret-comm     7/8     [001]     1.000017: cpu-clock/period=1000000,call-graph=fp/kI: ',
    '\tffffffff81101238 asm_exc_page_fault',
    '',
    '     secret-comm     7/8     [001]     1.000018: PERF_RECORD_MMAP2 7/8: [0x7f0000100000(0x2000) @ 0 fe:00 260105 0]: r-xp /home/secret/libc-2.31.so',
    '     secret-comm     7/8     [001]     1.000019: cpu-clock/period=1000000/uI:      7f0000001240 runtime.scanobject',
    'secret junk',
  ]
  for (const size of [7, 1 << 16]) {
    const out = await redacted(lines.join('\n'), size)
    assert.doesNotMatch(out, /secret|dead40|home/)
    const events = out.split('\n').filter((line) => /\d+\/\d+/.test(line))
    assert.equal(events.length, lines.filter((line) => /: \w/.test(line) && !line.startsWith('#')).length)
    const comms = new Set(events.slice(1).map((line) => line.slice(0, 16).trim()))
    assert.equal(comms.size, 1)
    assert.match(out, /PERF_RECORD_FORK\(7:9\):\(7:8\)\n/)
    assert.match(out, new RegExp(`comm=${[...comms][0]} pid=8 prio`))
    // What was in the mapping of the library is in it still, and neither is where it was.
    const start = Number(/\[(0x7e\w+)\(0x2000\)/.exec(out)![1])
    assert.ok(start > 0x7e0000000000 && start < 0x7f0000000000 && start % 2 ** 21 === 0)
    const faults = [...out.matchAll(/ address=(0x\w+)/g)].map(([, address]) => Number(address))
    assert.deepEqual(faults, [start + 0x1000, start + 0x1000, start + 0x1000])
    // The instruction that faulted is that of the sample, and nobody knows where it was.
    const [, sampled] = /cpu-clock: (\w+) \S/.exec(out)!
    assert.ok(out.includes(` ip=0x${sampled} `) && !out.includes('7f0000001234'))
    for (const kept of [
      'rw-p [stack]',
      'ip=_copy_to_iter',
      'down_write',
      '__munmap',
      '/libc.so\n',
      'runtime.scanobject',
      'asm_exc_page_fault',
      'syscalls:sys_enter_openat:',
      ' prev_pid=8 prev_prio=120 prev_state=R+ ==> next_comm=',
      ' pid=9 prio=120 target_cpu=001\n',
      ' PERF_RECORD_SWITCH OUT preempt\n',
      ' PERF_RECORD_SWITCH_CPU_WIDE IN\n',
    ])
      assert.ok(out.includes(kept), kept)
  }
})

test('a thread of a collector keeps the name that its runtime gives it', async () => {
  const of = (comm: string): string =>
    `${comm.padStart(16)}     7/8     [001]     1.000012: PERF_RECORD_SWITCH OUT`
  assert.match(await redacted(of('GC Thread#12')), /^ +GC Thread#12 /)
  assert.doesNotMatch(await redacted(of('G1 secret')), /G1/)
})

test('addresses that chance has placed move, by one distance in each area; others stay', () => {
  const moved = new MovedAddresses((limit) => limit - 1)
  const furthest = 2 ** 40
  for (const [before, area] of [
    [0x5555_5555_4000, true],
    [0x7fff_ffff_f000, true],
    [0xaaaa_aaaa_a000, true],
    [0xffff_ffff_f000, true],
    [0x40_0000, false],
    [0xc0_0000_0000, false],
    [0x1_0000_0000_0000, false],
  ] as const) {
    const fields = (address: number): string => `start: 0x${address.toString(16)}, len: 0x00001000`
    assert.equal(moved.moved(fields(before)), fields(area ? before - furthest : before))
  }
  const error = '0xfffffffffffffff4'
  assert.equal(moved.moved(error), error)
  assert.notEqual(new MovedAddresses(() => 0).moved('7f0000000000'), '7f0000000000')
})

test('a recording without names tells the same as with them', async () => {
  const plain = gunzipSync(readFileSync(fixture('redis-bgsave')))
  const [before, after] = await Promise.all(
    [plain, await redacted(plain)].map(async (input) => {
      const detail = new DetailCollector()
      const trace = await importText(input, { observers: [detail] })
      trace.close()
      return { trace, detail: detail.result() }
    }),
  )
  for (const key of [
    'lines',
    'events',
    'threads',
    'processes',
    'faults',
    'durationMs',
    'linux',
    'faultCensus',
    'hotThreads',
    'knownEvents',
    'warnings',
    'seats',
  ] as const)
    assert.deepEqual(after!.trace[key], before!.trace[key], key)
  assert.deepEqual(after!.trace.locks.keptNs, before!.trace.locks.keptNs)
  assert.equal(after!.trace.files.length, before!.trace.files.length)
  assert.deepEqual(after!.detail.faultKinds, before!.detail.faultKinds)
  assert.doesNotMatch(
    JSON.stringify([after!.trace.locks, after!.trace.files, after!.detail]),
    /redis|bash|ld-linux|libc\.so\.6|x86_64/,
  )
})
