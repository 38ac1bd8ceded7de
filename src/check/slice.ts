// A slice of an exploration: a part that may run anywhere. Its result depends only on its input. For a thread that
// explores nothing else.
//
// A slice may come from another machine. It names shipped scenarios, our mutants, and files in the folder that the
// operator of the worker has named; the content of a file is compared with its digest before any of it runs.

import { createHash } from 'node:crypto'
import { realpathSync } from 'node:fs'
import { isAbsolute, join, relative, sep } from 'node:path'
import {
  ScriptNeeded,
  type ScriptRequest,
  ALL_COUNT,
  memory,
  setCounting,
  setDeadline,
  setForbidden,
  setProbes,
} from '../backends/stepped/index.ts'
import { steppedForm } from '../backends/stepped/load.ts'
import { digestOf } from '../backends/stepped/program.ts'
import { codeOf } from './checked-code.ts'
import { type ExploreOptions, confirm, makeExplorer } from './explore.ts'
import { runOnce, withoutStacks } from './run-once.ts'
import { runTwice } from './run-twice.ts'
import type { WorkUnit } from './explorer.ts'
import { type CheckFailure, summariseFailure } from './failure.ts'
import { oneAfterAnother } from './queue.ts'
import { type KernelChoice, NoScenario, type Prepared, type Target, prepare, scriptsWith } from './prepare.ts'
import { RandomWalk, TRIALS } from './random-walk.ts'
import { NotDeterministic } from './step-log.ts'
import { type Facts, isNothing, learn, noFacts, tellSubject } from './slice-facts.ts'
import { type UnitResult, UnitRunner, deadlineAfter } from './work.ts'

/** A shipped scenario on a machine. Plain data, as all that follows. */
export interface SlicedKernel extends KernelChoice {
  readonly scenario: string
}

/** The scenario and the machine that a mutant is for. */
export interface SlicedMutant {
  readonly mutant: string
}

/** A file that exports a scenario, or what linearizable() is given. */
export interface SlicedFile {
  /** Its path in the folder that is named where it is explored. */
  readonly file: string
  /** See fileDigest(). */
  readonly content: string
  /** Of linearizable(): which of its programs. */
  readonly program?: number
}

/** What is explored. */
export type SlicedTarget = SlicedKernel | SlicedMutant | SlicedFile

/** Interleavings of a part of the tree. */
export interface TreePart {
  /** Preemptions at most; null for every interleaving. */
  readonly bound: number | null
  readonly unit: WorkUnit
  readonly steps: number
}

/** Executions that chance chooses, from number `first` on. */
export interface WalkPart {
  readonly strategy: 'pct' | 'random'
  /** Of PCT. */
  readonly depth: number
  readonly seed: number
  readonly first: number
  readonly executions: number
}

export interface Slice {
  readonly target: SlicedTarget
  readonly facts: Facts
  readonly part: TreePart | WalkPart
}

/** What was found out before anything could be explored. */
export interface Discovery {
  readonly facts: Facts
  /** Of linearizable(): how many programs there are to be explored, of how many. */
  readonly programs: { readonly count: number; readonly inAll: number } | null
}

/** Its token runs the execution again with `faultline check`; null if something other than the schedule decided. */
export type SlicedFailure = Pick<CheckFailure, 'kind' | 'message' | 'token'>

export interface SliceResult extends UnitResult {
  readonly failure: SlicedFailure | null
}

export type SliceOutcome = SliceResult | { readonly discovery: Discovery }

/** A file is not there, or is another than the one that the campaign is about, or is not to be run here. */
class FileRefused extends Error {
  override readonly name = 'FileRefused'
}

/** An execution that is longer is given up, unless the scenario says otherwise. */
const EXECUTION_STEPS = 20_000
/** A slice that takes longer is in a loop without accesses. Far more than any machine needs, so that none differs. */
const SLICE_MS = 3_600_000

/**
 * Explores one slice. Files are looked for in the folder `files`; where that is null, none is run.
 *
 * Throws FileRefused, NoScenario, SteppingRefused and NotDeterministic.
 */
