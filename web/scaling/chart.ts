// The chart of the page: a rate by number of CPUs, a curve for each design, drawn with uPlot.

import uPlot from 'plain:uplot'
import type { SimulatedRun } from '../../src/simulate/findings.ts'
import type { DesignAndRwsem } from './protocol.ts'

const HEIGHT = 420
/** Told apart by lightness and dash too. */
const COLOURS = { light: ['#0550ae', '#9a3412', '#116329', '#6e40c9', '#57606a'], dark: [] as string[] }
COLOURS.dark = ['#79b8ff', '#fdba74', '#7ee787', '#d2a8ff', '#9aa5b1']
const DASHES = [[], [8, 4], [2, 3]]

const isDark = matchMedia('(prefers-color-scheme: dark)')

export interface Drawn {
  readonly curves: readonly DesignAndRwsem[]
  readonly cpus: readonly number[]
  readonly runs: readonly SimulatedRun[]
  readonly counts: string
}

/** Rates by number of CPUs for each curve; null where there is no run yet. */
export function ratesOf({ curves, cpus, runs }: Drawn): (number | null)[][] {
  return curves.map(({ design, rwsem }) =>
    cpus.map((count) => {
      const run = runs.find((each) => each.design === design && each.rwsem === rwsem && each.cpus === count)
      return run?.faultsPerSecond ?? null
    }),
  )
}

export class ScalingChart {
  readonly #holder: HTMLElement
  #plot: uPlot | null = null
  #drawn: Drawn | null = null
  #key = ''

  constructor(holder: HTMLElement) {
    this.#holder = holder
    isDark.addEventListener('change', () => this.#redraw())
    new ResizeObserver(() => this.#plot?.setSize({ width: holder.clientWidth, height: HEIGHT })).observe(
      holder,
    )
  }

  draw(drawn: Drawn): void {
    this.#drawn = drawn
    const key = JSON.stringify([drawn.curves, drawn.cpus, drawn.counts])
    if (key === this.#key) this.#plot!.setData(this.#data(drawn))
    else this.#redraw()
    this.#key = key
  }

  #data(drawn: Drawn): uPlot.AlignedData {
    return [[...drawn.cpus], ...ratesOf(drawn)] as uPlot.AlignedData
  }

  #redraw(): void {
    const drawn = this.#drawn
    if (drawn === null) return
    this.#plot?.destroy()
    const style = getComputedStyle(document.documentElement)
    const text = style.getPropertyValue('--text')
    const grid = { stroke: style.getPropertyValue('--grid'), width: 1 }
    const axis = { stroke: text, grid, ticks: grid }
    const options: uPlot.Options = {
      width: this.#holder.clientWidth,
      height: HEIGHT,
      scales: { x: { time: false, distr: 3, log: 2 }, y: { range: (_, __, most) => [0, most * 1.05] } },
      axes: [
        {
          ...axis,
          label: 'CPUs',
          values: (_, splits) => splits.map((each) => (each === null ? '' : String(each))),
        },
        {
          ...axis,
          label: `${drawn.counts} per second`,
          size: 70,
          values: (_, splits) => splits.map(quantity),
        },
      ],
      series: [{ label: 'CPUs' }, ...drawn.curves.map(seriesOf)],
    }
    this.#plot = new uPlot(options, this.#data(drawn), this.#holder)
  }
}

function seriesOf({ design, rwsem }: DesignAndRwsem, index: number): uPlot.Series {
  const colours = isDark.matches ? COLOURS.dark : COLOURS.light
  return {
    label: `${design}/${rwsem}`,
    stroke: colours[index % colours.length]!,
    dash: DASHES[Math.floor(index / colours.length) % DASHES.length]!,
    width: 2,
    points: { show: true, size: 7 },
    spanGaps: true,
    value: (_, value) => (value === null ? '–' : quantity(value)),
  }
}

function quantity(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toFixed(value >= 1e7 ? 1 : 2)} M`
  return value >= 1e3 ? `${(value / 1e3).toFixed(value >= 1e4 ? 0 : 1)} k` : value.toFixed(0)
}
