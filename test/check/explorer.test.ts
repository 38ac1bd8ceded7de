// The explorer against a plain enumeration of all interleavings, and on programs whose number of executions is known.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { loadStepped, memory, setSites } from '../../src/backends/stepped/index.ts'
import { type Exploration, type ExploreOptions, explore } from '../../src/check/explore.ts'
import type { Scenario } from '../../src/check/scenario.ts'
import { userSubject } from '../../src/check/user-scenario.ts'
import { extent } from '../extent.ts'
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

interface Enumeration {
  /** The results of all threads, and in how many preemptions at least they can be had. */
  readonly outcomes: Map<string, number>
  /** The order of what conflicts. */
  readonly traces: Set<string>
}

/** Runs `lists` in every interleaving and returns what is different. */
function enumerate(lists: readonly (readonly Step[])[]): Enumeration {
  const outcomes = new Map<string, number>()
  const traces = new Set<string>()
  const cells = [0, 0, 0, 0]
  const results: number[][] = lists.map(() => [])
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
    return runs.flatMap((run) => run.toSorted()).join()
  }
  const canGoOn = (thread: number): boolean => {
    const next = lists[thread]![results[thread]!.length]
    return next !== undefined && !(next[0] === 'lock' && cells[next[1]] !== 0)
  }
  const extend = (last: number, preemptions: number): void => {
    if (results.every((list, thread) => list.length === lists[thread]!.length)) {
      const outcome = JSON.stringify(results)
      outcomes.set(outcome, Math.min(preemptions, outcomes.get(outcome) ?? Infinity))
      traces.add(`${seen.toSorted().join(';')} ${writes.map((list) => seenBy(list)).join('|')}`)
    }
    const mayStay = last >= 0 && canGoOn(last)
    for (const thread of lists.keys()) {
      if (!canGoOn(thread)) continue
      const done = results[thread]!
      const [kind, cell, operand, expected] = lists[thread]![done.length]!
      const before = cells[cell]!
      const changes = kind === 'cas' ? before === expected : kind !== 'load'
      const label = `${thread}.${done.length}${kind === 'count' ? '+' : ''}`
      const value = kind === 'store' ? operand : ['load', 'cas', 'add'].includes(kind) ? before : 0
      const list = writes[cell]!
      const mattering = kind === 'count' ? list.slice(0, list.length - counts(list)) : list
      seen.push(`${label} after ${seenBy(mattering)}`)
      if (changes) {
        list.push(label)
        cells[cell] = after(kind, before, operand)
      }
      done.push(value)
      extend(thread, preemptions + (mayStay && thread !== last ? 1 : 0))
      done.pop()
      if (changes) list.pop()
      cells[cell] = before
      seen.pop()
    }
  }
  extend(-1, 0)
  return { outcomes, traces }
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

describe('the explorer', () => {
  it('shows every outcome, and every order of dependent operations exactly once', async () => {
    const { make } = (await load('random')) as { make: typeof import('./programs/random.ts').make }
    const lists = fc.array(steps, { minLength: 2, maxLength: 3 })
    fc.assert(
      fc.property(lists, (threads) => {
        const { outcomes, traces } = enumerate(threads)
        const met = new Set<string>()
        const subject = userSubject(make(threads, (results) => met.add(JSON.stringify(results))) as Scenario)
        const result = explore(subject, limits)
        assert.equal(result.failure, null)
        assert.equal(result.complete, true)
        assert.deepEqual([...met].toSorted(), [...outcomes.keys()].toSorted())
        assert.equal(result.executions - result.redundant, traces.size)
      }),
      { numRuns: extent(80, 300) },
    )
  })

  it('loses no outcome to updates of two kinds, and to threads that wait for a lock', async () => {
    const { make } = (await load('random')) as { make: typeof import('./programs/random.ts').make }
    const thread = fc.oneof(fc.array(step, { minLength: 1, maxLength: 3 }), guardedSteps)
    fc.assert(
      fc.property(fc.array(thread, { minLength: 2, maxLength: 3 }), (threads) => {
        const { outcomes } = enumerate(threads)
        const met = new Set<string>()
        const subject = userSubject(make(threads, (results) => met.add(JSON.stringify(results))) as Scenario)
        const result = explore(subject, limits)
        assert.deepEqual([result.failure, result.complete], [null, true])
        assert.deepEqual([...met].toSorted(), [...outcomes.keys()].toSorted())
      }),
      { numRuns: extent(25, 400) },
    )
  })

  it('shows every outcome that can be had with so many preemptions, and no other', async () => {
    const { make } = (await load('random')) as { make: typeof import('./programs/random.ts').make }
    const thread = fc.oneof(steps, guardedSteps)
    const lists = fc.array(thread, { minLength: 2, maxLength: 3 })
    fc.assert(
      fc.property(lists, fc.integer({ min: 0, max: 3 }), (threads, bound) => {
        const { outcomes } = enumerate(threads)
        const expected = [...outcomes]
          .filter(([, preemptions]) => preemptions <= bound)
          .map(([outcome]) => outcome)
        const met = new Set<string>()
        const subject = userSubject(make(threads, (results) => met.add(JSON.stringify(results))) as Scenario)
        const result = explore(subject, { ...limits, bound })
        assert.deepEqual([result.failure, result.complete], [null, true])
        assert.deepEqual([...met].toSorted(), expected.toSorted())
      }),
      { numRuns: extent(100, 400) },
    )
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
      { numRuns: extent(80, 300) },
    )
    assert.ok(fewer > extent(30, 50), `only ${fewer}`)
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
