// One run of the explorer over a subject: how many executions, and the first failure.

import { CountRead, TimeUp, addCounting } from '../backends/stepped/index.ts'
import { Checkpoints } from './checkpoints.ts'
import type { Coverage } from './coverage.ts'
import { type Execution, REDUNDANT } from './execution.ts'
import { Explorer } from './explorer.ts'
import { RandomWalk } from './random-walk.ts'
import { type RawFailure, type Subject, mayRunAgain, runOnce, withoutStacks } from './run-once.ts'
import { type FirstRun, SELF_CHECKS, runChecked, runFirstAgain, withStack } from './run-twice.ts'
import { NotDeterministic } from './step-log.ts'
import { NotSymmetric, Symmetry } from './symmetry.ts'

/** How to choose the next step: by partial-order reduction, until nothing is left, or randomly. */
export type Strategy = 'dpor' | 'pct' | 'random'

export interface ExploreOptions {
  /** Stop after this many executions. */
  readonly maxExecutions: number
  /** End an execution after this many steps. */
  readonly maxSteps: number
  /** Stop after this many milliseconds. */
  readonly maxMs: number
  /** Maximum number of preemptions; null, the default, for every interleaving. */
  readonly bound?: number | null
  /** Default: 'dpor'. */
  readonly strategy?: Strategy
  /** The seed of 'pct' and 'random'. Default 0. */
  readonly seed?: number
  /** Of 'pct': how many ordered steps a failure needs. Default 1. */
  readonly depth?: number
  /** Do not treat threads that run the same function as interchangeable. */
  readonly distinct?: boolean
  /** See ExecutionLimits. */
  readonly patience?: number | null
  /** For how many turns that read the same loops are followed, and how often time-outs pass: for workers. */
  readonly turns?: number
  readonly timeouts?: number
  /** The numbers of fields that count: for workers, see counts.ts. */
  readonly counting?: readonly number[]
  /** Called once after so many milliseconds, between two executions: what was found by other means, see aside.ts. */
  readonly aside?: { readonly afterMs: number; readonly look: () => Found | null }
  /** Where set, it is told what is come to. */
  readonly coverage?: Coverage | null
  /** Called a few times a second. */
  readonly onProgress?: (progress: Progress) => void
  /** Called after each execution that is not redundant, with a digest of the order of conflicting steps. */
  readonly onOrder?: (digest: string) => void
}

export interface Progress {
  readonly executions: number
  readonly redundant: number
  readonly steps: number
  readonly seconds: number
  /** The estimated number of executions; null if unknown. */
  readonly estimatedExecutions: number | null
}

/** What was found aside, and how much was done for it. */
export interface Found {
  readonly failure: RawFailure
  readonly executions: number
  readonly steps: number
}

export interface Exploration extends Progress {
  /** Every interleaving within the bound was covered. */
  readonly complete: boolean
  readonly failure: RawFailure | null
  /** The loop in which an execution was when the time was up; null where the time was up between two. */
  readonly endless: TimeUp | null
  /** Of a random strategy, the steps of the longest of the executions from which it learned; else null. */
  readonly stepsMax: number | null
  /** A time-out was not let pass once more, though it may have: see setTimeouts(). */
  readonly hasLeftTimeouts: boolean
  /** The place of the first one, unless others than this thread have explored. */
  readonly leftTimeout?: number
  /** A loop that pauses, or counts what nobody sees, was left to wait after so many turns: see setTurns(). */
  readonly hasLeftLoops: boolean
  /** The place of the first one, unless others than this thread have explored. */
  readonly leftLoop?: number
}

const PROGRESS_MS = 200

/** Orders that are remembered, to know which were met before. */
const ORDERS_MAX = 1 << 20

/** Explores until something fails, nothing is left, or a limit is reached. Throws NotDeterministic. */
export function explore(subject: Subject, options: ExploreOptions): Exploration {
  let distinct = options.distinct ?? false
  for (;;) {
    try {
      return exploreOnce(subject, { ...options, distinct })
    } catch (error) {
      if (error instanceof NotSymmetric) distinct = true
      else if (error instanceof CountRead) addCounting(error)
      else if (!mayRunAgain(subject, error)) throw error
    }
  }
}

/** As explore(), but throws what makes that begin anew. */
export function exploreOnce(subject: Subject, options: ExploreOptions): Exploration {
  const { strategy = 'dpor' } = options
  return strategy === 'dpor' ? exploreTree(subject, options) : exploreByChance(subject, options)
}

/** The explorer for a subject. Before the event `fullDepth` it tries everything that sleep sets do not rule out. */
export function makeExplorer(
  subject: Subject,
  options: ExploreOptions,
  fullDepth = 0,
  leavesIdle = (options.bound ?? null) === null,
): Explorer {
  const { maxSteps, bound = null, distinct = false, patience = null, coverage = null } = options
  // A switch between threads that are alike may be a preemption, and be none with the two exchanged.
  const mayExchange = bound === null && !distinct && subject.functions !== undefined
  const symmetry = mayExchange ? Symmetry.of(subject.functions, maxSteps + 1) : null
  const explorer = new Explorer(subject.threads, {
    maxSteps,
    bound,
    symmetry,
    fullDepth,
    leavesIdle,
    patience,
    isRacy: subject.isRacy === true,
    coverage,
  })
  if (subject.saver !== undefined) explorer.checkpoints = new Checkpoints(explorer.threads, subject.saver)
  return explorer
}

