// Chance with a seed, and runs that are held against themselves.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { loadStepped, memory, setSites } from '../../src/backends/stepped/index.ts'
import { type CheckOptions, type CheckResult, checkFile } from '../../src/check/index.ts'
import { type ExploreOptions, type Progress, explore } from '../../src/check/explore.ts'
import { exploreWithAside } from '../../src/check/aside.ts'
import { at } from '../../src/check/mutants/patch.ts'
import type { Scenario } from '../../src/check/scenario.ts'
import { userSubject } from '../../src/check/user-scenario.ts'

const check = (name: string, options: CheckOptions = {}): Promise<CheckResult> =>
  checkFile(new URL(`programs/${name}.ts`, import.meta.url), options)

/** In the program one-condition, whoever waits is woken. */
const allWoken = at('one-condition.ts', 'turn').replace(
  'Atomics.notify(cells, CALLS, 1)',
  'Atomics.notify(cells, CALLS)',
)

/** Explores, and returns the order of each execution that was not redundant. */
async function ordersOf(
  name: string,
  options: Partial<ExploreOptions>,
  exploring: typeof explore = explore,
): Promise<string[]> {
  memory.clear()
  const { exports, sites } = await loadStepped(new URL(`programs/${name}.ts`, import.meta.url))
  setSites(sites)
  memory.takeSnapshot()
  const orders: string[] = []
  const limits = { maxExecutions: 1000, maxSteps: 2000, maxMs: 60_000 }
  const onOrder = (digest: string): void => void orders.push(digest)
  exploring(userSubject(exports['default'] as Scenario), { ...limits, ...options, onOrder })
  return orders
}

describe('executions by chance', () => {
  for (const strategy of ['pct', 'random'] as const) {
    it(`${strategy}: the same seed gives the same executions, another seed others`, async () => {
      const one = await ordersOf('mutex', { strategy, seed: 7, maxExecutions: 200 })
      assert.equal(one.length, 200)
      assert.deepEqual(await ordersOf('mutex', { strategy, seed: 7, maxExecutions: 200 }), one)
      assert.notDeepEqual(await ordersOf('mutex', { strategy, seed: 8, maxExecutions: 200 }), one)
    })

    it(`${strategy}: only orders that there are, and in the end all of few`, async () => {
      const all = new Set(await ordersOf('readers', { distinct: true }))
      assert.equal(all.size, 8)
      assert.deepEqual(new Set(await ordersOf('readers', { strategy, seed: 1, depth: 3 })), all)
    })

    it(`${strategy}: finds a failure that needs three switches`, async () => {
      const { verdict, failure, seed } = await check('deep', { strategy, seed: 3, maxExecutions: 20_000 })
      assert.deepEqual([verdict, failure?.message, seed], ['fail', 'Error: thread 0 came between', 3])
    })

    it(`${strategy}: nothing found is no proof`, async () => {
      const { verdict, complete, executions } = await check('message', { strategy, maxExecutions: 50 })
      assert.deepEqual([verdict, complete, executions], ['incomplete', false, 50])
    })
  }

  it('PCT tells how likely a failure shows', async () => {
    const { guarantee, depth } = await check('message', { strategy: 'pct', depth: 2, maxExecutions: 50 })
    assert.equal(depth, 2)
    assert.ok(guarantee! > 0 && 1 / guarantee! >= 2 * 2, String(guarantee))
    const deeper = await check('message', { strategy: 'pct', depth: 3, maxExecutions: 50 })
    assert.ok(deeper.guarantee! < guarantee!)
  })

  it('a uniform walk is uniform: one step comes at each place among nine alike', async () => {
    const places = new Map<string, number>()
    const orders = await ordersOf('one-and-nine', { strategy: 'random', maxExecutions: 10_000 })
    for (const order of orders.slice(16)) places.set(order, (places.get(order) ?? 0) + 1)
    assert.equal(places.size, 10)
    for (const count of places.values()) assert.ok(count > 800 && count < 1200, String(count))
  })
})

