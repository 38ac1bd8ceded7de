// Calls of functions that are not the program's: those of the engine, of Node, and of packages that are not stepped.
// Such a function reads and writes the shared memory that it is given within one step of the thread. The call counts as
// plain accesses, at its place.

import {
  type Callee,
  type Method,
  builtinModule,
  calleeOf,
  engine,
  isOfProgram,
  nativeText,
  rememberBound,
  rememberOwn,
} from './callees.ts'
import { accessesOf } from './known-accesses.ts'
import { memory } from './memory.ts'
import { bulkMethods, stepsCallbacks, viewMethod } from './names.ts'
import { noteForeign } from './owned.ts'
import {
  bulk,
  dataView,
  isBuffer,
  made,
  noteBulkRead,
  noteBulkWrite,
  refuseGrowth,
} from './plain-accesses.ts'
import { current, refused, soloThread, state, stepPackageOf, stopped } from './running.ts'
import { type Shared, isMemory, isShared, none, sharedIn, sharedOf } from './shared-values.ts'
import { SHARED, TRACKED } from './tags.ts'
import type { Watched } from './thread.ts'

type Functions = Record<string, unknown>

// ---------------------------------------------------------------------------------------------------------------------
// What functions of the engine do

/** Functions of packages that are not stepped, and the objects in which they are. */
const ofPackages = new WeakSet()
const EXPORTS_DEPTH = 3

/** What a package exports that is not stepped. Returns it. */
export function outsiders<T>(exported: T): T {
  noteOutsider(exported, EXPORTS_DEPTH)
  return exported
}

function noteOutsider(value: unknown, depth: number): void {
  const isObject = (typeof value === 'object' && value !== null) || typeof value === 'function'
  if (!isObject || depth === 0 || ArrayBuffer.isView(value) || isOfProgram(value) || ofPackages.has(value))
    return
  if (typeof value === 'function' && (handOn.has(value) || calleeOf(value as Method).name !== null)) return
  ofPackages.add(value)
  for (const each of Object.values(Object.getOwnPropertyDescriptors(value)))
    noteOutsider(each.value, depth - 1)
}

/** Functions of the engine that hand on what they are given, and do not look at its elements. */
const handOn = new Set<unknown>(
  [
    ...[Map, Set, WeakMap, WeakSet, WeakRef, Promise, FinalizationRegistry, Function, Object].flatMap(
      (each) => allOf(each.prototype as object),
    ),
    ...[Map, Set, Promise, Atomics, console].flatMap(allOf),
    ...named(Object, 'is freeze seal preventExtensions isFrozen isSealed isExtensible keys create hasOwn'),
    ...named(Object, 'getPrototypeOf setPrototypeOf getOwnPropertyNames getOwnPropertySymbols fromEntries'),
    ...named(Reflect, 'has ownKeys getPrototypeOf setPrototypeOf isExtensible preventExtensions construct'),
    ...named(Array, 'isArray of'),
    ...named(Object.getPrototypeOf(function* () {}).prototype as object, 'next return throw'),
    structuredClone,
    queueMicrotask,
  ].filter((each) => typeof each === 'function'),
)
const inherits = new Set<unknown>([Object.setPrototypeOf, Reflect.setPrototypeOf])
/** Others, by their names: they ask what kind of object it is, or compare objects. */
const looksAtNone =
  /^(is(?!DeepStrictEqual$|Ascii$|Utf8$)[A-Z]\w*|byteLength|ok|assert|(not)?([eE]qual|[sS]trictEqual))$/

function allOf(holder: object): unknown[] {
  return Object.values(Object.getOwnPropertyDescriptors(holder)).map(({ value }) => value as unknown)
}

function named(holder: object, names: string): unknown[] {
  return names.split(' ').map((name) => (holder as Functions)[name])
}

/** Those that call, before they return, the functions that they are given. */
const callBack = new Set<unknown>([
  ...[Array, Object.getPrototypeOf(Int8Array) as ArrayConstructor, Map, Set].flatMap((each) =>
    Object.getOwnPropertyNames(each.prototype)
      .filter(stepsCallbacks)
      .map((name) => (each.prototype as unknown as Functions)[name]),
  ),
  ...named(String.prototype, 'replace replaceAll'),
  ...named(Array, 'from'),
  ...named(Object, 'groupBy'),
  ...named(Map, 'groupBy'),
])

