// Generators that come to shared accesses against those of the engine: programs by chance must give the same results
// and effects in the same order, wherever the thread stops in between.

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
const step = (cells) => Atomics.load(cells, 0) * 0
const told = (error) => error instanceof TypeError ? 'TypeError' : error instanceof Error ? error.message : error
function* inner(log, cells) {
  try { log.push(['inner got', yield 'i1']); step(cells); yield 'i2' }
  catch (error) { log.push(['inner caught', told(error)]); yield 'i3' }
  finally { log.push('inner ends'); step(cells); log.push('inner has ended') }
  return 'i4'
}
class Tree {
  constructor(cells, ...children) { this.cells = cells; this.children = children }
  *[Symbol.iterator]() { yield step(this.cells); for (const each of this.children) yield* each }
}
const sources = (log, cells) => ({
  generator: inner(log, cells),
  tree: new Tree(cells, new Tree(cells), ['leaf', step(cells)]),
  array: ['a1', 'a2'],
  set: new Set([1, 2]),
  text: 'xy',
  bare: { [Symbol.iterator]: () => { let n = 0; return { next: () => ({ done: n === 2, value: n++ }) } } },
  closed: { [Symbol.iterator]: () => { let n = 0
    return {
    next: (v) => { log.push(['next', v]); step(cells); return { done: n === 3, value: n++ } },
    return: (v) => { log.push(['closed', v]); step(cells); return { done: v === 1, value: 's' } } } } },
  full: { [Symbol.iterator]: () => ({
    next: (v) => { log.push(['full', v]); return { done: v === 'last', value: 'n' } },
    throw: (e) => { log.push(['thrown', told(e)]); return { done: true, value: 't' } },
    return: (v) => { log.push(['returned', v]); step(cells); return { done: true, value: v } } }) },
  failing: { [Symbol.iterator]: () => ({
    next: () => { step(cells); throw new Error('no next') }, return: () => { throw new Error('no return') } }) },
  wrong: { [Symbol.iterator]: () => ({ next: () => 5, return: () => 6 }) },
  none: 7,
})
const take = (log, call) => {
  try { const { value, done } = call(); log.push([value, done]) } catch (error) { log.push(['!', told(error)]) }
}
`

const value = fc.oneof(
  fc.constantFrom('1', "'v'", 'x', 'step(cells)', '(step(cells), n)'),
  fc.constantFrom('(yield 4)', '[yield 6, step(cells), yield 8]', "log.push(yield 'p')", '(yield, yield)'),
)
const source = fc.constantFrom(...'generator tree array set text bare closed failing wrong none'.split(' '))
/** Those that end. */
const finite = fc.constantFrom(...'generator tree array set text bare closed failing wrong none'.split(' '))

/** What the language, and the engine, go through. */
const whole = (from: string): string[] => [
  `[...sources(log, cells).${from}]`,
  `log.push(...sources(log, cells).${from})`,
  `Array.from(sources(log, cells).${from})`,
  `Array.from(sources(log, cells).${from}, (each) => [step(cells), each])`,
  `[...new Set(sources(log, cells).${from})]`,
  `[x, ...rest] = sources(log, cells).${from}`,
  `[x = yield 'default', n = step(cells)] = sources(log, cells).${from}`,
  `(([first, , third]) => { log.push([first, third]) })(sources(log, cells).${from})`,
]

const { statements } = fc.letrec<{ statement: string; statements: string }>((tie) => ({
  statements: fc
    .array(tie('statement'), { minLength: 1, maxLength: 4 })
    .map((all) => all.join(';\nstep(cells);\n')),
  statement: fc.oneof(
    { maxDepth: 3, depthIdentifier: 'statement' },
    value.map((each) => `x = yield ${each}`),
    value.map((each) => `log.push(['is', ${each}])`),
    fc
      .oneof(source, fc.constant('full'))
      .map((each) => `log.push(['all', yield* sources(log, cells).${each}])`),
    finite.chain((from) => fc.constantFrom(...whole(from))),
    finite.map((from) => `{ const [a, b] = sources(log, cells).${from}; log.push([a, b]) }`),
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
          `for (x of sources(log, cells).${from}) { if (n++ > 5) break; ${body}; ${end} }`,
      ),
    fc
      .tuple(
        finite,
        finite,
        tie('statements'),
        fc.constantFrom('break', 'continue', 'break $', 'continue $', 'return 3'),
        fc.integer({ min: 0, max: 1e9 }),
      )
      .map(
        ([from, other, body, end, label]) =>
          `outer${label}: for (x of sources(log, cells).${from}) { if (n++ > 5) break
           for (const each of sources(log, cells).${other}) { log.push(each)
           if (n++ > 3) { ${body}; ${end.replace('$', `outer${label}`)} } } }`,
      ),
  ),
}))

const request = fc.constantFrom('next(1)', 'next()', "throw(new Error('t'))", 'return(1)', "next('last')")

/** A program: a generator, and what it is asked; one that asks itself is told that it runs. */
const program = fc.tuple(statements, fc.array(request, { minLength: 1, maxLength: 7 })).map(
  ([body, requests]) => `async (log, cells) => {
let n = 0
let rest
const made = (function* (x) { if (n === 4) take(log, () => made.next()); ${body} })(0)
${requests.map((each) => `take(log, () => made.${each})`).join('\n')}
for (let turn = 0; turn < 3; turn++) take(log, () => made.next('last'))
log.push(String(made), rest)
}`,
)

describe('generators', () => {
  const folder = mkdtempSync(join(tmpdir(), 'generators-'))
  after(() => rmSync(folder, { recursive: true }))
  it('do in threads what those of the engine do', async () => {
    await allDoAsEngine(folder, prelude, program, { perFile: 8, numRuns: extent(3, 200), seed: 7 })
  })

  it('lose an update in their middle, and in what a compiler makes of async functions', async () => {
    const file = join(folder, 'lost.mjs')
    writeFileSync(
      file,
      `
// As TypeScript writes async functions for ES2015.
const __awaiter = (thisArg, _arguments, P, generator) => new (P || (P = Promise))((resolve, reject) => {
  const adopt = (value) => value instanceof P ? value : new P((resolve) => resolve(value))
  const fulfilled = (value) => { try { step(generator.next(value)) } catch (e) { reject(e) } }
  const rejected = (value) => { try { step(generator['throw'](value)) } catch (e) { reject(e) } }
  const step = (result) => result.done ? resolve(result.value) : adopt(result.value).then(fulfilled, rejected)
  step((generator = generator.apply(thisArg, _arguments || [])).next())
})
const compiled = (cells) => __awaiter(void 0, void 0, void 0, function* () {
  const before = Atomics.load(cells, 0)
  yield null
  Atomics.store(cells, 0, before + 1)
})
function* parts(cells) {
  const before = Atomics.load(cells, 0)
  yield before
  Atomics.store(cells, 0, before + 1)
}
const ordinary = (cells) => { for (const each of parts(cells)) if (each > 7) break }
const sum = (thread) => ({
  setup: () => new Int32Array(new SharedArrayBuffer(4)),
  threads: [thread, thread],
  invariant: (cells) => cells[0] === 2,
})
export const byLoop = { title: 'loop', ...sum(ordinary) }
export default { title: 'compiled', ...sum(compiled) }`,
    )
    const { verdict, failure } = await checkFile(file)
    assert.equal(verdict, 'fail', failure?.message)
    const looped = join(folder, 'looped.mjs')
    writeFileSync(looped, `export { byLoop as default } from './lost.mjs'`)
    assert.equal((await checkFile(looped)).verdict, 'fail')
  })
})
