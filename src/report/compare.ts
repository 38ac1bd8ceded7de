// Two recordings of one program, before and after a change: what differs, and which holders of the lock went.
//
// Principle: of one recording each, chance is not known, so no difference is called one; both numbers stand there. What
// depends on how long was recorded is told per second too.
import { adviceFor } from './advice.ts'
import { linuxShare } from './lock-share.ts'
import { formatCount, formatDuration, formatShare } from './numbers.ts'
import { printable } from './printable.ts'
import { savingOf } from './recorded-text.ts'
import type { TraceReport } from './replay-report.ts'
import { plainStyle, type TextOptions } from './style.ts'
import { formatTable, wrap, type Column } from './table.ts'
import { lostSentence } from './verdict.ts'

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

/** A change that would help, before or after. */
export interface ComparedAdvice {
  readonly change: string
  /** Milliseconds that it would save; 0 where it is not advised. */
  readonly beforeMs: number
  readonly afterMs: number
  /** And at most, where that is more. */
  readonly beforeAtMostMs?: number
  readonly afterAtMostMs?: number
}

export interface Comparison {
  readonly sentences: readonly string[]
  readonly numbers: readonly ComparedNumber[]
  /** By time waited, the most of both first. */
  readonly holders: readonly ComparedHolder[]
  /** By what it would save, the most of both first. */
  readonly advice: readonly ComparedAdvice[]
}

