// What is to be checked, loaded in its steppable form. Worker threads load it for themselves, hence a module of its
// own.

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import {
  type LoadOptions,
  ScriptNeeded,
  type Site,
  type SteppedPrograms,
  alone,
  beginClocks,
  enterClocks,
  leaveClocks,
  forgetRefusal,
  loadSteppedTogether,
  memory,
  noteTextOfWasm,
} from '../backends/stepped/index.ts'
import { withMarks } from './capture-marks.ts'
import { comeTo, refuseDifference } from './capture.ts'
import { THREADS_MAX } from './execution.ts'
import { refuseUnknown } from './given-options.ts'
import { CAPTURE } from './inline-call.ts'
import { type LinearDescription, isLinearDescription } from './linear-description.ts'
import { linearPrograms } from './linear-subject.ts'
import { withPatches } from './mutants/apply.ts'
import type { Scenario } from './scenario.ts'
import { stateDigest } from './state-digest.ts'
import { NoScenario } from './no-scenario.ts'
import type { Prepared, Target } from './target.ts'
import { userSubject } from './user-scenario.ts'

export { NoScenario } from './no-scenario.ts'
export { type KernelChoice, type Prepared, type Target, scriptsWith } from './target.ts'

/**
 * Loads what is to be checked. With `trace`, calls are reported too, which costs time. Throws NoScenario, and
 * SteppingRefused for what cannot be stepped.
 */
export async function prepare(target: Target, trace: boolean): Promise<Prepared> {
  if (target.choice === null) return prepareFile(target, trace)
  // The kernel and its scenarios are most of what there is to load, and a file needs none of them.
  const { prepareKernel } = await import('./prepare-kernel.ts')
  return prepareKernel(target, target.choice, trace)
}

async function prepareFile(target: Target, trace: boolean): Promise<Prepared> {
  const { scenario: file, call } = target
  forgetRefusal()
  const program = await stepFile(target, trace)
  const { sites } = program
  const given =
    call === undefined ? await exported(file, program) : await comeTo(call, () => opened(file, program))
  memory.takeSnapshot()
  const { digestOfLoaded } = program
  const loaded = { sites, digest: program.digestOf(file), digestOfLoaded }
  if (isLinearDescription(given)) {
    const { performCalls } = (await program.open(harness)).exports
    return preparePrograms(target, given, loaded, performCalls as never)
  }
  const description = scenarioOf(target, given)
  if (call !== undefined) refuseOtherScenario(call, description)
  const { options = {} } = description
  const title = (given as { name?: string }).name ?? description.title ?? placeOf(target)
  const subject = userSubject(description, program.loops)
  subject.isRacy = hasRacyAccesses(sites)
  return { subject, ...loaded, title, options }
}

function preparePrograms(
  target: Target,
  description: LinearDescription,
  loaded: Pick<Prepared, 'sites' | 'digest' | 'digestOfLoaded'>,
  performCalls: Parameters<typeof linearPrograms>[1],
): Prepared {
  const { programs, inAll } = linearPrograms(description, performCalls)
  for (const each of programs) each.isRacy = hasRacyAccesses(loaded.sites)
  const subject = programs[target.program ?? 0]!
  const prepared = { ...loaded, subject, title: description.name ?? placeOf(target), options: description }
  return target.program === undefined ? { ...prepared, programs, programsInAll: inAll } : prepared
}

/** Accesses of racy() are among the places. */
export function hasRacyAccesses(sites: readonly Site[]): boolean {
  return sites.some(({ what }) => /^Atomics\.(load|store)Racy$/.test(what))
}

/** What is called by nothing else. */
function placeOf({ scenario, call }: Target): string {
  return call === undefined ? scenario : `${fileURLToPath(call.frames[0]!.url)}:${call.frames[0]!.line}`
}

function refuseOtherScenario(
  call: NonNullable<Target['call']>,
  { setup, threads, invariant }: Scenario,
): void {
  const { state: known, begin } = call.shape
  if (begin !== undefined) beginClocks(begin)
  enterClocks()
  try {
    const state = setup === undefined || known === null ? null : stateDigest(alone(setup()))
    refuseDifference(call, { threads: threads.length, invariant: invariant !== undefined, state })
  } finally {
    leaveClocks()
    memory.restore()
  }
}

function scenarioOf(target: Target, given: unknown): Scenario {
  const description = given as Scenario | null | undefined
  const place = placeOf(target)
  if (typeof description !== 'object' || description === null || !Array.isArray(description.threads)) {
    throw target.call === undefined
      ? new NoScenario(
          `${place} does not export a scenario as default`,
          'write export default scenario({ … })',
        )
      : new NoScenario(`the check at ${place} has no threads`, 'give a list of functions')
  }
  const { length } = description.threads
  if (length < 1 || length > THREADS_MAX) {
    const remedy = `give 1 to ${THREADS_MAX}; two or three are enough for most errors`
    throw new NoScenario(`the scenario of ${place} has ${length} threads`, remedy)
  }
  const wrong = description.threads.findIndex((each) => typeof each !== 'function' && !(each instanceof URL))
  if (wrong >= 0)
    throw new NoScenario(
      `thread ${wrong} of ${place} is not a function`,
      'give a function for each thread, or the URL of a script',
    )
  if (target.call === undefined) {
    refuseUnknown('scenario', `the scenario of ${place}`, description)
    refuseUnknown('options', `the scenario of ${place}, in its options,`, description.options ?? {})
  }
  return description
}

// ---------------------------------------------------------------------------------------------------------------------
// Loading

const harness = new URL(`perform-calls${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)

async function stepFile(
  { scenario: file, patches, call, scripts = [] }: Target,
  trace: boolean,
): Promise<SteppedPrograms> {
  for (const { kind, specifier } of scripts) if (kind === 'eval') noteTextOfWasm(specifier)
  const edit: Pick<LoadOptions, 'edit'> = call === undefined ? withPatches(patches) : withMarks(call)
  const isLinear = call === undefined ? namesLinearizable(file) : call.kind === 'linearizable'
  return loading(file, () => {
    memory.clear()
    const options = { ...edit, trace, turns: true, scripts }
    return loadSteppedTogether(isLinear ? [file, harness] : [file], options)
  })
}

function namesLinearizable(file: string): boolean {
  try {
    return readFileSync(file.startsWith('file:') ? fileURLToPath(file) : file, 'utf8').includes(
      'linearizable',
    )
  } catch {
    // Whoever loads it says what is wrong.
    return false
  }
}

async function exported(file: string, program: SteppedPrograms): Promise<unknown> {
  const everywhere = globalThis as Record<symbol, unknown>
  const before = everywhere[CAPTURE]
  // What a file exports is told by the functions that make it, and run by nobody.
  everywhere[CAPTURE] = ({ description }: { readonly description: unknown }) => description
  try {
    const given = (await opened(file, program))['default']
    // `exports.default = …` of a CommonJS module, which its import has within its own default.
    const inner = (given as { readonly default?: unknown } | null | undefined)?.default
    return inner === undefined || isLinearDescription(given) || 'threads' in (given as object) ? given : inner
  } finally {
    everywhere[CAPTURE] = before
  }
}

async function opened(file: string, program: SteppedPrograms): Promise<Readonly<Record<string, unknown>>> {
  return (await loading(file, () => program.open(file))).exports
}

async function loading<T>(file: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load()
  } catch (error) {
    if (error instanceof ScriptNeeded || (error instanceof Error && 'remedy' in error)) throw error
    throw new NoScenario(`${file} cannot be loaded: ${String(error)}`, 'correct what it imports or does')
  }
}
