// In the browser: the time of the program over CPUs, a line for each design, drawn with uPlot. Where a simulation has
// two bounds, the line is between them and what lies between is filled.
import type Chart from 'uplot'
import type { WhatIfData } from './what-if-data.ts'

declare const uPlot: typeof Chart

const HEIGHT = 280
/** Told apart by dashes too. */
const DASHES: readonly (readonly number[])[] = [[], [8, 4], [2, 3], [10, 3, 2, 3]]

function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()
}

const COLOURS = ['wait', 'write', 'good', 'plain']

function middle(least: number | null, most: number | null): number | null {
  return least === null || most === null ? null : (least + most) / 2
}

function draw(element: HTMLElement, { cpus, designs, recorded }: WhatIfData): Chart {
  const [text, grid] = [colour('text'), colour('grid')]
  // Numbers of CPUs stand beside each other at equal distances.
  const places = cpus.map((_, place) => place)
  const series: Chart.Series[] = [{ label: 'CPUs', value: (_, place) => String(cpus[place] ?? '') }]
  const bands: Chart.Band[] = []
  const data: (number | null)[][] = [places]
  const told = (ms: number | null): string => (ms === null ? '' : `${ms.toFixed(1)} ms`)
  for (const [number, { name, least, most }] of designs.entries()) {
    const stroke = colour(COLOURS[number % COLOURS.length]!)
    const dash = [...DASHES[number % DASHES.length]!]
    const first = data.length
    data.push(
      most.slice(),
      least.slice(),
      most.map((high, at) => middle(least[at]!, high)),
    )
    const edge = { stroke, width: 0.5, points: { show: false } }
    series.push(
      { ...edge, label: `${name}, at most`, value: (_, ms) => told(ms) },
      { ...edge, label: 'at least', value: (_, ms) => told(ms) },
      { label: name, stroke, width: 2, dash, points: { show: true, size: 7 }, value: (_, ms) => told(ms) },
    )
    bands.push({ series: [first, first + 1], fill: `${stroke}22` })
  }
  data.push(cpus.map((count) => (count === recorded.cpus ? recorded.ms : null)))
  series.push({
    label: 'recorded',
    stroke: text,
    points: { show: true, size: 12, width: 2 },
    value: (_, ms) => told(ms),
  })
  const axis = { stroke: text, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 } }
  return new uPlot(
    {
      width: element.clientWidth,
      height: HEIGHT,
      scales: {
        x: { time: false, range: [-0.3, cpus.length - 0.7] },
        y: { range: (_, __, most) => [0, most * 1.05] },
      },
      axes: [
        { ...axis, splits: () => places, values: () => cpus.map((count) => `${count} CPUs`) },
        { ...axis, label: 'ms', size: 60 },
      ],
      series,
      bands,
      cursor: { drag: { x: false, y: false } },
    },
    data as Chart.AlignedData,
    element,
  )
}

function setUp(element: HTMLElement, source: HTMLElement): void {
  const data = JSON.parse(source.textContent) as WhatIfData
  let chart = draw(element, data)
  const redraw = (): void => {
    chart.destroy()
    chart = draw(element, data)
  }
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw)
  let width = element.clientWidth
  new ResizeObserver(() => {
    if (element.clientWidth === width) return
    width = element.clientWidth
    redraw()
  }).observe(element)
}

const element = document.getElementById('chart-whatif')
const source = document.getElementById('data-whatif')
if (element !== null && source !== null) {
  element.hidden = false
  if ('requestIdleCallback' in globalThis) requestIdleCallback(() => setUp(element, source))
  else setTimeout(() => setUp(element, source), 0)
}
