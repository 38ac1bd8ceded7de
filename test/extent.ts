// How much of what is random, or of what there are hundreds, a test tries: a slice in `npm test`, which is to end in
// minutes, and the whole where FAULTLINE_EXTENT is 'whole' (`npm run test:whole`, and the check:… scripts).

import { test } from 'node:test'

export const isWhole = process.env['FAULTLINE_EXTENT'] === 'whole'

/** How many: `slice` in `npm test`, `whole` in the long run. */
export function extent(slice: number, whole: number): number {
  return isWhole ? whole : slice
}

/** Whether number `index` is in the half of turn `turn`: one of two in `npm test`, and all in the whole. */
export function isTurn(index: number, turn: number): boolean {
  return isWhole || ((index + turn) & 1) === 0
}

/**
 * What defines the tests of row `row` of a matrix, such as those of one design: every second in `npm test`, and the
 * others in the next row, so that every row and every column is met.
 */
export function everySecond(row: number): (name: string, body: () => Promise<void>) => void {
  let column = 0
  return (name, body) => {
    if (isTurn(column++, row)) void test(name, body)
  }
}
