// Reading and writing elements without `Atomics`, one or many. What is not shared is not noted.

import { memory, type View } from './memory.ts'
import { bulkMethods } from './names.ts'
import { walked } from './owned.ts'
import { current, forbidden, refused, scheduler, siteHere, state, tracer, watching } from './running.ts'
import { SHARED, TRACKED } from './tags.ts'
import type { Watched } from './thread.ts'

export function checkForbidden(cell: number, site: number): void {
  if (forbidden!.marks[cell >> 4] !== 0) forbidden!.touched(current.id, cell, site)
}

/** The number of the element that a key means, which may be a name, a symbol or no element at all: then -1. */
function elementAt(array: Watched, key: unknown): number {
  if (typeof key === 'symbol') return -1
  const number = Number(key)
  if (!(number >= 0 && number < array.length) || !Number.isInteger(number)) return -1
  return typeof key === 'number' || String(number) === String(key) ? number : -1
}

export function read(array: Watched, index: number, site: number): number {
  if (forbidden !== null) checkForbidden(array[SHARED]!.firstCell + index, site)
  const value = array[index]!
  if (!watching && tracer === null) return value
  const at = elementAt(array, index)
  if (at < 0) return value
  if (watching) {
    const view = array[SHARED]!
    scheduler!.plainRead(current.id, view.firstCell + at * view.cellsPerElement, view.cellsPerElement, site)
  }
  if (tracer !== null) tracer.access(current, array, at, value, false, site)
  return value
}

export function write(array: Watched, key: number, value: number, site: number): number {
  const view = array[TRACKED]!
  const isFast = typeof key === 'number' && key >= 0 && key < view.length && (key | 0) === key
  const index = isFast ? key : elementAt(array, key)
  if (index < 0) return writeNone(array, key, value)
  if (forbidden !== null && view.shared) checkForbidden(view.firstCell + index, site)
  view.touch(index)
  state.changes++
  if (view.shared) {
    current.sharedChanges++
    noteWrite(view, index, 1, site)
  }
  array[index] = value
  if (tracer !== null && view.shared) tracer.access(current, array, index, array[index], true, site)
  return value
}

/** What the key means is no element. */
function writeNone(array: Watched, key: number, value: number): number {
  state.changes++
  array[key] = value
  return value
}

function noteWrite(view: View, index: number, length: number, site: number): void {
  if (watching) {
    scheduler!.plainWrite(
      current.id,
      view.firstCell + index * view.cellsPerElement,
      length * view.cellsPerElement,
      site,
    )
  }
  current.reads = 0
  current.epoch++
}

/** `a[i]++`: returns what was there. */
export function update(array: Watched, index: number, delta: number, site: number): number {
  const before = array[SHARED] === undefined ? array[index]! : read(array, index, site)
  write(array, index, plus(before, delta), site)
  return before
}

/** `++a[i]`: returns what is there now, before it is cut to the size of the element. */
export function updated(array: Watched, index: number, delta: number, site: number): number {
  const before = array[SHARED] === undefined ? array[index]! : read(array, index, site)
  return write(array, index, plus(before, delta), site)
}

function plus(value: number | bigint, delta: number): number {
  return (typeof value === 'bigint' ? value + BigInt(delta) : value + delta) as number
}

/** A method of a typed array that reads or writes many elements: `method`, if it is not what the array has. */
export function bulk(
  array: Watched,
  name: string,
  site: number,
  args: readonly unknown[],
  method?: Method,
): unknown {
  const view = array[TRACKED]!
  const { length } = view
  const [first, second, third] = args as [unknown, number | undefined, number | undefined]
  switch (name) {
    case 'fill':
      noteBulkWrite(
        view,
        clampIndex(numberOr(second, 0), length),
        clampIndex(numberOr(third, length), length),
        site,
      )
      break
    case 'copyWithin': {
      const target = clampIndex(first as number, length)
      const start = clampIndex(second ?? 0, length)
      const count = Math.min(clampIndex(third ?? length, length) - start, length - target)
      noteBulkRead(view, start, start + count, site)
      noteBulkWrite(view, target, target + count, site)
      break
    }
    case 'set': {
      const from = first as Watched
      const sourceView = from[SHARED]
      if (sourceView !== undefined) noteBulkRead(sourceView, 0, sourceView.length, site)
      noteBulkWrite(view, second ?? 0, (second ?? 0) + from.length, site)
      break
    }
    case 'reverse':
    case 'sort':
      noteBulkRead(view, 0, length, site)
      noteBulkWrite(view, 0, length, site)
      break
    case 'subarray':
    case 'keys':
      break
    case 'slice':
      if (!isBuffer(array))
        noteBulkRead(
          view,
          clampIndex((first as number) ?? 0, length),
          clampIndex(second ?? length, length),
          site,
        )
      break
    case 'at': {
      const index = Math.trunc(Number(first)) || 0
      const start = index < 0 ? length + index : index
      if (start >= 0 && start < length) noteBulkRead(view, start, start + 1, site)
      break
    }
    case 'values':
      return iterateWatched(array, site, read)
    case 'entries':
      return iterateWatched(array, site, entryOf)
    default:
      if (bulkMethods.has(name)) noteBulkRead(view, 0, length, site)
  }
  const result = Reflect.apply(method ?? (array as unknown as Methods)[name]!, array, args)
  const shares = name === 'subarray' || (name === 'slice' && isBuffer(array))
  return shares ? made(result as ArrayBufferView) : result
}

