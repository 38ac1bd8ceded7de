// Options of `faultline check` that say how to explore, and what the command prints about it.
import type { Command } from 'commander'
import type { CheckOptions, CheckResult, Progress, Strategy } from '../check/index.ts'
import {
  formatCount,
  formatDuration,
  formatEstimate,
  formatQuantity,
  formatRate,
  formatShare,
  plural,
} from '../report/numbers.ts'
import { UsageError } from './failure.ts'
import { parseCount, unknownName } from './options.ts'

const STRATEGIES: readonly Strategy[] = ['dpor', 'pct', 'random']
const BOUND_MAX = 1000
const TURNS_MAX = 10_000
const TIMEOUTS_MAX = 1000
const EXECUTIONS_MAX = 1e12
const DEPTH_MAX = 100
const WORKERS_MAX = 256
const SHARDS_MAX = 10_000

export interface ExploringOptions {
  readonly bound?: string
  readonly turns?: string
  readonly timeouts?: string
  readonly strategy: string
  readonly seed?: string
  readonly executions?: string
  readonly depth?: string
  readonly workers?: string
  readonly ledger?: string
  readonly shard?: string
  readonly coverage?: boolean
}

export function addExploringOptions(command: Command): Command {
  return command
    .option('--bound <count>', 'explore only interleavings with at most this many preemptions')
    .option('--turns <count>', 'follow loops that pause or count for this many turns that read the same')
    .option('--timeouts <count>', 'let the time-outs of a thread pass early at most this often')
    .option('--strategy <name>', 'dpor: every interleaving; pct, random: random ones', 'dpor')
    .option('--seed <number>', 'seed of pct and random; the same seed gives the same executions (default: 0)')
    .option('--executions <count>', 'stop exploring a scenario after this many executions')
    .option('--depth <count>', 'with pct: how many ordered steps a failure needs (default: 3)')
    .option('--workers <count>', 'number of exploring threads (default: 1)')
    .option('--ledger <file>', 'checkpoint file: continue from it if it exists, and keep it up to date')
    .option('--shard <i/n>', 'explore part i of n, for machines that do not communicate')
    .option('--coverage', 'also list pairs of lines that came to the same memory in one order only')
}

/** The options of the checker. Throws UsageError. */
export function parseExploring(given: ExploringOptions): CheckOptions {
  const strategy = STRATEGIES.find((name) => name === given.strategy)
  if (strategy === undefined) throw unknownName(given.strategy, STRATEGIES, 'strategy', '--strategy')
  refuseWith(strategy !== 'dpor', given, ['bound', 'workers', 'ledger', 'shard'], 'is random', 'leave it out')
  refuseWith(strategy === 'dpor', given, ['seed'], 'is not random', 'give --strategy pct or random')
  refuseWith(strategy !== 'pct', given, ['depth'], 'has no depth', 'give --strategy pct')
  const { bound, turns, timeouts, seed, executions, depth, workers, ledger, shard, coverage } = given
  const part = shard !== undefined ? 'shard' : 'ledger'
  if (coverage === true && given[part] !== undefined)
    throw new UsageError(`--coverage does not go with --${part}`, 'it is told of one exploration')
  return {
    strategy,
    ...(bound !== undefined && { bound: parseCount(bound, '--bound', 0, BOUND_MAX) }),
    ...(turns !== undefined && { turns: parseCount(turns, '--turns', 1, TURNS_MAX) }),
    ...(timeouts !== undefined && { timeouts: parseCount(timeouts, '--timeouts', 0, TIMEOUTS_MAX) }),
    ...(seed !== undefined && { seed: parseCount(seed, '--seed', 0, Number.MAX_SAFE_INTEGER) }),
    ...(executions !== undefined && {
      maxExecutions: parseCount(executions, '--executions', 1, EXECUTIONS_MAX),
    }),
    ...(depth !== undefined && { depth: parseCount(depth, '--depth', 1, DEPTH_MAX) }),
    ...(workers !== undefined && { workers: parseCount(workers, '--workers', 1, WORKERS_MAX) }),
    ...(ledger !== undefined && { ledger }),
    ...(shard !== undefined && { shard: parseShard(shard) }),
    ...(coverage === true && { coverage }),
  }
}

function refuseWith(
  isSo: boolean,
  given: ExploringOptions,
  names: readonly (keyof ExploringOptions)[],
  why: string,
  remedy: string,
): void {
  const name = names.find((each) => given[each] !== undefined)
  if (isSo && name !== undefined)
    throw new UsageError(`--${name} is not usable: --strategy ${given.strategy} ${why}`, remedy)
}

/** A value of --shard. */
export function parseShard(text: string): { index: number; count: number } {
  const [index = '', count = '', ...more] = text.split('/')
  if (more.length > 0 || !/^\d+$/.test(index) || !/^\d+$/.test(count))
    throw new UsageError(`--shard ${text} is not usable`, 'give it as 1/4 to 4/4')
  const shards = parseCount(count, '--shard', 1, SHARDS_MAX)
  return { index: parseCount(index, '--shard', 1, shards), count: shards }
}

