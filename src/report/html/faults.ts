// The faults by kind, and the mappings that they were in.
import type { FaultKind, MappedFaults } from '../../trace/fault-kinds.ts'
import { formatCount, formatDuration, formatShare, plural } from '../numbers.ts'
import type { TraceReport } from '../replay-report.ts'
import { shortened } from '../printable.ts'
import { markup, type Markup } from './markup.ts'
import { bar, colourKey, table } from './table.ts'
import type { PageContent, Section } from './section.ts'

const MAPPINGS = 24
const KINDS = 24

export function faultsSection({ trace, detail }: PageContent): Section | null {
  const kinds = detail?.faultKinds ?? []
  const calls = censusTable(trace)
  if (kinds.length === 0 && calls === null) return null
  return {
    id: 'faults',
    title: 'Page faults by kind',
    body: markup`<p class="key">${colourKey('write', 'took the mmap lock')} ${colourKey('plain', 'did not')}</p>
      ${kinds.length === 0 ? null : kindTable(kinds)} ${calls}`,
  }
}

function kindTable(kinds: readonly FaultKind[]): Markup {
  const total = Math.max(
    1,
    kinds.reduce((sum, { faults }) => sum + faults, 0),
  )
  return table(
    `${plural(total, 'fault')}, by origin, access, reason and memory`,
    [
      { heading: 'taken by' },
      { heading: 'access' },
      { heading: 'because of' },
      { heading: 'memory' },
      { heading: 'faults', isNumber: true },
      { heading: 'share', isNumber: true },
      { heading: 'under the lock', isNumber: true },
      { heading: 'time until its release', isNumber: true },
      { heading: '' },
    ],
    kinds
      .slice(0, KINDS)
      .map(({ mode, access, cause, memory, faults, lockedFaults, lockedNs }) => [
        mode === 'kernel' ? 'the kernel' : 'the program',
        access,
        cause,
        memory,
        formatCount(faults),
        formatShare(faults / total),
        formatCount(lockedFaults),
        lockedFaults === 0 ? '–' : formatDuration(lockedNs),
        lockedBar(lockedFaults, faults, total),
      ]),
  )
}

function lockedBar(locked: number, faults: number, total: number): Markup {
  return bar([
    { share: locked / total, colour: 'write' },
    { share: (faults - locked) / total, colour: 'plain' },
  ])
}

/** Faults by the call that the kernel was in: that is what per-VMA locks do not help. */
function censusTable({ faultCensus: { user, kernel } }: TraceReport): Markup | null {
  const rows = [['the program itself', user] as const, ...Object.entries(kernel)].filter(
    ([, { faults }]) => faults > 0,
  )
  if (rows.length === 0) return null
  const total = rows.reduce((sum, [, { faults }]) => sum + faults, 0)
  return table(
    'Faults inside the kernel, by call',
    [
      { heading: 'call' },
      { heading: 'faults', isNumber: true },
      { heading: 'share', isNumber: true },
      { heading: 'under the lock', isNumber: true },
      { heading: 'time until its release', isNumber: true },
      { heading: '' },
    ],
    rows
      .slice(0, KINDS)
      .map(([call, { faults, lockedFaults, lockedNs }]) => [
        call,
        formatCount(faults),
        formatShare(faults / total),
        formatCount(lockedFaults),
        lockedFaults === 0 ? '–' : formatDuration(lockedNs),
        lockedBar(lockedFaults, faults, total),
      ]),
  )
}

export function mappingsSection({ detail }: PageContent): Section | null {
  const all = detail?.mappings ?? []
  if (all.length === 0) return null
  const most = Math.max(...all.map(({ faults }) => faults))
  const isOfSeveral = new Set(all.map(({ process, pid }) => `${process} ${pid}`)).size > 1
  const rest = all.length > MAPPINGS ? `; the ${MAPPINGS} with the most` : ''
  return {
    id: 'mappings',
    title: 'Mappings',
    body: table(
      `Where the faults were: files by name, anonymous memory by the 64 MiB that it is in (an arena of glibc)${rest}`,
      [
        { heading: 'mapping' },
        ...(isOfSeveral ? [{ heading: 'process' }] : []),
        { heading: 'access' },
        { heading: 'pages with faults' },
        { heading: 'faults', isNumber: true },
        { heading: 'writes', isNumber: true },
        { heading: 'by the kernel', isNumber: true },
        { heading: 'under the lock', isNumber: true },
        { heading: '' },
      ],
      all
        .slice(0, MAPPINGS)
        .map((one) => [
          shortened(one.name),
          ...(isOfSeveral ? [one.pid === 0 ? one.process : `${one.process} (${one.pid})`] : []),
          markup`<code>${one.protection}</code>`,
          markup`<code>${rangeOf(one)}</code>`,
          formatCount(one.faults),
          formatCount(one.writeFaults),
          formatCount(one.kernelFaults),
          formatCount(one.lockedFaults),
          lockedBar(one.lockedFaults, one.faults, most),
        ]),
    ),
  }
}

function rangeOf({ firstPage, lastPage }: MappedFaults): string {
  return firstPage === lastPage
    ? firstPage.toString(16)
    : `${firstPage.toString(16)} … ${lastPage.toString(16)}`
}
