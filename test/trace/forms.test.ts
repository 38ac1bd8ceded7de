// One recording in each form of text in which perf, ftrace and trace-cmd print the same events, by their versions and
// options: all of them are read as the same. What the forms look like is copied from what these programs printed (perf
// 6.1, trace-cmd 3.1, Linux 6.18), and from the sources of others that are named.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { describe, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { importTrace, type ImportedTrace, TraceError } from '../../src/trace/index.ts'
import { fixture } from './trace-text.ts'

interface Line {
  readonly comm: string
  readonly pid: string
  readonly tid: string
  readonly cpu: string
  readonly seconds: string
  readonly us: string
  /** With its subsystem. */
  readonly event: string
  readonly fields: string
}

const EVENT_LINE = /^(.{16}) +(\d+)\/(\d+) +\[(\d+)\] +(\d+)\.(\d{6}): +([a-z_]+:\w+): (.*)$/

/** The tracepoints of a recording: every form has these. */
function linesOf(name: string): Line[] {
  const text = gunzipSync(readFileSync(fixture(name))).toString()
  return text.split('\n').flatMap((line) => {
    const [, comm, pid, tid, cpu, seconds, us, event, fields] = EVENT_LINE.exec(line) ?? []
    if (comm === undefined) return []
    return [
      {
        comm: comm.trim(),
        pid: pid!,
        tid: tid!,
        cpu: cpu!,
        seconds: seconds!,
        us: us!,
        event: event!,
        fields: fields!,
      },
    ]
  })
}

async function read(text: string): Promise<ImportedTrace> {
  const trace = await importTrace('-', { stdin: Readable.from([Buffer.from(text)]), isReplayed: false })
  trace.close()
  return trace
}

/** What is read of a recording, without what some forms lack. */
function contentsOf({
  processes,
  threads,
  recordedFaults,
  programs,
  locks,
  linux,
  faultCensus,
  ...trace
}: ImportedTrace) {
  return {
    processes,
    threads,
    recordedFaults,
    programs: programs.map(({ name, faults, waits }) => [name, faults, waits]),
    waits: [locks.totals, locks.matrix],
    acquisitions: { ...linux, timeResolutionNs: 0 },
    calls: Object.entries(faultCensus.calls).map(([name, { count }]) => [name, count]),
    durationMs: Math.round(trace.durationMs * 1000),
    notPerformed: trace.images.map((image) => image.notPerformed),
    lost: trace.lostEvents,
  }
}

const time = ({ seconds, us }: Line): string => `${seconds.padStart(5)}.${us}`
const name = ({ event }: Line): string => event.slice(event.indexOf(':') + 1)
const perf = (line: Line, pid: string, behind = ''): string =>
  `${line.comm.padStart(16)} ${pid} [${line.cpu}] ${time(line)}: ${line.event.padStart(34)}: ${line.fields}${behind}`
const both = ({ pid, tid }: Line): string => `${pid.padStart(5)}/${tid.padEnd(5)}`
const alone = ({ tid }: Line): string => tid.padStart(5)

/** `perf script`, by the options that change it. */
const PERF: Readonly<Record<string, (line: Line) => string>> = {
  '-F +pid': (line) => perf(line, both(line)),
  '-F +pid, seven columns (perf 6.2)': (line) => perf(line, `${line.pid.padStart(7)}/${line.tid.padEnd(7)}`),
  '--ns': (line) => perf({ ...line, us: `${line.us}000` }, both(line)),
  '-F +pid -L': (line) =>
    `${line.comm.padStart(8).slice(0, 8)} ${both(line)} ${String(Number(line.cpu)).padStart(3)} ${time(line)}: ${line.event}: ${line.fields}`,
  '-F -comm,+pid': (line) => ` ${both(line)} [${line.cpu}] ${time(line)}: ${line.event}: ${line.fields}`,
  '-F -cpu,+pid': (line) =>
    `${line.comm.padStart(16)} ${both(line)} ${time(line)}: ${line.event}: ${line.fields}`,
  '-F +pid,+misc': (line) =>
    `${line.comm.padStart(16)} ${both(line)} [${line.cpu}] K     ${time(line)}: ${line.event}: ${line.fields}`,
  '-F +pid,+period': (line) =>
    `${line.comm.padStart(16)} ${both(line)} [${line.cpu}] ${time(line)}:          1 ${line.event}: ${line.fields}`,
  '-F +pid,+flags': (line) =>
    perf({ ...line, fields: line.fields.padStart(line.fields.length + 24) }, both(line)),
  '-F +pid,+addr,+ip,+sym': (line) =>
    perf(line, both(line), '                0  ffffffff815dc08b f+0x4b ([kernel.kallsyms])'),
  '-g': (line) =>
    perf(
      line,
      both(line),
      '\n\tffffffff815dc08b f+0x4b ([kernel.kallsyms])\n\t               0 [unknown] ([unknown])\n',
    ),
  '-g -F +srcline': (line) =>
    perf(
      line,
      both(line),
      '\n\tffffffff815dc08b f\n  [kernel.kallsyms][ffffffff815dc08b]\n\t    555a428343c8 main\n  main.c:12\n',
    ),
  '-F +pid,+cgroup (perf 6.8)': (line) => perf(line, both(line), ' /user.slice/a b.service'),
  '--show-round-events': (line) => `${perf(line, both(line))}\nPERF_RECORD_FINISHED_ROUND`,
  CRLF: (line) => `${perf(line, both(line))}\r`,
}

