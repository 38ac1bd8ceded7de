// What a mutant is.

import type { RwsemKind } from '../../kernel/index.ts'
import type { SourcePatch } from './patch.ts'

export interface Mutant {
  readonly name: string
  /** What the guard is good for. */
  readonly guard: string
  /** The race that it is there for, R1 to R40 of the literature on speculative faults. */
  readonly race: string | null
  /** The shipped scenario that finds it, or that has to pass with it. */
  readonly scenario: string
  /** The design of which it is a mutant. Default: lespinasse-2021. */
  readonly design?: string
  /** The form of the mmap lock. Default: exchange-and-add. */
  readonly rwsem?: RwsemKind
  /** It shows only where others want the same locks, who are not in the scenario. */
  readonly contended?: true
  /** Why nothing breaks without the guard: what else does its work. */
  readonly redundant?: string
  readonly patches: readonly SourcePatch[]
}

/** Interrupts arrive, as they may on hardware: one for the flush of the TLBs, and one before tables are freed. */
export const TWO_INTERRUPTS = 'pollInterrupts(cpu); pollInterrupts(cpu)'

/** Mutants by name, as they are written down: nothing is told of what there is none of, and one patch is no list. */
export type MutantTable = Readonly<Record<string, MutantEntry>>

export interface MutantEntry extends Omit<Mutant, 'name' | 'race' | 'patches'> {
  readonly race?: string
  readonly patches: SourcePatch | readonly SourcePatch[]
}
