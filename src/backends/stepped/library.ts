// What the engine does between two functions of a program, written so that these can stop: calling back, iterating,
// disposing; and what ends a thread, for scenarios with `terminate`. It is stepped as if it were a part of each
// program.

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

/**
 * A method of arrays that calls back. The results of the calls are found first, one element after the other, and the
 * engine's method (`finish`) then makes of them what it does.
 */
export function callForElements(
  array: Indexed,
  name: string,
  called: Called,
  self: unknown,
  read: ReadElement,
  finish: (elements: unknown[], results: readonly unknown[]) => unknown,
): unknown {
  const results: unknown[] = []
  const backwards = name === 'findLast' || name === 'findLastIndex'
  const finds = name.startsWith('find')
  const count = array.length
  const elements: unknown[] = []
  elements.length = count
  for (let turn = 0; turn < count; turn++) {
    const index = backwards ? count - 1 - turn : turn
    if (!finds && !(index in array)) continue
    const element = read(array, index)
    elements[index] = element
    const result = called.call(self, element, index, array)
    results[index] = result
    if ((finds || name === 'some') && result) break
    if (name === 'every' && !result) break
  }
  return finish(elements, results)
}

export function reduce(
  array: Indexed,
  backwards: boolean,
  called: Called,
  given: readonly unknown[],
  read: ReadElement,
): unknown {
  const count = array.length
  let at = 0
  const indexOf = (turn: number): number => (backwards ? count - 1 - turn : turn)
  let value = given[0]
  if (given.length === 0) {
    while (at < count && !(indexOf(at) in array)) at++
    if (at === count) throw new TypeError('Reduce of empty array with no initial value')
    value = read(array, indexOf(at++))
  }
  for (; at < count; at++) {
    const index = backwards ? count - 1 - at : at
    if (index in array) value = called.call(undefined, value, read(array, index), index, array)
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
  iterator: Iterator<unknown>
  value: unknown
  done: boolean
}

export function openCursor(iterable: unknown, native: unknown): unknown {
  if (native !== undefined) return native
  const open = (iterable as Record<symbol, Called>)[Symbol.iterator]
  if (typeof open !== 'function') throw new TypeError(`${typeof iterable} is not iterable`)
  return { iterator: open.call(iterable), value: undefined, done: false }
}

/** Returns whether there is another value. */
export function advance(cursor: Cursor): boolean {
  cursor.done = true
  const { iterator } = cursor
  const result = iterator.next()
  if (typeof result !== 'object' || result === null)
    throw new TypeError(`Iterator result ${String(result)} is not an object`)
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
  if (iterator.return === undefined || iterator.return === null) return
  let result: unknown
  try {
    result = iterator.return()
  } catch (error) {
    // Of a loop that throws, what closing throws is of no interest.
    if (isThrown) return
    throw error
  }
  if (!isThrown && (typeof result !== 'object' || result === null))
    throw new TypeError(`${String(result)} is not an object`)
}

/** What `[a, b] = iterable` takes: so many values, or (`isRest`) all. */
export function takeElements(iterable: unknown, count: number, isRest: boolean): unknown[] {
  const values: unknown[] = []
  const cursor = openCursor(iterable, undefined) as Cursor
  const most = isRest ? Infinity : count
  while (values.length < most && advance(cursor)) values.push(cursor.value)
  closeCursor(cursor, false)
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
  for (const each of matches) texts.push(String(called.apply(undefined, each as unknown[])))
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
  const open = (items as Record<symbol, unknown>)[Symbol.iterator]
  if (open === undefined || open === null) {
    const list = Object(items) as Indexed
    const count = Math.min(Math.max(Math.trunc(Number(list.length)) || 0, 0), Number.MAX_SAFE_INTEGER)
    values.length = count
    for (let index = 0; index < count; index++) values[index] = called.call(self, list[index], index)
    return values
  }
  for (const each of items as Iterable<unknown>) values.push(called.call(self, each, values.length))
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

function suppressed(reason: unknown, before: unknown): unknown {
  const { SuppressedError } = globalThis as unknown as {
    SuppressedError: new (a: unknown, b: unknown) => Error
  }
  return new SuppressedError(reason, before)
}
