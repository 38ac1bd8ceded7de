// The steps of a counterexample as a table, a column for each thread, and the source beside it.
//
// What one thread read of another, and what woke it, is a link to that row; each link is an arrow once the script of
// the page runs. The table and the links are made here from the rows of the text table, so that both say the same.
import { threadsOf } from '../../check/counterexample-data.ts'
import type { Counterexample, CounterexampleRow } from '../../check/index.ts'
import { plural } from '../numbers.ts'
import { markup, type Markup, type Piece } from './markup.ts'
import type { Section } from './section.ts'
import { type SourceText, Sources } from './source.ts'

/** Calls deeper than this are indented no further. */
const DEPTH_MAX = 16

type ToldRow = Extract<CounterexampleRow, { kind: 'call' | 'operation' }>

/** An arrow to a row, from another row or from what has none. */
interface Arrow {
  readonly kind: 'reads' | 'wakes'
  /** The row that it comes from, as an index; null where that is left out. */
  readonly from: number | null
  readonly text: string
}

export function stepsSection(
  counterexample: Counterexample,
  sourceOf: (file: string) => SourceText | null,
): Section {
  const { noun, rows, leftOut, broken } = counterexample
  const threads = threadsOf(counterexample)
  const sources = new Sources(sourceOf)
  const arrows = arrowsOf(counterexample)
  const body = rows.map((row, at) => rowMarkup(counterexample, row, at, arrows.get(at) ?? [], sources))
  const columns = threads.map((thread) => `${noun} ${thread}`)
  return {
    id: 'steps',
    title: 'Step by step',
    body: markup`<p>
        Time runs downwards. A step is an operation of Atomics; a row without a number is a plain access, or a
        call. An arrow leads from a write to what another ${noun} read of it for the first time, and, broken,
        from a notify to whom it woke.
      </p>
      <p id="help-steps" class="help" hidden>
        Up and down move by a step, Home and End to the first and the last; the source follows.
      </p>
      <div class="steps">
        <div class="wide trace" id="trace">
          <table>
            <caption>
              ${leftOut === 0 ? '' : `${plural(leftOut, 'operation')} that concern one ${noun} only or are plain are left out`}
            </caption>
            <thead>
              <tr>
                ${['step', 'place', ...columns].map((heading) => markup`<th scope="col">${heading}</th>`)}
              </tr>
            </thead>
            <tbody>
              ${body}
              <tr class="broken">
                <td></td>
                <td></td>
                <td colspan="${threads.length}">${broken.kind}: ${broken.message}</td>
              </tr>
            </tbody>
          </table>
        </div>
        <div class="source" role="region" aria-label="Source" tabindex="0">${sources.markup()}</div>
      </div>`,
  }
}

function rowMarkup(
  counterexample: Counterexample,
  row: CounterexampleRow,
  at: number,
  arrows: readonly Arrow[],
  sources: Sources,
): Markup {
  const { noun, calls, events } = counterexample
  const threads = threadsOf(counterexample)
  const { length } = threads
  if (row.kind === 'switch') return remark(`switch to ${noun} ${row.thread}: ${row.reason}`, 'switch', length)
  if (row.kind === 'repeat') {
    const what = row.operations === 1 ? 'the last operation' : `the last ${row.operations} operations`
    return remark(`${what} ${row.times} times more`, 'repeat', length)
  }
  const { file } = row.kind === 'call' ? calls[row.call]! : events[row.event]!
  const step = row.kind === 'call' ? null : row.step
  const line = sources.mark(file, lineOf(row), step)
  const place = line === null ? row.place : markup`<a href="#${line}">${row.place}</a>`
  const cells = threads.map((thread) => (thread === row.thread ? cellMarkup(row, arrows) : markup`<td></td>`))
  return markup`<tr class="row ${row.kind}" id="r${at}" data-line="${line ?? ''}" tabindex="-1">
    <th scope="row">${step ?? ''}</th><td class="place">${place}</td>${cells}
  </tr> `
}

function remark(text: string, kind: string, threads: number): Markup {
  return markup`<tr class="${kind}"><td></td><td colspan="${threads + 1}">${text}</td></tr> `
}

function lineOf({ place }: ToldRow): number {
  return Number(place.slice(place.lastIndexOf(':') + 1))
}

function cellMarkup(row: ToldRow, arrows: readonly Arrow[]): Markup {
  const text = row.kind === 'call' ? row.functions.join(' › ') : row.text
  const links = arrows.map(({ kind, from, text: said }): Piece => {
    if (from === null) return markup` (${said})`
    return markup` (<a class="${kind}" href="#r${from}">${said}</a>)`
  })
  const depth = Math.min(row.depth, DEPTH_MAX)
  return markup`<td class="own d${depth}"><span class="what">${text}${links}</span></td>`
}

/** The arrows to each row, by its index: what it is the first to read of another thread, and what woke its thread. */
function arrowsOf({ rows, events }: Counterexample): Map<number, Arrow[]> {
  const rowOf = new Map<number, number>()
  rows.forEach((row, at) => {
    if (row.kind === 'operation') rowOf.set(row.event, at)
  })
  const said = (event: number): string => {
    const { step, place } = events[event]!
    return step === null ? place : `step ${step}`
  }
  const arrows = new Map<number, Arrow[]>()
  const add = (to: number, kind: Arrow['kind'], event: number, text: string): void => {
    arrows.set(to, [...(arrows.get(to) ?? []), { kind, from: rowOf.get(event) ?? null, text }])
  }
  const known = new Set<string>()
  for (const [event, row] of rowOf) {
    const { thread, from } = events[event]!
    const key = `${thread} ${from}`
    if (from === null || known.has(key)) continue
    known.add(key)
    add(row, 'reads', from, `from ${said(from)}`)
  }
  events.forEach(({ thread, wokenBy }, woken) => {
    if (wokenBy === null) return
    // Where the waking itself is left out, what the thread does next.
    const shown = [...rowOf].find(([event]) => event >= woken && events[event]!.thread === thread)
    if (shown !== undefined) add(shown[1], 'wakes', wokenBy, `woken by ${said(wokenBy)}`)
  })
  return arrows
}
