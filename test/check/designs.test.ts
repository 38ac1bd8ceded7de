// What the designs are held to beyond the scenarios that all run: where one of them once was wrong.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { checkKernelScenario } from '../../src/check/index.ts'

describe('designs that wait with interrupts disabled', () => {
  // Called by a CPU that does not hold the lock, they hung: one that holds it waited for the caller.
  for (const design of ['zijlstra-2010', 'zijlstra-2014']) {
    it(`${design} does not hang in a chain of three CPUs`, async () => {
      const { failure } = await checkKernelScenario(
        'interrupt-deadlock-chain',
        { design, rwsem: 'xadd' },
        { bound: 1, maxExecutions: 4000, minimiseSeconds: 0 },
      )
      assert.equal(failure, null)
    })
  }
})
