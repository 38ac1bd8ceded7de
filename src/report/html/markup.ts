// HTML that cannot be injected into: every value put into a template is escaped, unless it is markup itself.
//
// Principle: names in a recording belong to whoever ran the program. They are text and nothing else: no control
// character, no mark that turns the direction of what follows, no half of a surrogate pair reaches the page.
import { printable } from '../printable.ts'

/** HTML made by `markup` or `raw`. */
export class Markup {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

export type Piece = string | number | Markup | null | readonly Piece[]

/** A template of HTML. Values go into text or into attributes in double quotes, nowhere else. */
export function markup(strings: TemplateStringsArray, ...pieces: readonly Piece[]): Markup {
  return new Markup(
    strings.map((text, index) => (index === 0 ? text : textOf(pieces[index - 1]!) + text)).join(''),
  )
}

function textOf(piece: Piece): string {
  if (piece === null) return ''
  if (piece instanceof Markup) return piece.text
  if (typeof piece === 'object') return piece.map(textOf).join('')
  return escapeText(String(piece))
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Text as it stands in HTML, in content or in an attribute in quotes. */
export function escapeText(text: string): string {
  return printable(text.toWellFormed()).replaceAll(/[&<>"']/g, (character) => ENTITIES[character]!)
}

/** JSON as it stands in a script element: nothing in it ends the element or a line of JavaScript. */
export function jsonForScript(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) =>
    typeof each === 'string' ? printable(each.toWellFormed()) : each,
  )
    .replaceAll('<', '\\u003c')
    .replaceAll('>', '\\u003e')
    .replaceAll('&', '\\u0026')
    .replaceAll('\u2028', '\\u2028')
    .replaceAll('\u2029', '\\u2029')
}
