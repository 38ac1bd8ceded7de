// What the engine does between two functions of a program, as far as the steppable form has to see it, and `Atomics`
// where it is used as a value. Where functions of the program can stop, the library does it: see library.ts.

import { BroadcastChannel, MessageChannel, MessagePort, Promise } from './global-scope.ts'
import { steppedHost } from './host.ts'
import { rememberOwn } from './callees.ts'
import { isOperation, operations } from './names.ts'
import { arrayValues, isPrimitive } from './iterating.ts'
import { making, noteNew } from './owned.ts'
import * as runtime from './runtime.ts'
import { SHARED } from './tags.ts'
import type { Watched } from './thread.ts'
import {
  currentThread,
  isAlone,
  library,
  made,
  noteRefusal,
  read,
  refused,
  siteHere,
  source,
  stopped,
} from './runtime.ts'

export * from './iterating.ts'

type Method = (this: unknown, ...args: readonly unknown[]) => unknown
type Objects = Record<PropertyKey, unknown>

/** What typed arrays extend. */
export const typedArray = Object.getPrototypeOf(Int32Array) as abstract new () => object

/** What is assigned to a constant. */
export function constant(): never {
  throw new TypeError('Assignment to constant variable.')
}

/** A variable is named before its declaration has given it a value. */
export function early(name: string): never {
  throw new ReferenceError(`Cannot access '${name}' before initialization`)
}

/** The cell of a variable that closures have before its declaration gives it a value, as `first`. */
export function earlyCell(name: string): { v: unknown; first: unknown } {
  return making({
    get v() {
      return early(name)
    },
    set v(_) {
      early(name)
    },
    set first(value: unknown) {
      Object.defineProperty(this, 'v', { value, writable: true, enumerable: true, configurable: true })
    },
  })
}

/** A constant that a pattern assigns to. */
export function constantSlot(): object {
  return {
    set value(_: unknown) {
      constant()
    },
  }
}

/** The key of a property that a pattern takes by what `value` gives. */
export function propertyKey(value: unknown): unknown {
  return isPrimitive(value) ? value : Reflect.ownKeys({ [value as string]: 0 })[0]
}

// ---------------------------------------------------------------------------------------------------------------------
// Constructing and returning

/** `new constructor(...args)` of what may be a typed array. */
export function make(
  site: number,
  constructor: new (...args: readonly unknown[]) => unknown,
  args: readonly unknown[],
): unknown {
  if ((constructor as { prototype?: unknown } | undefined)?.prototype instanceof typedArray)
    source(args[0], site)
  starts(site, constructor)
  noteNew(constructor)
  return watched(runtime.constructOutside(constructor, args, site))
}

/** A result of the engine that may be an array over shared memory. */
export function watched<T>(value: T): T {
  return ArrayBuffer.isView(value) ? (made(value) as T) : value
}

/** What a constructor gives that returns `value`. */
export function constructed(value: unknown, self: unknown): unknown {
  return (typeof value === 'object' && value !== null) || typeof value === 'function' ? value : self
}

/** As constructed(), of a class that extends another: `self` is undefined until super() was called. */
export function derived(value: unknown, self: unknown): unknown {
  if (!isPrimitive(value)) return value
  if (value !== undefined) throw new TypeError('Derived constructors may only return object or undefined')
  if (self !== undefined) return self
  throw new ReferenceError(
    'Must call super constructor in derived class before returning from derived constructor',
  )
}

/** `super(…)` of a class whose constructor is not known: one that can stop must not. */
export function based(self: unknown): unknown {
  if (self === stopped) return runtime.save(null, null as never)
  return self
}

/** Classes whose constructors return what they are given. */
const givenTakers = new WeakSet()

export function takesGiven(own: object): void {
  givenTakers.add(own)
}

/**
 * What a class extends, if its constructor is one of the program that returns what it is given; else null. `target` is
 * what was made, and `isOwn` tells the class from those that extend it.
 */
export function baseOf(target: object, isOwn: (target: object) => boolean): unknown {
  let own: object | null = target
  while (own !== null && !isOwn(own)) own = Object.getPrototypeOf(own) as object | null
  const base: unknown = own && Object.getPrototypeOf(own)
  return typeof base === 'function' && givenTakers.has(base) ? base : null
}

export function construct(base: Method, args: readonly unknown[], target: Method): unknown {
  return Reflect.construct(base, args, target)
}

/** What the next constructor returns that asks: it was made before. */
export function give(object: unknown): void {
  runtime.state.given = object
}

export function takeGiven(): unknown {
  const { given } = runtime.state
  runtime.state.given = null
  return given
}

/** What a function gives that returns `value` after it has stopped, if `new` may have called it. */
export function returned(isNew: boolean, self: unknown, value: unknown): unknown {
  return isNew ? constructed(value, self) : value
}

/** What a setter returns is of no use, except that it may have stopped. */
export function wrote(value: unknown): unknown {
  return runtime.state.stopping ? stopped : value
}

