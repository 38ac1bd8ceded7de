// How a check explores: as far as its limits let it, once more with longer loops and more time-outs where one was left,
// and fairly where an execution does not end only because a thread has no turn.

import { basename } from 'node:path'
import { type Site, TURNS_MAX, setDeadline, setTurns } from '../backends/stepped/index.ts'
import { type ExplorationWithAside, exploreWithAside } from './aside.ts'
import type { CheckOptions } from './check-result.ts'
import type { ExploreOptions } from './explore.ts'
import { NoScenario } from './no-scenario.ts'
import { exploreParts } from './parts.ts'
import { TIMEOUTS_MAX, setTimeouts } from './passing-time.ts'
import { isUnfair } from './run-once.ts'
import { NotDeterministic } from './step-log.ts'
import type { Prepared, Target } from './target.ts'
import { deadlineAfter } from './work.ts'

export const MAX_STEPS = 20_000
const SECONDS = 60
export const EXECUTIONS = 10_000_000
/**
 * For how many turns loops are followed that are not over after TURNS_MAX, and how often time-outs pass where
 * TIMEOUTS_MAX is too few: first so many, and then so many; and in how many executions at least.
 */
const MORE: readonly Extent[] = [
  { turns: 4, timeouts: 4 },
  { turns: 16, timeouts: 16 },
]
const EXECUTIONS_MORE = 1000
/** The same in executions of the first exploration: where it takes more, what is left is told, and not waited for. */
const TIMES_MORE = 10
/** Steps for which a thread that can go on waits at most, where others would never end without it; a quarter of all. */
const PATIENCE = 200
/** Most failures need no more ordered steps. */
export const DEPTH = 3

/** The limit of a check that has none of its own: a slow machine may set another. Throws NoScenario for no number. */
export function defaultSeconds(): number {
  const given = process.env['FAULTLINE_SECONDS']
  if (given === undefined) return SECONDS
  const seconds = Number(given)
  if (seconds > 0) return seconds
  throw new NoScenario(
    `FAULTLINE_SECONDS is '${given}', and not a number above 0`,
    'give seconds, or unset it',
  )
}

/** With the patience of threads, where there was one: see ExecutionLimits. */
export type Explored = ExplorationWithAside & { readonly patience?: number }

/**
 * Explores, and again with longer loops and more time-outs, if there is one that was left after a few: it may end by
 * itself soon. What was left out is not covered, unless the caller has said how far that is to be followed.
 */
export async function exploreLoops(
  target: Target,
  prepared: Prepared,
  options: CheckOptions,
): Promise<Explored & Extent> {
  const { maxExecutions = EXECUTIONS, seconds = defaultSeconds(), shard, ledger } = options
  // In the kernel, one whose time is over only looks whether those that it waits for have died.
  const acceptsTimeouts = options.timeouts !== undefined || target.choice !== null
  const isLeft = ({ hasLeftLoops, hasLeftTimeouts }: Explored): boolean =>
    (hasLeftLoops && options.turns === undefined) || (hasLeftTimeouts && !acceptsTimeouts)
  const few = { turns: options.turns ?? TURNS_MAX, timeouts: options.timeouts ?? TIMEOUTS_MAX }
  const first = await exploreTo(target, prepared, options, few)
  if (!isLeft(first)) return { ...first, ...few }
  let found: Explored & Extent = { ...first, ...few }
  const most = Math.max(EXECUTIONS_MORE, first.executions * TIMES_MORE)
  for (const { turns, timeouts } of MORE) {
    const left = { executions: maxExecutions - found.executions, seconds: seconds - found.seconds }
    const isWhole = shard === undefined && ledger === undefined && found.patience === undefined
    if (!found.complete || !isWhole || left.executions <= 0 || left.seconds <= 0) break
    const limits = { maxExecutions: Math.min(left.executions, most), seconds: left.seconds }
    const extent = { turns: options.turns ?? turns, timeouts: options.timeouts ?? timeouts }
    const more = await exploreTo(target, prepared, { ...options, ...limits }, extent)
    const all = {
      executions: found.executions + more.executions,
      redundant: found.redundant + more.redundant,
      steps: found.steps + more.steps,
      seconds: found.seconds + more.seconds,
    }
    const estimatedExecutions = all.executions
    const hasEnded = more.complete || more.failure !== null
    // One that is too large may still be found to fail where more is let happen.
    found = hasEnded
      ? { ...more, ...all, estimatedExecutions, ...extent }
      : { ...found, ...all, estimatedExecutions }
    if (more.failure !== null || (more.complete && !isLeft(more))) return found
  }
  return { ...found, complete: false }
}

