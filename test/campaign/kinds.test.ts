// Jobs of every kind: a user's own files, mutants, executions that chance chooses, machines from files. Their results
// are the same however they are come by, and nothing is run that nobody has named.

import assert from 'node:assert/strict'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { LocalExecutor } from '../../src/campaign/executors/local.ts'
import { type CheckJob, keyOf } from '../../src/campaign/job.ts'
import { receivedOutcome, receivedWork } from '../../src/campaign/received.ts'
import { campaignText } from '../../src/campaign/report.ts'
import type { Outcome, Task, Work } from '../../src/campaign/task.ts'
import { checkKernelScenario, replayFile } from '../../src/check/index.ts'
import { checks, jobsOf, kinds, runWith, temporaryFolder, textOf } from './support.ts'

const folder = temporaryFolder()
const jobs = await jobsOf(kinds, checks)

/** Notes what it is asked for and what it answers; and does everything twice, but for what takes long to be loaded. */
class Doubling extends LocalExecutor {
  readonly tasks: { task: Task; outcome: Outcome }[] = []

  override async run(task: Task): Promise<Outcome> {
    const isMutant = task.work.kind === 'check' && 'mutant' in task.work.slice.target
    const [outcome, again] = await Promise.all([super.run(task), isMutant ? null : super.run(task)])
    if (again !== null) assert.deepEqual(again.value, outcome.value)
    this.tasks.push({ task, outcome })
    return outcome
  }
}

const doubling = new Doubling(2, checks)
const expected = runWith(doubling, jobs)

