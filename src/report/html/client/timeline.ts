// In the browser: threads over time, drawn with uPlot. The curves of all threads above, a row for each thread below;
// both have the same time and the same cursor.
//
// Principle: no task is long. What is drawn was summed up when the page was made; each chart is made when the browser
// has nothing else to do, and only when it comes into sight.
import type Chart from 'uplot'
import type { TimelineData } from './timeline-data.ts'

declare const uPlot: typeof Chart

const LANE_HEIGHT = 18
/** Rows of threads that one task draws. */
const LANES_PER_STEP = 4
const CURVES_HEIGHT = 160

/** What is beside the times, in pixels. */
interface Margins {
  /** Left of them: the names of threads, of so many letters at most. */
  readonly axis: number
  readonly letters: number
  /** Right of them: numbers of faults. */
  readonly faults: number
  /** Of the labels of both; 0 where the key above has to do, and with them the values at the cursor. */
  readonly label: number
}

const WIDE: Margins = { axis: 150, letters: 22, faults: 50, label: 18 }
const NARROW: Margins = { axis: 96, letters: 12, faults: 44, label: 0 }
/** A narrower chart has narrow margins. */
const WIDE_FROM = 560

function marginsOf(width: number): Margins {
  return width < WIDE_FROM ? NARROW : WIDE
}

interface Colours {
  readonly wait: string
  readonly write: string
  readonly read: string
  readonly plain: string
  readonly text: string
  readonly grid: string
}

/** A lane, slice by slice. */
interface Row {
  readonly name: string
  readonly waited: Float32Array
  readonly heldWrite: Float32Array
  readonly heldRead: Float32Array
  readonly faults: Float32Array
}

/** What of the time is shown: slices, where they begin, and how high a row is, in pixels of the canvas. */
interface View {
  readonly first: number
  readonly last: number
  readonly left: (slice: number) => number
  readonly height: number
}

function coloursNow(): Colours {
  const style = getComputedStyle(document.documentElement)
  const colour = (name: string): string => style.getPropertyValue(`--${name}`).trim()
  return {
    wait: colour('wait'),
    write: colour('write'),
    read: colour('read'),
    plain: colour('plain'),
    text: colour('text'),
    grid: colour('grid'),
  }
}

function dense(pairs: readonly number[], slices: number, unit: number): Float32Array {
  const all = new Float32Array(slices)
  for (let at = 0; at < pairs.length; at += 2) all[pairs[at]!] = pairs[at + 1]! / unit
  return all
}

class TimelineChart {
  readonly #data: TimelineData
  readonly #rows: readonly Row[]
  readonly #element: HTMLElement
  readonly #readout: HTMLElement
  readonly #most: number
  /** Middle of each slice, in milliseconds. */
  readonly #times: number[]
  #charts: Chart[] = []
  #colours = coloursNow()
  /** How often the rows were to be drawn. */
  #turn = 0
  #slice = 0
  #lane = 0

