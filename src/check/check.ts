// Checks a scenario: loads it in its steppable form, explores it, and returns the result.

import { isAbsolute } from 'node:path'
import {
  ScriptNeeded,
  type ScriptRequest,
  type Site,
  memory,
  setDeadline,
  setCounting,
  setForbidden,
  setProbes,
  setTurns,
  TURNS_MAX,
  isOfBackend,
  drawsNumbers,
  fieldsThatCount,
  readsClocks,
} from '../backends/stepped/index.ts'
import type { CheckOptions, CheckResult, ReplayOptions } from './check-result.ts'
import { codeOf, tokenName } from './checked-code.ts'
import { HARNESS } from './counterexample-data.ts'
import { Coverage } from './coverage.ts'
import { raceWithLoop } from './follow.ts'
import {
  DEPTH,
  EXECUTIONS,
  type Explored,
  MAX_STEPS,
  defaultSeconds,
  exploreLoops,
  placeOf,
} from './exploring.ts'
import type { Subject } from './run-once.ts'
import { describeFailure, replayExecution } from './failure.ts'
import { refuseUnknown } from './given-options.ts'
import { NoScenario } from './no-scenario.ts'
import type { Address } from './scenario.ts'
import { TIMEOUTS_MAX, setTimeouts } from './passing-time.ts'
import {
  type KernelChoice,
  type Prepared,
  type Target,
  hasRacyAccesses,
  prepare,
  scriptsWith,
} from './prepare.ts'
import { oneAfterAnother } from './queue.ts'
import { ScenarioFailed } from './scenario-failed.ts'
import { executionOf, readToken } from './token.ts'
import { deadlineAfter } from './work.ts'

export type { CheckOptions, CheckResult, ReplayOptions } from './check-result.ts'
export { ScenarioFailed } from './scenario-failed.ts'

const MINIMISE_SECONDS = 20

/**
 * Checks the scenario that the module `file` (a path or a file: address) exports as default. `options` override the
 * scenario's own. If another check is running, this one waits for it.
 *
 * Throws NoScenario if the file cannot be loaded or exports no scenario; SteppingRefused, with file, line and a remedy,
 * if the program reaches something that cannot be stepped; NotDeterministic if it behaves differently with the same
 * scheduling; and LedgerRefused.
 */
export async function checkFile(file: string | Address, options: CheckOptions = {}): Promise<CheckResult> {
  refuseUnknown('options', 'checkFile()', options)
  return check(fileTarget(file, options), options)
}

/**
 * Checks like checkFile(), and throws ScenarioFailed if something fails. If a limit ends the exploration first, this is
 * not a failure; `complete` of the result is then false.
 */
export async function assertHolds(file: string | Address, options: CheckOptions = {}): Promise<CheckResult> {
  const result = await checkFile(file, options)
  if (result.failure !== null) throw new ScenarioFailed(result, result.failure)
  return result
}

/** Checks the shipped scenario `name` on a machine of a kind. Throws LedgerRefused. */
export function checkKernelScenario(
  name: string,
  choice: KernelChoice,
  options: CheckOptions = {},
): Promise<CheckResult> {
  return check({ scenario: name, choice, patches: options.patches ?? [] }, options)
}

/**
 * Repeats the execution of a replay token. Throws TokenRefused if the token is for another file or other code, and
 * whatever checkFile throws.
 */
export function replayFile(
  file: string | Address,
  token: string,
  options: ReplayOptions = {},
): Promise<CheckResult> {
  return replay(fileTarget(file, options), token)
}

/**
 * Repeats the execution of a replay token of a shipped scenario. Throws TokenRefused if the token is for another
 * scenario or machine, or for other code.
 */
export function replayKernelScenario(
  name: string,
  choice: KernelChoice,
  token: string,
  options: ReplayOptions = {},
): Promise<CheckResult> {
  return replay({ scenario: name, choice, patches: options.patches ?? [] }, token)
}

