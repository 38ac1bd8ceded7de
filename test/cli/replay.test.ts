import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { gunzipSync, gzipSync } from 'node:zlib'
import { rwsemNames } from '../../src/kernel/index.ts'
import { type Outcome, faultline, faultlineAlone, refusals } from './command.ts'

const parallel = { concurrency: 2 }
const fixture = new URL('../fixtures/traces/node-workers.perf.txt.gz', import.meta.url)
const processes = new URL('../fixtures/traces/redis-bgsave.perf.txt.gz', import.meta.url)

/** The beginning of a recorded program: whole lines, a few thousand faults. */
function beginning(lines: number): string {
  return gunzipSync(readFileSync(fixture)).toString().split('\n').slice(0, lines).join('\n') + '\n'
}

test('replay refuses wrong calls and bad input', async (t) => {
  const jpeg = Uint8Array.of(
    0xff,
    0xd8,
    0xff,
    0xe0,
    0,
    0x10,
    0x4a,
    0x46,
    0x49,
    0x46,
    0,
    1,
    1,
    0,
    0,
    1,
    0,
    1,
    0,
    0,
  )
  const text = beginning(3000)
  const cut = gzipSync(text).subarray(0, 20_000)
  const folder = mkdtempSync(join(tmpdir(), 'faultline-'))
  const file = (name: string, content: string | Uint8Array): string => {
    writeFileSync(join(folder, name), content)
    return join(folder, name)
  }
  const trace = file('trace.txt', text)
  const cases: readonly (readonly [string, readonly string[], RegExp])[] = [
    ['no trace', [], /missing required argument 'trace'/],
    ['a file that is not there', ['no-such-file.txt'], /no-such-file\.txt/],
    ['a folder', ['.'], /\./],
    ['a picture', [file('picture', jpeg)], /picture/],
    ['a truncated gzip', [file('cut.gz', cut)], /cut\.gz/],
    ['a text that is no trace', [file('hamlet', 'to be or not to be\n')], /hamlet/],
    ['an unknown design', [trace, '--design', 'lespinass-2021'], /did you mean 'lespinasse-2021'\?/],
    ['an unknown rwsem', [trace, '--rwsem', 'rcu'], /unknown rwsem 'rcu'/],
    ['an unknown process', [trace, '--process', '1'], /process 1/],
    ['a process that is no number', [trace, '--process', 'node'], /--process node/],
    ['too many threads', [trace, '--threads', '256'], /--threads 256.*1 to 255/],
    ['too little memory', [trace, '--memory', '64KiB', '--repeat', '1'], /memory/i],
    ['a fidelity above one', [trace, '--min-fidelity', '98'], /--min-fidelity 98/],
  ]
  const isRefused = ({ code, stdout, stderr }: Outcome, pattern: RegExp): void => {
    assert.equal(stdout, '')
    assert.match(stderr, /^faultline: [^\n]*\n$/)
    assert.match(stderr, / — /)
    assert.match(stderr, pattern)
    assert.equal(code, 2)
  }
  try {
    const outcomes = await refusals(cases.map(([, values]) => ['replay', ...values]))
    for (const [index, [name, , pattern]] of cases.entries())
      await t.test(name, () => isRefused(outcomes[index]!, pattern))
    for (const [name, input] of [
      ['an empty trace', ''],
      ['a truncated gzip', cut],
    ] as const)
      await t.test(`${name}, from standard input`, async () =>
        isRefused(await faultlineAlone(['replay', '-'], input), /stdin/),
      )
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('replay of a recorded program', parallel, async (t) => {
  const text = beginning(6000)
  await Promise.all([
    t.test('as text: what was recorded, what each design met, and a verdict', async () => {
      const { code, stdout, stderr } = await faultlineAlone(
        ['replay', '-', '--threads', '2', '--repeat', '2'],
        gzipSync(text),
      )
      assert.equal(stderr, '')
      assert.match(stdout, /^RECORDED[^]*\nREPLAYED[^]*classic +lespinasse-2021[^]*\nVERDICT\n {2}\S/)
      assert.match(stdout, /accesses failed( +0)+\n/)
      assert.equal(code, 0)
    }),
    t.test('with simulations beside, of the same designs', async () => {
      const file = join(import.meta.dirname, '..', 'fixtures', 'traces', 'small', 'thp-fork.perf.txt')
      const call = ['replay', file, '--repeat', '1', '--design', 'classic', '--what-if', '--json']
      const { code, stdout, stderr } = await faultlineAlone(call)
      assert.deepEqual([code, stderr], [0, ''])
      const { whatIf, designs } = JSON.parse(stdout) as {
        whatIf: { runs: { design: string; cpus: number }[] }
        designs: unknown[]
      }
      assert.equal(designs.length, 1)
      assert.deepEqual([...new Set(whatIf.runs.map(({ cpus }) => cpus))], [1, 8, 64])
      const refused = await faultlineAlone(['replay', '-', '--what-if'], text)
      assert.equal(refused.code, 2)
      assert.match(refused.stderr, /cannot be read twice/)
    }),
    t.test('as JSON, with the keys that are relied upon', async () => {
      const { code, stdout } = await faultlineAlone(
        ['replay', '-', '--threads', '2', '--repeat', '1', '--design', 'classic', '--rwsem', 'all', '--json'],
        text,
      )
      const { trace, designs, verdict } = JSON.parse(stdout) as {
        verdict: Record<string, unknown>
        trace: Record<string, unknown>
        designs: Record<string, Record<string, unknown>>[]
      }
      assert.equal(code, 0)
      for (const key of ['path', 'lines', 'events', 'threads', 'processes', 'recordedFaults', 'linux']) {
        assert.ok(key in trace, key)
      }
      assert.equal(trace['lines'], 6000)
      assert.equal(designs.length, rwsemNames.length)
      assert.deepEqual(Object.keys(verdict), [
        'hurts',
        'summary',
        'holders',
        'otherHolders',
        'unseenHolders',
        'waiters',
        'advice',
      ])
      const keys = {
        speculative: ['attempted', 'succeeded', 'aborted'],
        faultLatencyNs: ['p50', 'p99', 'max'],
        mmapLockWaitNs: ['count', 'total', 'p50', 'p99'],
        fidelity: ['recorded', 'reproduced', 'notReproduced', 'failed', 'ratio'],
      }
      for (const design of designs) {
        for (const key of [
          'design',
          'rwsem',
          'faults',
          'classicFaults',
          'kernelFaults',
          'elapsedMs',
          'faultsPerSecond',
        ]) {
          assert.ok(key in design, key)
        }
        for (const [key, inner] of Object.entries(keys)) {
          for (const name of inner) assert.ok(name in design[key]!, `${key}.${name}`)
        }
        assert.equal(design['fidelity']!['failed'], 0)
        assert.deepEqual(design['corrections'], {})
      }
    }),
    t.test('a program of several processes, whole or one of them', async () => {
      const run = async (process: string) => {
        const values = ['--design', 'per-vma-refcount-2025', '--repeat', '1', '--process', process]
        const result = await faultline(['replay', fileURLToPath(processes), ...values, '--json'])
        assert.equal(result.stderr, '')
        const { trace, designs } = JSON.parse(result.stdout) as {
          trace: Record<string, unknown>
          designs: Record<'fidelity' | 'corrections' | 'mmapLockFaults', Record<string, number>>[]
        }
        return { code: result.code, trace, design: designs[0]! }
      }
      const whole = await run('all')
      assert.equal(whole.code, 0)
      assert.deepEqual(
        ['processChoice', 'replayedProcesses', 'processThreads', 'recordedFaults'].map(
          (key) => whole.trace[key],
        ),
        ['all', 8, 12, 11_278],
      )
      assert.ok(whole.design.fidelity['ratio']! >= 0.98)
      assert.deepEqual(Object.keys(whole.design.mmapLockFaults), ['both', 'onlyHere', 'onlyLinux', 'neither'])
      // Without the child, what its fork did is what error codes tell: corrected, and reproduced.
      const busiest = await run('busiest')
      assert.equal(busiest.code, 0)
      assert.ok(busiest.design.corrections['writeProtectedByFork']! > 1000)
      assert.deepEqual(
        [busiest.trace['processChoice'], busiest.trace['process'], busiest.trace['replayedProcesses']],
        ['busiest', 6486, 1],
      )
    }),
    t.test('exit code 1 when fewer faults were reproduced than asked for', async () => {
      // Threads wait for one another, so that some faults of the record always meet a page that is there already.
      const values = [
        'replay',
        '-',
        '--threads',
        '2',
        '--repeat',
        '1',
        '--design',
        'classic',
        '--min-fidelity',
        '1',
        '--json',
      ]
      const { code, stdout } = await faultlineAlone(values, text)
      const { designs } = JSON.parse(stdout) as { designs: { fidelity: { ratio: number } }[] }
      assert.equal(code, designs[0]!.fidelity.ratio === 1 ? 0 : 1)
    }),
  ])
})
