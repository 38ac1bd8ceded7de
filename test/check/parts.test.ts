// An exploration in parts covers what it covers in one piece: cut anywhere, given to anyone, stopped and gone on with.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import * as fc from 'fast-check'
import { loadStepped, memory, setSites } from '../../src/backends/stepped/index.ts'
import { type CheckOptions, checkFile, checkKernelScenario } from '../../src/check/index.ts'
import { type ExploreOptions, explore } from '../../src/check/explore.ts'
import type { Subject } from '../../src/check/run-once.ts'
import { Ledger } from '../../src/check/ledger.ts'
import { at } from '../../src/check/mutants/patch.ts'
import type { Scenario } from '../../src/check/scenario.ts'
import { userSubject } from '../../src/check/user-scenario.ts'
import { Coordinator, UnitRunner, shardUnits } from '../../src/check/work.ts'
import { extent } from '../extent.ts'
import type { Step } from './programs/random.ts'

const limits = { maxExecutions: 1_000_000, maxSteps: 2000, maxMs: 60_000 }
const folder = mkdtempSync(join(tmpdir(), 'faultline-'))
after(() => rmSync(folder, { recursive: true }))

async function loadRandom(): Promise<typeof import('./programs/random.ts')> {
  memory.clear()
  const program = await loadStepped(new URL('programs/random.ts', import.meta.url))
  setSites(program.sites)
  memory.takeSnapshot()
  return program.exports as typeof import('./programs/random.ts')
}

const step = fc.tuple(
  fc.constantFrom('load', 'store', 'add', 'cas'),
  fc.integer({ min: 0, max: 1 }),
  fc.integer({ min: 1, max: 2 }),
  fc.integer({ min: 0, max: 2 }),
) as fc.Arbitrary<Step>
const steps = fc.array(step, { minLength: 1, maxLength: 3 })
const guardedSteps = fc
  .tuple(steps, fc.integer({ min: 2, max: 3 }))
  .map(([guarded, lock]): Step[] => [['lock', lock, 0, 0], ...guarded, ['unlock', lock, 0, 0]])
const programs = fc.array(fc.oneof(steps, guardedSteps), { minLength: 2, maxLength: 3 })
/** How many executions each look at a unit may have, and whether its rest is split afterwards. */
const looks = fc.array(fc.tuple(fc.integer({ min: 1, max: 4 }), fc.boolean()), { minLength: 1, maxLength: 8 })

interface Covered {
  /** Digests of the orders that were seen. */
  readonly orders: string[]
  readonly outcomes: string[]
}

/** Runs `body` with a subject and options that note what is covered. */
function covering(
  make: typeof import('./programs/random.ts').make,
  threads: readonly (readonly Step[])[],
  bound: number | null,
  body: (subject: Subject, options: ExploreOptions) => void,
): Covered {
  const orders: string[] = []
  const outcomes = new Set<string>()
  const description = make(threads, (results) => outcomes.add(JSON.stringify(results))) as Scenario
  body(userSubject(description), { ...limits, bound, onOrder: (digest) => orders.push(digest) })
  return { orders: orders.toSorted(), outcomes: [...outcomes].toSorted() }
}

/** With a bound, one order may be met several times. */
function sameCover(one: Covered, other: Covered, bound: number | null): void {
  assert.deepEqual(other.outcomes, one.outcomes)
  if (bound === null) assert.deepEqual(other.orders, one.orders)
  else assert.deepEqual([...new Set(other.orders)], [...new Set(one.orders)])
}

const bounds = fc.constantFrom(null, null, 0, 1, 2)

