// An exploration in slices of so many steps, which anyone may do anywhere: its result is always the same.
//
// It goes in rounds. Each round looks at the parts that wait, a slice at each; their results are taken in when all are
// there, in the order of the parts; what is left of a part is split for the next round. Which parts there are, what is
// found in them and when the exploration ends so follow from the program alone, and not from who was faster. That is
// why a slice ends after steps, and not after time, and why a round waits for its last slice.
//
// Each scenario is explored whole if that is possible in half of its steps. Where it is not, interleavings with at most
// so many preemptions are explored, one more each time, and the greatest number that was explored whole is the bound
// that it reached (Musuvathi, Qadeer: Iterative context bounding for systematic testing of multithreaded programs,
// 2007).

import { memory, setDeadline } from '../backends/stepped/index.ts'
import { type ExploreOptions, type FailureKind, confirm } from './explore.ts'
import type { WorkUnit } from './explorer.ts'
import { summariseFailure } from './failure.ts'
import { type KernelChoice, type Prepared, prepare } from './prepare.ts'
import { oneAfterAnother } from './queue.ts'
import { Coordinator, type UnitResult, UnitRunner, deadlineAfter } from './work.ts'

/** What is explored. Plain data. */
export interface SlicedTarget extends KernelChoice {
  /** The name of a shipped scenario. */
  readonly scenario: string
}

/** A part of an exploration, and how many steps of it are to be explored. Plain data. */
export interface Slice {
  readonly target: SlicedTarget
  /** Preemptions at most; null for every interleaving. */
  readonly bound: number | null
  readonly unit: WorkUnit
  readonly steps: number
}

/** Plain data. */
export interface SliceResult extends UnitResult {
  readonly failure: SlicedFailure | null
}

export interface SlicedFailure {
  readonly kind: FailureKind
  readonly message: string
  /** Runs this execution again with `faultline check`; null if something other than the schedule decided. */
  readonly token: string | null
}

/** What is known of a target when its steps are used up, or nothing is left. */
export interface SlicedResult {
  readonly verdict: 'pass' | 'fail'
  /** Every interleaving was explored, and none failed. */
  readonly complete: boolean
  /**
   * Every interleaving with at most so many preemptions was; null where every one was, -1 where not even those without.
   */
  readonly bound: number | null
  readonly executions: number
  readonly steps: number
  readonly failure: SlicedFailure | null
}

/** How much of the steps the whole space gets before bounds are tried. */
const WHOLE_SHARE = 0.5
/** Of a slice in the first round, and at most. A second of one processor is about a million. */
const FIRST_STEPS = 50_000
const SLICE_STEPS = 4_000_000
const GROWTH = 4
/** What is left of a part is not split where so many wait. */
const PARTS_MAX = 256
/** An execution that is longer is given up. */
const EXECUTION_STEPS = 20_000
/** A slice that takes longer is in a loop without accesses. Far more than any machine needs, so that none differs. */
const SLICE_MS = 3_600_000

/** Explores within so many steps in all. `explore` may be called for several slices at once. */
export async function exploreSliced(
  target: SlicedTarget,
  steps: number,
  explore: (slice: Slice) => Promise<SliceResult>,
): Promise<SlicedResult> {
  const sum = { executions: 0, steps: 0 }
  let reached: number | null = -1
  const within = async (bound: number | null, limit: number): Promise<Round> => {
    const round = await exploreRounds(target, bound, limit, explore)
    sum.executions += round.executions
    sum.steps += round.steps
    return round
  }
  let { isDone, failure } = await within(null, steps * WHOLE_SHARE)
  if (isDone) reached = null
  for (let bound = 0; failure === null && reached !== null && sum.steps < steps; bound++) {
    ;({ isDone, failure } = await within(bound, steps - sum.steps))
    if (!isDone) break
    reached = bound
  }
  const verdict = failure === null ? 'pass' : 'fail'
  return { verdict, complete: reached === null && failure === null, bound: reached, ...sum, failure }
}

interface Round {
  /** Nothing is left. */
  readonly isDone: boolean
  readonly executions: number
  readonly steps: number
  readonly failure: SlicedFailure | null
}

async function exploreRounds(
  target: SlicedTarget,
  bound: number | null,
  limit: number,
  explore: (slice: Slice) => Promise<SliceResult>,
): Promise<Round> {
  const coordinator = new Coordinator()
  let sliceSteps = FIRST_STEPS
  let failure: SlicedFailure | null = null
  while (!coordinator.isDone && coordinator.steps < limit) {
    const left = limit - coordinator.steps
    // Where the steps do not suffice for all parts, each gets less, rather than only some of them any.
    const share = Math.max(FIRST_STEPS, Math.min(sliceSteps, Math.ceil(left / coordinator.waiting)))
    const taken = takeSome(coordinator, Math.max(1, Math.floor(left / share)))
    const steps = Math.min(share, Math.ceil(left / taken.length))
    const results = await Promise.all(taken.map(({ unit }) => explore({ target, bound, unit, steps })))
    const split = coordinator.waiting + taken.length < PARTS_MAX
    results.forEach((result, number) => {
      failure ??= result.failure
      coordinator.apply(taken[number]!.id, result, split)
    })
    sliceSteps = Math.min(SLICE_STEPS, sliceSteps * GROWTH)
  }
  const { executions, steps } = coordinator
  return { isDone: coordinator.isDone && failure === null, executions, steps, failure }
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

/** What was prepared last: slices of one target often come one after the other. */
let last: { readonly target: string; readonly prepared: Promise<Prepared> } | null = null

/** Explores one slice, which depends on nothing but what it is given. For a thread that explores nothing besides. */
export function exploreSlice({ target, bound, unit, steps }: Slice): Promise<SliceResult> {
  return oneAfterAnother(async () => {
    const prepared = await prepareOnce(target)
    const maxExecutions = Number.MAX_SAFE_INTEGER
    const options: ExploreOptions = { maxExecutions, maxSteps: EXECUTION_STEPS, maxMs: SLICE_MS, bound }
    setDeadline(deadlineAfter(SLICE_MS))
    try {
      // What an explorer has done before leaves marks in it.
      const runner = new UnitRunner(prepared.subject, options)
      const result = runner.run(unit, { maxExecutions, maxMs: SLICE_MS, maxSteps: steps })
      if (result.failed === null) return { ...result, failure: null }
      const raw = confirm(prepared.subject, options, result.failed)
      const { scenario, design, rwsem, rss = 'batched', published = false } = target
      const code = { scenario, design, rwsem, rss, published, digest: prepared.digest }
      return { ...result, failure: summariseFailure(raw, prepared.subject, code, EXECUTION_STEPS) }
    } finally {
      setDeadline(Infinity)
    }
  })
}

/** The memory that is stepped is the state of a module: it holds one target at a time. */
function prepareOnce(target: SlicedTarget): Promise<Prepared> {
  const { scenario, ...choice } = target
  const key = JSON.stringify(target)
  if (last?.target === key) return last.prepared
  memory.byteCells.clear()
  last = { target: key, prepared: prepare({ scenario, choice, patches: [] }, false) }
  return last.prepared
}