/**
 * A function that something else calls, which is not stepped: one of a package, or of the engine, then notes what it
 * does as if the program called it.
 */
export function followed(called: unknown, site: number): unknown {
  if (typeof called !== 'function' || isOfProgram(called)) return called
  return function (this: unknown, ...args: readonly unknown[]) {
    return new.target === undefined
      ? callOut(called as Method, this, args, site)
      : constructOutside(called as never, args, site)
  }
}

/** A tag that is a method: what it does with shared memory is noted, where it is not the program's. */
export function tagOf(object: Functions, key: string, site: number): unknown {
  const tag = object[key]
  if (typeof tag !== 'function') return tag
  const call = followed(tag, site) as Method
  return (...args: readonly unknown[]): unknown => Reflect.apply(call, object, args)
}

/** Methods of arrays and of typed arrays, and their names. */
const ofArrays = methodsOf(Array.prototype)
const ofTypedArrays = methodsOf(Object.getPrototypeOf(Int8Array.prototype) as object)
const ofDataViews = methodsOf(DataView.prototype)

function methodsOf(holder: object): ReadonlyMap<unknown, string> {
  const properties = Object.entries(Object.getOwnPropertyDescriptors(holder))
  return new Map(properties.map(([name, { value }]) => [value as unknown, name]))
}

/** A call is given shared memory, as far as can be told without looking into objects. */
function isGiven(object: unknown, args: readonly unknown[]): boolean {
  if (isShared(object)) return true
  for (const each of args) if (matters(each)) return true
  return false
}

/** Something that a call is given may be read, or be called with what may be read. */
export function matters(value: unknown): boolean {
  return typeof value === 'function' ? ofPackages.has(value) : isMemory(value)
}

/** How deep a function of a package is taken to look into what it is given. */
const PACKAGE_DEPTH = 8

/** What a function does that calls another when it is over. */
const defers = /\b(setTimeout|setInterval|setImmediate|queueMicrotask|nextTick|then|catch|finally)\b/

/** It goes on when it is over, as only what is stepped can in a thread: it gives a promise, or calls back then. */
function isLater(called: Method, args: readonly unknown[], result: unknown): boolean {
  if (result instanceof Promise && !('loop' in result)) {
    result.catch(() => {})
    return true
  }
  return args.some((each) => typeof each === 'function') && defers.test(nativeText.call(called))
}

/** A function of a package that is not stepped: where that makes a difference, it is. */
function callPackage(
  called: Method,
  object: unknown,
  args: readonly unknown[],
  call: () => unknown,
): unknown {
  const given = ofPackages.has(object as object) ? args : [object, ...args]
  if (given.some(isMemory) || sharedOf(given, PACKAGE_DEPTH).size > 0) stepPackageOf(called)
  const { outsider: outer } = state
  state.outsider = called
  let result: unknown
  try {
    result = call()
  } finally {
    state.outsider = outer
  }
  if (state.stopping && result !== stopped) stepPackageOf(called)
  if (current !== soloThread && isLater(called, args, result)) stepPackageOf(called)
  return result
}

/** What a class of the program has made, which may extend one of a package that keeps what it was given. */
function madeByBase(object: unknown, constructor: Method): unknown {
  let at: unknown = constructor
  while (typeof at === 'function' && !ofPackages.has(at)) at = Object.getPrototypeOf(at)
  if (typeof at === 'function' && sharedOf([object], PACKAGE_DEPTH).size > 0) stepPackageOf(at)
  return object
}

/** `new constructor(...args)` of what is not the program's. */
export function constructOutside(
  constructor: new (...args: readonly unknown[]) => unknown,
  args: readonly unknown[],
  site: number,
): unknown {
  const called = constructor as unknown as Method
  // By the clock that threads find.
  if (constructor === Date && args.length === 0) args = [Date.now()]
  const make = (): unknown => new constructor(...args)
  if (typeof called !== 'function') return make()
  if (calleeOf(called).isOwn) return madeByBase(make(), called)
  if (ofPackages.has(called)) return callPackage(called, null, args, make)
  const arrays = handOn.has(called) ? none : sharedOf(args, 1)
  if (arrays.size === 0) return make()
  const { name } = calleeOf(called)
  if (name === null) stepPackageOf(called)
  // It reads later what it was given.
  if (called.name === 'Deserializer')
    refused(site, `new ${called.name}() over shared memory`, 'give it a copy: Buffer.from(bytes)')
  for (const array of arrays) noteBulkRead(array[SHARED], 0, array[SHARED].length, site)
  return make()
}

