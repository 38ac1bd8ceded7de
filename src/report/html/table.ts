// Tables and the bars in them. A bar repeats what the cells beside it say, so that a screen reader passes over it.
import { markup, type Markup, type Piece } from './markup.ts'

export interface HtmlColumn {
  readonly heading: string
  /** Numbers stand on the right. */
  readonly isNumber?: boolean
}

/**
 * A table with a caption; the first cell of each row is its heading.
 * @param isProse whether cells have sentences: in a narrow window they are below each other, with their headings
 */
export function table(
  caption: string,
  columns: readonly HtmlColumn[],
  rows: readonly (readonly Piece[])[],
  isProse = false,
): Markup {
  const cell = (piece: Piece, column: number): Markup => {
    const { heading, isNumber } = columns[column]!
    const name = isNumber === true ? 'n' : 't'
    if (column === 0 && name === 'n') return markup`<th scope="row" class="n">${piece}</th>`
    if (column === 0) return markup`<th scope="row">${piece}</th>`
    if (isProse) return markup`<td class="${name}" data-of="${heading}">${piece}</td>`
    return markup`<td class="${name}">${piece}</td>`
  }
  // What is wider than the window is scrolled, by keyboard too.
  return markup`<div class="${isProse ? 'wide prose' : 'wide'}" tabindex="0" role="group" aria-label="${caption}">
    <table>
      <caption>
        ${caption}
      </caption>
      <thead>
        <tr>
          ${columns.map(headingCell)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row) =>
            markup`<tr>
              ${row.map(cell)}
            </tr> `,
        )}
      </tbody>
    </table>
  </div>`
}

/** Bars have no heading: they repeat what other columns say. */
function headingCell({ heading, isNumber }: HtmlColumn): Markup {
  if (heading === '') return markup`<td></td>`
  return markup`<th scope="col" class="${isNumber === true ? 'n' : 't'}">${heading}</th>`
}

/** A part of a bar. */
export interface BarPart {
  /** Of the whole width, 0..1. */
  readonly share: number
  /** Names its colour. */
  readonly colour: 'wait' | 'write' | 'read' | 'plain'
}

/** Parts beside each other, and over them the range that the value has in several runs. */
export function bar(
  parts: readonly BarPart[],
  range?: { readonly from: number; readonly to: number },
): Markup {
  let at = 0
  const rectangles = parts.map(({ share, colour }) => {
    const x = at
    at += share
    return markup`<rect class="c-${colour}" x="${percent(x)}" y="2" width="${percent(share)}" height="12" />`
  })
  const whisker =
    range === undefined || range.to <= range.from
      ? null
      : markup`<rect
          class="whisker"
          x="${percent(range.from)}"
          y="7"
          width="${percent(range.to - range.from)}"
          height="2"
        />`
  return markup`<svg class="bar" aria-hidden="true" width="100%" height="16">${rectangles}${whisker}</svg>`
}

/** What a colour of bars means. */
export function colourKey(colour: BarPart['colour'], text: string): Markup {
  return markup`<span
    ><svg aria-hidden="true" width="12" height="12"><rect class="c-${colour}" width="12" height="12" /></svg>
    ${text}</span
  >`
}

/** A share, 0..1, as a length of SVG. */
export function percent(share: number): string {
  return `${Number((Math.min(1, Math.max(0, Number.isFinite(share) ? share : 0)) * 100).toFixed(3))}%`
}
