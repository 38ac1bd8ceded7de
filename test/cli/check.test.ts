// The check command, as a process: texts, JSON and exit codes.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { CheckResult, Counterexample, PairConflicts } from '../../src/check/index.ts'
import { faultline, faultlineAlone, refusals } from './command.ts'

const program = (name: string): string =>
  fileURLToPath(new URL(`../check/programs/${name}.ts`, import.meta.url))
const keys = [
  'scenario',
  'design',
  'rwsem',
  'rss',
  'published',
  'verdict',
  'complete',
  'executions',
  'redundant',
  'steps',
  'seconds',
  'bound',
  'strategy',
  'seed',
  'guarantee',
  'shard',
  'timeouts',
  'turns',
  'estimatedExecutions',
  'failure',
]

test('check', { concurrency: 2 }, async (t) => {
  await Promise.all([
    t.test('a file that holds: exit code 0, and it says that it was complete', async () => {
      const { code, stdout, stderr } = await faultlineAlone(['check', program('message')])
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
    t.test('a file that keeps its process alive: the process ends all the same', async () => {
      const { code, stdout } = await faultlineAlone(['check', program('keeps-process')])
      assert.match(stdout, /keeps-process\.ts: pass/)
      assert.equal(code, 0)
    }),
    t.test('a page, of what fails and of what holds, in the place of an older one', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'faultline-'))
      try {
        const page = join(folder, 'page.html')
        const failed = await faultline(['check', program('ring'), '--output', page])
        assert.ok(failed.stdout.endsWith(`\n\nOpen in a browser: ${page}\n`), failed.stdout)
        const token = /--replay (\S+)/.exec(failed.stdout)![1]!
        const text = readFileSync(page, 'utf8')
        assert.ok(text.includes(`faultline check ${program('ring')} --replay ${token}`))
        assert.match(text, /programs\/ring\.ts<\/h3>/)
        assert.match(text, /<code>\s*Atomics\.store\(ring, TAIL, tail \+ 1\)<\/code>/)
        const held = await faultline(['check', program('message'), '--output', page, '--json'])
        assert.equal(held.code, 0)
        assert.equal(held.stdout.trim().split('\n').length, 1)
        assert.match(readFileSync(page, 'utf8'), /message\.ts: pass, every interleaving/)
      } finally {
        rmSync(folder, { recursive: true })
      }
    }),
    t.test('JSON and nothing else, whatever the program prints', async () => {
      const file = fileURLToPath(new URL('programs/prints.check.mjs', import.meta.url))
      for (const workers of ['1', '2']) {
        const { stdout, stderr } = await faultline(['check', file, '--json', '--workers', workers])
        assert.equal((JSON.parse(stdout) as { verdict: string }).verdict, 'pass')
        assert.match(stderr, /^a thread 0\nthe invariant\n/)
      }
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
      assert.equal(kind, 'race')
      assert.match(String(token), /^fl1\.racy\.ts\./)
      assert.match(String(race), /write at .*racy\.ts:7 .*; thread 1: read at .*racy\.ts:12/)
      assert.equal(code, 1)
    }),
    t.test('a token runs the execution again; another token is refused with the reason', async () => {
      const { stdout } = await faultline(['check', program('ring'), '--json'])
      const { token } = (JSON.parse(stdout) as { failure: { token: string } }).failure
      const again = await faultline(['check', program('ring'), '--replay', token])
      assert.match(again.stdout, /^a ring buffer: fail\n {2}1 execution,/)
      assert.match(again.stdout, /the first value is 1, and 0 came out/)
      assert.ok(again.stdout.includes(`ring.ts --replay ${token}\n`))
      assert.equal(again.code, 1)
      const other = await faultline(['check', program('racy'), '--replay', token])
      assert.match(other.stderr, /the token is for ring\.ts, and not for racy\.ts — give its scenario/)
      assert.deepEqual([other.code, other.stdout], [2, ''])
      const damaged = await faultline(['check', program('ring'), '--replay', token.slice(0, -1)])
      assert.match(damaged.stderr, /the token is damaged — copy all of it/)
      assert.equal(damaged.code, 2)
      const kernel = await faultline(['check', 'fault-munmap', '--replay', token])
      assert.match(kernel.stderr, /the token is for ring\.ts, and not for fault-munmap/)
      assert.equal(kernel.code, 2)
    }),
    t.test('a mutant: its counterexample, shortened, as files, and from its token', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'faultline-'))
      try {
        const [trace, data, page] = ['trace.json', 'data.json', 'page.html'].map((name) => join(folder, name))
        const mutant = ['check', '--mutant', 'lock-instead-of-try-lock']
        const files = ['--perfetto', trace!, '--counterexample', data!, '--output', page!]
        const first = await faultline([...mutant, ...files])
        assert.equal(first.code, 1)
        assert.match(first.stdout, /1 preemption, \d\d steps; as found: 1 preemption, [\d,]{5} steps\n/)
        const { traceEvents } = JSON.parse(readFileSync(trace!, 'utf8')) as { traceEvents: unknown[] }
        assert.ok(traceEvents.length > 100)
        const { noun, events } = JSON.parse(readFileSync(data!, 'utf8')) as Counterexample
        assert.equal(noun, 'CPU')
        assert.ok(events.length > 60)
        // What a mutant changes stands in no file.
        assert.match(readFileSync(page!, 'utf8'), /The kernel is the mutant lock-instead-of-try-lock \(/)
        const token = /--replay (\S+)/.exec(first.stdout)![1]!
        const again = await faultline([...mutant, '--replay', token, '--json'])
        const { design, rwsem, failure } = JSON.parse(again.stdout) as CheckResult
        assert.deepEqual([design, rwsem, failure!.token], ['lespinasse-2021', 'xadd', token])
        const [classic, whole] = await refusals([
          [...mutant, '--replay', token, '--design', 'classic'],
          ['check', 'interrupt-deadlock', '--replay', token],
        ])
        assert.match(classic!.stderr, /not for interrupt-deadlock\/classic\/xadd — give its design/)
        assert.match(whole!.stderr, /the code of .* has changed/)
        assert.deepEqual([classic!.code, whole!.code], [2, 2])
      } finally {
        rmSync(folder, { recursive: true })
      }
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
    t.test('leaf slots with a semaphore that spins, by the built detectors', async () => {
      const values = [
        'check',
        'fault-munmap',
        '--design',
        'leaf-slots',
        '--rwsem',
        'spinning',
        '--seconds',
        '0.3',
      ]
      const { code, stdout } = await faultline(values)
      assert.match(stdout, /^fault-munmap, leaf-slots\/spinning: (pass|incomplete)/)
      assert.equal(code, 0)
    }),
    t.test('with a bound: what was covered is said', async () => {
      const { code, stdout } = await faultline([
        'check',
        'fault-fault',
        '--design',
        'classic',
        '--bound',
        '1',
      ])
      assert.match(
        stdout,
        /^fault-fault, classic\/xadd: pass, every interleaving with at most 1 preemption\n/,
      )
      assert.equal(code, 0)
    }),
    t.test('one shard: so is that', async () => {
      const { code, stdout } = await faultline(['check', program('message'), '--shard', '1/2'])
      assert.match(stdout, /: pass, every interleaving, part 1\/2\n/)
      assert.equal(code, 0)
    }),
    t.test('by chance: the seed is printed, and the same seed gives the same run', async () => {
      const values = ['check', program('mutex'), '--strategy', 'pct', '--executions', '100', '--seed', '5']
      const { code, stdout } = await faultline(values)
      assert.match(stdout, /: incomplete, random\n {2}100 executions, .*\n {2}PCT of depth 3, seed 5\n/)
      assert.match(stdout, /ordered steps in at least 1 of [\d.]+( k)? executions\n$/)
      assert.equal(code, 0)
      const counts = (text: string): string => text.replace(/in [\d.]+ s/, '')
      assert.equal(counts((await faultline(values)).stdout), counts(stdout))
    }),
    t.test('a machine with shared counts, and an execution of it again', async () => {
      const values = ['check', '--mutant', 'lock-instead-of-try-lock', '--no-minimise', '--json']
      const first = JSON.parse((await faultline([...values, '--rss', 'shared'])).stdout) as CheckResult
      assert.deepEqual([first.rss, first.failure!.preemptions], ['shared', 1])
      const token = first.failure!.token!
      const again = await faultline([...values, '--replay', token])
      const { rss, failure } = JSON.parse(again.stdout) as CheckResult
      assert.deepEqual([rss, failure!.token], ['shared', token])
      const batched = await faultline([...values, '--replay', token, '--rss', 'batched'])
      assert.match(
        batched.stderr,
        /the token is for .*\/shared, and not for .* — give its design, rwsem and rss/,
      )
    }),
    t.test('a design as published: its counterexample as a file, and from its token alone', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'faultline-'))
      try {
        const data = join(folder, 'data.json')
        const values = ['check', 'fault-munmap', '--design', 'kamezawa-2009-refcount', '--published']
        const first = await faultline([...values, '--minimise', '2', '--counterexample', data])
        // What is found was expected.
        assert.equal(first.code, 0)
        assert.equal((JSON.parse(readFileSync(data, 'utf8')) as Counterexample).noun, 'CPU')
        const [line, token] = /replay: faultline check fault-munmap --replay (\S+)/.exec(first.stdout)!
        assert.match(token!, /^fl1\.fault-munmap\/kamezawa-2009-refcount\/xadd\/published\./)
        const again = await faultline(['check', 'fault-munmap', '--replay', token!])
        assert.match(again.stdout, /^fault-munmap, kamezawa-2009-refcount\/xadd, as published: fail\n/)
        assert.ok(again.stdout.includes(`${line}\n`))
        assert.equal(again.code, 1)
        const said = await faultline([...values, '--replay', token!, '--json'])
        const { published, failure } = JSON.parse(said.stdout) as CheckResult
        assert.deepEqual([published, failure!.token], [true, token])
        const other = await faultline(['check', 'fault-munmap', '--replay', token!, '--design', 'classic'])
        assert.match(other.stderr, /not for fault-munmap\/classic\/xadd\/published — give its design/)
        assert.equal(other.code, 2)
      } finally {
        rmSync(folder, { recursive: true })
      }
    }),
    t.test('contended locks: what two CPUs alone do not show, and again from its token alone', async () => {
      const { stdout, code } = await faultline(['check', '--mutant', 'leaf-file-not-held'])
      assert.match(stdout, /^bring-in-unmap, leaf-slots\/xadd, contended: fail\n/)
      assert.equal(code, 1)
      const [, token] = /--replay (\S+)/.exec(stdout)!
      const mutant = ['--mutant', 'leaf-file-not-held']
      const again = await faultline(['check', 'bring-in-unmap', ...mutant, '--replay', token!, '--json'])
      const { contended, failure } = JSON.parse(again.stdout) as CheckResult
      assert.deepEqual([contended, failure!.token], [true, token])
    }),
    t.test('a mutant of a semaphore is checked with that semaphore', async () => {
      const { stdout, code } = await faultline(['check', '--mutant', 'try-beside-a-writer'])
      assert.match(stdout, /^rwsem-writers, lespinasse-2021\/spinning: fail\n/)
      assert.equal(code, 1)
    }),
    t.test('the conflict matrix: an object a line', async () => {
      const { code, stdout } = await faultline(['check', '--conflicts', '--design', 'dufour-2018', '--json'])
      const found = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as PairConflicts)
      assert.equal(code, 0)
      assert.equal(found.length, 24)
      const pairKeys = ['design', 'rwsem', 'rss', 'first', 'second', 'lines']
      for (const pair of found) {
        assert.deepEqual(Object.keys(pair), pairKeys)
        for (const line of pair.lines) {
          assert.deepEqual(Object.keys(line), ['name', 'firstWrites', 'secondWrites', 'sameWord', 'always'])
        }
      }
      assert.ok(found[0]!.lines.some(({ name }) => name === 'mm.mmRbLock'))
    }),
    t.test('where the time is up: incomplete, exit code 0', async () => {
      const values = ['check', 'two-faults-munmap', '--design', 'lespinasse-2021', '--seconds', '0.1']
      const { code, stdout } = await faultline(values)
      assert.match(stdout, /^two-faults-munmap, lespinasse-2021\/xadd: incomplete\n/)
      assert.match(
        stdout,
        /\n {2}(about [\d.]+( [kMG])?|more than 10¹²) executions, as estimated; .* at this rate\n$/,
      )
      assert.equal(code, 0)
    }),
    t.test(
      'where a pass is required: exit code 1 for what is incomplete, and 0 for what passes',
      async () => {
        const values = ['check', program('message'), '--require-pass']
        const whole = await faultline(values)
        assert.match(whole.stdout, /: pass, every interleaving\n/)
        assert.equal(whole.code, 0)
        const part = await faultline([...values, '--executions', '1'])
        assert.match(part.stdout, /: incomplete\n/)
        assert.equal(part.code, 1)
        for (const [other, said] of [
          [['--strategy', 'pct'], 'strategy'],
          [['--replay', 'fl1.message.ts.a308f888d8.AAcDAQ.fb77'], 'replay'],
        ] as const) {
          const { code, stderr } = await faultline([...values, ...other])
          assert.match(stderr, new RegExp(`--require-pass does not go with --${said} — give it with`))
          assert.equal(code, 2)
        }
      },
    ),
    t.test('coverage: lines in one order only, and what nobody reached', async () => {
      const values = ['check', program('flagged'), '--coverage']
      const { code, stdout } = await faultline(values)
      assert.equal(
        stdout.split('\n').slice(2).join('\n'),
        `  coverage: 6 pairs of lines came to the same memory, 2 of them in one order in every interleaving:
    flagged.ts:8 Atomics.compareExchange(cells, LOCK, 0, 1)
      then flagged.ts:8 Atomics.wait(cells, LOCK, 1)
    flagged.ts:23 cells[TOLD] = 1
      then flagged.ts:31 cells[TOLD]
  no thread came to
    flagged.ts:30 Atomics.store(cells, NEVER, 1)
`,
      )
      assert.equal(code, 0)
      const bounded = await faultline([...values, '--bound', '0'])
      assert.match(
        bounded.stdout,
        /4 pairs of lines came to the same memory, 1 of them in one order only, so far:/,
      )
      const { coverage } = JSON.parse((await faultline([...values, '--json'])).stdout) as CheckResult
      assert.deepEqual([coverage!.pairs, coverage!.oneOrder.length, coverage!.unreached.length], [6, 2, 1])
      for (const other of [
        '--shard=1/2',
        '--ledger=file',
        '--replay=fl1.flagged.ts.a308f888d8.AAcDAQ.fb77',
      ]) {
        const refused = await faultline([...values, other])
        assert.match(refused.stderr, /--coverage does not go with --(shard|ledger|replay) — /)
        assert.equal(refused.code, 2)
      }
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
    t.test('says where a pass says nothing, as nothing is shared', async () => {
      const { code, stdout } = await faultline(['check', program('unshared')])
      assert.match(stdout, /pass[^]*no thread reached an Atomics operation on shared memory/)
      assert.equal(code, 0)
    }),
  ])
})

