// Mutants of the kernel: each takes away one guard. A checker that does not find them proves nothing.
//
// A mutant is a change of the source, made while the kernel is loaded for the check. It names the scenario that finds
// it, and the race that the guard is there for, if that has a number. Where a guard is redundant, because others do
// its work, the mutant says why, and the scenario has to pass with it.

import { designMutants } from './mutants/design.ts'
import { dufourMutants } from './mutants/dufour.ts'
import { kamezawaMutants } from './mutants/kamezawa.ts'
import { machineMutants } from './mutants/machine.ts'
import { memoryMutants } from './mutants/memory.ts'
import type { Mutant, MutantTable } from './mutants/mutant.ts'
import { notifierMutants } from './mutants/notifier.ts'
import { pagingMutants } from './mutants/paging.ts'
import { hazardVmaMutants } from './mutants/hazard-vma.ts'
import { leafSlotMutants } from './mutants/leaf-slots.ts'
import { perVmaMutants } from './mutants/per-vma.ts'
import { accountingMutants } from './mutants/accounting.ts'
import { flusherMutants } from './mutants/flusher.ts'
import { pinMutants } from './mutants/pins.ts'
import { readerSpinningMutants } from './mutants/reader-spinning.ts'
import { semaphoreMutants } from './mutants/semaphores.ts'
import { spinlockMutants } from './mutants/spinlocks.ts'
import { syncMutants } from './mutants/sync.ts'
import { writerSpinningMutants } from './mutants/writer-spinning.ts'
import { zijlstraMutants } from './mutants/zijlstra.ts'
import type { KernelChoice } from './target.ts'

export type { Mutant } from './mutants/mutant.ts'

const tables: readonly MutantTable[] = [
  designMutants,
  kamezawaMutants,
  zijlstraMutants,
  dufourMutants,
  leafSlotMutants,
  perVmaMutants,
  hazardVmaMutants,
  memoryMutants,
  pagingMutants,
  flusherMutants,
  pinMutants,
  accountingMutants,
  notifierMutants,
  machineMutants,
  syncMutants,
  spinlockMutants,
  semaphoreMutants,
  readerSpinningMutants,
  writerSpinningMutants,
]

/** The design of which a mutant is one unless it says so. */
export const MUTATED = 'lespinasse-2021'

export const mutants: readonly Mutant[] = tables.flatMap((table) =>
  Object.entries(table).map(([name, { race = null, patches, ...rest }]) => ({
    name,
    race,
    patches: [patches].flat(),
    ...rest,
  })),
)

const byName = new Map(mutants.map((mutant) => [mutant.name, mutant]))

/** The mutant of that name, if there is one. */
export function mutantNamed(name: string): Mutant | undefined {
  return byName.get(name)
}

/** The machine on which a mutant is looked for. */
export function mutantChoice({ design = MUTATED, rwsem = 'xadd', contended }: Mutant): KernelChoice {
  return { design, rwsem, contended }
}
