// Sizes as people write them: a number of bytes, or '256MiB'.

import { rangeError, typeError } from './arguments.ts'

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

const ALLOWED = 'a size: a whole number of bytes, or a text such as 256MiB'

/** Bytes of `size`. Throws a RangeError that names `what` when it is not a size, a TypeError for another type. */
export function parseSize(size: string | number, what: string): number {
  if (typeof size !== 'number' && typeof size !== 'string') typeError(what, size, ALLOWED)
  if (typeof size === 'number') {
    if (!Number.isSafeInteger(size) || size < 0) rangeError(what, size, ALLOWED)
    return size
  }
  const match = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/.exec(size.trim())
  const name = match?.[2] ?? ''
  const unit = match !== null && Object.hasOwn(units, name) ? units[name] : undefined
  if (match === null || unit === undefined) rangeError(what, size, ALLOWED)
  return Math.ceil(Number(match[1]) * unit)
}
