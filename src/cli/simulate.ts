// `faultline simulate WORKLOAD|TRACE`: how the kernel's own source scales on another machine, in virtual time, and how
// long a recorded program takes there.
import { existsSync } from 'node:fs'
import { extname } from 'node:path'
import { Command } from 'commander'
import {
  machinesText,
  scalingCsv,
  scalingLines,
  scalingPage,
  scalingSvg,
  simulateText,
  simulateTraceText,
} from '../report/index.ts'
import {
  type AccountingName,
  type SpinlockKind,
  type MachineModel,
  type SimulateResult,
  type SimulatedWorkload,
  TooManyFrames,
  Topology,
  accountingNames,
  spinlockNames,
  findSimulatedWorkload,
  machines,
  mostCpus,
  simulate,
  simulateTrace,
  simulatedWorkloads,
  usualCpus,
  withPages,
} from '../simulate/index.ts'
import { calibrateCommand } from './calibrate.ts'
import { UsageError } from './failure.ts'
import {
  DEFAULT_DESIGNS,
  parseConfig,
  parseCount,
  parseCounts,
  parseDesigns,
  parseRss,
  RWSEM_OPTION,
  parseRwsemChoice,
  unknownName,
} from './options.ts'
import { parseMachine } from './machine-option.ts'
import { pageLine, usableOutput, writeText } from './output-file.ts'
import { print, textOptions, toJson } from './output.ts'
import { showProgress } from './progress.ts'
import { refuseIneffective, simulateOptionModes } from './simulate-options.ts'
import { parseProcess, readRecording } from './trace-report.ts'

const DEFAULT_MACHINE = 'skylake-2s'
/** A round of fewer would be all calls. */
const PAGES_MIN = 64

interface SimulateCommandOptions {
  readonly machine: string
  readonly machines?: boolean
  readonly calibrate?: boolean
  readonly seconds: string
  readonly output?: string
  readonly cpus?: string
  readonly pages?: string
  readonly design: string
  readonly rwsem: string
  readonly rss: string
  readonly accounting?: string
  readonly spinlock?: string
  readonly config?: string
  readonly process?: string
  readonly seed: string
  readonly chart?: boolean
  readonly csv?: boolean
  readonly json?: boolean
}

export function simulateCommand(): Command {
  return new Command('simulate')
    .description('simulate how a workload, or a recorded program, scales on another machine, in virtual time')
    .argument('[workload]', `${simulatedWorkloads.map(({ name }) => name).join(', ')}, or a recording`)
    .option(
      '--machine <name>',
      'a machine of --machines, or a file that exports one as default',
      DEFAULT_MACHINE,
    )
    .option('--machines', 'list the machines and the sources of their numbers')
    .option(
      '--calibrate',
      'measure this machine; take what cannot be measured from --machine (default: here)',
    )
    .option('--seconds <number>', 'with --calibrate: about how long it may take', '20')
    .option(
      '--output <file>',
      'write a chart (F.svg, F.html) or F.csv; with --calibrate: a file for --machine',
    )
    .option('--cpus <counts>', 'numbers of CPUs, as 1,2,4 (default: powers of two up to all of the machine)')
    .option(
      '--pages <count>',
      'pages that each thread touches between two calls, in a round of page_fault1 to 3',
    )
    .option('--design <names>', "designs, as a,b or 'all'", DEFAULT_DESIGNS)
    .option('--rwsem <names>', RWSEM_OPTION, 'year')
    .option(
      '--rss <way>',
      'count resident pages batched by each thread, or shared in the address space',
      'batched',
    )
    .option(
      '--accounting <version>',
      `write the lists, charges and counters of Linux since ${accountingNames.join(', ')} (default: as the machine)`,
    )
    .option('--spinlock <kind>', `kind of spinlocks: ${spinlockNames.join(', ')} (default: as the machine)`)
    .option('--config <options>', 'kernel options, as SPECULATIVE_PAGE_FAULT_STATS=off')
    .option('--process <which>', "processes of a recording: 'all' (the default), 'busiest' or a number")
    .option('--seed <number>', 'random seed: the same seed gives the same run', '1')
    .option('--chart', 'also print a chart')
    .option('--csv', "print will-it-scale's columns")
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      [
        '',
        'Workloads:',
        ...simulatedWorkloads.map(({ name, description }) => `  ${name.padEnd(20)}  ${description}`),
        '',
        'Examples:',
        '  faultline simulate pft --machine skylake-2s --cpus 1,12,48,112',
        '  faultline simulate page_fault1 --design all --cpus 1,8,64 --json',
        '  faultline simulate fault-beside-writer --machine ./my-machine.mjs',
        '  faultline simulate pft --cpus 1,4,16,64 --chart --output pft.svg',
        '  faultline simulate --calibrate --output ./this-machine.mjs',
        '  faultline simulate service.perf.txt.gz --machine icelake-2s --cpus 2,8,64',
      ].join('\n'),
    )
    .action(runCommand)
}

