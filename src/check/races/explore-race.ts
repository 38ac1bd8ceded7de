// Looks for a race where it is said to be, and where it is said not to be.

import type { RwsemKind } from '../../kernel/index.ts'
import type { SourcePatch } from '../mutants/patch.ts'
import { type CheckOptions, type CheckResult, checkKernelScenario } from '../check.ts'
import { mutantNamed } from '../mutants.ts'
import type { Exhibit, Holds } from './race.ts'

/** Nearly every race needs no more preemptions than this, and is found by far sooner with so few. */
const FEW_PREEMPTIONS = 2

/**
 * Explores a scenario in which something is expected to fail: first the interleavings with few preemptions, and if
 * none fails, all, as far as the limits allow.
 */
export async function seekFailure(
  scenario: string,
  choice: { readonly design: string; readonly rwsem?: RwsemKind; readonly published?: boolean },
  options: CheckOptions,
): Promise<CheckResult> {
  const machine = { rwsem: 'xadd', ...choice } as const
  if (options.bound !== undefined || (options.strategy ?? 'dpor') !== 'dpor')
    return checkKernelScenario(scenario, machine, options)
  const first = await checkKernelScenario(scenario, machine, { ...options, bound: FEW_PREEMPTIONS })
  return first.failure === null ? checkKernelScenario(scenario, machine, options) : first
}

/** Shows a race. Throws RangeError if its mutant does not exist. */
export async function showExhibit(exhibit: Exhibit, options: CheckOptions = {}): Promise<CheckResult> {
  const { scenario, design, published = false } = exhibit
  return seekFailure(scenario, { design, published }, { ...options, patches: patchesOf(exhibit) })
}

function patchesOf({ mutant: name, patches = [] }: Exhibit): readonly SourcePatch[] {
  if (name === undefined) return patches
  const mutant = mutantNamed(name)
  if (mutant === undefined) throw new RangeError(`there is no mutant ${name}`)
  return [...mutant.patches, ...patches]
}

/** Why what an exhibit gave is not what it should have; null if it is. */
export function exhibitProblem({ fails, message }: Exhibit, { failure }: CheckResult): string | null {
  if (failure === null) return 'nothing fails'
  if (failure.kind === fails && message.test(failure.message)) return null
  return `it is a ${failure.kind}: ${failure.message}`
}

/** Explores where the race is said not to be. */
export async function exploreHolds(holds: Holds, options: CheckOptions = {}): Promise<CheckResult> {
  const { scenario, design, published = false, patches = [] } = holds
  return checkKernelScenario(scenario, { design, rwsem: 'xadd', published }, { ...options, patches })
}