describe('an exploration in parts', () => {
  it('covers the same, wherever units are cut and split', async () => {
    const { make } = await loadRandom()
    fc.assert(
      fc.property(programs, looks, bounds, (threads, plan, bound) => {
        const whole = covering(make, threads, bound, (subject, options) => void explore(subject, options))
        const parts = covering(make, threads, bound, (subject, options) => {
          const runners = [new UnitRunner(subject, options), new UnitRunner(subject, options)]
          const coordinator = new Coordinator()
          for (let turn = 0; !coordinator.isDone; turn++) {
            const [maxExecutions, split] = plan[turn % plan.length]!
            // Two at a time, so that what one finds is not known to the other.
            const taken = [coordinator.take()!, coordinator.take()].filter((each) => each !== null)
            const results = taken.map(({ unit }, by) =>
              runners[by]!.run(unit, { maxExecutions, maxMs: 60_000 }),
            )
            taken.forEach(({ id }, number) => coordinator.apply(id, results[number]!, split))
          }
          assert.equal(coordinator.failed, null)
        })
        sameCover(whole, parts, bound)
      }),
      { numRuns: extent(20, 300) },
    )
  })

  it('covers the same in all shards together', async () => {
    const { make } = await loadRandom()
    fc.assert(
      fc.property(programs, fc.integer({ min: 2, max: 4 }), bounds, (threads, count, bound) => {
        const whole = covering(make, threads, bound, (subject, options) => void explore(subject, options))
        const parts = covering(make, threads, bound, (subject, options) => {
          for (let index = 1; index <= count; index++) {
            const units = shardUnits(subject, options, { index, count })
            const runner = new UnitRunner(subject, options)
            for (const unit of units) {
              const { remainder, demands } = runner.run(unit, limits)
              assert.deepEqual([remainder, demands], [null, []])
            }
          }
        })
        sameCover(whole, parts, bound)
      }),
      { numRuns: extent(20, 300) },
    )
  })

  it('goes on from a ledger that was cut off anywhere', async () => {
    const { make } = await loadRandom()
    const file = join(folder, 'random.ledger')
    const key = { digest: 'x', scenario: 'random', options: {}, distinct: false }
    let resumed = 0
    fc.assert(
      fc.property(programs, looks, fc.integer({ min: 1, max: 99 }), (threads, plan, place) => {
        const whole = covering(make, threads, null, (subject, options) => void explore(subject, options))
        const written: { orders: string[]; end: number }[] = []
        const drive = (
          subject: Subject,
          options: ExploreOptions,
          orders: string[],
          lines: number,
        ): Coordinator => {
          const runner = new UnitRunner(subject, options)
          const coordinator = new Coordinator()
          const ledger = Ledger.open(file, key, coordinator)
          for (let turn = 0; !coordinator.isDone && turn < lines; turn++) {
            const [maxExecutions, split] = plan[turn % plan.length]!
            const { id, unit } = coordinator.take()!
            const result = runner.run(unit, { maxExecutions, maxMs: 60_000 })
            ledger.add(id, result, split)
            written.push({ orders: orders.splice(0), end: readFileSync(file).length })
            coordinator.apply(id, result, split)
          }
          ledger.close()
          return coordinator
        }
        writeFileSync(file, '')
        const description = make(threads, () => {}) as Scenario
        const orders: string[] = []
        const options = { ...limits, onOrder: (digest: string) => void orders.push(digest) }
        drive(userSubject(description), options, orders, 1 + (place % 10))
        // Killed in the middle of a line, or between two: what was done since is done again.
        const from = place % 4 === 0 ? 0 : written[0]!.end
        const end = from + Math.floor((place / 100) * (readFileSync(file).length - from))
        truncateSync(file, end)
        const kept = written.filter((line) => line.end <= end)
        written.length = 0
        const coordinator = drive(userSubject(description), options, orders, Infinity)
        assert.equal(coordinator.isDone, true)
        const all = [...kept, ...written].flatMap((line) => line.orders)
        assert.deepEqual(all.toSorted(), whole.orders)
        assert.equal(coordinator.executions - coordinator.redundant, whole.orders.length)
        if (kept.length > 0) resumed++
      }),
      { numRuns: extent(16, 200) },
    )
    assert.ok(resumed > extent(2, 50), `only ${resumed}`)
  })
})

const machine = { design: 'classic', rwsem: 'xadd' } as const

