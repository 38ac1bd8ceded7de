// Mutants of the examples that survive as they are as good as the original, with the reason.

import type { Mutant } from './mutate.ts'

export interface Equivalent extends Pick<Mutant, 'operator' | 'before' | 'after'> {
  readonly name: string
  readonly reason: string
}

export const equivalents: readonly Equivalent[] = []
