// Runs programs of test262 in one process: as they stand, or in their steppable form. Told by test262.ts.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { createRequire } from 'node:module'
import {
  FINISHED,
  FinerCellsNeeded,
  ScriptNeeded,
  SteppingRefused,
  alone,
  loadStepped,
  memory,
  runThreads,
  setSites,
} from '../../../src/backends/stepped/index.ts'
import { type Stops, type Test, isModule, programOfTest, readTest } from './test262-text.ts'
import { Turns } from './turns.ts'

export interface Task {
  readonly folder: string
  readonly scratch: string
  readonly paths: readonly string[]
  /** As it stands; in its steppable form, where the thread is alone; and beside another, after each of its steps. */
  readonly form: 'plain' | 'alone' | 'beside'
  readonly stops: Stops
}

interface Forms {
  main(report: (error: unknown) => void, host: unknown): unknown
  count(): number
  idle(out: { done: boolean }): unknown
}

/** How a test ended, and after how many steps. */
export type Outcome = readonly [kind: 'pass' | 'fail' | 'refused' | 'skipped', text: string, steps: number]

const { folder, scratch, paths, form, stops } = JSON.parse(process.argv[2]!) as Task

const host = {
  global: globalThis,
  gc: () => undefined,
  detachArrayBuffer: (buffer: ArrayBuffer) => void structuredClone(buffer, { transfer: [buffer] }),
}

function say(line: unknown): void {
  process.send!(line)
}

function describe(error: unknown): string {
  if (process.env['T262_DEBUG']) process.stderr.write(`${(error as Error).stack}\n`)
  const name = (error as { constructor?: { name?: string } } | null | undefined)?.constructor?.name
  const message = String((error as { message?: unknown } | null)?.message ?? error)
  // What an engine's error says may tell of names that the transform has added.
  return name === 'Test262Error' ? `${name}: ${message}` : String(name)
}

function write(test: Test, suffix: string): URL {
  mkdirSync(scratch, { recursive: true })
  const file = join(
    scratch,
    `${test.path.replaceAll('/', '+').replace(/\.js$/, '')}.${suffix}.${isModule(test) ? 'mjs' : 'cjs'}`,
  )
  writeFileSync(file, programOfTest(folder, test, stops))
  return pathToFileURL(file)
}

const STEPS_MAX = 200_000

/** The second waits for the end of the test, which is not to go on for ever. */
class TestTurns extends Turns {
  readonly out = { done: false }

  override choose(): number {
    if (this.steps >= STEPS_MAX) throw new Error('too many steps')
    if (this.threads[0]!.state === FINISHED) this.out.done = true
    return super.choose()
  }
}

const kinds = (): { told: Outcome[0] | null; text: string } => ({ told: null, text: '' })

function reporter(seen: ReturnType<typeof kinds>, done?: () => void): (error: unknown) => void {
  return (error) => {
    if (seen.told === null) {
      seen.told = error === null ? 'pass' : 'fail'
      seen.text = error === null ? '' : describe(error)
    }
    done?.()
  }
}

process.on('unhandledRejection', () => undefined)

async function runPlain(test: Test, url: URL): Promise<Outcome> {
  const forms = (isModule(test) ? await import(url.href) : createRequire(url)(fileURLToPath(url))) as Forms
  const seen = kinds()
  const { promise, resolve } = Promise.withResolvers<void>()
  try {
    forms.main(reporter(seen, resolve), host)
    const late = setTimeout(resolve, 1000)
    await promise
    clearTimeout(late)
  } catch (error) {
    if (seen.told === null) Object.assign(seen, { told: 'fail', text: describe(error) })
  }
  return [seen.told ?? 'fail', seen.told === null ? 'never done' : seen.text, forms.count()]
}

function refusal(error: SteppingRefused): string {
  return error.message.replaceAll(error.file, 'FILE').slice(0, 300)
}

interface Loaded {
  readonly exports: Forms
  readonly sites: Parameters<typeof setSites>[0]
}

async function load(url: URL): Promise<Loaded | Outcome> {
  try {
    memory.clear()
    const { exports, sites } = await loadStepped(url, { turns: true })
    return { exports: exports as never, sites }
  } catch (error) {
    if (error instanceof SteppingRefused) return ['refused', `load: ${refusal(error)}`, 0]
    return ['fail', `load: ${String((error as Error).stack)}`, 0]
  }
}

/** A program may have caught what refuses it. */
function refusalBehind(error: unknown): unknown {
  try {
    alone(null)
    return error
  } catch (refused) {
    return refused
  }
}

function runAlone({ exports, sites }: Loaded): Outcome {
  setSites(sites)
  memory.takeSnapshot()
  for (;;) {
    const seen = kinds()
    try {
      alone(exports.main(reporter(seen), host))
    } catch (first) {
      const error = refusalBehind(first)
      if (error instanceof FinerCellsNeeded) {
        memory.byteCells.add(error.ordinal)
        memory.restore()
        continue
      }
      if (error instanceof SteppingRefused) return ['refused', refusal(error), 0]
      if (seen.told === null) Object.assign(seen, { told: 'fail', text: describe(error) })
    }
    return [seen.told ?? 'fail', seen.text, exports.count()]
  }
}

function runBeside({ exports, sites }: Loaded): Outcome {
  setSites(sites)
  memory.takeSnapshot()
  for (;;) {
    const turns = new TestTurns()
    const seen = kinds()
    try {
      const ending = runThreads(
        turns.threads,
        [() => exports.main(reporter(seen), host), () => exports.idle(turns.out)],
        turns,
      )
      if (ending.thrown !== null) {
        if (ending.thrown.error instanceof FinerCellsNeeded) throw ending.thrown.error
        if (seen.told === null) Object.assign(seen, { told: 'fail', text: describe(ending.thrown.error) })
      }
      return [seen.told ?? 'fail', seen.told === null ? 'never done' : seen.text, exports.count()]
    } catch (error) {
      if (error instanceof FinerCellsNeeded) {
        memory.byteCells.add(error.ordinal)
        memory.restore()
        continue
      }
      if (error instanceof SteppingRefused) return ['refused', refusal(error), 0]
      if (error instanceof ScriptNeeded)
        return ['refused', 'a module that is loaded while the program runs', 0]
      return ['fail', `run: ${String((error as Error).stack)}`, 0]
    }
  }
}

const tests = paths.map((path) => readTest(folder, path))
const loaded = new Map<string, { url: URL; ready: Loaded | Outcome | null }>()
for (const test of tests) {
  try {
    const url = write(test, form)
    // All are loaded before the first runs: tests change what the transform uses.
    loaded.set(test.path, { url, ready: form === 'plain' ? null : await load(url) })
  } catch (error) {
    say([test.path, ['skipped', String(error), 0]])
  }
}
const late = setTimeout(() => {}, 2 ** 30)
for (const test of tests) {
  const found = loaded.get(test.path)
  if (found === undefined) continue
  const { url, ready } = found
  if (Array.isArray(ready)) {
    say([test.path, ready])
    continue
  }
  say([test.path, null])
  try {
    if (ready === null) say([test.path, await runPlain(test, url)])
    else say([test.path, form === 'alone' ? runAlone(ready as Loaded) : runBeside(ready as Loaded)])
  } catch (error) {
    say([test.path, ['fail', `thrown: ${String(error)}`, 0]])
  }
}
clearTimeout(late)
process.exit(0)
