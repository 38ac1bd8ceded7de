// An exploration in slices of a number of steps, which may run anywhere: its result is always the same.
//
// It goes in rounds. Each round runs a slice of each open part. When all results are there, they are merged in the
// order of the parts, and the rest of each part is split for the next round. The parts, the findings and the end of
// the exploration therefore depend on the program alone, and not on which worker was faster. This is why a slice
// ends after steps and not after time, and why a round waits for its last slice.
//
// If half of its steps are enough, a scenario is explored completely. Otherwise interleavings with at most 0, 1, 2 …
// preemptions are explored, and the largest number that was explored completely is its bound (Musuvathi, Qadeer:
// Iterative context bounding for systematic testing of multithreaded programs, 2007). If a failure is expected,
// interleavings with few preemptions come first.

import type { WorkUnit } from './explorer.ts'
import { TURNS_MAX } from '../backends/stepped/index.ts'
import { TIMEOUTS_MAX } from './passing-time.ts'
import type {
  Discovery,
  Slice,
  SliceOutcome,
  SliceResult,
  SlicedFailure,
  SlicedFile,
  SlicedTarget,
  TreePart,
  WalkPart,
} from './slice.ts'
import { type Facts, mergeFacts, noFacts } from './slice-facts.ts'
import { Coordinator } from './work.ts'

/** How far a target is explored: so many steps of its tree, or so many executions that chance chooses. */
export type SlicedExtent =
  | {
      /** Accesses of shared memory, of all executions together. */
      readonly steps: number
      /** A failure is expected: it is looked for where most are. Default false. */
      readonly seeks?: boolean
    }
  | (Pick<WalkPart, 'strategy' | 'depth' | 'seed'> & { readonly executions: number })

/** What is known of a target when its steps are used up, or nothing is left. */
export interface SlicedResult {
  readonly verdict: 'pass' | 'fail'
  /** Every interleaving was explored, and none failed. */
  readonly complete: boolean
  /**
   * Every interleaving with at most so many preemptions was; null where every one was, -1 where not even those without.
   * Null also of executions that chance chooses.
   */
  readonly bound: number | null
  readonly executions: number
  readonly steps: number
  /** See CheckResult. */
  readonly timeouts: number | null
  readonly turns: number | null
  readonly programs?: { readonly explored: number; readonly inAll: number }
  readonly failure: SlicedFailure | null
}

/** Has slices explored, several at once. */
export type ExploreSlice = (slice: Slice) => Promise<SliceOutcome>

/** How much of the steps the whole space gets before bounds are tried. */
const WHOLE_SHARE = 0.5
/** Of a slice in the first round, and at most. A second of one processor is about a million. */
const FIRST_STEPS = 50_000
export const SLICE_STEPS = 4_000_000
const GROWTH = 4
/** What is left of a part is not split where so many wait. */
const PARTS_MAX = 256
/** Nearly every failure needs no more preemptions than this, and is found by far sooner with so few. */
const FEW_PREEMPTIONS = 2
/** Executions of a slice that chance chooses, and slices at once: one in the first round. */
export const WALK_EXECUTIONS = 5000
const WALKS_MAX = 64
/** An exploration that begins again more often never ends. */
const BEGINNINGS_MAX = 1000

/** Explores to the extent that is given. */
export async function exploreSliced(
  target: SlicedTarget,
  extent: SlicedExtent,
  explore: ExploreSlice,
): Promise<SlicedResult> {
  let facts = noFacts
  for (let beginnings = 0; beginnings < BEGINNINGS_MAX; beginnings++) {
    try {
      return await new Exploration(target, facts, explore).run(extent)
    } catch (error) {
      if (!(error instanceof FoundOut)) throw error
      const { programs } = error.discovery
      if (programs !== null) return exploreProgramsOf(target as SlicedFile, programs, extent, explore)
      facts = error.discovery.facts
    }
  }
  throw new Error(`something is found out about the program again and again: ${JSON.stringify(facts)}`)
}

