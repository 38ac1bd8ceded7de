// Charts of a simulation: rates by number of CPUs, a curve for each design and semaphore. As SVG, as text on a
// terminal, and as the columns of will-it-scale.
import type { SimulatedRun, SimulateResult } from '../simulate/index.ts'
import { findSimulatedWorkload } from '../simulate/index.ts'
import { nameOf } from './design-name.ts'
import { markup, type Markup } from './html/markup.ts'
import { formatRate } from './numbers.ts'

export interface Curve {
  readonly name: string
  /** By number of CPUs, from the fewest. */
  readonly points: readonly { readonly cpus: number; readonly rate: number }[]
}

export function curvesOf(runs: readonly SimulatedRun[]): Curve[] {
  return [...Map.groupBy(runs, nameOf)].map(([name, of]) => ({
    name,
    points: of
      .toSorted((a, b) => a.cpus - b.cpus)
      .map(({ cpus, faultsPerSecond }) => ({ cpus, rate: faultsPerSecond })),
  }))
}

function heightOf(curves: readonly Curve[]): number {
  return Math.max(...curves.flatMap(({ points }) => points.map(({ rate }) => rate)))
}

function cpusOf(curves: readonly Curve[]): number[] {
  return [...new Set(curves.flatMap(({ points }) => points.map(({ cpus }) => cpus)))].toSorted(
    (a, b) => a - b,
  )
}

// ---------------------------------------------------------------------------------------------------------------------
// SVG

const WIDTH = 930
const HEIGHT = 460
const PLOT = { left: 76, right: 660, top: 44, bottom: 404 } as const
/** Least distance between the names at the ends of curves. */
const NAME_APART = 15
/** Told apart by lightness and dash too, on white. */
const COLOURS = ['#0550ae', '#9a3412', '#116329', '#6e40c9', '#57606a']
const DASHES = ['', '8 4', '2 3']
const TEXT = '#24292f'
const GRID = '#d0d7de'

/** A drawing that stands by itself, and within a page: it needs no style sheet. */
export function scalingSvg(result: Pick<SimulateResult, 'workload' | 'machine' | 'runs'>): Markup {
  const { workload, machine, runs } = result
  const curves = curvesOf(runs)
  const cpus = cpusOf(curves)
  const top = heightOf(curves) * 1.04
  const [least, most] = [Math.log2(cpus[0]!), Math.log2(cpus.at(-1)!)]
  const x = (count: number): number =>
    PLOT.left + ((Math.log2(count) - least) / Math.max(1e-9, most - least)) * (PLOT.right - PLOT.left)
  const y = (rate: number): number => PLOT.bottom - (rate / top) * (PLOT.bottom - PLOT.top)
  const { counts } = findSimulatedWorkload(workload)!
  const title = `${workload} on ${machine.name}, simulated: ${counts} a second`
  return markup`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}"
    height="${HEIGHT}" font-family="system-ui, sans-serif" font-size="12" role="img" aria-label="${title}">
    <rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff" />
    <text x="${PLOT.left}" y="24" font-size="15" fill="${TEXT}">${title}</text>
    ${ticksTo(top).map((rate) => horizontal(y(rate), quantity(rate)))}
    ${cpus.map((count) => vertical(x(count), String(count)))}
    <text x="${(PLOT.left + PLOT.right) / 2}" y="${PLOT.bottom + 38}" fill="${TEXT}" text-anchor="middle">CPUs</text>
    ${curves.map((curve, index) => line(curve, index, x, y))}
    ${namesOf(curves, x, y)}
  </svg>`
}

function horizontal(at: number, label: string): Markup {
  const y = at.toFixed(1)
  return markup`<line x1="${PLOT.left}" x2="${PLOT.right}" y1="${y}" y2="${y}" stroke="${GRID}" />
    <text x="${PLOT.left - 8}" y="${(at + 4).toFixed(1)}" fill="${TEXT}" text-anchor="end">${label}</text>`
}

function vertical(at: number, label: string): Markup {
  const x = at.toFixed(1)
  return markup`<line x1="${x}" x2="${x}" y1="${PLOT.top}" y2="${PLOT.bottom}" stroke="${GRID}" />
    <text x="${x}" y="${PLOT.bottom + 18}" fill="${TEXT}" text-anchor="middle">${label}</text>`
}

function line(
  { points }: Curve,
  index: number,
  x: (count: number) => number,
  y: (rate: number) => number,
): Markup {
  const colour = colourOf(index)
  const places = points.map(({ cpus, rate }) => [x(cpus).toFixed(1), y(rate).toFixed(1)] as const)
  const dots = places.map(
    ([left, top]) => markup`<circle cx="${left}" cy="${top}" r="2.5" fill="${colour}" />`,
  )
  return markup`<polyline points="${places.join(' ')}" fill="none" stroke="${colour}" stroke-width="2"
      stroke-dasharray="${dashOf(index)}" />
    ${dots}`
}

