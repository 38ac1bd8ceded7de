// What is in objects that threads have made, and its return to what it was, in the same objects.
//
// What a function keeps in a frame may be an object, which the function changes when it goes on. Its own properties are
// saved, the elements of arrays, and all objects that these lead to. What a closure, a private field, a generator or a
// map keeps to itself cannot be seen from here. The last two are refused where they are met; that there is none of the
// others is for whoever saves to know.

import { stopped } from './runtime.ts'
import { TRACKED } from './tags.ts'
import type { Thread } from './thread.ts'

type Fields = Record<string, unknown>

/** An object keeps something to itself. */
export class CannotSave extends Error {
  override readonly name = 'CannotSave'
}

/** What can be saved, and what nobody changes, by its tag. */
const plain = new Set(['Object', 'Error', 'Arguments'])
const constant = new Set(['Math', 'JSON', 'Atomics', 'Reflect', 'Intl'])
/** Prototypes of objects that can be saved: to ask for a tag takes long. */
const plainPrototypes = new WeakSet<object>([Object.prototype])

export class SavedObjects {
  #known: ReadonlySet<object> = new Set()
  /** What was met last, and, of what need not be saved, two that were met before: most frames hold the same. */
  #last: unknown = null
  #first: unknown = null
  #second: unknown = null
  readonly #seen = new Set<object>()
  readonly #objects: object[] = []
  readonly #contents: (readonly unknown[] | ArrayBufferView)[] = []

  /** What is known is saved by somebody else. */
  begin(known: ReadonlySet<object>): void {
    this.#known = known
    this.#last = null
    this.#first = null
    this.#second = null
    this.#seen.clear()
    this.#objects.length = 0
    this.#contents.length = 0
  }

  visitThread({ frames, depth }: Thread): void {
    for (let at = 0; at < depth; at++) {
      const frame = frames[at]!
      for (let place = 2; place < frame.length; place++) {
        const value = frame[place]
        if (typeof value !== 'object' || value === this.#first || value === this.#second) continue
        this.visit(value)
      }
    }
  }

  visit(value: unknown): void {
    // A variable of a function that stops may hold what it was given for a value.
    if (typeof value !== 'object' || value === null || value === stopped || value === this.#last) return
    this.#last = value
    if (this.#known.has(value) || isTracked(value)) {
      this.#second = this.#first
      this.#first = value
      return
    }
    if (this.#seen.has(value)) return
    this.#seen.add(value)
    if (ArrayBuffer.isView(value)) this.#visitView(value)
    else if (Array.isArray(value)) this.#add(value, [...(value as unknown[])])
    else if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) return
    else if (isPlain(value)) this.#add(value, Object.values(value))
  }

  #visitView(view: ArrayBufferView): void {
    if (view instanceof DataView) return
    this.#objects.push(view)
    this.#contents.push((view as Int32Array).slice())
  }

  #add(object: object, contents: readonly unknown[]): void {
    if (!Object.isFrozen(object)) {
      this.#objects.push(object)
      this.#contents.push(contents)
    }
    for (const value of contents) if (typeof value === 'object') this.visit(value)
  }

  restore(): void {
    for (let index = 0; index < this.#objects.length; index++) {
      const object = this.#objects[index]!
      const contents = this.#contents[index]!
      if (ArrayBuffer.isView(contents)) (object as Int32Array).set(contents as Int32Array)
      else if (Array.isArray(object)) {
        object.length = contents.length
        for (let at = 0; at < contents.length; at++) object[at] = contents[at]
      } else restoreFields(object as Fields, contents)
    }
  }
}

/** Changes of what is tracked are undone with memory. */
export function isTracked(value: object): boolean {
  return ArrayBuffer.isView(value) && (value as { [TRACKED]?: unknown })[TRACKED] !== undefined
}

/** Its properties are all that it has, in which it may change. Throws CannotSave where it may have more. */
function isPlain(object: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(object)
  if (typeof prototype === 'object' && prototype !== null && plainPrototypes.has(prototype)) return true
  const tag = Object.prototype.toString.call(object).slice(8, -1)
  if (constant.has(tag)) return false
  if (!plain.has(tag)) throw new CannotSave(`what is in an object of kind ${tag} cannot be saved`)
  if (typeof prototype === 'object' && prototype !== null) plainPrototypes.add(prototype)
  return true
}

function restoreFields(object: Fields, contents: readonly unknown[]): void {
  const keys = Object.keys(object)
  if (keys.length !== contents.length) throw new CannotSave('an object has got properties since it was saved')
  for (let at = 0; at < keys.length; at++) {
    const key = keys[at]!
    if (object[key] !== contents[at]) object[key] = contents[at]
  }
}
