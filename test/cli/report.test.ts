// `faultline report`: the analysis of a recording, without a replay.
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'
import { faultline, refusals } from './command.ts'
import { RESULT_FORM } from '../../src/cli/result-file.ts'

const trace = fileURLToPath(
  new URL('../fixtures/traces/small/holder-is-another-process.perf.txt', import.meta.url),
)

const folder = mkdtempSync(path.join(tmpdir(), 'faultline-report-test-'))
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
const file = (name: string): string => path.join(folder, name)

test('report prints what a recording tells, as JSON with the keys that are relied upon', async () => {
  const { code, stdout } = await faultline(['report', trace, '--json'])
  assert.equal(code, 0)
  const { trace: record, verdict } = JSON.parse(stdout) as Record<string, Record<string, unknown>>
  assert.equal(record!['lines'], 15)
  assert.equal(verdict!['hurts'], true)
  assert.equal(typeof verdict!['summary'], 'string')
  const keys = {
    holders: ['process', 'pid', 'comm', 'call', 'owner', 'waits', 'waitedNs'],
    waiters: ['process', 'pid', 'comm', 'tid', 'call', 'owner', 'waits', 'waitedNs', 'threads'],
    advice: ['change', 'savesMs', 'how'],
  }
  for (const [key, names] of Object.entries(keys)) {
    const [first] = verdict![key] as Record<string, unknown>[]
    assert.deepEqual(Object.keys(first!), names)
  }
})

test('report of what cannot be judged writes its page, and ends with 1', async () => {
  const lost = trace.replace('holder-is-another-process', 'lost-most-events')
  const { code, stdout } = await faultline(['report', lost, '--output', file('lost.html')])
  assert.equal(code, 1)
  assert.match(stdout, /there is no\s+verdict/)
  assert.match(readFileSync(file('lost.html'), 'utf8'), /there is no verdict/)
  const compared = await faultline(['report', '--compare', trace, lost])
  assert.equal(compared.code, 1)
  assert.match(compared.stdout, /VERDICT\s[\s\S]+lost-most-events.perf.txt:\s+perf\s+lost/)
  rmSync(file('lost.html'))
})

test('report refuses what it cannot do', async () => {
  const wrong = file('wrong.json')
  writeFileSync(wrong, JSON.stringify({ resultForm: RESULT_FORM, trace: { path: 1 } }))
  const calls: readonly (readonly [string[], RegExp])[] = [
    [['no-such-file.txt'], /no such file/],
    [[trace, trace], /2 recordings — give one, or compare two/],
    [['--compare', trace], /--compare has one input — give two/],
    [[trace, wrong], /together make a page — name it with --output/],
    [[wrong], /is no result: trace\.path is no string/],
    [[trace, '--output', '/no/such/folder/x.html'], /there is no folder/],
    [[trace, '--output', folder], /is no plain file/],
    [[trace, '--output', file('page')], /--output .*page is not usable — end its name in \.html/],
    [['--compare', trace, trace, '--perfetto', file('x.json')], /--perfetto is for one recording/],
    [['--compare', trace, trace, '--what-if'], /--what-if is for one recording/],
    [[trace, '--cpus', '3', '--machine', 'here'], /--cpus 3 is not usable — give a whole number of 1 to 2/],
    [[trace, '--machine', 'nowhere'], /unknown machine 'nowhere'/],
    [[trace, '--what-if', '--most-events', '1'], /are allowed — allow more with --most-events/],
  ]
  const outcomes = await refusals(calls.map(([values]) => ['report', ...values]))
  for (const [index, { code, stdout, stderr }] of outcomes.entries()) {
    assert.deepEqual([code, stdout], [2, ''], stderr)
    assert.match(stderr, calls[index]![1])
  }
  assert.deepEqual(readdirSync(folder).sort(), ['wrong.json'])
  rmSync(wrong)
})

test('report --output writes a page whole, prints where it is, and leaves nothing beside it', async () => {
  const page = file('page.html')
  writeFileSync(page, 'the old one')
  const { code, stdout, stderr } = await faultline(['report', trace, '--output', page])
  assert.deepEqual([code, stderr], [0, ''])
  assert.match(stdout, new RegExp(`^RECORDED[\\s\\S]*\\nOpen in a browser: ${page}\n$`))
  const html = readFileSync(page, 'utf8')
  assert.match(html, /^<!doctype html>/)
  assert.match(html, /<\/html>\n$/)
  assert.match(html, /kept by cat: access to the memory of another process/)
  // The scripts are those of the package as it is built.
  assert.equal(html.match(/<script( type="module")?>/g)!.length, 3)
  assert.doesNotMatch(html, /sourceMappingURL|import type/)
  assert.deepEqual(readdirSync(folder), ['page.html'])
  rmSync(page)
})