// ---------------------------------------------------------------------------------------------------------------------
// Patterns

const noTags = Object.freeze({})

/** What carries the tags of `value`, where that may be a proxy. */
export function tags(value: unknown): object {
  return ArrayBuffer.isView(value) ? value : noTags
}

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

/** Parts of a value that are taken apart by number: by their names or in their order; null where none is. */
type Shape = { readonly [name: string]: Shape } | readonly Shape[] | null

/** An object whose properties are taken by number or all together: of a shared array, each is read where it is seen. */
export function unpacked<T>(value: T, site: number, shape: Shape = {}): T {
  if (shape === null || isPrimitive(value)) return value
  if (Array.isArray(shape)) return unpackedList(value as Iterable<unknown>, site, shape) as T
  const array = (tags(value) as { [SHARED]?: unknown })[SHARED] === undefined ? null : (value as Watched)
  if (array === null && Object.keys(shape).length === 0) return value
  const parts = new Map(Object.entries(shape))
  const from = value as object
  // What the engine asks of a proxy is compared with its target, which is not what is taken apart.
  return new Proxy<object>(
    {},
    {
      get(_, key) {
        const isElement = array !== null && typeof key === 'string' && /^\d+$/.test(key)
        const part =
          isElement && Number(key) < array.length
            ? read(array, Number(key), site)
            : (Reflect.get(from, key, from) as unknown)
        return typeof key === 'string' ? unpacked(part, site, parts.get(key) ?? null) : part
      },
      ownKeys: () => Reflect.ownKeys(from),
      getOwnPropertyDescriptor(_, key) {
        const property = Reflect.getOwnPropertyDescriptor(from, key)
        return property && { ...property, configurable: true }
      },
    },
  ) as T
}

/** What is taken one after the other. */
function unpackedList(iterable: Iterable<unknown>, site: number, shape: readonly Shape[]): unknown {
  const open: unknown = iterable[Symbol.iterator]
  const partAt = (value: unknown, index: number): unknown => unpacked(value, site, shape[index] ?? null)
  if (open === arrayValues && Array.isArray(iterable)) return Array.from(iterable as unknown[], partAt)
  if (typeof open !== 'function') return iterable
  return {
    [Symbol.iterator]() {
      const iterator = Reflect.apply(open as Method, iterable, []) as Iterator<unknown>
      const next = iterator.next as Method
      let index = 0
      return {
        next() {
          const result = Reflect.apply(next, iterator, []) as IteratorResult<unknown>
          return isPrimitive(result) || result.done
            ? result
            : { done: false, value: partAt(result.value, index++) }
        },
        get return() {
          return iterator.return?.bind(iterator)
        },
      }
    },
  }
}

/** Something has properties, or the engine says that it has none. */
export function present(value: unknown): void {
  if (value === null || value === undefined)
    throw new TypeError(`Cannot destructure '${value}' as it is ${value}.`)
}

/** The properties of an object that a pattern has not taken. */
export function rest(value: object, taken: readonly PropertyKey[]): object {
  const others: Objects = {}
  const names = new Set(taken.map((key) => (typeof key === 'number' ? String(key) : key)))
  const from = Object(value) as Objects
  for (const key of Reflect.ownKeys(from)) {
    if (names.has(key) || Reflect.getOwnPropertyDescriptor(from, key)?.enumerable !== true) continue
    Object.defineProperty(others, key, {
      value: from[key],
      writable: true,
      enumerable: true,
      configurable: true,
    })
  }
  return others
}

// ---------------------------------------------------------------------------------------------------------------------
// using

interface Held {
  readonly value: unknown
  readonly method: Method
}

/** Notes what is to be disposed of. Returns it. */
export function hold(held: Held[], value: unknown): unknown {
  if (value === null || value === undefined) return value
  const method = (value as Objects)[Symbol.dispose]
  if (typeof method !== 'function') throw new TypeError('Symbol(Symbol.dispose) is not a function')
  held.push({ value, method: method as Method })
  return value
}

export function dispose(held: Held[], isThrown: boolean, error: unknown): unknown {
  return library().dispose(held, isThrown, error)
}

// ---------------------------------------------------------------------------------------------------------------------
// What the engine does later

/**
 * An async function begins that is left to the engine. In a thread it is refused, without an error, since that would
 * become the rejection of a promise that nobody has: the execution goes on, and what it tells is thrown away.
 */
export function asynchronous(site: number): boolean {
  if (isAlone()) return false
  noteRefusal(
    site,
    'a function around a check is called in a thread of it',
    'let the thread call a function of its own',
  )
  return true
}

/** Something that is called or goes on when the thread is over: then nobody would look any more. */
export function later<T>(value: T, site: number): T {
  if (isAlone()) return value
  return refused(
    site,
    'a timer or a promise of the engine in a thread',
    'call setTimeout and the like by their names, and await what threads of the check do',
  )
}

