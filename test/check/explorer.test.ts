// The explorer against a plain enumeration of all interleavings, and on programs whose number of executions is known.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { loadStepped, memory, setSites } from '../../src/backends/stepped/index.ts'
import { type Exploration, explore } from '../../src/check/explore.ts'
import type { Scenario } from '../../src/check/scenario.ts'
import { userSubject } from '../../src/check/user-scenario.ts'
import type { Step } from './programs/random.ts'

const limits = { maxExecutions: 1_000_000, maxSteps: 2000, maxMs: 60_000 }

async function load(name: string): Promise<Readonly<Record<string, unknown>>> {
  memory.clear()
  const program = await loadStepped(new URL(`programs/${name}.ts`, import.meta.url))
  setSites(program.sites)
  memory.takeSnapshot()
  return program.exports
}

async function exploreProgram(name: string): Promise<Exploration> {
  const { default: description } = await load(name)
  return explore(userSubject(description as Scenario), limits)
}

/** Runs `lists` in every interleaving and returns what is different: the results, and the order of what conflicts. */
function enumerate(lists: readonly (readonly Step[])[]): { outcomes: Set<string>; traces: Set<string> } {
  const outcomes = new Set<string>()
  const traces = new Set<string>()
  const run = (order: readonly number[]): void => {
    const cells = [0, 0, 0, 0]
    const results: number[][] = lists.map(() => [])
    const seen: string[] = []
    // For each cell: how many writes there were, by whom; a read belongs to the write before it.
    const writes: string[][] = [[], [], [], []]
    for (const thread of order) {
      const [kind, cell, operand, expected] = lists[thread]![results[thread]!.length]!
      const before = cells[cell]!
      const changes = kind === 'cas' ? before === expected : kind !== 'load'
      const label = `${thread}.${results[thread]!.length}`
      seen.push(`${label} after ${writes[cell]!.join()}`)
      if (changes) {
        writes[cell]!.push(label)
        cells[cell] = kind === 'add' ? before + operand : operand
      }
      results[thread]!.push(kind === 'store' ? operand : before)
    }
    outcomes.add(JSON.stringify(results))
    traces.add(`${seen.toSorted().join(';')} ${writes.map((list) => list.join()).join('|')}`)
  }
  const extend = (order: readonly number[]): void => {
    let complete = true
    for (const [thread, list] of lists.entries()) {
      if (order.filter((each) => each === thread).length === list.length) continue
      complete = false
      extend([...order, thread])
    }
    if (complete) run(order)
  }
  extend([])
  return { outcomes, traces }
}

describe('the explorer', () => {
  it('shows every outcome, and every order of dependent operations exactly once', async () => {
    const { make } = (await load('random')) as { make: typeof import('./programs/random.ts').make }
    const step = fc.tuple(
      fc.constantFrom('load', 'store', 'add', 'cas'),
      fc.integer({ min: 0, max: 1 }),
      fc.integer({ min: 1, max: 2 }),
      fc.integer({ min: 0, max: 2 }),
    ) as fc.Arbitrary<Step>
    const lists = fc.array(fc.array(step, { minLength: 1, maxLength: 3 }), { minLength: 2, maxLength: 3 })
    fc.assert(
      fc.property(lists, (threads) => {
        const { outcomes, traces } = enumerate(threads)
        const met = new Set<string>()
        const subject = userSubject(make(threads, (results) => met.add(JSON.stringify(results))) as Scenario)
        const result = explore(subject, limits)
        assert.equal(result.failure, null)
        assert.equal(result.complete, true)
        assert.deepEqual([...met].toSorted(), [...outcomes].toSorted())
        assert.equal(result.executions - result.redundant, traces.size)
      }),
      { numRuns: 300 },
    )
  })

  it('needs 2^n executions for one writer and n readers of one cell', async () => {
    const result = await exploreProgram('readers')
    assert.deepEqual([result.executions, result.redundant, result.complete], [8, 0, true])
  })

  it('finds a lost update in the second execution', async () => {
    const { failure, executions } = await exploreProgram('lost-update')
    assert.equal(executions, 2)
    assert.match(String(failure?.error), /an update was lost/)
    assert.match((failure!.error as Error).stack!, /lost-update\.ts/)
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
