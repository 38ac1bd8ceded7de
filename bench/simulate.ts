// How fast the simulator is: `npm run bench:simulate`, accesses of the kernel a second of processor time, by number of
// CPUs. With `-- --published`, how true: every published row beside what is simulated, as
// docs/simulated-and-measured.md has it, or those of one `--machine`.
// With `-- --charts FOLDER`, the charts of docs/scaling.md: every design on 1 to 256 CPUs. With `--kept F` each run is
// kept in that folder and is not done again, so that the charts can be made in pieces: `--seconds S` begins no further
// run after so long. What is kept does not tell which source it is of: a changed simulator needs a new folder.
// With `-- --sensitivity`, what hangs on each constant: the rate and the order of designs with 30 % less of it and 30 %
// more. Both can be with fewer `--pages` for each thread. `--accounting` is for the charts: what else a fault writes,
// if not as on the machine.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { designs } from '../src/kernel/index.ts'
import {
  type Column,
  formatCount,
  formatQuantity,
  formatTable,
  nameOf,
  scalingLines,
  scalingSvg,
} from '../src/report/index.ts'
import {
  type AccountingName,
  type ComparedRow,
  type MachineModel,
  type SimulateResult,
  type SimulatedRun,
  type SimulatedWorkload,
  accountingNames,
  findMachine,
  findSimulatedWorkload,
  mostCpus,
  publishedRows,
  simulate,
  usualCpus,
  withPages,
} from '../src/simulate/index.ts'
import type { DesignName } from '../src/workloads/index.ts'

const { values } = parseArgs({
  options: {
    published: { type: 'boolean', default: false },
    sensitivity: { type: 'boolean', default: false },
    charts: { type: 'string' },
    kept: { type: 'string' },
    seconds: { type: 'string' },
    pages: { type: 'string' },
    workload: { type: 'string', default: 'page_fault1' },
    machine: { type: 'string' },
    cpus: { type: 'string', default: '1,4,16,64,256' },
    seed: { type: 'string', default: '1' },
    accounting: { type: 'string' },
  },
})
const machineName = values.machine ?? 'rome-2s'
for (const [option, name, found] of [
  ['--machine', machineName, findMachine(machineName)],
  ['--workload', values.workload, findSimulatedWorkload(values.workload)],
] as const) {
  if (found !== undefined) continue
  process.stderr.write(`${option} ${name}: there is none of this name\n`)
  process.exit(2)
}
const chartAccounting = values.accounting as AccountingName | undefined
if (chartAccounting !== undefined && !accountingNames.includes(chartAccounting)) {
  process.stderr.write(`--accounting ${chartAccounting}: known are ${accountingNames.join(', ')}\n`)
  process.exit(2)
}
const common = {
  rwsems: 'year',
  seed: Number(values.seed),
  config: {},
  rss: 'batched',
  accounting: 'none',
  spinlock: 'test-and-set',
} as const