const keepsTarget = ['get', 'has', 'set', 'getOwnPropertyDescriptor', 'defineProperty'] as const

/** `new Proxy(target, handler)`: what passes through it to a shared array is noted. */
export function proxyOf(
  constructor: ProxyConstructor,
  target: object,
  handler: ProxyHandler<object>,
  site: number,
): object {
  if (constructor !== Proxy || !isShared(target)) return new constructor(target, handler)
  const through = Object.fromEntries(
    keepsTarget.map((name) => [
      name,
      (...args: readonly unknown[]) => {
        const called = (Reflect as unknown as Record<string, Method>)[name]!
        // An array is asked for itself, and not for its proxy: it would find no element there.
        const given = name === 'get' ? args.slice(0, 2) : name === 'set' ? args.slice(0, 3) : args
        return outside(called, Reflect, given, site, calleeOf(called))
      },
    ]),
  )
  const traps = new Proxy(handler, {
    get: (given, name, self) => {
      const trap: unknown = Reflect.get(given, name, self)
      return trap ?? (through as Record<PropertyKey, unknown>)[name]
    },
  })
  return new Proxy(target, traps)
}

// ---------------------------------------------------------------------------------------------------------------------
// Calling

/** For each place, what was called there last, which is mostly the next, too; and what is known of it. */
const lastCalled: (Method | null)[] = []
const lastCallee: (Callee | null)[] = []

function calleeAt(site: number, called: unknown, text: string): Callee {
  if (typeof called !== 'function') throw new TypeError(`${text} is not a function`)
  if (called === lastCalled[site]) return lastCallee[site]!
  // Without holes, which are slow.
  while (lastCalled.length <= site) {
    lastCalled.push(null)
    lastCallee.push(null)
  }
  lastCalled[site] = called as Method
  return (lastCallee[site] = calleeOf(called as Method))
}

/**
 * `method.apply(object, args)` of what may be a function outside, which the program calls `text`. `changes` if a call
 * of one that is not the program's counts as a change.
 */
export function outward(
  method: unknown,
  object: unknown,
  args: readonly unknown[],
  site: number,
  text: string,
  changes = false,
): unknown {
  const callee = calleeAt(site, method, text)
  if (callee.isOwn) return Reflect.apply(method as Method, object, args)
  if (changes) noteForeign(callee, object)
  return callForeign(callee, method as Method, object, args, site)
}

// The same of one and of no argument: the engine makes no list for most of them.

export function outward1(
  method: unknown,
  object: unknown,
  value: unknown,
  site: number,
  text: string,
  changes = false,
): unknown {
  const callee = calleeAt(site, method, text)
  if (callee.isOwn) return Reflect.apply(method as Method, object, [value])
  if (changes) noteForeign(callee, object)
  if (callee.isPlain && !isShared(object) && !matters(value))
    return Reflect.apply(method as Method, object, [value])
  return callForeign(callee, method as Method, object, [value], site)
}

export function outward0(
  method: unknown,
  object: unknown,
  site: number,
  text: string,
  changes = false,
): unknown {
  const callee = calleeAt(site, method, text)
  if (callee.isOwn) return Reflect.apply(method as Method, object, [])
  if (changes) noteForeign(callee, object)
  if (callee.isPlain && !isShared(object)) return Reflect.apply(method as Method, object, [])
  return callForeign(callee, method as Method, object, [], site)
}

function callOut(called: Method, object: unknown, args: readonly unknown[], site: number): unknown {
  const callee = calleeOf(called)
  return callee.isOwn ? Reflect.apply(called, object, args) : callForeign(callee, called, object, args, site)
}

function callForeign(
  callee: Callee,
  called: Method,
  object: unknown,
  args: readonly unknown[],
  site: number,
): unknown {
  if (callee.isPlain && !isGiven(object, args)) return Reflect.apply(called, object, args)
  const inner = callee.bound ?? forwarded(called, object, args)
  if (inner !== null) {
    const [target, self, given] = inner
    return callOut(target, self, callee.bound === null ? given : [...given, ...args], site)
  }
  if (called === engine.bind && typeof object === 'function') return boundOf(object as Method, args, site)
  if (callee.later !== null) refuseLater(called, args, site)
  if (called === engine.construct && Array.isArray(args[1]))
    for (const each of args[1]) if (isShared(each)) noteBulkRead(each[SHARED], 0, each[SHARED].length, site)
  if (ofPackages.has(called))
    return callPackage(called, object, args, () => Reflect.apply(called, object, args))
  if (called === engine.cut && object instanceof SharedArrayBuffer) return cutOut(object, args, site)
  if (called === engine.grow && current !== soloThread) refuseGrowth(site)
  if (called === stringify) args = seeing(args, site)
  if (!isGiven(object, args) && (callee.depth === 0 || sharedIn(called, object, args, callee).size === 0))
    return seen(Reflect.apply(called, object, args))
  return outside(called, object, args, site, callee)
}

