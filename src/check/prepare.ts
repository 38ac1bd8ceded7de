// What is to be checked, loaded in its steppable form. Worker threads load it for themselves, hence a module of its
// own.

import {
  type Site,
  type SteppedEntry,
  type SteppedProgram,
  type SteppedPrograms,
  loadStepped,
  loadSteppedTogether,
  memory,
} from '../backends/stepped/index.ts'
import type { RwsemKind } from '../kernel/index.ts'
import { kernelProbes } from './detectors.ts'
import { THREADS_MAX } from './execution.ts'
import type { Subject } from './explore.ts'
import { kernelSubject, sequentialOutcomes } from './kernel-subject.ts'
import { withPatches } from './mutants/apply.ts'
import type { SourcePatch } from './mutants/patch.ts'
import type { Scenario, ScenarioOptions } from './scenario.ts'
import { tableOf, tables } from './scenarios/index.ts'
import { scenarioPatches } from './scenarios/variants.ts'
import { userSubject } from './user-scenario.ts'

export interface KernelChoice {
  readonly design: string
  readonly rwsem: RwsemKind
  /** How resident pages are counted. Default 'batched'. */
  readonly rss?: 'shared' | 'batched'
  /** With the errors of the published form. Default false: each is mended where the design's file says so. */
  readonly published?: boolean
}

/** What is to be checked. Plain data. */
export interface Target {
  /** The address of a file that exports a scenario as default, or the name of a shipped scenario. */
  readonly scenario: string
  /** Of a shipped scenario; null for a file. */
  readonly choice: KernelChoice | null
  readonly patches: readonly SourcePatch[]
}

/** A program that is loaded, ready to be explored. */
export interface Prepared {
  readonly subject: Subject
  readonly sites: readonly Site[]
  /** Of its code, patches included. */
  readonly digest: string
  readonly title: string
  /** The scenario's own. */
  readonly options: ScenarioOptions
}

/** A file that is to be checked cannot be loaded, or exports no scenario. */
export class NoScenario extends TypeError {
  override readonly name = 'NoScenario'
  readonly remedy: string

  constructor(message: string, remedy: string) {
    super(message)
    this.remedy = remedy
  }
}

/**
 * Loads what is to be checked. With `trace`, calls are reported too, which costs time. Throws NoScenario, and
 * SteppingRefused for what cannot be stepped.
 */
export function prepare(target: Target, trace: boolean): Promise<Prepared> {
  return target.choice === null ? prepareFile(target, trace) : prepareKernel(target, target.choice, trace)
}

async function prepareFile({ scenario: file, patches }: Target, trace: boolean): Promise<Prepared> {
  const { exports, sites, digest } = await loadUsers(file, patches, trace)
  const description = scenarioOf(file, exports['default'])
  memory.takeSnapshot()
  const { title = file, options = {} } = description
  return { subject: userSubject(description), sites, digest, title, options }
}

function scenarioOf(file: string | URL, exported: unknown): Scenario {
  const description = exported as Scenario | null | undefined
  if (typeof description !== 'object' || description === null || !Array.isArray(description.threads)) {
    throw new NoScenario(
      `${String(file)} does not export a scenario as default`,
      'write export default scenario({ … })',
    )
  }
  const { length } = description.threads
  if (length < 1 || length > THREADS_MAX) {
    const remedy = `give 1 to ${THREADS_MAX}; two or three are enough for most errors`
    throw new NoScenario(`the scenario of ${String(file)} has ${length} threads`, remedy)
  }
  const wrong = description.threads.findIndex((thread) => typeof thread !== 'function')
  if (wrong >= 0)
    throw new NoScenario(
      `thread ${wrong} of ${String(file)} is no function`,
      'give a function for each thread',
    )
  return description
}

async function loadUsers(
  file: string,
  patches: readonly SourcePatch[],
  trace: boolean,
): Promise<SteppedProgram> {
  try {
    memory.clear()
    return await loadStepped(file, { ...withPatches(patches), trace, turns: true })
  } catch (error) {
    if (error instanceof Error && 'remedy' in error) throw error
    throw new NoScenario(`${file} cannot be loaded: ${String(error)}`, 'correct what it imports or does')
  }
}

async function prepareKernel(target: Target, choice: KernelChoice, trace: boolean): Promise<Prepared> {
  const name = target.scenario
  const patches = [...(scenarioPatches[name] ?? []), ...target.patches]
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
 * kernel with patches is seldom met again by a scenario of another table, nor one that is traced.
 */
async function loadScenario(
  name: string,
  patches: readonly SourcePatch[],
  trace: boolean,
): Promise<SteppedEntry & Pick<SteppedPrograms, 'sites'>> {
  const table = tableOf(name)
  const loaded = patches.length === 0 && !trace ? tables : [table]
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
    trace,
    spins: 'spins',
    probes: trace ? [] : kernelProbes,
  })
}

function tableFile(table: string): string {
  const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
  return new URL(`./scenarios/${table}${extension}`, import.meta.url).href
}
