// Checks a scenario: loads it in its steppable form, explores it, and says what was found.

import { basename } from 'node:path'
import {
  type Probe,
  type SourcePatch,
  type SteppedProgram,
  loadStepped,
  memory,
  setForbidden,
  setProbes,
  setSites,
} from '../backends/stepped/index.ts'
import { kernelProbes } from './detectors.ts'
import { type Exploration, explore } from './explore.ts'
import { THREADS_MAX } from './explorer.ts'
import { type CheckFailure, type Prepared, describeFailure, replayExecution } from './failure.ts'
import { kernelSubject, sequentialOutcomes } from './kernel-subject.ts'
import { oneAfterAnother } from './queue.ts'
import type { Scenario, ScenarioOptions } from './scenario.ts'
import { scenarioPatches } from './scenarios/variants.ts'
import { counterexampleText } from './table.ts'
import { type CheckedCode, executionOf } from './token.ts'
import { userSubject } from './user-scenario.ts'

const MAX_STEPS = 20_000
const MINIMISE_SECONDS = 20

export interface CheckOptions extends ScenarioOptions {
  /** Shorten a counterexample for so many seconds at most. Default 20; 0 leaves it as it was found. */
  readonly minimiseSeconds?: number
  /** Changes of the source, for a look at what a guard is good for. */
  readonly patches?: readonly SourcePatch[]
}

export type ReplayOptions = Pick<CheckOptions, 'patches'>

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
 * Checks the scenario that the module `file` (a path or a file: address) exports as default. Options of the scenario
 * hold where `options` are silent. Checks that are begun while another one runs wait for it.
 *
 * Throws NoScenario for a file that cannot be loaded or exports no scenario; SteppingRefused, with file, line and a
 * remedy, where the program comes to what cannot be stepped; and NotDeterministic where it does something else with
 * the same choices.
 */
export function checkFile(file: string | URL, options: CheckOptions = {}): Promise<CheckResult> {
  return oneAfterAnother(async () => {
    const prepared = await prepareFile(file, options, false)
    const { title = String(file), options: own } = prepared.description
    const prepareTraced = (): Promise<Prepared> => prepareFile(file, options, true)
    return judge(fileName(file), title, null, prepared, prepareTraced, { ...own, ...options })
  })
}

/**
 * Checks as checkFile() does, and throws ScenarioFailed where something fails. Where a limit ends the exploration
 * first, that is no failure: `complete` of the result is then false.
 */
export async function assertHolds(file: string | URL, options: CheckOptions = {}): Promise<CheckResult> {
  const result = await checkFile(file, options)
  if (result.failure !== null) throw new ScenarioFailed(result, result.failure)
  return result
}

/** A scenario does not hold. The message shows the interleaving in which it fails, as the command does. */
export class ScenarioFailed extends Error {
  override readonly name = 'ScenarioFailed'
  readonly result: CheckResult

  constructor(result: CheckResult, failure: CheckFailure) {
    super(`${result.scenario}\n\n${counterexampleText(failure.counterexample)}`)
    this.result = result
  }
}

/**
 * Runs the execution of a replay token again. Throws TokenRefused if the token is not for the file or not for its code
 * as it is, and what checkFile throws.
 */
export function replayFile(
  file: string | URL,
  token: string,
  options: ReplayOptions = {},
): Promise<CheckResult> {
  return oneAfterAnother(async () => {
    const prepared = await prepareFile(file, options, false)
    const { title = String(file) } = prepared.description
    const prepareTraced = (): Promise<Prepared> => prepareFile(file, options, true)
    return replay(fileName(file), title, null, prepared, prepareTraced, token)
  })
}

/** What a token calls the file: not where it stands, which may be elsewhere on another machine. */
function fileName(file: string | URL): string {
  return basename(String(file))
}