/** With fewer pages for each thread, where `--pages` says so. */
function findScaled(name: string, pages = Number(values.pages ?? 0)): SimulatedWorkload {
  const usual = findSimulatedWorkload(name)!
  return pages === 0 ? usual : withPages(usual, pages)
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

/** Each number of CPUs under a design in which CPUs wait for a line, and one in which they do not. */
async function speeds(): Promise<void> {
  const workload = findSimulatedWorkload(values.workload)!
  const machine = findMachine(machineName)!
  const rows: string[][] = []
  // The engine compiles what it meets often: the first run is for that.
  await simulate({ ...common, workload, machine, designs: ['classic', 'lespinasse-2022'], cpus: [2] })
  for (const design of ['classic', 'lespinasse-2022']) {
    for (const cpus of values.cpus.split(',').map(Number)) {
      const before = process.cpuUsage()
      const { runs } = await simulate({ ...common, workload, machine, designs: [design], cpus: [cpus] })
      const { user, system } = process.cpuUsage(before)
      const seconds = (user + system) / 1e6
      const { accesses, faults } = runs[0]!
      rows.push([
        design,
        String(cpus),
        formatCount(faults),
        formatQuantity(accesses),
        seconds.toFixed(1),
        formatQuantity(accesses / seconds),
      ])
    }
  }
  const headings = ['design', 'CPUs', 'counted', 'accesses', 's', 'accesses/s']
  say(`${values.workload} on ${machineName}, seconds of one ${os.cpus()[0]!.model}`)
  const columns = headings.map((heading, at): Column => {
    return { heading: [heading], align: at === 0 ? 'left' : 'right', cells: rows.map((row) => row[at]!) }
  })
  say(formatTable(columns).join('\n'))
}

/** Every published row, by the tables that they are from, as Markdown. */
async function published(): Promise<void> {
  say('| row | published | simulated | error |\n|---|---|---|---|')
  const wanted = publishedRows.filter(
    ({ machine }) => values.machine === undefined || values.machine === machine,
  )
  const groups = Map.groupBy(wanted, ({ machine, workload, design, rwsem, accounting, spinlock, rss }) =>
    [machine, workload, design, rwsem, accounting, spinlock, rss].join(' '),
  )
  const predicted: ComparedRow[] = []
  for (const rows of groups.values()) {
    const { machine, workload, design, rwsem, accounting, spinlock, rss } = rows[0]!
    const result = await simulate({
      ...common,
      workload: findSimulatedWorkload(workload)!,
      machine: findMachine(machine)!,
      designs: [design],
      rwsems: [rwsem],
      cpus: [...new Set(rows.map(({ cpus }) => cpus))],
      accounting,
      spinlock,
      rss,
    })
    for (const row of result.published) {
      const error = `${row.error < 0 ? '−' : '+'}${Math.abs(100 * row.error).toFixed(0)} %`
      say(`| ${row.row} | ${formatQuantity(row.value)} | ${formatQuantity(row.simulated)} | ${error} |`)
      if (!row.row.endsWith('(fitted)')) predicted.push(row)
    }
  }
  if (predicted.length === 0) {
    say('\nno predicted rows')
    return
  }
  const errors = predicted.map(({ error }) => Math.abs(error))
  const mean = errors.reduce((sum, error) => sum + error, 0) / errors.length
  const near = errors.filter((error) => error <= 0.25).length
  say(`\n${predicted.length} predicted rows: mean error ${(100 * mean).toFixed(0)} %, ${near} within 25 %`)
}

/** What else than topology a machine is made of, by its path: where it is, and its value. */
function constantsOf(machine: MachineModel): { path: string; value: number }[] {
  const parts = ['latency', 'clearing', 'software'] as const
  return [
    ...parts.flatMap((part) =>
      Object.entries(machine[part]).map(([name, value]) => ({
        path: `${part}.${name}`,
        value: value as number,
      })),
    ),
    ...(['residencyNs', 'sharedReadNs', 'smtFactor', 'bandwidthPerSocket'] as const).map((path) => {
      return { path, value: machine[path] }
    }),
  ].filter(({ value }) => value !== 0)
}

function withConstant(machine: MachineModel, path: string, value: number): MachineModel {
  const [part, name] = path.split('.') as [keyof MachineModel, string | undefined]
  if (name === undefined) return { ...machine, [part]: value }
  return { ...machine, [part]: { ...(machine[part] as object), [name]: value } }
}

const DESIGNS = ['classic', 'lespinasse-2021', 'dufour-2018', 'per-vma-refcount-2025']

/** Rates that are within so much of each other are taken as equal. */
const ALIKE = 0.02

/** The pairs of which the one that was faster is the slower one now. */
function flips(usual: readonly number[], found: readonly number[], names: readonly string[]): string[] {
  const faster = (rates: readonly number[], one: number, other: number): number =>
    Math.abs(rates[one]! / rates[other]! - 1) < ALIKE ? 0 : Math.sign(rates[one]! - rates[other]!)
  return names.flatMap((name, one) =>
    names.flatMap((other, at) =>
      at > one && faster(usual, one, at) * faster(found, one, at) < 0
        ? [`${name} and ${other} change places`]
        : [],
    ),
  )
}

async function sensitivity(): Promise<void> {
  const workload = findScaled(values.workload)
  const machine = findMachine(machineName)!
  const cpus = [Number(values.cpus.split(',').at(-1))]
  // As on the machine.
  const kernel = { accounting: undefined, spinlock: undefined }
  const run = async (changed: MachineModel): Promise<readonly SimulatedRun[]> => {
    const { runs } = await simulate({
      ...common,
      ...kernel,
      workload,
      machine: changed,
      designs: DESIGNS,
      cpus,
    })
    return runs
  }
  const ratesOf = (runs: readonly SimulatedRun[]): number[] => runs.map((each) => each.faultsPerSecond)
  const first = await run(machine)
  const names = first.map(nameOf)
  const usual = ratesOf(first)
  say(`${workload.name} on ${cpus[0]} CPUs of ${machine.name}: ${names.join(', ')}`)
  say(`as it is: ${usual.map(formatQuantity).join(', ')}`)
  for (const { path, value } of constantsOf(machine)) {
    for (const factor of [0.7, 1.3]) {
      const found = ratesOf(await run(withConstant(machine, path, value * factor)))
      const changes = found.map((rate, at) => `${((rate / usual[at]! - 1) * 100).toFixed(0)} %`)
      say([`${path} × ${factor}: ${changes.join(', ')}`, ...flips(usual, found, names)].join('; '))
    }
  }
}

/** What docs/scaling.md shows. */
const CHARTED = ['pft', 'page_fault1', 'fault-beside-writer']
/** Pages of each thread there, of 2,048, so that the largest run takes a minute and not five. */
const CHART_PAGES = 512
/** Beyond so many CPUs, where a run of pages that are freed again takes longest, one design of each kind. */
const ALL_DESIGNS_MAX = 32
const KINDS = [
  'classic',
  'dufour-2019',
  'lespinasse-2022',
  'per-vma-refcount-2025',
  'leaf-slots',
  'hazard-vma',
]

/** One run of a chart, or what was kept of it; null where the time is over. */
async function chartRun(
  workload: SimulatedWorkload,
  machine: MachineModel,
  design: DesignName,
  cpus: number,
): Promise<SimulateResult | null> {
  const name = `${workload.name}-${workload.pages}-${machine.name}-${design}-${cpus}-${common.seed}.json`
  const file = values.kept === undefined ? null : join(values.kept, name)
  if (file !== null && existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as SimulateResult
  if (performance.now() > Number(values.seconds ?? Infinity) * 1000) return null
  const kernel = { accounting: chartAccounting, spinlock: undefined }
  const result = await simulate({ ...common, ...kernel, workload, machine, designs: [design], cpus: [cpus] })
  if (file !== null) writeFileSync(file, JSON.stringify(result))
  return result
}

/** A chart for each workload, as a file and in words. */
async function charts(folder: string): Promise<void> {
  const machine = findMachine(machineName)!
  const all = designs.map(({ description }) => description.name as DesignName)
  if (values.kept !== undefined) mkdirSync(values.kept, { recursive: true })
  for (const name of CHARTED) {
    const workload = findScaled(name, Number(values.pages ?? CHART_PAGES))
    const counts = usualCpus(mostCpus(machine, findSimulatedWorkload(name)!))
    const results = []
    let missing = 0
    for (const design of all) {
      for (const cpus of counts) {
        if (name !== 'pft' && cpus > ALL_DESIGNS_MAX && !KINDS.includes(design)) continue
        const result = await chartRun(workload, machine, design, cpus)
        if (result === null) missing++
        else results.push(result)
      }
    }
    if (missing > 0) {
      say(`${name}: ${missing} runs are missing yet`)
      continue
    }
    const runs = results.flatMap((result) => result.runs)
    writeFileSync(join(folder, `scaling-${name}.svg`), `${scalingSvg({ ...results[0]!, runs }).text}\n`)
    say(`${name} on ${machine.name}\n${scalingLines(runs).join('\n')}`)
  }
}

await (values.charts !== undefined
  ? charts(values.charts)
  : values.sensitivity
    ? sensitivity()
    : values.published
      ? published()
      : speeds())
