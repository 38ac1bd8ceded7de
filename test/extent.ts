// How much of what is random, or of what there are hundreds, a test tries: a slice in `npm test`, which is to end in
// minutes, and the whole where FAULTLINE_EXTENT is 'whole' (`npm run test:whole`, and the check:… scripts).

export const isWhole = process.env['FAULTLINE_EXTENT'] === 'whole'

/** How many: `slice` in `npm test`, `whole` in the long run. */
export function extent(slice: number, whole: number): number {
  return isWhole ? whole : slice
}