/** The same without processes, which is the default. */
const THREADS: Readonly<Record<string, (line: Line) => string>> = {
  default: (line) => perf(line, alone(line)),
  '--ns': (line) => perf({ ...line, us: `${line.us}000` }, alone(line)),
  '-L': (line) =>
    `${line.comm.padStart(8).slice(0, 8)} ${alone(line)} ${String(Number(line.cpu)).padStart(3)} ${time(line)}: ${line.event}: ${line.fields}`,
  '-F -comm': (line) => ` ${alone(line)} [${line.cpu}] ${time(line)}: ${line.event}: ${line.fields}`,
  '-F -comm -L': (line) =>
    ` ${alone(line)} ${String(Number(line.cpu)).padStart(3)} ${time(line)}: ${line.event}: ${line.fields}`,
  '-F tid,time,event,trace': (line) => ` ${alone(line)} ${time(line)}: ${line.event}: ${line.fields}`,
}

const isCall = ({ event }: Line): boolean => event.startsWith('syscalls:')
const callOf = (line: Line): string => name(line).replace(/^sys_e\w+?_/, '')

/** ftrace has a form of its own for calls: `sys_mmap(addr: 0, …)` and `sys_mmap -> 0x…`. */
function ftraceEvent(line: Line): string {
  if (!isCall(line)) return `${name(line)}: ${line.fields}`
  if (name(line).startsWith('sys_exit')) return `sys_${callOf(line)} -> ${line.fields}`
  return `sys_${callOf(line)}(${line.fields.replaceAll(/0x0*([\da-f])/g, (_, digits) => String(digits))})`
}

/** The fields as numbers: `trace-cmd report -R`. */
function rawFields(line: Line): string {
  const fields = line.fields.replaceAll('true', '1').replaceAll('false', '0')
  if (!isCall(line)) return fields
  if (name(line).startsWith('sys_exit')) return `__syscall_nr=9 ret=${fields}`
  return `__syscall_nr=9 ${fields.replaceAll(': ', '=').replaceAll(',', '')}`
}

/** `options/fields` of ftrace: each number in both forms. */
function allFields(line: Line): string {
  const number = (value: string): string => `0x${BigInt(value).toString(16)} (${BigInt(value)})`
  return rawFields(line)
    .replaceAll(/clone_flags=(\w+)/g, 'clone_flags=0x$1')
    .replaceAll(
      /(mm|address|ip|error_code|clone_flags|__syscall_nr|addr|len|prot|flags|fd|off|ret|start|pid)=(\d\w*)/g,
      (_, key, value) => `${key}=${number(String(value))}`,
    )
    .replaceAll(/(write|success|group_dead)=(\d)/g, '$1=($2)')
}

const task = ({ comm, tid }: Line): string => `${comm}-${tid}`
const ftrace = (line: Line, middle: string): string =>
  `${task(line).padStart(20)} ${middle} ${time(line)}: ${ftraceEvent(line)}`
const traceCmd = (line: Line, fields: string, at = time(line)): string =>
  `${task(line).padStart(20)}  [${line.cpu}] ${at}: ${`${name(line)}:`.padEnd(21)} ${fields}`

