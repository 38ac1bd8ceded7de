// `faultline check`: every interleaving of a scenario, shipped or in a file, or the one in which it fails.
import { existsSync } from 'node:fs'
import { Command } from 'commander'
import {
  type CheckFailure,
  type CheckOptions,
  type CheckResult,
  MUTATED,
  type Progress,
  checkFile,
  checkKernelScenario,
  priceNames,
  scenarioNames,
  nearest,
} from '../check/index.ts'
import { rwsemNames } from '../kernel/index.ts'
import { formatCount, plural } from '../report/numbers.ts'
import { wrap } from '../report/table.ts'
import { printConflicts } from './check-conflicts.ts'
import { coverageText } from './check-coverage.ts'
import { printFirstCheck } from './check-init.ts'
import { failureText, findMutant, refuseUnwritable, replayToken, writeFailure } from './check-failure.ts'
import {
  type ExploringOptions,
  addExploringOptions,
  extentText,
  parseExploring,
  progressText,
  remainderText,
} from './check-options.ts'
import { runMutants } from './check-mutants.ts'
import { runPublished } from './check-published.ts'
import { UsageError } from './failure.ts'
import { DEFAULT_DESIGNS, parseDesigns, parseNumber, parseRss, parseRwsems } from './options.ts'
import { print, textOptions } from './output.ts'
import { pageLine, usablePage } from './output-file.ts'
import { showProgress } from './progress.ts'

/** A day. */
const SECONDS_MAX = 86_400
/** Columns of the help's text. */
const HELP_WIDTH = 100

interface CheckCommandOptions extends ExploringOptions {
  readonly design: string
  readonly rwsem: string
  readonly rss: string
  readonly seconds?: string
  readonly conflicts?: boolean
  readonly init?: boolean
  readonly all?: boolean
  readonly mutants?: boolean
  readonly mutant?: string
  readonly published?: boolean
  readonly contended?: boolean
  /** Seconds; false for --no-minimise. */
  readonly minimise: string | false
  readonly requirePass?: boolean
  readonly replay?: string
  readonly perfetto?: string
  readonly counterexample?: string
  readonly output?: string
  readonly json?: boolean
}

export function checkCommand(): Command {
  const command = new Command('check')
    .description('explore every interleaving of a scenario, and print one that fails')
    .argument('[scenario]', 'the name of a kernel scenario, or a file that exports a scenario as default')
    .option('--design <names>', "designs for kernel scenarios, as a,b or 'all'", DEFAULT_DESIGNS)
    .option('--rwsem <names>', `mmap lock of kernel scenarios: ${rwsemNames.join(', ')}, or 'all'`, 'xadd')
    .option(
      '--rss <way>',
      'count resident pages batched by each CPU, or shared in the address space',
      'batched',
    )
    .option('--init', 'write an example of a check, which finds an error')
    .option('--all', 'check every kernel scenario')
    .option('--conflicts', 'instead of a check: show which cache lines pairs of operations share')
    .option('--mutants', 'check that each mutant of the kernel is found (with a scenario: only its mutants)')
    .option('--mutant <name>', 'remove one guard from the kernel')
    .option('--published', 'check that the errors of the designs as published are found')
    .option('--contended', 'kernel scenarios: also explore contention for spinlocks by further CPUs')
    .option(
      '--seconds <time>',
      'stop exploring a scenario after this many seconds (default: 60, or as its file says)',
    )
    .option('--minimise <time>', 'shorten a counterexample for at most this many seconds', '20')
    .option('--no-minimise', 'print the counterexample as found')
    .option('--require-pass', "exit code 1 also where a verdict is 'incomplete'")
    .option('--replay <token>', 'repeat only the execution of a printed token')
    .option('--output <file>', 'also write an HTML page with the verdict and the first counterexample')
    .option('--perfetto <file>', 'write the first counterexample as a trace for ui.perfetto.dev')
    .option('--counterexample <file>', 'write the first counterexample as JSON')
    .option('--json', 'print JSON, one object per line')
  return addExploringOptions(command)
    .addHelpText(
      'after',
      [
        '',
        'Exit code 1: something fails, a mutant is not found, or a redundant one is. If the time runs out, or if a',
        "random strategy finds no failure, the verdict is 'incomplete' and the exit code 0, or 1 with",
        '--require-pass.',
        '',
        'Examples:',
        '  faultline check --init',
        '  faultline check my-queue.check.ts',
        '  faultline check fault-munmap --design lespinasse-2021 --rwsem all',
        '  faultline check two-faults-munmap --bound 2 --workers 4',
        '  faultline check two-faults-munmap --strategy pct --seed 7 --executions 100000',
        '  faultline check fault-munmap --design kamezawa-2009-refcount --published',
        '  faultline check --mutants --json',
        '  faultline check --conflicts --design classic,lespinasse-2021',
        '',
        ...wrap(`Kernel scenarios: ${scenarioNames.join(', ')}`, HELP_WIDTH),
        ...wrap(
          `Not part of --all, as they show the price of a design: ${priceNames.join(', ')}`,
          HELP_WIDTH,
        ),
      ].join('\n'),
    )
    .action(runCommand)
}