/** A thread, or the setup, starts another thread of Node or what speaks to those: nobody schedules them. */
export function starts(site: number, constructor: unknown): void {
  if (!runtime.isModelled() || typeof constructor !== 'function') return
  const isChannel = constructor === BroadcastChannel || constructor.prototype instanceof BroadcastChannel
  if (isChannel || steppedHost().makesWorkers(constructor))
    refused(
      site,
      'a Worker or a BroadcastChannel in a check',
      'make what it does a thread of the scenario, with a MessageChannel to speak with it',
    )
}

/** Ports that a thread has made, by which it talks to itself: whoever else uses one is not among their users here. */
const ownPorts = new WeakMap<object, object>()

/** A thread makes a channel. */
export function channel<T>(value: T): T {
  if (value instanceof MessageChannel && !isAlone())
    for (const port of [value.port1, value.port2]) ownPorts.set(port, currentThread())
  return value
}

/** What a message is sent by or taken from: when it arrives at another thread is not explored. */
export function messenger<T>(value: T, site: number): T {
  const isChannel = value instanceof MessagePort || value instanceof BroadcastChannel
  const isPort = isChannel || steppedHost().isWorker(value)
  if (!isPort || isAlone() || ownPorts.get(value as object) === currentThread()) return value
  const remedy = 'make the MessageChannel in the setup or in a thread, and what a Worker does a thread'
  return refused(site, 'a port of the engine in a thread', remedy)
}

/** `promise.then(…)` and the like. */
export function promised<T>(value: T, site: number): T {
  if (!(value instanceof Promise) || 'loop' in value || isAlone()) return value
  // See refuseOfEngine() of coroutine.ts.
  value.catch(() => {})
  return later(value, site)
}

/** `process.nextTick(called, ...args)`. */
export function nextTick(called: Method, ...args: readonly unknown[]): void {
  if (isAlone()) process.nextTick(called, ...args)
  else runtime.eventLoops().nextTick(() => Reflect.apply(called, undefined, args))
}

/** The global object; and names, of which none is an element of shared memory. */
const GLOBAL_TEXT = /^\s*(return\s+)?(this|globalThis)\s*;?\s*$/
const NAMES_TEXT = /^\s*(return\s+)?[\w$]+(\.[\w$]+)*\s*;?\s*$/

/** A text of which the engine makes code, which may name variables of a function that stops (`sees`). */
export function text<T>(value: T, site: number, sees: boolean): T {
  if (typeof value !== 'string' || GLOBAL_TEXT.test(value)) return value
  if (!sees && (NAMES_TEXT.test(value) || (isAlone() && !/\bAtomics\b/.test(value)))) return value
  return refused(site, 'code that is made of a text is not stepped', 'write it into a module')
}

const makers: readonly unknown[] = [
  Function,
  function* () {}.constructor,
  (async () => {}).constructor,
  async function* () {}.constructor,
]

/** Those that look at the text first. */
const guarded: readonly Method[] = makers.map((each) => {
  const checked = (args: readonly unknown[]): readonly unknown[] =>
    args.map((arg) => (isAlone() ? arg : text(arg, siteHere('Function', 'text'), false)))
  return new Proxy(each as Method & (new (...args: readonly unknown[]) => object), {
    apply: (target, self, args) => Reflect.apply(target, self, checked(args)),
    construct: (target, args, newTarget) =>
      Reflect.construct(
        target,
        checked(args),
        guarded.includes(newTarget as never) ? target : newTarget,
      ) as object,
  })
})

/** What is called `constructor`, or `Function`: who makes a function of a text looks at that text first. */
export function maker<T>(value: T): T {
  const at = typeof value === 'function' ? makers.indexOf(value) : -1
  return at < 0 ? value : (guarded[at] as T)
}

// ---------------------------------------------------------------------------------------------------------------------
// Atomics as a value

type Operation = (site: number, ...args: readonly unknown[]) => unknown

/** `Atomics`, whose functions can stop. */
export const atomics: Readonly<Record<string, unknown>> = Object.freeze(
  Object.fromEntries(
    Object.getOwnPropertyNames(Atomics).map((name) => [
      name,
      operations.has(name) ? rememberOwn(steppable(name)) : refusing(name),
    ]),
  ),
)

function steppable(name: string): Method {
  const operation = (runtime as unknown as Record<string, Operation>)[name]!
  if (name === 'pause')
    return (...args) => runtime.pauseWithin(siteHere('Atomics.pause'), false, args[0] as number)
  return (...args) => operation(siteHere(`Atomics.${name}`), ...args)
}

function refusing(name: string): unknown {
  const value = (Atomics as unknown as Record<string, unknown>)[name]
  if (!isOperation(name)) return value
  return () =>
    refused(siteHere(`Atomics.${name}`), `Atomics.${name}`, 'use Atomics.wait: a thread here may block')
}
