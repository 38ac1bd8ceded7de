// What a check is asked and what it says.

import type { CheckFailure } from './failure.ts'
import type { Progress, Strategy } from './explore.ts'
import type { SourcePatch } from './mutants/patch.ts'
import type { ScenarioOptions } from './scenario.ts'
import type { Shard } from './work.ts'

export interface CheckOptions extends ScenarioOptions {
  /** Explore only what needs at most so many preemptions. Default null: every interleaving. */
  readonly bound?: number | null
  /** 'dpor', the default, explores every interleaving; 'pct' and 'random' choose by chance. */
  readonly strategy?: Strategy
  /** What chance begins with: the same seed, the same executions. Default 0. */
  readonly seed?: number
  /** Of 'pct': how many ordered steps a failure needs, from 1. Default 3. */
  readonly depth?: number
  /** Worker threads that explore, for 'dpor'. Default 1: this thread. */
  readonly workers?: number
  /** The checkpoint file: the exploration continues from it if it exists, and writes it; for 'dpor'. */
  readonly ledger?: string
  /** Explore only one part of several, for machines that do not know of each other; for 'dpor'. */
  readonly shard?: Shard
  /** Called a few times a second. */
  readonly onProgress?: (progress: Progress) => void
  /** Shorten a counterexample for so many seconds at most. Default 20; 0 leaves it as it was found. */
  readonly minimiseSeconds?: number
  /** Changes of the source, for a look at what a guard is good for. */
  readonly patches?: readonly SourcePatch[]
}

/** Options of replayFile(). */
export type ReplayOptions = Pick<CheckOptions, 'patches'>

/** What a check has found. `executions` and `steps` are what it took; `seconds` passed meanwhile. */
export interface CheckResult {
  readonly scenario: string
  /** Of a kernel scenario. */
  readonly design: string | null
  readonly rwsem: string | null
  readonly rss: string | null
  /** With the errors of the design's published form; false where there is no design. */
  readonly published: boolean
  /** As if others, who are not in the scenario, wanted the same locks; absent where not. */
  readonly contended?: true
  readonly verdict: 'pass' | 'fail' | 'incomplete'
  /** Every interleaving was covered, within the bound and the shard. */
  readonly complete: boolean
  readonly executions: number
  /** Executions that were given up because others had shown the same. */
  readonly redundant: number
  readonly steps: number
  readonly seconds: number
  /** Preemptions at most; null where that was not limited. */
  readonly bound: number | null
  readonly strategy: Strategy
  /** How many executions there seem to be: as many as there were, where they were all; null with chance. */
  readonly estimatedExecutions: number | null
  /** Of 'pct' and 'random'; else null. */
  readonly seed: number | null
  /** Of 'pct'; else null. */
  readonly depth: number | null
  /** Of 'pct': with which probability, at least, each execution shows a failure of the depth; else null. */
  readonly guarantee: number | null
  /** The part that was explored, as 'i/n'; null for all. */
  readonly shard: string | null
  /**
   * How often at most the time-outs of each thread pass while something else could go on, each at any moment, where
   * threads were seen to wait with one; else null.
   */
  readonly timeouts: number | null
  /** Of linearizable(): how many programs of calls were explored, and how many there are. */
  readonly programs?: { readonly explored: number; readonly inAll: number }
  /** It has accesses of racy(), of whose values only those of interleavings are explored. */
  readonly racy?: true
  readonly failure: CheckFailure | null
  /** Where the time was up in the middle of an execution, in a loop: its place. */
  readonly endless?: string
}
