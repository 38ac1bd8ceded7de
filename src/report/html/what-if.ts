// What if: the recorded program simulated under other designs and on more CPUs, as a chart and a table.
import type { WhatIf } from '../../simulate/index.ts'
import { nameOf } from '../design-name.ts'
import { formatCount, formatDuration } from '../numbers.ts'
import { elapsedText, isPromise, underLock, waitedText, waitsText, whatIfSentences } from '../what-if.ts'
import type { WhatIfData } from './client/what-if-data.ts'
import { markup, type Markup } from './markup.ts'
import { bar, table } from './table.ts'
import type { PageContent, Section } from './section.ts'

export function whatIfSection({ trace, whatIf }: PageContent): Section | null {
  if (whatIf === undefined || whatIf === null) return null
  return {
    id: 'whatif',
    title: 'What if: other designs, more CPUs',
    body: markup`<p class="verdict ${isPromise(whatIf) ? 'good' : 'bad'}">
        <span class="mood">${isPromise(whatIf) ? 'simulated' : 'simulated, no promise'}</span>
        ${whatIfSentences(whatIf, trace).map((sentence) => markup`<span>${sentence}</span> `)}
      </p>
      <div
        class="chart"
        id="chart-whatif"
        hidden
        role="img"
        aria-label="Time of the program over CPUs, for each design; the table below has the same numbers"
      ></div>
      ${runsTable(whatIf, underLock(trace))}`,
    data: { whatif: dataOf(whatIf) },
  }
}

function runsTable({ runs, machine, recorded }: WhatIf, locked: string): Markup {
  const times = runs.flatMap(({ bounds }) => bounds.map(({ elapsedMs }) => elapsedMs))
  const longest = Math.max(recorded.elapsedMs, ...times)
  const { waits } = recorded
  return table(
    `Simulated on ${machine.name}: the kernel’s own source in virtual time. Only waits with a visible holder count`,
    [
      { heading: 'design' },
      { heading: 'CPUs', isNumber: true },
      { heading: 'elapsed', isNumber: true },
      { heading: '' },
      { heading: 'waits', isNumber: true },
      { heading: 'in all', isNumber: true },
      { heading: 'faults under the lock', isNumber: true },
    ],
    [
      [
        'as recorded',
        String(recorded.cpus),
        formatDuration(recorded.elapsedMs * 1e6),
        bar([{ share: recorded.elapsedMs / longest, colour: 'read' }]),
        waits === null ? '–' : formatCount(waits.count),
        waits === null ? '–' : formatDuration(waits.totalMs * 1e6),
        locked,
      ],
      ...runs.map((run) => {
        const bounds = run.bounds.map(({ elapsedMs }) => elapsedMs / longest)
        const [from, to] = [Math.min(...bounds), Math.max(...bounds)]
        return [
          nameOf(run),
          String(run.cpus),
          elapsedText(run),
          bar([{ share: (from + to) / 2, colour: 'plain' }], { from, to }),
          waitsText(run),
          waitedText(run),
          formatCount(run.lockedFaults),
        ]
      }),
    ],
  )
}

function dataOf({ runs, recorded }: WhatIf): WhatIfData {
  const cpus = [...new Set(runs.map((run) => run.cpus))].toSorted((a, b) => a - b)
  const designs = [...new Set(runs.map(nameOf))]
  return {
    cpus,
    recorded: { cpus: recorded.cpus, ms: recorded.elapsedMs },
    designs: designs.map((name) => {
      const of = cpus.map((count) => runs.find((run) => run.cpus === count && nameOf(run) === name))
      const times = of.map((run) => run?.bounds.map(({ elapsedMs }) => elapsedMs) ?? null)
      return {
        name,
        least: times.map((all) => (all === null ? null : Math.min(...all))),
        most: times.map((all) => (all === null ? null : Math.max(...all))),
      }
    }),
  }
}
