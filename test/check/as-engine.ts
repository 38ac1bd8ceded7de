// Programs that threads run, held against the engine: what each writes to its log there must be what it writes here,
// wherever a thread stops in between.

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import * as fc from 'fast-check'
import { checkFile } from '../../src/check/index.ts'

let files = 0

/**
 * Runs `programs`, texts of functions `async (log, cells) => …`, one after the other in a thread, beside another one
 * that stores once: so each load of `cells[0]` is a place where the first may stop. Returns how many executions there
 * were.
 */
export async function doAsEngine(
  folder: string,
  prelude: string,
  programs: readonly string[],
): Promise<number> {
  const file = join(folder, `programs-${files++}.mjs`)
  writeFileSync(
    file,
    `${prelude}
const programs = [\n${programs.join(',\n')}\n]
export const runAll = async (log, cells) => {
  for (const [number, each] of programs.entries()) { log.push('program ' + number); await each(log, cells) }
}
export const textOf = (log) => JSON.stringify(log, (_, each) => each instanceof Promise ? 'promise' : each)
const scenario = {
  setup: () => ({ cells: new Int32Array(new SharedArrayBuffer(8)), log: [] }),
  threads: [({ log, cells }) => runAll(log, cells), ({ cells }) => Atomics.store(cells, 0, 1)],
  invariant: ({ log }) => {
    if (textOf(log) !== globalThis.wantedOfEngine) throw new Error(textOf(log))
  },
}
export default scenario`,
  )
  const { runAll, textOf } = (await import(pathToFileURL(file).href)) as {
    runAll: (log: unknown[], cells: Int32Array) => Promise<void>
    textOf: (log: unknown[]) => string
  }
  const wanted: unknown[] = []
  await runAll(wanted, new Int32Array(new SharedArrayBuffer(8)))
  Object.assign(globalThis, { wantedOfEngine: textOf(wanted) })
  const { verdict, complete, failure, executions } = await checkFile(file, { seconds: 600 })
  assert.equal(failure?.message, undefined, `${programs.join()}\nand not ${textOf(wanted)}`)
  assert.deepEqual([verdict, complete], ['pass', true])
  return executions
}

/**
 * The same of random programs, so many in a file, in `numRuns` files. FAULTLINE_TEST_SEED chooses others than `seed`.
 */
export async function allDoAsEngine(
  folder: string,
  prelude: string,
  program: fc.Arbitrary<string>,
  { perFile, numRuns, seed }: { readonly perFile: number; readonly numRuns: number; readonly seed: number },
): Promise<void> {
  let runs = 0
  let executions = 0
  const holds = async (programs: readonly string[]): Promise<void> => {
    runs++
    executions += await doAsEngine(folder, prelude, programs)
  }
  const list = fc.array(program, { minLength: perFile, maxLength: perFile })
  const own = Number(process.env['FAULTLINE_TEST_SEED'] ?? seed)
  await fc.assert(fc.asyncProperty(list, holds), { numRuns, seed: own })
  // Threads did stop in between.
  assert.ok(executions > runs, `${executions} executions of ${runs} files`)
}
