// A bounded slice of the stress run: every fourth design as the seed has it, with random calls, and the next one each
// with forks (the whole: all with both), the rwsems in turn (the whole: with all), at two threads and at more threads
// than there may be cores.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rwsemNames } from '../../src/kernel/index.ts'
import { designs } from '../../src/memory.ts'
import { extent, isWhole } from '../extent.ts'
import { configVariants, counterProblem, runStress } from './stress.ts'

const seed = Number(process.env['STRESS_SEED'] ?? Math.floor(Math.random() * 2 ** 31))

const EACH = extent(4, 1)
let combination = 0
for (const [index, { name }] of designs.entries()) {
  if ((index + seed) % EACH !== 0) continue
  for (const rwsem of isWhole ? rwsemNames : [rwsemNames[(index >> 1) % rwsemNames.length]!]) {
    const config = configVariants[combination++ % configVariants.length]!
    test(`random calls and accesses by several threads agree with the reference model: ${name}, ${rwsem}`, async () => {
      const threads = rwsem === 'xadd' ? 2 : 3
      const report = await runStress({
        design: name,
        rwsem,
        config,
        threads,
        seed,
        seconds: extent(0.25, 0.5),
        steps: 1200,
      })
      assert.ok(report.rounds >= 1)
      assert.ok(report.operations > 1000, `${report.operations} operations`)
      if (name !== 'classic')
        assert.ok(report.counters['spf_attempt']! > 0, 'no fault was tried speculatively')
    })
  }
}

for (const [index, { name }] of designs.entries()) {
  if ((index + seed + 1) % EACH !== 0) continue
  test(`a fork among threads that write has of each what came before it: ${name}`, async () => {
    const rwsem = rwsemNames[(index >> 1) % rwsemNames.length]!
    const config = configVariants[index % configVariants.length]!
    const rounds = extent(1, 2)
    const report = await runStress({
      design: name,
      rwsem,
      config,
      threads: 3,
      seed,
      kinds: ['forks'],
      rounds,
      steps: 400,
    })
    assert.equal(report.rounds, rounds)
    assert.equal(report.outOfMemory, 0)
    assert.ok(report.counters['pgfault']! > 100, `${report.counters['pgfault']} faults`)
  })
}

test('counters that do not add up are noticed', () => {
  assert.equal(counterProblem({ spf_attempt: 5, spf_abort: 2, SPF_ABORT_ODD: 1, SPF_ABORT_PMD: 1 }), null)
  assert.match(counterProblem({ spf_attempt: 5, spf_abort: 2, SPF_ABORT_ODD: 1 })!, /sum to 1/)
  assert.match(counterProblem({ spf_attempt: 1, spf_abort: 2, SPF_ABORT_ODD: 2 })!, /2 aborts of 1/)
  assert.match(counterProblem({ pgfault: -1 })!, /pgfault/)
})