/** One program after the other, the smallest first, until one fails; what one leaves, the others get. */
async function exploreProgramsOf(
  target: SlicedFile,
  { count, inAll }: NonNullable<Discovery['programs']>,
  extent: SlicedExtent,
  explore: ExploreSlice,
): Promise<SlicedResult> {
  const sum = { executions: 0, steps: 0 }
  const results: SlicedResult[] = []
  for (let program = 0; program < count; program++) {
    const share = shareOf(extent, sum, count - program)
    const result = await exploreSliced({ ...target, program }, share, explore)
    results.push(result)
    sum.executions += result.executions
    sum.steps += result.steps
    if (result.failure !== null) break
  }
  const last = results.at(-1)!
  const bounds = results.flatMap(({ bound }) => bound ?? [])
  return {
    verdict: last.verdict,
    complete: results.every(({ complete }) => complete),
    bound: bounds.length === 0 ? null : Math.min(...bounds),
    ...sum,
    timeouts: results.some(({ timeouts }) => timeouts !== null) ? TIMEOUTS_MAX : null,
    turns: results.some(({ turns }) => turns !== null) ? TURNS_MAX : null,
    programs: { explored: results.length, inAll },
    failure: last.failure,
  }
}

function shareOf(
  extent: SlicedExtent,
  sum: { executions: number; steps: number },
  programs: number,
): SlicedExtent {
  const share = (all: number, done: number): number => Math.max(1, Math.floor((all - done) / programs))
  if ('steps' in extent) return { ...extent, steps: share(extent.steps, sum.steps) }
  return { ...extent, executions: share(extent.executions, sum.executions) }
}

/** Something was found out without which the target cannot be explored: with it, it can. */
class FoundOut extends Error {
  override readonly name = 'FoundOut'
  readonly discovery: Discovery

  constructor(discovery: Discovery) {
    super('something was found out about the program')
    this.discovery = discovery
  }
}

/** How far an exploration has come. */
interface Round {
  /** Nothing is left. */
  readonly isDone: boolean
  readonly failure: SlicedFailure | null
}

class Exploration {
  #executions = 0
  #steps = 0
  #hasLeftTimeouts = false
  #hasLeftLoops = false
  readonly #target: SlicedTarget
  readonly #facts: Facts
  readonly #explore: ExploreSlice

  constructor(target: SlicedTarget, facts: Facts, explore: ExploreSlice) {
    this.#target = target
    this.#facts = facts
    this.#explore = explore
  }

  async run(extent: SlicedExtent): Promise<SlicedResult> {
    if (!('steps' in extent)) return this.#result(null, false, await this.#walk(extent))
    const { bound, failure } = await (extent.seeks === true
      ? this.#seek(extent.steps)
      : this.#bounds(extent.steps))
    return this.#result(bound, bound === null, failure)
  }

  #result(bound: number | null, complete: boolean, failure: SlicedFailure | null): SlicedResult {
    // In the kernel, one whose time is over only looks whether those that it waits for have died.
    const leavesTimeouts = this.#hasLeftTimeouts && 'file' in this.#target
    return {
      verdict: failure === null ? 'pass' : 'fail',
      complete: complete && failure === null && !this.#hasLeftLoops && !leavesTimeouts,
      bound,
      executions: this.#executions,
      steps: this.#steps,
      timeouts: this.#hasLeftTimeouts ? TIMEOUTS_MAX : null,
      turns: this.#hasLeftLoops ? TURNS_MAX : null,
      failure,
    }
  }

  async #bounds(steps: number): Promise<{ bound: number | null; failure: SlicedFailure | null }> {
    let reached: number | null = -1
    let { isDone, failure } = await this.#rounds(null, steps * WHOLE_SHARE)
    if (isDone) reached = null
    for (let bound = 0; failure === null && reached !== null && this.#steps < steps; bound++) {
      ;({ isDone, failure } = await this.#rounds(bound, steps - this.#steps))
      if (!isDone) break
      reached = bound
    }
    return { bound: reached, failure }
  }

