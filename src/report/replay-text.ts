// The text of `faultline replay`: what was recorded, one table over the designs, the verdict.
//
// Principles: a pure function of the report, golden-tested: this text is an interface. It reads from top to
// bottom without knowing the subject: what the program did, what each design met, what follows from it.
import type { WhatIf } from '../simulate/index.ts'
import { nameOf } from './design-name.ts'
import { formatCount, formatDuration, formatRange, formatRate, formatShare, plural } from './numbers.ts'
import { adviceLines, recordedLines } from './recorded-text.ts'
import type { DesignReport, ReplayReport } from './replay-report.ts'
import { plainStyle, type Style, type TextOptions } from './style.ts'
import { formatTable, wrap, type Column } from './table.ts'
import { verdictOf, verdictReport } from './verdict.ts'
import { whatIfLines } from './what-if.ts'

/** What a replay printed without `--json` says, ending in a newline. */
export function replayText(
  report: ReplayReport,
  minimumFidelity: number,
  options: TextOptions = {},
  whatIf: WhatIf | null = null,
): string {
  const { style = plainStyle, width = 100 } = options
  const lines = [
    ...recordedLines(report.trace, style, width),
    '',
    ...replayedLines(report, style, width),
    ...(whatIf === null ? [] : whatIfLines(whatIf, report.trace, style, width)),
    '',
    ...verdictLines(report, minimumFidelity, style, width, whatIf),
  ]
  return lines.join('\n') + '\n'
}

function replayedLines(report: ReplayReport, style: Style, width: number): string[] {
  const repetitions = report.designs[0]?.repetitions ?? 0
  const how =
    (repetitions > 1 ? `the median of ${repetitions} runs in turn; ranges span all` : 'one run of each') +
    (report.rss === 'batched' ? '' : '; shared rss')
  // A row of ranges has nothing to say where everything ran once.
  const rows = rowsOf(report.designs).filter(
    (row) => !row.isOptional || report.designs.some((one) => row.value?.(one)),
  )
  const columns: Column[] = [
    { heading: ['design', 'rwsem'], align: 'left', cells: rows.map((row) => row.label) },
    ...report.designs.map((design): Column => ({
      heading: [design.design, design.rwsem],
      align: 'right',
      cells: rows.map((row) => row.value?.(design) ?? ''),
    })),
  ]
  return [
    style.heading('REPLAYED') +
      style.faint(
        `  on ${plural(report.replayThreads, 'thread')} and ${plural(report.processors, 'processor')}: ${how}`,
      ),
    ...formatTable(columns, {
      width,
      styleHeading: style.heading,
      styleLabel: (text, row) => (rows[row]?.value ? text : style.heading(text)),
    }),
    ...failureLines(report.designs, width).map(style.bad),
  ]
}

interface Row {
  readonly label: string
  /** None for the heading of a group. */
  readonly value?: (design: DesignReport) => string
  /** Left out where no design has a value. */
  readonly isOptional?: true
}

function rowsOf(designs: readonly DesignReport[]): Row[] {
  const rangeOf = (low: number, high: number, format: (value: number) => string): string =>
    low === high ? '' : formatRange(low, high, format)
  const milliseconds = (value: number): string => formatDuration(value * 1e6)
  const count =
    (select: (design: DesignReport) => number) =>
    (design: DesignReport): string =>
      formatCount(select(design))
  const duration =
    (select: (design: DesignReport) => number) =>
    (design: DesignReport): string =>
      formatDuration(select(design))
  /** Of designs that do not speculate, or that never waited, there is nothing to say. */
  const ifAny =
    (condition: (design: DesignReport) => boolean, value: (design: DesignReport) => string) =>
    (design: DesignReport): string =>
      condition(design) ? value(design) : '–'
  const speculates = (design: DesignReport): boolean => design.speculative.attempted > 0
  const waited = (design: DesignReport): boolean => design.mmapLockWaitNs.count > 0
  const reasons = namesOf(designs.map((design) => design.speculative.aborted))
  const kinds = namesOf(designs.map((design) => design.fidelity.notReproducedByKind))
  const corrections = namesOf(designs.map((design) => design.corrections))
  return [
    { label: 'page faults', value: count((design) => design.faults) },
    {
      label: '  speculative: tried',
      value: ifAny(
        speculates,
        count((design) => design.speculative.attempted),
      ),
    },
    {
      label: '  speculative: succeeded',
      value: ifAny(
        speculates,
        count((design) => design.speculative.succeeded),
      ),
    },
    {
      label: '  speculative: aborted',
      value: ifAny(
        speculates,
        count((design) => sum(design.speculative.aborted)),
      ),
    },
    ...reasons.map((reason) => ({
      label: `    ${reason}`,
      value: ifAny(
        speculates,
        count((design) => design.speculative.aborted[reason] ?? 0),
      ),
    })),
    { label: '  classic, under mmap lock', value: count((design) => design.classicFaults) },
    { label: '    inside the kernel', value: count((design) => design.kernelFaults) },
    ...lockedRows(designs),
    { label: 'fault latency' },
    { label: '  p50', value: duration((design) => design.faultLatencyNs.p50) },
    { label: '  p99', value: duration((design) => design.faultLatencyNs.p99) },
    { label: '  max', value: duration((design) => design.faultLatencyNs.max) },
    { label: 'waits for the mmap lock', value: count((design) => design.mmapLockWaitNs.count) },
    {
      label: '  total',
      value: ifAny(
        waited,
        duration((design) => design.mmapLockWaitNs.total),
      ),
    },
    {
      label: '  p50',
      value: ifAny(
        waited,
        duration((design) => design.mmapLockWaitNs.p50),
      ),
    },
    {
      label: '  p99',
      value: ifAny(
        waited,
        duration((design) => design.mmapLockWaitNs.p99),
      ),
    },
    { label: "  share of threads' time", value: (design) => formatShare(design.mmapLockWaitShare.median) },
    { label: 'elapsed', value: (design) => milliseconds(design.elapsedMsSpread.median) },
    {
      label: '  range',
      isOptional: true,
      value: ({ elapsedMsSpread: { min, max } }) => rangeOf(min, max, milliseconds),
    },
    { label: 'faults per second', value: (design) => formatRate(design.faultsPerSecondSpread.median) },
    {
      label: '  range',
      isOptional: true,
      value: ({ faultsPerSecondSpread: { min, max } }) => rangeOf(min, max, formatRate),
    },
    { label: 'fidelity to the record', value: (design) => formatShare(design.fidelity.ratio) },
    { label: '  faults reproduced', value: count((design) => design.fidelity.reproduced) },
    ...(corrections.length === 0
      ? []
      : [
          { label: '    without correction', value: count((design) => design.fidelity.uncorrected) },
          {
            label: '    contradictory',
            isOptional: true as const,
            value: ({ fidelity }: DesignReport) =>
              fidelity.contradictory === 0 ? '' : formatCount(fidelity.contradictory),
          },
        ]),
    { label: '  not reproduced', value: count((design) => design.fidelity.notReproduced) },
    ...kinds.map((kind) => ({
      label: `    ${wordsOf(kind)}`,
      value: count((design) => design.fidelity.notReproducedByKind[kind] ?? 0),
    })),
    ...corrections.map((kind) => ({
      label: `  corrected: ${wordsOf(kind)}`,
      value: count((design) => design.corrections[kind] ?? 0),
    })),
    { label: '  accesses failed', value: count((design) => design.fidelity.failed) },
  ]
}

