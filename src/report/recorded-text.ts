// What a recording tells by itself, as text: what Linux did and met, who held the lock, what would help.
//
// Principle: a pure function of the report; names from the trace are shown without what a terminal would obey.
import type { WhatIf } from '../simulate/index.ts'
import { fileName } from '../trace/bytes.ts'
import { OF_ANOTHER, type HeldBy, type LockUser, type WaitedBy } from '../trace/lock-history.ts'
import type { ProgramSummary } from '../trace/imported-trace.ts'
import { isExact } from '../trace/recorded-kernel.ts'
import type { Advice } from './advice.ts'
import { formatCount, formatDuration, formatShare, plural } from './numbers.ts'
import { printable, shortened } from './printable.ts'
import { censusOf, type TraceReport } from './replay-report.ts'
import { plainStyle, type Style, type TextOptions } from './style.ts'
import { formatTable, wrap, type Column } from './table.ts'
import { othersThan, verdictReport, type Verdict } from './verdict.ts'
import { whatIfLines } from './what-if.ts'

/** What `faultline report` says without `--json`, ending in a newline. */
export function reportText(
  trace: TraceReport,
  verdict: Verdict,
  options: TextOptions = {},
  whatIf: WhatIf | null = null,
): string {
  const { style = plainStyle, width = 100 } = options
  const { holders, waiters, advice } = verdictReport(verdict, trace, whatIf)
  const [first, ...others] = verdict.sentences
  const lines = [
    ...recordedLines(trace, style, width),
    ...programLines(trace, style, width),
    ...countLines('HELD THE LOCK WHILE OTHERS WAITED', holderRows(trace, holders), style, width),
    ...countLines(
      'WAITED FOR IT',
      waiters
        .slice(0, ROWS)
        .map((one) => [waiterName(one, isOfSeveral(trace)), { ...one, call: lockedFor(one) }]),
      style,
      width,
    ),
    ...longestLines(trace, style, width),
    ...(whatIf === null ? [] : whatIfLines(whatIf, trace, style, width)),
    '',
    style.heading('VERDICT'),
    ...wrap(first ?? '', width, 2).map((line) => style[verdict.mood](line)),
    ...(others.length > 0 ? wrap(others.join(' '), width, 2) : []),
    ...adviceLines(advice, style, width, whatIf),
  ]
  return lines.join('\n') + '\n'
}

/** Rows of the tables of a text. */
const ROWS = 6

/** Of several programs, each: who looks for one of them sees it beside the others. */
function programLines({ programs }: TraceReport, style: Style, width: number): string[] {
  if (programs.length < 2) return []
  const rows = programs.toSorted((a, b) => b.waitedNs - a.waitedNs).slice(0, ROWS)
  const cells = (cell: (program: ProgramSummary) => string): string[] => rows.map(cell)
  const columns: Column[] = [
    { heading: [], align: 'left', cells: cells(({ name }) => printable(name)) },
    {
      heading: [],
      align: 'right',
      cells: cells(({ processes, pid }) =>
        processes === 1 ? `${pid}` : `${pid} and ${formatCount(processes - 1)} more`,
      ),
    },
    { heading: [], align: 'right', cells: cells(({ threads }) => plural(threads, 'thread')) },
    { heading: [], align: 'right', cells: cells(({ faults }) => plural(faults, 'fault')) },
    {
      heading: [],
      align: 'right',
      cells: cells(({ waitedNs, waitShare }) =>
        waitedNs === 0
          ? ''
          : `waited ${formatDuration(waitedNs)}${waitShare > 0 ? ` (${formatShare(waitShare)})` : ''}`,
      ),
    },
  ]
  return [
    '',
    style.heading(
      'PROGRAMS  the longest waits first, then the most faults; one process alone: --process NUMBER',
    ),
    ...formatTable(columns, { width }),
  ]
}

type CountRow = readonly [
  string,
  { readonly call: string; readonly waits: number; readonly waitedNs: number },
]

/** The first holders, all others, and what nobody is seen to have held the lock for: together all that Linux waited. */
function holderRows({ locks }: TraceReport, all: readonly HeldBy[]): CountRow[] {
  const shown = all.slice(0, ROWS)
  const others = othersThan(shown, locks.totals.held)
  const { unseen, outside } = locks.totals
  return [
    ...shown.map((one): CountRow => [
      `${one.comm} of ${one.process} (${one.pid})`,
      { ...one, call: lockedFor(one) },
    ]),
    ...(all.length > ROWS ? [['all others', { ...others, call: '' }] as const] : []),
    ...(unseen.waits > 0 ? [['no visible holder', { ...unseen, call: 'a try failed' }] as const] : []),
    ...(outside.waits > 0 ? [['not recorded', { ...outside, call: OUTSIDE_CALL }] as const] : []),
  ]
}

