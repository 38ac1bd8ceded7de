// `faultline/check`: checks that stand in a test, with whatever is in reach there.

import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { before, beforeEach, describe, it } from 'node:test'
import { type CheckResult, ScenarioFailed, SteppingRefused, check } from '../../src/check.ts'

const WORD = 4

const memory = (words: number): Int32Array => new Int32Array(new SharedArrayBuffer(words * WORD))

class Counter {
  readonly #cells: Int32Array

  constructor(cells: Int32Array) {
    this.#cells = cells
  }

  increment(): void {
    Atomics.store(this.#cells, 0, Atomics.load(this.#cells, 0) + 1)
  }

  get value(): number {
    return Atomics.load(this.#cells, 0)
  }
}

async function incrementLater(cells: Int32Array): Promise<void> {
  const value = Atomics.load(cells, 0)
  await Promise.resolve()
  Atomics.store(cells, 0, value + 1)
}

/** The message of what a check throws. */
async function failureOf(checking: Promise<CheckResult>): Promise<ScenarioFailed> {
  try {
    await checking
  } catch (error) {
    assert.ok(error instanceof ScenarioFailed, String(error))
    return error
  }
  assert.fail('it passes')
}

function refusal(what: RegExp): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof SteppingRefused, String(error))
    assert.match(error.message, what)
    assert.match(error.file, /door\.test\.ts$/)
    return true
  }
}

