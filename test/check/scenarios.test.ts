// The shipped kernel scenarios. What has too many interleavings for a test is explored for a while.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { checkKernelScenario, scenarioNames } from '../../src/check/index.ts'

/** Explored completely within a second or so. */
const complete = new Set([
  'fault-fault',
  'fault-munmap-table classic xadd',
  'fault-munmap classic xadd',
  'fault-mprotect classic xadd',
  'fault-dontneed',
  'fault-brk classic xadd',
  'fault-mmap-fixed',
  'fault-stack-growth classic xadd',
  'zero-page-cow-munmap classic xadd',
  'split-merge-fault classic xadd',
  'munmap-mmap classic xadd',
  'interrupt-deadlock',
])

describe('kernel scenarios', () => {
  for (const name of scenarioNames) {
    for (const design of ['classic', 'lespinasse-2021']) {
      for (const rwsem of ['xadd', 'generic'] as const) {
        it(`${name}, ${design}, ${rwsem}`, async () => {
          const whole = complete.has(name) || complete.has(`${name} ${design} ${rwsem}`)
          const result = await checkKernelScenario(
            name,
            { design, rwsem },
            { maxExecutions: whole ? 1e6 : 1000 },
          )
          assert.deepEqual(result.failure, null)
          if (whole) assert.equal(result.verdict, 'pass')
        })
      }
    }
  }
})
