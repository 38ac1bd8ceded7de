// The simulate command, as a process: JSON, text and refusals.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { MachineModel, SimulateResult, TraceSimulateResult } from '../../src/simulate/index.ts'
import { faultline, faultlineAlone, refusals } from './command.ts'

const smallTrace = join(import.meta.dirname, '..', 'fixtures', 'traces', 'small', 'thp-fork.perf.txt')

const runKeys = [
  'design',
  'rwsem',
  'cpus',
  'faults',
  'virtualMs',
  'faultsPerSecond',
  'idleShare',
  'timeByCause',
  'lines',
  'fallbacks',
  'wallMs',
  'accesses',
]

test('simulate', { concurrency: 2 }, async (t) => {
  await Promise.all([
    t.test('JSON, with the keys that are relied upon', async () => {
      const { code, stdout, stderr } = await faultlineAlone([
        'simulate',
        'pft',
        '--machine',
        'icelake-2s',
        '--cpus',
        '1,4',
        '--design',
        'classic',
        '--json',
      ])
      assert.equal(stderr, '')
      assert.equal(code, 0)
      const result = JSON.parse(stdout) as SimulateResult
      assert.deepEqual(Object.keys(result), ['workload', 'machine', 'kernel', 'runs', 'published'])
      assert.deepEqual(Object.keys(result.machine), ['name', 'cpus', 'source'])
      assert.deepEqual([result.machine.name, result.machine.cpus], ['icelake-2s', 128])
      assert.equal(result.kernel.options['ZERO_WRITTEN_SECTORS'], false)
      // As the kernel that was measured on the machine.
      assert.equal(result.kernel.options['accounting'], '6.1')
      assert.equal(result.kernel.options['spinlock'], 'queued')
      assert.equal(result.kernel.options['nodes'], 2)
      assert.deepEqual(
        result.runs.map((run) => Object.keys(run)),
        [runKeys, runKeys],
      )
      const run = result.runs[1]!
      assert.deepEqual([run.design, run.rwsem, run.cpus], ['classic', 'spinning', 4])
      assert.equal(Math.round(run.faultsPerSecond), Math.round(run.faults / (run.virtualMs / 1000)))
      assert.deepEqual(Object.keys(run.lines[0]!), ['name', 'transfersPerFault'])
      assert.equal(run.lines[0]!.name, 'mm.mmapLock')
      assert.equal(result.published.length, 2)
      for (const row of result.published) {
        assert.deepEqual(Object.keys(row), ['row', 'value', 'simulated', 'error'])
        assert.ok(Math.abs(row.error - (row.simulated / row.value - 1)) < 1e-9)
      }
    }),
    t.test('a machine of one’s own, in text', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'faultline-machine-'))
      const file = join(folder, 'machine.mjs')
      const source = new URL('../../src/simulate/machines/westmere-2s.ts', import.meta.url)
      writeFileSync(
        file,
        `import { westmere2s } from ${JSON.stringify(source.href)}
        export default { ...westmere2s, name: 'mine', topology: { ...westmere2s.topology, sockets: 1 } }`,
      )
      const { code, stdout, stderr } = await faultline([
        'simulate',
        'fetch-add',
        '--machine',
        file,
        '--cpus',
        '1,2,6',
        '--design',
        'classic',
      ])
      rmSync(folder, { recursive: true })
      assert.equal(stderr, '')
      assert.equal(code, 0)
      assert.match(stdout, /^fetch-add on mine, simulated/)
      assert.match(stdout, /classic\/spinning +6 /)
      assert.match(
        stdout,
        /bends at 2 CPUs: from there on, the word travels 0\.5 times for each of the\s+operations, and/,
      )
      assert.ok(
        stdout.split('\n').every((line) => line.length <= 100),
        'no line is longer than 100',
      )
    }),
    t.test('a recording: JSON with the same keys and more, and text', async () => {
      const call = ['simulate', smallTrace, '--machine', 'here', '--cpus', '1,2', '--design', 'classic']
      const [json, text] = await Promise.all([faultline([...call, '--json']), faultline(call)])
      assert.deepEqual([json.code, json.stderr, text.code, text.stderr], [0, '', 0, ''])
      const result = JSON.parse(json.stdout) as TraceSimulateResult
      assert.deepEqual(Object.keys(result), ['workload', 'machine', 'kernel', 'runs', 'published', 'trace'])
      assert.deepEqual(
        result.runs.map(({ cpus, gaps }) => [cpus, gaps]),
        [
          [1, 'computing'],
          [1, 'blocking'],
          [2, 'computing'],
          [2, 'blocking'],
        ],
      )
      assert.deepEqual(Object.keys(result.runs[0]!).slice(0, runKeys.length), runKeys)
      assert.equal(result.runs[0]!.fidelity.reproduced, 9)
      assert.match(text.stdout, /thp-fork\.perf\.txt on here, simulated/)
      assert.match(text.stdout, /classic\/spinning +2 +blocking +0\.\d\d ms/)
      assert.match(text.stdout, /9 of 9 faults are reproduced/)
    }),
    t.test('the machines', async () => {
      const { stdout } = await faultline(['simulate', '--machines', '--json'])
      const names = (JSON.parse(stdout) as MachineModel[]).map(({ name }) => name)
      for (const name of ['here', 'skylake-2s', 'rome-2s', 'westmere-2s', 'numa-56', 'guest-16'])
        assert.ok(names.includes(name), name)
    }),
    t.test('wrong calls: exit code 2, what is wrong, and nothing on standard output', async () => {
      const cases: readonly (readonly [readonly string[], RegExp])[] = [
        [['simulate'], /needs a workload/],
        [['simulate', 'page_fault9'], /unknown workload 'page_fault9'/],
        [['simulate', 'pft', '--machine', 'skylak-2s'], /did you mean 'skylake-2s'/],
        [['simulate', 'pft', '--machine', './no-such-machine.mjs'], /cannot be loaded/],
        [['simulate', 'pft', '--cpus', '113'], /--cpus 113 is not usable/],
        [['simulate', 'pft', '--seed', 'x'], /--seed x/],
        [['simulate', 'pft', '--spinlock', 'queue'], /did you mean 'queued'/],
        [['simulate', '--machines', 'pft'], /takes no workload/],
        [['simulate', 'pft', '--process', '1'], /--process is of recordings/],
        [['simulate', smallTrace, '--machine', 'here', '--cpus', '3'], /--cpus 3 is not usable/],
        [['simulate', smallTrace, '--process', '99'], /no process 99/],
        [['simulate', './no-such.perf.txt'], /no-such\.perf\.txt/],
      ]
      const outcomes = await refusals(cases.map(([call]) => call))
      outcomes.forEach(({ code, stdout, stderr }, index) => {
        assert.deepEqual([code, stdout], [2, ''], stderr)
        assert.match(stderr, cases[index]![1])
      })
    }),
  ])
})
