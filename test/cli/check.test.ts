// The check command, as a process: texts, JSON and exit codes.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { faultline } from './command.ts'

const program = (name: string): string =>
  fileURLToPath(new URL(`../check/programs/${name}.ts`, import.meta.url))
const keys = [
  'scenario',
  'design',
  'rwsem',
  'verdict',
  'complete',
  'executions',
  'redundant',
  'steps',
  'seconds',
  'bound',
  'failure',
]

test('check', { concurrency: 2 }, async (t) => {
  await Promise.all([
    t.test('a file that holds: exit code 0, and it says that it was complete', async () => {
      const { code, stdout, stderr } = await faultline(['check', program('message')])
      assert.equal(stderr, '')
      assert.match(stdout, /message\.ts: pass, every interleaving\n {2}\d+ executions/)
      assert.equal(code, 0)
    }),
    t.test('a file that fails: exit code 1 and the counterexample', async () => {
      const { code, stdout } = await faultline(['check', program('ring')])
      assert.match(stdout, /^a ring buffer: fail\n/)
      assert.match(stdout, /store ring\[TAIL\] 0 → 1/)
      assert.match(stdout, /the first value is 1, and 0 came out/)
      assert.equal(code, 1)
    }),
    t.test('JSON of a failure, with the keys that are relied upon', async () => {
      const { code, stdout } = await faultline(['check', program('racy'), '--json'])
      const result = JSON.parse(stdout) as Record<string, unknown> & { failure: Record<string, unknown> }
      assert.deepEqual(Object.keys(result), keys)
      assert.deepEqual([result['design'], result['verdict'], result['bound']], [null, 'fail', null])
      const { kind, race, token } = result.failure
      assert.deepEqual(Object.keys(result.failure), [
        'kind',
        'message',
        'race',
        'preemptions',
        'steps',
        'token',
      ])
      assert.deepEqual([kind, token], ['race', null])
      assert.match(String(race), /write at .*racy\.ts:7 .*; thread 1: read at .*racy\.ts:12/)
      assert.equal(code, 1)
    }),
    t.test('a kernel scenario under each design: an object a line', async () => {
      const { code, stdout } = await faultline(['check', 'fault-mmap-fixed', '--json'])
      const results = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>)
      assert.deepEqual(
        results.map(({ design, rwsem, verdict, failure }) => [design, rwsem, verdict, failure]),
        [
          ['classic', 'xadd', 'pass', null],
          ['lespinasse-2021', 'xadd', 'pass', null],
          ['per-vma-refcount-2025', 'xadd', 'pass', null],
        ],
      )
      assert.equal(code, 0)
    }),
    t.test('where the time is up: incomplete, exit code 0', async () => {
      const values = ['check', 'two-faults-munmap', '--design', 'lespinasse-2021', '--seconds', '0.1']
      const { code, stdout } = await faultline(values)
      assert.match(stdout, /^two-faults-munmap, lespinasse-2021\/xadd: incomplete\n/)
      assert.equal(code, 0)
    }),
    t.test('the mutants of a scenario: each is caught', async () => {
      const { code, stdout } = await faultline(['check', 'fault-fault', '--mutants', '--json'])
      const results = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>)
      for (const result of results) {
        assert.deepEqual(Object.keys(result), [
          'mutant',
          'design',
          'race',
          'caught',
          'scenario',
          'executions',
          'redundant',
        ])
        assert.equal(result['caught'], result['redundant'] === null, String(result['mutant']))
      }
      assert.equal(code, 0)
    }),
    ...(
      [
        [['check'], /nothing to check — give the name/],
        [['check', 'fault-munmap', '--all'], /--all goes with no scenario/],
        [['check', 'fault-brk', '--mutants'], /no mutant is for 'fault-brk' — there are some for fault-/],
        [
          ['check', 'fault-mumap'],
          /neither a scenario nor a file 'fault-mumap' — did you mean 'fault-munmap'/,
        ],
        [['check', program('throws')], /cannot be loaded: Error: no luck — correct what it/],
        [['check', program('random')], /does not export a scenario as default — write export default/],
        [['check', 'fault-munmap', '--seconds', 'long'], /--seconds long is not usable/],
      ] as const
    ).map(([values, message]) =>
      t.test(`refuses ${values.slice(0, 3).join(' ')}`, async () => {
        const { code, stdout, stderr } = await faultline(values)
        assert.match(stderr, message)
        assert.deepEqual([code, stdout], [2, ''])
      }),
    ),
  ])
})
