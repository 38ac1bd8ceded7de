// Async generators in threads against those of the engine: programs by chance, whose requests are made at once or one
// after the other, must give the same results and effects in the same order, wherever the thread stops in between.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import * as fc from 'fast-check'
import { checkFile } from '../../src/check/index.ts'
import { extent } from '../extent.ts'
import { allDoAsEngine } from './as-engine.ts'

/** What is used in programs: sources with and without the methods that they may have, and a step. */
const prelude = `
const step = (cells) => Atomics.load(cells, 0)
const rejected = (text) => { const promise = Promise.reject(new Error(text)); promise.catch(() => {}); return promise }
const thenable = (value) => ({ then(resolve) { resolve(value) } })
const told = (error) => error instanceof TypeError ? 'TypeError' : error instanceof Error ? error.message : error
async function* inner(log, cells) {
  try { log.push(['inner got', yield 'i1']); step(cells); yield rejected('i2') }
  catch (error) { log.push(['inner caught', told(error)]); yield 'i3' }
  finally { log.push('inner ends'); await step(cells) * 0; log.push('inner has ended') }
}
const sources = (log, cells) => ({
  generator: inner(log, cells),
  array: ['a1', Promise.resolve('a2')],
  failing: [rejected('f1'), 'f2'],
  syncBare: { [Symbol.iterator]: () => { let n = 0; return { next: () => ({ done: n === 2, value: n++ }) } } },
  syncClosed: { [Symbol.iterator]: () => { let n = 0
    return {
    next: () => ({ done: n === 2, value: n++ === 1 ? rejected('s') : 's0' }),
    return: (v) => { log.push(['sync closed', v]); return { done: false, value: 's' } } } } },
  bare: { [Symbol.asyncIterator]: () => { let n = 0
    return { next: async () => ({ done: n === 3, value: n++ }) } } },
  full: { [Symbol.asyncIterator]: () => ({
    next: (v) => { log.push(['full', v]); step(cells); return { done: false, value: 'n' } },
    throw: (e) => { log.push(['thrown', told(e)]); return thenable({ done: true, value: 't' }) },
    return: (v) => { log.push(['returned', v]); return Promise.resolve({ done: v === 1, value: v }) } }) },
  wrong: { [Symbol.asyncIterator]: () => ({ next: () => 5 }) },
  none: 7,
})
const take = async (log, cells, promise) => {
  try { const { value, done } = await promise; step(cells); log.push([value, done]) }
  catch (error) { log.push(['!', told(error)]) }
}
`

const value = fc.oneof(
  fc.constantFrom('1', "'v'", 'x', 'thenable(2)', "rejected('r')", 'step(cells) * 0', 'Promise.resolve(3)'),
  fc.constantFrom('(yield 4)', '(await 5)', '[yield 6, await 7, yield 8]', "log.push(yield 'p')"),
)
const source = fc.constantFrom(
  ...'generator array failing syncBare syncClosed bare full wrong none'.split(' '),
)

const { statements } = fc.letrec<{ statement: string; statements: string }>((tie) => ({
  statements: fc
    .array(tie('statement'), { minLength: 1, maxLength: 4 })
    .map((all) => all.join('\nstep(cells)\n')),
  statement: fc.oneof(
    { maxDepth: 3, depthIdentifier: 'statement' },
    value.map((each) => `x = yield ${each}`),
    value.map((each) => `log.push(['is', ${each}])`),
    value.map((each) => `x = await ${each}`),
    source.map((each) => `log.push(['all', yield* sources(log, cells).${each}])`),
    fc.constantFrom('step(cells)', "throw new Error('e')", 'if (n++ > 1) return n', 'yield'),
    value.map((each) => `if (n++ > 0) return ${each}`),
    fc
      .tuple(tie('statements'), tie('statements'))
      .map(([body, last]) => `try { ${body} } finally { log.push('finally'); ${last} }`),
    fc
      .tuple(tie('statements'), tie('statements'))
      .map(([body, then]) => `try { ${body} } catch (error) { log.push(told(error)); ${then} }`),
    fc
      .tuple(source, tie('statements'), fc.constantFrom('', 'break', 'if (n++ > 2) continue', 'return x'))
      .map(
        ([from, body, end]) =>
          `for await (x of sources(log, cells).${from}) { if (n++ > 5) break; ${body}; ${end} }`,
      ),
    tie('statements').map((body) => `for (const each of [1, 2]) { x = each; ${body} }`),
  ),
}))

const request = fc.oneof(
  fc.constantFrom('next(1)', "next(Promise.resolve('n'))", 'next()'),
  fc.constantFrom("throw(new Error('t'))", 'return(1)', "return(rejected('rr'))", 'return(thenable(9))'),
)
const call = fc.oneof(
  request.map((each) => `await take(log, cells, made.${each})`),
  request.map((each) => `const $ = take(log, cells, made.${each})`),
)

/** V8 13.6 takes return() with a promise that is rejected, of a generator in a `yield*`, for next(): see below. */
const isTakenForNext = (body: string, calls: readonly string[]): boolean =>
  body.includes('yield*') && calls.some((each) => each.includes('return(rejected'))

/** A program: a generator, and what it is asked. */
const program = fc
  .tuple(statements, fc.array(call, { minLength: 1, maxLength: 6 }))
  .filter(([body, calls]) => !isTakenForNext(body, calls))
  .map(([body, calls]) => {
    const asked = calls.map((each, index) => each.replace('$', `later${index}`)).join('\n')
    return `async (log, cells) => {
let n = 0
const made = (async function* (x) { ${body} })(0)
${asked}
for (let turn = 0; turn < 3; turn++) await take(log, cells, made.next('last'))
for (let turn = 0; turn < 20; turn++) await null
}`
  })

describe('async generators', () => {
  const folder = mkdtempSync(join(tmpdir(), 'generators-'))
  after(() => rmSync(folder, { recursive: true }))
  it('do in threads what those of the engine do', async () => {
    await allDoAsEngine(folder, prelude, program, { perFile: 8, numRuns: extent(3, 200), seed: 7 })
  })

  it('throw in a yield* what return() was given, where that is rejected (ECMAScript 2025, 27.6.3.8)', async () => {
    const file = join(folder, 'returns.mjs')
    writeFileSync(
      file,
      `${prelude}
const thread = async ({ log, cells }) => {
  const made = (async function* () { log.push(yield* inner(log, cells)) })()
  for (const each of [made.next(), made.return(rejected('r')), made.return(2)]) await take(log, cells, each)
}
export default {
  setup: () => ({ cells: new Int32Array(new SharedArrayBuffer(8)), log: [] }),
  threads: [thread, ({ cells }) => Atomics.store(cells, 0, 1)],
  invariant: ({ log }) => { throw new Error(JSON.stringify(log)) },
}`,
    )
    const { failure } = await checkFile(file)
    const ends = '"inner ends","inner has ended"'
    assert.equal(failure?.message, `Error: [["i1",false],["inner caught","r"],["i3",false],${ends},[2,true]]`)
  })
})
