// Loops of a checked program that come to no operation of Atomics, and so to no step at which the explorer could have
// a word: they end when the time is up.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { checkFile } from '../../src/check/index.ts'
import type { CheckOptions } from '../../src/check/index.ts'

const check = (name: string, options: CheckOptions = {}) =>
  checkFile(new URL(`programs/${name}.ts`, import.meta.url), { seconds: 0.2, ...options })

describe('a loop without end', () => {
  for (const options of [
    {},
    { workers: 2 },
    { shard: { index: 1, count: 1 } },
    { strategy: 'pct' },
  ] as const) {
    it(`of a thread leaves the check incomplete, and is named: ${JSON.stringify(options)}`, async () => {
      const { verdict, complete, failure, endless } = await check('spins', options)
      assert.deepEqual([verdict, complete, failure], ['incomplete', false, null])
      assert.match(endless!, /spins\.ts:\d+: while \(cells\.length > 0\);$/)
    })
  }

  it('of the setup does so too', async () => {
    const { verdict, endless } = await check('spins-in-setup')
    assert.equal(verdict, 'incomplete')
    assert.match(endless!, /spins-in-setup\.ts:\d+: do cells\[1\].* while \(cells\.length > 0\)$/)
  })

  it("of the module's own code is refused with its place", async () => {
    await assert.rejects(check('spins-in-module'), (error: Error & { line?: number; remedy?: string }) => {
      assert.equal(error.name, 'TimeUp')
      assert.match(error.message, /the time was up in the loop while \(turns\.length > 0\)/)
      assert.deepEqual([error.line, error.remedy], [6, 'let the loop end, or give more time'])
      return true
    })
  })

  it('does no harm to what is checked next', async () => {
    const { verdict, endless } = await check('message', { seconds: 600 })
    assert.deepEqual([verdict, endless], ['pass', undefined])
  })
})
