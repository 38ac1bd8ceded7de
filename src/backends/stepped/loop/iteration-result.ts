// What iterators give.

export interface Result {
  readonly done?: boolean
  readonly value?: unknown
}

export function isObject(value: unknown): value is Result {
  return (typeof value === 'object' && value !== null) || typeof value === 'function'
}