function countLines(heading: string, rows: readonly CountRow[], style: Style, width: number): string[] {
  if (rows.length === 0) return []
  const columns: Column[] = [
    { heading: [], align: 'left', cells: rows.map(([name]) => printable(name)) },
    { heading: [], align: 'left', cells: rows.map(([, { call }]) => printable(call)) },
    { heading: [], align: 'right', cells: rows.map(([, { waits }]) => waitsText(waits)) },
    { heading: [], align: 'right', cells: rows.map(([, { waitedNs }]) => formatDuration(waitedNs)) },
  ]
  return ['', style.heading(heading), ...formatTable(columns, { width })]
}

/** Whether the name of a thread does not tell of which program it is. */
export function isOfSeveral({ replayedProcesses }: TraceReport): boolean {
  return replayedProcesses > 1
}

/** What the lock was held or waited for, and whose it was if it was another's. */
export function lockedFor({ call, pid, owner }: Pick<HeldBy, 'call' | 'pid' | 'owner'>): string {
  if (owner.pid === pid) return call
  const whose = `${owner.process} (${owner.pid})`
  return call === OF_ANOTHER ? call.replace('another process', () => whose) : `${call}, lock of ${whose}`
}

/** A thread, or how many of that name; of several programs, with its own. */
export function waiterName({ process, pid, comm, tid, threads }: WaitedBy, isNamed: boolean): string {
  const name = `${comm} (${threads > 1 ? plural(threads, 'thread') : tid})`
  if (!isNamed) return name
  if (threads > 1) return `${name} of ${process}`
  return tid === pid ? name : `${name} of ${process} (${pid})`
}

/** A thread that held the lock or waited, and what it did; of several programs, with its own. */
export function userName(user: LockUser, isNamed: boolean): string {
  const { comm, tid, process, pid } = user
  return `${comm} (${tid})${isNamed && tid !== pid ? ` of ${process} (${pid})` : ''}, ${lockedFor(user)}`
}

/** Of waits for whom nobody recorded is seen to hold the lock. */
export const OUTSIDE_CALL = 'another process, or a thread that was ending'
/** Of a wait of which the recording does not show it. */
export const UNSEEN_HOLDER = 'a holder that the trace does not show'

/** A wait counts for who kept it longest; others have parts of it. */
function waitsText(waits: number): string {
  return waits === 0 ? 'parts of waits' : plural(waits, 'wait')
}

function longestLines(trace: TraceReport, style: Style, width: number): string[] {
  const rows = trace.locks.longest.slice(0, ROWS)
  if (rows.length === 0) return []
  const several = isOfSeveral(trace)
  const nameOf = (user: LockUser): string => printable(userName(user, several))
  return [
    '',
    style.heading('LONGEST WAITS'),
    ...rows.flatMap(({ line, waitedNs, waiter, holder }) =>
      wrap(
        `${formatDuration(waitedNs)}: ${nameOf(waiter)}${waiter.mapping === '' ? '' : ` on ${printable(shortened(waiter.mapping))}`}; ` +
          `held by ${holder === null ? UNSEEN_HOLDER : nameOf(holder)} (line ${line})`,
        width,
        2,
      ),
    ),
  ]
}

/** What was recorded. */
export function recordedLines(trace: TraceReport, style: Style, width: number): string[] {
  const { linux } = trace
  const choice = {
    only: 'the only one of the trace',
    all: `all ${formatCount(trace.processes)} of the trace, with the forks between them`,
    busiest: `the busiest of ${formatCount(trace.processes)}, as asked`,
    asked: `one of ${formatCount(trace.processes)}, as asked`,
  }[trace.processChoice]
  const isWhole = trace.processChoice === 'all'
  const others = isWhole ? ` and ${formatCount(trace.replayedProcesses - 1)} more` : ''
  const rows: readonly (readonly [string, string])[] = [
    [
      'trace',
      `${printable(fileName(trace.path))}: ${plural(trace.lines, 'line')}, ${plural(trace.events, 'event')}`,
    ],
    [
      'program',
      `${printable(isWhole ? (trace.programs[0]?.name ?? trace.program) : trace.program)}${others}: ${plural(trace.processThreads, 'thread')}, ${formatDuration(trace.durationMs * 1e6)}`,
    ],
    isWhole ? ['processes', choice] : ['process', `${trace.process}, ${choice}`],
    ['page faults', faultsRecorded(trace)],
    ...timeRows(trace),
    ['lock waits, readers', waitsRecorded(linux, 'readers')],
    ['lock waits, writers', waitsRecorded(linux, 'writers')],
  ]
  return [
    style.heading('RECORDED') + style.faint('  by Linux'),
    ...formatTable([
      { heading: [], align: 'left', cells: rows.map(([label]) => label) },
      { heading: [], align: 'left', cells: rows.map(([, value]) => value) },
    ]),
    ...[`kernel ${kernelText(trace)}`, ...trace.warnings].flatMap((warning) =>
      wrap(`note: ${warning}`, width, 2).map(style.faint),
    ),
  ]
}

