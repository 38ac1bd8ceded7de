// What each lane of a recording does around its operations: how long it computes, what it waits for.

import type { TimedPlan } from '../trace/index.ts'
import { OP_WAITS_SHIFT, PAYLOAD_WORDS } from '../trace/operations.ts'
import type { LaneProgram } from './cpus.ts'

/**
 * What a thread did in the time between two events: as `recorded`, where the recording has when it was switched out;
 * else `computing` all of the time, or `blocking` where it is longer than {@link BLOCKED_NS}.
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

/** The programs of all lanes. @param faultNs how long a fault took whose end is not in the trace */
export function lanePrograms(plan: TimedPlan, gaps: Gaps, faultNs: number): LaneProgram[] {
  return plan.lanes.map(({ words, times }) => {
    const operations = times.isBorn.length
    const awayNs = Float64Array.from(times.awayNs)
    const computeNs = new Float64Array(operations)
    for (let operation = 0; operation < operations; operation++) {
      const ns = Math.max(0, times.betweenNs[operation]! - faultNs * times.unended[operation]!)
      if (gaps === 'blocking' && ns > BLOCKED_NS) awayNs[operation]! += ns
      else computeNs[operation] = ns
    }
    const { isBorn, bornOf, bornAfter } = times
    return { awayNs, computeNs, isBorn, bornOf, bornAfter, ...waitsOf(words, operations) }
  })
}

function waitsOf(words: Int32Array, operations: number): Pick<LaneProgram, 'waits' | 'waitsAt'> {
  const waits: number[] = []
  const waitsAt = new Int32Array(operations + 1)
  let at = 0
  for (let operation = 0; operation < operations; operation++) {
    const first = words[at++]!
    waitsAt[operation] = waits.length
    for (let wait = first >>> OP_WAITS_SHIFT; wait > 0; wait--) {
      // A worker has done so many operations: the last of them has the number before.
      waits.push(words[at]!, words[at + 1]! - 1)
      at += 2
    }
    at += PAYLOAD_WORDS[first & 15]!
  }
  waitsAt[operations] = waits.length
  return { waits: Int32Array.from(waits), waitsAt }
}