/** Names beside the plot, one below the other, each with a line to the end of its curve. */
function namesOf(
  curves: readonly Curve[],
  x: (count: number) => number,
  y: (rate: number) => number,
): Markup[] {
  const ends = curves
    .map(({ name, points }, index) => {
      const { cpus, rate } = points.at(-1)!
      return { name, index, begin: x(cpus), end: y(rate) }
    })
    .toSorted((a, b) => a.end - b.end)
  // From below: the lowest must not leave the drawing, and each above it keeps its distance.
  const places = ends.map(({ end }) => end)
  for (let at = 1; at < places.length; at++) places[at] = Math.max(places[at]!, places[at - 1]! + NAME_APART)
  let limit = HEIGHT - 12
  for (let at = places.length - 1; at >= 0; at--) {
    places[at] = Math.min(places[at]!, limit)
    limit = places[at]! - NAME_APART
  }
  return ends.map(({ name, index, begin, end }, at) => {
    const place = places[at]!.toFixed(1)
    const { right } = PLOT
    const way = `${begin.toFixed(1)},${end.toFixed(1)} ${right + 22},${place} ${right + 34},${place}`
    return markup`<polyline points="${way}" fill="none" stroke="${colourOf(index)}"
        stroke-dasharray="${dashOf(index)}" />
      <text x="${right + 38}" y="${(places[at]! + 4).toFixed(1)}" fill="${colourOf(index)}">${name}</text>`
  })
}

function colourOf(index: number): string {
  return COLOURS[index % COLOURS.length]!
}

function dashOf(index: number): string {
  return DASHES[Math.floor(index / COLOURS.length) % DASHES.length]!
}

/** Four to eight round numbers, from 0. */
function ticksTo(top: number): number[] {
  const power = 10 ** Math.floor(Math.log10(top))
  const step = [0.1, 0.2, 0.5, 1, 2].map((factor) => factor * power).find((each) => top / each <= 8)!
  return Array.from({ length: Math.floor(top / step) + 1 }, (_, at) => at * step)
}

function quantity(rate: number): string {
  return rate === 0 ? '0' : formatRate(rate).replace('/s', '')
}

// ---------------------------------------------------------------------------------------------------------------------
// Text

const ROWS = 16
const COLUMN = 7
const MANY = '*'

/** A letter for each curve; where two meet, a star. */
export function scalingLines(runs: readonly SimulatedRun[]): string[] {
  const curves = curvesOf(runs)
  const cpus = cpusOf(curves)
  const top = heightOf(curves)
  const cells = Array.from({ length: ROWS + 1 }, () => Array.from({ length: cpus.length }, () => ''))
  curves.forEach(({ points }, index) => {
    for (const { cpus: count, rate } of points) {
      const row = ROWS - Math.round((rate / top) * ROWS)
      cells[row]![cpus.indexOf(count)] += letterOf(index)
    }
  })
  const shown = (text: string): string =>
    text.length > COLUMN - 2 ? `${text.slice(0, COLUMN - 3)}${MANY}` : text
  const lines = cells.map((row, at) => {
    const label = at % 4 === 0 ? quantity((top * (ROWS - at)) / ROWS) : ''
    return `${label.padStart(8)} │${row.map((cell) => shown(cell).padStart(COLUMN)).join('')}`
  })
  return [
    ...lines,
    `${''.padStart(8)} └${'─'.repeat(COLUMN * cpus.length)}`,
    `${'CPUs'.padStart(8)}  ${cpus.map((count) => String(count).padStart(COLUMN)).join('')}`,
    ...curves.map(({ name }, index) => `${letterOf(index).padStart(8)}  ${name}`),
  ].map((text) => text.trimEnd())
}

function letterOf(index: number): string {
  return String.fromCodePoint(97 + (index % 26))
}

// ---------------------------------------------------------------------------------------------------------------------
// will-it-scale's columns

/** As `faultline bench --csv`: a table for each design, behind a comment where there are several. */
export function scalingCsv({ workload, runs }: Pick<SimulateResult, 'workload' | 'runs'>): string {
  const groups = [...Map.groupBy(runs, nameOf)]
  return `${groups
    .flatMap(([name, of]) => {
      const sorted = of.toSorted((a, b) => a.cpus - b.cpus)
      const each = Math.round(sorted[0]!.faultsPerSecond) / sorted[0]!.cpus
      return [
        ...(groups.length > 1 ? [`# ${workload} ${name}`] : []),
        'tasks,processes,processes_idle,threads,threads_idle,linear',
        '0,0,100,0,100,0',
        ...sorted.map(({ cpus, faultsPerSecond, idleShare }) =>
          [
            cpus,
            0,
            '0.00',
            Math.round(faultsPerSecond),
            (100 * idleShare).toFixed(2),
            Math.round(each * cpus),
          ].join(','),
        ),
      ]
    })
    .join('\n')}\n`
}
