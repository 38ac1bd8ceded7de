// Every mutant is found by the scenario that it names, which finds nothing in the kernel as it is.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { checkKernelScenario, scenarioNames } from '../../src/check/index.ts'
import { mutants } from '../../src/check/mutants.ts'

const choice = { design: 'lespinasse-2021', rwsem: 'xadd' } as const

describe('mutants of the kernel', () => {
  for (const { name, scenario, patches } of mutants) {
    it(`${name} is found by ${scenario}`, async () => {
      assert.ok(scenarioNames.some((each) => each === scenario))
      const { failure, executions } = await checkKernelScenario(scenario, choice, { patches })
      assert.notEqual(failure, null)
      assert.ok(executions < 20_000)
    })
  }

  it('a patch that does not fit the source is refused', async () => {
    const patches = [{ file: 'mm/zap.ts', find: 'no such text', replace: '' }]
    await assert.rejects(checkKernelScenario('fault-munmap', choice, { patches }), /stands there 0 times/)
  })
})
