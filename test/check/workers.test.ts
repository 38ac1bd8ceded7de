// Programs with Workers: what Node does with them must be among what is explored.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import {
  ScriptNeeded,
  type ScriptRequest,
  loadSteppedTogether,
  memory,
} from '../../src/backends/stepped/index.ts'
import { type Exploration, explore } from '../../src/check/explore.ts'
import { checkFile, replayFile } from '../../src/check/index.ts'
import { userSubject } from '../../src/check/user-scenario.ts'
import { extent } from '../extent.ts'

const everywhere = globalThis as { report?: (outcome: unknown) => void; kindOfEnd?: string }

interface Explored {
  readonly found: Exploration
  /** What each execution has reported. */
  readonly outcomes: ReadonlySet<string>
}

/** Explores a script as the main thread of a process. */
async function exploreScript(name: string): Promise<Explored> {
  const url = new URL(`workers/${name}`, import.meta.url)
  const outcomes = new Set<string>()
  let reported: unknown[] = []
  everywhere.report = (outcome) => reported.push(outcome)
  const known: ScriptRequest[] = [{ from: '', specifier: url.href, kind: 'worker' }]
  for (;;) {
    memory.clear()
    const { loops } = await loadSteppedTogether([], { turns: true, scripts: [...known] })
    memory.takeSnapshot()
    const subject = userSubject(
      { threads: [url], invariant: () => void outcomes.add(JSON.stringify(reported)) },
      loops,
    )
    const { begin } = subject
    subject.begin = () => {
      reported = []
      return begin()
    }
    try {
      const found = explore(subject, { maxExecutions: 1e6, maxSteps: 20_000, maxMs: 60_000 })
      return { found, outcomes }
    } catch (error) {
      if (!(error instanceof ScriptNeeded)) throw error
      known.push(error.request)
    }
  }
}

const prelude = `
import { isMainThread } from 'node:worker_threads'
const all = []
globalThis.report = (outcome) => all.push(outcome)
if (isMainThread) process.on('exit', () => console.log(JSON.stringify(all)))`

/** What the engine makes of a script, once. */
async function runScript(name: string): Promise<string> {
  const file = fileURLToPath(new URL(`workers/${name}`, import.meta.url))
  const env = { ...process.env, NODE_OPTIONS: '', KIND_OF_END: everywhere.kindOfEnd ?? '' }
  const child = spawn(
    process.execPath,
    ['--import', `data:text/javascript,${encodeURIComponent(prelude)}`, file],
    { env },
  )
  const [out, problems] = await Promise.all([text(child.stdout), text(child.stderr)])
  assert.equal(problems, '')
  return out.trim()
}

const RUNS = extent(1, 10)

/** Explores a script, runs it, and returns the outcomes that were found. */
async function holds(name: string, runs = RUNS): Promise<unknown[]> {
  const { found, outcomes } = await exploreScript(name)
  assert.deepEqual([found.failure, found.complete], [null, true])
  for (const real of await Promise.all(Array.from({ length: runs }, () => runScript(name))))
    assert.ok(outcomes.has(real), `not found: ${real}`)
  return [...outcomes].toSorted().map((each) => JSON.parse(each) as unknown)
}

