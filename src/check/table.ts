// A counterexample as a text table: a column for each CPU or thread, time runs downwards.

import { type Counterexample, type CounterexampleRow, threadsOf } from './counterexample-data.ts'

const GAP = '  '
const COLUMN_MIN = 16
const CALLS = ' › '
/** How far a call is indented, and how far where the columns are too narrow for it. */
const INDENT = 2
const INDENT_NARROW = 1
/** What the second line of an operation is indented by. */
const HANGING = '  '

type ToldRow = Extract<CounterexampleRow, { kind: 'call' | 'operation' }>

/** The table, in lines of at most `width` characters where the columns allow it, ending in a newline. */
export function counterexampleText(counterexample: Counterexample, width = 100): string {
  const { noun, rows, leftOut, broken } = counterexample
  const ids = threadsOf(counterexample)
  const told = rows.filter((row) => row.kind === 'call' || row.kind === 'operation')
  const stepWidth = Math.max(4, ...told.map((row) => stepOf(row).length))
  const placeWidth = Math.max(5, ...told.map(({ place }) => place.length))
  const left = width - stepWidth - placeWidth - GAP.length * (ids.length + 1)
  const wide = columnWidths(told, INDENT, ids, noun)
  const indent = sum(wide) <= left ? INDENT : INDENT_NARROW
  const widths = narrow(indent === INDENT ? wide : columnWidths(told, indent, ids, noun), left)
  const format = (step: string, place: string, cells: readonly string[]): string => {
    const columns = cells.map((cell, column) => cell.padEnd(widths[column]!))
    return [step.padStart(stepWidth), place.padEnd(placeWidth), ...columns].join(GAP).trimEnd()
  }
  const cellsOf = (thread: number, text: string): string[] => ids.map((id) => (id === thread ? text : ''))
  const margin = ' '.repeat(stepWidth) + GAP
  const out = [
    format(
      'step',
      'place',
      ids.map((thread) => `${noun} ${thread}`),
    ),
  ]
  for (const row of rows) {
    if (row.kind === 'switch') {
      out.push(shorten(`${margin}· switch to ${noun} ${row.thread}: ${row.reason}`, width))
    } else if (row.kind === 'repeat') {
      out.push(
        shorten(
          `${margin}· ${sayOperations(row.operations)} ${row.times === 1 ? 'once' : `${row.times} times`} more`,
          width,
        ),
      )
    } else {
      linesOf(row, indent, widths[ids.indexOf(row.thread)]!).forEach((text, line) => {
        const [step, place] = line === 0 ? [stepOf(row), row.place] : ['', '']
        out.push(format(step, place, cellsOf(row.thread, text)))
      })
    }
  }
  out.push('')
  if (leftOut > 0)
    out.push(
      leftOut === 1
        ? `1 operation or access is left out, as it concerns one ${noun} only or is plain.`
        : `${leftOut} operations and accesses are left out, as they concern one ${noun} only or are plain.`,
    )
  out.push(`${broken.kind}: ${broken.message}`, ...broken.details.map((detail) => `  ${detail}`))
  return `${out.join('\n')}\n`
}

function stepOf(row: ToldRow): string {
  return row.kind === 'call' || row.step === null ? '' : String(row.step)
}

function textOf(row: ToldRow, indent: number): string {
  const blanks = ' '.repeat(indent * row.depth)
  if (row.kind === 'call') return `${blanks}${row.functions.join(CALLS)}`
  return `${blanks}${row.text}${row.from === null ? '' : ` (from step ${row.from})`}`
}

/** What each column needs. */
function columnWidths(
  rows: readonly ToldRow[],
  indent: number,
  threads: readonly number[],
  noun: string,
): number[] {
  return threads.map((thread) =>
    Math.max(
      `${noun} ${thread}`.length,
      ...rows.filter((row) => row.thread === thread).map((row) => [...textOf(row, indent)].length),
    ),
  )
}

/** Where the columns need more than there is, wide ones give way first. */
function narrow(columns: readonly number[], available: number): number[] {
  const widths = [...columns]
  for (;;) {
    const widest = Math.max(...widths)
    if (sum(widths) <= available || widest <= COLUMN_MIN) return widths
    widths[widths.indexOf(widest)] = widest - 1
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0)
}

/** Of calls, the last matter most, and they are on one line; an operation has as many lines as it needs. */
function linesOf(row: ToldRow, indent: number, width: number): string[] {
  const text = textOf(row, indent)
  if ([...text].length <= width) return [text]
  const blanks = /^ */.exec(text)![0]
  if (row.kind === 'call') {
    const room = Math.max(1, width - blanks.length - 1)
    return [shorten(`${blanks}…${[...text].slice(-room).join('')}`, width)]
  }
  const lines: string[] = []
  let line = blanks
  for (const word of text.match(/\(from step \d+\)|\S+/g) ?? []) {
    const longer = line.trim() === '' ? `${line}${word}` : `${line} ${word}`
    if ([...longer].length <= width || line.trim() === '') {
      line = longer
      continue
    }
    lines.push(line)
    line = `${blanks}${HANGING}${word}`
  }
  return [...lines, line].map((each) => shorten(each, width))
}

function shorten(text: string, width: number): string {
  const characters = [...text]
  return characters.length <= width ? text : `${characters.slice(0, width - 1).join('')}…`
}

function sayOperations(count: number): string {
  return count === 1 ? 'the last operation' : `the last ${count} operations`
}
