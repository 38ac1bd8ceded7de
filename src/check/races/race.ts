// What is told of a race of the literature: where it was, in which scenario it shows, and where it does not any more.

import type { SourcePatch } from '../mutants/patch.ts'
import type { FailureKind } from '../run-once.ts'

/** A kernel in which the race is, and how it shows. */
export interface Exhibit {
  /** Which design and version, in words. */
  readonly had: string
  readonly scenario: string
  readonly design: string
  /** As published; else as fixed, with the mutant or the patches. */
  readonly published?: boolean
  /** The mutant that restores it. */
  readonly mutant?: string
  /** Or what else restores it, in words and as changes of the source. */
  readonly restored?: string
  readonly patches?: readonly SourcePatch[]
  readonly fails: FailureKind
  readonly message: RegExp
  /** The names of memory that the table of steps is about; the others are left out of it. */
  readonly shows: RegExp
}

/** A kernel in which the race is not. */
export interface Holds {
  readonly scenario: string
  readonly design: string
  readonly published?: boolean
  readonly patches?: readonly SourcePatch[]
  /** Every interleaving is explored within a minute; else it is explored for a while. */
  readonly complete: boolean
  /** Why this kernel, if it is not only the fixed one. */
  readonly because?: string
}

export interface Race {
  readonly number: string
  readonly title: string
  /** What happens, who had it and who found it. Markdown. */
  readonly story: string
  /** How it was fixed. Markdown. */
  readonly fix: string
  /** Of what the sources only suspected: what is found out. Markdown. */
  readonly verdict?: string
  readonly exhibits: readonly Exhibit[]
  readonly holds: readonly Holds[]
}

/** A race that is not shown. */
export interface AbsentRace {
  readonly number: string
  readonly title: string
  readonly reason: string
}