describe('programs that do not do the same each time', () => {
  it('are refused, with the step and the place', async () => {
    await assert.rejects(
      check('chance'),
      /^NotDeterministic: .*, thread 0 came to another operation at step 1: .*chance\.ts:9 /,
    )
    await assert.rejects(check('chance', { workers: 2 }), { name: 'NotDeterministic' })
    await assert.rejects(check('chance', { strategy: 'pct' }), { name: 'NotDeterministic' })
  })

  it('are refused where only what they leave behind shows it', async () => {
    await assert.rejects(check('remembers'), /leaves other values in memory/)
    await assert.rejects(check('remembers-late'), /the first execution, run once more at the end, is another/)
  })
})

describe('threads of one function that are not alike', () => {
  it('are explored as any others', async () => {
    for (const options of [{}, { workers: 2 }]) {
      const { verdict, failure } = await check('numbered', options)
      assert.deepEqual([verdict, failure?.message], ['fail', 'InvariantBroken: the invariant does not hold'])
    }
  })
})

describe('progress', () => {
  it('is told while there is much to explore, with how much there seems to be', async () => {
    const told: Progress[] = []
    const { verdict, estimatedExecutions } = await check('long', {
      seconds: 1.5,
      onProgress: (progress) => told.push(progress),
    })
    assert.equal(verdict, 'incomplete')
    assert.ok(told.length > 0)
    for (const { executions, steps, seconds } of told)
      assert.ok(executions > 0 && steps > executions && seconds > 0)
    assert.ok(told.every((each) => each.estimatedExecutions! >= each.executions))
    assert.ok(estimatedExecutions! > told.at(-1)!.executions)
  })

  it('an exploration that is complete had as many executions as there are', async () => {
    const { executions, estimatedExecutions } = await check('message')
    assert.equal(estimatedExecutions, executions)
  })
})

describe('where everything would take long', () => {
  it('an error that needs no preemption is found', async () => {
    const { verdict, failure, executions } = await check('one-condition', { seconds: 20 })
    assert.deepEqual([verdict, failure?.kind, failure?.preemptions], ['fail', 'deadlock', 0])
    // What is found aside is found once the tree was begun.
    assert.ok(executions > 64, String(executions))
  })

  it('it is told how many preemptions were tried, and the tree goes on where it was', async () => {
    const seen: Progress[] = []
    const onProgress = (progress: Progress): void => void seen.push(progress)
    const options = { seconds: 3, patches: [allWoken], onProgress }
    const { verdict, boundCovered, estimatedExecutions, strategy } = await check('one-condition', options)
    assert.deepEqual([verdict, strategy], ['incomplete', 'dpor'])
    assert.ok(boundCovered! >= 0, String(boundCovered))
    assert.ok(estimatedExecutions! > seen.at(-1)!.executions)
    for (const [index, { executions, steps, seconds }] of seen.entries()) {
      const before = seen[index - 1] ?? { executions: 0, steps: 0, seconds: 0 }
      assert.ok(executions > before.executions && steps > before.steps && seconds > before.seconds)
    }
  })

  it('the tree is the same as where nothing is looked at aside', async () => {
    let asides = 0
    const orders = await ordersOf('long', { maxExecutions: 500 }, (subject, options) => {
      const begin = (): (() => unknown)[] => (asides++, subject.begin())
      return exploreWithAside({ ...subject, begin }, options, 0)
    })
    assert.ok(asides > 600, String(asides))
    assert.equal(orders.length, 500)
    assert.deepEqual(orders, await ordersOf('long', { maxExecutions: 500 }))
  })

  it('a bound is a bound', async () => {
    const { verdict, bound, boundCovered } = await check('one-condition', { bound: 0, patches: [allWoken] })
    assert.deepEqual([verdict, bound, boundCovered], ['pass', 0, undefined])
  })
})