const { stringify } = JSON

/** The arguments of JSON.stringify(), which notes shared arrays that it comes to: a toJSON() may return one. */
function seeing(args: readonly unknown[], site: number): readonly unknown[] {
  const [value, replacer, ...rest] = args
  const isFunction = typeof replacer === 'function'
  if (typeof value !== 'object' || value === null || Array.isArray(replacer)) return args
  const sees = rememberOwn(function (this: unknown, key, given) {
    const result = isFunction ? Reflect.apply(replacer as Method, this, [key, given]) : given
    if (isShared(result)) noteBulkRead(result[SHARED], 0, result[SHARED].length, site)
    return result
  })
  return [value, sees, ...rest]
}

/** What `call` and the like call. What they do not take, the engine says. */
function forwarded(called: Method, object: unknown, args: readonly unknown[]): Callee['bound'] {
  const isReflected = called === engine.reflect
  const target = isReflected ? args[0] : object
  if (typeof target !== 'function') return null
  if (called === engine.call) return [target as Method, args[0], args.slice(1)]
  if (!isReflected && called !== engine.apply) return null
  const [self, list] = isReflected ? args.slice(1) : args
  const isList = typeof list === 'object' && list !== null && (!isReflected || args.length > 2)
  if (isList) return [target as Method, self, Array.from(list as ArrayLike<unknown>)]
  return list === undefined || list === null ? (isReflected ? null : [target as Method, self, []]) : null
}

function boundOf(target: Method, [self, ...args]: readonly unknown[], site: number): unknown {
  const bound = Reflect.apply(engine.bind, target, [self, ...args]) as Method
  rememberBound(bound, [target, self, args])
  if (ofPackages.has(target) && sharedOf([self, ...args], PACKAGE_DEPTH).size > 0) stepPackageOf(target)
  if (isOfProgram(target) || !isGiven(self, args)) return bound
  // Whoever calls it: it tells what it does.
  const told = Reflect.apply(engine.bind, followed(target, site) as Method, [self, ...args]) as Method
  for (const name of ['name', 'length'])
    Object.defineProperty(told, name, Object.getOwnPropertyDescriptor(bound, name)!)
  rememberBound(told, [target, self, args])
  return told
}

/** What Node does meanwhile ends in an event that no thread of a check has. */
export function refuseLater(called: Method, args: readonly unknown[], site: number): void {
  const { name, later } = calleeOf(called)
  if (later === null || current === soloThread) return
  if (later === 'given' && typeof args.at(-1) !== 'function') return
  const twin = `${name!}Sync`
  const isTwin = 'fs crypto zlib child_process'.split(' ').some((module) => {
    const functions = builtinModule!(module) as Functions
    return functions[name!] === called && twin in functions
  })
  const remedy = isTwin ? `use ${twin}()` : 'do it before the check begins'
  refused(site, `${name!}(), which calls back when an event of Node comes`, remedy)
}

/** `memory.slice(start, end)` reads what it copies. */
function cutOut(buffer: SharedArrayBuffer, args: readonly unknown[], site: number): unknown {
  const copy = Reflect.apply(engine.cut, buffer, args) as SharedArrayBuffer
  const first = Math.trunc(Number(args[0] ?? 0)) || 0
  const start = first < 0 ? Math.max(0, buffer.byteLength + first) : first
  note(made(new Uint8Array(buffer)), start, start + copy.byteLength, false, site)
  return copy
}

