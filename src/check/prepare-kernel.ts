// A kernel scenario, loaded in its steppable form.

import {
  type SteppedEntry,
  type SteppedPrograms,
  loadSteppedTogether,
  memory,
} from '../backends/stepped/index.ts'
import { kernelProbes } from './kernel-probes.ts'
import { kernelSubject, sequentialOutcomes } from './kernel-subject.ts'
import { withPatches } from './mutants/apply.ts'
import type { SourcePatch } from './mutants/patch.ts'
import { tableOf, tables } from './scenarios/index.ts'
import { contendedLocks, scenarioPatches } from './scenarios/variants.ts'
import type { KernelChoice, Prepared, Target } from './target.ts'

export async function prepareKernel(target: Target, choice: KernelChoice, trace: boolean): Promise<Prepared> {
  const name = target.scenario
  const contended = choice.contended === true ? contendedLocks : []
  const patches = [...(scenarioPatches[name] ?? []), ...contended, ...target.patches]
  const expected = await referenceOutcomes(name, choice)
  const { exports, sites, digest } = await loadScenario(name, patches, trace)
  const make = makeOf(exports, name)
  const subject = kernelSubject(() => make(choice), expected, trace ? null : sites)
  return { subject, sites, digest, title: name, options: {} }
}

const references = new Map<string, ReadonlySet<string>>()

/** What the operations of a scenario give one after the other, under the classic design of the kernel as it is. */
async function referenceOutcomes(name: string, choice: KernelChoice): Promise<ReadonlySet<string>> {
  const key = `${name} ${choice.rwsem}`
  const present = references.get(key)
  if (present !== undefined) return present
  const { exports } = await loadScenario(name, [], false)
  const make = makeOf(exports, name)
  const outcomes = sequentialOutcomes(() => make({ ...choice, design: 'classic' }))
  references.set(key, outcomes)
  return outcomes
}

function makeOf(exports: SteppedEntry['exports'], name: string): (choice: KernelChoice) => unknown {
  const table = exports['default'] as Readonly<Record<string, (choice: KernelChoice) => unknown>>
  return table[name]!
}

/** Kernels that are loaded, by patches. They leave nothing behind in their modules. */
const kernels = new Map<string, Promise<SteppedPrograms>>()

/**
 * The kernel as it is serves all shipped scenarios, which are loaded at once: most of what they are is the kernel. A
 * kernel with patches is seldom met again by a scenario of another table.
 */
async function loadScenario(
  name: string,
  patches: readonly SourcePatch[],
  trace: boolean,
): Promise<SteppedEntry & Pick<SteppedPrograms, 'sites'>> {
  const table = tableOf(name)
  const loaded = patches.length === 0 ? tables : [table]
  const key = JSON.stringify([loaded, patches, trace])
  const kernel = kernels.get(key) ?? loadKernel(loaded, patches, trace)
  kernels.set(key, kernel)
  const { sites, open } = await kernel
  return { sites, ...(await open(tableFile(table))) }
}

function loadKernel(
  loaded: readonly string[],
  patches: readonly SourcePatch[],
  trace: boolean,
): Promise<SteppedPrograms> {
  memory.clear()
  // A trace tells of all calls, and the detectors have said by then what is wrong.
  return loadSteppedTogether(loaded.map(tableFile), {
    ...withPatches(patches),
    isShipped: true,
    trace,
    spins: 'spins',
    probes: trace ? [] : kernelProbes,
  })
}

function tableFile(table: string): string {
  const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
  return new URL(`./scenarios/${table}${extension}`, import.meta.url).href
}
