// What a mutant is.

import type { SourcePatch } from '../../backends/stepped/index.ts'

export interface Mutant {
  readonly name: string
  /** What the guard is good for. */
  readonly guard: string
  /** The race that it is there for, R1 to R37 of the literature on speculative faults. */
  readonly race: string | null
  /** The shipped scenario that finds it, or that has to pass with it. */
  readonly scenario: string
  /** The design of which it is a mutant. Default: lespinasse-2021. */
  readonly design?: string
  /** The form of the mmap lock. Default: exchange-and-add. */
  readonly rwsem?: 'xadd' | 'generic'
  /** Why nothing breaks without the guard: what else does its work. */
  readonly redundant?: string
  readonly patches: readonly SourcePatch[]
}

/** The exclamation of the kernel's own assertions would come first, and hide what the guard is good for. */
export function patch(file: string, find: string, replace: string): SourcePatch {
  return { file, find, replace }
}
