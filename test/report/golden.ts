// Golden texts: what a command prints is an interface, so it is compared with a stored copy, character by character.
// After a wanted change: FAULTLINE_UPDATE_GOLDEN=1 npm test, and read the difference before it is committed.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'

/** Asserts that the text is the stored one of that name. */
export function assertGolden(name: string, text: string): void {
  const file = new URL(`golden/${name}`, import.meta.url)
  if (process.env['FAULTLINE_UPDATE_GOLDEN'] === '1') writeFileSync(file, text)
  assert.equal(text, readFileSync(file, 'utf8'))
}

/** Asserts that no line is wider than a terminal of that many columns, nor ends in blanks. */
export function assertFits(text: string, width: number): void {
  for (const line of text.split('\n')) {
    assert.ok([...line].length <= width, `wider than ${width}: ${line}`)
    assert.ok(!/\s$/.test(line), `ends in blanks: '${line}'`)
  }
}
