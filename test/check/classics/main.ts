// `npm run check:classics`: the examples of examples/check, larger ones too, with what each check explored.
// `npm run check:classics -- --mutate [NAME…]`: mutants of the algorithms that are right, and who of them is found.
//
// Exit code 1: something that is right fails or something that is wrong passes; a mutant survives and it is not known
// why (survivors.ts), or does not survive any more.

import { copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { basename, join } from 'node:path'
import { run } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type Mutant, mutantsOf } from './mutate.ts'
import { type Survivor, survivors } from './survivors.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const examples = join(root, 'examples/check')
const SUFFIX = '.test.ts'

/** What came of a test. */
interface Outcome {
  readonly file: string
  readonly name: string
  readonly error: unknown
  /** What it told: executions, steps and seconds. */
  told: string
}

type Running = NonNullable<Parameters<typeof run>[0]>

async function* outcomesOf(files: readonly string[], how: Running): AsyncGenerator<Outcome> {
  let last: Outcome | null = null
  for await (const { type, data } of run({ files, ...how })) {
    if (type === 'test:diagnostic' && data.file !== undefined && last !== null) last.told = data.message
    if ((type !== 'test:pass' && type !== 'test:fail') || data.skip !== undefined) continue
    if (last !== null) yield last
    const error = type === 'test:fail' ? (data.details.error.cause ?? data.details.error) : null
    last = { file: data.file!, name: data.name, error, told: '' }
  }
  if (last !== null) yield last
}

function exampleNames(): string[] {
  const files = readdirSync(examples).filter((file) => file.endsWith(SUFFIX))
  return files.map((file) => file.slice(0, -SUFFIX.length)).sort()
}

// ---------------------------------------------------------------------------------------------------------------------
// The examples as they are

async function showAll(): Promise<number> {
  process.env['FAULTLINE_CLASSICS'] = 'large'
  let failed = 0
  console.log('| algorithm | check | executions | steps | seconds |\n|---|---|---|---|---|')
  for await (const { file, name, error, told } of outcomesOf(
    exampleNames().map((each) => join(examples, each + SUFFIX)),
    { isolation: 'none' },
  )) {
    const [executions, steps, seconds] = told.match(/[\d.]+/g) ?? ['', '', '']
    const counts = [executions, steps].map((count) => Number(count).toLocaleString('en-US'))
    const result = error === null ? '' : ': **not as expected**'
    const cells = [basename(file, SUFFIX), `${name}${result}`, ...counts, seconds]
    console.log(`| ${cells.join(' | ')} |`)
    if (error !== null) failed++
  }
  return failed > 0 ? 1 : 0
}

// ---------------------------------------------------------------------------------------------------------------------
// Mutants

/** How a mutant ended. */
type Fate = 'found' | 'not finished' | 'survived'

interface Judged extends Mutant {
  readonly name: string
  readonly fate: Fate
  /** The kind of failure, or what kept it from an end. */
  readonly how: string
}

/** Limits of each check of a mutant: most are found in milliseconds. */
const LIMIT = 'seconds: 20, maxExecutions: 400_000, maxSteps: 2000, minimiseSeconds: 0'
/** Time for all tests of a mutant. */
const FILE_MS = 120_000

async function mutateAll(chosen: readonly string[]): Promise<number> {
  const judged: Judged[] = []
  for (const name of exampleNames()) {
    if (chosen.length > 0 && !chosen.includes(name)) continue
    const its = await mutate(name)
    judged.push(...its)
    for (const each of its) if (each.fate !== 'found') console.log(lineOf(each))
  }
  printTables(judged)
  const unknown = judged.filter((each) => each.fate === 'survived' && knownOf(each) === undefined)
  const tried = new Set(judged.map(({ name }) => name))
  const gone = survivors.filter(
    (known) =>
      tried.has(known.name) && !judged.some((each) => each.fate === 'survived' && knownOf(each) === known),
  )
  for (const each of unknown) console.log(`survives, and it is not known why: ${lineOf(each)}`)
  for (const { name, before, after } of gone)
    console.log(`not a survivor any more: ${name}: ${before} → ${after}`)
  return unknown.length + gone.length > 0 ? 1 : 0
}

function knownOf({ name, operator, before, after }: Judged): Survivor | undefined {
  return survivors.find(
    (known) =>
      known.name === name && known.operator === operator && known.before === before && known.after === after,
  )
}

async function mutate(name: string): Promise<Judged[]> {
  const folder = join(root, '.build/classics', name)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  for (const file of ['verdicts.ts', 'critical-section.ts'])
    copyFileSync(join(examples, file), join(folder, file))
  const mutants = mutantsOf(readFileSync(join(examples, name + SUFFIX), 'utf8'), LIMIT)
  const files = mutants.map(({ text }, index) => {
    const file = join(folder, `${index}${SUFFIX}`)
    writeFileSync(file, text)
    return file
  })
  const found = new Map<string, string>()
  const unfinished = new Map<string, string>()
  // A mutant may not even end alone, in the setup of its tests.
  const running: Running = { concurrency: availableParallelism(), timeout: FILE_MS }
  for await (const { file, error } of outcomesOf(files, running)) {
    if (error === null) continue
    const text = error instanceof Error ? error.message : String(error)
    const kind = /^(error|race|deadlock|livelock): /m.exec(text)?.[1]
    if (kind !== undefined) found.set(file, kind)
    else unfinished.set(file, text.includes('incomplete') ? 'the time was up' : text.split('\n')[0]!)
  }
  return mutants.map((mutant, index) => {
    const file = files[index]!
    const how = found.get(file) ?? unfinished.get(file) ?? ''
    const fate = found.has(file) ? 'found' : unfinished.has(file) ? 'not finished' : 'survived'
    return { ...mutant, name, fate, how }
  })
}

function lineOf({ name, line, operator, before, after, fate, how }: Judged): string {
  return `${name}:${line}: ${operator}: ${before} → ${after}: ${fate}${how === '' ? '' : ` (${how})`}`
}

function printTables(judged: readonly Judged[]): void {
  const kinds = ['same', 'slower', 'open'] as const
  const print = (head: string, keyOf: (each: Judged) => string): void => {
    console.log(
      `\n| ${head} | mutants | found | not finished | survive: ${kinds.join(' | ')} | not explained |`,
    )
    console.log('|---|---|---|---|---|---|---|---|')
    for (const key of [...new Set(judged.map(keyOf)), null]) {
      const its = judged.filter((each) => key === null || keyOf(each) === key)
      const left = its.filter(({ fate }) => fate === 'survived').map((each) => knownOf(each)?.kind)
      const counts = [
        its.length,
        ...['found', 'not finished'].map((fate) => its.filter((each) => each.fate === fate).length),
        ...[...kinds, undefined].map((kind) => left.filter((each) => each === kind).length),
      ]
      console.log(`| ${[key ?? 'all', ...counts].join(' | ')} |`)
    }
  }
  print('algorithm', ({ name }) => name)
  print('operator', ({ operator }) => operator)
}

const [option, ...names] = process.argv.slice(2)
process.exitCode = option === '--mutate' ? await mutateAll(names) : await showAll()