  async #seek(steps: number): Promise<{ bound: number | null; failure: SlicedFailure | null }> {
    const few = await this.#rounds(FEW_PREEMPTIONS, steps * WHOLE_SHARE)
    const reached = few.isDone ? FEW_PREEMPTIONS : -1
    if (few.failure !== null) return { bound: reached, failure: few.failure }
    const whole = await this.#rounds(null, steps - this.#steps)
    return { bound: whole.isDone ? null : reached, failure: whole.failure }
  }

  async #rounds(bound: number | null, limit: number): Promise<Round> {
    const coordinator = new Coordinator()
    let sliceSteps = FIRST_STEPS
    let failure: SlicedFailure | null = null
    while (!coordinator.isDone && coordinator.steps < limit) {
      const left = limit - coordinator.steps
      // Where the steps do not suffice for all parts, each gets less, rather than only some of them any.
      const share = Math.max(FIRST_STEPS, Math.min(sliceSteps, Math.ceil(left / coordinator.waiting)))
      const taken = takeSome(coordinator, Math.max(1, Math.floor(left / share)))
      const steps = Math.min(share, Math.ceil(left / taken.length))
      const results = await this.#all(taken.map(({ unit }) => ({ bound, unit, steps })))
      const split = coordinator.waiting + taken.length < PARTS_MAX
      results.forEach((result, number) => {
        failure ??= result.failure
        coordinator.apply(taken[number]!.id, result, split)
      })
      sliceSteps = Math.min(SLICE_STEPS, sliceSteps * GROWTH)
    }
    this.#executions += coordinator.executions
    this.#steps += coordinator.steps
    return { isDone: coordinator.isDone && failure === null, failure }
  }

  /** Each execution follows from its number, so that some of them can be done by anyone; the first to fail counts. */
  async #walk({
    executions,
    ...how
  }: Exclude<SlicedExtent, { steps: number }>): Promise<SlicedFailure | null> {
    for (let first = 0, atOnce = 1; first < executions; atOnce = Math.min(WALKS_MAX, atOnce * GROWTH)) {
      const parts: WalkPart[] = []
      for (; parts.length < atOnce && first < executions; first += WALK_EXECUTIONS)
        parts.push({ ...how, first, executions: Math.min(WALK_EXECUTIONS, executions - first) })
      for (const result of await this.#all(parts)) {
        this.#executions += result.executions
        this.#steps += result.steps
        if (result.failure !== null) return result.failure
      }
    }
    return null
  }

  /** The results of slices that are explored in any order. Throws FoundOut. */
  async #all(parts: readonly (TreePart | WalkPart)[]): Promise<SliceResult[]> {
    const [target, facts] = [this.#target, this.#facts]
    const outcomes = await Promise.all(parts.map((part) => this.#explore({ target, facts, part })))
    const discoveries = outcomes.flatMap((outcome) => ('discovery' in outcome ? outcome.discovery : []))
    if (discoveries.length > 0) {
      const programs = discoveries.find((each) => each.programs !== null)?.programs ?? null
      throw new FoundOut({ facts: mergeFacts(discoveries.map((each) => each.facts)), programs })
    }
    const results = outcomes as SliceResult[]
    this.#hasLeftTimeouts ||= results.some(({ hasLeftTimeouts }) => hasLeftTimeouts)
    this.#hasLeftLoops ||= results.some(({ hasLeftLoops }) => hasLeftLoops)
    return results
  }
}

function takeSome(coordinator: Coordinator, count: number): { id: number; unit: WorkUnit }[] {
  const taken: { id: number; unit: WorkUnit }[] = []
  while (taken.length < count) {
    const next = coordinator.take()
    if (next === null) break
    taken.push(next)
  }
  return taken
}
