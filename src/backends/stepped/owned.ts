// What a thread changes for itself, and in what nobody else has.
//
// Every change counts: a turn of a loop that makes one is not the last again. But what a thread does to an object that
// it has made itself tells no other thread anything, so that threads of one function stay alike: see symmetry.ts. Once
// it hands such an object out, it changes something that others have, which is told.

import { current, scheduler, soloThread, state } from './running.ts'
import { RUNTIME } from './names.ts'

type Method = (this: unknown, ...args: readonly unknown[]) => unknown

/** Objects that threads have made. None of them is a proxy. */
const owned = new WeakSet()

/** What was made just now, by the thread that runs: nobody else has it. */
export function making<T extends object>(object: T): T {
  if (current !== soloThread && scheduler!.exchanges) owned.add(object)
  return object
}

/** Counts a change of `object`, which comes next. */
export function changes<T>(object: T): T {
  state.changes++
  if (owned.has(object as object)) current.privateChanges++
  return object
}

/** An object to which a field is added, where what a class extends may have returned it. */
export function extended<T>(object: T): T {
  return owned.has(object as object) ? object : changes(object)
}

/** What the engine says, whatever programs are told: see function-text.ts. */
export const { toString: nativeText } = Function.prototype

const ofProgram = new WeakMap<Method, boolean>()

/** A function of the program counts its own changes: its text tells. */
export function isOfProgram(called: unknown): boolean {
  if (typeof called !== 'function') return false
  let known = ofProgram.get(called as Method)
  if (known === undefined) {
    known = nativeText.call(called).includes(`${RUNTIME}_`)
    ofProgram.set(called as Method, known)
  }
  return known
}

/** What is called has a name that stands for a change, as `push`, or may be none of the program. */
export function noteCall(called: unknown): void {
  if (!isOfProgram(called)) state.changes++
}

const ofEngine: ReadonlySet<unknown> = new Set(
  Object.values(Object.getOwnPropertyDescriptors(globalThis)).map(({ value }) => value as unknown),
)

/** As noteCall(), of what `new` calls: what the engine makes is of its own. */
export function noteNew(called: unknown): void {
  if (!ofEngine.has(called)) noteCall(called)
}

/** As noteCall(), of what is called on an object. */
export function noteCallOn(called: unknown, object: unknown): void {
  if (isHarmless(called, object)) return
  // Most are of arrays: those are known without a look at their text.
  if (changesItsOwn.has(called)) changes(object)
  else if (!isOfProgram(called)) state.changes++
}

/** As noteCallOn(), of a method that is about to be called by its name. */
export function calling<T>(object: T, name: string): T {
  noteCallOn(typeof object === 'object' && object !== null ? methodOf(object, name) : undefined, object)
  return object
}

/** Without calling a getter. */
function methodOf(object: object, name: PropertyKey): unknown {
  if (Array.isArray(object) && owned.has(object) && !Object.hasOwn(object, name)) {
    // A list that is no proxy.
    if (Object.getPrototypeOf(object) === Array.prototype) return Array.prototype[name as never]
  }
  for (let at: object | null = object; at !== null; at = Object.getPrototypeOf(at) as object | null) {
    const property = Object.getOwnPropertyDescriptor(at, name)
    if (property !== undefined) return property.value
  }
  return undefined
}

/** Methods of the engine that change nothing but what they are called on. */
const changesItsOwn: ReadonlySet<unknown> = new Set(
  (
    [
      [Array, 'push pop shift unshift splice sort reverse fill copyWithin'],
      [Object.getPrototypeOf(Int32Array) as ArrayConstructor, 'set fill sort reverse copyWithin'],
      [Map, 'set delete clear'],
      [Set, 'add delete clear'],
      [WeakMap, 'set delete'],
      [WeakSet, 'add delete'],
      [RegExp, 'exec test'],
    ] as const
  ).flatMap(([{ prototype }, names]) =>
    names.split(' ').map((name) => (prototype as unknown as Record<string, unknown>)[name]),
  ),
)

/** An expression that begins anew each time. */
function isHarmless(called: unknown, object: unknown): boolean {
  if (called !== RegExp.prototype.exec && called !== RegExp.prototype.test) return false
  return object instanceof RegExp && !object.global && !object.sticky
}

/** Methods of the engine that give an iterator which nobody else has. */
const givesFresh: ReadonlySet<unknown> = new Set([
  Array.prototype[Symbol.iterator],
  Object.getPrototypeOf(Int32Array.prototype)[Symbol.iterator] as unknown,
  String.prototype[Symbol.iterator],
  Map.prototype[Symbol.iterator],
  Set.prototype[Symbol.iterator],
])

const generatorFunction = Object.getPrototypeOf(function* () {}) as object

/** What `[Symbol.iterator]` of something is gives an iterator that nobody else has: it goes on for nobody else. */
export function isFresh(open: unknown): boolean {
  if (givesFresh.has(open)) return true
  return typeof open === 'function' && Object.getPrototypeOf(open) === generatorFunction
}

/** It is gone through from the beginning to the end, or as far as somebody wants: an iterator goes on for others. */
export function walked<T>(iterable: T): T {
  if (typeof iterable !== 'object' || iterable === null) return iterable
  if (!isFresh(methodOf(iterable, Symbol.iterator))) state.changes++
  return iterable
}