/** What was covered, after the verdict. */
export function extentText(result: CheckResult): string {
  const { verdict, complete, bound, shard, strategy, timeouts, turns, programs } = result
  if (strategy !== 'dpor') return verdict === 'fail' ? '' : ', random'
  const some = bound === null ? '' : ` with at most ${formatCount(bound)} preemption${bound === 1 ? '' : 's'}`
  const part = shard === null ? '' : `, part ${shard}`
  const time = timeouts === null ? '' : ` (time-outs of a thread pass early at most ${timeouts} times)`
  const loops = turns === null ? '' : ` (${loopsLeft(result)})`
  const values = [result.clock && CLOCK, result.chance && CHANCE, result.racy && RACY]
    .filter(Boolean)
    .join('')
  if (complete) return `, every interleaving${some}${time}${loops}${part}${ofPrograms(programs)}${values}`
  return verdict === 'incomplete'
    ? `${some === '' ? '' : `, interleavings${some}`}${time}${loops}${part}`
    : ''
}

function loopsLeft({ turns, patience }: CheckResult): string {
  if (patience !== undefined) return `a thread waits at most ${patience} steps for the loop of another`
  return `loops that pause or count are followed for ${turns} turns that read the same`
}

/** Of what linearizable() has made. */
function ofPrograms(programs: CheckResult['programs']): string {
  if (programs === undefined) return ''
  const { explored, inAll } = programs
  return ` of ${plural(explored, 'program')}${explored < inAll ? `, of ${formatCount(inAll)} in all` : ''}`
}

/** What is not explored of clocks. */
const CLOCK = ' (where a thread looks at a clock, that stands as before or has moved by ten days)'
/** The same of random numbers. */
const CHANCE = ' (one sequence of random numbers)'
/** What is not explored of accesses that race. */
const RACY = ' (racy accesses read older values too, each thread four at most)'

const NO_END = `  no execution ended
  if threads send messages to each other for ever, or wait for each other in turn: let them stop after a few rounds
`

/** Lines about what is not covered; empty where everything is. */
export function remainderText(result: CheckResult): string {
  const { verdict, strategy, estimatedExecutions, executions, seconds, seed, depth, guarantee } = result
  const { redundant } = result
  if (strategy !== 'dpor') {
    const chance = guarantee === null || verdict === 'fail' ? '' : `${oneIn(guarantee)}\n`
    return `  ${strategy === 'pct' ? `PCT of depth ${depth}` : 'uniform random walk'}, seed ${seed}\n${chance}`
  }
  if (result.endless !== undefined)
    return `  the time ran out in the middle of an execution, in the loop at ${result.endless}\n`
  const leaves = verdict === 'incomplete' ? `${leftText(result)}${leftTimeoutText(result)}` : ''
  if (verdict !== 'incomplete' || estimatedExecutions === null || estimatedExecutions === executions)
    return leaves
  if (redundant === executions) return NO_END
  const left = Math.max(0, estimatedExecutions - executions)
  const time = formatDuration((left / executions) * seconds * 1e9)
  return (
    `  ${formatEstimate(estimatedExecutions)} executions, as estimated; ${time} more at this rate\n` +
    `${coveredText(result)}${leaves}`
  )
}

/** What was covered all the same. */
function coveredText({ boundCovered: bound }: CheckResult): string {
  if (bound === undefined) return ''
  return `  every interleaving with ${bound === 0 ? 'no preemption' : `at most ${plural(bound, 'preemption')}`} holds, and others at random\n`
}

/** What to do about loops that were not followed to their end. */
function leftText({ turns, patience, leftLoop, leftCounter }: CheckResult): string {
  if (turns === null) return ''
  const place = leftLoop === undefined ? '' : `, as ${leftLoop}`
  const end = patience === undefined ? `${turns} turns` : 'that'
  return `  what such a loop does after ${end} was not explored${place}
${leftCounter === undefined ? '' : `  each count in ${leftCounter} is another result: leave it out of what is checked, or\n`}  let it give up sooner, or accept that with --turns ${turns}, in a program with turns: ${turns}\n`
}

/** The same about time-outs. */
function leftTimeoutText({ timeouts, leftTimeout, clock }: CheckResult): string {
  if (timeouts === null) return ''
  const place = leftTimeout === undefined ? '' : `, as ${leftTimeout}`
  const what = clock ? 'time-out, or long time, ' : 'time-out '
  return `  what a further ${what}leads to was not explored${place}
  let it give up sooner, or accept that with --timeouts ${timeouts}, in a program with timeouts: ${timeouts}\n`
}

function oneIn(probability: number): string {
  const executions = formatQuantity(Math.round(1 / probability))
  return `  finds a failure that needs this many ordered steps in at least 1 of ${executions} executions`
}

/** The progress of an exploration, for a line on the terminal. */
export function progressText(name: string, progress: Progress): string {
  const { executions, redundant, steps, seconds, estimatedExecutions } = progress
  const parts = [
    plural(executions, 'execution'),
    formatRate(executions / seconds),
    `${formatQuantity(steps / seconds)} steps/s`,
    `${formatShare(redundant / executions)} redundant`,
  ]
  if (estimatedExecutions !== null) {
    if (redundant === executions) return NO_END
    const left = Math.max(0, estimatedExecutions - executions)
    parts.push(`of ${formatEstimate(estimatedExecutions)}`)
    parts.push(`${formatDuration((left / executions) * seconds * 1e9)} left`)
  }
  return `check ${name}: ${parts.join(', ')}`
}
