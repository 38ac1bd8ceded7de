// What is looked at beside an exploration that takes long: where errors are found soonest.
//
// Partial-order reduction goes through a program from its end: for long, it tries other orders of the last steps only,
// and an error that needs no preemption at all may be far away. So after a part of the time, interleavings with no,
// with one and with two preemptions are tried (iterative context bounding: Musuvathi and Qadeer, PLDI 2007), then
// random walks; then the exploration goes on from where it was, and counts as if nothing had been between. Only of
// programs that begin each execution anew: those of the kernel go on from a state that has to be in memory still.
import { type Exploration, type ExploreOptions, type Found, explore, exploreOnce } from './explore.ts'
import { type RawFailure, type Subject, isUnfair } from './run-once.ts'

export interface ExplorationWithAside extends Exploration {
  /** Not everything was explored, but every interleaving with at most so many preemptions was. */
  readonly boundCovered?: number
}

const BOUND_MAX = 2
/** Of the time, the part before that, that for all bounds together, and that for the walks. */
const BEFORE = 1 / 12
const BOUNDED = 1 / 20
const WALKING = 1 / 20

/** As explore(); with a bound or a random strategy the same. */
export function exploreWithAside(
  subject: Subject,
  options: ExploreOptions,
  afterMs = options.maxMs * BEFORE,
): ExplorationWithAside {
  const { bound = null, strategy = 'dpor', maxMs } = options
  if (bound !== null || strategy !== 'dpor' || subject.saver !== undefined) return explore(subject, options)
  let covered = -1
  const { onProgress: _, onOrder: __, ...quietly } = options
  const look = (): Found | null => {
    let [executions, steps] = [0, 0]
    const tryOut = (part: number, how: Partial<ExploreOptions>): Exploration => {
      const found = exploreOnce(subject, { ...quietly, ...how, maxMs: maxMs * part })
      executions += found.executions
      steps += found.steps
      return found
    }
    const found = (failure: RawFailure): Found => ({ failure, executions, steps })
    covered = -1
    for (let most = 0, left = BOUNDED; most <= BOUND_MAX && left > 0; most++) {
      const { failure, seconds, ...bounded } = tryOut(left, { bound: most })
      if (failure !== null && !isUnfair(failure)) return found(failure)
      if (!bounded.complete || bounded.hasLeftLoops || bounded.hasLeftTimeouts) break
      covered = most
      left -= (seconds * 1000) / maxMs
    }
    const { failure } = tryOut(WALKING, { strategy: 'random' })
    // With patience for who has no turn, it may be none.
    return failure === null || isUnfair(failure) ? null : found(failure)
  }
  const all = explore(subject, { ...options, aside: { afterMs, look } })
  return all.complete || all.failure !== null || covered < 0 ? all : { ...all, boundCovered: covered }
}
