// Scenarios in which a thread may be ended at any step: who waits for it is found, and who does not passes.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { checkFile, counterexampleText, replayFile } from '../../src/check/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'terminate-'))
after(() => rmSync(folder, { recursive: true }))

let count = 0
function written(code: string): string {
  const file = join(folder, `${++count}.check.mjs`)
  writeFileSync(file, `const cells = () => new Int32Array(new SharedArrayBuffer(16))\n${code}`)
  return file
}

const lock = `
const lock = (c) => { while (Atomics.compareExchange(c, 0, 0, 1) !== 0) Atomics.wait(c, 0, 1) }
const unlock = (c) => { Atomics.store(c, 0, 0); Atomics.notify(c, 0, 1) }
const use = (c) => { lock(c); Atomics.add(c, 1, 1); unlock(c) }`
const add = `
const add = (c) => {
  for (;;) {
    const was = Atomics.load(c, 1)
    if (Atomics.compareExchange(c, 1, was, was + 1) === was) return
  }
}`

describe('a thread that may be ended', () => {
  it('is found where another waits for it: told in the table, and by the token again', async () => {
    const code = `${lock}
export default { setup: cells, threads: [use, use], terminate: true }`
    const file = written(code)
    const { failure } = await checkFile(file)
    assert.equal(failure!.kind, 'deadlock')
    const table = counterexampleText(failure!.counterexample!)
    assert.match(table, /^step +place +thread 0 +thread 1$/m)
    assert.match(table, /is ended before Atomics\.(store|add)\(c/)
    assert.match(table, /^ {2}thread [01] was ended, as terminate may$/m)
    assert.equal((await replayFile(file, failure!.token!)).failure?.message, failure!.message)
    // It is that which fails.
    assert.equal(
      (await checkFile(written(code.replace('terminate: true', 'terminate: false')))).failure,
      null,
    )
  })

  it('is found where another spins until it goes on', async () => {
    const { failure } = await checkFile(
      written(`
const use = (c) => { while (Atomics.compareExchange(c, 0, 0, 1) !== 0); Atomics.store(c, 0, 0) }
export default { setup: cells, threads: [use, use], terminate: true }`),
    )
    assert.ok(failure !== null)
  })

  it('is ended at each of its steps, or at none, once', async () => {
    const outcomes = new Set<string>()
    Object.assign(globalThis, { told: (...outcome: unknown[]) => outcomes.add(JSON.stringify(outcome)) })
    const { failure, complete } = await checkFile(
      written(`
const steps = (own) => (c) => { for (let n = 0; n < 2; n++) Atomics.add(c, own, 1) }
export default {
  setup: cells, threads: [steps(0), steps(1)], terminate: true,
  invariant: (c, ended) => void globalThis.told(c[0], c[1], ended),
}`),
    )
    assert.deepEqual([failure, complete], [null, true])
    const expected = [
      [2, 2, null],
      [0, 2, 0],
      [1, 2, 0],
      [2, 0, 1],
      [2, 1, 1],
    ]
    assert.deepEqual([...outcomes].toSorted(), expected.map((each) => JSON.stringify(each)).toSorted())
  })

  it('costs no other its end where nobody waits, though what it did is lost', async () => {
    const { failure, complete } = await checkFile(
      written(`${add}
export default {
  setup: cells, threads: [add, add, add], terminate: true,
  invariant: (c, ended) => c[1] === 3 || (ended !== null && c[1] === 2),
}`),
    )
    assert.deepEqual([failure, complete], [null, true])
  })

  it('may be an asynchronous one', async () => {
    const { failure, complete } = await checkFile(
      written(`${add}
const later = async (c) => { await null; add(c); await null; add(c) }
export default {
  setup: cells, threads: [later, later], terminate: true,
  invariant: (c, ended) => c[1] === 4 || (ended !== null && c[1] >= 2),
}`),
    )
    assert.deepEqual([failure, complete], [null, true])
  })

  it('is no script, and terminate is true or false', async () => {
    const script = `export default { threads: [new URL('./a.mjs', import.meta.url)], terminate: true }`
    await assert.rejects(checkFile(written(script)), /with terminate, a thread is the address of a script/)
    await assert.rejects(
      checkFile(written(`export default { threads: [() => {}], terminate: 'yes' }`)),
      /'terminate' of .* is 'yes', and not true or false/,
    )
  })
})