export function exploreSlice({ target, facts, part }: Slice, files: string | null): Promise<SliceOutcome> {
  return oneAfterAnother(async () => {
    for (;;) {
      try {
        const { loaded, prepared } = await prepareOnce(target, facts, files)
        const { programs, programsInAll } = prepared
        if (programs !== undefined) {
          const { length: count } = programs
          return { discovery: { facts, programs: { count, inAll: programsInAll ?? count } } }
        }
        setDeadline(deadlineAfter(SLICE_MS))
        const result = 'unit' in part ? exploreTree(prepared, part, facts) : exploreWalk(prepared, part)
        if (result.failed === null) return { ...result, failure: null }
        return { ...result, failure: summarise(loaded, prepared, facts, result.failed) }
      } catch (error) {
        const known = learn(facts, error)
        // Executions leave marks in what is prepared where they end before their time.
        forget()
        if (known !== null) return { discovery: { facts: known, programs: null } }
        if (!(error instanceof ScriptNeeded)) throw error
        // Which modules a program loads follows from the program. Who comes to one for the first time begins again.
        addScript(target, error.request)
      } finally {
        setDeadline(Infinity)
      }
    }
  })
}

function exploreTree(prepared: Prepared, { bound, unit, steps }: TreePart, { distinct }: Facts): UnitResult {
  const { subject } = prepared
  const options: ExploreOptions = { ...limitsOf(prepared), bound, distinct }
  if (unit.schedule.length === 0) {
    const trial = makeExplorer(subject, { ...options, distinct: true })
    runTwice(subject, trial)
    trial.retire()
  }
  // What an explorer has done before leaves marks in it.
  const runner = new UnitRunner(subject, options)
  const limits = { maxExecutions: options.maxExecutions, maxMs: SLICE_MS, maxSteps: steps }
  const found = runner.runOnce(unit, limits)
  runner.retire()
  return found
}

function exploreWalk(prepared: Prepared, part: WalkPart): UnitResult {
  const { subject } = prepared
  const { strategy, depth, seed, first, executions } = part
  const { maxSteps } = limitsOf(prepared)
  const walk = new RandomWalk(subject.threads, { strategy, depth, seed, first, maxSteps })
  let failed: readonly number[] | null = null
  const runUpTo = (end: number): void => {
    while (failed === null && walk.executions < end) {
      const run = walk.executions === 0 ? runTwice : runOnce
      failed = run(subject, walk)?.schedule ?? null
      if (failed === null) walk.advance()
    }
  }
  let stepsBefore = 0
  withoutStacks(() => {
    // The trials are those of the first slice, which was explored before the others.
    if (first > 0) runUpTo(TRIALS)
    if (first > 0 && failed !== null)
      throw new NotDeterministic('an execution fails that did not fail before')
    stepsBefore = walk.steps
    runUpTo(first + executions)
  })
  walk.retire()
  return {
    executions: walk.executions - first + (failed === null ? 0 : 1),
    redundant: 0,
    steps: walk.steps - stepsBefore,
    demands: [],
    remainder: null,
    estimatedLeft: 0,
    failed,
    hasLeftTimeouts: walk.hasLeftTimeouts,
    hasLeftLoops: walk.hasLeftLoops,
  }
}

function limitsOf({ options }: Prepared): ExploreOptions {
  const { maxSteps = EXECUTION_STEPS } = options
  return { maxExecutions: Number.MAX_SAFE_INTEGER, maxSteps, maxMs: SLICE_MS }
}

function summarise(
  loaded: Target,
  prepared: Prepared,
  { distinct }: Facts,
  schedule: readonly number[],
): SlicedFailure {
  const options = { ...limitsOf(prepared), distinct }
  const raw = confirm(prepared.subject, options, schedule)
  // It may have been given threads to run that again.
  forget()
  return summariseFailure(raw, prepared.subject, codeOf(loaded, prepared), options.maxSteps)
}

// ---------------------------------------------------------------------------------------------------------------------
// Loading

interface Loaded {
  readonly key: string
  readonly loaded: Target
  readonly prepared: Prepared
}

/**
 * What was prepared last: slices of one target often come one after the other. The memory that is stepped is the state
 * of a module, so that it holds one file or kernel at a time.
 */
let last: Loaded | null = null
/** All programs of that file, where it has several. */
let lastFile: Loaded | null = null
/** What threads of a target were found to load while they run. */
const scripts = new Map<string, readonly ScriptRequest[]>()

function addScript(target: SlicedTarget, request: ScriptRequest): void {
  const key = JSON.stringify(target)
  scripts.set(key, scriptsWith(scripts.get(key) ?? [], request))
}