const FTRACE: Readonly<Record<string, (line: Line) => string>> = {
  'trace (Linux 5.16)': (line) => ftrace(line, `   [${line.cpu}] d..3.`),
  'trace (before)': (line) => ftrace(line, `   [${line.cpu}] d..3`),
  'trace with options/record-tgid': (line) =>
    ftrace(line, `   (${line.pid.padStart(7)}) [${line.cpu}] .....`),
  'trace without options/irq-info': (line) => ftrace(line, `   [${line.cpu}] `),
  'trace with options/stacktrace': (line) =>
    `${ftrace(line, `   [${line.cpu}] .....`)}\n${task(line).padStart(20)}    [${line.cpu}] ..... ${time(line)}: <stack trace>\n => trace_event_raw_event_mmap_lock\n => do_syscall_64`,
  'trace with options/userstacktrace': (line) =>
    `${ftrace(line, `   [${line.cpu}] .....`)}\n${task(line).padStart(20)}    [${line.cpu}] ..... ${time(line)}: <user stack trace>\n =>  <00007f7c38a29ad7>`,
  'trace with options/latency-format': (line) =>
    `${line.comm.padStart(8)}-${line.tid.padEnd(7)} ${String(Number(line.cpu)).padStart(3)}d.... ${Number(line.seconds) * 1e6 + Number(line.us)}us+: ${ftraceEvent(line)}`,
  'trace with options/latency-format and options/verbose': (line) => {
    const us = String(Number(line.seconds) * 1e6 + Number(line.us)).padStart(4, '0')
    return `${line.comm.padStart(16)} ${line.tid.padStart(7)} ${String(Number(line.cpu)).padStart(3)} 1 00000000 00001387 [1045c0bd27] ${us.slice(0, -3)}.${us.slice(-3)}ms (+0.001ms): ${ftraceEvent(line)}`
  },
  'trace with options/fields': (line) =>
    `${task(line).padStart(20)}    [${line.cpu}] ..... ${time(line)}: ${name(line)}: ${allFields(line)}`,
  'trace-cmd report': (line) => traceCmd(line, line.fields),
  'trace-cmd report, of an instance': (line) => `fl: ${traceCmd(line, line.fields)}`,
  'trace-cmd report -t': (line) => traceCmd(line, line.fields, `${time(line)}000`),
  'trace-cmd report -R': (line) => traceCmd(line, rawFields(line)),
  'trace-cmd report -l': (line) =>
    `${line.comm.slice(0, 8).padStart(8)}-${line.tid.padEnd(5)} ${String(Number(line.cpu)).padStart(3)}d..3. ${time(line)}: ${name(line)}: ${line.fields}`,
  'trace-cmd report --ts-diff': (line) =>
    traceCmd(line, `        ${name(line)}: ${line.fields}`, `${time(line)}: (+3)`).replace(
      /(: \(\+3\)):.*?(?= {8})/,
      '$1',
    ),
}

/** A field as perf trace prints it: hexadecimal numbers as such, others in decimal, none that is 0. */
function perfTraceFields(line: Line): string {
  const pairs = [...line.fields.matchAll(/(\w+)=(.*?)(?= \w+=|$)/g)].map(([, key, value]) => {
    if (key === 'filename' || key === 'comm') return `${key}: "${value}"`
    if (key === 'clone_flags' || key === 'error_code') return `${key}: ${Number.parseInt(value!, 16)}`
    if (value === 'true') return `${key}: 1`
    return value === 'false' ? '' : `${key}: ${value}`
  })
  return pairs.filter((pair) => pair !== '' && !pair.endsWith(': 0')).join(', ')
}

const perfTrace = (line: Line, column: string, fields: string, who = `${line.comm}/${line.tid}`): string => {
  const ms = (Number(line.seconds) * 1e6 + Number(line.us)) / 1e3
  return `${ms.toFixed(3).padStart(10)} ${column}${who} ${line.event}(${fields})`
}

const PERF_TRACE: Readonly<Record<string, (line: Line) => string>> = {
  'tracepoints beside calls': (line) => perfTrace(line, '(         ): ', perfTraceFields(line)),
  'tracepoints alone': (line) => perfTrace(line, '', perfTraceFields(line)),
  '--libtraceevent_print': (line) => perfTrace(line, '(         ): ', line.fields),
  '--call-graph fp': (line) =>
    `${perfTrace(line, '', perfTraceFields(line))}\n${' '.repeat(39)}elf_load ([kernel.kallsyms])\n${' '.repeat(39)}[0] ([unknown])`,
}

function testForms(
  forms: Readonly<Record<string, (line: Line) => string>>,
  recording: string,
  isWanted: (line: Line) => boolean = () => true,
): void {
  const lines = linesOf(recording).filter(isWanted)
  const expected = read(lines.map(PERF['-F +pid']!).join('\n')).then(contentsOf)
  for (const [form, print] of Object.entries(forms)) {
    test(form, async () => {
      const text = `${lines.map(print).join('\n')}\n`
      const contents = contentsOf(await read(text))
      assert.deepEqual(contents, await expected)
      assert.ok(contents.recordedFaults > 1000)
    })
  }
}

