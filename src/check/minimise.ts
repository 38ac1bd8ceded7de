// From the first failing execution to one that is easier to read: fewest preemptions, then fewest steps.
//
// A preemption is a switch away from a thread that could have continued; people can follow one, two or three of
// them, not thirty. There are two searches, both of which run candidates and keep only those that fail in the same
// way. The first shortens the execution at hand: it joins two parts of a thread, or omits a part. The second starts
// from scratch, with no preemption, then one, then two (Musuvathi and Qadeer: Iterative context bounding, PLDI
// 2007); it preempts only before operations on memory that other threads touch too, since all others commute.

import { CountRead, PAUSE, TimeUp, WOKEN, setDeadline } from '../backends/stepped/index.ts'
import { TIME } from './execution.ts'
import type { RawFailure, Subject } from './run-once.ts'
import {
  type Choice,
  ENDLESS_MS,
  type FollowedRun,
  type Turning,
  errorText,
  follow,
  leadBy,
} from './follow.ts'

export interface MinimiseOptions {
  /** Give an execution up after so many steps. */
  readonly maxSteps: number
  /** Stop after so many seconds. 0: leave everything as it is. */
  readonly seconds: number
  /** Stop after so many steps of all candidates together, so that the result does not depend on the clock. */
  readonly budgetSteps: number
}

export interface Minimised {
  /** The execution that is left. */
  readonly run: FollowedRun
  readonly failure: RawFailure
  /** Preemptions of the one that was found. */
  readonly before: number
}

/** Steps that one candidate may have, of those that the execution to be shortened has. */
const LONGER = 4
const STEPS_MIN = 1000
/** No other thread is chosen where time has let threads go on so often already. */
const RESCUES_MAX = 8
/** Schedules that wait to be tried, at most: the budget is used up before more are. */
const PENDING_MAX = 100_000

/**
 * Shortens the execution that failed. Null if it does not fail in the same way when its schedule is followed: then
 * something other than the schedule decides.
 */