  constructor(element: HTMLElement, readout: HTMLElement, data: TimelineData) {
    this.#element = element
    this.#readout = readout
    this.#data = data
    const { slices, sliceNs } = data
    this.#rows = data.lanes.map(({ name, waited, heldWrite, heldRead, faults }) => ({
      name,
      waited: dense(waited, slices, 1000),
      heldWrite: dense(heldWrite, slices, 1000),
      heldRead: dense(heldRead, slices, 1000),
      faults: dense(faults, slices, 1),
    }))
    this.#most = Math.max(
      1,
      ...this.#rows.map(({ faults }) => faults.reduce((most, count) => Math.max(most, count), 0)),
    )
    this.#times = Array.from({ length: slices }, (_, slice) => ((slice + 0.5) * sliceNs) / 1e6)
  }

  /** Makes one chart in each step, so that none is long. */
  *draw(): Generator<void> {
    for (const chart of this.#charts) chart.destroy()
    this.#charts = []
    this.#colours = coloursNow()
    const width = this.#element.clientWidth
    this.#add(this.#curves(width), [
      this.#times,
      [...this.#data.waiting],
      [...this.#data.writing],
      [...this.#data.faulting],
    ])
    yield
    this.#add(this.#lanes(width), [this.#times, this.#times.map(() => null)])
  }

  #add(options: Chart.Options, data: Chart.AlignedData): void {
    this.#charts.push(new uPlot(options, data, this.#element))
  }

  #axis(): Chart.Axis {
    const { text, grid } = this.#colours
    return { stroke: text, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 } }
  }

  #common(
    width: number,
    height: number,
  ): Pick<Chart.Options, 'width' | 'height' | 'cursor' | 'hooks' | 'ms'> {
    return {
      width,
      height,
      ms: 1,
      cursor: { sync: { key: 'time', scales: ['x', null] }, drag: { x: true, y: false }, y: false },
      hooks: { setScale: [(chart, key) => key === 'x' && this.#follow(chart)] },
    }
  }

  /** All charts show the same time. */
  #follow(from: Chart): void {
    const { min, max } = from.scales['x']!
    if (min === undefined || min === null || max === undefined || max === null) return
    for (const chart of this.#charts) {
      const { x } = chart.scales
      if (chart !== from && (x!.min !== min || x!.max !== max)) chart.setScale('x', { min, max })
    }
  }

  #xAxis(): Chart.Axis {
    return { ...this.#axis(), values: (_, times) => times.map((ms) => `${Number(ms.toPrecision(6))} ms`) }
  }

  #curves(width: number): Chart.Options {
    const { wait, write, plain } = this.#colours
    const { axis, faults, label } = marginsOf(width)
    const labelled = (text: string): Partial<Chart.Axis> =>
      label === 0 ? {} : { label: text, labelSize: label }
    return {
      ...this.#common(width, CURVES_HEIGHT),
      legend: { show: label > 0 },
      scales: { x: { time: false }, threads: { range: (_, __, most) => [0, Math.max(1, most)] }, faults: {} },
      axes: [
        { ...this.#xAxis(), show: false },
        { ...this.#axis(), scale: 'threads', size: axis, ...labelled('threads') },
        {
          ...this.#axis(),
          scale: 'faults',
          side: 1,
          size: faults,
          grid: { show: false },
          ...labelled('faults'),
        },
      ],
      series: [
        { label: 'ms', value: (_, ms) => (ms === null ? '' : ms.toFixed(3)) },
        { label: 'waiting', scale: 'threads', stroke: wait, fill: `${wait}33`, points: { show: false } },
        { label: 'holding for writing', scale: 'threads', stroke: write, points: { show: false } },
        { label: 'page faults', scale: 'faults', stroke: plain, points: { show: false } },
      ],
    }
  }

  #lanes(width: number): Chart.Options {
    const rows = this.#rows
    const { axis, letters, faults, label } = marginsOf(width)
    const shortened = (name: string): string =>
      name.length > letters ? `${name.slice(0, letters - 1)}…` : name
    const common = this.#common(width, rows.length * LANE_HEIGHT + 50)
    return {
      ...common,
      legend: { show: false },
      // The first lane is at the top.
      scales: { x: { time: false }, lane: { dir: -1, range: () => [0, rows.length] } },
      axes: [
        this.#xAxis(),
        {
          ...this.#axis(),
          scale: 'lane',
          size: axis + label,
          splits: () => rows.map((_, lane) => lane + 0.5),
          values: () => rows.map(({ name }) => shortened(name)),
          grid: { show: false },
          ticks: { show: false },
        },
        // As wide as the other chart's, so that the times stand under each other.
        {
          ...this.#axis(),
          scale: 'lane',
          side: 1,
          size: faults + label,
          values: () => rows.map(() => ''),
          grid: { show: false },
          ticks: { show: false },
        },
      ],
      series: [{ label: 'ms' }, { label: 'threads', scale: 'lane' }],
      hooks: { ...common.hooks, draw: [(chart) => this.#paint(chart)] },
    }
  }

  /** Draws the rows, some in each step, until they are to be drawn anew. */
  #paint(chart: Chart): void {
    const turn = ++this.#turn
    const { bbox } = chart
    const { sliceNs, slices } = this.#data
    const step = sliceNs / 1e6
    const { min, max } = chart.scales['x']!
    const view: View = {
      first: Math.max(0, Math.floor(min! / step)),
      last: Math.min(slices - 1, Math.ceil(max! / step)),
      left: (slice) => chart.valToPos(slice * step, 'x', true),
      height: bbox.height / this.#rows.length,
    }
    const rows = function* (this: TimelineChart): Generator<void> {
      for (let lane = 0; lane < this.#rows.length; lane++) {
        if (turn !== this.#turn) return
        this.#paintRow(chart, lane, view)
        if (lane % LANES_PER_STEP === LANES_PER_STEP - 1) yield
      }
    }
    whenIdle(rows.call(this))
  }

  #paintRow({ ctx, bbox }: Chart, lane: number, { first, last, left, height }: View): void {
    const row = this.#rows[lane]!
    const { wait, write, read, plain } = this.#colours
    const wide = Math.max(1, left(first + 1) - left(first))
    const bottom = bbox.top + (lane + 1) * height - 1
    const full = height - 3
    ctx.save()
    ctx.beginPath()
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height)
    ctx.clip()
    // Bars on top of each other, of the slice's whole time.
    const tops = new Float32Array(last - first + 1)
    const series = [
      [row.waited, wait],
      [row.heldWrite, write],
      [row.heldRead, read],
    ] as const
    for (const [values, colour] of series) {
      ctx.fillStyle = colour
      for (let slice = first; slice <= last; slice++) {
        const share = Math.min(1 - tops[slice - first]!, values[slice]!)
        if (share <= 0) continue
        // What is there is seen, however little it is.
        const tall = Math.max(1, share * full)
        ctx.fillRect(left(slice), bottom - tops[slice - first]! * full - tall, wide, tall)
        tops[slice - first]! += share
      }
    }
    ctx.fillStyle = plain
    for (let slice = first; slice <= last; slice++) {
      const count = row.faults[slice]!
      if (count === 0) continue
      const tall = 1 + 2 * (count / this.#most)
      ctx.fillRect(left(slice), bottom - tall + 1, wide, tall)
    }
    ctx.restore()
  }

  /** Follows the mouse. */
  pointAt(event: MouseEvent): void {
    const chart = this.#charts.find(
      ({ over }) => over === event.target || over.contains(event.target as Node),
    )
    if (chart === undefined) return
    const box = chart.over.getBoundingClientRect()
    const slice = Math.floor((chart.posToVal(event.clientX - box.left, 'x') * 1e6) / this.#data.sliceNs)
    this.#slice = Math.max(0, Math.min(this.#times.length - 1, slice))
    if (chart === this.#charts[1]) {
      const lane = Math.floor(((event.clientY - box.top) / box.height) * this.#rows.length)
      this.#lane = Math.max(0, Math.min(this.#rows.length - 1, lane))
    }
    this.#tell()
  }

  /** @returns whether the key means something here */
  press(key: string): boolean {
    const [first] = this.#charts
    if (first === undefined) return false
    const last = this.#times.length - 1
    const moves: Readonly<Record<string, () => void>> = {
      ArrowLeft: () => (this.#slice = Math.max(0, this.#slice - 1)),
      ArrowRight: () => (this.#slice = Math.min(last, this.#slice + 1)),
      Home: () => (this.#slice = 0),
      End: () => (this.#slice = last),
      ArrowUp: () => (this.#lane = Math.max(0, this.#lane - 1)),
      ArrowDown: () => (this.#lane = Math.min(this.#rows.length - 1, this.#lane + 1)),
      '+': () => this.#zoom(0.5),
      '=': () => this.#zoom(0.5),
      '-': () => this.#zoom(2),
      '0': () => this.#zoom(Infinity),
    }
    const move = moves[key]
    if (move === undefined) return false
    move()
    // A change of the scale counts from the next frame on.
    requestAnimationFrame(() => this.#showCursor())
    this.#tell()
    return true
  }

  #zoom(factor: number): void {
    const { min, max } = this.#charts[0]!.scales['x']!
    const from = this.#times[0]!
    const to = this.#times.at(-1)!
    const width = Math.min(to - from, ((max ?? to) - (min ?? from)) * factor)
    const middle = this.#times[this.#slice]!
    const start = Math.max(from, Math.min(to - width, middle - width / 2))
    for (const chart of this.#charts) chart.setScale('x', { min: start, max: start + width })
  }

  #showCursor(): void {
    const time = this.#times[this.#slice]!
    for (const chart of this.#charts) chart.setCursor({ left: chart.valToPos(time, 'x'), top: 1 }, false)
  }

  #tell(): void {
    const row = this.#rows[this.#lane]
    if (row === undefined) return
    const slice = this.#slice
    const share = (series: Float32Array): string => `${(series[slice]! * 100).toFixed(1)} %`
    this.#readout.textContent =
      `${row.name} at ${this.#times[slice]!.toFixed(3)} ms: waited ${share(row.waited)}, held for writing ` +
      `${share(row.heldWrite)}, for reading ${share(row.heldRead)}; ${row.faults[slice]!} page faults`
  }
}

/** Runs a step whenever the browser has nothing else to do. */
function whenIdle(steps: Iterator<void>): void {
  const step = (): void => {
    if (steps.next().done !== true) whenIdle(steps)
  }
  if ('requestIdleCallback' in globalThis) requestIdleCallback(step)
  else setTimeout(step, 0)
}

function setUp(element: HTMLElement, readout: HTMLElement, source: HTMLElement): void {
  element.hidden = false
  document.getElementById('help-timeline')!.hidden = false
  const make = function* (): Generator<void> {
    const data = JSON.parse(source.textContent) as TimelineData
    yield
    const chart = new TimelineChart(element, readout, data)
    yield
    yield* chart.draw()
    element.addEventListener('mousemove', (event) => chart.pointAt(event))
    element.addEventListener('keydown', (event) => {
      if (!event.ctrlKey && !event.metaKey && !event.altKey && chart.press(event.key)) event.preventDefault()
    })
    const redraw = (): void => whenIdle(chart.draw())
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw)
    let width = element.clientWidth
    new ResizeObserver(() => {
      if (element.clientWidth === width) return
      width = element.clientWidth
      redraw()
    }).observe(element)
  }
  new IntersectionObserver((entries, observer) => {
    if (!entries.some(({ isIntersecting }) => isIntersecting)) return
    observer.disconnect()
    whenIdle(make())
  }).observe(element)
}

const element = document.getElementById('chart-timeline')
const readout = document.getElementById('read-timeline')
const source = document.getElementById('data-timeline')
if (element !== null && readout !== null && source !== null) setUp(element, readout, source)
