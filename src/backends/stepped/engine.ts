// What the engine does between two functions of a program, done here so that these can stop: constructing, calling
// back, getting and setting, and `Atomics` where it is used as a value.
//
// Each function returns what the engine would, or a generator that will: the caller asks stops().

import { isOperation, operations } from './names.ts'
import * as runtime from './runtime.ts'
import { SHARED } from './tags.ts'
import {
  type Watched,
  isAlone,
  made,
  noteRefusal,
  plain,
  read,
  refused,
  siteHere,
  source,
} from './runtime.ts'

type Method = (this: unknown, ...args: readonly unknown[]) => unknown
type Objects = Record<PropertyKey, unknown>

const generatorFunction = Object.getPrototypeOf(function* () {}).constructor as FunctionConstructor
const typedArray = Object.getPrototypeOf(Int32Array) as abstract new () => object

/** A function of the program that can stop. */
function isSteppable(value: unknown): value is Method {
  return value instanceof generatorFunction
}

// ---------------------------------------------------------------------------------------------------------------------
// Constructing

/** Given to a constructor instead of its arguments: it makes the object, and its method `$init` does the rest. */
export const raw = Symbol('raw')

/** `new constructor(...args)` of a constructor that may be able to stop. */
export function build(site: number, constructor: unknown, args: readonly unknown[]): unknown {
  if (isSteppable(constructor)) return buildByFunction(constructor, args)
  const prototype = (constructor as { prototype?: object } | null)?.prototype
  if (typeof prototype === 'object' && prototype !== null && Object.hasOwn(prototype, '$init'))
    return buildByClass(constructor as new (mark: symbol) => Objects, args)
  return make(site, constructor as new (...args: readonly unknown[]) => unknown, args)
}

function* buildByFunction(constructor: Method & { prototype?: object }, args: readonly unknown[]): Generator {
  const object: unknown = Object.create(constructor.prototype ?? null)
  const result = yield* Reflect.apply(constructor, object, args) as Generator
  return isObject(result) ? result : object
}

function* buildByClass(constructor: new (mark: symbol) => Objects, args: readonly unknown[]): Generator {
  const object = new constructor(raw)
  const result = yield* Reflect.apply(object['$init'] as Method, object, args) as Generator
  return isObject(result) ? result : object
}

function isObject(value: unknown): boolean {
  return (typeof value === 'object' && value !== null) || typeof value === 'function'
}

/** `new constructor(...args)` of what may be a typed array. */
export function make(
  site: number,
  constructor: new (...args: readonly unknown[]) => unknown,
  args: readonly unknown[],
): unknown {
  if (constructor.prototype instanceof typedArray) source(args[0], site)
  return watched(new constructor(...args))
}

/** A result of the engine that may be an array over shared memory. */
export function watched<T>(value: T): T {
  return ArrayBuffer.isView(value) ? (made(value) as T) : value
}

// ---------------------------------------------------------------------------------------------------------------------
// Getting and setting

/** `object.name`, where getters of that name may be able to stop. */
export function get(object: unknown, name: string): unknown {
  const twin = twinOf(object, `$get_${name}`, name, 'get')
  return twin === undefined ? (object as Objects)[name] : twin.call(object)
}

/** `object.name = value`, where setters of that name may be able to stop. */
export function set(object: unknown, name: string, value: unknown): unknown {
  const twin = twinOf(object, `$set_${name}`, name, 'set')
  if (twin !== undefined) return twin.call(object, value)
  ;(object as Objects)[name] = value
  return undefined
}

/** The method that does what the accessor does; it stands beside it, and what shadows that one shadows it too. */
function twinOf(object: unknown, twin: string, name: string, kind: 'get' | 'set'): Method | undefined {
  if ((object as Objects)[twin] === undefined) return undefined
  let holder = Object(object) as object | null
  for (; holder !== null; holder = Object.getPrototypeOf(holder) as object | null) {
    const property = Object.getOwnPropertyDescriptor(holder, name)
    if (property === undefined) continue
    return property[kind] && Object.hasOwn(holder, twin) ? ((holder as Objects)[twin] as Method) : undefined
  }
  return undefined
}

