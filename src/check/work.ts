// The tree of executions in parts: which worker explores what, and newly found parts that no worker has yet.
//
// A part is a path and what is left to be tried below it (see WorkUnit). Whoever explores one owns the events from its
// `floor` on, and tells what should be tried at events before. Those belong to the coordinator, which knows what was
// given out there, and makes a new part of what was not. The order in which threads of one event were given out is what
// the sleep sets go by; whether one of them is finished before the next begins does not matter.
//
// The coordinator's state follows from the results that it was given, one after the other. So a list of them is enough
// to go on from: see ledger.ts.

import type { CoverageNews } from './coverage.ts'
import { REDUNDANT } from './execution.ts'
import { type ExploreOptions, makeExplorer } from './explore.ts'
import { type Subject, mayRunAgain, runOnce, withoutStacks } from './run-once.ts'
import { type Demand, type Explorer, type WorkUnit, wholeTree } from './explorer.ts'

/** How much longer than allowed an execution may run: the explorer checks the clock between executions. */
const GRACE_MS = 500

/** When loops of the program are to end, where it may take so many milliseconds from now. */
export function deadlineAfter(milliseconds: number): number {
  return performance.now() + milliseconds + GRACE_MS
}

/** What a look at a unit has brought. */
export interface UnitResult {
  readonly executions: number
  readonly redundant: number
  readonly steps: number
  readonly demands: readonly Demand[]
  /** What is left of the unit; null if nothing is. */
  readonly remainder: WorkUnit | null
  /** How many executions that seems to be. */
  readonly estimatedLeft: number
  /** The schedule of an execution that failed. */
  readonly failed: readonly number[] | null
  /** See Exploration. */
  readonly hasLeftTimeouts: boolean
  readonly hasLeftLoops: boolean
  /** What it came to, if that is to be told. */
  readonly coverage?: CoverageNews | undefined
}

/** Where a look at a unit ends; what is being executed is finished. */
export interface UnitLimits {
  readonly maxExecutions: number
  readonly maxMs: number
  /** Unlike time, the same everywhere. Default: no limit. */
  readonly maxSteps?: number
}

/** Explores units of a program, one after the other. */
export class UnitRunner {
  readonly #subject: Subject
  readonly #options: ExploreOptions
  #explorer: Explorer

  constructor(subject: Subject, options: ExploreOptions) {
    this.#subject = subject
    this.#options = options
    this.#explorer = makeExplorer(subject, options)
  }

