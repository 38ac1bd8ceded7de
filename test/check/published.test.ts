// Designs as they were published, and as they are mended. What is too large for a test is explored for a while here,
// and longer by `npm run check:published` and `npm run check:all`.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { checkKernelScenario, checkPublished, publishedFlaws, scenarioNames } from '../../src/check/index.ts'
import { designs } from '../../src/index.ts'
import { extent, isTurn, isWhole } from '../extent.ts'

/** In how many executions a flaw is found, at most: the slowest of the slice takes 1,848. */
const FOUND_EXECUTIONS = 20_000

const names = designs.map(({ name }) => name)

describe('designs as published', () => {
  for (const [index, { design, race, sentence, scenarios }] of publishedFlaws.entries()) {
    if (!isTurn(index, 0)) continue
    it(`${design}, ${race}: ${sentence}`, async () => {
      assert.ok(names.includes(design))
      for (const scenario of scenarios)
        assert.ok(
          scenarioNames.some((name) => name === scenario),
          scenario,
        )
      const limits = isWhole ? { seconds: 600 } : { maxExecutions: FOUND_EXECUTIONS }
      for (const scenario of isWhole ? scenarios : scenarios.slice(0, 1)) {
        const { problem } = await checkPublished(design, scenario, { minimiseSeconds: 0, ...limits })
        assert.equal(problem, null, `${scenario}: ${problem}`)
      }
    })
  }

  it('have one flaw in a scenario at most', () => {
    const pairs = publishedFlaws.flatMap(({ design, scenarios }) =>
      scenarios.map((name) => `${design} ${name}`),
    )
    assert.equal(new Set(pairs).size, pairs.length)
  })

  it('without a flaw pass: an expectation that does not come true would be seen', async () => {
    const { problem, flaw } = await checkPublished('lespinasse-2021', 'fault-fault')
    assert.deepEqual([problem, flaw], [null, null])
  })
})

/** How far each design is explored in each scenario here. */
const EXECUTIONS = 10
/** Explored further in scenarios.test.ts. */
const explored = new Set(['classic', 'lespinasse-2021'])

describe('designs as mended', () => {
  const others = names.filter((name) => !explored.has(name))
  for (const [index, scenario] of scenarioNames.entries()) {
    if (index % extent(4, 1) !== 0) continue
    it(scenario, async () => {
      // One design each, in turn, and every fourth scenario: every design meets several.
      for (const design of isWhole ? others : [others[(index >> 2) % others.length]!]) {
        const choice = { design, rwsem: 'xadd' } as const
        const limits = { maxExecutions: EXECUTIONS, minimiseSeconds: 0 }
        const { failure } = await checkKernelScenario(scenario, choice, limits)
        assert.equal(failure, null, `${design}: ${failure?.message}`)
      }
    })
  }
})
