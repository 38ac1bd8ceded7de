// Explores what there is time for: where it is soon plain that everything would take several times as long, the time
// goes to where errors are found soonest.
//
// Partial-order reduction goes through a program from its end: in a fraction of the time that it needs, it comes to
// other orders of the last steps only, and an error that needs no preemption at all may be far away. So the
// interleavings with no, with one and with two preemptions follow (iterative context bounding: Musuvathi and Qadeer,
// PLDI 2007), and random walks for the rest of the time. What can be explored whole in time is not touched by that.
import { type Exploration, type ExploreOptions, type Progress, explore } from './explore.ts'
import type { Subject } from './run-once.ts'

export interface ExplorationInTime extends Exploration {
  /** Not everything was explored, but every interleaving with at most so many preemptions was. */
  readonly boundCovered?: number
}

/** From which part of the time on its rest is looked at, and to which: later, less than what is left is gained. */
const LOOKS_FROM = 1 / 12
const LOOKS_UNTIL = 1 / 2
/** By how many times everything would have to exceed the time: estimates are seldom over 1.6 times too large. */
const TIMES_TOO_LONG = 4
const BOUND_MAX = 2
/** The part of the time for all bounds together. */
const BOUNDED = 1 / 4

/** As explore(); with a bound or a random strategy the same. */
export function exploreWithinTime(subject: Subject, options: ExploreOptions): ExplorationInTime {
  const { bound = null, strategy = 'dpor', maxMs, maxExecutions, onProgress } = options
  if (bound !== null || strategy !== 'dpor') return explore(subject, options)
  let isTooMuch = false
  const givesUp = ({ executions, seconds, estimatedExecutions }: Progress): boolean => {
    const part = (seconds * 1000) / maxMs
    if (part < LOOKS_FROM || part > LOOKS_UNTIL || estimatedExecutions === null) return false
    return (isTooMuch = (part * estimatedExecutions) / executions > TIMES_TOO_LONG)
  }
  const all = explore(subject, { ...options, givesUp })
  if (!isTooMuch || all.complete || all.failure !== null || all.endless !== null) return all
  const sum = { executions: all.executions, redundant: all.redundant, steps: all.steps, seconds: all.seconds }
  const further = (ms: number, how: Partial<ExploreOptions>): Exploration => {
    const before = { ...sum }
    const found = explore(subject, {
      ...options,
      ...how,
      maxMs: Math.max(0, Math.min(ms, maxMs - sum.seconds * 1000)),
      maxExecutions: maxExecutions - sum.executions,
      ...(onProgress && {
        onProgress: (progress) =>
          onProgress({
            ...sumOf(before, progress),
            estimatedExecutions: all.estimatedExecutions,
          }),
      }),
    })
    Object.assign(sum, sumOf(sum, found))
    return found
  }
  const isOver = (): boolean => sum.executions >= maxExecutions || sum.seconds * 1000 >= maxMs
  const boundedUntil = all.seconds * 1000 + maxMs * BOUNDED
  let covered = -1
  for (let most = 0; most <= BOUND_MAX && !isOver(); most++) {
    const found = further(boundedUntil - sum.seconds * 1000, { bound: most })
    if (found.failure !== null || found.endless !== null)
      return { ...found, ...sum, estimatedExecutions: sum.executions }
    if (!found.complete || found.hasLeftLoops || found.hasLeftTimeouts) break
    covered = most
  }
  const last = isOver() ? all : further(Infinity, { strategy: 'random' })
  const { failure, endless } = last
  return {
    ...all,
    ...sum,
    failure,
    endless,
    ...(failure !== null && { estimatedExecutions: sum.executions }),
    ...(failure === null && covered >= 0 && { boundCovered: covered }),
  }
}

type Sum = Pick<Progress, 'executions' | 'redundant' | 'steps' | 'seconds'>

function sumOf(one: Sum, other: Sum): Sum {
  return {
    executions: one.executions + other.executions,
    redundant: one.redundant + other.redundant,
    steps: one.steps + other.steps,
    seconds: one.seconds + other.seconds,
  }
}
