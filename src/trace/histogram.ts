// How long waits took, to three significant digits: what `createHistogram` of node:perf_hooks tells, wherever it runs.
//
// Values are counted in buckets as in HdrHistogram (G. Tene): up to 2,047 each by itself, then 1,024 to a power of two.

/** Values below this have counts of their own. */
const EXACT = 2048

export class Histogram {
  readonly #counts = new Map<number, number>()
  #total = 0

  /** @param value a whole number from 1 to 2^53 - 1 */
  record(value: number): void {
    const bucket = bucketOf(value)
    this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + 1)
    this.#total++
  }

  /**
   * The highest value that cannot be told from the one below which `percentile` of a hundred are.
   *
   * @param percentile above 0, up to 100
   */
  percentile(percentile: number): number {
    if (this.#total === 0) return 0
    const wanted = Math.max(1, Math.floor((percentile / 100) * this.#total + 0.5))
    let seen = 0
    for (const bucket of [...this.#counts.keys()].sort((one, other) => one - other)) {
      seen += this.#counts.get(bucket)!
      if (seen >= wanted) return highestOf(bucket)
    }
    throw new Error('a histogram has counted more than it holds')
  }
}

/** The power of two that the values of a bucket have in common: 1 below 2,048. */
function unitOf(value: number): number {
  let unit = 1
  while (value >= EXACT * unit) unit *= 2
  return unit
}

/** The lowest value of the bucket of `value`. */
function bucketOf(value: number): number {
  const unit = unitOf(value)
  return Math.floor(value / unit) * unit
}

function highestOf(bucket: number): number {
  return bucket + unitOf(bucket) - 1
}