function fileTarget(file: string | Address, { patches = [] }: ReplayOptions): Target {
  return { scenario: typeof file === 'string' ? file : file.href, choice: null, patches }
}

function check(given: Target, options: CheckOptions): Promise<CheckResult> {
  return oneAfterAnother(() =>
    withScripts(given, async (target) => {
      const loaded = await prepareInTime(target, options.seconds)
      const all = { ...loaded.options, ...options }
      const prepared = { ...loaded, coverage: all.coverage === true ? newCoverage(loaded, all) : null }
      return prepared.programs === undefined
        ? judge(target, prepared, all)
        : judgePrograms(target, prepared, prepared.programs, all)
    }),
  )
}

/** Throws NoScenario where parts of the exploration are elsewhere. */
function newCoverage({ sites }: Prepared, { shard, ledger }: CheckOptions): Coverage {
  const part = shard !== undefined ? 'shard' : ledger !== undefined ? 'ledger' : null
  if (part === null) return new Coverage(sites)
  throw new NoScenario(
    `'coverage' does not go with '${part}': it is told of one exploration`,
    'leave one out',
  )
}

/** Runs the exploration, and starts it again if threads load something that is not part of the program yet. */
async function withScripts<T>(given: Target, body: (target: Target) => Promise<T>): Promise<T> {
  for (let target = given; ;) {
    try {
      return await body(target)
    } catch (error) {
      if (!(error instanceof ScriptNeeded)) throw error
      refuseAgain(target, error.request)
      target = { ...target, scripts: scriptsWith(target.scripts ?? [], error.request) }
    }
  }
}

/** A package that is part of the program now, and still called as if it were not, is loaded in some other way. */
function refuseAgain({ scripts = [] }: Target, { kind, specifier }: ScriptRequest): void {
  if (kind !== 'package' || !scripts.some((each) => each.kind === kind && each.specifier === specifier))
    return
  throw new NoScenario(
    `the package in ${specifier} is given shared memory, and is loaded in a way that the checker does not see`,
    'import it by its name in a module of the program',
  )
}

/** Checks what a call of check() is given, or runs the execution of `token`, if that is one of it. */
export function checkInline(
  target: Target,
  options: CheckOptions,
  token: string | null,
): Promise<CheckResult> {
  return token !== null && isTokenOf(token, target) ? replay(target, token) : check(target, options)
}

/** One program after the other, the smallest first, until one fails. */
async function judgePrograms(
  target: Target,
  prepared: Prepared,
  programs: readonly Subject[],
  options: CheckOptions,
): Promise<CheckResult> {
  const { seconds = defaultSeconds(), maxExecutions = EXECUTIONS } = options
  const sum = { executions: 0, redundant: 0, steps: 0, seconds: 0 }
  let complete = true
  let explored = 0
  let last: CheckResult | null = null
  let leaves: CheckResult | null = null
  for (const [program, subject] of programs.entries()) {
    const left = { seconds: seconds - sum.seconds, maxExecutions: maxExecutions - sum.executions }
    if (left.seconds <= 0 || left.maxExecutions <= 0) break
    last = await judge({ ...target, program }, { ...prepared, subject }, { ...options, ...left })
    explored++
    for (const key of ['executions', 'redundant', 'steps', 'seconds'] as const) sum[key] += last[key]
    complete &&= last.complete
    if (last.turns !== null || last.timeouts !== null) leaves ??= last
    if (last.failure !== null) break
  }
  complete &&= explored === programs.length
  const verdict = last!.failure !== null ? 'fail' : complete ? 'pass' : 'incomplete'
  const { programsInAll: inAll = programs.length } = prepared
  const { turns, timeouts, leftLoop, leftCounter, leftTimeout, patience } = leaves ?? last!
  const left = {
    turns,
    timeouts,
    ...(leftTimeout !== undefined && { leftTimeout }),
    ...(leftLoop !== undefined && { leftLoop }),
    ...(leftCounter !== undefined && { leftCounter }),
    ...(patience !== undefined && { patience }),
  }
  return {
    ...last!,
    ...left,
    ...sum,
    verdict,
    complete,
    programs: { explored, inAll },
    estimatedExecutions: null,
  }
}

