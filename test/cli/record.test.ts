// `faultline record`: what it refuses; and on a host that can record, a recording that is replayed.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { findMeans, RecordError, thisHost } from '../../src/record/index.ts'
import { command } from '../built.ts'
import { faultline, refusals } from './command.ts'

const folder = mkdtempSync(join(tmpdir(), 'faultline-'))
after(() => rmSync(folder, { recursive: true }))

test('record refuses wrong calls', async () => {
  const cases: readonly (readonly [string[], RegExp])[] = [
    [[], /nothing to record — give one of -p PID, -a, or -- COMMAND/],
    [['-a', '--', 'true'], /more than one thing to record/],
    [['-p', '1,x', '-a'], /more than one thing/],
    [['-p', '1,x'], /--pid x .*whole number/],
    [['-a', '--seconds', '0'], /--seconds 0 /],
    [['-a', '--retries', 'often'], /--retries often /],
    [['-a', '--output', '-'], /--output - /],
    [['-a', '--output', '/dev/null'], /no plain file/],
    [['-a', '--output', folder], /no plain file/],
    [['--', folder], /is a folder — name a program/],
  ]
  const outcomes = await refusals(cases.map(([values]) => ['record', ...values]))
  for (const [index, [values, pattern]] of cases.entries()) {
    const { code, stdout, stderr } = outcomes[index]!
    assert.deepEqual([code, stdout], [2, ''], values.join(' '))
    assert.match(stderr, pattern)
    assert.match(stderr, /^faultline: .* — .*\n$/)
  }
})

test('record without perf says how to get it', () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [command, 'record', '--', 'true'], {
    env: { PATH: folder },
    encoding: 'utf8',
    cwd: folder,
  })
  assert.deepEqual([status, stdout], [2, ''])
  assert.match(stderr, /^faultline: .*(?:no perf on this machine — install|needs Linux).*\n$/)
})

/** Why this host cannot record; null where it can. */
function whyNot(): string | null {
  try {
    findMeans(thisHost())
    return null
  } catch (error) {
    assert.ok(error instanceof RecordError, String(error))
    return error.message
  }
}

test('what record writes of a real program is replayed', async (t) => {
  const why = whyNot()
  if (why !== null) {
    t.skip(why)
    return
  }
  const output = join(folder, 'sh.perf.txt.zst')
  const values = ['record', '--json', '--output', output, '--', 'sh', '-c', 'echo said; exit 3']
  const run = spawnSync(process.execPath, [command, ...values], { encoding: 'utf8', cwd: folder })
  if (run.stdout === '') {
    assert.match(run.stderr, /^faultline: perf cannot record here: .* — .*\n$/)
    assert.deepEqual([run.status, existsSync(output)], [2, false])
    t.skip(run.stderr.trim())
    return
  }
  const recorded = JSON.parse(run.stdout) as Record<string, unknown>
  assert.match(run.stderr, /^said$/m)
  assert.deepEqual([run.status, recorded['command']], [1, { code: 3, signal: null }])
  assert.deepEqual(readdirSync(folder), ['sh.perf.txt.zst'])
  const replay = ['replay', output, '--design', 'classic', '--repeat', '1', '--json']
  const { stdout } = await faultline(replay)
  const { trace, designs } = JSON.parse(stdout) as {
    trace: { events: number; program: string }
    designs: { faults: number; fidelity: { ratio: number } }[]
  }
  assert.equal(trace.program, 'sh')
  assert.ok(designs[0]!.faults > 10)
  assert.ok(designs[0]!.fidelity.ratio >= 0.98)
})