/** Compares what two recordings tell by themselves. */
export function comparisonOf(before: TraceReport, after: TraceReport): Comparison {
  const numbers = numbersOf(before, after)
  const holders = holdersOf(before, after)
  const advice = adviceOf(before, after)
  const doubts = doubtsOf(before, after)
  const sentences = [...doubts, ...sentencesOf(numbers, holders), ...promisesOf(numbers, advice), CHANCE]
  return { sentences, numbers, holders, advice }
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

const faultNsOf = ({ faultCensus: { user, kernel } }: TraceReport): number =>
  Object.values(kernel).reduce((sum, { costNs }) => sum + costNs, user.costNs)
const callNsOf = ({ faultCensus }: TraceReport): number =>
  Object.values(faultCensus.calls).reduce((sum, { ns }) => sum + ns, 0)

const MEASURES: readonly Measure[] = [
  ['durationNs', 'time recorded', ({ durationMs }) => durationMs * 1e6, nanoseconds],
  ['faults', 'page faults', faultsOf, formatCount],
  ['faultsPerSecond', 'page faults per second', (trace) => faultsOf(trace) / secondsOf(trace), formatCount],
  ['faultNs', 'time in page faults, of all processes', faultNsOf, nanoseconds],
  ['kernelFaults', 'inside the kernel, of all processes', kernelOf, formatCount],
  [
    'lockedFaults',
    'page faults under the mmap lock',
    ifRecorded(({ linux }) => linux.faultsUnderMmapLock),
    formatCount,
  ],
  ['calls', 'memory calls and forks, of all processes', callsOf, formatCount],
  ['callNs', 'time in them', callNsOf, nanoseconds],
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
  ['waitShare', "share of the threads' time", (trace) => linuxShare(trace) ?? null, formatShare],
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
  const other = isRenamed(before, after) ? after.program : null
  const add = (trace: TraceReport, side: 'before' | 'after'): void => {
    const called = (name: string): string => (name === other ? before.program : name)
    for (const { comm, process, call, waits, waitedNs } of trace.locks.holders) {
      const name = comm === process ? called(comm) : `${called(comm)} of ${called(process)}`
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

/** Numbers of processes in what a change is called: they differ from run to run. */
const WHICH_PROCESSES = / \((?:process \d+|[\d,]+ processes)\)/g
/** Calls that take most stand first: which these are differs too. */
const WHICH_CALLS = /Call (?!mprotect)[\w, ]+(?= less often)/
const CHANCE = 'One recording each does not show how much of this is chance: record both several times.'
/** Holders for which less than this share of the time was waited are not named in sentences. */
const LEAST_NAMED = 0.01

/** Why the two cannot be held against each other. */
function doubtsOf(before: TraceReport, after: TraceReport): string[] {
  const lost = [before, after].flatMap((trace) => {
    const sentence = lostSentence(trace)
    return sentence === null ? [] : [`${printable(trace.path)}: ${sentence}`]
  })
  const differs = (what: string, a: string, b: string): string[] =>
    a === b || a === '' || b === ''
      ? []
      : [`They have different ${what}: ${printable(a)} and ${printable(b)}.`]
  return [
    ...lost,
    ...(isRenamed(before, after)
      ? [`${printable(after.program)} is compared as another build of ${printable(before.program)}.`]
      : isOfOthers(before, after)
        ? differs('programs', before.program, after.program)
        : []),
    ...differs('kernels', before.kernel.release, after.kernel.release),
    ...differs(
      'numbers of CPUs',
      before.cpus === 0 ? '' : `${before.cpus}`,
      after.cpus === 0 ? '' : `${after.cpus}`,
    ),
  ]
}

/** Each has one program, by another name: two builds of one, as `./server-old` and `./server-new`. */
function isRenamed(before: TraceReport, after: TraceReport): boolean {
  return before.programs.length === 1 && after.programs.length === 1 && isOfOthers(before, after)
}

/** No program is in both. */
function isOfOthers(before: TraceReport, after: TraceReport): boolean {
  const names = new Set(before.programs.map(({ name }) => name))
  return !after.programs.some(({ name }) => names.has(name))
}

function adviceOf(before: TraceReport, after: TraceReport): ComparedAdvice[] {
  const all = new Map<string, { -readonly [key in keyof ComparedAdvice]: ComparedAdvice[key] }>()
  const add = (trace: TraceReport, side: 'before' | 'after'): void => {
    if (lostSentence(trace) !== null) return
    for (const { change, savesMs, savesAtMostMs } of adviceFor(trace)) {
      const name = change.replaceAll(WHICH_PROCESSES, '')
      const key = name.replace(WHICH_CALLS, 'Call some')
      const entry = all.get(key) ?? { change: name, beforeMs: 0, afterMs: 0 }
      const known = entry[`${side}AtMostMs`]
      if (savesAtMostMs !== undefined || known !== undefined)
        entry[`${side}AtMostMs`] = (known ?? entry[`${side}Ms`]) + (savesAtMostMs ?? savesMs)
      entry[`${side}Ms`] += savesMs
      all.set(key, entry)
    }
  }
  add(before, 'before')
  add(after, 'after')
  return [...all.values()].toSorted(
    (a, b) => Math.max(b.beforeMs, b.afterMs) - Math.max(a.beforeMs, a.afterMs),
  )
}

/** What a change would save before, and after. */
export function savingsOf(advice: ComparedAdvice): [before: string, after: string] {
  const text = (savesMs: number, savesAtMostMs: number | undefined): string =>
    savesMs === 0 ? '–' : savingOf({ savesMs, savesAtMostMs })
  return [text(advice.beforeMs, advice.beforeAtMostMs), text(advice.afterMs, advice.afterAtMostMs)]
}

/** What had been promised of the change that would have helped most, and what became of that. */
function promisesOf(numbers: readonly ComparedNumber[], advice: readonly ComparedAdvice[]): string[] {
  const first = advice.toSorted((a, b) => b.beforeMs - a.beforeMs)[0]
  if (first === undefined || first.beforeMs === 0) return []
  const { before, after } = numbers.find(({ key }) => key === 'durationNs')!
  const less = before! - after!
  return [
    `Before, the estimate was ${savingsOf(first)[0]} less for: ${printable(first.change)} ` +
      `Of that, ${first.afterMs === 0 ? 'nothing' : formatDuration(first.afterMs * 1e6)} is left, and the recording is ` +
      `${formatDuration(Math.abs(less))} ${less < 0 ? 'longer' : 'shorter'}.`,
  ]
}

function sentencesOf(numbers: readonly ComparedNumber[], holders: readonly ComparedHolder[]): string[] {
  const tell = (key: string): string => {
    const one = numbers.find((number) => number.key === key)!
    return `${one.beforeText} before, ${one.afterText} after (${one.changeText})`
  }
  const waited = numbers.find(({ key }) => key === 'waitedNs')!
  const least = LEAST_NAMED * Math.max(waited.before ?? 0, waited.after ?? 0)
  const names = (now: ComparedHolder['now']): string =>
    holders
      .filter((holder) => holder.now === now)
      .filter(({ before, after }) => Math.max(before.waitedNs, after.waitedNs) >= least)
      .slice(0, 4)
      .map(({ name, call }) => `${printable(call)} of ${printable(name)}`)
      .join(', ')
  const sentences = [
    `Time recorded: ${tell('durationNs')}.`,
    `Page faults: ${tell('faults')}.`,
    waited.before === null || waited.after === null
      ? 'Only recordings with mmap_lock events show waits: not both have them.'
      : waited.before === 0 && waited.after === 0
        ? 'Neither waited for the mmap lock.'
        : `Waited for the mmap lock: ${tell('waitedNs')}.`,
  ]
  const [gone, fresh] = [names('gone'), names('new')]
  if (gone !== '') sentences.push(`No longer held while others waited: ${gone}.`)
  if (fresh !== '') sentences.push(`Held only afterwards: ${fresh}.`)
  return sentences
}

/** Changes that are shown. */
const ADVICE = 6

/** What `--compare` prints, ending in a newline. */
export function comparisonText(before: TraceReport, after: TraceReport, options: TextOptions = {}): string {
  const { style = plainStyle, width = 100 } = options
  const { sentences, numbers, holders, advice } = comparisonOf(before, after)
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
    ...(advice.length === 0
      ? []
      : [
          '',
          style.heading('WHAT WOULD HELP') + style.faint('  before, after'),
          ...advice
            .slice(0, ADVICE)
            .flatMap((one) => wrap(`${savingsOf(one).join(', ')}: ${printable(one.change)}`, width, 2)),
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
