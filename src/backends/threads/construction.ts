// Who may make objects of this library: its own functions. That a constructor is private only TypeScript knows; one
// that was called with places of the heap that somebody has made up would lead the kernel there.

/** What the own functions give to a constructor, and nobody else has. */
export const OWN = Symbol('faultline')
export type Own = typeof OWN

/** Throws the TypeError that constructors of a host have for callers who are to use something else. */
export function assertOwn(key: unknown, name: string, instead: string): asserts key is Own {
  if (key === OWN) return
  throw Object.assign(new TypeError(`${name}: use ${instead}`), { code: 'ERR_ILLEGAL_CONSTRUCTOR' })
}
