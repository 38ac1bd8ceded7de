// How fast the checker is, and what its reductions bring: `npm run bench:check`, with names of scenarios for some of
// them, and `-- --seconds S` for how long each number may take.
//
// For each scenario: steps and executions a second on one core; how many executions there are with source sets and
// sleep sets, with sleep sets alone, and of all interleavings; and where the time goes. What is not counted to the
// end is estimated and marked with ≈: sleep sets alone from the part that was explored, all interleavings by random
// descents (Knuth: Estimating the efficiency of backtrack programs, 1975).

import { Session, type Profiler } from 'node:inspector/promises'
import os from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Execution } from '../src/check/execution.ts'
import { type Exploration, type ExploreOptions, explore, makeExplorer } from '../src/check/explore.ts'
import { type Subject, runOnce, withoutStacks } from '../src/check/run-once.ts'
import { Explorer } from '../src/check/explorer.ts'
import { scenarioNames } from '../src/check/index.ts'
import { type KernelChoice, type Target, prepare } from '../src/check/prepare.ts'
import { Random } from '../src/check/random.ts'
import { parseDesigns, parseRwsems } from '../src/cli/options.ts'
import {
  type Column,
  formatCount,
  formatFactor,
  formatQuantity,
  formatShare,
  formatTable,
} from '../src/report/index.ts'

const MAX_STEPS = 20_000
const LIMITS = { maxSteps: MAX_STEPS }
const DESCENTS = 2000
/** Executions of a turn. */
const SLICE = 2000

/** A number of executions, counted or estimated. */
interface Count {
  readonly executions: number
  readonly isExact: boolean
}

interface Measured {
  readonly name: string
  readonly stepsPerSecond: number
  readonly executionsPerSecond: number
  readonly reduced: Count
  /** Where threads may be exchanged for one another, the count if they are not. */
  readonly distinct: Count | null
  readonly sleepSetsAlone: Count
  readonly all: Count
  readonly shares: Shares
  readonly states: States
}

/** What it brings that executions begin at saved states. */
interface States {
  /** Of all steps: those that no execution before had, and those that were run. */
  readonly fresh: number
  readonly run: number
  /** Executions a second, from the beginning and from saved states; the same where there are none. */
  readonly fromBeginning: number
  readonly fromState: number
}

/** Where processor time goes. */
interface Shares {
  readonly program: number
  readonly runtime: number
  readonly explorer: number
  readonly restore: number
}

async function measure(target: Target, seconds: number): Promise<Measured> {
  const { subject, title } = await prepare(target, false)
  const options: ExploreOptions = { maxExecutions: Infinity, maxSteps: MAX_STEPS, maxMs: seconds * 1000 }
  // The engine compiles what it meets often: the first runs are for that.
  exploreFor(subject, options, Math.min(2000, options.maxMs))
  const { run, ...rates } = exploreFor(subject, options, options.maxMs)
  const reduced = { executions: run.estimatedExecutions ?? 0, isExact: run.complete }
  const alike = subject.functions !== undefined && new Set(subject.functions).size < subject.threads
  const distinctRun = alike ? explore(subject, { ...options, distinct: true }) : null
  const distinct = distinctRun && {
    executions: distinctRun.estimatedExecutions ?? 0,
    isExact: distinctRun.complete,
  }
  // Before explorers of other kinds, whose code would then be that of these too.
  const states = measureStates(subject, options)
  const { design, rwsem } = target.choice ?? {}
  return {
    name: design === undefined ? title : `${title}, ${design}/${rwsem}`,
    ...rates,
    reduced,
    distinct,
    sleepSetsAlone: count(subject, true, seconds),
    all: countAll(subject, seconds),
    shares: await profile(subject, options),
    states,
  }
}

/** Both ways in turn, a slice of the exploration each, so that what else the machine does hits both. */
function measureStates(subject: Subject, options: ExploreOptions): States {
  const ways = [false, true].map((saves) => new Way(subject, options, saves))
  const end = performance.now() + 2 * options.maxMs
  withoutStacks(() => {
    // The engine compiles what only one of them does.
    for (const way of ways) way.run()
    for (const way of ways) way.restart()
    do for (const way of ways) way.run()
    while (performance.now() < end)
  })
  const [fromBeginning, fromState] = ways.map(({ executions, seconds }) => executions / seconds)
  const { fresh, steps, skipped } = ways[1]!
  return {
    fresh: fresh / steps,
    run: 1 - skipped / steps,
    fromBeginning: fromBeginning!,
    fromState: fromState!,
  }
}

