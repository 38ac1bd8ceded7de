// What a stepped program has of `node:crypto` where it draws random numbers: those of its threads, see clock.ts.

import native from 'node:crypto'
import { host } from './host.ts'

// What stands here comes before what is there.
export * from 'node:crypto'

const { webcrypto } = native
/** Bytes that the engine gives at a time. */
const BYTES_MAX = 65_536

export function randomUUID(options?: native.RandomUUIDOptions): string {
  native.randomUUID(options)
  return webcrypto.randomUUID()
}

export function randomBytes(size: number, ...called: (() => void)[]): Buffer {
  if (called.length > 0) host.refuseLater(native.randomBytes as never, called)
  // The engine says what it does not take.
  const bytes = native.randomBytes(size)
  for (let at = 0; at < size; at += BYTES_MAX) webcrypto.getRandomValues(bytes.subarray(at, at + BYTES_MAX))
  return bytes
}

export function randomInt(...given: [max: number] | [min: number, max: number]): number {
  const called = given.filter((each) => typeof each === 'function')
  if (called.length > 0) host.refuseLater(native.randomInt as never, called)
  native.randomInt(...(given as [number, number]))
  const [from, to] = given.length === 1 ? [0, given[0]] : given
  return from + Math.floor(Math.random() * (to - from))
}

export default { ...native, randomUUID, randomBytes, randomInt } as object