test('a result of replay is a report again, and joins the page of its recording', async () => {
  const whole = fileURLToPath(new URL('../fixtures/traces/small/mremap-grows-file.perf.txt', import.meta.url))
  const result = file('result.json')
  const page = file('page.html')
  const replayed = await faultline([
    'replay',
    whole,
    '--repeat',
    '2',
    '--design',
    'classic',
    '--json',
    '--output',
    page,
  ])
  assert.equal(replayed.code, 0, replayed.stderr)
  assert.match(readFileSync(page, 'utf8'), /<section id="designs"[\s\S]*classic\/spinning/)
  writeFileSync(result, replayed.stdout)
  const again = await faultline(['report', result, '--json'])
  assert.deepEqual(JSON.parse(again.stdout), JSON.parse(replayed.stdout))
  const both = await faultline(['report', whole, result, '--output', page])
  assert.equal(both.code, 0, both.stderr)
  const html = readFileSync(page, 'utf8')
  for (const id of ['timeline', 'designs', 'fidelity'])
    assert.match(html, new RegExp(`<section id="${id}"`), id)
  const other = await faultline(['report', trace, result, '--output', page])
  assert.deepEqual([other.code, other.stdout], [2, ''])
  assert.match(other.stderr, /results are of different recordings/)
  for (const name of [result, page]) rmSync(name)
})

test('report --compare tells two recordings apart, in text, JSON and on a page', async () => {
  const other = fileURLToPath(new URL('../fixtures/traces/small/mremap-grows-file.perf.txt', import.meta.url))
  const page = file('page.html')
  const text = await faultline(['report', '--compare', trace, other, '--output', page])
  assert.equal(text.code, 0, text.stderr)
  assert.match(text.stdout, /^BEFORE AND AFTER/)
  assert.match(text.stdout, /less\s+for:\s+Keep cat from/)
  assert.match(text.stdout, /cat: access to the memory of another process +50\.0 ms +– +gone/)
  assert.match(readFileSync(page, 'utf8'), /<section id="compare"/)
  const json = await faultline(['report', '--compare', trace, other, '--json'])
  const { comparison, before, after } = JSON.parse(json.stdout) as {
    comparison: {
      numbers: { key: string; before: number | null; after: number | null }[]
      advice: { change: string; beforeMs: number; afterMs: number }[]
    }
    before: { trace: { events: number } }
    after: { trace: { events: number } }
  }
  const faults = comparison.numbers.find(({ key }) => key === 'faults')!
  assert.equal(faults.before, 1)
  // The other one has no events of the lock.
  assert.equal(comparison.numbers.find(({ key }) => key === 'waitedNs')!.after, null)
  assert.notEqual(before.trace.events, after.trace.events)
  const [advice] = comparison.advice
  assert.match(advice!.change, /^Keep cat /)
  assert.ok(advice!.beforeMs > 0 && advice!.afterMs === 0, JSON.stringify(advice))
  rmSync(page)
})

test('report --compare takes two builds of one program by different names as one', async () => {
  // Thread 2 of the program munmaps, for which thread 1 waits with a fault.
  const taken = 'mmap_lock:mmap_lock_acquire_returned: mm=0xffff888100000000 memcg_id=1'
  const lines = [
    'prog 1/2 [001]     1.000000: syscalls:sys_enter_munmap: addr: 0x7f0000100000, len: 0x00001000',
    `prog 1/2 [001]     1.000001: ${taken} write=true success=true`,
    'prog 1/1 [000]     1.000002: mmap_lock:mmap_lock_start_locking: mm=0xffff888100000000 memcg_id=1 write=false',
    'prog 1/1 [000]     1.000003: lock:contention_begin: 0xffff888100000040 (flags=READ)',
    'prog 1/2 [001]     1.005000: mmap_lock:mmap_lock_released: mm=0xffff888100000000 memcg_id=1 write=true',
    'prog 1/1 [000]     1.005001: lock:contention_end: 0xffff888100000040 (ret=0)',
    `prog 1/1 [000]     1.005002: ${taken} write=false success=true`,
    'prog 1/1 [000]     1.005003: mmap_lock:mmap_lock_released: mm=0xffff888100000000 memcg_id=1 write=false',
    'prog 1/2 [001]     1.005004: syscalls:sys_exit_munmap: 0x0',
    'prog 1/1 [000]     1.005005: exceptions:page_fault_user: address=0x7f0000000000 ip=0x401000 error_code=0x6',
  ]
  const text = lines.join('\n')
  const [before, after] = [file('before.perf.txt'), file('after.perf.txt')]
  writeFileSync(before, `${text}\n`)
  writeFileSync(after, `${text.replaceAll('prog ', 'next ')}\n`)
  const { stdout, stderr } = await faultline(['report', '--compare', before, after])
  assert.match(stdout, /prog: munmap .* the same\n/, stderr)
  assert.match(stdout, /next is compared as another build of prog\./)
  for (const name of [before, after]) rmSync(name)
})

