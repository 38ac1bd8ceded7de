// How a program goes through what is iterable: by loops, patterns and spreading. What the engine iterates cannot stop;
// where functions of the program can, the library does it: see library.ts.

import { isFresh } from './owned.ts'
import { library, state } from './runtime.ts'

type Method = (this: unknown, ...args: readonly unknown[]) => unknown
type Objects = Record<PropertyKey, unknown>

/** Where a loop is in what it goes through. */
class Cursor {
  value: unknown = undefined
  done = false
  hasFailed = false
  readonly array: readonly unknown[] | null
  readonly iterator: Iterator<unknown> | null
  readonly next: Method | null
  index = 0

  constructor(array: readonly unknown[] | null, iterator: Iterator<unknown> | null) {
    this.array = array
    this.iterator = iterator
    this.next = iterator === null ? null : (iterator.next as Method)
  }
}

export const arrayValues = Array.prototype[Symbol.iterator]

export function cursor(iterable: unknown): Cursor {
  if (Array.isArray(iterable) && iterable[Symbol.iterator] === arrayValues) return new Cursor(iterable, null)
  const open = (iterable as Partial<Record<symbol, Method>> | null | undefined)?.[Symbol.iterator]
  if (typeof open !== 'function') throw new TypeError(`${inWords(iterable)} is not iterable`)
  const iterator = Reflect.apply(open, iterable, [])
  if (isPrimitive(iterator)) throw new TypeError('Result of the Symbol.iterator method is not an object')
  // It goes on for whoever else has it.
  if (!isFresh(open)) state.changes++
  return new Cursor(null, iterator as Iterator<unknown>)
}

/** As the engine names it in a message, without calling anything of it. */
function inWords(value: unknown): string {
  return isPrimitive(value) ? String(value) : typeof value
}

export function isPrimitive(value: unknown): boolean {
  return (typeof value !== 'object' || value === null) && typeof value !== 'function'
}

/** Goes to the next value. Returns whether there is one. */
export function step(at: Cursor): boolean {
  const { array } = at
  if (array !== null) {
    if (at.index >= array.length) {
      at.done = true
      return false
    }
    at.value = array[at.index++]
    return true
  }
  at.done = true
  const result = Reflect.apply(at.next!, at.iterator, []) as IteratorResult<unknown>
  if (isPrimitive(result)) throw new TypeError(`Iterator result ${String(result)} is not an object`)
  if (result.done) return false
  at.value = result.value
  at.done = false
  return true
}

/** The body of a loop has thrown: what closing the iterator throws is of no interest. */
export function failed(at: Cursor): void {
  at.hasFailed = true
}

/** The loop is left. */
export function close(at: Cursor): void {
  if (at.done || !at.iterator) return
  at.done = true
  try {
    const method = at.iterator.return as Method | null | undefined
    if (method === undefined || method === null) return
    const result = Reflect.apply(method, at.iterator, [])
    if (isPrimitive(result)) throw new TypeError(`${String(result)} is not an object`)
  } catch (error) {
    if (!at.hasFailed) throw error
  }
}

const { [Symbol.iterator]: stringValues } = String.prototype
const { entries: mapEntries } = Map.prototype
const { values: setValues } = Set.prototype

/** Those of the engine cannot stop. */
export function nativeCursor(iterable: unknown): Cursor | undefined {
  const isHolder = Array.isArray(iterable) || iterable instanceof Map || iterable instanceof Set
  if (!isHolder && typeof iterable !== 'string') return undefined
  const open: unknown = (iterable as unknown as Objects)[Symbol.iterator]
  const isNative = open === arrayValues || open === mapEntries || open === setValues || open === stringValues
  return isNative ? cursor(iterable) : undefined
}

export function openCursor(iterable: unknown): unknown {
  return library().openCursor(iterable, nativeCursor(iterable))
}

export function advance(at: Cursor | object): unknown {
  return at instanceof Cursor ? step(at) : library().advance(at)
}

export function closeCursor(at: Cursor | object, isThrown: boolean): unknown {
  if (!(at instanceof Cursor)) return library().closeCursor(at, isThrown)
  at.hasFailed = isThrown
  close(at)
  return undefined
}

/** Goes through what the engine goes through, and through nothing else. */
function isOfEngine(iterable: unknown): boolean {
  if (iterable === null || iterable === undefined || ArrayBuffer.isView(iterable)) return true
  if (Array.isArray(iterable)) return iterable[Symbol.iterator] === arrayValues
  return typeof (iterable as Objects)[Symbol.iterator] !== 'function' || nativeCursor(iterable) !== undefined
}

/** The next value that a pattern takes: undefined where there is none. */
export function takeNext(at: Cursor | object): unknown {
  if (!(at instanceof Cursor)) return library().takeNext(at)
  return !at.done && step(at) ? at.value : undefined
}

/** A pattern passes over a value. */
export function skipNext(at: Cursor | object): unknown {
  if (!(at instanceof Cursor)) return library().skipNext(at)
  if (!at.done) step(at)
  return undefined
}

/** All that is left of what a pattern takes from. */
export function takeRest(at: Cursor | object): unknown {
  if (!(at instanceof Cursor)) return library().takeRest(at)
  const values: unknown[] = []
  while (!at.done && step(at)) values.push(at.value)
  return values
}

/** What a constructor such as that of sets goes through. */
export function listOf(iterable: unknown): unknown {
  return isOfEngine(iterable) ? iterable : library().spread(iterable, undefined)
}

export function spread(iterable: unknown): unknown {
  const isNative = Array.isArray(iterable) && iterable[Symbol.iterator] === arrayValues
  return library().spread(iterable, isNative ? [...(iterable as unknown[])] : undefined)
}

/** What `for … in` goes through. */
export function keysOf(object: unknown): string[] {
  const keys: string[] = []
  // eslint-disable-next-line no-restricted-syntax -- what is inherited is meant too
  for (const key in object as object) keys.push(key)
  return keys
}

export function hasKey(object: unknown, key: string): boolean {
  return key in Object(object)
}
