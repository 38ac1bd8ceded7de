// Campaigns: their files, and that results are the same however they are come by.

import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { on, once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { expandCampaign, readCampaign } from '../../src/campaign/campaign.ts'
import { codeDigest } from '../../src/campaign/code.ts'
import type { Executor } from '../../src/campaign/executors/executor.ts'
import { mutants } from '../../src/check/index.ts'
import { LocalExecutor } from '../../src/campaign/executors/local.ts'
import { keyOf } from '../../src/campaign/job.ts'
import { campaignPage, campaignText, hasFailed } from '../../src/campaign/report.ts'
import { runCampaign } from '../../src/campaign/run.ts'
import { Store } from '../../src/campaign/store.ts'
import type { Outcome, Task } from '../../src/campaign/task.ts'
import { rwsemNames } from '../../src/kernel/index.ts'
import { jobsOf, runWith, simulations, small, temporaryFolder, textOf } from './support.ts'

const folder = temporaryFolder()
const file = (name: string): string => join(folder, name)
const examples = new URL('../../examples/campaigns/', import.meta.url)

const refused: readonly (readonly [unknown, RegExp])[] = [
  [[], /campaign\.json: the whole is no object/],
  [{ name: 'a' }, /jobs is no list/],
  [{ name: '', jobs: [{}] }, /name is no text/],
  [{ name: 'a', jobs: [] }, /jobs is no list/],
  [{ name: 'a', job: [] }, /the whole has an unknown field 'job'/],
  [{ name: 'a', jobs: [{}] }, /jobs\[0\] has none of check, mutants, simulate, replay/],
  [
    { name: 'a', jobs: [{ check: 'all', simulate: 'all' }] },
    /jobs\[0\] has 2 of check, mutants, simulate, replay/,
  ],
  [{ name: 'a', jobs: [{ check: ['refcont'] }] }, /jobs\[0\]\.check has an unknown scenario 'refcont'/],
  [{ name: 'a', jobs: [{ check: 'all', design: ['classic'] }] }, /unknown field 'design'/],
  [{ name: 'a', jobs: [{ check: 'all', designs: ['clasic'] }] }, /jobs\[0\]\.designs .* 'clasic'/],
  [{ name: 'a', jobs: [{ check: 'all', designs: [1] }] }, /jobs\[0\]\.designs\[0\] is no text/],
  [{ name: 'a', jobs: [{ check: 'all', steps: 0 }] }, /jobs\[0\]\.steps is not usable/],
  [{ name: 'a', jobs: [{ check: 'all', steps: 1.5 }] }, /jobs\[0\]\.steps is not usable/],
  [{ name: 'a', jobs: [{ check: 'all', published: 'yes' }] }, /published is neither true nor false/],
  [
    { name: 'a', jobs: [{ simulate: ['pft'], machines: ['here'], cpus: [3] }] },
    /has 3, and pft on here can have 2/,
  ],
  [{ name: 'a', jobs: [{ simulate: ['pft'], configs: [{ SMP: 1 }] }] }, /configs\[0\]\.SMP is neither/],
  [{ name: 'a', jobs: [{ simulate: ['pft'], configs: [{ SNP: true }] }] }, /unknown kernel option 'SNP'/],
  [{ name: 'a', jobs: [{ simulate: ['pft'], accountings: ['5.12'] }] }, /unknown accounting '5\.12'/],
  [
    { name: 'a', jobs: [{ simulate: ['pft'], constants: { 'software.speed': [1] } }] },
    /no number software\.speed/,
  ],
  [{ name: 'a', jobs: [{ simulate: ['pft'], constants: { '__proto__.a': [1] } }] }, /no number __proto__\.a/],
  [{ name: 'a', jobs: [{ replay: ['nowhere.txt'] }] }, /jobs\[0\]\.replay\[0\] cannot be read/],
]

describe('the file of a campaign', () => {
  for (const [value, problem] of refused) {
    it(`is refused: ${problem.source}`, async () => {
      await assert.rejects(expandCampaign(value, join(folder, 'campaign.json')), problem)
    })
  }

  it('makes a job of each combination, once', async () => {
    const range = { check: ['refcount', 'spinlock'], designs: ['classic', 'leaf-slots'], rwsems: 'all' }
    const jobs = await jobsOf({ name: 'a', jobs: [range, { ...range, check: ['refcount'] }] })
    assert.equal(jobs.length, 2 * 2 * rwsemNames.length)
    assert.equal(new Set(jobs.map(keyOf)).size, jobs.length)
    const sweep = {
      simulate: ['pft'],
      machines: ['here', 'guest-16'],
      designs: ['classic'],
      seeds: [1, 2],
      constants: { 'software.faultNs': [1, 2, 3] },
    }
    // 1 and 2 CPUs of the one, 1 to 16 of the other.
    assert.equal((await jobsOf({ name: 'a', jobs: [sweep] })).length, (2 + 5) * 2 * 3)
  })

  it('is JSON or a module', async () => {
    const sweep = await readCampaign(fileURLToPath(new URL('sweep.ts', examples)))
    assert.equal(sweep.jobs.length, 1000)
    const all = await readCampaign(fileURLToPath(new URL('check-all.json', examples)))
    assert.ok(all.jobs.length > 7000)
    const every = await readCampaign(fileURLToPath(new URL('check-mutants.json', examples)))
    assert.equal(every.jobs.length, mutants.length)
    writeFileSync(file('broken.json'), '{')
    await assert.rejects(readCampaign(file('broken.json')), /broken\.json is not JSON/)
    writeFileSync(file('broken.mjs'), 'throw new Error("not today")')
    await assert.rejects(readCampaign(file('broken.mjs')), /cannot be loaded: Error: not today/)
    await assert.rejects(readCampaign(file('none.mjs')), /there is no file .*none\.mjs/)
  })

  it('keeps a recording by what is in it, and not by where it lies', async () => {
    const keys: string[] = []
    for (const [number, name] of ['a.txt', 'b.txt', 'c.txt'].entries()) {
      writeFileSync(file(name), number < 2 ? 'the same' : 'another')
      const [job] = await jobsOf({ name: 'a', jobs: [{ replay: [file(name)], designs: ['classic'] }] })
      keys.push(keyOf(job!))
    }
    assert.equal(keys[0], keys[1])
    assert.notEqual(keys[0], keys[2])
  })

  it('counts only for its code', () => {
    assert.notEqual(codeDigest('check'), codeDigest('simulate'))
    assert.match(codeDigest(), /^[0-9a-f]{64}$/)
  })
})

/** Gives what waits to one thread, the last first, and some of it twice. */
class Contrary implements Executor {
  readonly width = 100
  readonly crew = null
  readonly #inner = new LocalExecutor(1)
  readonly #waiting: { task: Task; resolve: (outcome: Promise<Outcome>) => void }[] = []
  #isBusy = false

  run(task: Task): Promise<Outcome> {
    const outcome = new Promise<Outcome>((resolve) => this.#waiting.push({ task, resolve }))
    queueMicrotask(() => void this.#next())
    return outcome
  }

  async #next(): Promise<void> {
    const next = this.#isBusy ? undefined : this.#waiting.pop()
    if (next === undefined) return
    this.#isBusy = true
    const outcome = this.#inner.run(next.task)
    const again = next.task.work.kind === 'simulate' ? await this.#inner.run(next.task) : null
    const first = await outcome
    if (again !== null) assert.deepEqual(again.value, first.value)
    next.resolve(outcome)
    this.#isBusy = false
    void this.#next()
  }

  close(): Promise<void> {
    return this.#inner.close()
  }
}

const jobs = await jobsOf(small)
const simulationJobs = await jobsOf(simulations)

describe('the results of a campaign', () => {
  const expected = runWith(new LocalExecutor(1), jobs)
  const simulated = runWith(new LocalExecutor(1), simulationJobs)

  it('are the same with two threads, of which some die', async () => {
    const executor = new LocalExecutor(2)
    let killed = 0
    const store = Store.open(null)
    const running = runCampaign(jobs, {
      executor,
      store,
      onProgress: () => {
        if (killed < 2 && executor.killOne()) killed++
      },
    })
    const { results, failed } = await running
    await executor.close()
    assert.equal(killed, 2)
    assert.deepEqual(failed, [])
    assert.equal(textOf(results), textOf((await expected).results))
  })

  it('are the same in the opposite order', async () => {
    const { results } = await runWith(new Contrary(), [...simulationJobs, ...jobs])
    assert.equal(textOf(results), textOf([...(await simulated).results, ...(await expected).results]))
  })

  it('are the same where the process was killed', async () => {
    const path = file('killed.sqlite')
    const child = fork(fileURLToPath(new URL('child.ts', import.meta.url)), [path])
    const messages = on(child, 'message')
    const slices = new Set<string>()
    // In the middle of the first exploration, of which some slices are done.
    while (slices.size < 3) slices.add(((await messages.next()).value as [string])[0])
    child.kill('SIGKILL')
    await once(child, 'exit')
    const done: string[] = []
    class Counting extends LocalExecutor {
      override run(task: Task): Promise<Outcome> {
        done.push(task.key)
        return super.run(task)
      }
    }
    const { results } = await runWith(new Counting(1), jobs, Store.open(path))
    assert.equal(textOf(results), textOf((await expected).results))
    for (const key of slices) assert.ok(!done.includes(key), key)
    const again = await runWith(new Counting(1), jobs, Store.open(path))
    assert.equal(textOf(again.results), textOf(results))
    const size = done.length
    await runWith(new Counting(1), jobs, Store.open(path))
    assert.equal(done.length, size)
  })

  it('say what was explored, and how it fails', async () => {
    const outcome = await expected
    const [split, ...others] = outcome.results
    assert.ok(split!.job.kind === 'check' && 'bound' in split!.result)
    assert.equal(split!.result.complete, false)
    assert.ok(split!.result.bound! >= 0 && split!.result.steps >= 145_000)
    const failure = others.find(({ job }) => 'published' in job && job.published)!
    assert.ok('verdict' in failure.result && failure.result.verdict === 'fail')
    assert.match(
      failure.result.failure!.token!,
      /^fl1\.fault-munmap\/kamezawa-2009-refcount\/xadd\/published\./,
    )
    assert.equal(hasFailed(outcome), true)
    const text = campaignText('small', outcome)
    assert.match(text, /^small: 3 jobs, .* of computing, 1 fail$/m)
    assert.match(text, /^FAILS fault-munmap, kamezawa-2009-refcount\/xadd: .*\(fl1\./m)
    const rates = campaignText('simulations', await simulated)
    assert.match(rates, /^ {2}classic\/spinning effort 0\.1 +[\d.]+ [kM] +[\d.]+ [kM]$/m)
    const page = campaignPage('small <one>', outcome)
    assert.match(page, /<h1>small &lt;one&gt;<\/h1>/)
    assert.match(page, /<th scope="row">fault-munmap<\/th>/)
  })
})

describe('a job that cannot be done', () => {
  it('is told of, and the others are done', async () => {
    const failing: Executor = {
      width: 2,
      crew: null,
      run: async (task) => executor.run(task),
      close: () => executor.close(),
    }
    const executor = new LocalExecutor(1)
    const path = file('gone.txt')
    writeFileSync(path, 'a recording')
    const mixed = await jobsOf({
      name: 'a',
      jobs: [
        { replay: [path], designs: ['classic'] },
        { simulate: ['mmap1'], machines: ['here'], cpus: [1], designs: ['classic'], effort: 0.1 },
      ],
    })
    writeFileSync(path, 'another')
    const outcome = await runWith(failing, mixed)
    assert.equal(outcome.results.length, 1)
    assert.match(outcome.failed[0]!.problem, /RecordingDiffers: .*gone\.txt is not the recording/)
    assert.match(campaignText('a', outcome), /^NOT DONE gone\.txt, classic\/spinning: RecordingDiffers/m)
    assert.equal(hasFailed(outcome), true)
  })
})

describe('a store', () => {
  const job = jobs[1]!
  const result = {
    verdict: 'pass',
    complete: true,
    bound: null,
    executions: 1,
    steps: 1,
    failure: null,
  } as const
  const add = (store: Store, key: string): void => store.add({ key, job, result, seconds: 1 } as never)

  it('says that the disk is full, and keeps what it has', () => {
    const path = file('full.sqlite')
    const store = Store.open(path)
    store.limitPages(8)
    let added = 0
    assert.throws(
      () => {
        for (; added < 1000; added++) add(store, `key ${added}`)
      },
      {
        name: 'StoreFailed',
        message: /full\.sqlite cannot be written: database or disk is full/,
        remedy: /make room/,
      },
    )
    store.close()
    const again = Store.open(path)
    assert.deepEqual(again.find(`key ${added - 1}`, job)?.result, result)
    assert.equal(again.find(`key ${added}`, job), null)
    add(again, `key ${added}`)
    assert.deepEqual(again.find(`key ${added}`, job)?.result, result)
    again.close()
  })

  it('takes the first of two results, and those of another store', () => {
    const [one, other] = [Store.open(file('one.sqlite')), Store.open(file('other.sqlite'))]
    for (const key of ['a', 'b']) add(one, key)
    add(other, 'b')
    other.add({ key: 'a', job, result: { ...result, executions: 7 }, seconds: 2 } as never)
    assert.equal(other.merge(file('one.sqlite')), 0)
    add(one, 'c')
    assert.equal(other.merge(file('one.sqlite')), 1)
    assert.throws(() => other.merge(file('none.sqlite')), /the store .*none\.sqlite does not exist/)
    assert.deepEqual(other.find('a', job)?.result, { ...result, executions: 7 })
    one.close()
    other.close()
  })

  it('is no other file', () => {
    writeFileSync(file('text.sqlite'), readFileSync(fileURLToPath(import.meta.url)))
    assert.throws(() => Store.open(file('text.sqlite')), /text\.sqlite is not a store/)
    assert.throws(() => Store.open(file('nowhere/a.sqlite')), /cannot be used/)
  })
})