async function runCommand(
  named: string | undefined,
  options: CheckCommandOptions,
  command: Command,
): Promise<void> {
  if (options.init === true) {
    if (named !== undefined) throw new UsageError('--init takes no scenario', 'leave it out')
    await printFirstCheck(process.cwd())
    return
  }
  const designs = parseDesigns(options.design)
  const seconds = parseNumber(
    options.seconds ?? process.env['FAULTLINE_SECONDS'] ?? '60',
    '--seconds',
    0.001,
    SECONDS_MAX,
  )
  const mutant = options.mutant === undefined ? undefined : findMutant(options.mutant)
  const target = named ?? mutant?.scenario
  const isGiven = (name: keyof CheckCommandOptions): boolean => command.getOptionValueSource(name) === 'cli'
  const isMutantsOwn = mutant?.rwsem !== undefined && !isGiven('rwsem')
  const rwsems = isMutantsOwn ? [mutant.rwsem] : parseRwsems(options.rwsem)
  refuseCombinations(target, options)
  refuseMachine(target, options, isGiven)
  refuseUnwritable(options)
  const page = options.output === undefined ? null : usablePage(options.output)
  const rss = parseRss(options.rss)
  // What a program prints is no part of the result. Of Node's console, where it writes to may be set.
  if (options.json === true) Object.assign(console, { _stdout: process.stderr })
  if (options.conflicts === true) {
    await printConflicts(designs, rwsems, rss, options.json === true)
    return
  }
  if (options.mutants === true) {
    await runMutants(target, { seconds, ...parseExploring(options) }, options.json === true)
    return
  }
  if (options.published === true && options.replay === undefined) {
    await runPublishedDesigns(target, designs, seconds, options, command)
    return
  }
  if (target === undefined && options.all !== true) {
    throw new UsageError(
      'nothing to check',
      'give the name of a scenario, a file, --all or --mutants; --init writes a first file',
    )
  }
  const given = (name: 'design' | 'rwsem' | 'rss'): string | undefined =>
    isGiven(name) ? options[name] : undefined
  const [design, rwsem] = [given('design'), given('rwsem')]
  const { published } = options
  const contended = options.contended ?? mutant?.contended
  const givenMachine = { design, rwsem, rss: given('rss'), published, contended }
  const minimiseSeconds =
    options.minimise === false ? 0 : parseNumber(options.minimise, '--minimise', 0, SECONDS_MAX)
  const patches = mutant?.patches ?? []
  const checking: CheckOptions = { seconds, minimiseSeconds, patches, ...parseExploring(options) }
  const machines = design === undefined && mutant !== undefined ? [mutant.design ?? MUTATED] : designs
  const choices = machines.flatMap((machine) =>
    rwsems.map((form) => ({ design: machine, rwsem: form, rss, contended })),
  )
  const results: CheckResult[] = []
  if (options.replay !== undefined) {
    const isKernel = isScenarioName(target!)
    const file = isKernel ? target! : existingFile(target!)
    results.push(await replayToken(file, isKernel, options.replay, { ...givenMachine, mutant }))
  } else if (target !== undefined && !isScenarioName(target)) {
    const { seconds: _, ...unlimited } = checking
    const limited = options.seconds === undefined ? unlimited : checking
    results.push(await checkFile(existingFile(target), { ...limited, onProgress: progressOf(target) }))
  } else {
    const names = target === undefined ? scenarioNames : [target]
    if (checking.ledger !== undefined && names.length * choices.length > 1)
      throw new UsageError('--ledger is for one exploration', 'name one scenario, one design and one rwsem')
    for (const name of names) {
      for (const choice of choices) {
        const title = `${name}, ${choice.design}/${choice.rwsem}`
        showProgress(`check ${title}`)
        results.push(await checkKernelScenario(name, choice, { ...checking, onProgress: progressOf(title) }))
      }
    }
  }
  writeFailure(results, options)
  const words = mutant === undefined ? '' : ` --mutant ${mutant.name}`
  const targetOf = ({ scenario }: CheckResult): string => `${target ?? scenario}${words}`
  if (page !== null) {
    const shown = results.find(({ failure }) => failure !== null) ?? results[0]!
    const lines = results.map((result) => ({ name: nameOf(result), line: lineOf(result) }))
    const { writeCheckPage } = await import('./check-page.ts')
    await writeCheckPage(page, targetOf(shown), results, lines, mutant)
  }
  const texts = results.map((result) =>
    options.json ? resultJson(result) : resultText(result, targetOf(result)),
  )
  const opens = page !== null && options.json !== true ? pageLine(page) : ''
  await print(texts.join('').replace(/\n+$/, '\n') + opens)
  const isWanted = ({ verdict }: CheckResult): boolean =>
    verdict === 'pass' || (verdict === 'incomplete' && options.requirePass !== true)
  if (!results.every(isWanted)) process.exitCode = 1
}

