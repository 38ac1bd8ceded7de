// Sizes as people write them: a number of bytes, or '256MiB'.

const units: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  K: 2 ** 10,
  KiB: 2 ** 10,
  M: 2 ** 20,
  MiB: 2 ** 20,
  G: 2 ** 30,
  GiB: 2 ** 30,
}

/** Bytes of `size`. Throws a RangeError that names `what` when it is not a size. */
export function parseSize(size: string | number, what: string): number {
  if (typeof size !== 'number' && typeof size !== 'string')
    throw new RangeError(`${what}: give a size such as 256MiB`)
  if (typeof size === 'number') {
    if (Number.isSafeInteger(size) && size >= 0) return size
    throw new RangeError(`${what}: ${size} is not a whole number of bytes`)
  }
  const match = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/.exec(size.trim())
  const unit = match === null ? undefined : units[match[2] ?? '']
  if (match === null || unit === undefined)
    throw new RangeError(`${what}: '${size}' is not a size such as 256MiB`)
  return Math.ceil(Number(match[1]) * unit)
}
