// The explorer against a plain enumeration of all interleavings, and on programs whose number of executions is known.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { loadStepped, memory, setSites } from '../../src/backends/stepped/index.ts'
import { REDUNDANT } from '../../src/check/execution.ts'
import { type Exploration, type ExploreOptions, explore, makeExplorer } from '../../src/check/explore.ts'
import { type Subject, runOnce, withoutStacks } from '../../src/check/run-once.ts'
import { Explorer } from '../../src/check/explorer.ts'
import type { Scenario } from '../../src/check/scenario.ts'
import { StepLog } from '../../src/check/step-log.ts'
import { userSubject } from '../../src/check/user-scenario.ts'
import { extent } from '../extent.ts'
import type { LateStep } from './programs/late.ts'
import type { Step } from './programs/random.ts'

const limits = { maxExecutions: 1_000_000, maxSteps: 2000, maxMs: 60_000 }

async function load(name: string): Promise<Readonly<Record<string, unknown>>> {
  memory.clear()
  const program = await loadStepped(new URL(`programs/${name}.ts`, import.meta.url))
  setSites(program.sites)
  memory.takeSnapshot()
  return program.exports
}

async function exploreProgram(name: string, options: Partial<ExploreOptions> = {}): Promise<Exploration> {
  const { default: description } = await load(name)
  return explore(userSubject(description as Scenario), { ...limits, ...options })
}

/** Threads that run lists of steps, one step at a time. */
class Run {
  readonly cells = [0, 0, 0, 0]
  readonly results: number[][]
  readonly #lists: readonly (readonly Step[])[]

  constructor(lists: readonly (readonly Step[])[]) {
    this.#lists = lists
    this.results = lists.map(() => [])
  }

  nextOf(thread: number): Step | undefined {
    return this.#lists[thread]![this.results[thread]!.length]
  }

  canGoOn(thread: number): boolean {
    const next = this.nextOf(thread)
    return next !== undefined && !(next[0] === 'lock' && this.cells[next[1]] !== 0)
  }

  isOver(): boolean {
    return this.#lists.every((_, thread) => this.nextOf(thread) === undefined)
  }

  /** Does the next step of `thread` and what `then` does after it, and takes the step back. */
  step(thread: number, then: (changes: boolean) => void): void {
    const [kind, cell, operand, expected] = this.nextOf(thread)!
    const before = this.cells[cell]!
    const changes = kind === 'cas' ? before === expected : kind !== 'load'
    const value = kind === 'store' ? operand : ['load', 'cas', 'add'].includes(kind) ? before : 0
    if (changes) this.cells[cell] = after(kind, before, operand)
    this.results[thread]!.push(value)
    then(changes)
    this.results[thread]!.pop()
    this.cells[cell] = before
  }
}

/** The results of all threads in any interleaving of `lists`, and in how many preemptions at least they can be had. */
function outcomesOf(lists: readonly (readonly Step[])[]): Map<string, number> {
  const run = new Run(lists)
  const outcomes = new Map<string, number>()
  // What can follow depends on nothing else, so that one way to each of these is enough: that with fewest preemptions.
  const fewest = new Map<string, number>()
  const extend = (last: number, preemptions: number): void => {
    const outcome = JSON.stringify(run.results)
    if (run.isOver()) outcomes.set(outcome, Math.min(preemptions, outcomes.get(outcome) ?? Infinity))
    const state = `${last} ${run.cells.join()} ${outcome}`
    if ((fewest.get(state) ?? Infinity) <= preemptions) return
    fewest.set(state, preemptions)
    const mayStay = last >= 0 && run.canGoOn(last)
    for (const thread of lists.keys()) {
      if (!run.canGoOn(thread)) continue
      run.step(thread, () => extend(thread, preemptions + (mayStay && thread !== last ? 1 : 0)))
    }
  }
  extend(-1, 0)
  return outcomes
}