/** The modules' own code may hold a loop without end too. */
async function prepareInTime(target: Target, seconds = defaultSeconds()): Promise<Prepared> {
  // Buffers have the numbers of another program's, and what is looked at by bytes is found for each anew.
  memory.byteCells.clear()
  setCounting([])
  setDeadline(deadlineAfter(seconds * 1000))
  try {
    return await prepare(target, false)
  } finally {
    setDeadline(Infinity)
  }
}

async function judge(target: Target, prepared: Prepared, options: CheckOptions): Promise<CheckResult> {
  const { turns, timeouts, ...found } = await exploreLoops(target, prepared, options)
  const { strategy = 'dpor', seed = 0, depth = DEPTH, maxSteps = MAX_STEPS } = options
  const raw = found.failure ?? (found.endless && raceWithLoop(prepared.subject, found.endless, maxSteps))
  const failure =
    raw &&
    (await describeFailure(raw, prepared, () => prepare(target, true), {
      code: codeOf(target, prepared),
      noun: nounOf(target),
      maxSteps,
      turns: turns === TURNS_MAX ? null : turns,
      minimiseSeconds: options.minimiseSeconds ?? MINIMISE_SECONDS,
    }))
  setTurns(TURNS_MAX)
  setTimeouts(TIMEOUTS_MAX)
  const placeOfLeft = (has: boolean, site: number | undefined): string | null =>
    has && failure === null && site !== undefined && !isOfBackend(prepared.sites[site]!.file)
      ? placeOf(prepared.sites[site])
      : null
  const leftLoop = placeOfLeft(found.hasLeftLoops, found.leftLoop)
  const leftCounter = leftLoop === null ? null : counterAt(prepared.sites, found.leftLoop!)
  const leftTimeout = placeOfLeft(found.hasLeftTimeouts, found.leftTimeout)
  setProbes(null)
  setForbidden(null)
  return {
    scenario: prepared.title,
    design: target.choice?.design ?? null,
    rwsem: target.choice?.rwsem ?? null,
    rss: target.choice && (target.choice.rss ?? 'batched'),
    published: target.choice?.published ?? false,
    ...(target.choice?.contended === true && { contended: true as const }),
    verdict: failure !== null ? 'fail' : found.complete ? 'pass' : 'incomplete',
    complete: found.complete,
    executions: found.executions,
    redundant: found.redundant,
    steps: found.steps,
    seconds: found.seconds,
    bound: options.bound ?? null,
    ...(found.boundCovered !== undefined && { boundCovered: found.boundCovered }),
    strategy,
    seed: strategy === 'dpor' ? null : seed,
    depth: strategy === 'pct' ? depth : null,
    estimatedExecutions: found.estimatedExecutions,
    guarantee: guaranteeOf(prepared, found, options),
    shard: options.shard === undefined ? null : `${options.shard.index}/${options.shard.count}`,
    timeouts: found.hasLeftTimeouts ? timeouts : null,
    ...(leftTimeout !== null && { leftTimeout }),
    turns: found.hasLeftLoops ? turns : null,
    ...(leftLoop !== null && { leftLoop }),
    ...(leftCounter !== null && { leftCounter }),
    ...(found.hasLeftLoops && found.patience !== undefined && { patience: found.patience }),
    failure,
    ...(prepared.coverage != null && { coverage: prepared.coverage.result(isOfProgram) }),
    ...(hasRacyAccesses(prepared.sites) && { racy: true as const }),
    ...(readsClocks(prepared.sites) && { clock: true as const }),
    ...(drawsNumbers(prepared.sites) && { chance: true as const }),
    ...(found.endless !== null &&
      failure === null &&
      !isOfBackend(found.endless.file) && { endless: placeOf(found.endless) }),
  }
}

