// Methods of the engine that call functions of the program: what they are given can stop, as the runtime, and
// library.ts, call it.

import { listOf, nativeCursor, tags, typedArray } from './engine.ts'
import * as runtime from './runtime.ts'
import { library, read } from './runtime.ts'
import { SHARED } from './tags.ts'
import type { Watched } from './thread.ts'

type Method = (this: unknown, ...args: readonly unknown[]) => unknown
type Objects = Record<PropertyKey, unknown>

/** `object.name(...args)`, where an argument may be a function that can stop: the first, or the second. */
export function callback(site: number, object: unknown, name: string, args: readonly unknown[]): unknown {
  const method = (object as Record<string, Method>)[name]
  const [called, self] = args
  if (object === Array && method === Array.from) {
    const [items, mapper] = args
    if (typeof mapper !== 'function')
      return after(listOf(items), (list) => Reflect.apply(method as Method, object, [list, mapper]))
    return library().arrayFrom(
      nativeCursor(items) === undefined ? items : [...(items as [])],
      mapper,
      args[2],
    )
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
    if (name === 'forEach' && (object instanceof Map || object instanceof Set))
      return library().callForEntries(object, object.entries(), called, self)
  }
  const view = (tags(object) as { [SHARED]?: unknown })[SHARED]
  return view === undefined
    ? Reflect.apply(method!, object, args)
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
  const [called, self] = args
  if (name === 'reduce' || name === 'reduceRight')
    return library().reduce(array, name === 'reduceRight', called, args.slice(1), elementOf)
  return library().callForElements(array, name, called, self, elementOf, finishing(array, name))
}

/** What the engine's method makes of the results of the calls. */
function finishing(
  array: Indexed,
  name: string,
): (elements: unknown[], results: readonly unknown[]) => unknown {
  return (elements, results) => {
    if (name === 'find' || name === 'findLast') return elements[results.findIndex(Boolean)]
    const isTyped = array instanceof typedArray
    const native = ((isTyped ? typedArray.prototype : Array.prototype) as Objects)[name] as Method
    return native.call(
      isTyped ? unwatched(array, elements) : elements,
      (_: unknown, index: number) => results[index],
    )
  }
}

/** An array like a shared one, whose elements nobody watches. */
function unwatched(array: Indexed, elements: readonly unknown[]): object {
  const copy = new (array['constructor'] as new (length: number) => Indexed)(elements.length)
  elements.forEach((element, index) => (copy[index] = element))
  return copy
}
