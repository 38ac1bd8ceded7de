// What each lane of a recording does around its operations: how long it computes, what it waits for.

import type { TimedPlan } from '../trace/index.ts'
import { OP_TOUCH, OP_WAITS_SHIFT, PAYLOAD_WORDS } from '../trace/operations.ts'
import type { LaneProgram } from './cpus.ts'

/**
 * What a thread did in the time between two events: as `recorded`, where the recording has when it was switched out.
 * Else it was `computing` all of the time, but for when another thread was seen on its CPU, which it waited for; or
 * `blocking`: asleep then, and where the time is longer than {@link BLOCKED_NS}.
 */
export type Gaps = 'recorded' | 'computing' | 'blocking'

/** A gap that is longer is taken for one in which the thread slept, by `blocking`. */
export const BLOCKED_NS = 1e6
/** Of fewer times a tenth tells nothing. */
const TIMES_MIN = 100

/**
 * How long a fault takes whose end is not in the recording, in nanoseconds: no longer than the time to the next event,
 * so that it shows where next to nothing was computed in between, which is taken to be so in the shortest tenth; 0
 * where there are too few to tell.
 */
export function unendedFaultNs(plan: TimedPlan): number {
  const times: number[] = []
  for (const { times: lane } of plan.lanes) {
    for (let operation = 0; operation < lane.unended.length; operation++)
      if (lane.unended[operation] === 1 && lane.awayNs[operation] === 0)
        times.push(lane.betweenNs[operation]!)
  }
  if (times.length < TIMES_MIN) return 0
  return times.toSorted((a, b) => a - b)[Math.floor(times.length / 10)]!
}

/**
 * How long a fault holds the mmap lock, in nanoseconds, where a design takes it and the recorded kernel did not: as
 * those hold it for which the recorded kernel did, the nine tenths that held it shortest, on average, as the others may
 * have had no processor meanwhile; 0 where there are too few to tell.
 */
export function faultHoldNs(plan: TimedPlan): number {
  const times: number[] = []
  for (const { words, times: lane } of plan.lanes) {
    const { kinds } = operationsOf(words, lane.isBorn.length)
    for (let operation = 0; operation < kinds.length; operation++)
      if (kinds[operation] === OP_TOUCH && lane.ownNs[operation]! >= 0) times.push(lane.readNs[operation]!)
  }
  if (times.length < TIMES_MIN) return 0
  const usual = times.toSorted((a, b) => a - b).slice(0, Math.floor((times.length * 9) / 10))
  return usual.reduce((sum, ns) => sum + ns, 0) / usual.length
}

/** What a fault takes that is not in the trace, in nanoseconds. */
export interface FaultTimes {
  /** See {@link unendedFaultNs}. */
  readonly faultNs: number
  /** See {@link faultHoldNs}. */
  readonly holdNs: number
}

/**
 * Recorded times are whole units of their resolution, mostly microseconds, cut off: a span between two of them is known
 * to one unit. Where in that it was is by chance, so that a run by another seed shows what that makes.
 */
export class RecordedSpans {
  readonly #resolutionNs: number
  readonly #random: () => number

  constructor(resolutionNs: number, random: () => number) {
    this.#resolutionNs = resolutionNs
    this.#random = random
  }

  /** One span that may have been recorded as so long, in nanoseconds. */
  one(ns: number): number {
    return Math.abs(ns + this.#resolutionNs * (this.#random() - this.#random()))
  }
}

/** The programs of all lanes. */
export function lanePrograms(
  plan: TimedPlan,
  gaps: Gaps,
  { faultNs, holdNs }: FaultTimes,
  spans: RecordedSpans,
): LaneProgram[] {
  return plan.lanes.map(({ words, times }) => {
    const operations = times.isBorn.length
    const { kinds, ...waits } = operationsOf(words, operations)
    const awayNs = Float64Array.from(times.awayNs)
    const computeNs = new Float64Array(operations)
    const spanIfEnded = (ns: number, operation: number): number =>
      times.ownNs[operation]! < 0 ? 0 : spans.one(ns)
    const ownNs = times.ownNs.map(spanIfEnded)
    const writeNs = times.writeNs.map(spanIfEnded)
    const readNs = times.readNs.map(spanIfEnded)
    for (let operation = 0; operation < operations; operation++) {
      const unended = times.unended[operation]!
      const between = spans.one(times.betweenNs[operation]!)
      const displaced = times.displacedNs[operation]!
      // No fault takes longer than until the next event.
      const faults = Math.min(between, faultNs * unended)
      const before = operation - 1
      if (unended > 0 && before >= 0 && kinds[before] === OP_TOUCH && times.ownNs[before]! < 0) {
        ownNs[before] = faults / unended
        readNs[before] = Math.min(holdNs, ownNs[before])
      }
      const ns = between - faults
      if (gaps === 'blocking' && ns + displaced > BLOCKED_NS) awayNs[operation]! += ns + displaced
      else {
        if (gaps === 'blocking') awayNs[operation]! += displaced
        computeNs[operation] = ns
      }
    }
    const { isBorn, bornOf, bornAfter } = times
    return { awayNs, computeNs, ownNs, writeNs, readNs, isBorn, bornOf, bornAfter, ...waits }
  })
}

function operationsOf(
  words: Int32Array,
  operations: number,
): Pick<LaneProgram, 'waits' | 'waitsAt'> & { readonly kinds: Uint8Array } {
  const kinds = new Uint8Array(operations)
  const waits: number[] = []
  const waitsAt = new Int32Array(operations + 1)
  let at = 0
  for (let operation = 0; operation < operations; operation++) {
    const first = words[at++]!
    kinds[operation] = first & 15
    waitsAt[operation] = waits.length
    for (let wait = first >>> OP_WAITS_SHIFT; wait > 0; wait--) {
      // A worker has done so many operations: the last of them has the number before.
      waits.push(words[at]!, words[at + 1]! - 1)
      at += 2
    }
    at += PAYLOAD_WORDS[first & 15]!
  }
  waitsAt[operations] = waits.length
  return { kinds, waits: Int32Array.from(waits), waitsAt }
}
