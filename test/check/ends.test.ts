// A thread that is ended in an access that needs no fault costs nothing, also where it is ended while it answers a call
// of another CPU.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { SourcePatch } from '../../src/backends/stepped/index.ts'
import { type EndsResult, checkEnds } from '../../src/check/index.ts'

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
    const patch = { file: cpu, find: '  Atomics.or(cpu.heap, cpu.base, CPU_INTERRUPT)\n', replace: '' }
    const { failures } = await endIn('load, hit', [patch])
    assert.match(failures.join('\n'), /can never go on|more steps than any end needs/)
  })

  it('is ended in the middle of an answer too: were that work that is lost, the machine would be', async () => {
    const patch = {
      file: cpu,
      find: '      doCall(cpu, sender)\n',
      replace: '      beginWork(cpu)\n      doCall(cpu, sender)\n',
    }
    const { failures, lost } = await endIn('load, hit', [patch])
    assert.deepEqual(failures, [])
    assert.ok(lost > 0)
  })
})
