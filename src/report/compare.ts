// Two recordings of one program, before and after a change: what differs, and which holders of the lock went.
//
// Principle: of one recording each, chance is not known, so no difference is called one; both numbers stand there. What
// depends on how long was recorded is told per second too.
import { linuxShare } from './lock-share.ts'
import { formatCount, formatDuration, formatShare } from './numbers.ts'
import { printable } from './printable.ts'
import type { TraceReport } from './replay-report.ts'
import { plainStyle, type TextOptions } from './style.ts'
import { formatTable, wrap, type Column } from './table.ts'

export interface ComparedNumber {
  /** A name for programs. */
  readonly key: string
  readonly what: string
  /** Null where a recording does not tell. */
  readonly before: number | null
  readonly after: number | null
  readonly beforeText: string
  readonly afterText: string
  readonly changeText: string
}

export interface ComparedHolder {
  /** Thread and process, without numbers: they differ from run to run. */
  readonly name: string
  readonly call: string
  readonly before: { readonly waits: number; readonly waitedNs: number }
  readonly after: { readonly waits: number; readonly waitedNs: number }
  readonly now: 'gone' | 'new' | 'less' | 'more' | 'the same'
}

export interface Comparison {
  readonly sentences: readonly string[]
  readonly numbers: readonly ComparedNumber[]
  /** By time waited, the most of both first. */
  readonly holders: readonly ComparedHolder[]
}

/** Compares what two recordings tell by themselves. */
export function comparisonOf(before: TraceReport, after: TraceReport): Comparison {
  const numbers = numbersOf(before, after)
  const holders = holdersOf(before, after)
  return { sentences: sentencesOf(numbers, holders), numbers, holders }
}

type Measure = readonly [
  key: string,
  what: string,
  numberOf: (trace: TraceReport) => number | null,
  format: (value: number) => string,
]

const nanoseconds = (value: number): string => formatDuration(value)
const ifRecorded =
  (numberOf: (trace: TraceReport) => number) =>
  (trace: TraceReport): number | null =>
    trace.linux.recorded ? numberOf(trace) : null

const faultsOf = (trace: TraceReport): number => trace.recordedFaults
const waitedOf = ({ linux: { lockWaitNs } }: TraceReport): number =>
  lockWaitNs.readers.total + lockWaitNs.writers.total
const waitsOf = ({ linux: { lockWaitNs } }: TraceReport): number =>
  lockWaitNs.readers.count + lockWaitNs.writers.count
const secondsOf = ({ durationMs }: TraceReport): number => Math.max(durationMs / 1000, 1e-9)
const kernelOf = ({ faultCensus }: TraceReport): number =>
  Object.values(faultCensus.kernel).reduce((sum, { faults }) => sum + faults, 0)
const callsOf = ({ faultCensus }: TraceReport): number =>
  Object.values(faultCensus.calls).reduce((sum, { count }) => sum + count, 0)

const MEASURES: readonly Measure[] = [
  ['durationNs', 'time recorded', ({ durationMs }) => durationMs * 1e6, nanoseconds],
  ['faults', 'page faults', faultsOf, formatCount],
  ['faultsPerSecond', 'page faults per second', (trace) => faultsOf(trace) / secondsOf(trace), formatCount],
  ['kernelFaults', 'taken by the kernel, of all processes', kernelOf, formatCount],
  [
    'lockedFaults',
    'page faults under the mmap lock',
    ifRecorded(({ linux }) => linux.faultsUnderMmapLock),
    formatCount,
  ],
  ['calls', 'memory calls, of all processes', callsOf, formatCount],
  [
    'acquisitions',
    'acquisitions of the lock',
    ifRecorded(
      ({
        linux: {
          lockAcquisitions: { readers, writers },
        },
      }) => readers + writers,
    ),
    formatCount,
  ],
  ['waits', 'waits for it', ifRecorded(waitsOf), formatCount],
  ['waitedNs', 'time waited', ifRecorded(waitedOf), nanoseconds],
  [
    'waitedNsPerSecond',
    'time waited per second',
    ifRecorded((trace) => waitedOf(trace) / secondsOf(trace)),
    nanoseconds,
  ],
  ['waitShare', "share of the threads' time that decides", (trace) => linuxShare(trace) ?? null, formatShare],
]

function numbersOf(before: TraceReport, after: TraceReport): ComparedNumber[] {
  return MEASURES.map(([key, what, numberOf, format]) => {
    const [a, b] = [numberOf(before), numberOf(after)]
    const text = (value: number | null): string => (value === null ? 'not recorded' : format(value))
    return {
      key,
      what,
      before: a,
      after: b,
      beforeText: text(a),
      afterText: text(b),
      changeText: changeOf(a, b),
    }
  })
}