async function runPublishedDesigns(
  scenario: string | undefined,
  given: readonly string[],
  seconds: number,
  options: CheckCommandOptions,
  command: Command,
): Promise<void> {
  const designs = command.getOptionValueSource('design') === 'cli' ? given : parseDesigns('all')
  const minimiseSeconds =
    options.minimise === false ? 0 : parseNumber(options.minimise, '--minimise', 0, SECONDS_MAX)
  await runPublished({
    scenario,
    all: options.all === true,
    designs,
    json: options.json === true,
    checking: { seconds, minimiseSeconds, ...parseExploring(options) },
    files: options,
  })
}

function progressOf(name: string): (progress: Progress) => void {
  return (progress) => showProgress(progressText(name, progress))
}

function refuseCombinations(target: string | undefined, options: CheckCommandOptions): void {
  const { all, mutants: every, mutant, replay, conflicts, published } = options
  if (options.output !== undefined) refuseOutput(options)
  if (options.contended === true) refuseContended(target, options)
  if (options.requirePass === true) refuseRequirePass(options)
  if (options.coverage === true) refuseCoverage(options)
  if (
    conflicts === true &&
    (target !== undefined || all === true || every === true || published === true || replay !== undefined)
  ) {
    throw new UsageError(
      '--conflicts compares pairs of operations and takes no scenario',
      'leave the other options out',
    )
  }
  if (all === true && (target !== undefined || every === true)) {
    throw new UsageError('--all excludes a scenario and --mutants', 'leave one of them out')
  }
  if (replay !== undefined && (target === undefined || every === true)) {
    throw new UsageError('--replay needs the scenario or the file of its token', 'name it')
  }
  if (published === true && (mutant !== undefined || every === true)) {
    throw new UsageError(
      '--published does not go with --mutant and --mutants',
      'give it with a kernel scenario, with --all, or alone',
    )
  }
  if (published === true && (options.ledger !== undefined || options.shard !== undefined)) {
    throw new UsageError(
      '--published does not go with --ledger and --shard: it tries few preemptions first',
      'leave them out',
    )
  }
  if (published === true && target !== undefined && !isScenarioName(target)) {
    throw new UsageError('--published is for kernel scenarios', 'faultline check --help names them')
  }
  if (mutant !== undefined && (every === true || !isScenarioName(target!))) {
    throw new UsageError('--mutant changes the kernel', 'give it with a kernel scenario, or with none')
  }
}

/** A page tells of checks, and of a token that one of these prints. */
function refuseOutput({ mutants, conflicts, published, replay }: CheckCommandOptions): void {
  const lists = { mutants, conflicts, published: replay === undefined ? published : undefined }
  const wrong = Object.entries(lists).find(([, isGiven]) => isGiven === true)
  if (wrong !== undefined)
    throw new UsageError(
      `--output does not go with --${wrong[0]}, which prints a table`,
      'use it with --replay TOKEN',
    )
}

/** What never passes, or has an exit code of its own. */
function refuseRequirePass(options: CheckCommandOptions): void {
  const others = ['mutants', 'published', 'conflicts', 'replay'] as const
  const wrong = options.strategy === 'dpor' ? others.find((name) => options[name] !== undefined) : 'strategy'
  if (wrong !== undefined)
    throw new UsageError(
      `--require-pass does not go with --${wrong}`,
      'give it with what is explored as a whole',
    )
}

/** What prints a table instead of results. */
function refuseCoverage(options: CheckCommandOptions): void {
  const others = ['mutants', 'published', 'conflicts', 'replay'] as const
  const wrong = others.find((name) => options[name] !== undefined)
  if (wrong !== undefined)
    throw new UsageError(`--coverage does not go with --${wrong}`, 'give it with what is explored as a whole')
}

function refuseContended(target: string | undefined, options: CheckCommandOptions): void {
  const others = ['mutants', 'published', 'conflicts'] as const
  const wrong = others.find((name) => options[name] !== undefined)
  if (wrong !== undefined)
    throw new UsageError(
      `--contended does not go with --${wrong}`,
      'give it with a kernel scenario, or --all',
    )
  if (target !== undefined && !isScenarioName(target))
    throw new UsageError('--contended is for kernel scenarios', 'faultline check --help names them')
}