describe('a check in a test', () => {
  let fromHook = 0
  before(() => {
    fromHook = 1
  })
  beforeEach(() => {
    fromHook += 1
  })

  it('passes with closures over what the test, its module and its hooks have made', async () => {
    const step = WORD / 2
    const { verdict, complete, executions } = await check({
      setup: () => memory(fromHook),
      threads: [(cells) => Atomics.add(cells, 0, step), (cells) => Atomics.add(cells, 0, WORD)],
      invariant: (cells) => cells[0] === step + WORD && cells.length >= 2,
    })
    assert.deepEqual([verdict, complete], ['pass', true])
    assert.ok(executions >= 1)
  })

  it('throws the interleaving in which it fails, and the token runs it again', async () => {
    const increment = (counter: Counter): void => counter.increment()
    const failing = (): Promise<CheckResult> =>
      check({
        name: 'two increments',
        setup: () => new Counter(memory(1)),
        threads: [increment, increment],
        invariant: ({ value }) => value === 2,
      })
    const { message, result } = await failureOf(failing())
    assert.match(message, /^two increments\n\nstep +place +thread 0 +thread 1\n/)
    assert.match(message, /door\.test\.ts:\d+ +store #cells\[0\] 0 → 1/)
    const { token, preemptions } = result.failure!
    assert.equal(preemptions, 1)
    assert.ok(message.includes(`FAULTLINE_REPLAY=${token} `))
    // The function runs in the second load, too, and would make another.
    const folder = join(tmpdir(), `faultline-pages-${process.pid}`)
    Object.assign(process.env, { FAULTLINE_REPLAY: token!, FAULTLINE_PAGES: join(folder, 'pages') })
    try {
      const again = await failureOf(failing())
      assert.deepEqual([again.result.executions, again.result.failure!.token], [1, token])
      const [, page] = /^ {2}page: (.*)$/m.exec(again.message)!
      assert.equal(page, join(folder, 'pages', 'two-increments.html'))
      assert.match(readFileSync(page!, 'utf8'), /<h1>.*two increments[^]*store #cells\[0\] 0 → 1/)
    } finally {
      delete process.env['FAULTLINE_REPLAY']
      delete process.env['FAULTLINE_PAGES']
      rmSync(folder, { recursive: true })
    }
  })

  it('may be one of several, at once or each with what the one before has given', async () => {
    const [first, second] = await Promise.all([
      check({ setup: () => memory(1), threads: [(cells) => Atomics.load(cells, 0)] }),
      check({
        setup: () => memory(1),
        threads: [(cells) => Atomics.load(cells, 0) + Atomics.load(cells, 0)],
      }),
    ])
    assert.deepEqual([first.steps, second.steps], [1, 2])
    for (const words of [1, 2]) {
      const { steps } = await check({
        setup: () => memory(words),
        threads: [
          (cells) => {
            for (let turn = 0; turn < words + first.steps; turn++) Atomics.add(cells, 0, second.steps)
          },
        ],
      })
      assert.equal(steps, words + 1)
    }
  })

  it('may follow one whose failure a function of the test has waited for', async () => {
    const through = async (checking: Promise<CheckResult>): Promise<CheckResult> => await checking
    const increments = (threads: number): Promise<CheckResult> =>
      check({
        name: `${threads} increments`,
        setup: () => new Counter(memory(1)),
        threads: Array.from({ length: threads }, () => (counter: Counter) => counter.increment()),
        invariant: ({ value }) => value === threads,
      })
    await failureOf(through(increments(2)))
    assert.equal((await through(increments(1))).verdict, 'pass')
    assert.equal((await failureOf(through(increments(3)))).result.scenario, '3 increments')
  })

  it('may be given async functions, and what the test imports of them', async () => {
    const { port1, port2 } = new MessageChannel()
    port1.close()
    port2.close()
    const checking = check({
      setup: () => memory(1),
      threads: [incrementLater, incrementLater],
      invariant: (cells) => cells[0] === 2,
    })
    const { failure } = (await failureOf(checking)).result
    assert.equal(failure?.message, 'InvariantBroken: the invariant does not hold')
  })

  it('may stand in a test within a test', async (t) => {
    await t.test('inside', async () => {
      const { verdict } = await check({
        setup: () => memory(1),
        threads: [(cells) => Atomics.or(cells, 0, 1)],
      })
      assert.equal(verdict, 'pass')
    })
  })

  const holds = (name: string | undefined, words: number): Promise<CheckResult> =>
    check({
      ...(name === undefined ? {} : { name }),
      setup: () => memory(words),
      threads: [(cells) => Atomics.store(cells, words - 1, 1)],
      invariant: (cells) => cells[words - 1] === 1,
    })

  for (const words of [1, 2]) {
    it(`of several that one piece of code makes has a name (${words})`, async () => {
      assert.equal((await holds(`of ${words}`, words)).scenario, `of ${words}`)
    })
  }

  for (const words of [1, 2]) {
    it(`of several that one piece of code makes is refused without one (${words})`, async () => {
      await assert.rejects(
        holds(undefined, words),
        refusal(/run for several tests.*; give each check a name/),
      )
    })
  }
})

describe('a check in a test is refused', () => {
  let fromOthers = 0
  it('which changes what another uses', () => {
    fromOthers = 1
    assert.equal(fromOthers, 1)
  })

  it('where another test assigns to what it uses', async () => {
    const checking = check({
      setup: () => memory(1),
      threads: [(cells) => Atomics.add(cells, 0, fromOthers)],
    })
    await assert.rejects(
      checking,
      refusal(/a test assigns to 'fromOthers', which a check in another test uses/),
    )
  })

  it('where its setup makes something else each time', async () => {
    const checking = check({
      setup: () => memory(1).fill(randomInt(2 ** 31)),
      threads: [(cells) => Atomics.load(cells, 0)],
    })
    await assert.rejects(checking, refusal(/the setup of the check makes another state .*; let nothing/))
  })

  it('where it uses the context of the test', async (t) => {
    const checking = check({
      setup: () => memory(1),
      threads: [(cells) => Atomics.add(cells, 0, t.name.length)],
    })
    await assert.rejects(checking, refusal(/'name' of the test's context is used by what is checked/))
  })
})

it('a program that prints ends after its check', () => {
  const program = fileURLToPath(new URL('programs/printing.mjs', import.meta.url))
  const { stdout, status } = spawnSync(process.execPath, [program], { encoding: 'utf8' })
  assert.deepEqual([stdout, status], ['before the check\npass\n', 0])
})

it('the door loads neither the kernel nor its scenarios', () => {
  const program = new URL('programs/message.ts', import.meta.url).href
  const text = `
    import { registerHooks } from 'node:module'
    const loaded = []
    registerHooks({ load: (url, context, next) => { loaded.push(url); return next(url, context) } })
    const { checkFile } = await import(${JSON.stringify(new URL('../../src/check.ts', import.meta.url).href)})
    const { verdict } = await checkFile(new URL(${JSON.stringify(program)}))
    console.log(JSON.stringify({ verdict, loaded }))`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', text], {
    encoding: 'utf8',
  })
  assert.notEqual(stdout, '', stderr)
  const { verdict, loaded } = JSON.parse(stdout) as { verdict: string; loaded: string[] }
  assert.equal(verdict, 'pass')
  assert.ok(loaded.some((url) => url.endsWith('/src/check/explore.ts')))
  const forbidden =
    /^src\/(kernel|simulate|trace|report)\/|^src\/check\/(scenarios|races|published|ends|kernel-)/
  // Whatever the folders above the project are called.
  const { href } = new URL('../../', import.meta.url)
  assert.deepEqual(
    loaded.filter((url) => url.startsWith(href) && forbidden.test(url.slice(href.length))),
    [],
  )
})
