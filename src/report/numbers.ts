// Numbers as people read them: three significant digits, a space before the unit.
//
// Principle: pure functions of a number; the same number always prints the same, whatever the locale of the
// machine.

/** A whole number with thousands separators: 44,472. */
export function formatCount(value: number): string {
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ',')
}

const HOUR = 3600e9
const DAY = 24 * HOUR
const YEAR = 365.25 * DAY

/** A duration given in nanoseconds: 450 ns, 1.23 µs, 12.3 ms, 4.56 s, 12.3 min, 12.3 h, 12.3 days, 12.3 years. */
export function formatDuration(nanoseconds: number): string {
  if (nanoseconds > 1000 * YEAR) return 'more than 1,000 years'
  // From how long on each unit is used, and how long it is.
  const units: readonly (readonly [number, number, string])[] = [
    [3 * YEAR, YEAR, 'years'],
    [3 * DAY, DAY, 'days'],
    [10 * HOUR, HOUR, 'h'],
    [600e9, 60e9, 'min'],
    [1e9, 1e9, 's'],
    [1e6, 1e6, 'ms'],
    [1e3, 1e3, 'µs'],
  ]
  for (const [least, size, unit] of units) {
    // What rounds up to the next unit is printed in it: 999.6 µs is 1.00 ms.
    if (nanoseconds >= least * 0.9995) return `${threeDigits(nanoseconds / size)} ${unit}`
  }
  return `${Math.round(nanoseconds)} ns`
}

/** A large quantity with a decimal prefix: 950, 12.3 k, 1.23 M, 4.56 G. */
export function formatQuantity(value: number): string {
  const prefixes: readonly (readonly [number, string])[] = [
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
  ]
  for (const [size, prefix] of prefixes) {
    if (value >= size * 0.9995) return `${threeDigits(value / size)} ${prefix}`
  }
  return value >= 100 || Number.isInteger(value) ? String(Math.round(value)) : threeDigits(value)
}

/** How many there may be, by an estimate: about 12.3 M; nobody tells those beyond 10¹² apart. */
export function formatEstimate(value: number): string {
  return value > 1e12 ? 'more than 10¹²' : `about ${formatQuantity(value)}`
}

/** A rate per second: 1.23 M/s, 950 /s. */
export function formatRate(perSecond: number): string {
  const quantity = formatQuantity(perSecond)
  return /[a-zA-Z]$/.test(quantity) ? `${quantity}/s` : `${quantity} /s`
}

/** A share given as 0..1, in percent: 12.3 %. What is not zero never prints as zero. */
export function formatShare(share: number): string {
  if (share === 0) return '0 %'
  const percent = share * 100
  if (percent < 0.01) return '<0.01 %'
  if (percent < 1) return `${percent.toFixed(2)} %`
  // What is not all never prints as all.
  if (share < 1 && percent >= 99.5) return percent >= 99.995 ? '>99.99 %' : `${percent.toFixed(2)} %`
  return `${percent.toFixed(percent < 100 ? 1 : 0)} %`
}

/** Bytes with a binary prefix: 128 MiB. */
export function formatBytes(bytes: number): string {
  const prefixes: readonly (readonly [number, string])[] = [
    [2 ** 30, 'GiB'],
    [2 ** 20, 'MiB'],
    [2 ** 10, 'KiB'],
  ]
  for (const [size, prefix] of prefixes) {
    if (bytes >= size) return `${Number((bytes / size).toFixed(2))} ${prefix}`
  }
  return `${bytes} B`
}

/** A factor: 3.61×. */
export function formatFactor(factor: number): string {
  return `${threeDigits(factor)}×`
}

/** Two values of one unit as a range: 2.38–2.44 M/s. */
export function formatRange(low: number, high: number, format: (value: number) => string): string {
  const from = format(low)
  const to = format(high)
  const [, fromNumber, fromUnit] = /^(\S+)(.*)$/.exec(from)!
  const [, toNumber, toUnit] = /^(\S+)(.*)$/.exec(to)!
  return fromUnit === toUnit ? `${fromNumber}–${toNumber}${toUnit}` : `${from} – ${to}`
}

/** Two large quantities with the prefix of the greater: 0.95–1.20 M. */
export function formatQuantityRange(low: number, high: number): string {
  const [, , prefix = ''] = /^(\S+) ?(\S*)$/.exec(formatQuantity(high))!
  const size = { '': 1, k: 1e3, M: 1e6, G: 1e9 }[prefix]!
  return formatRange(low, high, (value) => `${threeDigits(value / size)} ${prefix}`.trimEnd())
}

/** "1 thread", "2 threads". */
export function plural(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`
}

function threeDigits(value: number): string {
  if (value >= 99.95) return Math.round(value).toString()
  return value.toFixed(value >= 9.995 ? 1 : 2)
}
