// Only functions of this library may make its objects. That a constructor is private only TypeScript knows; a program
// that called one with made-up places of the heap would lead the kernel there.

import { markAsUncloneable } from 'node:worker_threads'

/** What the own functions give to a constructor, and nobody else has. */
export const OWN = Symbol('faultline')
export type Own = typeof OWN

/** Throws the TypeError that constructors of a host have for callers who are to use something else. */
export function assertOwn(key: unknown, name: string, instead: string): asserts key is Own {
  if (key === OWN) return
  throw Object.assign(new TypeError(`${name}: use ${instead}`), { code: 'ERR_ILLEGAL_CONSTRUCTOR' })
}

/**
 * An object of one thread: what the runtime would make of it for another, in `workerData` or a message, has none of its
 * methods. Where the runtime can refuse that (Node), it does.
 */
export function keepInThread(object: object): void {
  markAsUncloneable?.(object)
}
