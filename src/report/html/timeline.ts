// Threads over time: who waited for the mmap lock and who held it. The script of the page draws it, from some thousand
// numbers however large the recording is; the tables have the same without.
import type { RecordedDetail, ThreadLane } from '../../trace/detail.ts'
import { formatCount, formatDuration, formatShare, plural } from '../numbers.ts'
import type { TimelineData } from './client/timeline-data.ts'
import { markup, type Markup } from './markup.ts'
import { bar, colourKey, table } from './table.ts'
import type { PageContent, Section } from './section.ts'

/** Threads with a row of their own; the others are added up in one. */
const LANES = 32
/** Rows of the table over time. */
const INTERVALS = 24

export function timelineSection({ detail }: PageContent): Section | null {
  if (detail === null || detail.slices === 0 || detail.lanes.length === 0) return null
  const lanes = shownLanes(detail)
  const time = formatDuration(detail.slices * detail.sliceNs)
  return {
    id: 'timeline',
    title: 'Threads over time',
    body: markup`<p class="key">
        ${colourKey('wait', 'waits for the mmap lock')} ${colourKey('write', 'holds it for writing')}
        ${colourKey('read', 'holds it for reading')} ${colourKey('plain', 'page faults')}
      </p>
      <div
        class="chart"
        id="chart-timeline"
        hidden
        tabindex="0"
        role="group"
        aria-roledescription="chart"
        aria-label="Threads over time, ${time}"
        aria-describedby="help-timeline read-timeline"
      ></div>
      <p id="read-timeline" class="readout" role="status"></p>
      <p id="help-timeline" class="help" hidden>
        Arrow keys move by slices of ${formatDuration(detail.sliceNs)} and by threads; + and − zoom, 0 shows
        all. With the mouse, drag to zoom and click twice for all.
      </p>
      ${lanesTable(lanes, detail)}
      <details>
        <summary>Over time, as a table</summary>
        ${overTimeTable(detail)}
      </details>`,
    data: { timeline: dataOf(detail, lanes) },
  }
}

/** The busiest threads, and one for all others. */
function shownLanes({ lanes, slices }: RecordedDetail): ThreadLane[] {
  if (lanes.length <= LANES) return [...lanes]
  const rest = lanes.slice(LANES - 1)
  const total = (numberOf: (lane: ThreadLane) => number): number =>
    rest.reduce((sum, lane) => sum + numberOf(lane), 0)
  const series = (seriesOf: (lane: ThreadLane) => readonly number[]): number[] =>
    added(rest.map(seriesOf), slices)
  const others: ThreadLane = {
    process: plural(rest.length, 'other thread'),
    pid: 0,
    comm: '',
    tid: 0,
    waited: series(({ waited }) => waited),
    heldWrite: series(({ heldWrite }) => heldWrite),
    heldRead: series(({ heldRead }) => heldRead),
    faults: series(({ faults }) => faults),
    waits: total(({ waits }) => waits),
    waitedNs: total(({ waitedNs }) => waitedNs),
    heldWriteNs: total(({ heldWriteNs }) => heldWriteNs),
    heldReadNs: total(({ heldReadNs }) => heldReadNs),
    faultCount: total(({ faultCount }) => faultCount),
    calls: total(({ calls }) => calls),
  }
  return [...lanes.slice(0, LANES - 1), others]
}

function added(all: readonly (readonly number[])[], slices: number): number[] {
  const sum = Array.from({ length: slices }, () => 0)
  for (const one of all) for (let slice = 0; slice < slices; slice++) sum[slice]! += one[slice] ?? 0
  return sum
}

function nameOf({ process, pid, comm, tid }: ThreadLane): string {
  return pid === 0 && comm === '' ? process : `${comm} (${tid})`
}

function dataOf(detail: RecordedDetail, shown: readonly ThreadLane[]): TimelineData {
  const { sliceNs, slices, lanes } = detail
  const shares = (series: readonly number[]): number[] =>
    pairs(series, (ns) => Math.round((ns / sliceNs) * 1000))
  const average = (series: readonly number[]): number[] =>
    series.map((ns) => Number((ns / sliceNs).toFixed(3)))
  return {
    sliceNs,
    slices,
    lanes: shown.map((lane) => ({
      name: nameOf(lane),
      waited: shares(lane.waited),
      heldWrite: shares(lane.heldWrite),
      heldRead: shares(lane.heldRead),
      faults: pairs(lane.faults, (count) => count),
    })),
    waiting: average(
      added(
        lanes.map(({ waited }) => waited),
        slices,
      ),
    ),
    writing: average(
      added(
        lanes.map(({ heldWrite }) => heldWrite),
        slices,
      ),
    ),
    faulting: added(
      lanes.map(({ faults }) => faults),
      slices,
    ),
  }
}

function pairs(series: readonly number[], numberOf: (value: number) => number): number[] {
  return series.flatMap((value, slice) => {
    const number = numberOf(value)
    return number === 0 ? [] : [slice, number]
  })
}

function lanesTable(lanes: readonly ThreadLane[], { slices, sliceNs }: RecordedDetail): Markup {
  const whole = slices * sliceNs
  const isOfSeveral = new Set(lanes.flatMap(({ pid }) => (pid === 0 ? [] : pid))).size > 1
  return table(
    `Threads, those that waited and held the lock longest first; shares of ${formatDuration(whole)}`,
    [
      { heading: 'thread' },
      ...(isOfSeveral ? [{ heading: 'process' }] : []),
      { heading: 'waits', isNumber: true },
      { heading: 'waited', isNumber: true },
      { heading: 'held for writing', isNumber: true },
      { heading: 'held for reading', isNumber: true },
      { heading: 'faults', isNumber: true },
      { heading: 'calls', isNumber: true },
      { heading: '' },
    ],
    lanes.map((lane) => [
      nameOf(lane),
      ...(isOfSeveral ? [lane.pid === 0 ? '' : `${lane.process} (${lane.pid})`] : []),
      formatCount(lane.waits),
      `${formatDuration(lane.waitedNs)} (${formatShare(lane.waitedNs / whole)})`,
      formatDuration(lane.heldWriteNs),
      formatDuration(lane.heldReadNs),
      formatCount(lane.faultCount),
      formatCount(lane.calls),
      bar([
        { share: lane.waitedNs / whole, colour: 'wait' },
        { share: lane.heldWriteNs / whole, colour: 'write' },
        { share: lane.heldReadNs / whole, colour: 'read' },
      ]),
    ]),
  )
}

function overTimeTable({ lanes, slices, sliceNs }: RecordedDetail): Markup {
  const each = Math.max(1, Math.ceil(slices / INTERVALS))
  const sums = [
    added(
      lanes.map(({ waited }) => waited),
      slices,
    ),
    added(
      lanes.map(({ heldWrite }) => heldWrite),
      slices,
    ),
    added(
      lanes.map(({ faults }) => faults),
      slices,
    ),
  ]
  const rows: string[][] = []
  for (let from = 0; from < slices; from += each) {
    const [waited, written, faults] = sums.map((series) =>
      series.slice(from, from + each).reduce((sum, value) => sum + value, 0),
    ) as [number, number, number]
    const start = formatDuration(from * sliceNs)
    rows.push([start, formatDuration(waited), formatDuration(written), formatCount(faults)])
  }
  return table(
    `All threads, in intervals of ${formatDuration(each * sliceNs)}`,
    [
      { heading: 'from' },
      { heading: 'waited', isNumber: true },
      { heading: 'held for writing', isNumber: true },
      { heading: 'faults', isNumber: true },
    ],
    rows,
  )
}
