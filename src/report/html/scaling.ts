// The page of a simulated workload: its chart, what it is made from, and where the time goes.
import type { SimulateResult } from '../../simulate/index.ts'
import { nameOf } from '../design-name.ts'
import { formatRate, formatShare } from '../numbers.ts'
import { scalingSvg } from '../scaling-chart.ts'
import { markup, type Markup } from './markup.ts'
import { sectionsPage } from './page.ts'
import { table } from './table.ts'

/** Causes of waiting that take less of the time are not told. */
const SHARE_TOLD = 0.01
const CAUSES_TOLD = 4

/** @param text what the command prints of the same */
export function scalingPage(result: SimulateResult, text: string): string {
  const { workload, machine } = result
  const sections = [
    { id: 'verdict', title: 'How it scales', body: markup`${scalingSvg(result)}<pre>${text}</pre>` },
    { id: 'time', title: 'Where the time goes', body: timeTable(result) },
  ]
  const words = { first: 'chart', madeFrom: 'a simulation' }
  return sectionsPage(`${workload} on ${machine.name}`, sections, words)
}

function timeTable({ runs }: SimulateResult): Markup {
  const columns = [
    { heading: 'design' },
    { heading: 'CPUs', isNumber: true },
    { heading: 'rate', isNumber: true },
    { heading: 'what takes most of the time' },
    { heading: 'lines that travel most, for each thing counted' },
  ]
  return table(
    'Shares of the CPUs’ time',
    columns,
    runs.map((run) => [
      nameOf(run),
      run.cpus,
      formatRate(run.faultsPerSecond),
      Object.entries(run.timeByCause)
        .filter(([, share]) => share >= SHARE_TOLD)
        .toSorted(([, a], [, b]) => b - a)
        .slice(0, CAUSES_TOLD)
        .map(([cause, share]) => `${cause} ${formatShare(share)}`)
        .join(', '),
      run.lines
        .slice(0, CAUSES_TOLD)
        .map(({ name, transfersPerFault }) => `${name} ${transfersPerFault.toFixed(2)}`)
        .join(', '),
    ]),
  )
}
