// Random executions, for spaces that are too large to be explored.
//
// PCT (Burckhardt, Kothari, Musuvathi, Nagarakatte: A randomized scheduler with probabilistic guarantees of finding
// bugs, ASPLOS 2010): threads have random priorities, the highest that can go on does, and at d - 1 random steps the
// one that runs becomes the lowest. A bug of depth d among n threads and k steps shows with a probability of at least
// 1 / (n k^(d-1)) in each execution.
//
// Uniform random walk (Zhao, Wolff, Mathur, Roychoudhury: Selectively uniform concurrency testing, ASPLOS 2025): a
// thread goes on with a probability that is as large as its share of the steps that are left, so that every order of
// the steps is about equally likely; a coin at each step would favour a few.
//
// Each execution has its own generator of random numbers, made of the seed and its number.

import { Execution, type ExecutionLimits, TIME } from './execution.ts'
import { Random } from './random.ts'

export interface RandomOptions extends ExecutionLimits {
  readonly strategy: 'pct' | 'random'
  readonly seed: number
  /** Of PCT: how many ordered steps a bug needs. */
  readonly depth: number
  /** After the trials it goes on with the execution of this number, as if all before had been done. Default 0. */
  readonly first?: number
}

/** Executions from which the number of steps is learned. */
export const TRIALS = 16

export class RandomWalk extends Execution {
  executions = 0
  /** The most steps that one of the trials had. */
  stepsMax = 1
  readonly #options: RandomOptions
  #random: Random
  /** The most steps of each thread in a trial, and how many it has done in this execution. */
  readonly #expected: Int32Array
  readonly #performed: Int32Array
  /** Of PCT: the higher goes first. */
  readonly #priority: Int32Array
  readonly #changes = new Map<number, number>()
  #baseMark = -1

  constructor(threadCount: number, options: RandomOptions) {
    super(threadCount, options)
    this.#options = options
    this.#random = new Random(options.seed, 0)
    this.#expected = new Int32Array(threadCount).fill(1)
    this.#performed = new Int32Array(threadCount)
    this.#priority = new Int32Array(threadCount)
    this.#prepare()
  }

  /** To be called after each execution. Prepares the next one. */
  advance(): boolean {
    this.steps += this.depth
    this.executions++
    if (this.executions <= TRIALS) this.#learn()
    if (this.executions === TRIALS) this.executions = Math.max(TRIALS, this.#options.first ?? 0)
    this.#prepare()
    return true
  }

  #learn(): void {
    this.stepsMax = Math.max(this.stepsMax, this.depth)
    for (const [thread, steps] of this.#performed.entries())
      this.#expected[thread] = Math.max(this.#expected[thread]!, steps)
  }

  #prepare(): void {
    this.branch = 0
    this.lastEvent.fill(-1)
    if (this.#baseMark < 0 && this.executions > 0)
      this.#baseMark = this.depth === 0 ? this.shadow.logLength : this.logMark[0]!
    if (this.#baseMark >= 0) this.shadow.undo(this.#baseMark)
    this.#performed.fill(0)
    this.#random = new Random(this.#options.seed, this.executions)
    const { depth } = this.#options
    for (let place = 0; place < this.count; place++) {
      const other = this.#random.below(place + 1)
      this.#priority[place] = this.#priority[other]!
      this.#priority[other] = depth + place
    }
    this.#changes.clear()
    for (let change = 1; change < depth; change++)
      this.#changes.set(this.#random.below(this.stepsMax), change)
  }

  protected override pick(event: number, enabled: number): number {
    const isPct = this.#options.strategy === 'pct' && this.executions >= TRIALS
    const chosen = isPct ? this.#highest(event, enabled) : this.#weighted(enabled)
    this.#performed[chosen]!++
    return chosen
  }

  protected override pickTime(_event: number, thread: number): number {
    return this.#random.below(2) === 0 ? thread : TIME
  }

  #highest(event: number, enabled: number): number {
    let best = -1
    for (let thread = 0; thread < this.count; thread++) {
      if ((enabled & (1 << thread)) === 0) continue
      if (best < 0 || this.#priority[thread]! > this.#priority[best]!) best = thread
    }
    const change = this.#changes.get(event)
    if (change !== undefined) {
      this.#priority[best] = this.#options.depth - change
      this.#changes.delete(event)
      return this.#highest(event, enabled)
    }
    return best
  }

  #weighted(enabled: number): number {
    let total = 0
    for (let thread = 0; thread < this.count; thread++) total += this.#weight(thread, enabled)
    let left = this.#random.below(total)
    for (let thread = 0; ; thread++) {
      left -= this.#weight(thread, enabled)
      if (left < 0) return thread
    }
  }

  /** Steps that the thread seems to have left; one more than expected, where it has done more. */
  #weight(thread: number, enabled: number): number {
    if ((enabled & (1 << thread)) === 0) return 0
    return Math.max(1, this.#expected[thread]! - this.#performed[thread]!)
  }

  protected override meetRaces(): void {
    // Nothing is tried in another order.
  }

  protected override chosen(): void {
    // See meetRaces.
  }
}