  /** Explores until nothing is left, something fails, or a limit is reached. Throws NotSymmetric. */
  run(unit: WorkUnit, limits: UnitLimits): UnitResult {
    for (;;) {
      try {
        return this.runOnce(unit, limits)
      } catch (error) {
        const isAgain = mayRunAgain(this.#subject, error)
        this.#explorer = makeExplorer(this.#subject, this.#options)
        if (!isAgain) throw error
      }
    }
  }

  /** To be called when nothing more is explored: what it needs much memory for is left to the next. */
  retire(): void {
    this.#explorer.retire()
  }

  /** As run(), but throws what is found out about the program, after which another runner is needed. */
  runOnce(unit: WorkUnit, { maxExecutions, maxMs, maxSteps = Infinity }: UnitLimits): UnitResult {
    const explorer = this.#explorer
    const { onOrder } = this.#options
    const started = performance.now()
    const before = { executions: explorer.executions, steps: explorer.steps }
    let redundant = 0
    let more = true
    let failed: readonly number[] | null = null
    explorer.seed(unit)
    withoutStacks(() => {
      while (more) {
        const failure = runOnce(this.#subject, explorer)
        if (failure !== null) failed = failure.schedule
        if (failure !== null) return
        if (explorer.status === REDUNDANT) redundant++
        else onOrder?.(explorer.orderDigest())
        more = explorer.advance()
        const executions = explorer.executions - before.executions
        if (executions >= maxExecutions || explorer.steps - before.steps >= maxSteps) return
        if ((executions & 15) === 0 && performance.now() - started > maxMs) return
      }
    })
    const executions = explorer.executions - before.executions
    const isLeft = more && failed === null
    const result = {
      executions: executions + (failed === null ? 0 : 1),
      redundant,
      steps: explorer.steps - before.steps,
      demands: explorer.takeDemands(),
      remainder: isLeft ? explorer.remainder() : null,
      estimatedLeft: isLeft ? Math.max(1, explorer.estimate() - executions) : 0,
      failed,
      hasLeftTimeouts: explorer.hasLeftTimeouts,
      hasLeftLoops: explorer.hasLeftLoops,
      coverage: this.#options.coverage?.takeNews(),
    }
    // What a failure has left behind is not fit for going on.
    if (failed !== null) this.#explorer = makeExplorer(this.#subject, this.#options)
    return result
  }
}

export class Coordinator {
  executions = 0
  redundant = 0
  steps = 0
  failed: readonly number[] | null = null
  hasLeftTimeouts = false
  hasLeftLoops = false
  readonly #units = new Map<number, WorkUnit>()
  readonly #left = new Map<number, number>()
  readonly #taken = new Set<number>()
  /** For each path that is the coordinator's, the threads that were given out after it. */
  readonly #given = new Map<string, number>()
  #next = 0
  #finishedUnits = 0

  constructor(units: readonly WorkUnit[] = [wholeTree]) {
    for (const unit of units) this.#units.set(this.#next++, unit)
  }

  /** A unit that nobody is at: the one with the shortest path, which should be the largest. */
  take(): { readonly id: number; readonly unit: WorkUnit } | null {
    let best = -1
    for (const [id, unit] of this.#units) {
      if (this.#taken.has(id)) continue
      if (best < 0 || unit.schedule.length < this.#units.get(best)!.schedule.length) best = id
    }
    if (best < 0) return null
    this.#taken.add(best)
    return { id: best, unit: this.#units.get(best)! }
  }

  /** Units that nobody is at. */
  get waiting(): number {
    return this.#units.size - this.#taken.size
  }

  get isDone(): boolean {
    return this.#units.size === 0 || this.failed !== null
  }

  /** Takes in what was found in a unit; with `split`, what is left of it becomes several units. */
  apply(id: number, result: UnitResult, split: boolean): void {
    const unit = this.#units.get(id)!
    this.executions += result.executions
    this.redundant += result.redundant
    this.steps += result.steps
    this.failed ??= result.failed
    this.hasLeftTimeouts ||= result.hasLeftTimeouts
    this.hasLeftLoops ||= result.hasLeftLoops
    this.#taken.delete(id)
    for (const demand of result.demands) this.#meet(unit, demand)
    if (result.remainder === null) {
      this.#units.delete(id)
      this.#left.delete(id)
      this.#finishedUnits++
      return
    }
    this.#units.set(id, result.remainder)
    this.#left.set(id, result.estimatedLeft)
    if (split) this.#split(id, result.remainder)
  }

  #meet(unit: WorkUnit, { event, threads, preferred }: Demand): void {
    const path = pathOf(unit.schedule, event)
    const given = this.#given.get(path) ?? 0
    if ((given & threads) === 0) this.#give(unit, event, preferred)
  }

  /** Makes a unit of a thread that is to be tried in place of an event of `unit`. */
  #give(unit: WorkUnit, event: number, threadBit: number): void {
    const path = pathOf(unit.schedule, event)
    const given = this.#given.get(path) ?? 0
    this.#given.set(path, given | threadBit)
    this.#units.set(this.#next++, {
      schedule: [...unit.schedule.slice(0, event), 31 - Math.clz32(threadBit)],
      backtrack: [...unit.backtrack.slice(0, event), given | threadBit],
      done: [...unit.done.slice(0, event), given],
      floor: event + 1,
    })
  }

  /** Takes over the first event at which something is left to be tried, and gives that out. */
  #split(id: number, unit: WorkUnit): void {
    const { schedule, backtrack, done, floor } = unit
    const todoAt = (event: number): number => backtrack[event]! & ~done[event]! & ~(1 << schedule[event]!)
    let event = floor
    while (event < schedule.length && todoAt(event) === 0) event++
    if (event === schedule.length) return
    for (let owned = floor; owned <= event; owned++)
      this.#given.set(pathOf(schedule, owned), done[owned]! | (1 << schedule[owned]!))
    this.#units.set(id, { ...unit, floor: event + 1 })
    for (let todo = todoAt(event); todo !== 0; todo &= todo - 1) this.#give(unit, event, todo & -todo)
  }

  /** How many executions there seem to be in all. */
  estimate(): number {
    const known = this.#left.size + this.#finishedUnits
    let left = 0
    for (const each of this.#left.values()) left += each
    // Unexplored parts are assumed to be as large as the rest.
    const mean = known === 0 ? 1 : (this.executions + left) / known
    return Math.round(this.executions + left + (this.#units.size - this.#left.size) * mean)
  }
}

function pathOf(schedule: readonly number[], length: number): string {
  return schedule.slice(0, length).join()
}

/** Which part of the tree is explored here: the `index`th of `count`, from 1. */
export interface Shard {
  readonly index: number
  readonly count: number
}

/** Units for each machine, at least, so that none gets much more than another. */
const UNITS_PER_SHARD = 16
const SHARD_DEPTH_MAX = 200

/**
 * The units of a shard, which are the same wherever this is called. As shards do not know of each other, everything
 * that sleep sets do not rule out is tried above the units, so that nothing can turn up there.
 */
export function shardUnits(subject: Subject, options: ExploreOptions, shard: Shard): WorkUnit[] {
  for (let depth = 1; ; depth++) {
    const { units, isWhole } = unitsAt(subject, options, depth)
    if (!isWhole && depth < SHARD_DEPTH_MAX && units.length < shard.count * UNITS_PER_SHARD) continue
    return units.filter((_, number) => number % shard.count === shard.index - 1)
  }
}

/** All paths of `depth` events. */
function unitsAt(
  subject: Subject,
  options: ExploreOptions,
  depth: number,
): { units: WorkUnit[]; isWhole: boolean } {
  for (;;) {
    try {
      const explorer = makeExplorer(subject, { ...options, maxSteps: depth }, depth)
      const units: WorkUnit[] = []
      let isWhole = true
      withoutStacks(() => {
        do {
          const failure = runOnce(subject, explorer)
          if (failure?.kind === 'livelock') isWhole = false
          if (explorer.status !== REDUNDANT) units.push(explorer.partBelow())
        } while (explorer.advance())
      })
      return { units, isWhole }
    } catch (error) {
      if (!mayRunAgain(subject, error)) throw error
    }
  }
}
