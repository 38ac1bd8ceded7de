// What a test framework has, in what is checked: assertions assert, and mocks are refused there and nowhere else.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import * as nodeTest from 'node:test'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expectation } from '../../src/check/silent-expect.ts'
import * as silent from '../../src/check/silent-tests.ts'

const { after, test } = nodeTest
const folder = mkdtempSync(join(tmpdir(), 'faultline-'))
after(() => rmSync(folder, { recursive: true }))

/** A framework by a name that the checker knows, for a project that has it. */
const FRAMEWORK = `
export { test } from 'node:test'
import './inside.js'
const all = new Proxy(() => {}, { get: () => all, apply: () => all })
export const expect = all
export const vi = all`
/** It names Workers, as frameworks do, and cannot be stepped: it is no part of what is checked. */
const INSIDE = 'export const first = ({ 0: value }) => value // of a Worker of node:worker_threads'

/** Each is one check, and what becomes of it. */
const checks: readonly (readonly [name: string, text: string, ends: RegExp])[] = [
  ['an invariant', `threads: [add, add], invariant: (c) => { expect(c[0]).toBe(2) }`, /^pass$/],
  [
    'a wrong one',
    `threads: [lose, lose], invariant: (c) => { expect(c[0]).toBe(2) }`,
    /expect\(1\)\.toBe\(2\)/,
  ],
  ['a thread', `threads: [(c) => { expect(Atomics.add(c, 0, 1)).toBe(0) }, add]`, /expect\(1\)\.toBe\(0\)/],
  [
    'what is not here',
    `threads: [add], invariant: (c) => { expect(c).toMatchSnapshot() }`,
    /SteppingRefused.*toMatchSnapshot is used/,
  ],
  [
    'any number',
    `threads: [add], invariant: (c) => { expect(c[0]).toBe(expect.any(Number)) }`,
    /SteppingRefused.*expect\.any is used/,
  ],
  ['a mock around', `threads: [add]`, /^pass$/],
  ['a mock in a thread', `threads: [(c) => { mocked(); add(c) }]`, /SteppingRefused.*vi\.fn\(\)\(\) is used/],
  [
    'the context',
    `threads: [(c) => { t.assert.ok(true) }]`,
    /SteppingRefused.*'assert' of the test's context/,
  ],
  [
    'a promise',
    `threads: [add], invariant: async () => false`,
    /InvariantBroken: the invariant does not hold/,
  ],
  [
    'a misspelt option',
    `threads: [add], second: 5`,
    /NoScenario: check\(\) has no option 'second'.*did you mean 'seconds'/,
  ],
  [
    'an option of no use',
    `threads: [add], seconds: 'long'`,
    /NoScenario: 'seconds' of check\(\) is 'long', and not a number above 0/,
  ],
  ['what is no error', `threads: [() => { throw { a: 1 } }]`, /error: \{ a: 1 \}/],
  ['after all that', `threads: [add]`, /^pass$/],
]

test('assertions of the framework are asserted where they are checked', () => {
  mkdirSync(join(folder, 'node_modules/vitest'), { recursive: true })
  symlinkSync(
    fileURLToPath(new URL('../../', import.meta.url)),
    join(folder, 'node_modules/faultline'),
    'dir',
  )
  writeFileSync(
    join(folder, 'node_modules/vitest/package.json'),
    '{ "type": "module", "exports": "./index.js" }',
  )
  writeFileSync(join(folder, 'node_modules/vitest/index.js'), FRAMEWORK)
  writeFileSync(join(folder, 'node_modules/vitest/inside.js'), INSIDE)
  const tests = checks.map(
    ([name, text]) => `test('${name}', async (t) => {
  const mocked = vi.fn()
  t.assert.equal(t.mock.fn()(), undefined)
  vi.spyOn(console, 'error').mockImplementation(() => {})
  expect(mocked).not.toHaveBeenCalled()
  const result = await check({ setup, ${text} }).then(({ verdict }) => verdict, String)
  console.log('ENDS ' + JSON.stringify(result))
})`,
  )
  // What the framework makes of the promise of a check stands around it.
  tests.push(`test('one that is to fail', async () => {
  const outcome = check({ setup, threads: [lose, lose], invariant: (c) => c[0] === 2 })
  expect(outcome).rejects.toThrow('does not hold')
  console.log('ENDS ' + JSON.stringify(await outcome.then(() => 'passes', String)))
  const next = await check({ setup, threads: [add] }).then(({ verdict }) => verdict, String)
  console.log('ENDS ' + JSON.stringify(next))
})`)
  const file = join(folder, 'assertions.test.mjs')
  const head = `import { test, expect, vi } from 'vitest'
import { check } from 'faultline/check'
const setup = () => new Int32Array(new SharedArrayBuffer(4))
const add = (c) => { Atomics.add(c, 0, 1) }
const lose = (c) => { Atomics.store(c, 0, Atomics.load(c, 0) + 1) }`
  writeFileSync(file, [head, ...tests].join('\n'))
  const env = { ...process.env, NODE_TEST_CONTEXT: undefined }
  const { stdout, stderr } = spawnSync(process.execPath, [file], { encoding: 'utf8', env })
  const ends = [...stdout.matchAll(/ENDS (.*)$/gm)].map(([, text]) => JSON.parse(text!) as string)
  assert.equal(ends.length, checks.length + 2, stdout + stderr)
  assert.match(ends.at(-2)!, /the invariant does not hold/)
  assert.equal(ends.at(-1), 'pass')
  for (const [index, [name, , expected]] of checks.entries()) assert.match(ends[index]!, expected, name)
})

