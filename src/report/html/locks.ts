// Who held the mmap lock and who waited for it: the matrix of calls, the holders, the waiters, the longest waits.
import type { HeldAndWaited, LockAnalysis, LockUser } from '../../trace/lock-history.ts'
import { formatCount, formatDuration, formatShare, plural } from '../numbers.ts'
import { foreignName } from '../advice.ts'
import {
  isOfSeveral,
  lockedFor,
  OUTSIDE_CALL,
  UNSEEN_HOLDER,
  userName,
  waiterName,
} from '../recorded-text.ts'
import { othersThan } from '../verdict.ts'
import { shortened } from '../printable.ts'
import { markup, type Markup } from './markup.ts'
import { bar, table } from './table.ts'
import type { PageContent, Section } from './section.ts'

/** Rows and columns of the matrix, at most. */
const CALLS = 12
const ROWS = 16
/** Steps of its colours. */
const STEPS = 8

export function locksSection({ trace }: PageContent): Section | null {
  const several = isOfSeveral(trace)
  const { holders, waiters, longest, matrix, foreign, totals } = trace.locks
  if (holders.length === 0 && waiters.length === 0) return null
  return {
    id: 'locks',
    title: 'Holders and waiters',
    body: markup`${matrices(matrix)}
    ${countTable(
      'Who held the lock while others waited',
      'holder',
      holders.map((one) => ({
        ...one,
        name: `${one.comm} of ${one.process} (${one.pid})`,
        call: lockedFor(one),
      })),
      totals,
    )}
    ${foreign.length === 0 ? null : markup`<p>Of these, processes that hold the lock of another: ${foreign.map(foreignName).join(', ')}.</p>`}
    ${countTable(
      'Who waited for it',
      'thread',
      waiters.map((one) => ({ ...one, name: waiterName(one, several), call: lockedFor(one) })),
    )}
    ${longest.length === 0 ? null : longestTable(longest, several)}`,
  }
}

interface NamedCount {
  readonly name: string
  readonly call: string
  readonly waits: number
  readonly waitedNs: number
}

/** @param totals all waits, where what is not in the list is to be told */
function countTable(
  caption: string,
  noun: string,
  all: readonly NamedCount[],
  totals?: LockAnalysis['totals'],
): Markup | null {
  if (all.length === 0 && (totals === undefined || totals.unseen.waits + totals.outside.waits === 0))
    return null
  const shown = [...all.slice(0, ROWS), ...(totals === undefined ? [] : othersOf(all.slice(0, ROWS), totals))]
  const listed = totals === undefined ? all : shown
  const total = Math.max(
    1,
    listed.reduce((sum, { waitedNs }) => sum + waitedNs, 0),
  )
  const rest = all.length > ROWS ? `, the first ${ROWS} of ${all.length}` : ''
  return table(
    `${caption}${rest}`,
    [
      { heading: noun },
      { heading: 'call' },
      { heading: 'waits', isNumber: true },
      { heading: 'time waited', isNumber: true },
      { heading: 'share', isNumber: true },
      { heading: '' },
    ],
    shown.map(({ name, call, waits, waitedNs }) => [
      name,
      call,
      formatCount(waits),
      formatDuration(waitedNs),
      formatShare(waitedNs / total),
      bar([{ share: waitedNs / total, colour: 'wait' }]),
    ]),
  )
}

/** Holders that have no row, and waits for nobody who is seen: with the rows, all that Linux waited. */
function othersOf(
  shown: readonly NamedCount[],
  { held, unseen, outside }: LockAnalysis['totals'],
): NamedCount[] {
  const others = [
    { name: 'all others', call: '', ...othersThan(shown, held) },
    { name: 'no visible holder', call: 'a try failed', ...unseen },
    { name: 'not recorded', call: OUTSIDE_CALL, ...outside },
  ]
  return others.filter(({ waits }) => waits > 0)
}

/** Programs that have a matrix of their own. */
const MATRICES = 4

/** One for each program whose lock was waited for, the most time first. */
function matrices(matrix: readonly HeldAndWaited[]): (Markup | null)[] {
  const names = namesOf(matrix, ({ owner }) => owner)
  return names.slice(0, MATRICES).map((name) =>
    matrixTable(
      matrix.filter(({ owner }) => owner === name),
      names.length > 1 ? name : null,
    ),
  )
}

/**
 * Held by × waited by.
 * @param program whose lock, where there are several
 */
function matrixTable(matrix: readonly HeldAndWaited[], program: string | null): Markup | null {
  if (matrix.length === 0) return null
  const holders = namesOf(matrix, ({ heldBy }) => heldBy)
  const waiters = namesOf(matrix, ({ waitedBy }) => waitedBy)
  const whose = program === null ? '' : ` for the lock of ${program}`
  const most = Math.max(1, ...matrix.map(({ waitedNs }) => waitedNs))
  const cellOf = (heldBy: string, waitedBy: string): Markup => {
    const cell = matrix.find((one) => one.heldBy === heldBy && one.waitedBy === waitedBy)
    if (cell === undefined) return markup`<td class="n heat0">–</td>`
    // Square roots, as the times differ by orders of magnitude.
    const step = Math.max(1, Math.ceil(Math.sqrt(cell.waitedNs / most) * STEPS))
    return markup`<td class="n heat${step}">
      ${formatDuration(cell.waitedNs)}<br /><small>${plural(cell.waits, 'wait')}</small>
    </td>`
  }
  return markup`<div class="wide" tabindex="0" role="group" aria-label="held by and waited by${whose}">
    <table class="matrix">
      <caption>
        Time waited${whose}, by what the lock was held for (rows) and what it was waited for (columns)
      </caption>
      <thead>
        <tr>
          <th scope="col">held by</th>
          ${waiters.map((name) => markup`<th scope="col" class="n">${name}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${holders.map(
          (held) =>
            markup`<tr>
              <th scope="row">${held}</th>
              ${waiters.map((waited) => cellOf(held, waited))}
            </tr> `,
        )}
      </tbody>
    </table>
  </div>`
}

/** The names with the most time. */
function namesOf(matrix: readonly HeldAndWaited[], nameOf: (one: HeldAndWaited) => string): string[] {
  const sums = new Map<string, number>()
  for (const one of matrix) sums.set(nameOf(one), (sums.get(nameOf(one)) ?? 0) + one.waitedNs)
  return [...sums]
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, CALLS)
    .map(([name]) => name)
}

function longestTable(longest: PageContent['trace']['locks']['longest'], several: boolean): Markup {
  const nameOf = (user: LockUser): string =>
    `${userName(user, several)}${user.mapping === '' ? '' : ` on ${shortened(user.mapping)}`}`
  return table(
    'The longest waits',
    [
      { heading: 'waited', isNumber: true },
      { heading: 'by' },
      { heading: 'held by' },
      { heading: 'line of the trace', isNumber: true },
    ],
    longest.map(({ line, waitedNs, waiter, holder }) => [
      formatDuration(waitedNs),
      nameOf(waiter),
      holder === null ? UNSEEN_HOLDER : nameOf(holder),
      formatCount(line),
    ]),
  )
}
