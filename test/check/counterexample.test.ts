// Printed counterexamples, character by character, and their form as data.

import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'
import { digestOf, readProgram } from '../../src/backends/stepped/program.ts'
import {
  type CheckResult,
  checkFile,
  checkKernelScenario,
  counterexampleText,
  mutants,
} from '../../src/check/index.ts'
import { readToken, replayToken } from '../../src/check/token.ts'

const documentation = new URL('../../docs/check.md', import.meta.url)
const check = (name: string): Promise<CheckResult> =>
  checkFile(new URL(`programs/${name}.ts`, import.meta.url))

/** As in test/report/golden.ts: FAULTLINE_UPDATE_GOLDEN=1 stores what is printed now. */
function assertGolden(name: string, { failure }: CheckResult, width: number): void {
  const text = counterexampleText(failure!.counterexample, width)
  const file = new URL(`golden/${name}.txt`, import.meta.url)
  if (process.env['FAULTLINE_UPDATE_GOLDEN'] === '1') writeFileSync(file, text)
  assert.equal(text, readFileSync(file, 'utf8'))
}

async function checkMutant(name: string): Promise<CheckResult> {
  const { scenario, patches } = mutants.find((mutant) => mutant.name === name)!
  return checkKernelScenario(scenario, { design: 'lespinasse-2021', rwsem: 'xadd' }, { patches })
}

describe('counterexamples', () => {
  for (const name of ['ring', 'lost-update', 'racy', 'deadlock', 'livelock']) {
    it(`of ${name}`, async () => assertGolden(name, await check(name), 100))
  }

  for (const name of ['entry-overwritten', 'lock-instead-of-try-lock', 'vma-freed-at-once']) {
    it(`of the mutant ${name}`, async () => assertGolden(name, await checkMutant(name), 110))
  }

  it('of the example in the documentation, as it is printed there', async () => {
    const page = readFileSync(documentation, 'utf8')
    const program = /```ts\n(import \{ scenario \}[^`]*(?:`[^`]+`[^`]*)*?)```/.exec(page)![1]!
    const { href } = new URL('../../src/check/scenario.ts', import.meta.url)
    const folder = mkdtempSync(join(tmpdir(), 'faultline-'))
    try {
      const file = join(folder, 'ring.check.ts')
      writeFileSync(file, program.replace("'faultline'", `'${href}'`))
      const { failure } = await checkFile(file)
      const text = counterexampleText(failure!.counterexample)
      assert.ok(page.includes(text), text)
      // The file of a reader imports the package, which makes it another code.
      const itself = join(folder, 'itself', 'ring.check.ts')
      mkdirSync(join(folder, 'itself'))
      writeFileSync(itself, program)
      const { href: entry } = pathToFileURL(itself)
      const digest = digestOf((await readProgram([entry])).modules, entry)
      const code = {
        scenario: 'ring.check.ts',
        design: null,
        rwsem: null,
        rss: null,
        published: false,
        digest,
      }
      const token = replayToken(code, readToken(failure!.token!).execution)
      assert.ok(page.includes(`faultline check ring.check.ts --replay ${token}\n`), token)
      const stores = /( {2}Atomics\.store\(ring, TAIL.*\n)( {2}Atomics\.store\(ring, SLOTS.*\n)/
      writeFileSync(file, readFileSync(file, 'utf8').replace(stores, '$2$1'))
      assert.equal((await checkFile(file)).verdict, 'pass')
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('of a kernel in the documentation, as it is printed there', async () => {
    const page = readFileSync(documentation, 'utf8')
    const { failure } = await checkMutant('lock-instead-of-try-lock')
    const text = counterexampleText(failure!.counterexample)
    const example = /(--mutant lock-instead-of-try-lock\n…\n\n)(step [^`]*?)(\n {2}1 preemption)/
    if (process.env['FAULTLINE_UPDATE_GOLDEN'] === '1')
      writeFileSync(
        documentation,
        page.replace(example, (_, before, __, after) => `${before}${text}${after}`),
      )
    assert.equal(example.exec(readFileSync(documentation, 'utf8'))?.[2], text)
  })

  it('as data: who did what, and why another goes on', async () => {
    const { failure } = await check('lost-update')
    const { rows, noun, threads, leftOut } = failure!.counterexample
    assert.deepEqual([noun, threads, leftOut], ['thread', 2, 0])
    assert.deepEqual(JSON.parse(JSON.stringify(failure!.counterexample)), failure!.counterexample)
    assert.deepEqual(rows[1], {
      kind: 'operation',
      thread: 0,
      depth: 1,
      step: 1,
      operation: 'load',
      name: 'cells[0]',
      text: 'load cells[0] = 0',
      from: null,
      place: 'lost-update.ts:12',
      event: 0,
    })
    assert.deepEqual(rows.at(-2), { kind: 'switch', thread: 0, reason: 'thread 1 has finished' })
  })

  it('as data: every operation, in its call, with what it has read from whom', async () => {
    const { failure } = await check('ring')
    const { calls, events } = failure!.counterexample
    assert.equal(events.length, failure!.steps)
    const read = events.find(({ from }) => from !== null)!
    assert.deepEqual([read.operation, read.name, read.before, read.after], ['load', 'ring[TAIL]', 1, 1])
    assert.deepEqual([events[read.from!]!.thread, events[read.from!]!.after], [0, 1])
    const { function: name, caller } = calls[read.call!]!
    assert.deepEqual([name, calls[caller!]!.function], ['pop', '(anonymous)'])
  })

  it('names the functions that code of before classes assigns', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'faultline-'))
    const file = join(folder, 'es5.check.cjs')
    writeFileSync(
      file,
      `function Lock() { this.cells = new Int32Array(new SharedArrayBuffer(4)) }
Lock.prototype.enter = function () { return library.step(this.cells) }
const library = {}
library.step = (cells) => Atomics.add(cells, 0, 1)
let lose
lose = function (lock) { if (lock.enter() > 0) throw new Error('late') }
module.exports = { setup: () => new Lock(), threads: [(lock) => lose(lock), (lock) => lose(lock)] }`,
    )
    const { failure } = await checkFile(file)
    rmSync(folder, { recursive: true })
    const names = new Set(failure!.counterexample.calls.map((call) => call.function))
    assert.deepEqual([...names], ['(anonymous)', 'lose', 'enter', 'step'])
  })
})
