// Checks a scenario: loads it in its steppable form, explores it, and says what was found.

import { basename } from 'node:path'
import { type Site, memory, setDeadline, setForbidden, setProbes } from '../backends/stepped/index.ts'
import { NotDeterministic } from './step-log.ts'
import { raceWithLoop } from './follow.ts'
import { type Exploration, type ExploreOptions, type Progress, type Strategy, explore } from './explore.ts'
import { type CheckFailure, describeFailure, replayExecution } from './failure.ts'
import type { SourcePatch } from './mutants/patch.ts'
import { exploreParts } from './parts.ts'
import { TIMEOUTS_MAX } from './passing-time.ts'
import { type KernelChoice, type Prepared, type Target, prepare } from './prepare.ts'
import { oneAfterAnother } from './queue.ts'
import type { ScenarioOptions } from './scenario.ts'
import { counterexampleText } from './table.ts'
import { type CheckedCode, executionOf } from './token.ts'
import { type Shard, deadlineAfter } from './work.ts'

const MAX_STEPS = 20_000
const SECONDS = 60
const MINIMISE_SECONDS = 20
/** Most failures need no more ordered steps. */
const DEPTH = 3

export interface CheckOptions extends ScenarioOptions {
  /** Explore only what needs at most so many preemptions. Default null: every interleaving. */
  readonly bound?: number | null
  /** 'dpor', the default, explores every interleaving; 'pct' and 'random' choose by chance. */
  readonly strategy?: Strategy
  /** What chance begins with: the same seed, the same executions. Default 0. */
  readonly seed?: number
  /** Of 'pct': how many ordered steps a failure needs, from 1. Default 3. */
  readonly depth?: number
  /** Worker threads that explore, for 'dpor'. Default 1: this thread. */
  readonly workers?: number
  /** A file to go on from if it is there, and to go on from later; for 'dpor'. */
  readonly ledger?: string
  /** Explore only one part of several, for machines that do not know of each other; for 'dpor'. */
  readonly shard?: Shard
  /** Called a few times a second. */
  readonly onProgress?: (progress: Progress) => void
  /** Shorten a counterexample for so many seconds at most. Default 20; 0 leaves it as it was found. */
  readonly minimiseSeconds?: number
  /** Changes of the source, for a look at what a guard is good for. */
  readonly patches?: readonly SourcePatch[]
}

export type ReplayOptions = Pick<CheckOptions, 'patches'>

export interface CheckResult {
  readonly scenario: string
  /** Of a kernel scenario. */
  readonly design: string | null
  readonly rwsem: string | null
  readonly rss: string | null
  /** With the errors of the design's published form; false where there is no design. */
  readonly published: boolean
  readonly verdict: 'pass' | 'fail' | 'incomplete'
  /** Every interleaving was covered, within the bound and the shard. */
  readonly complete: boolean
  readonly executions: number
  /** Executions that were given up because others had shown the same. */
  readonly redundant: number
  readonly steps: number
  readonly seconds: number
  /** Preemptions at most; null where that was not limited. */
  readonly bound: number | null
  readonly strategy: Strategy
  /** How many executions there seem to be: as many as there were, where they were all; null with chance. */
  readonly estimatedExecutions: number | null
  /** Of 'pct' and 'random'; else null. */
  readonly seed: number | null
  /** Of 'pct'; else null. */
  readonly depth: number | null
  /** Of 'pct': with which probability, at least, each execution shows a failure of the depth; else null. */
  readonly guarantee: number | null
  /** The part that was explored, as 'i/n'; null for all. */
  readonly shard: string | null
  /**
   * How often at most the time-outs of each thread pass while something else could go on, each at any moment, where
   * threads were seen to wait with one; else null.
   */
  readonly timeouts: number | null
  readonly failure: CheckFailure | null
  /** Where the time was up in the middle of an execution, in a loop: its place. */
  readonly endless?: string
}

/**
 * Checks the scenario that the module `file` (a path or a file: address) exports as default. Options of the scenario
 * hold where `options` are silent. Checks that are begun while another one runs wait for it.
 *
 * Throws NoScenario for a file that cannot be loaded or exports no scenario; SteppingRefused, with file, line and a
 * remedy, where the program comes to what cannot be stepped; NotDeterministic where it does something else with the
 * same choices; and LedgerRefused.
 */
