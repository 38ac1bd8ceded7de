// `npm run stress -- --seconds N --threads T --design D --rwsem R --seed S --kinds
// slabs,interleaved,words,free,forks,vma,vma-swap
//                 --steps K --rss batched|shared --variant V`
// runs the stress test for as long as wanted. Exit code 0: nothing was found; 1: something was; 2: a wrong call.
// The mix of stress-ng's vma has threads of its own, as many as it has lines; --threads and --steps are of the others.
// In vma-swap, memory is so scarce that pages have to leave it.

import { parseArgs } from 'node:util'
import { designs, type DesignName, type RwsemKind } from '../../src/memory.ts'
import { configVariants, runStress, StressFailure } from './stress.ts'
import type { RoundKind } from './rounds.ts'
import { SCARCE_MEMORY, VmaStress } from './vma.ts'
import { SPACES } from './vma-round.ts'

const KINDS = ['slabs', 'interleaved', 'words', 'free', 'forks', 'vma', 'vma-swap']
const RWSEMS = ['xadd', 'generic', 'writer-spinning', 'reader-spinning', 'spinning']

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
const rwsems = choices('rwsem', values.rwsem, RWSEMS) as RwsemKind[]
const kinds = choices('kinds', values.kinds, KINDS)
const [rss] = choices('rss', values.rss, ['batched', 'shared']) as ('batched' | 'shared')[]
const variant =
  values.variant === undefined ? undefined : integer('variant', values.variant, 0, configVariants.length - 1)
const firstSeed =
  values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : integer('seed', values.seed, 0, 2 ** 31)

interface Turn {
  design: DesignName
  rwsem: RwsemKind
  /** which of `configVariants` */
  configuration: number
  seed: number
  seconds: number
}

const showsProgress = process.stderr.isTTY

/** Rounds in which all that happens is held against the reference model. */
async function referenceTurn(turn: Turn, of: readonly RoundKind[]): Promise<string> {
  const { design, rwsem, configuration, seed } = turn
  const report = await runStress({
    design,
    rwsem,
    threads,
    seed,
    kinds: of,
    steps,
    rss: rss!,
    config: configVariants[configuration]!,
    seconds: turn.seconds,
    ...(showsProgress
      ? { progress: (line: string) => process.stderr.write(`\r\x1b[K${design} ${rwsem}: ${line}`) }
      : {}),
  })
  return (
    `${report.rounds} rounds, ${report.operations} operations ` +
    `(${report.failed} refused as they should be, ${report.outOfMemory} out of memory), ${faultsOf(report.counters)}`
  )
}

/** Rounds of the vma mix, each with its own machine, and now one address space, now two. */
async function vmaTurn(turn: Turn, stress: VmaStress, scarce: boolean): Promise<string> {
  const began = performance.now()
  const total = { rounds: 0, steps: 0, refused: 0, signals: 0 }
  const counters: Record<string, number> = {}
  do {
    const report = await stress.round({
      design: turn.design,
      rwsem: turn.rwsem,
      config: configVariants[turn.configuration]!,
      rss: rss!,
      ...(scarce ? { memory: SCARCE_MEMORY } : {}),
      seed: turn.seed,
      spaces: 1 + (total.rounds % SPACES),
      milliseconds: Math.min(1000, turn.seconds * 1000),
    })
    total.rounds++
    for (const name of ['steps', 'refused', 'signals'] as const) total[name] += report[name]
    for (const [name, value] of Object.entries(report.counters))
      counters[name] = (counters[name] ?? 0) + value
  } while (performance.now() - began < turn.seconds * 1000)
  return (
    `${total.rounds} rounds of the vma mix${scarce ? ' in scarce memory' : ''}, ${total.steps} steps ` +
    `(${total.refused} refused, ${total.signals} signals, as may be), ${faultsOf(counters)}`
  )
}

function faultsOf(counters: Record<string, number>): string {
  const count = (name: string): number => counters[name] ?? 0
  return (
    `${count('pgfault')} faults, ${count('spf_attempt')} speculative attempts, ${count('spf_abort')} aborted: ` +
    'no divergence, no leak'
  )
}

/** Performs a part of a turn and tells of it; ends the program when something was found. */
async function tell(turn: Turn, part: readonly string[], run: () => Promise<string>): Promise<void> {
  const { design, rwsem, configuration, seed } = turn
  try {
    const line = await run()
    if (showsProgress) process.stderr.write('\r\x1b[K')
    console.log(`${design} ${rwsem} variant ${configuration} seed ${seed}: ${line}`)
  } catch (error) {
    if (showsProgress) process.stderr.write('\r\x1b[K')
    if (!(error instanceof StressFailure)) throw error
    console.error(`DIVERGENCE: ${error.message}`)
    console.error(
      `again: npm run stress -- --design ${design} --rwsem ${rwsem} --threads ${threads} --steps ${steps} --kinds ${part.join(',')} ` +
        `--rss ${rss} --variant ${configuration} --seed ${seed}`,
    )
    process.exit(1)
  }
}

// Each design and rwsem gets its share of the time, in turns short enough that all are met early.
const combinations = chosenDesigns.flatMap((design) => rwsems.map((rwsem) => ({ design, rwsem })))
const turnSeconds = Math.max(1, Math.min(60, seconds / combinations.length / configVariants.length))
const referenceKinds = kinds.filter((kind) => !kind.startsWith('vma')) as RoundKind[]
const vmaKinds = kinds.filter((kind) => kind.startsWith('vma'))
const vmaStress = vmaKinds.length > 0 ? await VmaStress.start() : null
const parts = vmaKinds.length + (referenceKinds.length > 0 ? 1 : 0)
const began = performance.now()
let number = 0
while (performance.now() - began < seconds * 1000) {
  const lap = Math.floor(number / combinations.length)
  const left = seconds - (performance.now() - began) / 1000
  const turn: Turn = {
    ...combinations[number % combinations.length]!,
    seed: firstSeed + lap,
    // Every lap under another configuration of the kernel, unless one was asked for.
    configuration: variant ?? lap % configVariants.length,
    seconds: Math.min(turnSeconds, left) / parts,
  }
  if (referenceKinds.length > 0) await tell(turn, referenceKinds, () => referenceTurn(turn, referenceKinds))
  for (const kind of vmaKinds) await tell(turn, [kind], () => vmaTurn(turn, vmaStress!, kind === 'vma-swap'))
  number++
}
await vmaStress?.stop()
