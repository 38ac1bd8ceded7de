// An exploration in parts: on several worker threads, with a ledger, or one shard of it.

import { unlinkSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import {
  ALL_COUNT,
  CountRead,
  ScriptNeeded,
  TimeUp,
  addCounting,
  countedBy,
  setCounting,
} from '../backends/stepped/index.ts'
import { NotDeterministic } from './step-log.ts'
import { type Exploration, type ExploreOptions, confirm, makeExplorer } from './explore.ts'
import { type Subject, mayRunAgain } from './run-once.ts'
import { runTwice } from './run-twice.ts'
import type { WorkUnit } from './explorer.ts'
import { Ledger, type LedgerKey } from './ledger.ts'
import { NotSymmetric } from './symmetry.ts'
import { Coordinator, type Shard, UnitRunner, type UnitResult, shardUnits } from './work.ts'
import type { WorkerData, WorkerReply } from './worker.ts'

export interface PartsOptions {
  /** Threads that explore; 1 is this one. */
  readonly workers: number
  /** Null for all of it. */
  readonly shard: Shard | null
  /** The checkpoint file. */
  readonly ledger: string | null
  /** What is explored, for the ledger. */
  readonly key: LedgerKey
  /** What a worker loads. */
  readonly target: WorkerData['target']
}

/** How long a unit is looked at before somebody else may have a part of it. */
const SLICE_MS = 250
const FIRST_SLICE_MS = 20

/** Looks at a unit for a while. */
type Look = (unit: WorkUnit, maxExecutions: number, maxMs: number) => Promise<UnitResult>

/** Explores as explore() does. Throws LedgerRefused and NotDeterministic. */
export async function exploreParts(
  subject: Subject,
  options: ExploreOptions,
  parts: PartsOptions,
): Promise<Exploration> {
  // Others that explore parts of this, elsewhere or later, could not tell each other what somebody reads.
  const isAlone = parts.shard === null && parts.ledger === null
  if (!isAlone && parts.target.choice === null) setCounting(ALL_COUNT)
  for (;;) {
    try {
      checkItself(subject, options)
      return await exploreAll(subject, { ...options, counting: countedBy() }, parts)
    } catch (error) {
      if (error instanceof CountRead) addCounting(error)
      else if (error instanceof TimeUp)
        return { ...nothingExplored, seconds: options.maxMs / 1000, endless: error }
      else throw error
    }
  }
}

async function exploreAll(
  subject: Subject,
  options: ExploreOptions,
  parts: PartsOptions,
): Promise<Exploration> {
  const { ledger, shard } = parts
  // Shards could not tell each other that threads turned out not to be alike.
  const isDistinct = shard !== null || (ledger !== null && Ledger.isDistinct(ledger))
  const distinct = isDistinct || (options.distinct ?? false)
  try {
    return await exploreWith(subject, { ...options, distinct }, parts)
  } catch (error) {
    if (!(error instanceof NotSymmetric)) throw error
    if (ledger !== null) unlinkSync(ledger)
    return exploreWith(subject, { ...options, distinct: true }, parts)
  }
}

/** Where the time was up before there were parts. */
const nothingExplored = {
  executions: 0,
  redundant: 0,
  steps: 0,
  complete: false,
  failure: null,
  estimatedExecutions: null,
  stepsMax: null,
  hasLeftTimeouts: false,
  hasLeftLoops: false,
}

/** Runs the first execution twice: what is not the same each time cannot be put together from parts. */
function checkItself(subject: Subject, options: ExploreOptions): void {
  for (;;) {
    try {
      const explorer = makeExplorer(subject, { ...options, distinct: true })
      runTwice(subject, explorer)
      return
    } catch (error) {
      if (!mayRunAgain(subject, error)) throw error
    }
  }
}

async function exploreWith(
  subject: Subject,
  options: ExploreOptions,
  parts: PartsOptions,
): Promise<Exploration> {
  const { shard, key, workers } = parts
  const coordinator = new Coordinator(shard === null ? undefined : shardUnits(subject, options, shard))
  const { distinct = false } = options
  const ledger = parts.ledger === null ? null : Ledger.open(parts.ledger, { ...key, distinct }, coordinator)
  const pool = workers === 1 ? null : new Pool(workers, parts.target, options)
  const runner = new UnitRunner(subject, options)
  const looks: readonly Look[] = pool?.looks ?? [
    (unit, maxExecutions, maxMs) => Promise.resolve(runner.run(unit, { maxExecutions, maxMs })),
  ]
  const started = performance.now()
  let endless: TimeUp | null = null
  try {
    await drive(coordinator, ledger, looks, options, started)
  } catch (error) {
    if (!(error instanceof TimeUp)) throw error
    endless = error
  } finally {
    ledger?.close()
    await pool?.end()
  }
  const { executions, redundant, steps, failed, hasLeftTimeouts, hasLeftLoops } = coordinator
  const failure = failed === null ? null : confirm(subject, options, failed)
  const seconds = (performance.now() - started) / 1000
  const complete = coordinator.isDone && failure === null
  const estimatedExecutions = complete || failure !== null ? executions : coordinator.estimate()
  const counts = { executions, redundant, steps, seconds, complete, estimatedExecutions }
  return { ...counts, failure, endless, stepsMax: null, hasLeftTimeouts, hasLeftLoops }
}

/** Has units looked at until all is done or a limit is reached. */
async function drive(
  coordinator: Coordinator,
  ledger: Ledger | null,
  looks: readonly Look[],
  options: ExploreOptions,
  started: number,
): Promise<void> {
  const busy = new Map<Look, Promise<void>>()
  const begun = { executions: coordinator.executions }
  const isOver = (): boolean =>
    coordinator.isDone ||
    coordinator.executions >= options.maxExecutions ||
    performance.now() - started > options.maxMs
  const look = async (by: Look): Promise<void> => {
    const { id, unit } = coordinator.take()!
    const isFirst = coordinator.executions === begun.executions
    const left = options.maxExecutions - coordinator.executions
    const result = await by(unit, left, isFirst ? FIRST_SLICE_MS : SLICE_MS)
    const split = coordinator.waiting < looks.length
    ledger?.add(id, result, split)
    coordinator.apply(id, result, split)
    if (result.coverage !== undefined) options.coverage?.add(result.coverage)
    const { executions, redundant, steps } = coordinator
    const seconds = (performance.now() - started) / 1000
    const estimatedExecutions = coordinator.estimate()
    options.onProgress?.({ executions, redundant, steps, seconds, estimatedExecutions })
    busy.delete(by)
  }
  while (!isOver() || busy.size > 0) {
    for (const by of looks) {
      if (busy.has(by) || isOver() || coordinator.waiting === 0) continue
      const looking = look(by)
      // If one fails, nobody waits for the others any more.
      looking.catch(() => {})
      busy.set(by, looking)
    }
    await Promise.race(busy.values())
  }
}

/** Worker threads that have loaded the program. */
class Pool {
  readonly looks: readonly Look[]
  readonly #workers: readonly Worker[]

  constructor(count: number, target: WorkerData['target'], options: ExploreOptions) {
    // Functions cannot be sent.
    const { onProgress: _progress, onOrder: _order, coverage, ...plainOptions } = options
    const workerData: WorkerData = { target, options: plainOptions, isCovered: coverage != null }
    const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
    this.#workers = Array.from(
      { length: count },
      () => new Worker(new URL(`./worker${extension}`, import.meta.url), { workerData }),
    )
    this.looks = this.#workers.map(lookBy)
  }

  async end(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()))
  }
}

/** Has a worker look at units, one after the other. */
function lookBy(worker: Worker): Look {
  let settle: { resolve: (result: UnitResult) => void; reject: (error: Error) => void } | null = null
  worker.on('message', (reply: WorkerReply) => {
    if (reply.result === null) settle!.reject(errorOf(reply))
    else settle!.resolve(reply.result)
  })
  worker.on('error', (error) => settle?.reject(error))
  worker.on('exit', (code) => settle?.reject(new Error(`a worker ended by itself, with exit code ${code}`)))
  return (unit, maxExecutions, maxMs) =>
    new Promise((resolve, reject) => {
      settle = { resolve, reject }
      worker.postMessage({ unit, maxExecutions, maxMs })
    })
}

function errorOf({ name, problem, timeUp, script }: WorkerReply & { result: null }): Error {
  if (timeUp !== null) return new TimeUp(timeUp.file, timeUp.line, timeUp.source, timeUp.thread)
  if (script !== null) return new ScriptNeeded(script)
  if (name === 'CountRead') return new CountRead(problem)
  if (name === 'NotSymmetric') return new NotSymmetric(problem)
  if (name === 'NotDeterministic') return new NotDeterministic(problem)
  return new Error(`a worker failed: ${name}: ${problem}`)
}
