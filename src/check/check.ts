// Checks a scenario: loads it in its steppable form, explores it, and says what was found.

import {
  type Site,
  type SourcePatch,
  type SteppedProgram,
  loadStepped,
  memory,
  setSites,
} from '../backends/stepped/index.ts'
import { type Counterexample, recordCounterexample, shortPlace } from './counterexample.ts'
import { type Exploration, type FailureKind, type RawFailure, type Subject, explore } from './explore.ts'
import { THREADS_MAX } from './execution.ts'
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
  /** What happened, step by step: see counterexampleText(). */
  readonly counterexample: Counterexample
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

/**
 * Checks the scenario that the module `file` exports as default. Throws NoScenario, and
 * SteppingRefused for what cannot be stepped.
 */
export async function checkFile(file: string | URL, options: CheckOptions = {}): Promise<CheckResult> {
  const prepare = async (trace: boolean): Promise<Prepared & { title: string | undefined }> => {
    const { exports, sites } = await loadUsers(file, options, trace)
    const description = exports['default'] as Scenario | undefined
    if (typeof description !== 'object' || !Array.isArray(description.threads)) {
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
    memory.takeSnapshot()
    return { subject: userSubject(description), sites, title: description.title }
  }
  const prepared = await prepare(false)
  return judge(prepared.title ?? String(file), null, prepared, () => prepare(true), options)
}

async function loadUsers(file: string | URL, options: CheckOptions, trace: boolean): Promise<SteppedProgram> {
  try {
    return await load(file, options, trace)
  } catch (error) {
    if (error instanceof Error && 'remedy' in error) throw error
    throw new NoScenario(
      `${String(file)} cannot be loaded: ${String(error)}`,
      'correct what it imports or does',
    )
  }
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

/** A program that is loaded, ready to be explored. */
interface Prepared {
  readonly subject: Subject
  readonly sites: readonly Site[]
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
  const prepare = async (trace: boolean): Promise<Prepared> => {
    const url = new URL(`./scenarios/${name}${extension}`, import.meta.url)
    const { exports, sites } = await loadOnce(url, options, trace)
    const make = exports['default'] as (choice: KernelChoice) => unknown
    return { subject: kernelSubject(() => make(choice)), sites }
  }
  return judge(name, choice, await prepare(false), () => prepare(true), options)
}

/** Programs that leave nothing behind in their modules, by file and patches. */
const loaded = new Map<string, Promise<SteppedProgram>>()

async function loadOnce(file: URL, options: CheckOptions, trace: boolean): Promise<SteppedProgram> {
  const key = JSON.stringify([file.href, options.patches ?? [], trace])
  const program = loaded.get(key) ?? load(file, options, trace)
  loaded.set(key, program)
  setSites((await program).sites)
  return program
}

/** With `trace`, calls are reported too, which costs time. */
async function load(file: string | URL, options: CheckOptions, trace: boolean): Promise<SteppedProgram> {
  memory.clear()
  const program = await loadStepped(file, { patches: options.patches ?? [], trace })
  setSites(program.sites)
  return program
}

async function judge(
  scenario: string,
  choice: KernelChoice | null,
  prepared: Prepared,
  prepareTraced: () => Promise<Prepared>,
  options: CheckOptions,
): Promise<CheckResult> {
  const { maxExecutions = 10_000_000, maxSteps = 20_000, seconds = 60 } = options
  const found: Exploration = explore(prepared.subject, { maxExecutions, maxSteps, maxMs: seconds * 1000 })
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
    failure:
      found.failure &&
      describeFailure(found.failure, prepared.sites, await prepareTraced(), choice ? 'CPU' : 'thread'),
  }
}

function describeFailure(
  failure: RawFailure,
  sites: readonly Site[],
  traced: Prepared,
  noun: 'CPU' | 'thread',
): CheckFailure {
  const { kind, schedule, race } = failure
  const races = race === null ? [] : [race.first, race.second]
  const describeRaces = (say: (site: Site | undefined) => string): string[] =>
    races.map(({ thread, site, write, atomic }) => {
      const verb = `${atomic ? 'atomic ' : ''}${write ? 'write' : 'read'}`
      return `${noun} ${thread}: ${verb} at ${say(sites[site])}`
    })
  const message = messageOf(failure)
  const details = describeRaces((site) => `${shortPlace(site)}: ${site?.source}`)
  const counterexample = recordCounterexample(traced.subject, traced.sites, {
    noun,
    schedule,
    kind,
    message,
    details,
  })
  return {
    kind,
    message,
    places: describeRaces(placeOf),
    preemptions: schedule.filter((thread, step) => step > 0 && schedule[step - 1] !== thread).length,
    steps: schedule.length,
    schedule,
    counterexample,
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
