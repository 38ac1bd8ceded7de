// `npm run stress -- --seconds N --threads T --design D --rwsem R --seed S --kinds slabs,interleaved,words,free,forks
//                 --steps K --rss batched|shared --variant V`
// runs the stress test for as long as wanted. Exit code 0: nothing was found; 1: something was; 2: a wrong call.

import { parseArgs } from 'node:util'
import { designs, type DesignName } from '../../src/index.ts'
import { configVariants, runStress, StressFailure } from './stress.ts'
import type { RoundKind } from './rounds.ts'

const KINDS = ['slabs', 'interleaved', 'words', 'free', 'forks']
const RWSEMS = ['xadd', 'generic']

function wrongCall(message: string): never {
  console.error(`stress: ${message}`)
  process.exit(2)
}

function readArguments() {
  try {
    return parseArgs({
      options: {
        seconds: { type: 'string', default: '60' },
        threads: { type: 'string', default: '2' },
        design: { type: 'string', default: 'all' },
        rwsem: { type: 'string', default: 'all' },
        seed: { type: 'string' },
        kinds: { type: 'string', default: KINDS.join(',') },
        steps: { type: 'string', default: '2000' },
        rss: { type: 'string', default: 'batched' },
        variant: { type: 'string' },
      },
    }).values
  } catch (error) {
    return wrongCall((error as Error).message)
  }
}

function integer(name: string, text: string, least: number, most: number): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < least || value > most) {
    wrongCall(`--${name} must be a whole number from ${least} to ${most}, not ${text}`)
  }
  return value
}

function choices(name: string, text: string, known: readonly string[]): string[] {
  const chosen = text === 'all' ? [...known] : text.split(',')
  for (const choice of chosen)
    if (!known.includes(choice)) wrongCall(`--${name} ${choice}: there is ${known.join(', ')}`)
  return chosen
}

const values = readArguments()
const seconds = integer('seconds', values.seconds, 1, 1_000_000)
const threads = integer('threads', values.threads, 2, 16)
const steps = integer('steps', values.steps, 10, 60_000)
const chosenDesigns = choices(
  'design',
  values.design,
  designs.map(({ name }) => name),
) as DesignName[]
const rwsems = choices('rwsem', values.rwsem, RWSEMS) as ('xadd' | 'generic')[]
const kinds = choices('kinds', values.kinds, KINDS) as RoundKind[]
const [rss] = choices('rss', values.rss, ['batched', 'shared']) as ('batched' | 'shared')[]
const variant =
  values.variant === undefined ? undefined : integer('variant', values.variant, 0, configVariants.length - 1)
const firstSeed =
  values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : integer('seed', values.seed, 0, 2 ** 31)

// Each design and rwsem gets its share of the time, in turns short enough that all are met early.
const combinations = chosenDesigns.flatMap((design) => rwsems.map((rwsem) => ({ design, rwsem })))
const turnSeconds = Math.max(1, Math.min(60, seconds / combinations.length / configVariants.length))
const began = performance.now()
let turn = 0
while (performance.now() - began < seconds * 1000) {
  const { design, rwsem } = combinations[turn % combinations.length]!
  const lap = Math.floor(turn / combinations.length)
  const seed = firstSeed + lap
  // Every lap under another configuration of the kernel, unless one was asked for.
  const configuration = variant ?? lap % configVariants.length
  try {
    const left = seconds - (performance.now() - began) / 1000
    const report = await runStress({
      design,
      rwsem,
      threads,
      seed,
      kinds,
      steps,
      rss: rss!,
      config: configVariants[configuration]!,
      seconds: Math.min(turnSeconds, left),
      ...(process.stderr.isTTY
        ? { progress: (line: string) => process.stderr.write(`\r\x1b[K${design} ${rwsem}: ${line}`) }
        : {}),
    })
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
    console.log(
      `${design} ${rwsem} variant ${configuration} seed ${seed}: ${report.rounds} rounds, ${report.operations} operations ` +
        `(${report.failed} refused as they should be, ${report.outOfMemory} out of memory), ` +
        `${report.counters['pgfault'] ?? 0} faults, ${report.counters['spf_attempt'] ?? 0} speculative attempts, ` +
        `${report.counters['spf_abort'] ?? 0} aborted: no divergence, no leak`,
    )
  } catch (error) {
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
    if (!(error instanceof StressFailure)) throw error
    console.error(`DIVERGENCE: ${error.message}`)
    console.error(
      `again: npm run stress -- --design ${design} --rwsem ${rwsem} --threads ${threads} --steps ${steps} --kinds ${kinds.join(',')} ` +
        `--rss ${rss} --variant ${configuration} --seed ${seed}`,
    )
    process.exit(1)
  }
  turn++
}
