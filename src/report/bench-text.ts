// The text of `faultline bench`, and the comma-separated shape that will-it-scale prints.
//
// Principles: pure functions of the result, golden-tested. Every rate stands beside its spread; a
// comparison of designs is claimed only where every turn of the repetitions shows it.
import { findWorkload, LATENCY_SAMPLE_INTERVAL, type Workload } from '../workloads/catalogue.ts'
import { median } from '../workloads/statistics.ts'
import type { BenchResult, DesignSummary, RunSummary } from '../workloads/summary.ts'
import {
  formatBytes,
  formatDuration,
  formatFactor,
  formatQuantity,
  formatQuantityRange,
  formatRange,
  formatShare,
  plural,
} from './numbers.ts'
import { plainStyle, type TextOptions } from './style.ts'
import { formatTable, wrap, type Column } from './table.ts'
import { nameOf } from './design-name.ts'

/** What a bench printed without `--json` and `--csv` says, ending in a newline. */
export function benchText(result: BenchResult, options: TextOptions = {}): string {
  const { style = plainStyle, width = 100 } = options
  const workload = findWorkload(result.workload)!
  const setting = [
    workload.sharedPages > 0
      ? `${workload.sharedPages} pages for all threads`
      : `${formatBytes(result.bytesPerThread)} a thread`,
    `${result.seconds} s windows`,
    result.repetitions > 1 ? `medians of ${result.repetitions} runs taken in turn` : 'one run (see --repeat)',
    ...(result.rss === 'batched' ? [] : ['shared rss']),
    ...Object.entries(result.config).map(([name, value]) => `${name} ${value ? 'on' : 'off'}`),
    ...(workload.counts === 'pages' ? [`one fault of ${LATENCY_SAMPLE_INTERVAL} timed`] : []),
  ]
  const lines = [
    ...wrap(`${workload.name}: ${workload.description}`, width).map(style.heading),
    ...wrap(setting.join(' · '), width, 2).map(style.faint),
  ]
  const threadCounts = [...new Set(result.summaries.map((summary) => summary.threads))]
  for (const threads of threadCounts) {
    lines.push('', style.heading(whoWorks(workload, threads)))
    lines.push(...formatTable(columnsOf(result, threads), { width, styleHeading: style.faint }))
  }
  const findings = threadCounts.flatMap((threads) => findingsOf(result, threads))
  if (findings.length > 0) lines.push('', ...findings.flatMap((finding) => wrap(finding, width)))
  return lines.join('\n') + '\n'
}

/** The measured threads, and who works beside them. */
function whoWorks({ writers, sharedPages }: Workload, threads: number): string {
  if (sharedPages > 0) return `${plural(threads, 'accessor')} and ${plural(writers, 'other')}`
  return `${plural(threads, 'thread')}${writers > 0 ? ' and one writer' : ''}`
}

const units: Readonly<Record<Workload['counts'], string>> = {
  pages: 'pages/s',
  'map+unmap pairs': 'pairs/s',
  accesses: 'accesses/s',
}

function columnsOf(result: BenchResult, threads: number): Column[] {
  const ours = result.summaries.filter((summary) => summary.threads === threads)
  const theirs = (result.peer?.summaries ?? []).filter((summary) => summary.threads === threads)
  const all: readonly RunSummary[] = [...ours, ...theirs]
  const column = (heading: string, cells: readonly string[]): Column => ({
    heading: heading.split('\n'),
    align: 'right',
    cells,
  })
  const latency = (select: (latency: NonNullable<RunSummary['faultLatencyNs']>) => number): string[] =>
    all.map(({ faultLatencyNs }) => (faultLatencyNs ? formatDuration(select(faultLatencyNs)) : '–'))
  const columns = [
    column(
      units[result.counts],
      all.map((summary) => formatQuantity(summary.faultsPerSecond.median)),
    ),
    column(
      'range',
      all.map(({ faultsPerSecond: { min, max } }) => (min === max ? '' : formatQuantityRange(min, max))),
    ),
  ]
  if (theirs.length > 0) {
    columns.push(
      column(
        '× Linux',
        ours.map((summary) => {
          const ratio = ratioOf(result, summary)
          return ratio ? formatFactor(ratio.ratio) : ''
        }),
      ),
    )
  }
  if (all.some((summary) => summary.faultLatencyNs)) {
    columns.push(
      column(
        'p50',
        latency(({ p50 }) => p50),
      ),
      column(
        'p99',
        latency(({ p99 }) => p99),
      ),
      column(
        'max',
        latency(({ max }) => max),
      ),
    )
  }
  if (result.counts !== 'map+unmap pairs') {
    columns.push(
      column('specu-\nlative', [
        ...ours.map((summary) =>
          summary.speculativeShare === 0 ? '–' : formatShare(summary.speculativeShare),
        ),
        ...theirs.map(() => ''),
      ]),
    )
  }
  columns.push(
    column('lock\nwait', [
      ...ours.map((summary) => formatShare(summary.mmapLockWaitShare)),
      ...theirs.map(() => ''),
    ]),
  )
  const names = [...ours.map(nameOf), ...theirs.map(() => result.peer!.name)]
  return [{ heading: [''], align: 'left', cells: names }, ...columns]
}

function ratioOf(result: BenchResult, summary: DesignSummary): BenchResult['ratios'][number] | undefined {
  return result.ratios.find(
    ({ design, rwsem, threads }) =>
      design === summary.design && rwsem === summary.rwsem && threads === summary.threads,
  )
}