describe('programs with Workers', () => {
  it('give each thread its own modules, data, arguments and environment', async () => {
    const started = { isMainThread: false, name: 'adder', argv: ['x'], env: { A: 'b' }, next: 1 }
    const rest = [{ sum: 13, next: 2 }, ['exit', 0]]
    const outcomes = (await holds('order.mjs')).map(([log]: any) => log)
    // What a worker says of itself, and its messages, have no order among each other, but for its end.
    assert.deepEqual(
      outcomes.map((log) => log.filter((each: unknown) => each !== 'online')),
      outcomes.map(() => [started, ...rest]),
    )
    assert.deepEqual(outcomes.map((log) => log.indexOf('online')).toSorted(), [0, 1, 2])
  })

  it('wait for an answer of a worker, whose port was handed over', async () => {
    assert.deepEqual(await holds('sync.mjs'), [[{ message: 8 }]])
  })

  it('end a worker wherever it is', async () => {
    assert.deepEqual(
      await holds('terminate.mjs'),
      [0, 1, 2].map((done) => [
        [1, done, -1],
        ['terminated', 1],
      ]),
    )
  })

  it('end a worker wherever it is, though it may come to its end by itself', async () => {
    assert.deepEqual(await holds('terminated.mjs'), [[0], [1], [2]])
  })

  it('run a text, with data of the environment', async () => {
    assert.deepEqual(await holds('evals.mjs'), [[[[2, 'object', 'a/b'], '\n', 0]]])
  })

  it('start workers in workers', async () => {
    assert.deepEqual(await holds('nested.mjs'), [[[[['leaf']]]]])
  })

  it('import and require in threads', async () => {
    const live = ['number', 1, 'imports-esm.mjs']
    assert.deepEqual(await holds('imports.mjs'), [
      [[1, 2, 'awaited', live, 3, 4, 'ERR_MODULE_NOT_FOUND', [5, 5], 5]],
    ])
  })

  it('have a global object for each thread, however it is named', async () => {
    assert.equal((await holds('globals.mjs', 1)).length, 1)
  })

  it('have a console each', async () => {
    assert.deepEqual(await holds('consoles.mjs'), [[['logged', true, 'function']]])
  })

  it('speak by a BroadcastChannel', async () => {
    assert.deepEqual(await holds('broadcast.mjs'), [[['ready', 'got go']]])
  })

  it('leave once, though they leave again where they hear of it', async () => {
    assert.deepEqual(await holds('exits.mjs'), [['leaves']])
  })

  const ends: Record<string, unknown[][]> = {
    exit: [[['exiting', 3], 3]],
    code: [[['exiting', 4], 4]],
    caught: [['caught', ['exiting', 0], 0]],
    // Where it has no order with what tells of the error, a message may come first or last.
    throw: [
      [['RangeError', 'thrown', 'E'], ['exiting', 1], 1],
      [['exiting', 1], ['RangeError', 'thrown', 'E'], 1],
    ],
    reject: [
      [['Error', 'rejected', null], ['exiting', 1], 1],
      [['exiting', 1], ['Error', 'rejected', null], 1],
    ],
  }
  for (const [kind, expected] of Object.entries(ends)) {
    it(`tell of a worker's end: ${kind}`, async () => {
      everywhere.kindOfEnd = kind
      assert.deepEqual(
        await holds('ends.mjs'),
        expected.map((log) => [log]),
      )
    })
  }

  it('may lose what comes before somebody listens', async () => {
    const lost = [[false], [true, 'exit'], [true, 2, 'exit'], [true, 1, 2, 'exit']]
    assert.deepEqual(new Set(await holds('late.mjs')), new Set(lost.map((heard) => [heard])))
  })

  it('that nobody hears end in no order', async () => {
    everywhere.kindOfEnd = ''
    const { found, outcomes } = await exploreScript('unheard.mjs')
    assert.deepEqual([[...outcomes], found.complete], [['[3]'], true])
    // As many as three threads of a check have that count under the same lock, and hardly more to find them.
    assert.equal(found.executions - found.redundant, 1026)
    assert.ok(found.redundant < 200)
  })

  it('that nobody hears and that keep no process end with it', async () => {
    everywhere.kindOfEnd = 'left'
    const { found, outcomes } = await exploreScript('unheard.mjs')
    assert.deepEqual([found.failure, ...outcomes], [null, '[1]'])
  })

  it('end the process by an error, whatever it waits for', async () => {
    everywhere.kindOfEnd = 'broken'
    const { failure } = (await exploreScript('unheard.mjs')).found
    assert.deepEqual([failure!.kind, (failure!.error as Error).message], ['error', 'broken'])
  })

  it('give tokens that know the scripts that only a thread names', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'scripts-'))
    after(() => rmSync(folder, { recursive: true }))
    const write = (name: string, code: string): void => writeFileSync(join(folder, name), code)
    write('main.check.mjs', "export default { threads: [new URL('./main.mjs', import.meta.url)] }")
    write(
      'main.mjs',
      `import { Worker } from 'node:worker_threads'
const names = ['./work', 'er.mjs']
const worker = new Worker(new URL(names.join(''), import.meta.url))
worker.on('message', (value) => { if (value > 1) throw new Error('two') })`,
    )
    const worker = (value: number): string =>
      `import { parentPort } from 'node:worker_threads'\n[1, ${value}].forEach((each) => parentPort.postMessage(each))`
    write('worker.mjs', worker(2))
    const file = join(folder, 'main.check.mjs')
    const { failure } = await checkFile(file)
    const { token } = failure!
    assert.equal((await replayFile(file, token!)).failure?.message, 'Error: two')
    write('worker.mjs', worker(3))
    await assert.rejects(replayFile(file, token!), {
      name: 'TokenRefused',
      message: /a script that threads load/,
    })
    write('worker.mjs', `${worker(2)} // a comment is no change`)
    assert.equal((await replayFile(file, token!)).failure?.message, 'Error: two')
  })

  it('tell who asks by which files it was called', async () => {
    assert.deepEqual(await holds('callers.mjs'), [
      [
        [
          ['callers-worker.cjs', 3],
          ['callers.mjs', 8],
        ],
      ],
    ])
  })

  it('have one module of Node each, however they ask for it', async () => {
    const told = [
      [true, true, true, true, true, true, true],
      true,
      true,
      true,
      true,
      [1, 3, 'undefined', 'aborted'],
    ]
    assert.deepEqual(await holds('builtins.cjs'), [[[told, told]]])
  })

  it('assert of promises what is so', async () => {
    assert.equal((await holds('asserts.mjs')).length, 1)
  })

  it('look again and again for what a timer does', async () => {
    assert.deepEqual(await holds('polls.mjs'), [['over']])
  })

  it('do something before they end by themselves', async () => {
    assert.deepEqual(await holds('left.mjs'), [[[1, 2, 'exit', 0, 3]]])
  })

  it('know what was stored where they were begun', async () => {
    assert.equal((await holds('storage.mjs')).length, 1)
  })

  it('tell the source of functions', async () => {
    const [[told, answer]] = (await holds('texts.mjs')) as [[string[], number]]
    assert.match(told![0]!, /^async \(n\) => \{\n.*\/\* why \*\/ await/)
    assert.equal(answer, 2)
  })

  it('catch nothing that is not theirs', async () => {
    assert.deepEqual(await holds('caught.cjs'), [[1, 'over']])
  })

  for (const [code, message] of [
    ["process.on('exit', () => { throw new Error('late') })", 'Error: late'],
    ['process.exitCode = 3', 'Error: process.exitCode = 3'],
  ] as const)
    it(`fail where a process does: ${code}`, async () => {
      const folder = mkdtempSync(join(tmpdir(), 'exits-'))
      after(() => rmSync(folder, { recursive: true }))
      writeFileSync(join(folder, 'main.mjs'), code)
      const file = join(folder, 'main.check.mjs')
      writeFileSync(file, "export default { threads: [new URL('./main.mjs', import.meta.url)] }")
      assert.equal((await checkFile(file)).failure?.message, message)
    })

  const made: Record<string, unknown[]> = {
    class: ['adder', 'Adder', true, 3, 1],
    derived: ['named', 'Named', true, 4, 1],
    mixed: ['named mixed mixed', '', true, 5, 1],
    anonymous: ['Anonymous', 9],
    field: ['pool', 7],
    chosen: ['chosen', 8],
    from: ['adder', 'Adder', true, 9, 1],
    own: ['named', 10, 'mine', 'mine', 'x'],
  }
  for (const [kind, told] of Object.entries(made)) {
    it(`make Workers of classes that are known when they run: ${kind}`, async () => {
      everywhere.kindOfEnd = kind
      assert.deepEqual(await holds('extends.mjs', 1), [[told]])
    })
  }
})