function exploreTree(subject: Subject, options: ExploreOptions): Exploration {
  const explorer = makeExplorer(subject, options)
  const { onOrder } = options
  let redundant = 0
  const run = runMany(subject, explorer, options, () => {
    if (explorer.status === REDUNDANT) redundant++
    else onOrder?.(explorer.orderDigest())
    return { redundant, more: explorer.advance() }
  })
  if (run.first !== null && run.failure === null && run.endless === null)
    runFirstAgain(subject, makeExplorer(subject, options), run.first)
  const complete = run.finished && run.failure === null
  if (complete && redundant === run.executions && explorer.patience === null)
    throw new Error('no execution was followed to its end: each was left to another')
  const estimatedExecutions = complete || run.failure !== null ? run.executions : explorer.estimate()
  return { ...run, redundant, complete, estimatedExecutions, stepsMax: null, ...limitsOf(explorer) }
}

function exploreByChance(subject: Subject, options: ExploreOptions): Exploration {
  const { maxSteps, strategy, seed = 0, depth = 1, patience = null, coverage = null, onOrder } = options
  const walk = new RandomWalk(subject.threads, {
    maxSteps,
    strategy: strategy === 'pct' ? 'pct' : 'random',
    seed,
    depth,
    patience,
    isRacy: subject.isRacy === true,
    coverage,
  })
  const orders = new Set<string>()
  let redundant = 0
  const run = runMany(subject, walk, options, () => {
    const digest = walk.orderDigest()
    if (orders.has(digest)) redundant++
    else if (orders.size < ORDERS_MAX) orders.add(digest)
    onOrder?.(digest)
    return { redundant, more: walk.advance() }
  })
  const { stepsMax } = walk
  return { ...run, redundant, complete: false, estimatedExecutions: null, stepsMax, ...limitsOf(walk) }
}

function limitsOf({
  hasLeftTimeouts,
  hasLeftLoops,
  leftLoop,
  leftTimeout,
}: Execution): Pick<Exploration, 'hasLeftTimeouts' | 'hasLeftLoops' | 'leftLoop' | 'leftTimeout'> {
  return { hasLeftTimeouts, hasLeftLoops, leftLoop, leftTimeout }
}

interface ManyRuns {
  readonly executions: number
  readonly steps: number
  readonly seconds: number
  readonly finished: boolean
  readonly failure: RawFailure | null
  readonly endless: TimeUp | null
  /** The first execution, if there were many and each began anew. */
  readonly first: FirstRun | null
}

/** Runs executions until one fails, `next` finds no other, or a limit is reached. The first few are run twice. */
function runMany(
  subject: Subject,
  execution: Explorer | RandomWalk,
  options: ExploreOptions,
  next: () => { redundant: number; more: boolean },
): ManyRuns {
  const started = performance.now()
  const { onProgress } = options
  let { aside } = options
  let found = null as Found | null
  let reported = started
  let executions = 0
  let failure: RawFailure | null = null
  let endless: TimeUp | null = null
  let more = true
  let first: FirstRun | null = null
  const runAll = (): void => {
    while (more && executions < options.maxExecutions) {
      failure = runChecked(subject, execution, executions, (run) => (first = run))
      executions++
      if (failure !== null) return
      const after = next()
      more = after.more
      if ((executions & 63) !== 0) continue
      const now = performance.now()
      if (now - started > options.maxMs) return
      if (aside !== undefined && more && now - started > aside.afterMs) {
        found = aside.look()
        aside = undefined
        if (found !== null) return
      }
      if (onProgress === undefined || now - reported < PROGRESS_MS) continue
      reported = now
      const { steps } = execution
      const seconds = (now - started) / 1000
      const estimatedExecutions = more && execution instanceof Explorer ? execution.estimate() : null
      onProgress({ executions, redundant: after.redundant, steps, seconds, estimatedExecutions })
    }
  }
  try {
    withoutStacks(runAll)
  } catch (error) {
    if (!(error instanceof TimeUp)) throw error
    endless = error
  }
  const steps = execution.steps + (failure === null ? 0 : execution.depth)
  const seconds = (performance.now() - started) / 1000
  const told = withStack(subject, execution, failure)
  execution.retire()
  if (found !== null) {
    const all = { executions: executions + found.executions, steps: steps + found.steps, seconds }
    return { ...all, finished: false, failure: found.failure, endless: null, first: null }
  }
  const kept = execution.checkpoints === null && executions > SELF_CHECKS ? first : null
  return { executions, steps, seconds, finished: !more, failure: told, endless, first: kept }
}

/** Runs an execution that failed elsewhere. Throws NotDeterministic if it does not fail here. */
export function confirm(subject: Subject, options: ExploreOptions, schedule: readonly number[]): RawFailure {
  for (;;) {
    try {
      const explorer = makeExplorer(subject, { ...options, bound: null, distinct: true }, 0, false)
      explorer.seed({ schedule, backtrack: schedule, done: schedule.map(() => 0), floor: schedule.length })
      const failure = withStack(subject, explorer, runOnce(subject, explorer))
      if (failure !== null) return failure
      throw new NotDeterministic('an execution that failed elsewhere does not fail here')
    } catch (error) {
      if (!mayRunAgain(subject, error)) throw error
    }
  }
}
