// The programs of a recording of several, or of the whole machine: who looks for one of them sees it beside the others.
import { formatCount, formatDuration } from '../numbers.ts'
import { markup } from './markup.ts'
import type { PageContent, Section } from './section.ts'
import { table } from './table.ts'

export function programsSection({ trace: { programs } }: PageContent): Section | null {
  if (programs.length < 2) return null
  return {
    id: 'programs',
    title: 'Programs',
    body: markup`${table(
      'All processes of one name, the most faults first; one process alone: --process NUMBER',
      [
        { heading: 'program' },
        { heading: 'processes', isNumber: true },
        { heading: 'threads', isNumber: true },
        { heading: 'page faults', isNumber: true },
        { heading: 'waited for the mmap lock', isNumber: true },
      ],
      programs.map(({ name, processes, threads, faults, waitedNs }) => [
        name,
        formatCount(processes),
        formatCount(threads),
        formatCount(faults),
        waitedNs > 0 ? formatDuration(waitedNs) : '–',
      ]),
    )}`,
  }
}
