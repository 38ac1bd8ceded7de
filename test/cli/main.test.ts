import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { command } from '../built.ts'
import { type Outcome, faultline, faultlineAlone, refusals } from './command.ts'

const parallel = { concurrency: 2 }

/** Runs a call that must be refused: code 2, one line on standard error that matches, nothing on standard output. */
async function refuses(values: readonly string[], ...patterns: readonly RegExp[]): Promise<void> {
  assertRefused(await faultline(values), patterns)
}

function assertRefused({ code, stdout, stderr }: Outcome, patterns: readonly RegExp[]): void {
  assert.equal(stdout, '')
  for (const pattern of patterns) assert.match(stderr, pattern)
  assert.match(stderr, /^faultline: .* — .*\n$/)
  assert.equal(code, 2)
}

test('the command', parallel, async (t) => {
  await Promise.all([
    t.test('--version prints the version of the package', async () => {
      const { version } = JSON.parse(
        readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
      ) as {
        version: string
      }
      assert.deepEqual(await faultlineAlone(['--version']), { code: 0, stdout: `${version}\n`, stderr: '' })
    }),
    t.test('a command loads what it is made of, and not the others', async () => {
      const tells = `process.on('exit', () => console.error(process.getBuiltinModule('module').loaded.join()))`
      const hook = `import module, { registerHooks } from 'node:module'
        module.loaded = []
        registerHooks({ load: (url, context, next) => (module.loaded.push(url), next(url, context)) })
        ${tells}`
      const preload = `--import=data:text/javascript,${encodeURIComponent(hook)}`
      const built = new URL('../', pathToFileURL(command)).href
      /** The modules of this package that a command loads, each as its path below the built folder. */
      const run = (name: string): string[] => {
        const { stderr } = spawnSync(process.execPath, [preload, command, name], { encoding: 'utf8' })
        const own = stderr.split(/[,\n]/).filter((url) => url.startsWith(built))
        return own.map((url) => url.slice(built.length))
      }
      const version = run('--version')
      assert.ok(version.includes('cli/main.js'))
      assert.deepEqual(
        version.filter((path) => /^(kernel|memory|check|trace)\b/.test(path)),
        [],
      )
      const designs = run('designs')
      assert.ok(designs.includes('cli/designs.js'))
      assert.deepEqual(
        designs.filter((path) => /^check\/(explorer|index)\.js/.test(path)),
        [],
      )
    }),
    t.test('--help names every command and gives examples', async () => {
      const { code, stdout, stderr } = await faultline(['--help'])
      assert.equal(code, 0)
      assert.equal(stderr, '')
      for (const name of ['replay', 'bench', 'designs'])
        assert.match(stdout, new RegExp(`^  ${name}\\b`, 'm'))
      assert.match(stdout, /Examples:\n {2}faultline replay/)
    }),
    t.test('without a command the help is shown, as for a wrong call', async () => {
      const { code, stdout, stderr } = await faultlineAlone([])
      assert.equal(code, 2)
      assert.equal(stdout, '')
      assert.match(stderr, /^faultline: no command given.*\n\nUsage: faultline/)
    }),
    t.test('an unknown command suggests the nearest', () =>
      refuses(['rpelay'], /unknown command 'rpelay'/, /'replay'/),
    ),
    t.test('an unknown option suggests the nearest', () =>
      refuses(['bench', 'mmap1', '--thread', '1'], /unknown option '--thread'/, /'--threads'/),
    ),
    t.test('designs lists them, and as JSON too', async () => {
      const text = await faultline(['designs'])
      assert.match(text.stdout, /^classic/m)
      assert.match(text.stdout, /^lespinasse-2021/m)
      const json = await faultline(['designs', '--json'])
      const designs = JSON.parse(json.stdout) as { design: string; year: number }[]
      const keys = [
        'design',
        'year',
        'author',
        'rwsem',
        'source',
        'lookup',
        'lifetime',
        'validation',
        'commit',
        'sharedWrites',
      ]
      assert.ok(designs.every((design) => String(Object.keys(design)) === String(keys)))
      assert.ok(designs.some(({ design, year }) => design === 'lespinasse-2021' && year === 2021))
    }),
  ])
})