test('report --perfetto writes slices of threads, which nest', async () => {
  const out = file('trace.json')
  const { code, stderr } = await faultline(['report', trace, '--perfetto', out, '--json'])
  assert.deepEqual([code, stderr], [0, ''])
  const { traceEvents } = JSON.parse(readFileSync(out, 'utf8')) as {
    traceEvents: {
      ph: string
      name: string
      tid: number
      ts: number
      dur: number
      args: Record<string, unknown>
    }[]
  }
  const wait = traceEvents.find(({ name }) => name === 'waits for the mmap lock')!
  assert.match(String(wait.args['heldBy']), /^cat \(\d+\), access to the memory of another process$/)
  assert.equal(Math.round(wait.dur / 1000), 50)
  const slices = traceEvents.filter(({ ph }) => ph === 'X')
  for (const a of slices)
    for (const b of slices) {
      const overlaps = a.tid === b.tid && a.ts < b.ts && b.ts < a.ts + a.dur
      if (overlaps) assert.ok(b.ts + b.dur <= a.ts + a.dur + 0.001, `${b.name} ends after ${a.name}`)
    }
  rmSync(out)
})

test('report --redact leaves no name, path or address of the recording', async () => {
  const [page, out] = [file('page.html'), file('trace.json')]
  const secret = file('secret-path.perf.txt')
  writeFileSync(secret, readFileSync(trace))
  const { code, stdout } = await faultline([
    'report',
    secret,
    '--redact',
    '--json',
    '--output',
    page,
    '--perfetto',
    out,
  ])
  assert.equal(code, 0)
  for (const text of [stdout, readFileSync(page, 'utf8'), readFileSync(out, 'utf8')]) {
    assert.doesNotMatch(text, /\bprog\b|\bcat\b(?!":)|secret|7f0000/)
    assert.match(text, /program-[12]/)
  }
  const { trace: record, verdict } = JSON.parse(stdout) as {
    trace: { program: string; locks: { matrix: { heldBy: string }[] } }
    verdict: { holders: { process: string }[]; summary: string }
  }
  const holder = verdict.holders[0]!.process
  assert.notEqual(holder, record.program)
  assert.equal(record.locks.matrix[0]!.heldBy, `access to the memory of another process (${holder})`)
  assert.ok(verdict.summary.includes(holder))
  for (const name of [page, out, secret]) rmSync(name)
})

test('report --cpus simulates the recording, and what it says is a result again', async () => {
  const result = file('what-if.json')
  const page = file('what-if.html')
  const small = fileURLToPath(new URL('../fixtures/traces/small/thp-fork.perf.txt', import.meta.url))
  const { code, stdout } = await faultline([
    'report',
    small,
    '--cpus',
    '4',
    '--design',
    'per-vma-refcount-2025',
    '--json',
  ])
  assert.equal(code, 0)
  const { whatIf } = JSON.parse(stdout) as { whatIf: Record<string, unknown> }
  assert.deepEqual(Object.keys(whatIf), ['machine', 'recorded', 'runs', 'error', 'seedSpread', 'leftOut'])
  assert.deepEqual(
    (whatIf['runs'] as { cpus: number }[]).map(({ cpus }) => cpus),
    [1, 1, 4, 4],
  )
  writeFileSync(result, stdout)
  const again = await faultline(['report', small, result, '--output', page])
  assert.equal(again.code, 0, again.stderr)
  assert.match(readFileSync(page, 'utf8'), /<section id="whatif"/)
  rmSync(result)
  rmSync(page)
})
