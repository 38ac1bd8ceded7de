// Scenarios whose setup and invariant wait: for time, promises and messages of their own.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { check, checkFile, replayFile } from '../../src/check.ts'

// Each check of this file loads it again, and would make another.
let folder: string | undefined
after(() => folder !== undefined && rmSync(folder, { recursive: true }))

let count = 0
function written(code: string): string {
  folder ??= mkdtempSync(join(tmpdir(), 'async-setup-'))
  const file = join(folder, `${++count}.check.mjs`)
  writeFileSync(
    file,
    `import { MessageChannel, Worker, receiveMessageOnPort } from 'node:worker_threads'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
const newCells = () => new Int32Array(new SharedArrayBuffer(16))
const add = ({ cells }) => { Atomics.add(cells, 0, 1) }
const addUnsafely = ({ cells }) => { Atomics.store(cells, 0, Atomics.load(cells, 0) + 1) }
${code}`,
  )
  return file
}

const passing = {
  'for time, and for several promises': `
const later = async (value) => { await sleep(5); return value }
export default {
  setup: async () => {
    const order = []
    setTimeout(() => order.push('timer'), 1)
    const [a, b] = await Promise.all([later(1), later(2)])
    const cells = newCells()
    Atomics.store(cells, 1, a + b)
    Atomics.store(cells, 2, order.length)
    return { cells }
  },
  threads: [add, add],
  invariant: ({ cells }) => cells[0] === 2 && cells[1] === 3 && cells[2] === 1,
}`,
  'in a function that is not async itself': `
const make = async () => { await sleep(1); return { cells: newCells() } }
const look = async ({ cells }) => { await null; return cells[0] === 2 }
export default { setup: () => make(), threads: [add, add], invariant: (state) => look(state) }`,
  'for a message of its own, at ports that threads have then': `
export default {
  setup: async () => {
    const { port1, port2 } = new MessageChannel()
    port1.postMessage(1)
    const [first] = await once(port2, 'message')
    return { port1, port2, cells: newCells(), seen: [first, receiveMessageOnPort(port2)] }
  },
  threads: [
    ({ port1 }) => port1.postMessage(5),
    ({ port2, seen }) => port2.once('message', (value) => seen.push(value)),
  ],
  invariant: async ({ seen }) => (await Promise.all(seen)).join() === '1,,5',
}`,
}
const slow = /runs alone/

describe('a setup or an invariant that waits', () => {
  for (const [name, code] of Object.entries(passing)) {
    it(name, async () => {
      const { failure, complete, executions } = await checkFile(written(code))
      assert.deepEqual([failure, complete], [null, true])
      assert.ok(executions > 0)
    })
  }

  it('finds what it would without waiting, and the token finds it again', async () => {
    const file = written(`
export default {
  setup: async () => { await null; return { cells: newCells() } },
  threads: [addUnsafely, addUnsafely],
  invariant: async ({ cells }) => { await sleep(1); if (cells[0] !== 2) throw new Error('one is lost') },
}`)
    const { failure, executions } = await checkFile(file)
    assert.equal(failure?.message, 'Error: one is lost')
    assert.ok(executions > 1)
    assert.equal(failure.counterexample!.rows.at(0)?.thread, 0)
    assert.equal((await replayFile(file, failure.token!)).failure?.message, failure.message)
  })

  it('fails where its promise is false, or rejected', async () => {
    const threads = 'threads: [() => {}]'
    const isFalse = written(`export default { ${threads}, invariant: async () => false }`)
    assert.match((await checkFile(isFalse)).failure!.message, /the invariant does not hold/)
    const rejects = written(
      `export default { ${threads}, setup: async () => { await null; throw new Error('no') } }`,
    )
    await assert.rejects(checkFile(rejects), /the setup of the scenario throws Error: no/)
  })

  const refused: Record<string, [code: string, says: RegExp]> = {
    'for a promise that nobody settles': ['async () => { await new Promise(() => {}) }', slow],
    'for who would notify': ['async () => { Atomics.wait(newCells(), 0, 0) }', slow],
    'with a listener that stays': [
      `async () => { const { port1 } = new MessageChannel(); port1.on('message', () => {}) }`,
      /leaves a listener/,
    ],
    'with a listener that is left': [
      `async () => { const { port1 } = new MessageChannel(); port1.on('message', () => {}).unref() }`,
      /leaves a listener|listener that the setup leaves/,
    ],
    'with a Worker': [`async () => { await null; new Worker('', { eval: true }) }`, /a Worker in the setup/],
  }
  it('fails where the invariant waits for what a thread has sent in some of the interleavings only', async () => {
    const { verdict, failure } = await checkFile(
      written(`
export default {
  setup: () => ({ ...new MessageChannel(), cells: newCells() }),
  threads: [
    ({ port1, cells }) => { if (Atomics.load(cells, 0) === 0) port1.postMessage(1) },
    ({ cells }) => { Atomics.store(cells, 0, 1) },
  ],
  invariant: async ({ port2 }) => { await once(port2, 'message') },
}`),
    )
    assert.equal(verdict, 'fail')
    assert.match(failure!.message, /the invariant of the scenario waits for what never comes/)
  })

  for (const [name, [setup, says]] of Object.entries(refused)) {
    it(`is refused: ${name}`, async () => {
      await assert.rejects(
        checkFile(written(`export default { setup: ${setup}, threads: [() => {}] }`)),
        says,
      )
    })
  }

  it('may be given to check()', async () => {
    const { complete } = await check({
      seconds: 600,
      setup: async () => {
        await Promise.resolve()
        return { cells: new Int32Array(new SharedArrayBuffer(4)) }
      },
      threads: [({ cells }) => Atomics.add(cells, 0, 1), ({ cells }) => Atomics.add(cells, 0, 1)],
      invariant: async ({ cells }) => (await Promise.resolve(cells[0])) === 2,
    })
    assert.equal(complete, true)
  })
})