/** −83 %, or 2.4× where it is more than twice as much. */
function changeOf(before: number | null, after: number | null): string {
  if (before === null || after === null) return '–'
  if (before === after) return '±0 %'
  if (before === 0) return 'from none'
  if (after === 0) return 'none left'
  const factor = after / before
  if (factor >= 2) return `${factor >= 9.95 ? Math.round(factor) : factor.toFixed(1)}×`
  const percent = Math.round((factor - 1) * 100)
  return percent === 0 ? '±0 %' : `${percent > 0 ? '+' : '−'}${Math.abs(percent)} %`
}

function holdersOf(before: TraceReport, after: TraceReport): ComparedHolder[] {
  interface Sum {
    waits: number
    waitedNs: number
  }
  const all = new Map<string, { name: string; call: string; before: Sum; after: Sum }>()
  const add = (trace: TraceReport, side: 'before' | 'after'): void => {
    for (const { comm, process, call, waits, waitedNs } of trace.locks.holders) {
      const name = comm === process ? comm : `${comm} of ${process}`
      const key = JSON.stringify([name, call])
      let entry = all.get(key)
      if (entry === undefined) {
        entry = { name, call, before: { waits: 0, waitedNs: 0 }, after: { waits: 0, waitedNs: 0 } }
        all.set(key, entry)
      }
      entry[side].waits += waits
      entry[side].waitedNs += waitedNs
    }
  }
  add(before, 'before')
  add(after, 'after')
  return [...all.values()]
    .map((one) => ({ ...one, now: stateOf(one.before.waitedNs, one.after.waitedNs) }))
    .toSorted(
      (a, b) =>
        Math.max(b.before.waitedNs, b.after.waitedNs) - Math.max(a.before.waitedNs, a.after.waitedNs) ||
        (a.name < b.name ? -1 : 1),
    )
}

function stateOf(before: number, after: number): ComparedHolder['now'] {
  if (after === 0) return before === 0 ? 'the same' : 'gone'
  if (before === 0) return 'new'
  return after < before ? 'less' : after > before ? 'more' : 'the same'
}

function sentencesOf(numbers: readonly ComparedNumber[], holders: readonly ComparedHolder[]): string[] {
  const tell = (key: string): string => {
    const one = numbers.find((number) => number.key === key)!
    return `${one.beforeText} before, ${one.afterText} after (${one.changeText})`
  }
  const names = (now: ComparedHolder['now']): string =>
    holders
      .filter((holder) => holder.now === now)
      .slice(0, 4)
      .map(({ name, call }) => `${printable(call)} of ${printable(name)}`)
      .join(', ')
  const sentences = [`Page faults: ${tell('faults')}.`]
  const waited = numbers.find(({ key }) => key === 'waitedNs')!
  sentences.push(
    waited.before === null || waited.after === null
      ? 'What was waited for the mmap lock is not in both recordings.'
      : `Waited for the mmap lock: ${tell('waitedNs')}.`,
    `Time recorded: ${tell('durationNs')}.`,
  )
  const [gone, fresh] = [names('gone'), names('new')]
  if (gone !== '') sentences.push(`No longer held while others waited: ${gone}.`)
  if (fresh !== '') sentences.push(`Held only afterwards: ${fresh}.`)
  sentences.push('One recording each does not tell how much of this is chance: record both several times.')
  return sentences
}

/** What `--compare` prints, ending in a newline. */
export function comparisonText(before: TraceReport, after: TraceReport, options: TextOptions = {}): string {
  const { style = plainStyle, width = 100 } = options
  const { sentences, numbers, holders } = comparisonOf(before, after)
  const lines = [
    style.heading('BEFORE AND AFTER') + style.faint(`  ${printable(before.path)}, ${printable(after.path)}`),
    ...formatTable(
      columnsOf(
        ['', 'before', 'after', 'change'],
        numbers.map((one) => [one.what, one.beforeText, one.afterText, one.changeText]),
      ),
      { width, styleHeading: style.heading },
    ),
    ...(holders.length === 0
      ? []
      : [
          '',
          style.heading('HELD THE LOCK WHILE OTHERS WAITED'),
          ...formatTable(
            columnsOf(['holder', 'before', 'after', 'now'], holders.slice(0, 12).map(holderCells)),
            {
              width,
              styleHeading: style.heading,
            },
          ),
        ]),
    '',
    style.heading('VERDICT'),
    ...wrap(sentences.join(' '), width, 2),
  ]
  return lines.join('\n') + '\n'
}

function holderCells({ name, call, before, after, now }: ComparedHolder): string[] {
  const time = (waitedNs: number): string => (waitedNs === 0 ? '–' : formatDuration(waitedNs))
  return [printable(`${name}: ${call}`), time(before.waitedNs), time(after.waitedNs), now]
}

function columnsOf(headings: readonly string[], rows: readonly (readonly string[])[]): Column[] {
  return headings.map((heading, column) => ({
    heading: [heading],
    align: column === 0 ? 'left' : 'right',
    cells: rows.map((row) => row[column]!),
  }))
}