/** With more designs than this, they are not compared in a sentence each. */
const SENTENCES_MAX = 3

/** What the figures of one thread count say, in a sentence for each comparison. */
function findingsOf(result: BenchResult, threads: number): string[] {
  const ours = result.summaries.filter((summary) => summary.threads === threads)
  const at = `At ${plural(threads, 'thread')}`
  const findings: string[] = []
  for (const classic of ours.filter(({ design }) => design === 'classic')) {
    const others = ours.filter(({ design, rwsem }) => design !== 'classic' && rwsem === classic.rwsem)
    if (result.repetitions < 2) continue
    if (others.length <= SENTENCES_MAX) {
      for (const other of others) findings.push(`${at} ${comparison(result, classic, other)}`)
    } else {
      findings.push(...comparisonOfMany(result, classic, others, at))
    }
  }
  const fastest = result.ratios
    .filter((ratio) => ratio.threads === threads)
    .toSorted((a, b) => b.ratio - a.ratio)[0]
  if (fastest) {
    const range =
      result.repetitions < 2 ? '' : ` (${formatRange(fastest.lowest, fastest.highest, formatFactor)})`
    findings.push(
      `${at} the fastest, ${nameOf(fastest)}, does ${formatFactor(fastest.ratio)}${range} what ${result.peer!.name} does.`,
    )
  }
  return findings
}

/**
 * Compares two designs turn by turn: runs that follow one another met the same machine, so that one slow minute of it
 * does not hide a difference. A difference is claimed where every turn shows it, three or more of them.
 */
function comparison(result: BenchResult, classic: DesignSummary, other: DesignSummary): string {
  const factors = factorsOf(result, classic, other)
  const turns = factors.length
  const faster = factors.filter((factor) => factor > 1).length
  const [low, high] = [Math.min(...factors), Math.max(...factors)]
  if (turns < 3)
    return `${nameOf(other)} and ${nameOf(classic)} had ${turns} turns, too few to compare (see --repeat).`
  if (faster > 0 && faster < turns) {
    return `${nameOf(other)} and ${nameOf(classic)} cannot be told apart: faster in ${faster} of ${turns} turns.`
  }
  const range = formatRange(low, high, formatFactor)
  return `${nameOf(other)} does ${formatFactor(median(factors))} (${range}) what ${nameOf(classic)} does in all ${turns} turns.`
}

/** What `other` does in each turn, as a multiple of what `classic` does in it. */
function factorsOf(result: BenchResult, classic: DesignSummary, other: DesignSummary): number[] {
  const rates = (summary: DesignSummary): number[] =>
    result.runs
      .filter((run) => nameOf(run) === nameOf(summary) && run.threads === summary.threads)
      .toSorted((a, b) => a.repetition - b.repetition)
      .map((run) => run.faultsPerSecond)
  const before = rates(classic)
  return rates(other).map((rate, turn) => rate / before[turn]!)
}

/** The same by the rule of comparison(), in one sentence for those that are faster, slower, and neither. */
function comparisonOfMany(
  result: BenchResult,
  classic: DesignSummary,
  others: readonly DesignSummary[],
  at: string,
): string[] {
  const turns = result.repetitions
  if (turns < 3) return [`${at} there were ${turns} turns, too few to compare (see --repeat).`]
  const told = (holds: (factor: number) => boolean): string[] =>
    others.flatMap((other) => {
      const factors = factorsOf(result, classic, other)
      return factors.every(holds) ? [`${other.design} ${formatFactor(median(factors))}`] : []
    })
  const faster = told((factor) => factor > 1)
  const slower = told((factor) => factor <= 1)
  const neither = others.length - faster.length - slower.length
  const sentences: string[] = []
  if (faster.length > 0)
    sentences.push(`In all ${turns} turns faster than ${nameOf(classic)}: ${faster.join(', ')}.`)
  if (slower.length > 0) sentences.push(`In all ${turns} turns slower: ${slower.join(', ')}.`)
  if (neither > 0) sentences.push(`${plural(neither, 'design')} cannot be told apart from it.`)
  return [`${at}: ${sentences.join(' ')}`]
}

/**
 * The shape that will-it-scale's runtest.py prints: one table for each design and rwsem, told apart by a comment line
 * where there are several, and one for the peer. The columns of processes are zero: everything runs in one process.
 */
export function benchCsv(result: BenchResult): string {
  const groups = Map.groupBy(result.summaries, nameOf)
  const tables: (readonly [string, readonly RunSummary[]])[] = [...groups]
  if (result.peer) tables.push([result.peer.name, result.peer.summaries])
  const lines = tables.flatMap(([name, summaries]) => [
    ...(tables.length > 1 ? [`# ${result.workload} ${name}`] : []),
    'tasks,processes,processes_idle,threads,threads_idle,linear',
    '0,0,100,0,100,0',
    ...csvRows(summaries),
  ])
  return lines.join('\n') + '\n'
}

function csvRows(summaries: readonly RunSummary[]): string[] {
  const sorted = summaries.toSorted((a, b) => a.threads - b.threads)
  const first = sorted[0]
  // `linear` is what one thread does, times the threads; without a run of one thread, what each of the
  // fewest did.
  const linear = first === undefined ? 0 : Math.round(first.faultsPerSecond.median) / first.threads
  return sorted.map(({ threads, faultsPerSecond, idlePercent }) =>
    [
      threads,
      0,
      '0.00',
      Math.round(faultsPerSecond.median),
      idlePercent.toFixed(2),
      Math.round(linear * threads),
    ].join(','),
  )
}