async function runCommand(
  name: string | undefined,
  options: SimulateCommandOptions,
  command: Command,
): Promise<void> {
  const only = options.machines ? '--machines' : options.calibrate ? '--calibrate' : ''
  if (only !== '' && name !== undefined)
    throw new UsageError(`${only} takes no workload, and ${name} was given`, 'give one of them')
  const given = Object.keys(simulateOptionModes).filter(
    (option) => command.getOptionValueSource(option) === 'cli',
  )
  if (options.machines) {
    refuseIneffective('machines', given)
    await print(options.json ? toJson(machines) : machinesText(machines, textOptions()))
    return
  }
  if (options.calibrate) {
    refuseIneffective('calibrate', given)
    const { output, seconds, json = false } = options
    const machine = given.includes('machine') ? options.machine : undefined
    await calibrateCommand({ machine, output, seconds, json })
    return
  }
  const names = simulatedWorkloads.map((known) => known.name)
  if (name === undefined) throw new UsageError('simulate needs a workload', `give one of ${names.join(', ')}`)
  const workload = findSimulatedWorkload(name)
  const isTrace = workload === undefined && (name === '-' || /[./\\]/.test(name) || existsSync(name))
  if (workload === undefined && !isTrace) throw unknownName(name, names, 'workload', 'simulate')
  refuseIneffective(workload === undefined ? 'recording' : 'workload', given)
  const machine = await parseMachine(options.machine)
  const common = {
    machine,
    designs: parseDesigns(options.design),
    rwsems: parseRwsemChoice(options.rwsem),
    seed: parseCount(options.seed, '--seed', 0, 2 ** 31 - 1),
    config: options.config === undefined ? {} : parseConfig(options.config),
    rss: parseRss(options.rss),
    accounting: options.accounting === undefined ? undefined : parseAccounting(options.accounting),
    spinlock: options.spinlock === undefined ? undefined : parseSpinlock(options.spinlock),
    onProgress: (run: number, runs: number, what: string, done: number) =>
      showProgress(`${name} ${run}/${runs}: ${what}, ${Math.floor(done * 100)} %`),
  }
  if (workload === undefined) {
    await runTrace(name, options, common)
    return
  }
  const file = options.output === undefined ? null : chartFile(options.output)
  const cpus = cpusOf(options.cpus, machine, workload)
  const result = await simulateSized({ ...common, workload: sized(workload, options.pages), cpus })
  if (file !== null) await writeText(file, chartText(file, result))
  const chart = options.chart ? `\n${scalingLines(result.runs).join('\n')}\n` : ''
  const text = simulateText(result, textOptions()) + chart
  const written = file === null ? '' : pageLine(file)
  await print(options.json ? toJson(result) : options.csv ? scalingCsv(result) : text + written)
}

/** With the pages of `--pages`, which only workloads take that are smaller than their source. */
function sized(workload: SimulatedWorkload, given: string | undefined): SimulatedWorkload {
  if (given === undefined) return workload
  const { name, pages, sourcePages } = workload
  if (pages >= sourcePages)
    throw new UsageError(`--pages: ${name} has the size of its source already`, 'leave it out')
  return withPages(workload, parseCount(given, '--pages', PAGES_MIN, sourcePages))
}

/** Throws UsageError if the machine would need more memory than there can be. */
async function simulateSized(request: Parameters<typeof simulate>[0]): Promise<SimulateResult> {
  try {
    return await simulate(request)
  } catch (error) {
    if (error instanceof TooManyFrames) throw new UsageError(error.message, 'give fewer --pages or --cpus')
    throw error
  }
}

/** What `--output` can be, by how its name ends. */
const chartForms: Readonly<Record<string, (result: SimulateResult) => string>> = {
  '.svg': (result) => `${scalingSvg(result).text}\n`,
  '.html': (result) => scalingPage(result, simulateText(result)),
  '.csv': scalingCsv,
}

function chartFile(given: string): string {
  if (!Object.hasOwn(chartForms, extname(given)))
    throw new UsageError(
      `--output ${given} is not usable`,
      `end its name in ${Object.keys(chartForms).join(', ')}`,
    )
  return usableOutput(given, '--output')
}

function chartText(file: string, result: SimulateResult): string {
  return chartForms[extname(file)]!(result)
}

function parseAccounting(text: string): AccountingName {
  const name = accountingNames.find((known) => known === text)
  if (name === undefined) throw unknownName(text, accountingNames, 'accounting', '--accounting')
  return name
}

function parseSpinlock(text: string): SpinlockKind {
  const kind = spinlockNames.find((known) => known === text)
  if (kind === undefined) throw unknownName(text, spinlockNames, 'spinlock', '--spinlock')
  return kind
}

async function runTrace(
  path: string,
  options: SimulateCommandOptions,
  common: Omit<Parameters<typeof simulateTrace>[0], 'trace' | 'cpus'>,
): Promise<void> {
  const { cpus: most } = new Topology(common.machine.topology)
  const cpus =
    options.cpus === undefined
      ? usualCpus(most)
      : parseCounts(options.cpus, '--cpus', 1, most).toSorted((a, b) => a - b)
  const trace = await readRecording(path, { process: parseProcess(options.process ?? 'all'), isTimed: true })
  try {
    const result = await simulateTrace({ ...common, trace, cpus })
    await print(options.json ? toJson(result) : simulateTraceText(result, textOptions()))
  } finally {
    trace.close()
  }
}

function cpusOf(given: string | undefined, machine: MachineModel, workload: SimulatedWorkload): number[] {
  const most = mostCpus(machine, workload)
  if (most < 1)
    throw new UsageError(`${machine.name} has too few CPUs for ${workload.name}`, 'choose another machine')
  if (given === undefined) return usualCpus(most)
  return parseCounts(given, '--cpus', 1, most).toSorted((a, b) => a - b)
}