const refused = [
  [['check'], /nothing to check — give the name.* --init writes a first file/],
  [['check', 'fault-munmap', '--all'], /--all excludes a scenario/],
  [
    ['check', 'fault-brk', '--mutants'],
    /no mutant belongs to 'fault-brk' — these scenarios have some: fault-/,
  ],
  [['check', 'fault-mumap'], /no scenario or file 'fault-mumap' — did you mean 'fault-munmap'/],
  [['check', program('throws')], /cannot be loaded: Error: no luck — correct what it/],
  [['check', program('no-setup')], /the setup of the scenario throws RangeError: too large — correct its/],
  [['check', program('random')], /does not export a scenario as default — write export default/],
  [['check', 'fault-munmap', '--seconds', 'long'], /--seconds long is not usable/],
  [['check', 'fault-munmap', '--bound=-1'], /--bound -1 is not usable — give a whole number of 0 to/],
  [['check', 'fault-munmap', '--strategy=pcd'], /unknown strategy 'pcd' — did you mean 'pct'/],
  [['check', 'fault-munmap', '--seed=1'], /--seed is not usable: --strategy dpor is not random/],
  [['check', program('ring'), '--strategy=random', '--depth=2'], /--depth is not usable: .* has no depth/],
  [['check', program('ring'), '--strategy=pct', '--bound=2'], /--bound is not usable: .* is random/],
  [['check', 'fault-munmap', '--shard=4'], /--shard 4 is not usable — give it as 1\/4 to 4\/4/],
  [['check', 'fault-munmap', '--shard=5/4'], /--shard 5 is not usable — give a whole number of 1 to 4/],
  [['check', 'fault-munmap', '--workers=0'], /--workers 0 is not usable/],
  [['check', 'fault-munmap', '--ledger=x'], /--ledger is for one exploration — name one scenario, one/],
  [['check', program('chance')], /thread 0 came to another operation at step 1: .*chance\.ts:9/],
  [['check', 'fault-munmap', '--minimise', 'soon'], /--minimise soon is not usable/],
  [['check', '--replay', 'fl1.x.y'], /--replay needs the scenario or the file/],
  [['check', 'fault-munmap', '--replay', 'x'], /is not a replay token — a token begins with 'fl1\.'/],
  [['check', 'fault-brk', '--conflicts'], /--conflicts compares pairs of operations and takes no scenario/],
  [['check', '--all', '--conflicts'], /--conflicts compares pairs of operations and takes no scenario/],
  [['check', '--conflicts', '--mutant', 'no-odd-check'], /--conflicts compares pairs of operations/],
  [['check', '--conflicts', '--design', 'clasic'], /unknown design 'clasic'/],
  [['check', 'fault-brk', '--rss', 'batch'], /unknown way of counting 'batch' — did you mean 'batched'/],
  [['check', '--mutant', 'no-od-check'], /unknown mutant 'no-od-check' — did you mean 'no-odd-check'/],
  [['check', program('ring'), '--mutant', 'no-odd-check'], /--mutant changes the kernel/],
  [['check', program('ring'), '--published'], /--published is for kernel scenarios/],
  [['check', program('ring'), '--contended'], /--contended is for kernel scenarios/],
  [['check', '--contended', '--mutants'], /--contended does not go with --mutants/],
  [['check', '--published', '--mutants'], /--published does not go with --mutant and --mutants/],
  [['check', '--published', '--mutant', 'no-odd-check'], /--published does not go with --mutant/],
  [['check', '--published', '--conflicts'], /--conflicts compares pairs of operations/],
  [['check', '--published', '--rwsem', 'generic'], /--published needs --rwsem xadd and --rss batched/],
  [['check', '--published', '--rss', 'shared'], /--published needs --rwsem xadd and --rss batched/],
  [['check', '--published', '--ledger', 'x'], /--published does not go with --ledger and --shard/],
  [['check', '--published', '--shard', '1/2'], /--published does not go with --ledger and --shard/],
  [['check', '--published', '--replay', 'fl1.x.y'], /--replay needs the scenario or the file/],
  [['check', 'fault-munmap', '--published', '--replay', 'x'], /that is not a replay token/],
  [['check', '--published', '--design', 'clasic'], /unknown design 'clasic'/],
  [['check', program('ring'), '--design', 'classic'], /--design is for kernel scenarios, and .* is a file/],
  [['check', program('ring'), '--rwsem', 'xadd'], /--rwsem is for kernel scenarios/],
  [['check', program('ring'), '--rss', 'shared'], /--rss is for kernel scenarios/],
  [['check', 'no-such.ts', '--design', 'classic'], /no scenario or file 'no-such\.ts'/],
  [['check', '--mutants', '--design', 'classic'], /--design does not go with --mutants/],
  [
    ['check', 'fault-fault', '--perfetto', '/no/such/folder/trace.json'],
    /--perfetto \/no\/such\/folder\/trace\.json cannot be written: .* — give a file in an existing/,
  ],
  [['check', 'fault-fault', '--output', '/no/such/folder/page.html'], /--output .*: there is no folder/],
  [['check', '--mutants', '--output', 'page.html'], /--output does not go with --mutants, which prints/],
  [['check', '--published', '--output', 'page.html'], /--output does not go with --published, which/],
  [['check', 'fault-fault', '--counterexample', tmpdir()], /--counterexample .* cannot be .* a folder/],
] as const

test('check refuses', async (t) => {
  const outcomes = await refusals(refused.map(([values]) => values))
  for (const [index, [values, message]] of refused.entries()) {
    await t.test(values.slice(0, 3).join(' '), () => {
      const { code, stdout, stderr } = outcomes[index]!
      assert.match(stderr, message)
      assert.deepEqual([code, stdout], [2, ''])
    })
  }
})
