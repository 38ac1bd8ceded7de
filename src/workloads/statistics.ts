// Medians and spreads of repeated measurements.
//
// Principle: a repeated measurement is reported as its median with the lowest and highest value seen. Means
// hide the one run that a neighbour on the machine disturbed; three to ten repetitions are too few for
// anything finer.

export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

/** The median: the middle value, or the mean of the two middle ones. Throws RangeError on an empty list. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('the median of no values is undefined')
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle]!
  return sorted.length % 2 === 1 ? upper : (sorted[middle - 1]! + upper) / 2
}

/** Median, lowest and highest. Throws RangeError on an empty list. */
export function spread(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) }
}

/** Whether two measurements cannot be told apart: the ranges of their repetitions overlap. */
export function overlaps(a: Spread, b: Spread): boolean {
  return a.min <= b.max && b.min <= a.max
}