describe('worker threads, shards and ledgers', () => {
  const check = (options: CheckOptions) => checkKernelScenario('fault-munmap-table', machine, options)

  it('find as many orders as one thread', async () => {
    const one = await check({})
    const two = await check({ workers: 2 })
    assert.deepEqual([one.verdict, two.verdict], ['pass', 'pass'])
    assert.equal(two.executions - two.redundant, one.executions - one.redundant)
    let orders = 0
    for (const index of [1, 2, 3]) {
      const shard = await check({ shard: { index, count: 3 } })
      assert.deepEqual([shard.verdict, shard.shard], ['pass', `${index}/3`])
      orders += shard.executions - shard.redundant
    }
    assert.equal(orders, one.executions - one.redundant)
  })

  it('find what fails', async () => {
    const file = new URL('programs/lost-update.ts', import.meta.url)
    const ledger = join(folder, 'lost-update.ledger')
    for (const options of [{ workers: 2 }, { ledger }, { ledger }]) {
      const { verdict, failure } = await checkFile(file, options)
      assert.deepEqual([verdict, failure?.message], ['fail', 'Error: an update was lost'])
    }
    const verdicts: string[] = []
    for (const index of [1, 2]) verdicts.push((await checkFile(file, { shard: { index, count: 2 } })).verdict)
    assert.ok(verdicts.includes('fail'), verdicts.join())
  })

  it('tell that a worker ended', async () => {
    const file = new URL('programs/leaves.ts', import.meta.url)
    await assert.rejects(checkFile(file, { workers: 2 }), /a worker ended by itself, with exit code 3/)
  })

  it('go on where they were stopped', async () => {
    const ledger = join(folder, 'stopped.ledger')
    const one = await check({})
    const first = await check({ ledger, maxExecutions: 300 })
    assert.equal(first.verdict, 'incomplete')
    const second = await check({ ledger })
    assert.deepEqual([second.verdict, second.executions], [one.verdict, one.executions])
    const third = await check({ ledger, workers: 2 })
    assert.deepEqual(
      [third.verdict, third.executions, third.steps],
      ['pass', second.executions, second.steps],
    )
  })

  it('go on after the process was killed', async () => {
    const ledger = join(folder, 'killed.ledger')
    // From the source, whose code the ledger is for when it goes on here.
    const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
    const values = ['check', 'fault-munmap', '--design', 'classic', '--rwsem', 'generic', '--ledger', ledger]
    const child = spawn(process.execPath, [main, ...values], { stdio: 'ignore' })
    const ended = once(child, 'exit')
    // The head, and one result.
    const linesOf = (): number =>
      existsSync(ledger) ? readFileSync(ledger, 'utf8').split('\n').length - 1 : 0
    while (child.exitCode === null && linesOf() < 2) await setTimeout(10)
    child.kill('SIGKILL')
    assert.deepEqual(await ended, [null, 'SIGKILL'])
    const choice = { design: 'classic', rwsem: 'generic' } as const
    const resumed = await checkKernelScenario('fault-munmap', choice, { ledger })
    const whole = await checkKernelScenario('fault-munmap', choice)
    assert.deepEqual([resumed.verdict, whole.verdict], ['pass', 'pass'])
    assert.equal(resumed.executions - resumed.redundant, whole.executions - whole.redundant)
  })

  it('go on after threads of one function turned out not to be alike', async () => {
    const file = new URL('programs/numbered.ts', import.meta.url)
    const ledger = join(folder, 'numbered.ledger')
    for (let time = 0; time < 2; time++) assert.equal((await checkFile(file, { ledger })).verdict, 'fail')
    for (const index of [1, 2]) await checkFile(file, { shard: { index, count: 2 } })
  })

  it('refuse a ledger of something else', async () => {
    const ledger = join(folder, 'other.ledger')
    await check({ ledger, maxExecutions: 1 })
    await assert.rejects(check({ ledger, bound: 1 }), /was written with other options/)
    await assert.rejects(
      checkKernelScenario('fault-munmap', machine, { ledger }),
      /is for fault-munmap-table classic xadd/,
    )
    // The same in other words.
    const patches = [
      at('vma/vmacache.ts', 'vmacacheFind').replace('cpu.vmacacheMm !== mm', 'mm !== cpu.vmacacheMm'),
    ]
    await assert.rejects(check({ ledger, patches }), /was written for other code/)
    appendFileSync(ledger, '{"result":[77]}\n')
    await assert.rejects(check({ ledger }), /is damaged in line/)
    writeFileSync(ledger, 'something\n')
    await assert.rejects(check({ ledger }), /is not a ledger/)
  })
})