/** Where the machine is not to be chosen, or not so, it is not chosen in silence. */
function refuseMachine(
  target: string | undefined,
  { mutants: every, published, replay, rwsem, rss }: CheckCommandOptions,
  isGiven: (name: keyof CheckCommandOptions) => boolean,
): void {
  const machine = (['design', 'rwsem', 'rss'] as const).filter(isGiven)
  if (machine.length > 0 && target !== undefined && !isScenarioName(target)) {
    existingFile(target)
    throw new UsageError(`--${machine[0]} is for kernel scenarios, and ${target} is a file`, 'leave it out')
  }
  if (machine.length > 0 && every === true) {
    throw new UsageError(
      `--${machine[0]} does not go with --mutants: each mutant has its own machine`,
      'leave it out, or give --mutant NAME',
    )
  }
  if (published === true && replay === undefined && (rwsem !== 'xadd' || rss !== 'batched')) {
    throw new UsageError(
      '--published needs --rwsem xadd and --rss batched: the expected errors are known only for these',
      'leave them out',
    )
  }
}

function isScenarioName(target: string): boolean {
  return [...scenarioNames, ...priceNames].some((name) => name === target)
}

function existingFile(target: string): string {
  if (existsSync(target)) return target
  const near = nearest(target, scenarioNames)
  throw new UsageError(
    `no scenario or file '${target}'`,
    near === undefined ? 'faultline check --help names the scenarios' : `did you mean '${near}'?`,
  )
}

function resultJson(result: CheckResult): string {
  const { scenario, design, rwsem, rss, published, verdict, complete, executions } = result
  const { redundant, steps, seconds } = result
  const { bound, strategy, seed, shard, timeouts, turns, estimatedExecutions, guarantee } = result
  const failure = result.failure && failureJson(result.failure)
  return `${JSON.stringify({
    scenario,
    design,
    rwsem,
    rss,
    published,
    verdict,
    complete,
    executions,
    redundant,
    steps,
    seconds,
    bound,
    ...(result.boundCovered !== undefined && { boundCovered: result.boundCovered }),
    strategy,
    seed,
    guarantee,
    shard,
    timeouts,
    turns,
    ...(result.patience !== undefined && { patience: result.patience }),
    ...(result.leftLoop !== undefined && { leftLoop: result.leftLoop }),
    ...(result.leftCounter !== undefined && { leftCounter: result.leftCounter }),
    ...(result.leftTimeout !== undefined && { leftTimeout: result.leftTimeout }),
    estimatedExecutions,
    failure,
    ...(result.contended && { contended: true }),
    ...(result.racy && { racy: true }),
    ...(result.clock && { clock: true }),
    ...(result.chance && { chance: true }),
    ...(result.programs && { programs: result.programs }),
    ...(result.coverage && { coverage: result.coverage }),
  })}\n`
}

function failureJson({ kind, message, places, preemptions, steps, token }: CheckFailure): object {
  const race = kind === 'race' ? places.join('; ') : null
  return { kind, message, race, preemptions, steps, token }
}

/** Of a pass that says nothing. */
const NOTHING_SHARED =
  '  no thread reached an Atomics operation on shared memory; only arrays over a SharedArrayBuffer are shared'

function nameOf(result: CheckResult): string {
  const { scenario, design, rwsem, rss, published } = result
  const kind = [
    rss === 'shared' ? ', shared rss' : '',
    published ? ', as published' : '',
    result.contended === true ? ', contended' : '',
  ].join('')
  return design === null ? scenario : `${scenario}, ${design}/${rwsem}${kind}`
}

function lineOf(result: CheckResult): string {
  return `${nameOf(result)}: ${result.verdict}${extentText(result)}`
}

/** `target` is what is checked, as on the command line. */
function resultText(result: CheckResult, target: string): string {
  const { executions, redundant, steps, seconds } = result
  const inVain = redundant === 0 ? '' : `, ${formatCount(redundant)} of them redundant`
  const counts = `${plural(executions, 'execution')}${inVain}, ${plural(steps, 'step')}`
  const work = `  ${counts} in ${seconds.toFixed(2)} s\n`
  const isOver = result.failure === null && result.endless === undefined
  const nothing = steps === 0 && isOver ? `${NOTHING_SHARED}\n` : ''
  const line = `${lineOf(result)}\n${work}${nothing}${remainderText(result)}${coverageText(result)}`
  if (result.failure === null) return line
  return `${line}\n${failureText(result.failure, target, textOptions().width)}\n`
}
