// Printed counterexamples, character by character, and their form as data.

import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import {
  type CheckResult,
  checkFile,
  checkKernelScenario,
  counterexampleText,
  mutants,
} from '../../src/check/index.ts'

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
  for (const name of ['ring', 'lost-update', 'racy', 'deadlock']) {
    it(`of ${name}`, async () => assertGolden(name, await check(name), 100))
  }

  for (const name of ['entry-overwritten', 'lock-instead-of-try-lock']) {
    it(`of the mutant ${name}`, async () => assertGolden(name, await checkMutant(name), 110))
  }

  it('of the example in the documentation, as it is printed there', async () => {
    const page = readFileSync(new URL('../../docs/check.md', import.meta.url), 'utf8')
    const program = /```ts\n(import \{ scenario \}[^`]*(?:`[^`]+`[^`]*)*?)```/.exec(page)![1]!
    const { href } = new URL('../../src/check/scenario.ts', import.meta.url)
    const folder = mkdtempSync(join(tmpdir(), 'faultline-'))
    try {
      const file = join(folder, 'ring.check.ts')
      writeFileSync(file, program.replace("'faultline'", `'${href}'`))
      const { failure } = await checkFile(file)
      const text = counterexampleText(failure!.counterexample)
      assert.ok(page.includes(text), text)
      const stores = /( {2}Atomics\.store\(ring, TAIL.*\n)( {2}Atomics\.store\(ring, SLOTS.*\n)/
      writeFileSync(file, readFileSync(file, 'utf8').replace(stores, '$2$1'))
      assert.equal((await checkFile(file)).verdict, 'pass')
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('as data: who did what, and why another goes on', async () => {
    const { failure } = await check('lost-update')
    const { rows, noun, threads, leftOut } = failure!.counterexample
    assert.deepEqual([noun, threads, leftOut], ['thread', 2, 0])
    assert.deepEqual(JSON.parse(JSON.stringify(rows)), rows)
    assert.deepEqual(rows[1], {
      kind: 'operation',
      thread: 0,
      depth: 1,
      step: 1,
      operation: 'load',
      name: 'cells[0]',
      text: 'load cells[0] = 0',
      place: 'lost-update.ts:12',
    })
    assert.deepEqual(rows.at(-2), { kind: 'switch', thread: 1, reason: 'thread 0 has finished' })
  })
})
