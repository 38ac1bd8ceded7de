// What the engine does between two functions of a program, written so that these can stop: calling back, iterating,
// disposing; and what ends a thread, for scenarios with `terminate`. It is stepped as if it were a part of each
// program.

import { suppressed } from './suppressed.ts'

export { mergeSort, timsort } from './library-sort.ts'

/** For endThread(): 0, or one more than the thread that was ended. */
export function newEnding(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(4))
}

/** Ends a thread, at whatever step it is, unless one was ended before. `told` hears of it unless it had finished. */
export function endThread(ending: Int32Array, id: number, told: () => void): void {
  if (Atomics.compareExchange(ending, 0, 0, id + 1) === 0 && Atomics.stopThread(ending, id)) told()
}

type Called = (this: unknown, ...args: readonly unknown[]) => unknown
type Indexed = ArrayLike<unknown> & Record<PropertyKey, unknown>
/** Reads an element where it is to be seen. */
type ReadElement = (array: Indexed, index: number) => unknown

/** What the runtime does for callForElements(). */
interface Making {
  /** A new array like one, for so many elements. */
  readonly like: (array: Indexed, count: number) => object
  readonly put: (target: object, index: number, value: unknown) => void
  /** Of a typed array, what the engine's method makes of the results of the calls. */
  readonly finish: ((elements: unknown[], results: readonly unknown[]) => unknown) | null
}

/** A method of arrays that calls back, for one element after the other (ECMAScript 2025, 23.1.3 and 23.2.3). */
export function callForElements(
  array: Indexed,
  count: number,
  name: string,
  called: Called,
  self: unknown,
  read: ReadElement,
  { like, put, finish }: Making,
): unknown {
  const isBackwards = name === 'findLast' || name === 'findLastIndex'
  const finds = name.startsWith('find')
  const elements: unknown[] = []
  const results: unknown[] = []
  const makes = finish === null && /^(map|filter|flatMap)$/.test(name)
  const target = makes ? like(array, name === 'map' ? count : 0) : null
  let length = 0
  for (let turn = 0; turn < count; turn++) {
    const index = isBackwards ? count - 1 - turn : turn
    if (!finds && finish === null && !(index in array)) continue
    const element = read(array, index)
    const result = called.call(self, element, index, array)
    if (finds && result) return name.endsWith('Index') ? index : element
    if (name === 'some' && result) return true
    if (name === 'every' && !result) return false
    if (finish !== null) {
      elements.push(element)
      results.push(result)
    } else if (name === 'map') put(target!, index, result)
    else if (name === 'filter') {
      if (result) put(target!, length++, element)
    } else if (name === 'flatMap') {
      if (!Array.isArray(result)) put(target!, length++, result)
      else for (let at = 0; at < result.length; at++) if (at in result) put(target!, length++, result[at])
    }
  }
  if (target !== null) return target
  if (finish !== null && (name === 'map' || name === 'filter')) return finish(elements, results)
  if (name === 'some' || name === 'every') return name === 'every'
  return finds && name.endsWith('Index') ? -1 : undefined
}

export function reduce(
  array: Indexed,
  count: number,
  backwards: boolean,
  called: Called,
  given: readonly unknown[],
  read: ReadElement,
): unknown {
  let at = 0
  const indexOf = (turn: number): number => (backwards ? count - 1 - turn : turn)
  // Of a typed array, an element that is not there any more is undefined.
  const has = (index: number): boolean => ArrayBuffer.isView(array) || index in array
  let value = given[0]
  if (given.length === 0) {
    while (at < count && !has(indexOf(at))) at++
    if (at === count) throw new TypeError('Reduce of empty array with no initial value')
    value = read(array, indexOf(at++))
  }
  for (; at < count; at++) {
    const index = backwards ? count - 1 - at : at
    if (has(index)) value = called.call(undefined, value, read(array, index), index, array)
  }
  return value
}

/** `forEach` of maps and sets. */
export function callForEntries(
  holder: unknown,
  entries: Iterator<readonly [unknown, unknown]>,
  called: Called,
  self: unknown,
): void {
  for (let next = entries.next(); next.done !== true; next = entries.next())
    called.call(self, next.value[1], next.value[0], holder)
}

/** An iterator of the program, and its value. */
interface Cursor {
  readonly iterator: Iterator<unknown>
  readonly next: Called
  value: unknown
  done: boolean
}

function isObject(value: unknown): boolean {
  return (typeof value === 'object' && value !== null) || typeof value === 'function'
}

