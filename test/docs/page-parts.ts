// Parts of a page of docs/ that are made from the source: held to it, or written with FAULTLINE_UPDATE_GOLDEN=1.

import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'

const updating = process.env['FAULTLINE_UPDATE_GOLDEN'] === '1'

export interface Page {
  readonly file: URL
  readonly text: string
}

export function pageOf(name: string): Page {
  const file = new URL(`../../docs/${name}`, import.meta.url)
  return { file, text: readFileSync(file, 'utf8') }
}

/** The part of the page that `pattern` finds is `expected`. `plain` leaves out what makes no difference. */
export function assertPart(
  { file, text }: Page,
  pattern: RegExp,
  expected: string,
  plain = (part: string): string => part,
): void {
  const found = pattern.exec(text)
  assert.ok(found, `${file.pathname} has nothing of the form ${String(pattern)}`)
  if (updating && plain(found[0]) !== plain(expected)) {
    writeFileSync(file, text.slice(0, found.index) + expected + text.slice(found.index + found[0].length))
  } else assert.equal(plain(found[0]), plain(expected))
}

export function tableOf(
  headings: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): string {
  return [headings, headings.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |\n`).join('')
}
