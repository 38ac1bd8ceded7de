// A thread that is ended in an access that needs no fault costs nothing, also where it is ended while it answers a call
// of another CPU.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type EndsResult, checkEnds } from '../../src/check/index.ts'
import { type SourcePatch, at } from '../../src/check/mutants/patch.ts'

const cpu = 'machine/cpu.ts'

function endIn(victim: string, patches: readonly SourcePatch[] = []): Promise<EndsResult> {
  return checkEnds({
    design: 'lespinasse-2021',
    rwsem: 'xadd',
    victim,
    ordered: false,
    orders: ['called', 'bystander', 'undertaker', 1],
    patches,
  })
}

describe('a thread that is ended in an access that needs no fault', () => {
  for (const victim of ['load, hit', 'store, hit']) {
    it(`costs nothing, at whatever step: ${victim}`, async () => {
      const { failures, lost, stood } = await endIn(victim)
      assert.deepEqual(failures, [])
      assert.equal(lost, 0)
      assert.ok(stood >= 40, `${stood} executions`)
    })
  }

  it('is never buried without an answer: one that waits for it would wait for ever', async () => {
    const patch = at(cpu, 'exitTornStay').drop('Atomics.or(cpu.heap, cpu.base, CPU_INTERRUPT)')
    const { failures } = await endIn('load, hit', [patch])
    assert.match(failures.join('\n'), /can never go on|more steps than any end needs/)
  })

  it('is ended in the middle of an answer too: were that work that is lost, the machine would be', async () => {
    const patch = at(cpu, 'answerCalls').before('doCall(cpu, sender)', 'beginWork(cpu)')
    const { failures, lost } = await endIn('load, hit', [patch])
    assert.deepEqual(failures, [])
    assert.ok(lost > 0)
  })
})