/** For how many turns loops are followed, and how often time-outs pass. */
interface Extent {
  readonly turns: number
  readonly timeouts: number
}

function exploreTo(
  target: Target,
  prepared: Prepared,
  options: CheckOptions,
  extent: Extent,
): Promise<Explored> {
  setTurns(extent.turns)
  setTimeouts(extent.timeouts)
  return exploreFairly(target, prepared, { ...options, ...extent })
}

/**
 * An execution that does not end only because a thread has no turn is no failure of a program: then no thread is kept
 * waiting for long. In the kernel it is one, since interrupts and spinlocks keep others out.
 */
async function exploreFairly(target: Target, prepared: Prepared, options: CheckOptions): Promise<Explored> {
  const found = await exploreTarget(target, prepared, options, null)
  const { seconds = defaultSeconds(), shard, ledger } = options
  const isWhole = target.choice === null && shard === undefined && ledger === undefined
  const left = seconds - found.seconds
  if (!isWhole || !isUnfair(found.failure) || left <= 0) return found
  // Shorter than what starvation() takes for too long: who does not end then, does not for want of turns.
  const patience = Math.max(1, Math.min(PATIENCE, (options.maxSteps ?? MAX_STEPS) >> 2))
  const fair = await exploreTarget(target, prepared, { ...options, seconds: left }, patience)
  const { estimatedExecutions: estimated } = fair
  return {
    ...fair,
    executions: found.executions + fair.executions,
    redundant: found.redundant + fair.redundant,
    steps: found.steps + fair.steps,
    seconds: found.seconds + fair.seconds,
    estimatedExecutions: estimated === null ? null : found.executions + estimated,
    patience,
  }
}

/** As exploreWithAside(), with the places of the source where it is refused. */
async function exploreTarget(
  target: Target,
  { subject, sites, digest, coverage = null }: Prepared,
  options: CheckOptions,
  patience: number | null,
): Promise<ExplorationWithAside> {
  const {
    maxExecutions = EXECUTIONS,
    maxSteps = MAX_STEPS,
    seconds = defaultSeconds(),
    shard = null,
    ledger = null,
  } = options
  const { bound = null, strategy = 'dpor', seed = 0, depth = DEPTH, turns, timeouts, onProgress } = options
  const exploring: ExploreOptions = {
    maxExecutions,
    maxSteps,
    maxMs: seconds * 1000,
    bound,
    strategy,
    seed,
    depth,
    ...(turns !== undefined && { turns }),
    ...(timeouts !== undefined && { timeouts }),
    patience,
    coverage,
    ...(onProgress && { onProgress }),
  }
  const workers = options.workers ?? 1
  setDeadline(deadlineAfter(exploring.maxMs))
  try {
    if (strategy !== 'dpor' || (workers === 1 && shard === null && ledger === null))
      return exploreWithAside(subject, exploring)
    const { design = null, rwsem = null, rss = null } = target.choice ?? {}
    const published = target.choice?.published === true ? 'published' : null
    const contended = target.choice?.contended === true ? 'contended' : null
    const { scenario: of } = target
    const words = [basename(of), design, rwsem, rss === 'shared' ? rss : null, published, contended]
    const scenario = words.filter((word) => word !== null).join(' ')
    const key = {
      digest,
      scenario,
      options: {
        bound,
        maxSteps,
        shard,
        ...(turns !== TURNS_MAX && { turns }),
        ...(timeouts !== TIMEOUTS_MAX && { timeouts }),
      },
    }
    return await exploreParts(subject, exploring, { workers, shard, ledger, key, target })
  } catch (error) {
    if (!(error instanceof NotDeterministic) || error.site < 0) throw error
    throw new NotDeterministic(`${error.message}: ${placeOf(sites[error.site])}`, error.step, error.site)
  } finally {
    setDeadline(Infinity)
  }
}

/** File, line, function and source, in words. */
export function placeOf(site: Pick<Site, 'file' | 'line' | 'source'> | undefined): string {
  if (site === undefined) return 'an unknown place'
  const where = 'function' in site ? ` (${String(site.function)})` : ''
  return `${site.file}:${site.line}${where}: ${site.source}`
}
