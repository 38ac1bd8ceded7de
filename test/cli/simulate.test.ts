// The simulate command, as a process: JSON, text and refusals.

import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Calibration } from '../../src/simulate/calibrate/calibrate.ts'
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
    t.test(
      '--pages: a longer round has fewer calls, and some workloads have the size of their source',
      async () => {
        const run = async (pages: string): Promise<number> => {
          const values = ['simulate', 'page_fault1', '--cpus', '2', '--design', 'classic', '--json']
          const { stdout } = await faultline([...values, '--pages', pages])
          const { runs } = JSON.parse(stdout) as SimulateResult
          return runs[0]!.faults
        }
        assert.ok((await run('1024')) > 3 * (await run('256')))
        for (const [workload, given, said] of [
          ['pft', ['--pages', '512'], /--pages: pft has the size of its source already/],
          ['page_fault1', ['--pages', '8'], /--pages 8 is not usable — give a whole number of 64 to 32768/],
          [
            'page_fault1',
            ['--pages', '32768', '--cpus', '64'],
            /the run needs \d+ frames, .* at most 1048575/,
          ],
        ] as const) {
          const { code, stderr } = await faultline(['simulate', workload, ...given])
          assert.match(stderr, said)
          assert.equal(code, 2)
        }
      },
    ),
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
      assert.equal(result.kernel.options['prefetchesMmapLock'], true)
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
      assert.match(
        stdout.replaceAll(/\s+/g, ' '),
        /of Linux since 5\.11: --accounting\. Spinlocks are ticket: --spinlock\./,
      )
      assert.match(stdout, /classic\/spinning +6 /)
      assert.match(
        stdout,
        /bends at 2 CPUs: from there on, the word makes 0\.5 trips for each of the\s+operations, and/,
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
      const words = text.stdout.replaceAll(/\s+/g, ' ')
      assert.match(words, /without the lists, charges and counters of Linux: --accounting\. /)
      assert.match(words, / Spinlocks are test-and-set: --spinlock\. Memory is one node\./)
    }),
    t.test('charts: on the terminal, and as files', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'faultline-chart-'))
      const call = ['simulate', 'fetch-add', '--machine', 'skylake-client', '--cpus', '1,2,4', '--design']
      const output = (name: string): string[] => ['--output', join(folder, name)]
      try {
        const [chart, csv, table] = await Promise.all([
          faultline([...call, 'classic', '--chart', ...output('a.svg')]),
          faultline([...call, 'classic,lespinasse-2021', '--csv', ...output('a.html')]),
          faultline([...call, 'classic', ...output('b.csv')]),
        ])
        assert.deepEqual([chart.code, chart.stderr, csv.code, csv.stderr], [0, '', 0, ''])
        assert.match(chart.stdout, /│ +a\n/)
        assert.match(chart.stdout, /\n +CPUs +1 +2 +4\n +a {2}classic\/spinning\n/)
        assert.match(chart.stdout, /Open in a browser: .*a\.svg/)
        assert.match(table.stdout, /Written: .*b\.csv/)
        const svg = readFileSync(join(folder, 'a.svg'), 'utf8')
        assert.match(svg, /^<svg xmlns/)
        assert.equal(svg.match(/<circle /g)!.length, 3)
        assert.doesNotMatch(svg, /NaN|undefined|Infinity/)
        const [comment, headings, none, one] = csv.stdout.split('\n')
        assert.match(comment!, /^# fetch-add classic\//)
        assert.equal(headings, 'tasks,processes,processes_idle,threads,threads_idle,linear')
        assert.equal(none, '0,0,100,0,100,0')
        const [tasks, , , rate, idle, linear] = one!.split(',').map(Number)
        assert.deepEqual([tasks, idle, linear], [1, 0, rate])
        const page = readFileSync(join(folder, 'a.html'), 'utf8')
        assert.equal(page.match(/<polyline [^>]*points="[\d.]+,[\d.]+ /g)!.length, 4)
        assert.match(page, /Where the time goes/)
      } finally {
        rmSync(folder, { recursive: true })
      }
    }),
    t.test('a machine that was measured here can be simulated', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'faultline-calibrate-'))
      const file = join(folder, 'measured.mjs')
      try {
        const measured = await faultline([
          'simulate',
          '--calibrate',
          '--seconds',
          '1',
          '--output',
          file,
          '--json',
        ])
        assert.deepEqual([measured.code, measured.stderr], [0, ''])
        const { machine, measurements, contended, origins } = JSON.parse(measured.stdout) as Calibration
        assert.equal(machine.name, 'measured')
        for (const { what, median, min, max, samples } of [...measurements, ...contended])
          assert.ok(0 < min && min <= median && median <= max && samples > 0, what)
        const alone = measurements.filter(({ what }) => /^(a locked instruction|clearing a page)/.test(what))
        assert.equal(alone.length, 2)
        assert.match(origins['clearing.hotNs']!, /^measured: /)
        assert.match(origins['residencyNs']!, /^not measured, taken over from here$/)
        const call = [
          'simulate',
          'fetch-add',
          '--machine',
          file,
          '--cpus',
          '1',
          '--design',
          'classic',
          '--json',
        ]
        const { code, stdout, stderr } = await faultline(call)
        assert.deepEqual([code, stderr], [0, ''])
        const { runs } = JSON.parse(stdout) as SimulateResult
        const { atomicNs } = machine.latency
        assert.ok(Math.abs(1e9 / runs[0]!.faultsPerSecond / atomicNs - 1) < 0.1)
      } finally {
        rmSync(folder, { recursive: true })
      }
    }),
    t.test('a file whose module never ends loading is told of', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'faultline-machine-'))
      const file = join(folder, 'endless.mjs')
      writeFileSync(file, 'await new Promise(() => {})\n')
      try {
        const { code, stdout, stderr } = await faultlineAlone(['simulate', 'pft', '--machine', file])
        assert.deepEqual([code, stdout], [2, ''])
        assert.match(stderr, /cannot be loaded: it awaits something that never happens/)
      } finally {
        rmSync(folder, { recursive: true })
      }
    }),
    t.test('the machines', async () => {
      const { stdout } = await faultline(['simulate', '--machines', '--json'])
      const names = (JSON.parse(stdout) as MachineModel[]).map(({ name }) => name)
      const relied = [
        'fsb-2009',
        'westmere-2s',
        'broadwell-2s',
        'skylake-2s',
        'icelake-2s',
        'rome-2s',
        'numa-56',
      ]
      for (const name of [...relied, 'guest-16', 'power8-80', 'pixel-6', 'here'])
        assert.ok(names.includes(name), name)
    }),
    t.test('wrong calls: exit code 2, what is wrong, and nothing on standard output', async () => {
      const cases: readonly (readonly [readonly string[], RegExp])[] = [
        [['simulate'], /needs a workload/],
        [['simulate', 'page_fault9'], /unknown workload 'page_fault9'/],
        [['simulate', 'pft', '--machine', 'skylak-2s'], /did you mean 'skylake-2s'/],
        [['simulate', 'pft', '--machine', './no-such-machine.mjs'], /cannot be loaded: ENOENT/],
        [['simulate', 'pft', '--machine', './src'], /cannot be loaded: EISDIR/],
        [['simulate', 'pft', '--machine', './package.json'], /version means nothing.*title is no text/],
        [['simulate', 'pft', '--cpus', '113'], /--cpus 113 is not usable/],
        [['simulate', 'pft', '--seed', 'x'], /--seed x/],
        [['simulate', 'pft', '--spinlock', 'queue'], /did you mean 'queued'/],
        [['simulate', '--machines', 'pft'], /takes no workload/],
        [['simulate', '--calibrate', 'pft'], /takes no workload/],
        [['simulate', '--calibrate', '--seconds', '0'], /--seconds 0/],
        [['simulate', 'pft', '--output', 'pft.png'], /end its name in \.svg/],
        [['simulate', 'pft', '--csv', '--json'], /exclude each other/],
        [['simulate', 'pft', '--chart', '--json'], /--chart and --json exclude each other/],
        [
          ['simulate', 'pft', '--seconds', '3'],
          /--seconds is of --calibrate, and does nothing for a workload/,
        ],
        [
          ['simulate', '--calibrate', '--cpus', '2'],
          /--cpus is of a workload and a recording, and does nothing/,
        ],
        [['simulate', '--machines', '--machine', 'here'], /does nothing for --machines/],
        [['simulate', smallTrace, '--chart'], /--chart is of a workload, and does nothing for a recording/],
        [['simulate', 'pft', '--process', '1'], /--process is of a recording/],
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
