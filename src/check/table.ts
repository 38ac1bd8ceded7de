// A counterexample as a text table: a column for each CPU or thread, time runs downwards.

import type { Counterexample, CounterexampleRow } from './counterexample.ts'

const GAP = '  '
const COLUMN_MIN = 16
const CALLS = ' › '

interface Line {
  readonly step: string
  readonly place: string
  readonly thread: number
  readonly text: string
}

/** The table, in lines of at most `width` characters where the columns allow it, ending in a newline. */
export function counterexampleText(counterexample: Counterexample, width = 100): string {
  const { noun, threads, rows, leftOut, broken } = counterexample
  const lines = rows.filter((row) => row.kind === 'call' || row.kind === 'operation').map(lineOf)
  const stepWidth = Math.max(4, ...lines.map(({ step }) => step.length))
  const placeWidth = Math.max(5, ...lines.map(({ place }) => place.length))
  const left = width - stepWidth - placeWidth - GAP.length * (threads + 1)
  const widths = columnWidths(lines, threads, noun, left)
  const format = (step: string, place: string, cells: readonly string[]): string => {
    const columns = cells.map((cell, thread) => fit(cell, widths[thread]!))
    return [step.padStart(stepWidth), place.padEnd(placeWidth), ...columns].join(GAP).trimEnd()
  }
  const cellsOf = (thread: number, text: string): string[] =>
    widths.map((_, column) => (column === thread ? text : ''))
  const margin = ' '.repeat(stepWidth) + GAP
  const out = [
    format(
      'step',
      'place',
      widths.map((_, thread) => `${noun} ${thread}`),
    ),
  ]
  for (const row of rows) {
    if (row.kind === 'switch') {
      out.push(shorten(`${margin}· ${noun} ${row.thread} goes on: ${row.reason}`, width))
    } else if (row.kind === 'repeat') {
      out.push(shorten(`${margin}· ${sayOperations(row.operations)} ${row.times} times more`, width))
    } else {
      const { step, place, thread, text } = lineOf(row)
      out.push(format(step, place, cellsOf(thread, text)))
    }
  }
  out.push('')
  if (leftOut > 0)
    out.push(
      `${leftOut} operations and accesses are left out, as they concern one ${noun} only or are plain.`,
    )
  out.push(`${broken.kind}: ${broken.message}`, ...broken.details.map((detail) => `  ${detail}`))
  return `${out.join('\n')}\n`
}

function lineOf(row: Extract<CounterexampleRow, { kind: 'call' | 'operation' }>): Line {
  const indent = '  '.repeat(row.depth)
  if (row.kind === 'call')
    return { step: '', place: row.place, thread: row.thread, text: `${indent}${row.functions.join(CALLS)}` }
  const step = row.step === null ? '' : String(row.step)
  return { step, place: row.place, thread: row.thread, text: `${indent}${row.text}` }
}

/** What each column needs; where that is too much together, wide columns give way first. */
function columnWidths(lines: readonly Line[], threads: number, noun: string, available: number): number[] {
  const widths = Array.from({ length: threads }, (_, thread) =>
    Math.max(
      `${noun} ${thread}`.length,
      ...lines.filter((line) => line.thread === thread).map(({ text }) => [...text].length),
    ),
  )
  for (;;) {
    const widest = Math.max(...widths)
    const excess = widths.reduce((sum, each) => sum + each, 0) - available
    if (excess <= 0 || widest <= COLUMN_MIN) return widths
    widths[widths.indexOf(widest)] = widest - 1
  }
}

function shorten(text: string, width: number): string {
  const characters = [...text]
  return characters.length <= width ? text : `${characters.slice(0, width - 1).join('')}…`
}

/** Exactly `width` characters. Of calls, the last matter most; the indentation stays. */
function fit(text: string, width: number): string {
  const characters = [...text]
  if (characters.length <= width || !text.includes(CALLS)) return shorten(text, width).padEnd(width)
  const indent = /^ */.exec(text)![0]
  const room = Math.max(1, width - indent.length - 1)
  return shorten(`${indent}…${characters.slice(-room).join('')}`, width).padEnd(width)
}

function sayOperations(count: number): string {
  return count === 1 ? 'the last operation' : `the last ${count} operations`
}