/** The orders of what conflicts, in all interleavings of `lists`: one way for each interleaving. */
function tracesOf(lists: readonly (readonly Step[])[]): Set<string> {
  const run = new Run(lists)
  const traces = new Set<string>()
  const seen: string[] = []
  // For each cell: the writes by whom; a read belongs to the write before it. What is only counted has no order.
  const writes: string[][] = [[], [], [], []]
  const counts = (list: readonly string[]): number =>
    list.length - 1 - list.findLastIndex((by) => !by.endsWith('+'))
  const seenBy = (list: readonly string[]): string => {
    const runs: string[][] = [[]]
    for (const by of list) {
      if (!by.endsWith('+')) runs.push([by], [])
      else runs.at(-1)!.push(by)
    }
    return runs.flatMap((each) => each.toSorted()).join()
  }
  const extend = (): void => {
    if (run.isOver())
      traces.add(`${seen.toSorted().join(';')} ${writes.map((list) => seenBy(list)).join('|')}`)
    for (const thread of lists.keys()) {
      if (!run.canGoOn(thread)) continue
      const [kind, cell] = run.nextOf(thread)!
      const label = `${thread}.${run.results[thread]!.length}${kind === 'count' ? '+' : ''}`
      const list = writes[cell]!
      const mattering = kind === 'count' ? list.slice(0, list.length - counts(list)) : list
      seen.push(`${label} after ${seenBy(mattering)}`)
      run.step(thread, (changes) => {
        if (changes) list.push(label)
        extend()
        if (changes) list.pop()
      })
      seen.pop()
    }
  }
  extend()
  return traces
}

function after(kind: Step[0], before: number, operand: number): number {
  if (kind === 'add' || kind === 'count') return before + operand
  if (kind === 'mark') return before | operand
  return kind === 'lock' ? 1 : kind === 'unlock' ? 0 : operand
}

const stepOf = (...kinds: readonly Step[0][]): fc.Arbitrary<Step> =>
  fc.tuple(
    fc.constantFrom(...kinds),
    fc.integer({ min: 0, max: 1 }),
    fc.integer({ min: 1, max: 2 }),
    fc.integer({ min: 0, max: 2 }),
  )
const steps = fc.array(stepOf('load', 'store', 'add', 'cas', 'count'), { minLength: 1, maxLength: 3 })
const step = stepOf('load', 'store', 'add', 'cas', 'count', 'mark')
/** Steps, some of them with a lock held. */
const guardedSteps = fc
  .tuple(
    fc.array(step, { maxLength: 2 }),
    fc.array(step, { minLength: 1, maxLength: 2 }),
    fc.integer({ min: 2, max: 3 }),
  )
  .map(([before, guarded, lock]): Step[] => [
    ...before,
    ['lock', lock, 0, 0],
    ...guarded,
    ['unlock', lock, 0, 0],
  ])

/** What an exploration finds that notes each step, so that no thread passes. */
function askingAtEachStep(subject: Subject): unknown {
  const explorer = makeExplorer(subject, limits)
  const orders: string[] = []
  let redundant = 0
  let failure: ReturnType<typeof runOnce> = null
  withoutStacks(() => {
    do {
      explorer.log = new StepLog()
      failure = runOnce(subject, explorer)
      if (failure !== null) return
      if (explorer.status === REDUNDANT) redundant++
      else orders.push(explorer.orderDigest())
    } while (explorer.advance())
  })
  explorer.retire()
  const executions = explorer.executions + (failure === null ? 0 : 1)
  const { kind = null, schedule = explorer.steps } = failure ?? {}
  return { executions, redundant, failure: kind, schedule, orders }
}