/** Neither of the event loop, nor of what makes the calls of a generated program. */
function isOfProgram(file: string): boolean {
  return isAbsolute(file) && !isOfBackend(file) && !HARNESS.test(file)
}

/** Of PCT: how likely, at least, each execution shows a failure that needs so many ordered steps. */
function guaranteeOf({ subject }: Prepared, { stepsMax }: Explored, options: CheckOptions): number | null {
  if (options.strategy !== 'pct' || stepsMax === null) return null
  return 1 / (subject.threads * stepsMax ** ((options.depth ?? DEPTH) - 1))
}

/** One execution, and so nothing about all others. */
function replay(target: Target, token: string): Promise<CheckResult> {
  return oneAfterAnother(() =>
    withScripts(target, async (each) => replayPrepared(each, await prepareInTime(each), token)),
  )
}

async function replayPrepared(given: Target, all: Prepared, token: string): Promise<CheckResult> {
  const started = performance.now()
  const { target, prepared } = programOfToken(given, all, token)
  const execution = executionOf(token, codeOf(target, prepared))
  const prepareTraced = (): Promise<Prepared> => prepare(target, true)
  setDeadline(deadlineAfter(defaultSeconds() * 1000))
  setTurns(execution.turns ?? TURNS_MAX)
  setCounting(execution.counting)
  const failure = await replayExecution(token, execution, prepared, prepareTraced, nounOf(target))
  setDeadline(Infinity)
  setTurns(TURNS_MAX)
  return {
    scenario: prepared.title,
    design: target.choice?.design ?? null,
    rwsem: target.choice?.rwsem ?? null,
    rss: target.choice && (target.choice.rss ?? 'batched'),
    published: target.choice?.published ?? false,
    ...(target.choice?.contended === true && { contended: true as const }),
    verdict: 'fail',
    complete: false,
    executions: 1,
    redundant: 0,
    steps: failure.steps,
    seconds: (performance.now() - started) / 1000,
    bound: null,
    strategy: 'dpor',
    seed: null,
    depth: null,
    estimatedExecutions: null,
    guarantee: null,
    shard: null,
    timeouts: null,
    turns: null,
    failure,
  }
}

/** Of several programs, a token names one. */
function programOfToken(
  target: Target,
  prepared: Prepared,
  token: string,
): { target: Target; prepared: Prepared } {
  const { programs } = prepared
  if (programs === undefined) return { target, prepared }
  const program = Number(/~(\d+)$/.exec(readToken(token).scenario)?.[1] ?? 0)
  const subject = programs[program] ?? programs[0]!
  return { target: { ...target, program }, prepared: { ...prepared, subject } }
}

/** The token names the file and the call. */
function isTokenOf(token: string, target: Target): boolean {
  const { scenario } = readToken(token)
  const name = tokenName(target)
  return scenario === name || scenario.startsWith(`${name}~`)
}

function nounOf({ choice }: Target): 'CPU' | 'thread' {
  return choice === null ? 'thread' : 'CPU'
}

/** In what the innermost loop around a place counts: variables that are read, else shared memory, and fields. */
function counterAt(sites: readonly Site[], number: number): string | null {
  const { file, line, source } = sites[number]!
  const around = sites.filter(
    (each) => each.what === 'loop' && each.file === file && each.line <= line && each.source.includes(source),
  )
  const last = around.toSorted((one, other) => one.line - other.line).at(-1)
  // What is counted in shared memory changes what others may read.
  const shared = /\bAtomics\.(add|sub)\([^()]*\)/.exec(last?.source ?? '')?.slice(0, 1) ?? []
  const names = last?.counts ?? [...shared, ...fieldsThatCount()]
  return names.length === 0 ? null : names.join(', ')
}