function outside(
  called: Method,
  object: unknown,
  args: readonly unknown[],
  site: number,
  callee: Callee,
): unknown {
  if (callee.name === null) stepPackageOf(called)
  prototype(called === Object.create ? args[0] : inherits.has(called) ? args[1] : null, site)
  if (callBack.has(called)) args = args.map((each) => followed(each, site))
  if (handOn.has(called) || (Array.isArray(object) && ofArrays.has(called)))
    return seen(Reflect.apply(called, object, args))
  const ofElements = ofTypedArrays.get(called) ?? ''
  if (isShared(object) && bulkMethods.has(ofElements) && !isBuffer(object))
    return bulk(object, ofElements, site, args, called)
  const ofView = ofDataViews.get(called) ?? ''
  if (isShared(object) && viewMethod.test(ofView))
    return dataView(object as unknown as DataView & Watched, ofView, site, args, called)
  return noteAround(called, object, args, site, callee)
}

/** What an object is to inherit from. Returns it. */
export function prototype<T>(value: T, site: number): T {
  if (isShared(value))
    refused(site, 'an object that inherits from a shared array', 'read the elements of the array itself')
  return value
}

/** `object[name](...args)`, where the name is computed; `method` is what was there before the arguments. */
export function computedCall(
  object: Watched,
  name: string,
  site: number,
  args: readonly unknown[],
  method?: unknown,
): unknown {
  if (ArrayBuffer.isView(object) && object[TRACKED] !== undefined && typeof name === 'string') {
    if (viewMethod.test(name)) return dataView(object as unknown as DataView & Watched, name, site, args)
    if (bulkMethods.has(name)) return bulk(object, name, site, args)
  }
  const called = method ?? (object as unknown as Functions)[name]
  // The text of a function costs much, and nobody asks for it.
  return outward(called, object, args, site, typeof called === 'function' ? '' : String(called))
}

/** They read the memory itself that they are given; others make arrays over it, or hand it on. */
const readsMemory =
  /^(decode|inspect|format\w*|isDeepStrictEqual|\w*[dD]eep\w*|hash|(in|de)flate\w*|gzip\w*)$/

/** Memory, as an array of its bytes. */
function bytesIn(value: unknown): unknown {
  return value instanceof SharedArrayBuffer ? made(new Uint8Array(value)) : value
}

/** Notes what is read and written, of that of which it is known; for others, compares what was there before. */
function noteAround(
  called: Method,
  object: unknown,
  args: readonly unknown[],
  site: number,
  callee: Callee,
): unknown {
  const { name } = callee
  const known = name === null ? null : looksAtNone.test(name) ? [] : accessesOf(called, name, object, args)
  if (known !== null) {
    for (const { array, start, end, writes } of known) note(array, start, end, writes, site)
    return seen(Reflect.apply(called, object, args))
  }
  const given = name !== null && readsMemory.test(name) ? args.map(bytesIn) : args
  const arrays = [...sharedIn(called, object, given, callee)]
  const before = arrays.map((array) => {
    const { length } = array[SHARED]
    if (name !== null) noteBulkRead(array[SHARED], 0, length, site)
    array[SHARED].touchRange(0, length)
    return bytesOf(array).slice()
  })
  const { sharedChanges } = current
  try {
    return seen(Reflect.apply(called, object, args))
  } finally {
    // A function of the program that it calls, and an operation of `Atomics`, have noted their own.
    if (!state.stopping && current.sharedChanges === sharedChanges)
      for (const [index, array] of arrays.entries()) noteChanges(array, before[index]!, site)
  }
}

/** A result that may be an array over shared memory. */
function seen(value: unknown): unknown {
  if (!ArrayBuffer.isView(value) || isShared(value)) return value
  return value.buffer instanceof SharedArrayBuffer || memory.has(value.buffer) ? made(value) : value
}

function bytesOf({ buffer, byteOffset, byteLength }: Shared): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}

/** Each run of bytes that are not what they were. */
function noteChanges(array: Shared, before: Uint8Array, site: number): void {
  const after = bytesOf(array)
  for (let at = 0; at < after.length; at++) {
    if (after[at] === before[at]) continue
    const start = at
    while (at < after.length && after[at] !== before[at]) at++
    note(array, start, at, true, site)
  }
}

/** Of the bytes from `start` to `end`, which may lie outside the array. */
function note(array: unknown, start: number, end: number, writes: boolean, site: number): void {
  if (!isShared(array)) return
  const view = array[SHARED]
  const size = array.byteLength / view.length
  const first = Math.floor(Math.min(Math.max(start, 0), array.byteLength) / size)
  const last = Math.ceil(Math.min(Math.max(end, 0), array.byteLength) / size)
  if (writes) noteBulkWrite(view, first, last, site)
  else noteBulkRead(view, first, last, site)
}
