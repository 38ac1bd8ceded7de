// What `faultline simulate` prints: throughput by number of CPUs, where it bends and on what, and published rows
// beside.
import type { SimulatedRun } from '../simulate/findings.ts'
import type { MachineModel } from '../simulate/machine.ts'
import { type Bend, type SimulateResult, bendsOf, efficiency } from '../simulate/simulate.ts'
import { Topology } from '../simulate/topology.ts'
import { findSimulatedWorkload } from '../simulate/workloads.ts'
import { formatRate, formatShare } from './numbers.ts'
import { simulatedKernelWords } from './simulated-kernel.ts'
import { plainStyle, type TextOptions } from './style.ts'
import { type Column, formatTable, wrap } from './table.ts'

/** Less of the time is not told. */
const WAIT_TOLD = 0.01

export function simulateText(result: SimulateResult, options: TextOptions = {}): string {
  const { style = plainStyle, width = 100 } = options
  const { workload, machine } = result
  const { counts } = findSimulatedWorkload(workload)!
  const heading = `${workload} on ${machine.name}, simulated: the kernel’s own source in virtual time`
  const table = [
    ...formatTable(columnsOf(result, counts), {
      width: Number.POSITIVE_INFINITY,
      styleHeading: style.faint,
      styleLabel: (text) => text,
    }),
  ]
  const bends = bendsOf(result.runs)
  const paragraphs = [
    `Numbers of the machine: ${machine.source}.`,
    simulatedKernelWords(result.kernel.options),
    ...bends.map((bend) => bendWords(bend, counts)),
  ]
  const published = result.published.length === 0 ? [] : ['', ...publishedLines(result, style.faint)]
  return `${[
    style.heading(heading),
    '',
    ...table,
    '',
    ...paragraphs.flatMap((paragraph) => wrap(paragraph, width, 2)),
    ...published,
  ].join('\n')}\n`
}

function columnsOf(result: SimulateResult, counts: string): Column[] {
  const { runs } = result
  const column = (
    heading: readonly string[],
    cell: (run: SimulatedRun) => string,
    align: Column['align'] = 'right',
  ): Column => ({ heading, align, cells: runs.map(cell) })
  return [
    column(['design/rwsem'], (run) => `${run.design}/${run.rwsem}`, 'left'),
    column(['CPUs'], (run) => String(run.cpus)),
    column([counts === 'pages' ? 'pages/s' : `${counts}/s`], (run) =>
      formatRate(run.faultsPerSecond).replace('/s', ''),
    ),
    column(['effi-', 'ciency'], (run) => formatShare(efficiency(run, runs))),
    column(['idle'], (run) => formatShare(run.idleShare)),
    column(['fallbacks'], (run) => fallbackWords(run)),
    column(['waits most for'], (run) => waitOf(run)?.name ?? '', 'left'),
    column(['of the', 'time'], (run) => shareWords(waitOf(run)?.share)),
    column(['trips', 'each'], (run) => tripWords(run)),
  ]
}

function fallbackWords({ fallbacks, faults }: SimulatedRun): string {
  const sum = Object.values(fallbacks).reduce((total, count) => total + count, 0)
  return sum === 0 ? '–' : formatShare(sum / faults)
}

/** What a run waits for most: a line, a word that it spins on, or a lock that it sleeps for. */
function waitOf({ timeByCause }: SimulatedRun): { name: string; share: number } | undefined {
  const waits = Object.entries(timeByCause).filter(([cause]) => cause.includes(' '))
  const [most] = waits.toSorted(([, a], [, b]) => b - a)
  if (most === undefined || most[1] < WAIT_TOLD) return undefined
  const [cause, share] = most
  return { name: cause.replace(/^line /, '').replace(/^(asleep|spinning) (.*)/, '$2, $1'), share }
}

function shareWords(share: number | undefined): string {
  return share === undefined ? '' : formatShare(share)
}

/** How often the line travels that is waited for most. */
function tripWords(run: SimulatedRun): string {
  const wait = waitOf(run)
  const line = run.lines.find(({ name }) => name === wait?.name.replace(/, .*/, ''))
  return line === undefined ? '' : line.transfersPerFault.toFixed(2)
}

/** A cause of `timeByCause` as people say it. */
function causeText(cause: string): string {
  const [kind, ...name] = cause.split(' ')
  const of = name.join(' ')
  switch (kind) {
    case 'line':
      return `waiting for ${of}`
    case 'spinning':
      return `spinning on ${of}`
    case 'asleep':
      return `asleep for ${of}`
    case 'systemCalls':
      return 'system calls'
    default:
      return cause
  }
}

function bendWords({ design, rwsem, cpus, cause, share, transfersPerFault }: Bend, counts: string): string {
  const who = `${design}/${rwsem}`
  if (cpus === null)
    return `${who} does not bend: each step to more CPUs brings more than half of the ideal gain.`
  const line = cause.replace(/^line /, '')
  const what =
    transfersPerFault === null
      ? `${causeText(cause)} takes ${formatShare(share)} of the time`
      : `${line} makes ${transfersPerFault.toFixed(1)} trips for each of the ${counts}, and waiting for it takes ` +
        `${formatShare(share)} of the time`
  return `${who} bends at ${cpus} CPUs: from there on, ${what}.`
}

function publishedLines({ published }: SimulateResult, dim: (text: string) => string): string[] {
  const column = (
    heading: string,
    cell: (row: SimulateResult['published'][number]) => string,
    align: Column['align'] = 'right',
  ): Column => ({ heading: [heading], align, cells: published.map(cell) })
  return formatTable(
    [
      column('published', ({ row }) => row, 'left'),
      column('measured', ({ value }) => formatRate(value)),
      column('simulated', ({ simulated }) => formatRate(simulated)),
      column('error', ({ error }) => `${error < 0 ? '−' : '+'}${Math.abs(error * 100).toFixed(0)} %`),
    ],
    { styleHeading: dim },
  )
}

/** What `--machines` prints. */
export function machinesText(machines: readonly MachineModel[], options: TextOptions = {}): string {
  const { style = plainStyle, width = 100 } = options
  const lines = machines.flatMap((machine) => [
    `${style.heading(machine.name)}  ${new Topology(machine.topology).cpus} CPUs: ${machine.title}`,
    ...wrap(machine.source, width, 2),
    ...wrap(fittedWords(machine), width, 2),
  ])
  return `${lines.join('\n')}\n`
}

function fittedWords({ fitted }: MachineModel): string {
  const constants = Object.entries(fitted)
  if (constants.length === 0) return 'nothing fitted'
  return `fitted: ${constants.map(([path, rows]) => `${path} on ${rows}`).join('; ')}`
}
