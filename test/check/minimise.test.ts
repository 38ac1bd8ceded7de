// The shortest counterexample, against every schedule of small programs; and the data races of one execution, against
// those of the explorer.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { loadStepped, memory, setSites } from '../../src/backends/stepped/index.ts'
import { checkFile, checkKernelScenario, mutants } from '../../src/check/index.ts'
import { explore } from '../../src/check/explore.ts'
import type { RawFailure, Subject } from '../../src/check/run-once.ts'
import { type FollowedRun, follow } from '../../src/check/follow.ts'
import { minimise } from '../../src/check/minimise.ts'
import type { Scenario } from '../../src/check/scenario.ts'
import { userSubject } from '../../src/check/user-scenario.ts'
import type { PlainStep } from './programs/plain.ts'

const limits = { maxExecutions: 100_000, maxSteps: 2000, maxMs: 60_000 }
const options = { maxSteps: 2000, seconds: 60, budgetSteps: 1_000_000 }

async function load(name: string): Promise<Readonly<Record<string, unknown>>> {
  memory.clear()
  const program = await loadStepped(new URL(`programs/${name}.ts`, import.meta.url))
  setSites(program.sites)
  memory.takeSnapshot()
  return program.exports
}

async function subjectOf(name: string): Promise<Subject> {
  return userSubject((await load(name))['default'] as Scenario)
}

/** Runs every schedule there is. */
function everyRun(subject: Subject, races: boolean): FollowedRun[] {
  const runs: FollowedRun[] = []
  const pending: number[][] = [[]]
  for (let prefix = pending.pop(); prefix !== undefined; prefix = pending.pop()) {
    const begun = prefix
    const run = follow(subject, { maxSteps: 2000, races, lead: (step) => begun[step] ?? -1 })
    runs.push(run)
    run.choices.forEach(({ thread, enabled, rescued }, step) => {
      if (step < begun.length || rescued) return
      for (let others = enabled & ~(1 << thread); others !== 0; others &= others - 1) {
        const before = run.choices.slice(0, step).map((choice) => choice.thread)
        pending.push([...before, 31 - Math.clz32(others & -others)])
      }
    })
  }
  return runs
}

describe('the shortest counterexample', () => {
  for (const name of ['noisy', 'deadlock', 'racy', 'ring']) {
    it(`of ${name} is found from every execution that fails`, async () => {
      const subject = await subjectOf(name)
      const failed = everyRun(subject, name === 'racy').filter(({ failure }) => failure !== null)
      assert.ok(failed.length > 0)
      const best = new Map<string, FollowedRun>()
      for (const run of failed) {
        const { preemptions, steps } = best.get(run.key) ?? { preemptions: Infinity, steps: Infinity }
        if (run.preemptions < preemptions || (run.preemptions === preemptions && run.steps < steps))
          best.set(run.key, run)
      }
      for (const run of failed) {
        const found = minimise(subject, run.failure!, options)!
        assert.equal(found.run.key, run.key)
        const { preemptions, steps } = best.get(run.key)!
        assert.deepEqual([found.run.preemptions, found.run.steps], [preemptions, steps])
        assert.equal(found.before, run.preemptions)
      }
    })
  }

  it('is what was found where there is no time, and counts all the same', async () => {
    const subject = await subjectOf('noisy')
    const longest = everyRun(subject, false)
      .filter(({ failure }) => failure !== null)
      .toSorted((a, b) => b.preemptions - a.preemptions)[0]!
    const found = minimise(subject, longest.failure!, { ...options, seconds: 0 })!
    assert.ok(longest.preemptions > 1)
    assert.deepEqual(found.run.choices, longest.choices)
  })

  it('leaves alone what does not fail when its schedule is followed', async () => {
    const subject = await subjectOf('noisy')
    const error = new Error('an update was lost')
    const failure: RawFailure = { kind: 'error', thread: -1, error, race: null, schedule: [0, 0, 1] }
    assert.equal(minimise(subject, failure, options)?.before, 1)
    assert.equal(minimise(subject, { ...failure, schedule: [0] }, options), null)
    assert.equal(minimise(subject, { ...failure, error: new Error('something else') }, options), null)
  })

  it('of a deadlock ends where nothing can go on', async () => {
    const { scenario, patches } = mutants.find(({ name }) => name === 'lock-instead-of-try-lock')!
    const choice = { design: 'lespinasse-2021', rwsem: 'xadd' } as const
    const { failure } = await checkKernelScenario(scenario, choice, { patches })
    const { found, steps, preemptions } = failure!
    assert.ok(found.steps > 1000)
    assert.ok(steps < 100)
    assert.equal(preemptions, 1)
  })

  it('of what does not end has the preemptions that it takes, and is no longer than the limit', async () => {
    const file = new URL('programs/endless.ts', import.meta.url)
    const { failure } = await checkFile(file, { maxSteps: 300 })
    const { kind, preemptions, steps } = failure!
    assert.deepEqual([kind, preemptions, steps], ['livelock', 2, 300])
  })
})

describe('data races of one execution', () => {
  it('are those that the explorer finds', async () => {
    const { make } = (await load('plain')) as { make: typeof import('./programs/plain.ts').make }
    const step = fc.tuple(
      fc.constantFrom('load', 'store', 'add', 'read', 'write', 'wait', 'notify', 'look'),
      fc.integer({ min: 0, max: 1 }),
    ) as fc.Arbitrary<PlainStep>
    const lists = fc.array(fc.array(step, { minLength: 1, maxLength: 4 }), { minLength: 2, maxLength: 2 })
    let racy = 0
    fc.assert(
      fc.property(lists, (threads) => {
        const subject = userSubject(make(threads) as Scenario)
        const { failure } = explore(subject, limits)
        const runs = everyRun(subject, true)
        const kinds = new Set(runs.map((run) => run.failure?.kind))
        assert.equal(failure?.kind === 'race', kinds.has('race'))
        if (failure?.kind !== 'race') return
        racy++
        const { schedule, race } = failure
        const again = follow(subject, { maxSteps: 2000, races: true, lead: (at) => schedule[at] ?? -1 })
        assert.deepEqual(again.failure?.race, race)
      }),
      { numRuns: 300, seed: 3 },
    )
    assert.ok(racy > 50 && racy < 300)
  })
})