// ---------------------------------------------------------------------------------------------------------------------
// Elements in patterns

/** A place in an array that a pattern assigns to. */
export function slot(array: Watched, index: number, site: number): { value: number } {
  return {
    get value() {
      return array[SHARED] === undefined ? array[index]! : read(array, index, site)
    },
    set value(value) {
      if (array.$tracked === undefined) array[index] = value
      else runtime.write(array, index, value, site)
    },
  }
}

/** An object whose properties are taken by number or all together: a shared array must not be. */
export function unpacked<T>(value: T, site: number): T {
  if ((value as { [SHARED]?: unknown } | null | undefined)?.[SHARED] === undefined) return value
  return refused(
    site,
    'an object pattern or a spread into an object that takes elements of a shared array',
    'take them by array[index]',
  )
}

// ---------------------------------------------------------------------------------------------------------------------
// Calling back

/** `object.name(...args)`, where the first argument may be a function that can stop. */
export function callback(site: number, object: unknown, name: string, args: readonly unknown[]): unknown {
  const method = (object as Record<string, Method>)[name]
  const [called] = args
  if (isSteppable(called) && typeof method === 'function') {
    if (isIndexed(object) && !isSteppable(method)) return callForElements(site, object, name, args)
    if (name === 'forEach' && (object instanceof Map || object instanceof Set))
      return callForEntries(object, called, args[1])
    if (isNative(method)) return method.apply(object, [inRigid(called, site), ...args.slice(1)])
  }
  const view = (object as { [SHARED]?: unknown } | null | undefined)?.[SHARED]
  return view === undefined
    ? Reflect.apply(method!, object, args)
    : runtime.bulk(object as Watched, name, site, args)
}

type Indexed = ArrayLike<unknown> & Objects

function isIndexed(value: unknown): value is Indexed {
  return Array.isArray(value) || value instanceof typedArray
}

function isNative(method: Method): boolean {
  return /\[native code\]\s*\}$/.test(Function.prototype.toString.call(method))
}

function* callForEntries(
  entries: Map<unknown, unknown> | Set<unknown>,
  called: Method,
  self: unknown,
): Generator {
  for (const [key, value] of entries.entries()) yield* called.call(self, value, key, entries) as Generator
}

/**
 * A method of arrays that calls back. The results of the calls are found first, one element after the other, and the
 * engine's method then makes of them what it does.
 */
function* callForElements(site: number, array: Indexed, name: string, args: readonly unknown[]): Generator {
  const [called, second] = args as [Method, unknown]
  if (name === 'reduce' || name === 'reduceRight') return yield* reduce(site, array, name, called, args)
  const results: unknown[] = []
  const backwards = name === 'findLast' || name === 'findLastIndex'
  const finds = name.startsWith('find')
  const count = array.length
  const elements: unknown[] = []
  for (let turn = 0; turn < count; turn++) {
    const index = backwards ? count - 1 - turn : turn
    if (!finds && !(index in array)) continue
    elements[index] = elementOf(array, index, site)
    const result = yield* called.call(second, elements[index], index, array) as Generator
    results[index] = result
    if ((finds || name === 'some') && result) break
    if (name === 'every' && !result) break
  }
  const native = (
    (array instanceof typedArray ? typedArray.prototype : Array.prototype) as Record<string, Method>
  )[name]!
  const answer = native.call(
    array instanceof typedArray ? unwatched(array, elements) : array,
    (_: unknown, index: number) => results[index],
  )
  return name === 'find' || name === 'findLast' ? elements[results.findIndex(Boolean)] : answer
}

/** An array like a shared one, whose elements nobody watches. */
function unwatched(array: Indexed, elements: readonly unknown[]): object {
  const copy = new (array['constructor'] as new (length: number) => Indexed)(array.length)
  elements.forEach((element, index) => (copy[index] = element))
  return copy
}

