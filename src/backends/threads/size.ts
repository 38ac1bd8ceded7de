// Sizes as people write them: a number of bytes, or '256MiB'. What is given its size (a machine, a swap area, a file, a
// heap, a limit, a mapping) and each call on a part of the layout takes both. Addresses, offsets, blocks of a heap and
// the length of what is read or written are numbers.

import { PAGE_SIZE } from '../../kernel/index.ts'
import { checkBytes, rangeError, typeError } from './arguments.ts'

/** A number of bytes, or a text such as '256MiB'. */
export type Size = number | string

const units: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  K: 2 ** 10,
  KiB: 2 ** 10,
  M: 2 ** 20,
  MiB: 2 ** 20,
  G: 2 ** 30,
  GiB: 2 ** 30,
  T: 2 ** 40,
  TiB: 2 ** 40,
}

const ALLOWED = 'a size: a whole number of bytes, or a text such as 256MiB'

/** Bytes of `size`. Throws a RangeError that names `what` when it is not a size, a TypeError for another type. */
export function parseSize(size: Size, what: string): number {
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

/** Bytes of a size, as far as a call can be asked for it. Throws as {@link parseSize}. */
export function bytesOf(size: unknown, what: string): number {
  if (typeof size === 'string') return parseSize(size, what)
  checkBytes(size, what)
  return size
}

/** The same of a limit, which may be Infinity for none. */
export function bytesOfLimit(size: unknown, what: string): number {
  const bytes = typeof size === 'string' ? parseSize(size, what) : size
  const allowed = 'a size, nor Infinity'
  if (typeof bytes !== 'number') typeError(what, bytes, allowed)
  if (bytes !== Infinity && !(Number.isSafeInteger(bytes) && bytes >= 0)) rangeError(what, bytes, allowed)
  return bytes
}

/** A size as the kernel has it: whole pages, and the bytes in the last of them. */
export function sizeInPages(bytes: number): [pages: number, lastBytes: number] {
  const pages = Math.ceil(bytes / PAGE_SIZE)
  return [pages, pages === 0 ? 0 : bytes - (pages - 1) * PAGE_SIZE]
}