/** Which kernel, and how that is known. */
export function kernelText({ kernel }: TraceReport): string {
  const form = kernel.design === 'classic' ? 'every fault under the mmap lock' : 'faults under per-VMA locks'
  const nearest = isExact(kernel) || !kernel.isKnown ? '' : '; the simulation uses a later form'
  return `${printable(kernel.release)}, ${form} (${kernel.design}): ${printable(kernel.evidence)}${nearest}`
}

/** What page faults, memory calls and recording took, in all threads. */
export function timeRows(trace: TraceReport): (readonly [string, string])[] {
  const faultCensus = censusOf(trace)
  const faults = [faultCensus.user, ...Object.values(faultCensus.kernel)]
  const faultNs = faults.reduce((sum, { costNs }) => sum + costNs, 0)
  const samples = faults.reduce((sum, one) => sum + one.samples, 0)
  const calls = Object.entries(faultCensus.calls).toSorted(([, a], [, b]) => b.ns - a.ns)
  const callNs = calls.reduce((sum, [, { ns }]) => sum + ns, 0)
  const [first] = calls
  const how = samples > 0 ? `by ${plural(samples, 'sample')}` : 'at least'
  return [
    ...(faultNs > 0 ? [['time in page faults', `${formatDuration(faultNs)}, ${how}`] as const] : []),
    ...(first !== undefined && callNs > 0
      ? [
          [
            'time in memory calls',
            `${formatDuration(callNs)}, most in ${printable(first[0])} (${formatDuration(first[1].ns)})`,
          ] as const,
        ]
      : []),
    ...(trace.recordingMs === null
      ? []
      : [['time in recording', `about ${formatDuration(trace.recordingMs * 1e6)}, of CPU time`] as const]),
  ]
}

function faultsRecorded(trace: TraceReport): string {
  const { faultsUnderMmapLock: locked, faultsWithoutMmapLock: unlocked } = trace.linux
  const known = locked + unlocked
  if (!trace.linux.recorded || known === 0) return formatCount(trace.recordedFaults)
  return `${formatCount(trace.recordedFaults)}, of which ${formatCount(locked)} (${formatShare(locked / known)}) took the mmap lock`
}

function waitsRecorded(linux: TraceReport['linux'], side: 'readers' | 'writers'): string {
  if (!linux.recorded) return 'not recorded'
  const waits = linux.lockWaitNs[side]
  const acquisitions = linux.lockAcquisitions[side]
  const count = `${formatCount(waits.count)} of ${plural(acquisitions, 'acquisition')}`
  if (waits.count === 0) return count
  return `${count}, ${formatDuration(waits.total)} in all, p50 ${formatDuration(waits.p50)}, p99 ${formatDuration(waits.p99)}`
}

/** What a change saves: at least, and at most where that is told. */
export function savingOf({
  savesMs,
  savesAtMostMs,
}: Pick<Advice, 'savesMs'> & { readonly savesAtMostMs?: number | undefined }): string {
  const least = formatDuration(savesMs * 1e6)
  return savesAtMostMs === undefined ? least : `${least} to ${formatDuration(savesAtMostMs * 1e6)}`
}

/** What to change, and what that would save. */
export function adviceLines(
  advice: readonly Advice[],
  style: Style,
  width: number,
  whatIf: WhatIf | null = null,
): string[] {
  const from = whatIf === null ? 'estimated from the recording' : 'estimated from the recording, or simulated'
  if (advice.length === 0) return []
  return [
    '',
    style.heading('WHAT WOULD HELP') + style.faint(`  ${from}`),
    ...advice.flatMap((one) => [
      ...wrap(`${savingOf(one)} less: ${one.change}`, width, 2),
      ...wrap(one.how, width, 4).map(style.faint),
    ]),
  ]
}
