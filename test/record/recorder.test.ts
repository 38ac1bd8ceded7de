// Recording with a perf that does what is asked of it: what is written, what is told, and that nothing half is left.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { findMeans, Recorder, RecordError, type RecordRequest, type Target } from '../../src/record/index.ts'
import { Redactor } from '../../src/report/index.ts'
import { importTrace } from '../../src/trace/index.ts'
import { type FakeHost, fakeHost, LINE, recording } from './fake-host.ts'

const TRUE: Target = { kind: 'command', command: ['true'] }

function recorderOn(
  host: FakeHost,
  request: Partial<RecordRequest> = {},
): { recorder: Recorder; notices: string[] } {
  const notices: string[] = []
  const recorder = new Recorder(host, findMeans(host), {
    target: TRUE,
    output: join(host.work, 'out.perf.txt.zst'),
    hasStacks: false,
    retries: 2,
    overheadOn: ['true'],
    commandOutput: 2,
    onNotice: (text) => notices.push(text),
    ...request,
  })
  return { recorder, notices }
}

/** How perf was called to record, without the probe. */
function recordings(host: FakeHost): string[] {
  const calls = readFileSync(join(host.root, 'calls'), 'utf8').trim().split('\n')
  return calls.filter((call) => call.startsWith('record -q'))
}

