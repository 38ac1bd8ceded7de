// Holds the steppable form against the engine with test262, which is no part of this repository:
//
//   git clone https://github.com/tc39/test262 /tmp/test262
//   node test/backends/stepped/test262.ts /tmp/test262 language/statements built-ins/Array [--part 1/10]

import { fork } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { Outcome, Task } from './test262-run.ts'
import { type Stops, readTest } from './test262-text.ts'

const BATCH = 50
/** Of a batch; what takes longer is run alone. */
const MOST_SECONDS = 120

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    part: { type: 'string', default: '1/1' },
    keep: { type: 'string' },
    list: { type: 'boolean', default: false },
  },
})
const [folder, ...prefixes] = positionals as [string, ...string[]]
const scratch = values.keep ?? mkdtempSync(join(tmpdir(), 'faultline-test262-'))
const [part, parts] = values.part.split('/').map(Number) as [number, number]
const runner = fileURLToPath(new URL('test262-run.ts', import.meta.url))

/** What no program of ours can be: text of other realms and agents, and of scripts whose variables are global. */
const outside = /createRealm|import\s*\(|\$262\.agent|\$262\.evalScript|IsHTMLDDA|AbstractModuleSource/

function listTests(): string[] {
  const all = prefixes.flatMap((prefix) =>
    prefix.endsWith('.js')
      ? [prefix]
      : readdirSync(join(folder, 'test', prefix), { recursive: true, encoding: 'utf8' })
          .filter((name) => name.endsWith('.js') && !name.includes('_FIXTURE'))
          .map((name) => `${prefix}/${name}`),
  )
  return all.toSorted().filter((_, index) => index % parts === part - 1)
}

async function runTask(task: Task): Promise<Map<string, Outcome>> {
  const found = new Map<string, Outcome>()
  if (task.paths.length === 0) return found
  const child = fork(runner, [JSON.stringify(task)], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] })
  let running: string | null = null
  child.on('message', ([path, outcome]: [string, Outcome | null]) => {
    running = path
    if (outcome !== null) found.set(path, outcome)
  })
  const late = setTimeout(() => child.kill('SIGKILL'), MOST_SECONDS * 1000)
  await new Promise((resolve) => child.on('close', resolve))
  clearTimeout(late)
  const left = task.paths.filter((path) => !found.has(path))
  if (left.length === 0) return found
  // It came to nothing from here on: another process goes on behind it.
  const bad: string = running !== null && left.includes(running) ? running : left[0]!
  found.set(bad, ['fail', 'ended the process', 0])
  for (const [path, outcome] of await runTask({ ...task, paths: left.filter((each) => each !== bad) }))
    found.set(path, outcome)
  return found
}

function isSame(plain: Outcome, stepped: Outcome): boolean {
  if (plain[0] === 'fail') return stepped[0] === 'fail'
  return plain[0] === stepped[0] && plain[2] === stepped[2]
}

interface Counts {
  passed: number
  failed: number
  readonly skipped: Map<string, number>
  readonly refused: Map<string, number>
  readonly different: string[]
  fewer: number
}

const counts: Counts = {
  passed: 0,
  failed: 0,
  skipped: new Map(),
  refused: new Map(),
  different: [],
  fewer: 0,
}

function add(map: Map<string, number>, key: string): void {
  map.set(key, (map.get(key) ?? 0) + 1)
}

function isAsync(path: string): boolean {
  return readTest(folder, path).flags.has('async')
}

function reasonOf(text: string): string {
  return text.replace(/FILE:\d+: /, '').replace(/^load: Error.*$/s, 'load error')
}

/** Runs tests as they stand and in a steppable form. Returns those that are refused while they run. */
async function runLevel(paths: readonly string[], stops: Stops, form: 'alone' | 'beside'): Promise<string[]> {
  const task = { folder, scratch, stops }
  const plain = await runTask({ ...task, paths, form: 'plain' })
  const stepped = await runTask({ ...task, paths, form })
  const refused: string[] = []
  for (const path of paths) {
    let one = plain.get(path)!
    let other = stepped.get(path)!
    if (one[0] === 'skipped') {
      add(counts.skipped, 'cannot be parsed as part of a function')
      continue
    }
    if (!isSame(one, other) && other[0] !== 'refused' && paths.length > 1) {
      // Alone: what ran before it may have changed the engine's objects.
      one = (await runTask({ ...task, paths: [path], form: 'plain' })).get(path)!
      other = (await runTask({ ...task, paths: [path], form })).get(path)!
    }
    if (other[0] === 'refused') {
      if (stops === 'outside' || other[1].startsWith('load:') || form === 'alone') {
        add(counts.refused, reasonOf(other[1]))
        if (values.list) process.stdout.write(`refused ${path} ${other[1]}\n`)
      } else refused.push(path)
    } else if (!isSame(one, other)) {
      counts.different.push(path)
      process.stdout.write(
        `different ${form} ${stops} ${path}\n  engine  ${JSON.stringify(one)}\n` +
          `  stepped ${JSON.stringify(other).slice(0, 600)}\n`,
      )
    } else if (form === 'beside') {
      if (one[0] === 'pass') counts.passed++
      else counts.failed++
      if (stops !== 'everywhere') counts.fewer++
    }
  }
  return refused
}

const paths = listTests().filter((path) => {
  const test = readTest(folder, path)
  const reason = test.isNegative
    ? 'is to be no program'
    : test.flags.has('module')
      ? 'a module of its own'
      : test.flags.has('raw')
        ? 'raw'
        : outside.test(test.text)
          ? 'other realms, agents, scripts'
          : null
  if (reason !== null) add(counts.skipped, reason)
  return reason === null
})
for (let at = 0; at < paths.length; at += BATCH) {
  const batch = paths.slice(at, at + BATCH)
  let left = await runLevel(batch, 'everywhere', 'beside')
  // Where the engine calls what would have to stop: the thread is alone, and then there are fewer stops.
  await runLevel(
    left.filter((path) => !isAsync(path)),
    'everywhere',
    'alone',
  )
  left = left.filter((path) => !counts.different.includes(path))
  if (left.length > 0) left = await runLevel(left, 'own', 'beside')
  if (left.length > 0) await runLevel(left, 'outside', 'beside')
  process.stderr.write(`${Math.min(at + BATCH, paths.length)} of ${paths.length}\n`)
}
if (values.keep === undefined) rmSync(scratch, { recursive: true, force: true })
const table = (map: Map<string, number>): string =>
  [...map]
    .toSorted((a, b) => b[1] - a[1])
    .map(([key, count]) => `  ${count} ${key}\n`)
    .join('')
const same = counts.passed + counts.failed
process.stdout.write(
  `run ${paths.length}: same ${same} (of which the engine fails ${counts.failed}, and ${counts.fewer} with fewer ` +
    `stops), different ${counts.different.length}\nrefused\n${table(counts.refused)}skipped\n${table(counts.skipped)}`,
)
process.exitCode = counts.different.length > 0 ? 1 : 0
