// Checks a scenario: loads it in its steppable form, explores it, and says what was found.

import {
  type Site,
  type SourcePatch,
  type SteppedProgram,
  loadStepped,
  memory,
  setSites,
} from '../backends/stepped/index.ts'
import { type Exploration, type FailureKind, type RawFailure, type Subject, explore } from './explore.ts'
import { kernelSubject } from './kernel-subject.ts'
import type { Scenario } from './scenario.ts'
import { userSubject } from './user-scenario.ts'

export interface CheckOptions {
  /** Stop after so many executions. Default: 10 million. */
  readonly maxExecutions?: number
  /** Give an execution up after so many steps. Default 20,000. */
  readonly maxSteps?: number
  /** Stop after so many seconds. Default 60. */
  readonly seconds?: number
  /** Changes of the source, for a look at what a guard is good for. */
  readonly patches?: readonly SourcePatch[]
}

export interface CheckFailure {
  readonly kind: FailureKind
  readonly message: string
  /** The places of a data race, or where an error was thrown. */
  readonly places: readonly string[]
  readonly preemptions: number
  readonly steps: number
  /** Which thread did each step. */
  readonly schedule: readonly number[]
}

export interface CheckResult {
  readonly scenario: string
  /** Of a kernel scenario. */
  readonly design: string | null
  readonly rwsem: string | null
  readonly verdict: 'pass' | 'fail' | 'incomplete'
  /** Every interleaving was covered. */
  readonly complete: boolean
  readonly executions: number
  /** Executions that were given up because others had shown the same. */
  readonly redundant: number
  readonly steps: number
  readonly seconds: number
  readonly failure: CheckFailure | null
}

/** Checks the scenario that the module `file` exports as default. Throws SteppingRefused for what cannot be stepped. */
export async function checkFile(file: string | URL, options: CheckOptions = {}): Promise<CheckResult> {
  const program = await load(file, options)
  const description = program.exports['default'] as Scenario | undefined
  if (typeof description !== 'object' || !Array.isArray(description.threads))
    throw new TypeError(
      `${String(file)} does not export a scenario as default: export default scenario({ … })`,
    )
  memory.takeSnapshot()
  const name = description.title ?? String(file)
  return judge(name, null, userSubject(description), program.sites, options)
}

export interface KernelChoice {
  readonly design: string
  readonly rwsem: 'xadd' | 'generic'
}

/** Checks the shipped scenario `name` on a machine of a kind. */
export async function checkKernelScenario(
  name: string,
  choice: KernelChoice,
  options: CheckOptions = {},
): Promise<CheckResult> {
  const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
  const program = await loadOnce(new URL(`./scenarios/${name}${extension}`, import.meta.url), options)
  const make = program.exports['default'] as (choice: KernelChoice) => unknown
  return judge(
    name,
    choice,
    kernelSubject(() => make(choice)),
    program.sites,
    options,
  )
}

/** Programs that leave nothing behind in their modules, by file and patches. */
const loaded = new Map<string, Promise<SteppedProgram>>()

async function loadOnce(file: URL, options: CheckOptions): Promise<SteppedProgram> {
  const key = JSON.stringify([file.href, options.patches ?? []])
  const program = loaded.get(key) ?? load(file, options)
  loaded.set(key, program)
  setSites((await program).sites)
  return program
}

async function load(file: string | URL, options: CheckOptions): Promise<SteppedProgram> {
  memory.clear()
  const program = await loadStepped(file, { patches: options.patches ?? [] })
  setSites(program.sites)
  return program
}

function judge(
  scenario: string,
  choice: KernelChoice | null,
  subject: Subject,
  sites: readonly Site[],
  options: CheckOptions,
): CheckResult {
  const { maxExecutions = 10_000_000, maxSteps = 20_000, seconds = 60 } = options
  const found: Exploration = explore(subject, { maxExecutions, maxSteps, maxMs: seconds * 1000 })
  return {
    scenario,
    design: choice?.design ?? null,
    rwsem: choice?.rwsem ?? null,
    verdict: found.failure !== null ? 'fail' : found.complete ? 'pass' : 'incomplete',
    complete: found.complete,
    executions: found.executions,
    redundant: found.redundant,
    steps: found.steps,
    seconds: found.seconds,
    failure: found.failure && describeFailure(found.failure, sites),
  }
}

function describeFailure(failure: RawFailure, sites: readonly Site[]): CheckFailure {
  const { kind, schedule, race } = failure
  const races = race === null ? [] : [race.first, race.second]
  const places = races.map(({ thread, site, write, atomic }) => {
    const verb = `${atomic ? 'atomic ' : ''}${write ? 'write' : 'read'}`
    return `thread ${thread}: ${verb} at ${placeOf(sites[site])}`
  })
  return {
    kind,
    message: messageOf(failure),
    places,
    preemptions: schedule.filter((thread, step) => step > 0 && schedule[step - 1] !== thread).length,
    steps: schedule.length,
    schedule,
  }
}

function messageOf({ kind, error }: RawFailure): string {
  if (kind === 'race') return 'two accesses to the same memory, one of them a plain one, that nothing orders'
  if (kind === 'deadlock') return 'every thread that is left waits for another'
  if (kind === 'livelock') return 'the execution does not end'
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
}

function placeOf(site: Site | undefined): string {
  if (site === undefined) return 'an unknown place'
  return `${site.file}:${site.line} (${site.function}): ${site.source}`
}