function forget(): void {
  last = null
  lastFile = null
}

async function prepareOnce(target: SlicedTarget, facts: Facts, files: string | null): Promise<Loaded> {
  const key = JSON.stringify([target, facts])
  if (last?.key === key) return last
  const isProgram = 'file' in target && target.program !== undefined && isNothing(facts)
  last = isProgram
    ? { key, ...(await prepareProgram(target, files)) }
    : { key, ...(await load(target, facts, files)) }
  tellSubject(last.prepared.subject, facts)
  return last
}

/** One of the programs of a file, which are loaded together. */
async function prepareProgram(target: SlicedFile, files: string | null): Promise<Omit<Loaded, 'key'>> {
  const { program, ...file } = target
  const key = JSON.stringify(file)
  if (lastFile?.key !== key) lastFile = { key, ...(await load(file, noFacts, files)) }
  const { loaded, prepared } = lastFile
  const { programs: _, ...rest } = prepared
  return {
    loaded: { ...loaded, program: program! },
    prepared: { ...rest, subject: prepared.programs![program!]! },
  }
}

async function load(target: SlicedTarget, facts: Facts, files: string | null): Promise<Omit<Loaded, 'key'>> {
  forget()
  const loaded = await targetOf(target, files)
  setProbes(null)
  setForbidden(null)
  memory.byteCells.clear()
  // Slices could not tell each other what somebody reads.
  setCounting('file' in target ? ALL_COUNT : [])
  for (const cell of facts.cells) memory.byteCells.add(cell)
  setDeadline(deadlineAfter(SLICE_MS))
  return { loaded, prepared: await prepare(loaded, false) }
}

async function targetOf(target: SlicedTarget, files: string | null): Promise<Target> {
  if ('scenario' in target) {
    const { scenario, ...choice } = target
    return { scenario, choice, patches: [] }
  }
  if ('mutant' in target) return mutantTarget(target.mutant)
  const { file, content, program } = target
  const path = fileIn(files, file)
  if ((await fileDigest(path)) !== content)
    throw new FileRefused(
      `${file} is another here than where the campaign is: bring both to the same content`,
    )
  const found = scripts.get(JSON.stringify(target))
  return {
    scenario: path,
    choice: null,
    patches: [],
    ...(found !== undefined && { scripts: found }),
    ...(program !== undefined && { program }),
  }
}

async function mutantTarget(name: string): Promise<Target> {
  const { mutantChoice, mutantNamed } = await import('./mutants.ts')
  const mutant = mutantNamed(name)
  if (mutant === undefined) throw new NoScenario(`there is no mutant '${name}'`, 'name an existing one')
  return { scenario: mutant.scenario, choice: mutantChoice(mutant), patches: mutant.patches }
}

/** The path of a file in the folder `files`, links followed. Throws FileRefused for one that lies outside. */
export function fileIn(files: string | null, file: string): string {
  if (files === null)
    throw new FileRefused(
      `${file} is not run here: give the worker the folder that it is in, with --files FOLDER`,
    )
  let inside: string
  let path: string
  try {
    path = realpathSync(join(files, file))
    inside = relative(realpathSync(files), path)
  } catch (error) {
    throw new FileRefused(`${file} cannot be read: ${(error as Error).message}`)
  }
  if (isAbsolute(file) || isAbsolute(inside) || inside.split(sep)[0] === '..')
    throw new FileRefused(`${file} is not in the folder ${files}`)
  return path
}

/**
 * Digest of a file that is to be checked, and of the modules of ours that it imports. None of it is run.
 *
 * Throws NoScenario for what cannot be read, and SteppingRefused for what cannot be stepped.
 */
export async function fileDigest(file: string): Promise<string> {
  try {
    const { entries, modules } = await steppedForm([file], { trace: false, turns: true })
    const imported = digestOf(modules, entries[0]!)
    // Scripts of Workers, which nothing imports, are among all.
    const all = [...modules.values()].map(({ digest }) => digest).toSorted()
    return createHash('sha256')
      .update([imported, ...all].join())
      .digest('hex')
  } catch (error) {
    if (error instanceof Error && 'remedy' in error) throw error
    throw new NoScenario(`${file} cannot be loaded: ${String(error)}`, 'correct what it imports')
  }
}