describe('a recording', () => {
  test('tells what it took itself: by what a known program took without it and with it', async () => {
    // Each fault has one more event; of other processes nothing counts, though they have more faults.
    const fault = (at: number): string => LINE.replace('1.000001', `1.${String(at).padStart(6, '0')}`)
    const lines = Array.from({ length: 1000 }, (_, at) => [
      fault(at),
      fault(at).replace(/exceptions.*/, 'mmap_lock:mmap_lock_released: mm=0x1 memcg_id=1 write=false'),
      fault(at)
        .replace(' 7/7', ' 8/8')
        .replace(/exceptions.*/, 'sched:sched_waking: comm=a pid=9'),
      ...[1, 2].map(() => fault(at).replace(' 7/7', ' 9/9')),
    ]).flat()
    const created = 'a 7/7 [000] 1.1: task:task_newtask: pid=8 comm=a clone_flags=3d0f00 oom_score_adj=0'
    const host = fakeHost({
      files: { 'events.txt': `${lines.join('\n')}\n` },
      perf: {
        record: `case "$all" in
          *known*) cp "\${0%/bin/perf}/events.txt" "$file"; RECORDED=1 "$@";;
          *) printf '%s\\n' '${LINE}' '${created}' > "$file"; "$@";;
        esac`,
      },
    })
    const known = join(host.root, 'bin/known')
    writeFileSync(
      known,
      `#!/bin/sh\nif [ "$RECORDED" ]; then echo '{"pid":7,"faultNs":3000,"taskNs":900000}'; else echo '{"pid":6,"faultNs":1000,"taskNs":500000}'; fi\n`,
      { mode: 0o755 },
    )
    const { overhead, output } = await recorderOn(host, { overheadOn: [known] }).recorder.record()
    // Two events, of which each takes a microsecond, and a thread.
    assert.deepEqual(overhead, { eventNs: 1000, taskNs: 400_000, ms: 0.4 })
    const trace = await importTrace(output, { isReplayed: false })
    trace.close()
    assert.equal(trace.recordingMs, 0.402)
    const printed = readFileSync(join(host.root, 'calls'), 'utf8').match(/^script .*overhead.*/m)
    assert.match(printed![0], / --pid 7$/)
    assert.equal((await recorderOn(host).recorder.record()).overhead, null)
    // Who has taken the recording away meanwhile finds no other in its place.
    const taken = join(host.work, 'taken.perf.txt')
    writeFileSync(known, readFileSync(known, 'utf8').replace('\n', `\nrm -f '${taken}'\n`))
    const late = await recorderOn(host, { output: taken, overheadOn: [known] }).recorder.record()
    assert.deepEqual([late.overhead?.eventNs, existsSync(taken)], [1000, false])
  })

  for (const [name, decompress] of [
    ['out.zst', zstdDecompressSync],
    ['out.gz', gunzipSync],
    ['out.txt', (bytes: Buffer) => bytes],
  ] as const) {
    test(`is written whole, over what was there: ${name}`, async () => {
      const host = fakeHost()
      const output = join(host.work, name)
      writeFileSync(output, 'old')
      const recorded = await recorderOn(host, { output }).recorder.record()
      assert.equal(decompress(readFileSync(output)).toString(), `${LINE}\n`)
      assert.deepEqual(readdirSync(host.work), [name])
      const { events, lost, runs, command } = recorded
      assert.deepEqual({ events, lost, runs }, { events: 1, lost: 0, runs: 1 })
      assert.deepEqual(command, { code: 0, signal: null })
    })
  }

  test('is written without names where that is asked for', async () => {
    const host = fakeHost()
    const output = join(host.work, 'out.txt')
    const recorded = await recorderOn(host, { output, renamer: new Redactor() }).recorder.record()
    const line =
      'program-1 7/7 [000] 1.000001: exceptions:page_fault_user: address=0x1000 ip=0x1000 error_code=0x6'
    assert.equal(readFileSync(output, 'utf8').trim(), line)
    assert.equal(recorded.events, 1)
  })

  test('of processes ends with sleep, and has their numbers', async () => {
    const host = fakeHost()
    const target: Target = { kind: 'processes', pids: [12, 34] }
    await recorderOn(host, { target, seconds: 0, hasStacks: true }).recorder.record()
    assert.match(recordings(host)[0]!, / -g .* -p 12,34 -- sleep 0$/)
  })

  test('samples the CPU, and goes without where perf cannot', async () => {
    const host = fakeHost()
    await recorderOn(host).recorder.record()
    assert.match(recordings(host)[0]!, /--kernel-callchains .*cpu-clock\/period=1000000\/uI,.*\/kI /)
    const old = fakeHost({
      perf: {
        record: `case "$all" in *cpu-clock*) echo 'error: no such event' >&2; exit 1;; esac; ${recording()}`,
      },
    })
    const { recorder, notices } = recorderOn(old)
    await recorder.record()
    assert.match(notices.join('\n'), /perf cannot sample the CPU here \(.*no such event/)
    assert.doesNotMatch(recordings(old).at(-1)!, /cpu-clock|kernel-callchains/)
  })

  test('notes what kernel it is before the events', async () => {
    const host = fakeHost({
      files: {
        'proc/sys/kernel/osrelease': '6.18.44-fc\n',
        'boot/config-6.18.44-fc': '# x\nCONFIG_PER_VMA_LOCK=y\n',
        'sys/kernel/mm/transparent_hugepage/enabled': 'always [madvise] never\n',
        'sys/bus/virtio/devices/virtio0/device': '0x0005\n',
        'sys/bus/virtio/devices/virtio0/features': '01100101\n',
        'proc/vmstat': 'pgfault 7\nvma_lock_success 40\n',
      },
    })
    const output = join(host.work, 'out.perf.txt')
    await recorderOn(host, { output }).recorder.record()
    assert.deepEqual(readFileSync(output, 'utf8').trim().split('\n').slice(0, 6), [
      '# faultline: kernel 6.18.44-fc',
      '# faultline: CONFIG_PER_VMA_LOCK y',
      '# faultline: cpus 2',
      '# faultline: transparent_hugepage madvise',
      '# faultline: free_page_reporting y',
      '# faultline: vma_lock_success 0',
    ])
  })

  test('where faults have no tracepoint asks for addresses and processors', async () => {
    const { events } = findMeans(fakeHost())
    const host = fakeHost({ events: events.filter((event) => !event.startsWith('exceptions:')) })
    await recorderOn(host).recorder.record()
    assert.match(recordings(host)[0]!, /--sample-cpu .*,page-faults /)
    assert.match(
      readFileSync(join(host.root, 'calls'), 'utf8'),
      /-F trace:comm,pid,tid,cpu,time,event,trace -F sw:comm,pid,tid,cpu,time,event,addr,ip/,
    )
  })

  test('tells how many threads went on when the command had ended', async () => {
    const header = (tid: number): string => `a 7/${tid} [000] 1.1: `
    const lines = [
      `${header(7)}task:task_newtask: pid=8 comm=a clone_flags=3d0f00 oom_score_adj=0`,
      `${header(7)}task:task_newtask: pid=9 comm=pid=8 prio= clone_flags=1200000 oom_score_adj=0`,
      `${header(7)}PERF_RECORD_MMAP2 7/7: [0x1000(0x1000) @ 0 0:1 1 0]: r--p /task_newtask: pid=10 comm=a`,
      `${header(8)}sched:sched_process_exit: comm=a pid=9 pid=8 prio=120 group_dead=false`,
      `${header(7)}sched:sched_process_exit: comm=a pid=7 prio=120 group_dead=true`,
    ]
    const record = `printf '%s\\n' '${lines.join("' '")}' > "$file"`
    const { leftRunning, events } = await recorderOn(fakeHost({ perf: { record } })).recorder.record()
    assert.deepEqual([leftRunning, events], [1, lines.length])
    // Then nobody knows who ended.
    const loses = record.replace("' > ", `' '${header(7)}PERF_RECORD_LOST lost 3' > `)
    const incomplete = await recorderOn(fakeHost({ perf: { record: loses } })).recorder.record()
    assert.deepEqual([incomplete.leftRunning, incomplete.lost], [0, 3])
  })

  for (const [number, isOther] of [
    [4026531836, false],
    [4026532178, true],
  ] as const) {
    test(`in the PID namespace ${number} ${isOther ? 'has' : 'needs no'} records of forks`, async () => {
      const host = fakeHost()
      mkdirSync(join(host.root, 'proc/self/ns'))
      symlinkSync(`pid:[${number}]`, join(host.root, 'proc/self/ns/pid'))
      await recorderOn(host).recorder.record()
      const calls = readFileSync(join(host.root, 'calls'), 'utf8')
      assert.equal(/^script .*--show-task-events/m.test(calls), isOther)
    })
  }

  for (const [script, command] of [
    ['exit 7', { code: 7, signal: null }],
    ['kill -9 $$', { code: null, signal: 'SIGKILL' }],
  ] as const) {
    test(`of a command that does ${script} is written, and it is told`, async () => {
      const host = fakeHost()
      const target: Target = { kind: 'command', command: ['sh', '-c', script] }
      const recorded = await recorderOn(host, { target }).recorder.record()
      assert.deepEqual(recorded.command, command)
      assert.deepEqual(readdirSync(host.work), ['out.perf.txt.zst'])
    })
  }
})

describe('when events are lost', () => {
  const all: Target = { kind: 'all' }

  test('it is recorded again with larger buffers, until none are', async () => {
    const host = fakeHost({ perf: { record: recording('[ "$buffer" = 32768K ]') } })
    const { recorder, notices } = recorderOn(host, { target: all, seconds: 0 })
    const { lost, runs, bufferBytes } = await recorder.record()
    assert.deepEqual([lost, runs, bufferBytes], [0, 2, 2 ** 27])
    assert.match(notices.join('\n'), /lost 5 of 6 events: recording again, with buffers of 128 MiB/)
  })

  test('it is told when they always are, and the best is kept', async () => {
    const host = fakeHost({ perf: { record: recording('true') } })
    const { lost, runs } = await recorderOn(host, { target: all, seconds: 0 }).recorder.record()
    assert.deepEqual([lost, runs], [5, 3])
    assert.deepEqual(readdirSync(host.work), ['out.perf.txt.zst'])
  })

  test('buffers are no larger than the memory allows', async () => {
    const host = fakeHost({ perf: { record: recording('true') }, freeMemory: 2 ** 26 })
    const { runs, bufferBytes } = await recorderOn(host, { target: all, seconds: 0 }).recorder.record()
    assert.deepEqual(
      recordings(host).map((call) => / -m (\S+)/.exec(call)![1]),
      ['4096K', '8192K'],
    )
    assert.deepEqual([runs, bufferBytes], [2, 2 ** 22])
  })

  for (const [why, request] of [
    ['a command that failed', { target: { kind: 'command', command: ['false'] } }],
    ['that is not wanted', { target: all, seconds: 0, retries: 0 }],
    ['no time was given', { target: all }],
  ] as const) {
    test(`it is not recorded again: ${why}`, async () => {
      const host = fakeHost({ perf: { record: recording('true') } })
      assert.equal((await recorderOn(host, request).recorder.record()).runs, 1)
    })
  }

  test('names that say so do not count', async () => {
    const name = `a 7/7 [000] 1.1: PERF_RECORD_MMAP2 7/7: [0x1000(0x1000) @ 0 0:1 1 0]: r--p /PERF_RECORD_LOST lost 9`
    const host = fakeHost({
      perf: { record: `printf '%s\\n' '${name}' '\t1000 PERF_RECORD_LOST lost 9' > "$file"` },
    })
    const { events, lost } = await recorderOn(host).recorder.record()
    assert.deepEqual([events, lost], [1, 0])
  })
})

test('of a process that ends before perf has found it, that is said', async () => {
  const host = fakeHost({
    perf: { record: `echo "Couldn't create thread/CPU maps: No such process" >&2; exit 255` },
  })
  const target = { kind: 'processes', pids: [77] } as const
  await assert.rejects(recorderOn(host, { target }).recorder.record(), /process 77 has ended/)
})

test('of a process that ends after perf was tried out on it, that is said, and of one that is there it is not', async () => {
  // As a word: the name of a folder may have these letters by chance.
  const refused = `case " $all " in *' -q '*) exit 244;; *) ${recording()};; esac`
  const target = { kind: 'processes', pids: [77] } as const
  const gone = recorderOn(fakeHost({ perf: { record: refused } }), { target }).recorder
  await assert.rejects(gone.record(), /process 77 has ended/)
  const host = fakeHost({ perf: { record: refused }, files: { 'proc/77/status': '' } })
  await assert.rejects(
    recorderOn(host, { target }).recorder.record(),
    /perf recorded nothing, and ended with exit/,
  )
})

test('where nothing can be written, that is said before anything is recorded', async () => {
  const host = fakeHost()
  const output = '/proc/out.zst'
  await assert.rejects(
    recorderOn(host, { output }).recorder.record(),
    /nothing can be written in \/proc \(\w+\)/,
  )
})

describe('nothing is left, and the error says why,', () => {
  for (const [why, perf, pattern] of [
    [
      'when perf is refused',
      { record: String.raw`printf 'Error:\nNo permission to enable it\n\nThe setting is 2\n' >&2; exit 255` },
      /perf cannot record here: Error: No permission to enable it$/,
    ],
    ['when perf writes nothing', { record: '[ "$1" = true ] && exit 0; exit 3' }, /nothing, .*exit code 3/],
    ['when nothing happened', { script: ':' }, /no event in it/],
    ['when perf cannot print', { script: "echo 'file is corrupt, error' >&2; exit 1" }, /corrupt/],
  ] as const) {
    test(why, async () => {
      const host = fakeHost({ perf })
      const target: Target = { kind: 'command', command: ['echo'] }
      const { recorder } = recorderOn(host, { target })
      const error = (await recorder.record().catch((thrown: unknown) => thrown)) as RecordError
      assert.ok(error instanceof RecordError, String(error))
      assert.match(error.message, pattern)
      assert.notEqual(error.remedy, '')
      assert.deepEqual(readdirSync(host.work), [])
    })
  }
})