test('bench refuses wrong calls', async (t) => {
  const bench = (...values: string[]): string[] => ['bench', ...values]
  const cases: readonly (readonly [string[], RegExp, RegExp])[] = [
    [bench(), /missing required argument 'workload'/, /see faultline bench --help/],
    [bench('pagefault1'), /unknown workload 'pagefault1'/, /did you mean 'page_fault1'\?/],
    [bench('mmap1', '--design', 'clasic'), /unknown design 'clasic'/, /did you mean 'classic'\?/],
    [
      bench('mmap1', '--rwsem', 'spin'),
      /unknown rwsem 'spin'/,
      /generic, xadd, writer-spinning, reader-spinning, spinning/,
    ],
    [bench('mmap1', '--rss', 'all'), /unknown way of counting 'all'/, /batched, shared/],
    [bench('mmap1', '--threads', '0'), /--threads 0/, /1 to 254/],
    [bench('mmap1', '--threads', '255'), /--threads 255/, /1 to 254/],
    [bench('page_fault1', '--threads', '40'), /more than the 4 GiB/, /--size/],
    [bench('vma', '--threads', '254'), /--threads 254/, /1 to 2\d\d/],
    [bench('vma', '--size', '1MiB'), /--size does not go with vma/, /leave it out/],
    [bench('mmap1', '--seconds', 'long'), /--seconds long/, /a number/],
    [bench('mmap1', '--against', 'windows'), /unknown peer 'windows'/, /linux/],
    [bench('mmap1', '--csv', '--json'), /exclude each other/, /one of them/],
  ]
  const outcomes = await refusals(cases.map(([values]) => values))
  for (const [index, [values, ...patterns]] of cases.entries())
    await t.test(values.join(' '), () => assertRefused(outcomes[index]!, patterns))
})

test('bench prints text, JSON and will-it-scale’s columns', parallel, async (t) => {
  const quick = ['--seconds', '0.05', '--warmup', '0', '--repeat', '1', '--size', '1MiB']
  await Promise.all([
    t.test('text', async () => {
      const { code, stdout, stderr } = await faultline(['bench', 'page_fault1', '--threads', '1', ...quick])
      assert.equal(stderr, '')
      assert.equal(code, 0)
      assert.match(stdout, /^page_fault1: .*\n {2}1 MiB a thread/)
      assert.match(stdout, /classic\/spinning +\d/)
    }),
    t.test('JSON with the keys that are relied upon', async () => {
      const values = ['bench', 'page_fault1', '--threads', '1,2', '--rss', 'shared', '--json', ...quick]
      const { stdout } = await faultline(values)
      const result = JSON.parse(stdout) as {
        workload: string
        rss: string
        runs: Record<string, unknown>[]
        ratios: unknown[]
      }
      assert.equal(result.workload, 'page_fault1')
      assert.equal(result.rss, 'shared')
      assert.equal(result.runs.length, 6)
      for (const run of result.runs) {
        for (const key of [
          'design',
          'rwsem',
          'threads',
          'faults',
          'seconds',
          'faultsPerSecond',
          'faultLatencyNs',
        ]) {
          assert.ok(key in run, key)
        }
        const latency = run['faultLatencyNs'] as Record<string, number>
        for (const key of ['p50', 'p99', 'max']) assert.equal(typeof latency[key], 'number')
      }
      assert.deepEqual(result.ratios, [])
    }),
    t.test('CSV', async () => {
      const { stdout } = await faultline([
        'bench',
        'mmap1',
        '--design',
        'classic',
        '--threads',
        '1',
        '--csv',
        ...quick,
      ])
      assert.match(
        stdout,
        /^tasks,processes,processes_idle,threads,threads_idle,linear\n0,0,100,0,100,0\n1,0,0\.00,\d+,[\d.]+,\d+\n$/,
      )
    }),
  ])
})

test('a reader that goes away is no error', async () => {
  const child = spawn(process.execPath, [command, 'designs'])
  child.stdout.destroy()
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const [code] = (await once(child, 'close')) as [number | null]
  assert.equal(stderr, '')
  assert.equal(code, 0)
})
