// Methods of the engine that call functions of the program: what they are given can stop, as the runtime, and
// library.ts, call it.

import { rememberOwn } from './callees.ts'
import { listOf, tags, typedArray } from './engine.ts'
import { callsSecond } from './names.ts'
import * as runtime from './runtime.ts'
import { library, read, walked } from './runtime.ts'
import { SHARED } from './tags.ts'
import type { Watched } from './thread.ts'

type Method = (this: unknown, ...args: readonly unknown[]) => unknown
type Objects = Record<PropertyKey, unknown>

/** `object.name(...args)`, where an argument may be a function that can stop: the first, or the second. */
export function callback(site: number, object: unknown, name: string, all: readonly unknown[]): unknown {
  const args = all.some(runtime.matters) ? all.map((each) => runtime.followed(each, site)) : all
  walked(object === Array || callsSecond.test(name) ? args[0] : object)
  const method = (object as Record<string, Method>)[name]
  const [called, self] = args
  if (object === Array && method === Array.from) {
    const [items, mapper] = args
    if (typeof mapper !== 'function')
      return after(listOf(items), (list) => Reflect.apply(method as Method, object, [list, mapper]))
    return library().arrayFrom(items, mapper, args[2])
  }
  if (typeof self === 'function' && (method === Object.groupBy || method === Map.groupBy))
    return groups(method as Method, object, called, self as Method)
  if (typeof self === 'function' && typeof object === 'string' && /^replace(All)?$/.test(name))
    return replaced(object, name as 'replace', called, self as Method)
  if (/^(sort|toSorted)$/.test(name) && typeof called === 'function') {
    const isTyped = object instanceof typedArray
    const own = isTyped ? typedArray.prototype : Array.isArray(object) ? Array.prototype : null
    if (own !== null && method === (own as Objects)[name])
      return sorted(site, object as never, isTyped, name === 'sort', called as Method)
  }
  if (typeof called === 'function' && typeof method === 'function') {
    if (Array.isArray(object) && method === (Array.prototype as unknown as Objects)[name])
      return callForElements(site, object as never, name, args)
    if (object instanceof typedArray && method === (typedArray.prototype as Objects)[name])
      return callForElements(site, object as never, name, args)
    const holder =
      name !== 'forEach' ? null : object instanceof Map ? Map : object instanceof Set ? Set : null
    if (holder !== null && method === (holder.prototype.forEach as unknown as Method)) {
      const entries = (holder.prototype.entries as unknown as Method).call(object)
      return library().callForEntries(object, entries, called, self)
    }
  }
  const view = (tags(object) as { [SHARED]?: unknown })[SHARED]
  return view === undefined
    ? runtime.outward(method, object, all, site, name)
    : runtime.bulk(object as Watched, name, site, args)
}

type Indexed = ArrayLike<unknown> & Objects

/** How a function of the program is called later: it may stop in between. */
function after(value: unknown, goOn: (value: unknown) => unknown): unknown {
  if (!runtime.state.stopping) return goOn(value)
  return runtime.save(value, [(_frame, result, thrown) => afterFrame(result, thrown, goOn), 0])
}

function afterFrame(result: unknown, thrown: boolean, goOn: (value: unknown) => unknown): unknown {
  if (thrown) throw result
  return goOn(result)
}

function sorted(site: number, array: Indexed, isTyped: boolean, inPlace: boolean, compare: Method): unknown {
  const isShared = (tags(array) as { [SHARED]?: unknown })[SHARED] !== undefined
  const elements = Array.from({ length: array.length }, (_, index) =>
    isShared ? read(array as unknown as Watched, index, site) : array[index],
  )
  const isThere = (index: number): boolean => !inPlace || index in array
  // What is undefined comes last and is not compared; holes come behind it.
  const work = isTyped ? elements : elements.filter((each, index) => isThere(index) && each !== undefined)
  const undefineds = elements.filter((each, index) => isThere(index) && each === undefined).length
  const begun = isTyped ? library().mergeSort(work, compare) : library().timsort(work, compare)
  return after(begun, () => {
    const all = [...work, ...Array.from({ length: isTyped ? 0 : undefineds }, () => undefined)]
    if (!inPlace) return isTyped ? unwatched(array, all) : all
    all.forEach((each, index) => {
      if (isShared) runtime.write(array as unknown as Watched, index, each as number, site)
      else (array as Objects)[index] = each
    })
    if (!isTyped) for (let index = all.length; index < elements.length; index++) delete array[index]
    return array
  })
}

