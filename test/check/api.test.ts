// The checker in a test runner: what it throws, that it can be called again and at once, and leaves nothing behind.

import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import {
  type CheckResult,
  NoScenario,
  ScenarioFailed,
  SteppingRefused,
  assertHolds,
  checkFile,
} from '../../src/index.ts'

const program = (name: string): URL => new URL(`programs/${name}.ts`, import.meta.url)

describe('the checker in a test', () => {
  it('returns where a scenario holds', async () => {
    const { verdict, complete } = await assertHolds(program('message'))
    assert.deepEqual([verdict, complete], ['pass', true])
  })

  it('throws the table of the interleaving where one does not', async () => {
    await assert.rejects(assertHolds(program('ring')), (error) => {
      assert.ok(error instanceof ScenarioFailed)
      assert.match(error.message, /^a ring buffer\n\nstep +place +thread 0 +thread 1\n/)
      assert.match(error.message, /the first value is 1, and 0 came out/)
      assert.equal(error.result.failure!.kind, 'error')
      return true
    })
  })

  it('can be called several times at once', async () => {
    const names = ['message', 'racy', 'ring', 'message', 'lost-update']
    const alone: CheckResult[] = []
    for (const name of names) alone.push(await checkFile(program(name)))
    const together = await Promise.all(names.map((name) => checkFile(program(name))))
    const outline = (results: CheckResult[]): unknown =>
      results.map(({ verdict, executions, steps, failure }) => [verdict, executions, steps, failure?.message])
    assert.deepEqual(outline(together), outline(alone))
  })

  it('goes on after a check that threw', async () => {
    const [wrong, right] = await Promise.allSettled([
      checkFile(program('random')),
      checkFile(program('message')),
    ])
    assert.ok(wrong.status === 'rejected' && wrong.reason instanceof NoScenario)
    assert.ok(right.status === 'fulfilled' && right.value.verdict === 'pass')
  })

  it('leaves arrays, stack traces and prototypes as they were', async () => {
    const known = [Error.stackTraceLimit, ...Reflect.ownKeys(Int32Array.prototype)]
    await checkFile(program('ring'))
    assert.deepEqual([Error.stackTraceLimit, ...Reflect.ownKeys(Int32Array.prototype)], known)
    assert.deepEqual(Reflect.ownKeys(new Int32Array(new SharedArrayBuffer(4))), ['0'])
  })

  it('refuses a FAULTLINE_SECONDS that is no number above 0, and takes one that is', async () => {
    const given = process.env['FAULTLINE_SECONDS']
    try {
      for (const wrong of ['abc', '-3', '0', '']) {
        process.env['FAULTLINE_SECONDS'] = wrong
        await assert.rejects(checkFile(program('ring')), {
          name: 'NoScenario',
          message: /FAULTLINE_SECONDS is '.*'/,
        })
      }
      process.env['FAULTLINE_SECONDS'] = '600'
      assert.equal((await checkFile(program('message'))).verdict, 'pass')
    } finally {
      if (given === undefined) delete process.env['FAULTLINE_SECONDS']
      else process.env['FAULTLINE_SECONDS'] = given
    }
  })

  it('takes limits from the scenario, and others from the call', async () => {
    const first = await checkFile(program('limited'))
    assert.deepEqual([first.verdict, first.executions], ['incomplete', 2])
    const second = await checkFile(program('limited'), { maxExecutions: 3 })
    assert.deepEqual([second.verdict, second.executions], ['incomplete', 3])
  })
})

describe('code as others write it', () => {
  for (const name of ['own-views', 'aliased']) {
    it(`loses an update: ${name}`, async () => {
      const { failure } = await checkFile(program(name))
      assert.equal(failure?.message, 'InvariantBroken: the invariant does not hold')
      assert.ok(failure.preemptions > 0)
    })
  }

  it('spins on big integers', async () => {
    const { verdict, complete } = await checkFile(program('big-spin'))
    assert.deepEqual([verdict, complete], ['pass', true])
  })
})