export function checkFile(file: string | URL, options: CheckOptions = {}): Promise<CheckResult> {
  return check(fileTarget(file, options), options)
}

/**
 * Checks as checkFile() does, and throws ScenarioFailed where something fails. Where a limit ends the exploration
 * first, that is no failure: `complete` of the result is then false.
 */
export async function assertHolds(file: string | URL, options: CheckOptions = {}): Promise<CheckResult> {
  const result = await checkFile(file, options)
  if (result.failure !== null) throw new ScenarioFailed(result, result.failure)
  return result
}

/** A scenario does not hold. The message shows the interleaving in which it fails, as the command does. */
export class ScenarioFailed extends Error {
  override readonly name = 'ScenarioFailed'
  readonly result: CheckResult

  constructor(result: CheckResult, failure: CheckFailure) {
    super(`${result.scenario}\n\n${counterexampleText(failure.counterexample)}`)
    this.result = result
  }
}

/** Checks the shipped scenario `name` on a machine of a kind. Throws LedgerRefused. */
export function checkKernelScenario(
  name: string,
  choice: KernelChoice,
  options: CheckOptions = {},
): Promise<CheckResult> {
  return check({ scenario: name, choice, patches: options.patches ?? [] }, options)
}

/**
 * Runs the execution of a replay token again. Throws TokenRefused if the token is not for the file or not for its code
 * as it is, and what checkFile throws.
 */
export function replayFile(
  file: string | URL,
  token: string,
  options: ReplayOptions = {},
): Promise<CheckResult> {
  return replay(fileTarget(file, options), token)
}

/**
 * Runs the execution of a replay token of a shipped scenario again. Throws TokenRefused if the token is for another
 * scenario or machine, or for other code.
 */
export function replayKernelScenario(
  name: string,
  choice: KernelChoice,
  token: string,
  options: ReplayOptions = {},
): Promise<CheckResult> {
  return replay({ scenario: name, choice, patches: options.patches ?? [] }, token)
}

function fileTarget(file: string | URL, { patches = [] }: ReplayOptions): Target {
  return { scenario: String(file), choice: null, patches }
}

function check(target: Target, options: CheckOptions): Promise<CheckResult> {
  return oneAfterAnother(async () => {
    const prepared = await prepareInTime(target, options.seconds)
    return judge(target, prepared, { ...prepared.options, ...options })
  })
}

/** The modules' own code may hold a loop without end too. */
async function prepareInTime(target: Target, seconds = SECONDS): Promise<Prepared> {
  // Buffers have the numbers of another program's, and what is looked at by bytes is found for each anew.
  memory.byteCells.clear()
  setDeadline(deadlineAfter(seconds * 1000))
  try {
    return await prepare(target, false)
  } finally {
    setDeadline(Infinity)
  }
}

async function judge(target: Target, prepared: Prepared, options: CheckOptions): Promise<CheckResult> {
  const found = await exploreTarget(target, prepared, options)
  const { strategy = 'dpor', seed = 0, depth = DEPTH, maxSteps = MAX_STEPS } = options
  const raw = found.failure ?? (found.endless && raceWithLoop(prepared.subject, found.endless, maxSteps))
  const failure =
    raw &&
    (await describeFailure(raw, prepared, () => prepare(target, true), {
      code: codeOf(target, prepared),
      noun: nounOf(target),
      maxSteps,
      minimiseSeconds: options.minimiseSeconds ?? MINIMISE_SECONDS,
    }))
  setProbes(null)
  setForbidden(null)
  return {
    scenario: prepared.title,
    design: target.choice?.design ?? null,
    rwsem: target.choice?.rwsem ?? null,
    rss: target.choice && (target.choice.rss ?? 'batched'),
    published: target.choice?.published ?? false,
    verdict: failure !== null ? 'fail' : found.complete ? 'pass' : 'incomplete',
    complete: found.complete,
    executions: found.executions,
    redundant: found.redundant,
    steps: found.steps,
    seconds: found.seconds,
    bound: options.bound ?? null,
    strategy,
    seed: strategy === 'dpor' ? null : seed,
    depth: strategy === 'pct' ? depth : null,
    estimatedExecutions: found.estimatedExecutions,
    guarantee: guaranteeOf(prepared, found, options),
    shard: options.shard === undefined ? null : `${options.shard.index}/${options.shard.count}`,
    timeouts: found.hasTimedWaits ? TIMEOUTS_MAX : null,
    failure,
    ...(found.endless !== null && failure === null && { endless: placeOf(found.endless) }),
  }
}

