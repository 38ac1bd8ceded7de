// What a thread changes for itself, and in what nobody else has.
//
// Every change counts: a turn of a loop that makes one is not the last again. But what a thread does to an object that
// it has made itself tells no other thread anything, so that threads of one function stay alike: see symmetry.ts. Once
// it hands such an object out, it changes something that others have, which is told.

import { type Callee, type Method, calleeOf, isOfProgram } from './callees.ts'
import { current, scheduler, soloThread, state } from './running.ts'

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

/** What is called has a name that stands for a change, as `push`, or may be none of the program. */
export function noteCall(called: unknown): void {
  if (!isOfProgram(called)) state.changes++
}

const globalNames = new Set<unknown>(Object.getOwnPropertyNames(globalThis))
const ofEngine = new WeakSet<object>()

/** As noteCall(), of what `new` calls: what the engine makes is of its own. */
export function noteNew(called: unknown): void {
  if (isOfProgram(called)) return
  if (!isOfEngine(called)) state.changes++
}

/**
 * It is global under its own name. No other name is looked at: Node loads what some stand for only then, with the
 * globals of a thread, and what is loaded comes here again, which ends the process on Node 22.
 */
function isOfEngine(called: unknown): boolean {
  if (typeof called !== 'function') return false
  if (ofEngine.has(called)) return true
  const name: unknown = Object.getOwnPropertyDescriptor(called, 'name')?.value
  if (!globalNames.has(name)) return false
  if (Object.getOwnPropertyDescriptor(globalThis, name as string)?.value !== called) return false
  ofEngine.add(called)
  return true
}

/** As noteCall(), of what is called on an object. */
export function noteForeign({ changes: changed }: Callee, object: unknown): void {
  // An expression that begins anew each time.
  if (changed === 'position' && object instanceof RegExp && !object.global && !object.sticky) return
  if (changed === null) state.changes++
  else changes(object)
}

/** As noteForeign(), of a method that the program calls `text`, which is called then. */
export function noted(method: unknown, object: unknown, args: readonly unknown[], text: string): unknown {
  if (typeof method !== 'function') throw new TypeError(`${text} is not a function`)
  const callee = calleeOf(method as Method)
  if (!callee.isOwn) noteForeign(callee, object)
  return Reflect.apply(method as Method, object, args)
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

const arrayValues = Array.prototype[Symbol.iterator]

/** What `[Symbol.iterator]` of something is gives an iterator that nobody else has: it goes on for nobody else. */
export function isFresh(open: unknown): boolean {
  if (open === arrayValues) return true
  if (givesFresh.has(open)) return true
  return typeof open === 'function' && Object.getPrototypeOf(open) === generatorFunction
}

/** It is gone through from the beginning to the end, or as far as somebody wants: an iterator goes on for others. */
export function walked<T>(iterable: T): T {
  if (typeof iterable !== 'object' || iterable === null) return iterable
  const open = iteratorOf(iterable)
  if (open !== undefined && !isFresh(open)) state.changes++
  return iterable
}

/** Where most iterators come from. */
const walkable: readonly unknown[] = [Array, Map, Set].map(({ prototype }) => prototype as unknown)

/** What `[Symbol.iterator]` of an object is, without calling a getter. */
function iteratorOf(object: object): unknown {
  for (let at: object | null = object; at !== null; at = Object.getPrototypeOf(at) as object | null) {
    if (walkable.includes(at)) return (at as Iterable<unknown>)[Symbol.iterator]
    const property = Object.getOwnPropertyDescriptor(at, Symbol.iterator)
    if (property !== undefined) return property.get ?? property.value
  }
  return undefined
}
