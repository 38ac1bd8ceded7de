// The options and the result of a check.

import type { CoverageResult } from './coverage.ts'
import type { CheckFailure } from './failure.ts'
import type { Progress, Strategy } from './explore.ts'
import type { SourcePatch } from './mutants/patch.ts'
import type { ScenarioOptions } from './scenario.ts'
import type { Shard } from './work.ts'

export interface CheckOptions extends ScenarioOptions {
  /** Explore only interleavings with at most this many preemptions. Default null: every interleaving. */
  readonly bound?: number | null
  /** 'dpor', the default, explores every interleaving; 'pct' and 'random' choose randomly. */
  readonly strategy?: Strategy
  /** The seed of 'pct' and 'random': the same seed gives the same executions. Default 0. */
  readonly seed?: number
  /** For 'pct': how many ordered steps a failure needs, at least 1. Default 3. */
  readonly depth?: number
  /** Worker threads that explore, for 'dpor'. Default 1: this thread. */
  readonly workers?: number
  /** A checkpoint file: the exploration continues from it if it exists, and updates it; for 'dpor'. */
  readonly ledger?: string
  /** Explore only one part of several, for machines that do not communicate; for 'dpor'. */
  readonly shard?: Shard
  /** Tell in which order lines of the program came to the same memory: see `coverage` of the result. Default false. */
  readonly coverage?: boolean
  /** Called a few times a second. */
  readonly onProgress?: (progress: Progress) => void
  /** Shorten a counterexample for at most this many seconds. Default 20; 0 leaves it as found. */
  readonly minimiseSeconds?: number
  /** Changes of the source, to see what a guard is good for. */
  readonly patches?: readonly SourcePatch[]
}

/** Options of replayFile(). */
export type ReplayOptions = Pick<CheckOptions, 'patches'>

/** The result of a check, with the executions, steps and seconds that it took. */
export interface CheckResult {
  readonly scenario: string
  /** Of a kernel scenario. */
  readonly design: string | null
  readonly rwsem: string | null
  readonly rss: string | null
  /** With the errors of the design's published form; false where there is no design. */
  readonly published: boolean
  /** With contention for locks by CPUs outside the scenario; absent if not. */
  readonly contended?: true
  readonly verdict: 'pass' | 'fail' | 'incomplete'
  /** Every interleaving was covered, within the bound, the shard, and the turns and time-outs that the call set. */
  readonly complete: boolean
  readonly executions: number
  /** Executions that were ended early because others cover them. */
  readonly redundant: number
  readonly steps: number
  readonly seconds: number
  /** The maximum number of preemptions; null if there was no limit. */
  readonly bound: number | null
  /**
   * The time was too short for every interleaving: those with at most so many preemptions were covered, and others at
   * random. Absent otherwise, or if there was no time for that.
   */
  readonly boundCovered?: number
  readonly strategy: Strategy
  /** The estimated number of executions, exact if complete; null for random strategies. */
  readonly estimatedExecutions: number | null
  /** Of 'pct' and 'random'; else null. */
  readonly seed: number | null
  /** Of 'pct'; else null. */
  readonly depth: number | null
  /** For 'pct': the minimum probability that an execution shows a failure of that depth; else null. */
  readonly guarantee: number | null
  /** The part that was explored, as 'i/n'; null for all. */
  readonly shard: string | null
  /**
   * How often at most the time-outs of each thread have passed while another thread could continue, each at any moment;
   * null if none was left out for that. If it is a number that the call has not set, `complete` is false.
   */
  readonly timeouts: number | null
  /** The place of a wait whose time-out was left out. */
  readonly leftTimeout?: string
  /**
   * How many iterations that read the same were followed of a loop that pauses, or that changes what is neither shared
   * nor a variable of its function, before it was left to wait for a change; null if every loop was followed to its
   * end. If it is a number that the call has not set, `complete` is false.
   */
  readonly turns: number | null
  /**
   * For how many steps at most a thread that could continue had to wait for others; absent if there was no limit. It is
   * there only if an execution would not have ended otherwise. `complete` is then as with `turns`.
   */
  readonly patience?: number
  /** The place of such a loop. */
  readonly leftLoop?: string
  /** In what it counts: variables or fields that something reads, or shared memory. */
  readonly leftCounter?: string
  /** For linearizable(): how many programs of calls were explored, and how many there are. */
  readonly programs?: { readonly explored: number; readonly inAll: number }
  /** The program has accesses of racy(), which read older values too, up to four times in a thread. */
  readonly racy?: true
  /** The program names a clock: where a thread looks at it, it stands as before or has moved by ten days. */
  readonly clock?: true
  /** The program names `Math.random()` or the like: each thread draws the same numbers in each execution. */
  readonly chance?: true
  readonly failure: CheckFailure | null
  /** What the executions came to, and in which order, up to a failure if there is one; absent if not asked for. */
  readonly coverage?: CoverageResult
  /** The place of the loop, if the time ran out in the middle of an execution. */
  readonly endless?: string
}
