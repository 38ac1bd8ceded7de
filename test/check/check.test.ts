// Checking a scenario in a file: what is told of it.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type CheckResult, checkFile } from '../../src/check/index.ts'
import { remainderText } from '../../src/cli/check-options.ts'

const check = (name: string): Promise<CheckResult> =>
  checkFile(new URL(`programs/${name}.ts`, import.meta.url))

describe('checking a file', () => {
  it('passes what holds in every interleaving', async () => {
    const { verdict, complete, failure } = await check('message')
    assert.deepEqual([verdict, complete, failure], ['pass', true, null])
  })

  it('tells both places of a data race', async () => {
    const { verdict, failure } = await check('racy')
    assert.equal(verdict, 'fail')
    assert.equal(failure!.kind, 'race')
    assert.match(failure!.places.join('\n'), /thread 0: write at .*racy\.ts:7 .*cells\[1\] = 42/)
    assert.match(failure!.places.join('\n'), /thread 1: read at .*racy\.ts:12 .*cells\[1\]/)
  })

  it('tells what was thrown, and in how many steps', async () => {
    const { failure } = await check('lost-update')
    assert.equal(failure!.message, 'Error: an update was lost')
    assert.deepEqual([failure!.kind, failure!.steps, failure!.preemptions], ['error', 4, 1])
  })

  it('says that no execution ends where threads answer each other for ever', async () => {
    const file = new URL('programs/endless-answers.mjs', import.meta.url)
    const result = await checkFile(file, { maxExecutions: 16 })
    assert.deepEqual([result.verdict, result.redundant], ['incomplete', 16])
    assert.match(remainderText(result), /no execution ended/)
  })

  for (const name of ['cloned-memory', 'sent-memory', 'wasm-memory']) {
    it(`knows memory that has several buffers: ${name}`, async () => {
      const { failure } = await check(name)
      assert.equal(failure!.message, 'Error: an update was lost')
    })
  }

  it('refuses shared memory that grows', async () => {
    await assert.rejects(check('grown-memory'), /grown-memory\.ts:6: shared memory that grows/)
    await assert.rejects(check('grows'), /grows\.ts:11: shared memory that grows/)
  })

  it('lets a thread wait for what the engine lets it wait for', async () => {
    const { failure } = await check('byte-lock')
    assert.match(failure!.message, /^TypeError: \[object Int8Array\] is not an int32 or BigInt64 typed array/)
  })

  it('refuses more threads than it can tell apart', async () => {
    await assert.rejects(check('crowd'), /has 32 threads/)
  })

  it('refuses a file that exports no scenario', async () => {
    await assert.rejects(check('random'), /does not export a scenario as default/)
  })
})
