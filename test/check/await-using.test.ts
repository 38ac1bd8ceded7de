// `await using` in threads against that of the engine: programs by chance must dispose of what they hold in the same
// order, throw the same, and let other jobs of their thread run in between as often.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import * as fc from 'fast-check'
import { checkFile } from '../../src/check/index.ts'
import { extent } from '../extent.ts'
import { allDoAsEngine } from './as-engine.ts'

const prelude = `
const step = (cells) => Atomics.load(cells, 0)
const told = (error) => error instanceof SuppressedError ? [told(error.error), 'over', told(error.suppressed)]
  : error instanceof TypeError ? 'TypeError' : error instanceof Error ? error.message : error
let number = 0
const resources = (log, cells) => {
  const name = ++number
  const dispose = (what) => function () {
    log.push([what, name, this.own === name])
    step(cells)
    if (what.includes('throws')) throw new Error(what + name)
    return what.includes('rejects') ? Promise.reject(new Error(what + name)) : 5
  }
  const own = (method, what) => ({ own: name, [method]: dispose(what) })
  return {
    async: { own: name, async [Symbol.asyncDispose]() { await 0; log.push(['async', name]); step(cells); await 1 } },
    plain: own(Symbol.asyncDispose, 'plain'),
    throws: own(Symbol.asyncDispose, 'throws'),
    rejects: own(Symbol.asyncDispose, 'rejects'),
    sync: own(Symbol.dispose, 'sync'),
    syncThrows: own(Symbol.dispose, 'sync throws'),
    both: { ...own(Symbol.dispose, 'not this'), ...own(Symbol.asyncDispose, 'both') },
    nothing: null,
    none: {},
    seven: 7,
  }
}
`

const all = 'async plain throws rejects sync syncThrows both nothing'.split(' ')
const held = fc.constantFrom(...all, ...all, 'none', 'seven').map((each) => `resources(log, cells).${each}`)
const ofUsing = fc
  .constantFrom('sync', 'syncThrows', 'both', 'nothing', 'plain')
  .map((each) => `resources(log, cells).${each}`)

let variables = 0
const fresh = (): string => `v${variables++}`

const { statements } = fc.letrec<{ statement: string; statements: string }>((tie) => ({
  statements: fc.array(tie('statement'), { minLength: 1, maxLength: 4 }).map((each) => each.join('\n')),
  statement: fc.oneof(
    { maxDepth: 3, depthIdentifier: 'statement' },
    held.map((each) => `await using ${fresh()} = ${each}`),
    fc.tuple(held, held).map(([one, other]) => `await using ${fresh()} = ${one}, ${fresh()} = ${other}`),
    ofUsing.map((each) => `using ${fresh()} = ${each}`),
    fc.constantFrom('step(cells)', 'log.push(n++)', 'await step(cells)', "throw new Error('e')"),
    fc.constantFrom('if (n++ > 2) return n', 'log.push(later())', 'function later() { return n++ }'),
    tie('statements').map((body) => `{ ${body} }`),
    fc
      .tuple(tie('statements'), tie('statements'))
      .map(([body, then]) => `try { ${body} } catch (error) { log.push(['caught', told(error)]); ${then} }`),
    fc
      .tuple(tie('statements'), fc.constantFrom('', 'break', 'if (n++ > 2) continue', 'return n'))
      .map(([body, end]) => `for (const each of [1, 2]) { if (n++ > 9) break; ${body}; ${end} }`),
    fc
      .tuple(held, held, tie('statements'))
      .map(
        ([one, other, body]) =>
          `for (await using each of [${one}, ${other}]) { if (n++ > 9) break; log.push(each?.own); ${body} }`,
      ),
    fc
      .tuple(held, tie('statements'))
      .map(([one, body]) => `for (await using each = ${one}; n < 9; n += 3) { ${body} }`),
    fc
      .tuple(held, tie('statements'))
      .map(([one, body]) => `for await (await using each of [${one}]) { if (n++ > 9) break; ${body} }`),
  ),
}))

/** Another job counts how often it has its turn. */
const program = statements.map(
  (body) => `async (log, cells) => {
let n = 0
let isOver = false
number = 0
const counts = (async () => { for (let turn = 0; !isOver; turn++) { log.push('turn ' + turn); await null } })()
const later = () => 'outer'
const end = await (async () => { ${body} })().then((value) => ['is', value], (error) => ['throws', told(error)])
log.push(end)
isOver = true
await counts
}`,
)

describe('await using', () => {
  const folder = mkdtempSync(join(tmpdir(), 'await-using-'))
  after(() => rmSync(folder, { recursive: true }))

  it('does in threads what that of the engine does', async () => {
    await allDoAsEngine(folder, prelude, program, { perFile: 8, numRuns: extent(3, 300), seed: 5 })
  })

  it('gives a lock back in every interleaving, and at the top of a module', async () => {
    const file = join(folder, 'lock.mjs')
    writeFileSync(
      join(folder, 'top.mjs'),
      `import { writeSync } from 'node:fs'
await using held = { async [Symbol.asyncDispose]() { await null; if (!isUsed) throw new Error('too early') } }
let isUsed = false
await null
isUsed = held !== undefined`,
    )
    writeFileSync(
      file,
      `
class Mutex {
  constructor(cells) { this.cells = cells }
  async lock() {
    while (Atomics.compareExchange(this.cells, 0, 0, 1) !== 0) {
      const { async, value } = Atomics.waitAsync(this.cells, 0, 1)
      if (async) await value
    }
    return this
  }
  async [Symbol.asyncDispose]() {
    await null
    Atomics.store(this.cells, 0, 0)
    Atomics.notify(this.cells, 0, 1)
  }
}
const thread = async (cells) => {
  await using lock = await new Mutex(cells).lock()
  const value = cells[1]
  await null
  cells[1] = value + 1
}
export default {
  setup: () => new Int32Array(new SharedArrayBuffer(8)),
  threads: [thread, thread, new URL('./top.mjs', import.meta.url)],
  invariant: (cells) => cells[1] === 2,
}`,
    )
    const { verdict, complete, failure } = await checkFile(file, { seconds: 600 })
    assert.equal(failure?.message, undefined)
    assert.deepEqual([verdict, complete], ['pass', true])
  })
})