describe('code that cannot be stepped', () => {
  const refusals: readonly [name: string, what: RegExp][] = [
    ['worker', /worker\.ts:9: a Worker with the option stdin; send it what it is to read as a message/],
    ['worker-message', /worker-message\.ts:5: a Worker in the setup; let a thread make it/],
    [
      'reviver',
      /reviver\.ts:7: .* comes to a shared access where nothing can stop; call it from an ordinary function/,
    ],
    [
      'caught',
      /caught\.ts:\d+: a promise of the engine in a thread; let the thread make its promises itself/,
    ],
  ]
  for (const [name, what] of refusals) {
    it(`is refused: ${name}`, async () => {
      await assert.rejects(checkFile(program(`refused/${name}`)), (error) => {
        assert.ok(error instanceof SteppingRefused)
        assert.match(error.message, what)
        return true
      })
    })
  }
})

describe('what a check begins with', () => {
  it('a plain loop that waits for a plain write is a race, once the time is up', async () => {
    const { verdict, failure } = await checkFile(program('plain-spin'), { seconds: 0.5 })
    assert.deepEqual([verdict, failure?.kind], ['fail', 'race'])
  })

  const folder = mkdtempSync(join(tmpdir(), 'faultline-'))
  after(() => rmSync(folder, { recursive: true }))
  const files = {
    'package.json': '{ "type": "commonjs" }',
    'held.ts': 'export const HELD = 1\n',
    'parts/index.mjs': 'export const FREE = 0\n',
    'bundled.mts': `import { HELD } from './held'
import { FREE } from './parts'
const setup = () => new Int32Array(new SharedArrayBuffer(4))
export default {
  setup,
  threads: [(cells: Int32Array) => void Atomics.compareExchange(cells, 0, FREE, HELD)],
  invariant: (cells: Int32Array) => cells[0] === HELD,
}
`,
    'absent.mts': "export const one = 1\nimport { HELD } from './holds'\nexport default HELD\n",
    'broken.mts': 'const one = 1\n\nenum State { Free, Held = }\nexport default State\n',
    'module.cts': 'export default 1\n',
  }
  before(() => {
    mkdirSync(join(folder, 'parts'))
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  })

  it('may leave out the endings of what it imports, as for a bundler', async () => {
    // What is imported stands in a package of modules.
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
    const { verdict, complete } = await checkFile(join(folder, 'bundled.mts'))
    writeFileSync(join(folder, 'package.json'), files['package.json'])
    assert.deepEqual([verdict, complete], ['pass', true])
  })

  const wrong: readonly [name: string, what: RegExp][] = [
    ['absent.mts', /absent\.mts:2: there is no file that '\.\/holds' means; correct the path of the import$/],
    ['broken.mts', /broken\.mts:3: Expression expected; correct the syntax$/],
    ['module.cts', /module\.cts:1: it is written as a module, and its name says that it is none; /],
  ]
  for (const [name, what] of wrong) {
    it(`is refused where it is wrong: ${name}`, async () => {
      await assert.rejects(checkFile(join(folder, name)), (error) => {
        assert.ok(error instanceof SteppingRefused)
        assert.match(error.message, what)
        return true
      })
    })
  }
})

describe('plain reads of a shared array', () => {
  const forms: readonly [name: string, source: string][] = [
    ['spread', 'Math.max(...cells)'],
    ['destructuring', 'const [first] = cells'],
    ['for-of', 'for (const value of cells)'],
    ['chain', 'cells?.[0]'],
    ['array-from', 'Array.from(cells)'],
    ['copy', 'set(cells)'],
    ['template', '`${cells}`'],
    ['object-pattern', '{ 0: first }'],
    ['object-spread', '...cells'],
    ['iterator', 'cells.values()'],
  ]
  for (const [name, source] of forms) {
    it(`race: ${source}`, async () => {
      const { failure } = await checkFile(program(`reads/${name}`))
      assert.equal(failure?.kind, 'race')
      const [read = ''] = failure.places.filter((place) => place.startsWith('thread 1: read at '))
      assert.ok(read.includes(`${name}.ts:`) && read.includes(source), read)
    })
  }
})
