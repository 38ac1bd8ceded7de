// The programs of a recording of several, or of the whole machine: who looks for one of them sees it beside the others.
import { formatCount, formatDuration, formatShare } from '../numbers.ts'
import { markup } from './markup.ts'
import type { PageContent, Section } from './section.ts'
import { table } from './table.ts'

export function programsSection({ trace: { programs } }: PageContent): Section | null {
  if (programs.length < 2) return null
  return {
    id: 'programs',
    title: 'Programs',
    body: markup`${table(
      'All processes of one name, the longest waits first, then the most faults; one process alone: --process NUMBER',
      [
        { heading: 'program' },
        { heading: 'processes', isNumber: true },
        { heading: 'threads', isNumber: true },
        { heading: 'page faults', isNumber: true },
        { heading: 'waited for the mmap lock', isNumber: true },
        { heading: 'of its time', isNumber: true },
      ],
      programs
        .toSorted((a, b) => b.waitedNs - a.waitedNs)
        .map(({ name, processes, pid, threads, faults, waitedNs, waitShare }) => [
          name,
          processes === 1 ? `1 (${pid})` : `${formatCount(processes)} (${pid} …)`,
          formatCount(threads),
          formatCount(faults),
          waitedNs > 0 ? formatDuration(waitedNs) : '–',
          waitShare > 0 ? formatShare(waitShare) : '–',
        ]),
    )}`,
  }
}