/** An exploration that begins anew when it is complete. */
class Way {
  executions = 0
  seconds = 0
  steps = 0
  fresh = 0
  skipped = 0
  readonly #make: () => Explorer
  readonly #subject: Subject
  #explorer: Explorer
  /** What was taken over of the explorer's counts, which it goes on with: they say how far apart its states are. */
  #taken = { steps: 0, fresh: 0, skipped: 0 }

  constructor(subject: Subject, options: ExploreOptions, saves: boolean) {
    this.#subject = subject
    this.#make = () => {
      const explorer = makeExplorer(subject, options)
      if (!saves) explorer.checkpoints = null
      return explorer
    }
    this.#explorer = this.#make()
  }

  run(): void {
    // The other way has left the machine elsewhere.
    this.#explorer.checkpoints?.clear()
    const before = secondsOfThread()
    for (let left = SLICE; left > 0; left--) {
      if (runOnce(this.#subject, this.#explorer) !== null)
        throw new Error('a scenario of the benchmark fails')
      this.executions++
      if (!this.#explorer.advance()) this.#renew()
    }
    this.seconds += secondsOfThread() - before
    this.#account(this.#explorer)
  }

  /** What was counted so far does not count. */
  restart(): void {
    this.executions = 0
    this.seconds = 0
    this.steps = 0
    this.fresh = 0
    this.skipped = 0
  }

  #renew(): void {
    this.#account(this.#explorer)
    this.#explorer.retire()
    this.#explorer = this.#make()
    this.#taken = { steps: 0, fresh: 0, skipped: 0 }
  }

  /** Takes over what it has counted since this was last asked. */
  #account({ steps, fresh, skipped }: Explorer): void {
    this.steps += steps - this.#taken.steps
    this.fresh += fresh - this.#taken.fresh
    this.skipped += skipped - this.#taken.skipped
    this.#taken = { steps, fresh, skipped }
  }
}

/** Of the processor, by the thread that explores: what the engine compiles and collects beside it is not counted. */
function secondsOfThread(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1e6
}

/** Explores again and again. */
function exploreFor(
  subject: Subject,
  options: ExploreOptions,
  ms: number,
): { run: Exploration; stepsPerSecond: number; executionsPerSecond: number } {
  const end = performance.now() + ms
  const before = secondsOfThread()
  let steps = 0
  let executions = 0
  let run: Exploration
  do {
    run = explore(subject, { ...options, maxMs: ms })
    steps += run.steps
    executions += run.executions
  } while (performance.now() < end)
  const seconds = secondsOfThread() - before
  return { run, stepsPerSecond: steps / seconds, executionsPerSecond: executions / seconds }
}

/** Explores everything that sleep sets do not rule out, or everything. */
function count(subject: Subject, sleepSets: boolean, seconds: number): Count {
  const explorer = new Explorer(subject.threads, {
    ...LIMITS,
    bound: null,
    symmetry: null,
    fullDepth: MAX_STEPS,
    sleepSets,
  })
  const end = performance.now() + seconds * 1000
  let more = true
  withoutStacks(() => {
    while (more && performance.now() < end) {
      if (runOnce(subject, explorer) !== null) throw new Error('a scenario of the benchmark fails')
      more = explorer.advance()
    }
  })
  return { executions: more ? explorer.estimate() : explorer.executions, isExact: !more }
}

function countAll(subject: Subject, seconds: number): Count {
  const counted = count(subject, false, seconds)
  if (counted.isExact) return counted
  let sum = 0
  withoutStacks(() => {
    for (let descent = 0; descent < DESCENTS; descent++) {
      const walk = new Descent(subject.threads, descent)
      if (runOnce(subject, walk) !== null) throw new Error('a scenario of the benchmark fails')
      sum += walk.weight
    }
  })
  return { executions: sum / DESCENTS, isExact: false }
}

/** A random execution, and as how many it counts. */
class Descent extends Execution {
  weight = 1
  readonly #random: Random

  constructor(threads: number, number: number) {
    super(threads, { ...LIMITS, maxSteps: 2000 })
    this.#random = new Random(0, number)
  }

