// stress-ng's vma in the small, each scenario under every second design: completely, with at most one preemption.
// docs/kernel-scenarios.md has the numbers for two, which take half a minute each.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { checkKernelScenario } from '../../src/check/index.ts'
import { designs } from '../../src/index.ts'
import { rwsemNames } from '../../src/kernel/index.ts'
import { isTurn } from '../extent.ts'

for (const [turn, scenario] of ['map-unmap-access', 'protect-discard-access'].entries()) {
  describe(scenario, () => {
    for (const [index, { name: design }] of designs.entries()) {
      if (!isTurn(index, turn)) continue
      const rwsem = rwsemNames[index % rwsemNames.length]!
      it(`${design}, ${rwsem}`, async () => {
        const { verdict, failure } = await checkKernelScenario(scenario, { design, rwsem }, { bound: 1 })
        assert.deepEqual([verdict, failure], ['pass', null])
      })
    }
  })
}
