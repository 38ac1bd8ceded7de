// `expect(…).toHoldInEveryInterleaving()`: with a framework that has as much of expect.extend() as it needs, and, in
// the whole, with vitest.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { isWhole } from '../extent.ts'
// oxlint-disable-next-line import/no-unassigned-import -- it builds what is published, where that is not built yet
import '../built.ts'

const FRAMEWORK = `
const extended = {}
export const expect = (actual) => of(actual, true)
const of = (actual, holds) => new Proxy({}, {
  get: (_, key) => key === 'not' ? of(actual, !holds) : async (...args) => {
    const { pass, message } = await extended[key](actual, ...args)
    if (pass !== holds) throw new Error(message())
  },
})
expect.extend = (matchers) => Object.assign(extended, matchers)
const tests = []
export const it = (name, body) => tests.push([name, body])
setImmediate(async () => {
  for (const [name, body] of tests) {
    const told = await Promise.resolve().then(body).then(() => 'passes', (error) => error.message)
    console.log('ENDS ' + JSON.stringify([name, told]))
  }
})`

const TESTS = `import { expect, it } from 'vitest'
import { type CheckMatchers, matchers } from 'faultline/check'

declare module 'vitest' {
  interface Matchers<R extends void | Promise<void> = void | Promise<void>, T = unknown> extends CheckMatchers {}
}
expect.extend(matchers)

const add = (cells: Int32Array): void => void Atomics.add(cells, 0, 1)
const lose = (cells: Int32Array): void => void Atomics.store(cells, 0, Atomics.load(cells, 0) + 1)
const setup = (): Int32Array => new Int32Array(new SharedArrayBuffer(4))
const invariant = (cells: Int32Array): boolean => cells[0] === 2

it('holds', async () => {
  await expect({ setup, threads: [add, add], invariant }).toHoldInEveryInterleaving()
}, 90_000)

it('does not hold', async () => {
  await expect({ setup, threads: [lose, lose], invariant }).not.toHoldInEveryInterleaving()
}, 90_000)

it('is told', async () => {
  await expect({ setup, threads: [add, add], invariant }).toHoldInEveryInterleaving()
  await expect({
    setup,
    threads: [lose, lose],
    invariant,
  }).toHoldInEveryInterleaving({ minimiseSeconds: 1 })
}, 90_000)

it('is told that it holds', async () => {
  await expect({ setup, threads: [add, add], invariant }).not.toHoldInEveryInterleaving()
}, 90_000)

it('is not over', async () => {
  const many = (cells: Int32Array): void => [0, 1, 2, 3, 4].forEach(() => lose(cells))
  await expect({ setup, threads: [many, many] }).not.toHoldInEveryInterleaving({ maxExecutions: 50 })
}, 90_000)

const counted = (cells: Int32Array): void => {
  let spins = 0
  const count = (): number => ++spins
  while (Atomics.load(cells, 0) === 0) count()
}
it('counts', async () => {
  await expect({ setup, threads: [counted, add] }).toHoldInEveryInterleaving()
}, 90_000)

it('counts as long as was said', async () => {
  await expect({ setup, threads: [counted, add] }).toHoldInEveryInterleaving({ turns: 4 })
}, 90_000)

class Counter {
  cells = setup()
  next(): number {
    return Atomics.add(this.cells, 0, 1)
  }
}
class Sequential {
  value = 0
  next(): number {
    return this.value++
  }
}
it('is linearizable', async () => {
  await expect({
    create: () => new Counter(), operations: { next: [[]] }, specification: Sequential,
  }).toHoldInEveryInterleaving()
}, 90_000)
`
const expected: Record<string, RegExp> = {
  holds: /^passes$/,
  'does not hold': /^passes$/,
  'is told': /matcher\.test\.ts:28\n[^]*store cells\[0\] 1 → 1[^]*the invariant does not hold/,
  'is told that it holds': /^it holds in every interleaving: \d+ executions?$/,
  'is not over': /^it held in 50 executions, and others were not explored/,
  counts:
    /^it held in \d+ executions, and others .* 16 turns .*, the first at .*matcher\.test\.ts:\d+.*turns: 16 }$/,
  'counts as long as was said': /^passes$/,
  'is linearizable': /^passes$/,
}

function folderWith(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'matcher-'))
  after(() => rmSync(folder, { recursive: true }))
  mkdirSync(join(folder, 'node_modules/vitest'), { recursive: true })
  const root = fileURLToPath(new URL('../../', import.meta.url))
  symlinkSync(root, join(folder, 'node_modules/faultline'), 'dir')
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  return folder
}

const env = { ...process.env, NODE_TEST_CONTEXT: undefined, NODE_OPTIONS: '' }

describe('the matcher', () => {
  it('says what check() says', () => {
    const folder = folderWith({
      'node_modules/vitest/package.json': '{ "type": "module", "exports": "./index.js" }',
      'node_modules/vitest/index.js': FRAMEWORK,
      'matcher.test.ts': TESTS.replace(
        'import { type CheckMatchers, matchers }',
        'import { matchers }',
      ).replace(/declare module[^]*?\n}\n/, '\n\n\n'),
      'package.json': '{ "type": "module" }',
    })
    const { stdout, stderr } = spawnSync(process.execPath, [join(folder, 'matcher.test.ts')], {
      encoding: 'utf8',
      env,
    })
    const ends = [...stdout.matchAll(/ENDS (.*)$/gm)].map(([, text]) => JSON.parse(text!) as [string, string])
    assert.equal(ends.length, Object.keys(expected).length, stdout + stderr)
    for (const [name, told] of ends) assert.match(told, expected[name]!, name)
  })

  it('does so in vitest', { skip: !isWhole && 'npm run test:whole' }, (t) => {
    const folder = folderWith({ 'matcher.test.ts': TESTS, 'package.json': '{ "type": "module" }' })
    rmSync(join(folder, 'node_modules/vitest'), { recursive: true })
    const npm = spawnSync('npm', ['install', '--no-save', '--ignore-scripts', 'vitest'], { cwd: folder })
    if (npm.status !== 0) return t.skip('vitest cannot be installed here')
    symlinkSync(
      fileURLToPath(new URL('../../', import.meta.url)),
      join(folder, 'node_modules/faultline'),
      'dir',
    )
    const args = ['node_modules/vitest/vitest.mjs', 'run', '--reporter=json', '--outputFile=told.json']
    spawnSync(process.execPath, args, { cwd: folder, env })
    const told = readFileSync(join(folder, 'told.json'), 'utf8')
    const [{ assertionResults }] = (
      JSON.parse(told) as {
        testResults: { assertionResults: { title: string; failureMessages: string[] }[] }[]
      }
    ).testResults as [{ assertionResults: { title: string; failureMessages: string[] }[] }]
    assert.equal(assertionResults.length, Object.keys(expected).length)
    for (const { title, failureMessages } of assertionResults)
      assert.match(
        failureMessages[0]?.replace(/^Error: /, '') ?? 'passes',
        new RegExp(expected[title]!.source.replace(/\$$/, '')),
        title,
      )
  })
})