describe('the explorer', () => {
  it('shows every outcome, and every order of dependent operations exactly once', async () => {
    const { make } = (await load('random')) as { make: typeof import('./programs/random.ts').make }
    const lists = fc.array(steps, { minLength: 2, maxLength: 3 })
    fc.assert(
      fc.property(lists, (threads) => {
        const outcomes = outcomesOf(threads)
        const met = new Set<string>()
        const subject = userSubject(make(threads, (results) => met.add(JSON.stringify(results))) as Scenario)
        const result = explore(subject, limits)
        assert.equal(result.failure, null)
        assert.equal(result.complete, true)
        assert.deepEqual([...met].toSorted(), [...outcomes.keys()].toSorted())
        assert.equal(result.executions - result.redundant, tracesOf(threads).size)
      }),
      { numRuns: extent(25, 300) },
    )
  })

  it('loses no outcome to updates of two kinds, and to threads that wait for a lock', async () => {
    const { make } = (await load('random')) as { make: typeof import('./programs/random.ts').make }
    const thread = fc.oneof(fc.array(step, { minLength: 1, maxLength: 3 }), guardedSteps)
    fc.assert(
      fc.property(fc.array(thread, { minLength: 2, maxLength: 3 }), (threads) => {
        const outcomes = outcomesOf(threads)
        const met = new Set<string>()
        const subject = userSubject(make(threads, (results) => met.add(JSON.stringify(results))) as Scenario)
        const result = explore(subject, limits)
        assert.deepEqual([result.failure, result.complete], [null, true])
        assert.deepEqual([...met].toSorted(), [...outcomes.keys()].toSorted())
      }),
      { numRuns: extent(12, 400) },
    )
  })

  it('shows every outcome that can be had with so many preemptions, and no other', async () => {
    const { make } = (await load('random')) as { make: typeof import('./programs/random.ts').make }
    const thread = fc.oneof(steps, guardedSteps)
    const lists = fc.array(thread, { minLength: 2, maxLength: 3 })
    fc.assert(
      fc.property(lists, fc.integer({ min: 0, max: 3 }), (threads, bound) => {
        const outcomes = outcomesOf(threads)
        const expected = [...outcomes]
          .filter(([, preemptions]) => preemptions <= bound)
          .map(([outcome]) => outcome)
        const met = new Set<string>()
        const subject = userSubject(make(threads, (results) => met.add(JSON.stringify(results))) as Scenario)
        const result = explore(subject, { ...limits, bound })
        assert.deepEqual([result.failure, result.complete], [null, true])
        assert.deepEqual([...met].toSorted(), expected.toSorted())
      }),
      { numRuns: extent(40, 400) },
    )
  })

  it('asks nobody where a thread has a cell for itself, and finds the same when another comes to it late', async (t) => {
    const { make } = (await load('late')) as { make: typeof import('./programs/late.ts').make }
    const shared: fc.Arbitrary<LateStep> = fc.tuple(
      fc.constantFrom('load', 'store', 'add'),
      fc.integer({ min: 0, max: 1 }),
      fc.constant(null),
    )
    const late: fc.Arbitrary<LateStep> = fc.tuple(
      fc.constantFrom('load', 'load', 'store', 'store', 'add', 'count', 'plain'),
      fc.integer({ min: 2, max: 5 }),
      fc.constantFrom(null, 1, 2, 3),
    )
    const list = fc
      .tuple(fc.array(shared, { minLength: 2, maxLength: 2 }), fc.array(late, { maxLength: 5 }))
      .map((parts) => parts.flat())
    const lists = fc.array(list, { minLength: 2, maxLength: 3 })
    const again = t.mock.method(Explorer.prototype, 'followAgain')
    const passing = t.mock.method(Explorer.prototype as unknown as { passed(): void }, 'passed')
    fc.assert(
      fc.property(lists, (threads) => {
        const asked = askingAtEachStep(userSubject(make(threads) as Scenario))
        const orders: string[] = []
        const subject = userSubject(make(threads) as Scenario)
        const result = explore(subject, { ...limits, onOrder: (order) => orders.push(order) })
        const { executions, redundant, failure } = result
        const schedule = failure?.schedule ?? result.steps
        assert.deepEqual({ executions, redundant, failure: failure?.kind ?? null, schedule, orders }, asked)
      }),
      // With these programs it happens some times, whatever was drawn.
      { numRuns: extent(60, 3000), seed: 2 },
    )
    assert.ok(passing.mock.callCount() > 0 && again.mock.callCount() > 0)
  })

  it('exchanges threads that run the same function, and loses no end but for their names', async () => {
    const { makeAlike } = (await load('random')) as {
      makeAlike: typeof import('./programs/random.ts').makeAlike
    }
    let fewer = 0
    const lists = fc.array(fc.oneof(steps, guardedSteps), { minLength: 1, maxLength: 2 })
    const which = fc.array(fc.integer({ min: 0, max: 1 }), { minLength: 2, maxLength: 3 })
    fc.assert(
      fc.property(lists, which, (programs, chosen) => {
        const threads = chosen.map((number) => number % programs.length)
        const ends = [true, false].map((distinct) => {
          const met = new Set<string>()
          const subject = userSubject(
            makeAlike(programs, threads, (results) => {
              met.add(JSON.stringify(results.toSorted()))
            }) as Scenario,
          )
          const result = explore(subject, { ...limits, distinct })
          assert.deepEqual([result.failure, result.complete], [null, true])
          return { met: [...met].toSorted(), executions: result.executions - result.redundant }
        })
        assert.deepEqual(ends[1]!.met, ends[0]!.met)
        assert.ok(ends[1]!.executions <= ends[0]!.executions)
        if (ends[1]!.executions < ends[0]!.executions) fewer++
      }),
      { numRuns: extent(25, 300) },
    )
    assert.ok(fewer > extent(3, 50), `only ${fewer}`)
  })

  it('exchanges none where one knows who it is by what is not in shared memory', async () => {
    const { knowing } = (await load('knowing')) as { knowing: Record<string, Scenario> }
    for (const [name, scenario] of Object.entries(knowing)) {
      const { failure } = explore(userSubject(scenario), limits)
      assert.equal((failure?.error as Error | undefined)?.message, 'the second was first', name)
    }
  })

  it('needs 2^n executions for one writer and n readers of one cell', async () => {
    const result = await exploreProgram('readers', { distinct: true })
    assert.deepEqual([result.executions, result.redundant, result.complete], [8, 0, true])
  })

  it('needs n + 1 where the readers are exchanged: one for each number of them that is early', async () => {
    const result = await exploreProgram('readers')
    assert.deepEqual([result.executions, result.redundant, result.complete], [4, 0, true])
  })

  it('finds a lost update in the second execution', async () => {
    const { failure, executions } = await exploreProgram('lost-update')
    assert.equal(executions, 2)
    assert.match(String(failure?.error), /an update was lost/)
    assert.match((failure!.error as Error).stack!, /lost-update\.ts/)
  })

  it('finds one between the last two of as many threads as there may be', async () => {
    for (const bound of [null, 1]) {
      const { failure } = await exploreProgram('full', { bound })
      assert.match(String(failure?.error), /an update was lost/)
      assert.deepEqual(new Set(failure!.schedule), new Set(Array.from({ length: 31 }, (_, id) => id)))
    }
  })

  it('proves the mutual exclusion of Peterson, of a spinlock and of a futex mutex', async () => {
    for (const name of ['peterson', 'spin', 'mutex']) {
      const result = await exploreProgram(name)
      assert.deepEqual([result.failure, result.complete], [null, true], name)
    }
  })

  it('finds a deadlock of two locks taken in opposite orders', async () => {
    const { failure } = await exploreProgram('deadlock')
    assert.equal(failure?.kind, 'deadlock')
  })

  it('finds a plain read that nothing orders after a plain write', async () => {
    const { failure } = await exploreProgram('racy')
    assert.equal(failure?.kind, 'race')
    const { race } = failure!
    assert.deepEqual([race!.first.write, race!.second.write, race!.second.thread], [true, false, 1])
  })
})
