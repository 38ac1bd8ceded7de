// Published packages, as they are, used as their documentation says. What was found is told in docs/check.md.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type CheckOptions, type CheckResult, checkFile, checkKernelScenario } from '../../src/check/index.ts'

const check = (name: string, options: CheckOptions = {}): Promise<CheckResult> =>
  checkFile(new URL(`packages/${name}.ts`, import.meta.url), { seconds: 600, ...options })

describe('published packages', () => {
  for (const name of ['ringbuf', 'objectbuffer-lock']) {
    it(`${name} passes in every interleaving`, async () => {
      const { verdict, complete, executions } = await check(name)
      assert.deepEqual([verdict, complete], ['pass', true])
      assert.ok(executions > 1)
    })
  }

  it('sync-message passes, where a time-out that only has it wait again is not counted for ever', async () => {
    const found = await check('sync-message', { timeouts: 2 })
    assert.deepEqual([found.verdict, found.complete, found.timeouts], ['pass', true, 2])
  })

  it('ringbuf.js publishes elements that nobody wrote when a callback says that it wrote none', async () => {
    const { failure } = await check('ringbuf-callback')
    assert.equal(failure!.kind, 'error')
    assert.equal(failure!.message, 'InvariantBroken: the invariant does not hold')
  })

  it('sync-message reads a message that is not there yet when a late notification wakes it', async () => {
    const { failure } = await check('sync-message-two')
    assert.deepEqual(
      [failure!.kind, failure!.message],
      ['error', 'SyntaxError: Unexpected end of JSON input'],
    )
  })

  it('leaves nothing behind for what is checked next, where it looked at memory byte by byte', async () => {
    const kernel = () =>
      checkKernelScenario('fault-munmap', { design: 'lespinasse-2021', rwsem: 'xadd' }, { maxExecutions: 20 })
    const before = await kernel()
    await check('ringbuf-callback')
    const after = await kernel()
    assert.deepEqual([after.failure, after.steps], [null, before.steps])
  })
})