export function minimise(subject: Subject, found: RawFailure, options: MinimiseOptions): Minimised | null {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  try {
    return new Minimiser(subject, found, options).result()
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

/** Some steps of one thread. */
interface Block {
  readonly thread: number
  readonly steps: number
}

class Minimiser {
  readonly #subject: Subject
  readonly #options: MinimiseOptions
  readonly #races: boolean
  readonly #original: FollowedRun
  readonly #found: RawFailure
  readonly #deadline: number
  #best: FollowedRun
  #stepsLeft: number
  /** For each cell, the threads that were seen to touch it, and those that changed it, as sets of bits. */
  readonly #users = new Map<number, number>()
  readonly #writers = new Map<number, number>()

  constructor(subject: Subject, found: RawFailure, options: MinimiseOptions) {
    this.#subject = subject
    this.#options = options
    this.#found = found
    this.#races = found.kind === 'race'
    this.#deadline = performance.now() + options.seconds * 1000
    this.#stepsLeft = options.budgetSteps
    const { schedule } = found
    const lead = (step: number): number => schedule[step] ?? -1
    this.#original = follow(subject, { maxSteps: options.maxSteps, races: this.#races, lead })
    this.#best = this.#original
    this.#learn(this.#original)
  }

  result(): Minimised | null {
    const { failure } = this.#original
    const { kind, error } = this.#found
    if (failure?.kind !== kind) return null
    if (kind === 'error' && errorText(failure.error) !== errorText(error)) return null
    if (this.#options.seconds > 0) this.#searchUntilOver()
    const { preemptions: before } = this.#original
    const best = this.#best.failure!
    // Where nothing was thrown, what is known of the failure besides holds for the shorter execution too.
    return {
      run: this.#best,
      failure: kind === 'error' || kind === 'deadlock' ? best : { ...best, error },
      before,
    }
  }

  #searchUntilOver(): void {
    try {
      this.#shorten()
      this.#searchAnew()
    } catch (error) {
      // A candidate is in a loop without end, and more of them would be: the search is over.
      if (!(error instanceof TimeUp)) throw error
    } finally {
      setDeadline(Infinity)
    }
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Candidates

  #isOver(): boolean {
    return this.#stepsLeft <= 0 || performance.now() > this.#deadline
  }

  #try(lead: (step: number, enabled: number) => number): FollowedRun {
    const longest = Math.max(STEPS_MIN, this.#original.steps * LONGER)
    // What does not end and what does not go on must be run to the end, to be known for it.
    const { kind } = this.#found
    const whole = kind === 'livelock' || kind === 'deadlock'
    const maxSteps = whole ? this.#options.maxSteps : Math.min(this.#options.maxSteps, longest)
    setDeadline(Math.min(this.#deadline, performance.now() + ENDLESS_MS))
    const run = this.#follow(maxSteps, lead)
    this.#stepsLeft -= Math.max(run.steps, run.failure?.schedule.length ?? 0)
    this.#learn(run)
    return run
  }

  #follow(maxSteps: number, lead: (step: number, enabled: number) => number): FollowedRun {
    try {
      return follow(this.#subject, { maxSteps, races: this.#races, lead })
    } catch (error) {
      // Another execution may read what this one only counts: it would have to begin with a count that is read.
      if (!(error instanceof CountRead)) throw error
      return { choices: [], failure: null, key: '', preemptions: 0, steps: maxSteps, threads: [], left: null }
    }
  }

  /** It fails in the same way, with fewer preemptions, or as many and fewer steps. */
  #isBetter(run: FollowedRun): boolean {
    if (run.failure === null || run.key !== this.#original.key) return false
    const { preemptions, steps } = this.#best
    return run.preemptions < preemptions || (run.preemptions === preemptions && run.steps < steps)
  }

  #learn({ choices }: FollowedRun): void {
    for (const { kind, thread, cell, changes } of choices) {
      if (kind === PAUSE || kind === WOKEN) continue
      this.#users.set(cell, (this.#users.get(cell) ?? 0) | (1 << thread))
      if (changes) this.#writers.set(cell, (this.#writers.get(cell) ?? 0) | (1 << thread))
    }
  }

  /** Another thread touches what this step touches, and one of them changes it. */
  #matters({ kind, thread, cell, changes }: Choice): boolean {
    if (kind === PAUSE || kind === WOKEN) return false
    const own = 1 << thread
    const others = (changes ? this.#users : this.#writers).get(cell) ?? 0
    return (others & ~own) !== 0
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Shortening what is there

  #shorten(): void {
    for (let improved = true; improved && !this.#isOver();) {
      improved = false
      const blocks = blocksOf(this.#best.choices)
      for (const candidate of simplerBlocks(blocks)) {
        if (this.#isOver()) return
        const run = this.#try(leadByBlocks(candidate))
        if (!this.#isBetter(run)) continue
        this.#best = run
        improved = true
        break
      }
    }
  }

  // -------------------------------------------------------------------------------------------------------------------
  // From nothing

  /** Every schedule with no preemption, then with one, and so on, up to as many as the best one has. */
  #searchAnew(): void {
    let level: Turning[][] = [[]]
    for (let preemptions = 0; preemptions <= this.#best.preemptions && level.length > 0; preemptions++) {
      const next: Turning[][] = []
      for (let turnings = level.pop(); turnings !== undefined; turnings = level.pop()) {
        if (this.#isOver()) return
        const run = this.#try(leadBy(turnings))
        if (this.#isBetter(run)) this.#best = run
        const from = turnings.length === 0 ? 0 : turnings.at(-1)!.step + 1
        this.#branch(run, turnings, from, level, preemptions < this.#best.preemptions ? next : null)
      }
      // The last that was added is tried first: the order of the text is easier to read.
      level = next.toReversed()
    }
  }

  /** What differs from the run first at or after step `from`: without a preemption more, or with one. */
  #branch(
    { choices }: FollowedRun,
    turnings: readonly Turning[],
    from: number,
    free: Turning[][],
    preempted: Turning[][] | null,
  ): void {
    let rescues = 0
    for (let step = 0; step < choices.length; step++) {
      const { thread, enabled, lastEnabled, rescued } = choices[step]!
      if (rescued && ++rescues > RESCUES_MAX) return
      if (step < from) continue
      const into = lastEnabled ? preempted : free
      if (into === null || (lastEnabled && !this.#matters(choices[step]!))) continue
      for (let others = enabled & ~(1 << thread); others !== 0; others &= others - 1) {
        if (into.length >= PENDING_MAX) return
        into.push([...turnings, { step, thread: 31 - Math.clz32(others & -others) }])
      }
    }
  }
}

function blocksOf(choices: readonly Choice[]): Block[] {
  const blocks: { thread: number; steps: number }[] = []
  for (const { thread, isLook } of choices) {
    if (isLook && thread !== TIME) continue
    const last = blocks.at(-1)
    if (last?.thread === thread) last.steps++
    else blocks.push({ thread, steps: 1 })
  }
  return blocks
}

/** Lists of blocks with one part of a thread joined to its next, or left out, or with what follows cut. */
function* simplerBlocks(blocks: readonly Block[]): Generator<Block[]> {
  for (let at = 1; at < blocks.length; at++) yield blocks.slice(0, at)
  for (let at = 0; at < blocks.length; at++) {
    const { thread } = blocks[at]!
    const later = blocks.findIndex((block, index) => index > at && block.thread === thread)
    if (later >= 0) {
      const joined = { thread, steps: blocks[at]!.steps + blocks[later]!.steps }
      const rest = blocks.filter((_, index) => index !== at && index !== later)
      yield rest.toSpliced(at, 0, joined)
      yield rest.toSpliced(later - 1, 0, joined)
    }
    yield blocks.toSpliced(at, 1)
  }
}

/** Takes the blocks as far as their threads can go on; what a thread cannot do of its block is left out. */
function leadByBlocks(blocks: readonly Block[]): (step: number, enabled: number) => number {
  let at = 0
  let done = 0
  return (_, enabled) => {
    if (enabled >= 1 << TIME) {
      const next = done === blocks[at]?.steps ? at + 1 : at
      if (blocks[next]?.thread !== TIME) return -1
      at = next
      done = 1
      return TIME
    }
    for (; at < blocks.length; at++, done = 0) {
      const { thread, steps } = blocks[at]!
      if (done === steps || (enabled & (1 << thread)) === 0) continue
      done++
      return thread
    }
    return -1
  }
}