/** Tests within a test begin when that one says that it is over. */
const TAPE = `
const next = async (pending) => {
  for (const body of pending.splice(0, 1)) await body({ ok() {} }).then(() => next(pending))
}
module.exports = (name, body) => {
  const pending = []
  body({ test: (_, inner) => pending.push(inner), end: () => next(pending) })
}`
const UVU = `
exports.suite = () => {
  const tests = []
  const run = async () => { for (const body of tests) await body() }
  return Object.assign((name, body) => tests.push(body), { before: { each() {} }, run })
}`

test('checks stand in tests of frameworks that begin them in other ways', () => {
  for (const [name, text] of Object.entries({ tape: TAPE, uvu: UVU })) {
    mkdirSync(join(folder, 'node_modules', name), { recursive: true })
    writeFileSync(join(folder, 'node_modules', name, 'index.js'), text)
  }
  const head = `const { check } = require('faultline/check')
const setup = () => new Int32Array(new SharedArrayBuffer(4))
const add = (c) => { Atomics.add(c, 0, 1) }
const tell = (checking) => checking.then(({ verdict }) => verdict, String).then((text) => console.log('ENDS ' + text))
`
  const files = {
    tape: `const test = require('tape')
test('outer', (t) => {
  t.test('first', async (inner) => {
    inner.ok(true)
    await tell(check({ setup, threads: [add] }))
  })
  t.test('second', async (inner) => {
    await tell(check({ setup, threads: [add, add] }))
  })
  t.end()
})`,
    uvu: `const { suite } = require('uvu')
const inSuite = suite('a')
let made
inSuite.before.each(() => { made = setup })
inSuite('first', async () => {
  await tell(check({ setup: () => made(), threads: [add] }))
})
inSuite('second', async () => {
  await tell(check({ setup, threads: [add, add] }))
})
made = setup
inSuite.run()`,
  }
  for (const [name, text] of Object.entries(files)) {
    const file = join(folder, `${name}.cjs`)
    writeFileSync(file, head + text)
    const { stdout, stderr } = spawnSync(process.execPath, [file], { encoding: 'utf8' })
    assert.equal(stdout, 'ENDS pass\nENDS pass\n', stderr)
  }
})

test('each assertion holds for what it says, and its contrary for the rest', () => {
  const refuse = (what: string): never => {
    throw new TypeError(what)
  }
  type Assertion = Record<string, (...args: readonly unknown[]) => void> & { readonly not: Assertion }
  const expect = (value: unknown): Assertion => expectation(value, refuse) as Assertion
  const Class = class {
    a = 1
  }
  const fail = (): never => {
    throw new RangeError('too far')
  }
  const rows: readonly (readonly [matcher: string, holds: unknown, fails: unknown, ...args: unknown[]])[] = [
    ['toBe', Number.NaN, 0, Number.NaN],
    ['toEqual', new Class(), { a: 1, b: null }, { a: 1, b: undefined }],
    ['toStrictEqual', { a: 1 }, new Class(), { a: 1 }],
    ['toEqual', Int32Array.of(1), Int32Array.of(2), Int32Array.of(1)],
    ['toBeTruthy', 1, 0],
    ['toBeFalsy', 0, 1],
    ['toBeNull', null, undefined],
    ['toBeUndefined', undefined, null],
    ['toBeDefined', null, undefined],
    ['toBeNaN', Number.NaN, 0],
    ['toBeGreaterThan', 2, 1, 1],
    ['toBeGreaterThanOrEqual', 1, 0, 1],
    ['toBeLessThan', 0, 1, 1],
    ['toBeLessThanOrEqual', 1, 2, 1],
    ['toBeCloseTo', 0.1 + 0.2, 0.31, 0.3],
    ['toBeInstanceOf', new Class(), {}, Class],
    ['toBeTypeOf', 'a', 1, 'string'],
    ['toBeOneOf', 1, 3, [1, 2]],
    ['toContain', [1, 2], [2], 1],
    ['toContain', 'abc', 'ac', 'bc'],
    ['toContainEqual', [{ a: 1 }], [{ a: 2 }], { a: 1 }],
    ['toHaveLength', [1], [], 1],
    ['toMatch', 'abc', 'b', /^a/],
    ['toThrow', fail, () => 1],
    ['toThrow', fail, () => 1, RangeError],
    ['toThrow', fail, () => 1, 'far'],
  ]
  for (const [matcher, holds, fails, ...args] of rows) {
    expect(holds)[matcher]!(...args)
    expect(fails).not[matcher]!(...args)
    assert.throws(() => expect(fails)[matcher]!(...args), assert.AssertionError, matcher)
    assert.throws(() => expect(holds).not[matcher]!(...args), assert.AssertionError, `not ${matcher}`)
  }
  assert.throws(() => expect(1)['toMatchSnapshot'], /expect\(…\)\.toMatchSnapshot/)
})

test('whatever a file imports of node:test is there', () => {
  const names = Object.keys(nodeTest).filter((name) => name !== 'default')
  assert.ok(names.includes('beforeEach'))
  assert.deepEqual(
    names.filter((name) => !(name in silent)),
    [],
  )
})

test('suites and tests of a table get their rows', async () => {
  const given: unknown[] = []
  const tests = silent.beginTests()
  const { each } = silent.describe as unknown as Record<string, (rows: unknown) => typeof silent.test>
  const { each: eachTest } = silent.test as unknown as { readonly each: typeof each }
  const suite = silent.mark((...row: readonly unknown[]) => {
    const body = silent.mark((value: unknown) => void given.push([...row, value]))
    eachTest!([8, 9])('%i', body)
  })
  each!([1, [2, 3]])('%i', suite)
  for (const { body, args } of tests) await body(...args)
  assert.deepEqual(given, [
    [1, 8],
    [1, 9],
    [2, 3, 8],
    [2, 3, 9],
  ])
})