  protected override pick(_event: number, enabled: number): number {
    const ways = this.threads.filter(({ id }) => (enabled & (1 << id)) !== 0)
    this.weight *= ways.length
    return ways[this.#random.below(ways.length)]!.id
  }

  protected override pickTime(_event: number, thread: number): number {
    return thread
  }

  protected override meetRaces(): void {
    // Nothing is tried in another order.
  }

  protected override chosen(): void {
    // See meetRaces.
  }
}

async function profile(subject: Subject, options: ExploreOptions): Promise<Shares> {
  const session = new Session()
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.setSamplingInterval', { interval: 500 })
  await session.post('Profiler.start')
  exploreFor(subject, options, Math.min(3000, options.maxMs))
  const { profile: result } = await session.post('Profiler.stop')
  session.disconnect()
  return sharesOf(result)
}

function sharesOf({ nodes }: Profiler.Profile): Shares {
  const hits = { program: 0, runtime: 0, explorer: 0, restore: 0 }
  let total = 0
  for (const { callFrame, hitCount = 0 } of nodes) {
    const { url, functionName } = callFrame
    if (functionName === '(idle)') continue
    total += hitCount
    if (/^(restore|reset|goBack|load)$/.test(functionName)) hits.restore += hitCount
    else if (url.includes('?stepped=')) hits.program += hitCount
    else if (url.includes('/backends/stepped/')) hits.runtime += hitCount
    else if (url.includes('/check/')) hits.explorer += hitCount
  }
  const shareOf = (part: number): number => (total === 0 ? 0 : part / total)
  return {
    program: shareOf(hits.program),
    runtime: shareOf(hits.runtime),
    explorer: shareOf(hits.explorer),
    restore: shareOf(hits.restore),
  }
}

function countText({ executions, isExact }: Count): string {
  if (isExact) return formatCount(executions)
  return executions < 1e12 ? `≈ ${formatQuantity(executions)}` : `≈ 10^${Math.round(Math.log10(executions))}`
}

function factorText(all: Count, reduced: Count): string {
  const factor = all.executions / reduced.executions
  const text = factor < 1e6 ? formatFactor(factor) : `10^${Math.round(Math.log10(factor))}×`
  return all.isExact && reduced.isExact ? text : `≈ ${text}`
}

function tableText(rows: readonly Measured[]): string {
  const column = (
    heading: string[],
    cell: (row: Measured) => string,
    align: Column['align'] = 'right',
  ): Column => ({
    heading,
    align,
    cells: rows.map(cell),
  })
  const columns = [
    column(['scenario'], ({ name }) => name, 'left'),
    column(['steps/s'], ({ stepsPerSecond }) => formatQuantity(stepsPerSecond)),
    column(['executions/s'], ({ executionsPerSecond }) => formatQuantity(executionsPerSecond)),
    column(['executions'], ({ reduced }) => countText(reduced)),
    column(['alike threads', 'not exchanged'], ({ distinct }) =>
      distinct === null ? '—' : countText(distinct),
    ),
    column(['sleep sets', 'alone'], ({ sleepSetsAlone }) => countText(sleepSetsAlone)),
    column(['every', 'interleaving'], ({ all }) => countText(all)),
    column(['reduction'], ({ all, reduced }) => factorText(all, reduced)),
    column(['time in', 'the program'], ({ shares }) => formatShare(shares.program)),
    column(['its', 'steps'], ({ shares }) => formatShare(shares.runtime)),
    column(['the', 'explorer'], ({ shares }) => formatShare(shares.explorer)),
    column(['going', 'back'], ({ shares }) => formatShare(shares.restore)),
    column(['steps that', 'are new'], ({ states }) => formatShare(states.fresh)),
    column(['that', 'are run'], ({ states }) => formatShare(states.run)),
    column(['executions/s', 'from the beginning'], ({ states }) => formatQuantity(states.fromBeginning)),
    column(['from', 'states'], ({ states }) => formatQuantity(states.fromState)),
  ]
  return formatTable(columns, { indent: 0 }).join('\n')
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '5' },
    design: { type: 'string', default: 'lespinasse-2021' },
    rwsem: { type: 'string', default: 'xadd' },
    json: { type: 'boolean', default: false },
  },
})
const [design] = parseDesigns(values.design)
const [rwsem] = parseRwsems(values.rwsem)
const choice: KernelChoice = { design: design!, rwsem: rwsem! }
const names = positionals.length > 0 ? positionals : scenarioNames
const targets: Target[] = names.map((scenario) => ({
  scenario,
  choice: scenario.endsWith('.ts') ? null : choice,
  patches: [],
}))
if (positionals.length === 0) {
  const scenario = fileURLToPath(new URL('alike.check.ts', import.meta.url))
  targets.push({ scenario, choice: null, patches: [] })
}
const rows: Measured[] = []
for (const target of targets) {
  process.stderr.write(`${target.scenario}\n`)
  rows.push(await measure(target, Number(values.seconds)))
}
console.log(
  values.json
    ? JSON.stringify(rows)
    : `${os.cpus()[0]?.model}, Node ${process.version}\n\n${tableText(rows)}`,
)