function* reduce(
  site: number,
  array: Indexed,
  name: 'reduce' | 'reduceRight',
  called: Method,
  args: readonly unknown[],
): Generator {
  const indices = Array.from({ length: array.length }, (_, index) => index).filter((index) => index in array)
  if (name === 'reduceRight') indices.reverse()
  if (args.length < 2 && indices.length === 0)
    throw new TypeError('Reduce of empty array with no initial value')
  let value = args.length < 2 ? elementOf(array, indices.shift()!, site) : args[1]
  for (const index of indices) {
    value = yield* called.call(undefined, value, elementOf(array, index, site), index, array) as Generator
  }
  return value
}

function elementOf(array: Indexed, index: number, site: number): unknown {
  return array[SHARED] === undefined ? array[index] : read(array as unknown as Watched, index, site)
}

/** A function for the engine to call: one that can stop runs to its end, and is refused where it would have to. */
export function inRigid<T>(value: T, site: number): T {
  if (!isSteppable(value)) return value
  return function (this: unknown, ...args: readonly unknown[]) {
    return plain(Reflect.apply(value, this, args), site)
  } as T
}

/** A proxy, whose traps the engine calls. */
export function proxied(site: number, target: object, handler: ProxyHandler<object>): object {
  const traps = [
    'get',
    'set',
    'has',
    'deleteProperty',
    'apply',
    'construct',
    'ownKeys',
    'getOwnPropertyDescriptor',
  ]
  const stepped = traps.filter((name) => isSteppable((handler as Objects)[name]))
  if (stepped.length === 0) return new Proxy(target, handler)
  const guarded = Object.create(handler) as Objects
  for (const name of stepped) guarded[name] = inRigid((handler as Objects)[name], site)
  return new Proxy(target, guarded)
}

/**
 * An async function begins. In a thread it is refused, without an error, since that would become the rejection of a
 * promise that nobody has: the execution goes on, and what it tells is thrown away.
 */
export function asynchronous(site: number): boolean {
  if (isAlone()) return false
  noteRefusal(site, 'an async function in a thread', 'make it an ordinary one, and wait with Atomics.wait')
  return true
}

/** Something that is called or goes on when the thread is over: then nobody would look any more. */
export function later<T>(value: T, site: number): T {
  if (isAlone()) return value
  return refused(
    site,
    'a promise or a timer in a thread',
    'let the thread do it itself, and wait with Atomics.wait',
  )
}

/** `promise.then(…)` and the like. */
export function promised<T>(value: T, site: number): T {
  return value instanceof Promise ? later(value, site) : value
}

// ---------------------------------------------------------------------------------------------------------------------
// Generators of the program

/** A generator of the program is none of ours: the scheduler must not take its results for stops. */
export function users<T extends object>(generator: T): T {
  return Object.defineProperty(generator, Symbol.toStringTag, { value: 'Generator of the program' })
}

// ---------------------------------------------------------------------------------------------------------------------
// Atomics as a value

type Announce = (site: number, ...args: readonly unknown[]) => boolean

function* operate(name: string, args: readonly unknown[]): Generator {
  const site = siteHere(`Atomics.${name}`)
  const steps = runtime as unknown as Record<string, Announce & (() => unknown)>
  if (steps[name]!(site, ...args)) yield
  if (name !== 'wait') return steps[`${name}Done`]!()
  if (runtime.waitDone()) yield
  return runtime.waited()
}

/** `Atomics`, whose functions can stop. */
export const atomics: Readonly<Record<string, unknown>> = Object.freeze(
  Object.fromEntries(
    Object.getOwnPropertyNames(Atomics).map((name) => [
      name,
      operations.has(name) ? steppable(name) : refusing(name),
    ]),
  ),
)

function steppable(name: string): Method {
  return function* (...args) {
    return yield* operate(name, args)
  }
}

function refusing(name: string): unknown {
  const value = (Atomics as unknown as Record<string, unknown>)[name]
  if (!isOperation(name)) return value
  return () =>
    refused(siteHere(`Atomics.${name}`), `Atomics.${name}`, 'use Atomics.wait: a thread here may block')
}