/** As explore(), with the places of the source where it is refused. */
async function exploreTarget(
  target: Target,
  { subject, sites, digest }: Prepared,
  options: CheckOptions,
): Promise<Exploration> {
  const {
    maxExecutions = 10_000_000,
    maxSteps = MAX_STEPS,
    seconds = SECONDS,
    shard = null,
    ledger = null,
  } = options
  const { bound = null, strategy = 'dpor', seed = 0, depth = DEPTH, onProgress } = options
  const exploring: ExploreOptions = {
    maxExecutions,
    maxSteps,
    maxMs: seconds * 1000,
    bound,
    strategy,
    seed,
    depth,
    ...(onProgress && { onProgress }),
  }
  const workers = options.workers ?? 1
  setDeadline(deadlineAfter(exploring.maxMs))
  try {
    if (strategy !== 'dpor' || (workers === 1 && shard === null && ledger === null))
      return explore(subject, exploring)
    const { design = null, rwsem = null, rss = null } = target.choice ?? {}
    const published = target.choice?.published === true ? 'published' : null
    const words = [basename(target.scenario), design, rwsem, rss === 'shared' ? rss : null, published]
    const scenario = words.filter((word) => word !== null).join(' ')
    const key = { digest, scenario, options: { bound, maxSteps, shard } }
    return await exploreParts(subject, exploring, { workers, shard, ledger, key, target })
  } catch (error) {
    if (!(error instanceof NotDeterministic) || error.site < 0) throw error
    throw new NotDeterministic(`${error.message}: ${placeOf(sites[error.site])}`, error.step, error.site)
  } finally {
    setDeadline(Infinity)
  }
}

/** Of PCT: how likely, at least, each execution shows a failure that needs so many ordered steps. */
function guaranteeOf({ subject }: Prepared, { stepsMax }: Exploration, options: CheckOptions): number | null {
  if (options.strategy !== 'pct' || stepsMax === null) return null
  return 1 / (subject.threads * stepsMax ** ((options.depth ?? DEPTH) - 1))
}

/** One execution, and so nothing about all others. */
function replay(target: Target, token: string): Promise<CheckResult> {
  return oneAfterAnother(async () => replayPrepared(target, await prepareInTime(target), token))
}

async function replayPrepared(target: Target, prepared: Prepared, token: string): Promise<CheckResult> {
  const started = performance.now()
  const execution = executionOf(token, codeOf(target, prepared))
  const prepareTraced = (): Promise<Prepared> => prepare(target, true)
  setDeadline(deadlineAfter(SECONDS * 1000))
  const failure = await replayExecution(token, execution, prepared, prepareTraced, nounOf(target))
  setDeadline(Infinity)
  return {
    scenario: prepared.title,
    design: target.choice?.design ?? null,
    rwsem: target.choice?.rwsem ?? null,
    rss: target.choice && (target.choice.rss ?? 'batched'),
    published: target.choice?.published ?? false,
    verdict: 'fail',
    complete: false,
    executions: 1,
    redundant: 0,
    steps: failure.steps,
    seconds: (performance.now() - started) / 1000,
    bound: null,
    strategy: 'dpor',
    seed: null,
    depth: null,
    estimatedExecutions: null,
    guarantee: null,
    shard: null,
    timeouts: null,
    failure,
  }
}

/** What a token is for. Of a file its name only: it may stand elsewhere on another machine. */
function codeOf({ scenario, choice }: Target, { digest }: Prepared): CheckedCode {
  const name = choice === null ? basename(scenario) : scenario
  const { design = null, rwsem = null, rss = null, published = false } = choice ?? {}
  return { scenario: name, design, rwsem, rss, published, digest }
}

function nounOf({ choice }: Target): 'CPU' | 'thread' {
  return choice === null ? 'thread' : 'CPU'
}

function placeOf(site: Pick<Site, 'file' | 'line' | 'source'> | undefined): string {
  if (site === undefined) return 'an unknown place'
  const where = 'function' in site ? ` (${String(site.function)})` : ''
  return `${site.file}:${site.line}${where}: ${site.source}`
}