async function prepareFile(
  file: string | URL,
  options: ReplayOptions,
  trace: boolean,
): Promise<Prepared & { description: Scenario }> {
  const { exports, sites, digest } = await loadUsers(file, options, trace)
  const description = scenarioOf(file, exports['default'])
  memory.takeSnapshot()
  return { subject: userSubject(description), sites, digest, description }
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
  file: string | URL,
  options: ReplayOptions,
  trace: boolean,
): Promise<SteppedProgram> {
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

export interface KernelChoice {
  readonly design: string
  readonly rwsem: 'xadd' | 'generic'
  /** With the errors of the published form. Default false: each is mended where the design's file says so. */
  readonly published?: boolean
}

/** Checks the shipped scenario `name` on a machine of a kind. */
export function checkKernelScenario(
  name: string,
  choice: KernelChoice,
  options: CheckOptions = {},
): Promise<CheckResult> {
  return oneAfterAnother(async () => {
    const prepared = await prepareKernel(name, choice, options, false)
    return judge(name, name, choice, prepared, () => prepareKernel(name, choice, options, true), options)
  })
}

/**
 * Runs the execution of a replay token of a shipped scenario again. Throws TokenRefused if the token is for another
 * scenario or machine, or for other code.
 */
export function replayKernelScenario(
  name: string,
  choice: KernelChoice,
  token: string,
  options: ReplayOptions = {},
): Promise<CheckResult> {
  return oneAfterAnother(async () => {
    const prepared = await prepareKernel(name, choice, options, false)
    return replay(name, name, choice, prepared, () => prepareKernel(name, choice, options, true), token)
  })
}

async function prepareKernel(
  name: string,
  choice: KernelChoice,
  options: ReplayOptions,
  trace: boolean,
): Promise<Prepared> {
  const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
  const patches = [...(scenarioPatches[name] ?? []), ...(options.patches ?? [])]
  const url = new URL(`./scenarios/${name}${extension}`, import.meta.url)
  const expected = await referenceOutcomes(name, url, choice)
  const { exports, sites, digest } = await loadOnce(url, { ...options, patches }, trace)
  const make = exports['default'] as (choice: KernelChoice) => unknown
  return { subject: kernelSubject(() => make(choice), expected, trace ? null : sites), sites, digest }
}

const references = new Map<string, ReadonlySet<string>>()

/** What the operations of a scenario give one after the other, under the classic design of the kernel as it is. */
async function referenceOutcomes(name: string, url: URL, choice: KernelChoice): Promise<ReadonlySet<string>> {
  const key = `${name} ${choice.rwsem}`
  const present = references.get(key)
  if (present !== undefined) return present
  const { exports } = await loadOnce(url, {}, false)
  const make = exports['default'] as (choice: KernelChoice) => unknown
  const outcomes = sequentialOutcomes(() => make({ ...choice, design: 'classic' }))
  references.set(key, outcomes)
  return outcomes
}

/** Programs that leave nothing behind in their modules, by file and patches. */
const loaded = new Map<string, Promise<SteppedProgram>>()

async function loadOnce(file: URL, options: ReplayOptions, trace: boolean): Promise<SteppedProgram> {
  const key = JSON.stringify([file.href, options.patches ?? [], trace])
  const program = loaded.get(key) ?? load(file, options, trace, kernelProbes)
  loaded.set(key, program)
  setSites((await program).sites)
  return program
}

/** With `trace`, calls are reported too, which costs time. */
async function load(
  file: string | URL,
  options: ReplayOptions,
  trace: boolean,
  probes: readonly Probe[] = [],
): Promise<SteppedProgram> {
  memory.clear()
  // A trace tells of all calls, and the detectors have said by then what is wrong.
  const program = await loadStepped(file, {
    patches: options.patches ?? [],
    trace,
    probes: trace ? [] : probes,
  })
  setSites(program.sites)
  return program
}

/** `name` is that of a kernel scenario, or of a file. */
async function judge(
  name: string,
  title: string,
  choice: KernelChoice | null,
  prepared: Prepared,
  prepareTraced: () => Promise<Prepared>,
  options: CheckOptions,
): Promise<CheckResult> {
  const { maxExecutions = 10_000_000, maxSteps = MAX_STEPS, seconds = 60 } = options
  const found: Exploration = explore(prepared.subject, { maxExecutions, maxSteps, maxMs: seconds * 1000 })
  const failure =
    found.failure &&
    (await describeFailure(found.failure, prepared, prepareTraced, {
      code: codeOf(name, choice, prepared),
      noun: nounOf(choice),
      maxSteps,
      minimiseSeconds: options.minimiseSeconds ?? MINIMISE_SECONDS,
    }))
  setProbes(null)
  setForbidden(null)
  return {
    scenario: title,
    design: choice?.design ?? null,
    rwsem: choice?.rwsem ?? null,
    verdict: failure !== null ? 'fail' : found.complete ? 'pass' : 'incomplete',
    complete: found.complete,
    executions: found.executions,
    redundant: found.redundant,
    steps: found.steps,
    seconds: found.seconds,
    failure,
  }
}

/** One execution, and so nothing about all others. */
async function replay(
  name: string,
  title: string,
  choice: KernelChoice | null,
  prepared: Prepared,
  prepareTraced: () => Promise<Prepared>,
  token: string,
): Promise<CheckResult> {
  const started = performance.now()
  const execution = executionOf(token, codeOf(name, choice, prepared))
  const failure = await replayExecution(token, execution, prepared, prepareTraced, nounOf(choice))
  return {
    scenario: title,
    design: choice?.design ?? null,
    rwsem: choice?.rwsem ?? null,
    verdict: 'fail',
    complete: false,
    executions: 1,
    redundant: 0,
    steps: failure.steps,
    seconds: (performance.now() - started) / 1000,
    failure,
  }
}

function codeOf(scenario: string, choice: KernelChoice | null, { digest }: Prepared): CheckedCode {
  return { scenario, design: choice?.design ?? null, rwsem: choice?.rwsem ?? null, digest }
}

function nounOf(choice: KernelChoice | null): 'CPU' | 'thread' {
  return choice === null ? 'thread' : 'CPU'
}
