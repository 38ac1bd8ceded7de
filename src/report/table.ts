// Aligned text tables.
//
// Principle: a table is never wider than asked: columns that do not fit move to a further table with the
// labels repeated.

export interface Column {
  /** Lines of the heading, top to bottom. */
  readonly heading: readonly string[]
  readonly align: 'left' | 'right'
  readonly cells: readonly string[]
}

export interface TableOptions {
  /** Characters before each line. */
  readonly indent?: number
  /** Characters between columns. */
  readonly gap?: number
  /** The most characters a line may have; the first column and one more are always shown. */
  readonly width?: number
  /** How heading lines are emphasized. */
  readonly styleHeading?: (text: string) => string
  /** How the first column is emphasized. */
  readonly styleLabel?: (text: string, row: number) => string
}

/** A column of one heading line. */
export function textColumn(
  heading: string,
  cells: readonly string[],
  align: Column['align'] = 'left',
): Column {
  return { heading: [heading], align, cells }
}

/** The lines of a table whose first column labels the rows. */
export function formatTable(columns: readonly Column[], options: TableOptions = {}): string[] {
  const { indent = 2, gap = 2, width = Number.POSITIVE_INFINITY } = options
  const [labels, ...others] = columns
  if (labels === undefined) return []
  const blocks: Column[][] = []
  let used = 0
  for (const column of others) {
    const needed = gap + columnWidth(column)
    const block = blocks.at(-1)
    if (block !== undefined && used + needed <= width) {
      block.push(column)
      used += needed
    } else {
      blocks.push([column])
      used = indent + columnWidth(labels) + needed
    }
  }
  if (blocks.length === 0) blocks.push([])
  return blocks.flatMap((block, number) => [
    ...(number > 0 ? [''] : []),
    ...formatBlock([labels, ...block], indent, gap, options),
  ])
}

function formatBlock(
  columns: readonly Column[],
  indent: number,
  gap: number,
  options: TableOptions,
): string[] {
  const { styleHeading = same, styleLabel = same } = options
  const widths = columns.map(columnWidth)
  const headingLines = Math.max(...columns.map((column) => column.heading.length))
  const rows = Math.max(...columns.map((column) => column.cells.length))
  const line = (texts: readonly string[], labelStyle: (text: string) => string): string => {
    const padded = texts.map((text, number) => pad(text, widths[number]!, columns[number]!.align))
    const rest = padded.slice(1).map((text) => ' '.repeat(gap) + text)
    // Nothing trails: a line ends where its text ends.
    const tail = rest.join('').trimEnd()
    return ' '.repeat(indent) + labelStyle(tail === '' ? padded[0]!.trimEnd() : padded[0]!) + tail
  }
  const lines: string[] = []
  for (let number = 0; number < headingLines; number++) {
    lines.push(
      styleHeading(
        line(
          columns.map(({ heading }) => heading[number - headingLines + heading.length] ?? ''),
          same,
        ),
      ),
    )
  }
  for (let row = 0; row < rows; row++) {
    lines.push(
      line(
        columns.map(({ cells }) => cells[row] ?? ''),
        (text) => styleLabel(text, row),
      ),
    )
  }
  return lines
}

function same(text: string): string {
  return text
}

function columnWidth(column: Column): number {
  return Math.max(0, ...column.heading.map(displayWidth), ...column.cells.map(displayWidth))
}

function displayWidth(text: string): number {
  return [...text].length
}

function pad(text: string, width: number, align: 'left' | 'right'): string {
  const blank = ' '.repeat(Math.max(0, width - displayWidth(text)))
  return align === 'left' ? text + blank : blank + text
}

/** A space at which a line may be broken: not the one between a number and its unit. */
const BREAKABLE_SPACE = / (?!(?:%|[nµm]?s|min|[kMG](?:\/s)?|[KMG]iB)(?:[^\w]|$))/

/** Breaks a paragraph into lines of at most `width` characters. Longer words stay whole. */
export function wrap(text: string, width: number, indent = 0): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(BREAKABLE_SPACE)) {
    if (line !== '' && displayWidth(line) + 1 + displayWidth(word) > width - indent) {
      lines.push(' '.repeat(indent) + line)
      line = word
    } else {
      line = line === '' ? word : `${line} ${word}`
    }
  }
  if (line !== '') lines.push(' '.repeat(indent) + line)
  return lines
}