/**
 * For the designs that Linux has today: whether the faults that took the mmap lock, if only for a moment to make an
 * anon_vma, are those that took it in Linux. Other designs have nothing to compare.
 */
function lockedRows(designs: readonly DesignReport[]): Row[] {
  const comparable = ({ design, mmapLockFaults }: DesignReport): boolean =>
    mmapLockFaults !== null && LINUX_DESIGNS.has(design)
  if (!designs.some(comparable)) return []
  const row = (label: string, key: keyof NonNullable<DesignReport['mmapLockFaults']>): Row => ({
    label,
    value: (design) => (comparable(design) ? formatCount(design.mmapLockFaults![key]) : '–'),
  })
  return [
    row('  mmap lock, here and in Linux', 'both'),
    row('  mmap lock, here only', 'onlyHere'),
    row('  mmap lock, in Linux only', 'onlyLinux'),
  ]
}

/** Designs of a Linux that takes faults under per-VMA locks, as the one does that records traces. */
const LINUX_DESIGNS: ReadonlySet<string> = new Set(['per-vma-lock-2023', 'per-vma-refcount-2025'])

/** What failed first under each design, a line each: an address and an errno to begin a search with. */
function failureLines(designs: readonly DesignReport[], width: number): string[] {
  return designs.flatMap((design) =>
    design.fidelity.failures
      .slice(0, FAILURES_SHOWN)
      .flatMap(({ operation, address, tid, error }) =>
        wrap(
          `failed under ${nameOf(design)}: ${operation} at 0x${address.toString(16)} by thread ${tid}: ${error}`,
          width,
          2,
        ),
      ),
  )
}

const FAILURES_SHOWN = 3

/** `mappedByAnotherThread` in words. */
function wordsOf(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
}

/** The names that any of the records gives a count, in order of the counts' sum. */
function namesOf(records: readonly Readonly<Record<string, number>>[]): string[] {
  const totals = new Map<string, number>()
  for (const record of records) {
    for (const [name, value] of Object.entries(record)) totals.set(name, (totals.get(name) ?? 0) + value)
  }
  return [...totals]
    .filter(([, total]) => total > 0)
    .toSorted(([a, totalA], [b, totalB]) => totalB - totalA || (a < b ? -1 : 1))
    .map(([name]) => name)
}

function sum(record: Readonly<Record<string, number>>): number {
  return Object.values(record).reduce((total, value) => total + value, 0)
}

function verdictLines(
  report: ReplayReport,
  minimumFidelity: number,
  style: Style,
  width: number,
  whatIf: WhatIf | null,
): string[] {
  const verdict = verdictOf(report, minimumFidelity)
  const [first, ...others] = verdict.sentences
  const { advice } = verdictReport(verdict, report.trace, whatIf)
  return [
    style.heading('VERDICT'),
    ...wrap(first ?? '', width, 2).map((line) => style[verdict.mood](line)),
    ...(others.length > 0 ? wrap(others.join(' '), width, 2) : []),
    ...adviceLines(advice, style, width, whatIf),
  ]
}
