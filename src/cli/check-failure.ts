// What `faultline check` does with a failure: prints it, writes it to files, and runs it again from its token.
import { accessSync, constants, existsSync, statSync, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import {
  type CheckFailure,
  type CheckResult,
  type KernelChoice,
  type Mutant,
  counterexampleText,
  mutantNamed,
  mutants,
  perfettoTrace,
  readToken,
  replayFile,
  replayKernelScenario,
} from '../check/index.ts'
import { formatCount } from '../report/numbers.ts'
import { UsageError } from './failure.ts'
import { parseDesigns, parseRss, parseRwsems, unknownName } from './options.ts'
import { toJson } from './output.ts'

/** The counterexample and how to see it again. `target` is what was checked, as on the command line. */
export function failureText(failure: CheckFailure, target: string, width?: number): string {
  const { preemptions, steps, found, token, counterexample } = failure
  const size = sizeOf(preemptions, steps)
  const before = sizeOf(found.preemptions, found.steps)
  const from = before === size ? '' : `; as found: ${before}`
  const replay = token === null ? '' : `  replay: faultline check ${target} --replay ${token}\n`
  return `${counterexampleText(counterexample, width)}\n  ${size}${from}\n${replay}`
}

function sizeOf(preemptions: number, steps: number): string {
  const plural = (count: number, noun: string): string =>
    `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`
  return `${plural(preemptions, 'preemption')}, ${plural(steps, 'step')}`
}

export interface FailureFiles {
  readonly perfetto?: string
  readonly counterexample?: string
}

/** Throws UsageError for a file that cannot be written: it is told before the work, and not after. */
export function refuseUnwritable({ perfetto, counterexample }: FailureFiles): void {
  for (const [option, file] of [
    ['--perfetto', perfetto],
    ['--counterexample', counterexample],
  ] as const) {
    if (file === undefined) continue
    try {
      if (existsSync(file) && statSync(file).isDirectory()) throw new Error('it is a folder')
      accessSync(existsSync(file) ? file : dirname(resolve(file)), constants.W_OK)
    } catch (error) {
      throw new UsageError(
        `${option} ${file} cannot be written: ${(error as Error).message}`,
        'give a file in an existing, writable folder',
      )
    }
  }
}

/** Writes the first failure to the files that are asked for. Nothing is written where nothing fails. */
export function writeFailure(results: readonly CheckResult[], files: FailureFiles): void {
  const failed = results.find(({ failure }) => failure !== null)
  if (failed === undefined) return
  const { counterexample } = failed.failure!
  if (files.perfetto !== undefined)
    writeFileSync(files.perfetto, perfettoTrace(counterexample, failed.scenario))
  if (files.counterexample !== undefined) writeFileSync(files.counterexample, toJson(counterexample))
}

/** A mutant by its name. */
export function findMutant(name: string): Mutant {
  const mutant = mutantNamed(name)
  if (mutant !== undefined) return mutant
  const known = mutants.map((each) => each.name)
  throw unknownName(name, known, 'mutant', '--mutant')
}

/** What was given and not taken from the defaults. */
export interface ReplayChoice {
  readonly design: string | undefined
  readonly rwsem: string | undefined
  readonly rss: string | undefined
  readonly published: boolean | undefined
  readonly contended: boolean | undefined
  readonly mutant: Mutant | undefined
}

/** Runs the execution of a token. Where the machine is not given, it is the token's. */
export async function replayToken(
  target: string,
  isKernel: boolean,
  token: string,
  given: ReplayChoice,
): Promise<CheckResult> {
  if (!isKernel) return replayFile(target, token)
  const { design, rwsem, rss, published, contended } = readToken(token)
  const choice: KernelChoice = {
    design: only(parseDesigns(given.design ?? design ?? 'classic'), '--design'),
    rwsem: only(parseRwsems(given.rwsem ?? rwsem ?? 'xadd'), '--rwsem'),
    rss: parseRss(given.rss ?? rss ?? 'batched'),
    published: given.published ?? published,
    contended: given.contended ?? contended,
  }
  return replayKernelScenario(target, choice, token, { patches: given.mutant?.patches ?? [] })
}

function only<Name>(names: readonly Name[], option: string): Name {
  if (names.length === 1) return names[0]!
  const remedy = `leave ${option} out: the token contains it`
  throw new UsageError(`--replay runs one execution, and ${option} gives several machines`, remedy)
}