describe('perf script, of four processes', () => testForms(PERF, 'shapes/shared'))
describe('perf script, of threads whose names look like lines', () => {
  const { '-F +pid -L': _, ...forms } = PERF
  testForms(forms, 'shapes/names')
})
describe('perf script without processes', () => testForms(THREADS, 'shapes/shared'))
test('perf script without processes, of threads whose names look like lines', async () => {
  const lines = linesOf('shapes/names')
  const [whole, form] = [PERF['-F +pid']!, THREADS['default']!].map((print) => lines.map(print).join('\n'))
  assert.deepEqual(contentsOf(await read(form!)), contentsOf(await read(whole!)))
})
describe('ftrace and trace-cmd', () => testForms(FTRACE, 'shapes/shared'))
describe('perf trace', () => testForms(PERF_TRACE, 'shapes/shared', (line) => !isCall(line)))

describe('what cannot be read says why', () => {
  const lines = linesOf('shapes/shared')
  const refused = async (text: string | Uint8Array, message: RegExp): Promise<void> => {
    await assert.rejects(
      importTrace('-', { stdin: Readable.from([Buffer.from(text)]), isReplayed: false }),
      (error) => {
        assert.ok(error instanceof TraceError, String(error))
        assert.match(error.message, message)
        return true
      },
    )
  }

  test('options of perf script', async () => {
    const { comm, pid, event, fields } = lines[0]!
    const printed = lines.map((line) => perf(line, both(line))).join('\n')
    await refused(printed.replaceAll(/ +\d+\.\d{6}: /g, ' '), /lines have no time/)
    const day = `${comm}  ${pid}/${pid}  2026-12-01 03:22:43.011583`
    for (const line of [
      `${day} ${event}: ${fields}`,
      `${day} 69800.433379: ${event}: ${fields}`,
      `${day} PERF_RECORD_FORK(1:1):(0:0)`,
    ])
      await refused(`${line}\n`, /the time of day \(perf script -F tod\)/)
    await refused(
      linesOf('shapes/names')
        .map((line) => perf(line, alone({ ...line, tid: line.pid })))
        .join('\n'),
      /name processes, not threads/,
    )
    await refused(
      lines.map((line) => perf({ ...line, fields: '' }, both(line)).trimEnd()).join('\n'),
      /has no fields/,
    )
  })

  test('clocks of ftrace that have no seconds, and what perf trace prints without times', async () => {
    for (const count of ['291', '4575030', '118778074255036'])
      await refused(
        `# tracer: nop\n        mappings-6722    [000] ..... ${count.padStart(12)}: mmap_lock_released: mm=0 write=true\n`,
        /:2: the times are counts of a clock.*-C mono/,
      )
    await refused('( 0.012 ms): demo/9 brk(NULL)   = 0x55873bd6a000\n', /perf trace have no time/)
  })

  test('other files', async () => {
    await refused(Buffer.from('\ufeffnode 1/1 1.000001: page-faults: 1000', 'utf16le'), /UTF-16.*iconv/)
    await refused('\x17\x08Dtracing6\0\0', /trace-cmd record.*trace-cmd report/)
    await refused('PERFILE2\0\0', /perf record.*perf script/)
    await refused('', /this is empty/)
    await refused('<html>\n<p>a page</p>\n', /none of the first/)
    await refused('a\0b', /binary/)
  })
})

test('events of ftrace that were overwritten are told', async () => {
  const kept = '# tracer: nop\n# entries-in-buffer/entries-written: 1219/6434   #P:2\n'
  const { warnings, lostEvents } = await read(
    kept + linesOf('shapes/shared').map(FTRACE['trace (before)']!).join('\n'),
  )
  assert.match(warnings.join('\n'), /overwritten 5215 events/)
  assert.equal(lostEvents, 0)
})

test('page faults are told by events of several names, and are counted once', async () => {
  const faultsOf = async (...events: string[]): Promise<number> => {
    const lines = events.map((event, at) => `node 1/1 1.00000${at}: ${event}: 100${at}`)
    return (await read(`${lines.join('\n')}\n`)).recordedFaults
  }
  for (const event of ['page-faults', 'faults', 'page-faults:uk', 'page-faults/period=1/u', 'faults:P'])
    assert.equal(await faultsOf(event), 1, event)
  assert.equal(await faultsOf('minor-faults', 'major-faults:u'), 2)
  assert.equal(await faultsOf('page-faults:u', 'minor-faults:u', 'page-faults:u', 'major-faults:u'), 2)
})