export function openCursor(iterable: unknown, native: unknown): unknown {
  if (native !== undefined) return native
  const open = (iterable as Record<symbol, Called>)[Symbol.iterator]
  if (typeof open !== 'function') throw new TypeError(`${typeof iterable} is not iterable`)
  return cursorOf(open.call(iterable))
}

function cursorOf(iterator: unknown): Cursor {
  if (!isObject(iterator)) throw new TypeError('Result of the Symbol.iterator method is not an object')
  const { next } = iterator as Record<string, Called>
  return { iterator: iterator as Iterator<unknown>, next: next!, value: undefined, done: false }
}

/** Returns whether there is another value. */
export function advance(cursor: Cursor): boolean {
  cursor.done = true
  const { iterator, next } = cursor
  const result = next.call(iterator) as IteratorResult<unknown>
  if (!isObject(result)) throw new TypeError(`Iterator result ${String(result)} is not an object`)
  if (result.done) return false
  cursor.value = result.value
  cursor.done = false
  return true
}

/** A loop, or a pattern, that takes no more of it: `isThrown` if it throws. */
export function closeCursor(cursor: Cursor, isThrown: boolean): void {
  if (cursor.done) return
  cursor.done = true
  const { iterator } = cursor
  let result: unknown
  try {
    const method = iterator.return as Called | null | undefined
    if (method === undefined || method === null) return
    result = method.call(iterator)
  } catch (error) {
    // Of a loop that throws, what closing throws is of no interest.
    if (isThrown) return
    throw error
  }
  if (!isThrown && !isObject(result)) throw new TypeError(`${String(result)} is not an object`)
}

/** The next value that a pattern takes. */
export function takeNext(cursor: Cursor): unknown {
  if (cursor.done) return undefined
  return advance(cursor) ? cursor.value : undefined
}

/** A pattern passes over a value, which nobody asks for. */
export function skipNext(cursor: Cursor): void {
  if (cursor.done) return
  cursor.done = true
  const { iterator, next } = cursor
  const result = next.call(iterator) as IteratorResult<unknown>
  if (!isObject(result)) throw new TypeError(`Iterator result ${String(result)} is not an object`)
  cursor.done = Boolean(result.done)
}

/** All that is left of what a pattern takes from. */
export function takeRest(cursor: Cursor): unknown[] {
  const values: unknown[] = []
  while (!cursor.done && advance(cursor)) values.push(cursor.value)
  return values
}

/** `Object.groupBy` and `Map.groupBy`: the keys, of which the engine makes groups. */
export function groupKeys(items: Iterable<unknown>, called: Called): { items: unknown[]; keys: unknown[] } {
  const all: unknown[] = []
  const keys: unknown[] = []
  for (const each of items) {
    keys.push(called.call(undefined, each, all.length))
    all.push(each)
  }
  return { items: all, keys }
}

/** What `replace` puts in the place of each match: all are found before the first call. */
export function callForMatches(called: Called, matches: readonly (readonly unknown[])[]): string[] {
  const texts: string[] = []
  for (const each of matches) texts.push(`${called.apply(undefined, each as unknown[])}`)
  return texts
}

export function spread(iterable: unknown, native: unknown): unknown {
  if (native !== undefined) return native
  const values: unknown[] = []
  const cursor = openCursor(iterable, undefined) as Cursor
  while (advance(cursor)) values.push(cursor.value)
  return values
}

/** `Array.from(items, called, self)`. */
export function arrayFrom(items: unknown, called: Called, self: unknown): unknown {
  const values: unknown[] = []
  const open = (items as Record<symbol, Called | null | undefined>)[Symbol.iterator]
  if (open === undefined || open === null) {
    const list = Object(items) as Indexed
    const count = Math.min(Math.max(Math.trunc(Number(list.length)) || 0, 0), Number.MAX_SAFE_INTEGER)
    values.length = count
    for (let index = 0; index < count; index++) values[index] = called.call(self, list[index], index)
    return values
  }
  const cursor = cursorOf(open.call(items))
  while (advance(cursor)) {
    try {
      values.push(called.call(self, cursor.value, values.length))
    } catch (error) {
      closeCursor(cursor, true)
      throw error
    }
  }
  return values
}

/** Disposes of what `using` holds, the last first. Returns what is to be thrown, if something is. */
export function dispose(
  held: { value: unknown; method: Called }[],
  isThrown: boolean,
  error: unknown,
): unknown {
  let thrown = isThrown
  let what = error
  while (held.length > 0) {
    const { value, method } = held.pop()!
    try {
      method.call(value)
    } catch (reason) {
      what = thrown ? suppressed(reason, what) : reason
      thrown = true
    }
  }
  if (thrown && !isThrown) throw what
  return what
}