/** Node's Buffer, whose methods differ: of `slice`, the memory is that of the array. */
export function isBuffer(array: unknown): array is Buffer {
  return globalThis.Buffer?.isBuffer(array) === true
}

/** In the place of a number, `fill` of a Buffer may be given an encoding. */
function numberOr(value: unknown, otherwise: number): number {
  return typeof value === 'number' ? value : otherwise
}

type Method = (this: unknown, ...args: readonly unknown[]) => unknown
type Methods = Record<string, Method>

function clampIndex(index: number, length: number): number {
  return index < 0 ? Math.max(0, length + index) : Math.min(index, length)
}

/** One cell of each 16 stands for all. */
function checkBulk(view: View, start: number, end: number, site: number): void {
  if (forbidden === null || !view.shared) return
  for (let index = start; index < end; index += 16) checkForbidden(view.firstCell + index, site)
}

export function noteBulkRead(view: View, start: number, end: number, site: number): void {
  checkBulk(view, start, end, site)
  if (!watching || !view.shared || start >= end) return
  scheduler!.plainRead(
    current.id,
    view.firstCell + start * view.cellsPerElement,
    (end - start) * view.cellsPerElement,
    site,
  )
}

export function noteBulkWrite(view: View, start: number, end: number, site: number): void {
  if (start >= end) return
  checkBulk(view, start, end, site)
  view.touchRange(start, end)
  state.changes++
  if (view.shared) {
    current.sharedChanges++
    noteWrite(view, start, end - start, site)
  }
}

/** A method of a DataView. */
export function dataView(
  object: DataView & Watched,
  name: string,
  site: number,
  args: readonly unknown[],
  method?: Method,
): unknown {
  const bytes = Number(/\d+/.exec(name)![0]) / 8
  const offset = Number(args[0])
  const track = object[TRACKED]!
  if (offset >= 0 && offset + bytes <= track.length) {
    if (name.startsWith('set')) noteBulkWrite(track, offset, offset + bytes, site)
    else noteBulkRead(track, offset, offset + bytes, site)
  }
  return Reflect.apply(method ?? (object as unknown as Methods)[name]!, object, args)
}

/** Notes that every element of an array is read, if it is shared. Returns it. */
export function source<T>(value: T, site: number): T {
  const view = ArrayBuffer.isView(value) ? (value as { [SHARED]?: View })[SHARED] : undefined
  if (view !== undefined) noteBulkRead(view, 0, view.length, site)
  return ArrayBuffer.isView(value) ? value : walked(value)
}

/** A typed array or DataView was made: from now on it is watched if its memory is shared. */
export function made<T extends ArrayBufferView>(array: T): T {
  const { buffer } = array
  if (!memory.has(buffer)) {
    if (!(buffer instanceof SharedArrayBuffer)) return array
    refuseToFollow(buffer)
  }
  const { cells } = memory
  memory.add(array, true)
  if (memory.cells > cells) scheduler?.memoryGrew()
  if ((array as { [SHARED]?: View })[SHARED] !== undefined) watchIteration(array)
  return array
}

/** Nothing is explored: memories of WebAssembly are taken for buffers like others, and nobody counts. */
export let isNothingExplored = false

export function exploreNothing(): void {
  isNothingExplored = true
}

/** Shared memory of which something happens that cannot be seen. */
function refuseToFollow(buffer: SharedArrayBuffer): void {
  const known = memory.sameMemory(buffer)
  if (buffer.growable || (known !== undefined && known.buffer.byteLength !== buffer.byteLength))
    refuseGrowth(siteHere('SharedArrayBuffer'))
}

/** Its length would be something that threads share, and that nobody sees them read. */
export function refuseGrowth(site: number): never {
  refused(site, 'shared memory that grows cannot be followed', 'make it as large as it gets')
}

type Entry = (array: Watched, index: number, site: number) => unknown

const entryOf: Entry = (array, index, site) => [index, read(array, index, site)]

const watchedIterator = {
  value(this: Watched) {
    return iterateWatched(this, siteHere('read'), read)
  },
}
const watchedText = {
  value(this: Watched, ...args: readonly unknown[]) {
    const site = siteHere('read')
    if (!isBuffer(this)) return bulk(this, 'join', site, [])
    const { length } = this
    noteBulkRead(
      this[SHARED]!,
      clampIndex(numberOr(args[1], 0), length),
      clampIndex(numberOr(args[2], length), length),
      site,
    )
    return Reflect.apply(Buffer.prototype.toString, this, args)
  },
}

/**
 * Lets a shared array tell what is read of it where no call or access can be seen: by spreading, by destructuring, by
 * `for…of`, by the engine. These properties are not enumerable, so that the array still equals one like it.
 */
function watchIteration(array: ArrayBufferView): void {
  if (array instanceof DataView || Object.hasOwn(array, Symbol.iterator)) return
  Object.defineProperty(array, Symbol.iterator, watchedIterator)
  Object.defineProperty(array, 'toString', watchedText)
}

const iteratorPrototype = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]())) as object

/** Each element is read when it is asked for, as the engine does it. */
function iterateWatched(array: Watched, site: number, entry: Entry): IterableIterator<unknown> {
  let index = 0
  return Object.assign(Object.create(iteratorPrototype) as object, {
    next() {
      if (index >= array.length) return { done: true, value: undefined }
      return { done: false, value: entry(array, index++, site) }
    },
  }) as IterableIterator<unknown>
}
