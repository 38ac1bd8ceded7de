// A program computes the same as it stands, and in its steppable form: alone, and as two threads that share nothing
// and take turns at each step.

import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'
import { inspect } from 'node:util'
import { assert as check, asyncProperty, constantFrom } from 'fast-check'
import {
  FinerCellsNeeded,
  SteppingRefused,
  alone,
  loadStepped,
  memory,
  runThreads,
  setSites,
} from '../../../src/backends/stepped/index.ts'
import { elements } from './program-elements.ts'
import { oneOfEach, programOf, randomBody, rigid } from './program-text.ts'
import { Turns } from './turns.ts'

let folder = ''
let count = 0

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'faultline-'))
})
after(() => rm(folder, { recursive: true }))

interface Out {
  result?: unknown
}

async function write(text: string, extension: string): Promise<URL> {
  const file = join(folder, `program-${count++}.${extension}`)
  await writeFile(file, text)
  return pathToFileURL(file)
}

interface Forms {
  readonly plain: { main: () => unknown }
  readonly exports: Readonly<Record<string, unknown>>
  /** What each of two threads saw. */
  readonly outs: readonly Out[]
  readonly refusal: SteppingRefused | null
}

async function bothForms(body: readonly string[], form: 'module' | 'commonjs'): Promise<Forms> {
  const url = await write(programOf(body, form), form === 'module' ? 'mjs' : 'cjs')
  const plain = (await import(url.href)) as { main: () => unknown }
  memory.clear()
  const { exports, sites } = await loadStepped(url, { turns: true })
  setSites(sites)
  memory.takeSnapshot()
  const turns = new Turns()
  const outs: Out[] = [{}, {}]
  const run = exports['run'] as (out: Out) => unknown
  const bodies = outs.map((out) => () => run(out))
  let refusal: SteppingRefused | null = null
  try {
    assert.equal(runThreads(turns.threads, bodies, turns).thrown, null)
  } catch (error) {
    if (error instanceof FinerCellsNeeded) {
      memory.byteCells.add(error.ordinal)
      return bothForms(body, form)
    }
    if (!(error instanceof SteppingRefused)) throw error
    refusal = error
  }
  memory.restore()
  return { plain, exports, outs, refusal }
}

function seen(value: unknown): string {
  return inspect(value, { depth: 5, maxArrayLength: null })
}

/** What the program saw: as it stands, stepped alone, and stepped by each of two threads. */
async function allRuns(body: readonly string[], form: 'module' | 'commonjs'): Promise<string[]> {
  const { plain, exports, outs, refusal } = await bothForms(body, form)
  assert.equal(refusal, null)
  let solo: unknown
  try {
    solo = alone((exports['main'] as () => unknown)())
  } catch (error) {
    if (!(error instanceof FinerCellsNeeded)) throw error
    memory.byteCells.add(error.ordinal)
    return allRuns(body, form)
  }
  const all = [plain.main(), solo, ...outs.map(({ result }) => result)]
  // What is left to do of promises has been done by then.
  await new Promise(setImmediate)
  return all.map(seen)
}

function assertSame([plain, ...stepped]: string[], body: readonly string[]): void {
  for (const other of stepped) assert.equal(other, plain, body.join('\n'))
}

describe('the steppable form of random programs', () => {
  it('computes the same with every construct', async () => {
    // Some at a time, as to make the form of a program takes longer than to run it.
    for (let at = 0; at < oneOfEach.length; at += 8) {
      const body = oneOfEach.slice(at, at + 8)
      for (const form of ['module', 'commonjs'] as const) assertSame(await allRuns(body, form), body)
    }
  })

  it('gives and throws the same of elements of every type', async () => {
    assertSame(await allRuns([elements], 'module'), ['elements'])
  })

  it('computes the same where it cannot stop, and is refused there beside another thread', async () => {
    for (const statement of rigid) {
      const { plain, exports, refusal } = await bothForms([statement], 'module')
      assert.equal(seen(alone((exports['main'] as () => unknown)())), seen(plain.main()))
      assert.match(
        refusal!.message,
        /program-\d+\.mjs:\d+: .* comes to a shared access where nothing can stop; call it/,
      )
    }
  })

  it('computes the same in any order, as modules and as CommonJS', async () => {
    await check(
      asyncProperty(randomBody, constantFrom('module' as const, 'commonjs' as const), async (body, form) =>
        assertSame(await allRuns(body, form), body),
      ),
      { numRuns: 30 },
    )
  })
})