function groups(method: Method, of: unknown, items: unknown, called: Method): unknown {
  return after(library().groupKeys(items, called), (found) => {
    const { items: all, keys } = found as { items: unknown[]; keys: unknown[] }
    return Reflect.apply(method, of, [all, (_: unknown, index: number) => keys[index]])
  })
}

/** `replace` with a function: the engine finds all matches first, and calls it for one after the other. */
function replaced(text: string, name: 'replace', pattern: unknown, called: Method): unknown {
  const matches: unknown[][] = []
  text[name](pattern as string, (...match: unknown[]) => {
    matches.push(match)
    return ''
  })
  return after(library().callForMatches(called, matches), (texts) => {
    let [written, from] = ['', 0]
    matches.forEach((match, index) => {
      const at = match.findLast((each) => typeof each === 'number')!
      written += text.slice(from, at) + (texts as string[])[index]!
      from = at + String(match[0]).length
    })
    return written + text.slice(from)
  })
}

function callForElements(site: number, array: Indexed, name: string, args: readonly unknown[]): unknown {
  const elementOf = (of: Indexed, index: number): unknown =>
    (tags(of) as { [SHARED]?: unknown })[SHARED] === undefined
      ? of[index]
      : read(of as unknown as Watched, index, site)
  rememberOwn(elementOf as Method)
  const [called, self] = args
  // It throws of a view that has lost its memory.
  if (array instanceof typedArray)
    Reflect.apply((typedArray.prototype as Objects)['keys'] as Method, array, [])
  const count = (array instanceof typedArray ? lengthOf.get!.call(array) : array.length) as number
  if (name === 'reduce' || name === 'reduceRight')
    return library().reduce(array, count, name === 'reduceRight', called, args.slice(1), elementOf)
  const finish = array instanceof typedArray ? finishing(array, name) : null
  return library().callForElements(array, count, name, called, self, elementOf, { like, put, finish })
}

/** A new array like `array` (ECMAScript 2025, 23.1.5.2): its class is asked, which may be one of the program. */
function like(array: Indexed, count: number): object {
  const own: unknown = array['constructor']
  const isObject = (typeof own === 'object' && own !== null) || typeof own === 'function'
  const kind: unknown = isObject ? ((own as Objects)[Symbol.species] ?? undefined) : own
  return kind === undefined || kind === Array
    ? sized(count)
    : (new (kind as new (length: number) => object)(count) as object)
}

function sized(count: number): unknown[] {
  const array: unknown[] = []
  array.length = count
  return array
}

function put(target: object, index: number, value: unknown): void {
  Object.defineProperty(target, index, { value, writable: true, enumerable: true, configurable: true })
}

/** What the engine's method of typed arrays makes of the results of the calls. */
function finishing(
  array: Indexed,
  name: string,
): (elements: unknown[], results: readonly unknown[]) => unknown {
  return (elements, results) => {
    const native = (typedArray.prototype as Objects)[name] as Method
    return native.call(unwatched(array, elements), (_: unknown, index: number) => results[index])
  }
}

const [lengthOf, kindOf] = ['length', Symbol.toStringTag].map((key) =>
  Object.getOwnPropertyDescriptor(typedArray.prototype, key)!,
) as [PropertyDescriptor, PropertyDescriptor]

/** A typed array like another, whose elements nobody watches. */
function unwatched(array: Indexed, elements: readonly unknown[]): object {
  const kind = (globalThis as Objects)[kindOf.get!.call(array) as string] as new (length: number) => Indexed
  const copy = new kind(elements.length)
  elements.forEach((element, index) => (copy[index] = element))
  // It is asked for what its likes are made by.
  const own = array['constructor']
  if (own !== kind) Object.defineProperty(copy, 'constructor', { value: own })
  return copy
}