describe('jobs of every kind', () => {
  it('are done the same by one thread and by two, once and twice', async () => {
    const { results, failed } = await runWith(new LocalExecutor(1, checks), jobs.toReversed())
    assert.deepEqual(failed, [])
    assert.equal(results.length, jobs.length)
    assert.equal(textOf(results.toReversed()), textOf((await expected).results))
  })

  it('say what was found', async () => {
    const outcome = await expected
    const of = (file: string): (typeof outcome.results)[number] =>
      outcome.results.find(({ job }) => 'file' in job && job.file === file && 'steps' in job)!
    const result = of('starts.ts').result as { complete: boolean; executions: number }
    assert.ok(result.complete && result.executions > 1)
    const { complete, programs } = of('register.ts').result as unknown as {
      complete: boolean
      programs: object
    }
    // Each of two threads reads or writes.
    assert.deepEqual([complete, programs], [true, { explored: 3, inAll: 3 }])
    const text = campaignText('kinds', outcome)
    assert.match(text, /^kinds: 13 jobs, .* of computing, 2 fail$/m)
    assert.match(text, /^ {2}bytes\.ts +1 of 1 +\d+$/m)
    assert.match(text, /^ {2}refcount +pct, depth 3 +0 of 2 +1,000$/m)
    assert.match(text, /^ {2}call-not-taken-back +caught by fault-munmap +\d+ +—$/m)
    assert.match(text, /^mmap1 on small-one, each second$/m)
    assert.match(text, /^FAILS lost-update\.ts: error: Error: an update was lost \(fl1\.lost-update\.ts\./m)
    assert.match(text, /^FAILS lost-update\.ts, random, seed 0: error/m)
  })

  it('give tokens that faultline check takes', async () => {
    const failing = (await expected).results.filter(
      ({ job }) => 'file' in job && job.file === 'lost-update.ts',
    )
    assert.equal(failing.length, 2)
    for (const { result } of failing) {
      const { token } = (result as { failure: { token: string } }).failure
      const { failure } = await replayFile(join(checks, 'lost-update.ts'), token)
      assert.match(failure!.message, /an update was lost/)
    }
  })

  it('choose by chance as faultline check does', async () => {
    const { job, result } = (await expected).results.find(
      ({ job: each }) => 'seed' in each && each.seed === 7,
    )!
    const { strategy, seed } = job as Extract<CheckJob, { seed: number }>
    const options = { strategy, seed, maxExecutions: 500 }
    const { executions, steps } = await checkKernelScenario(
      'refcount',
      { design: 'classic', rwsem: 'xadd' },
      options,
    )
    assert.deepEqual(result, { ...result, verdict: 'pass', executions, steps })
  })

  it('are kept by what the file loads, and not by how it is written', async () => {
    const own = join(folder, 'own')
    mkdirSync(own)
    const keyWith = async (imported: string, comment: string): Promise<string> => {
      writeFileSync(join(own, 'one.mjs'), imported)
      writeFileSync(
        join(own, 'a.mjs'),
        `import { one } from './one.mjs'\nexport default { threads: [() => one] } // ${comment}`,
      )
      const [job] = await jobsOf({ name: 'a', jobs: [{ check: ['a.mjs'] }] }, own)
      return keyOf(job!)
    }
    const key = await keyWith('export const one = 1', 'here')
    assert.equal(await keyWith('export const one = 1', 'there'), key)
    assert.notEqual(await keyWith('export const one = 2', 'there'), key)
  })
})

describe('files of a campaign', () => {
  const refusals: readonly (readonly [object, RegExp])[] = [
    [{ check: ['nowhere.ts'] }, /jobs\[0\]\.check\[0\] cannot be checked: nowhere\.ts cannot be read/],
    [
      { check: ['../support.ts'] },
      /jobs\[0\]\.check\[0\] cannot be checked: \.\.\/support\.ts is not in the folder/,
    ],
    [{ check: ['/etc/passwd'] }, /jobs\[0\]\.check\[0\] cannot be checked: \/etc\/passwd /],
    [
      { check: ['lost-update.ts'], designs: ['classic'] },
      /jobs\[0\]\.designs is for scenarios of the kernel/,
    ],
    [{ check: ['refcount'], seeds: [1] }, /jobs\[0\]\.seeds is of a strategy/],
    [{ check: ['refcount'], strategy: 'pct', steps: 1 }, /jobs\[0\]\.steps is not of a strategy/],
    [{ check: ['refcount'], strategy: 'random', depth: 1 }, /jobs\[0\]\.depth is of "pct"/],
    [{ check: ['refcount'], strategy: 'dfs' }, /jobs\[0\]\.strategy has an unknown strategy 'dfs'/],
    [{ mutants: ['call-not-taken-bakc'] }, /unknown mutant 'call-not-taken-bakc'/],
    [{ mutants: 'all', designs: ['classic'] }, /unknown field 'designs'/],
    [{ simulate: ['pft'], machines: ['./nowhere.json'] }, /machines\[0\] cannot be used: ENOENT/],
    [
      { simulate: ['pft'], machines: ['./message.mjs'] },
      /machines\[0\] cannot be used: .*exports no machine/,
    ],
    [{ simulate: ['pft'], machines: ['../../../src/simulate/machines/here.ts'] }, /is not in the folder/],
  ]
  for (const [range, problem] of refusals) {
    it(`are refused: ${problem.source}`, async () => {
      await assert.rejects(jobsOf({ name: 'a', jobs: [range] }, checks), problem)
    })
  }

  it('are not followed out of the folder', async () => {
    const linked = join(folder, 'linked')
    mkdirSync(linked)
    symlinkSync(join(checks, 'lost-update.ts'), join(linked, 'own.ts'))
    await assert.rejects(
      jobsOf({ name: 'a', jobs: [{ check: ['own.ts'] }] }, linked),
      /own\.ts is not in the folder/,
    )
  })

  it('are not run where they are others, or no folder was named', async () => {
    const elsewhere = join(folder, 'elsewhere')
    mkdirSync(elsewhere)
    writeFileSync(join(elsewhere, 'lost-update.ts'), 'throw new Error("it was run")\n')
    const [job] = jobs
    for (const [files, problem] of [
      [elsewhere, /^FileRefused: lost-update\.ts is another here/],
      [folder, /^FileRefused: lost-update\.ts cannot be read/],
      [null, /^FileRefused: lost-update\.ts is not run here: .*--files/],
    ] as const) {
      const { failed } = await runWith(new LocalExecutor(1, files), [job!])
      assert.match(failed[0]!.problem, problem)
    }
  })
})

describe('what comes from a queue', () => {
  /** Tasks and answers as they are sent. */
  const all = expected.then(() => JSON.parse(JSON.stringify(doubling.tasks)) as typeof doubling.tasks)

  it('is what was sent', async () => {
    for (const { task, outcome } of await all) {
      assert.deepEqual(receivedWork(task.work), task.work)
      assert.deepEqual(receivedOutcome(task, outcome), outcome)
    }
    const { design, rwsem, rss } = jobs[4] as Extract<CheckJob, { design: unknown }>
    const job = {
      kind: 'replay',
      trace: '/a',
      content: '0'.repeat(64),
      design,
      rwsem,
      rss,
      threads: null,
      repeat: 3,
    }
    assert.deepEqual(receivedWork({ kind: 'replay', job }), { kind: 'replay', job })
  })

  it('is refused where a value of it is of another kind, or is not there', async () => {
    let tried = 0
    for (const { task, outcome } of await all) {
      for (const work of spoiled(task.work)) {
        assert.throws(() => receivedWork(work), /Refused|TypeError/, JSON.stringify(work))
        tried++
      }
      // Of an answer, what is only printed is not looked at.
      if (task.work.kind !== 'check') continue
      for (const answer of spoiled(outcome)) {
        assert.throws(() => receivedOutcome(task, answer), /CampaignRefused/, JSON.stringify(answer))
        tried++
      }
    }
    assert.ok(tried > 200, `${tried} were tried`)
  })

  it('cannot ask for more than a slice, or bring code', async () => {
    const { task } = (await all).find(({ task: each }) => each.work.kind === 'check')!
    const { slice } = task.work as Extract<Work, { kind: 'check' }>
    const withSlice = (change: object): unknown => ({ kind: 'check', slice: { ...slice, ...change } })
    assert.throws(
      () => receivedWork(withSlice({ part: { ...slice.part, steps: 1e9 } })),
      /steps is not usable/,
    )
    const target = {
      mutant: 'call-not-taken-back',
      patches: [{ operator: 'drop' }],
      choice: null,
      scripts: [],
    }
    const received = receivedWork(withSlice({ target })) as Extract<Work, { kind: 'check' }>
    assert.deepEqual(received.slice.target, { mutant: 'call-not-taken-back' })
    assert.throws(() => receivedWork({ kind: 'nothing else' }), /unknown kind/)
  })
})

/** Copies in each of which one value is of another kind. */
function* spoiled(value: unknown): Generator<unknown> {
  yield typeof value === 'string' ? 7 : 'text'
  if (Array.isArray(value)) {
    // Of a long list, its ends.
    for (const index of new Set([0, value.length - 1].filter((each) => each >= 0 && each < value.length)))
      for (const each of spoiled(value[index])) yield value.with(index, each)
    return
  }
  if (typeof value !== 'object' || value === null) return
  for (const [name, part] of Object.entries(value)) {
    if (name === 'rwsem' || name === 'fitted') continue
    for (const each of spoiled(part)) yield { ...value, [name]: each }
  }
}
