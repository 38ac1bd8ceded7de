// The state that a thread keeps for itself in objects, and its return to what it was.
//
// Shared memory is undone by memory.ts. A CPU also has a TLB, a VMA cache and so on: plain fields, which are set again,
// and typed arrays, whose changes are tracked as those of shared memory are.

import { memory, mix } from './memory.ts'
import { CannotSave, SavedObjects, isTracked } from './saved-objects.ts'
import type { Thread } from './thread.ts'

type Fields = Record<string, unknown>

export interface RememberedFields {
  /** Sets the fields to what they were. */
  readonly reset: () => void
  /** A digest of the numbers and truth values in them now, of 53 bits. */
  readonly digest: () => number
  /**
   * Keeps the fields in `saved`, and what is in objects that were made since and that fields, frames or `lists` lead
   * to. Throws CannotSave where one of them is of a kind that keeps something to itself.
   */
  readonly save: (saved: SavedFields, threads: readonly Thread[], lists: readonly object[]) => void
  /** Sets the fields and these objects to what they were. */
  readonly goBack: (saved: SavedFields) => void
}

export { CannotSave }

/** What {@link RememberedFields.save} keeps. */
export class SavedFields {
  readonly values: unknown[] = []
  readonly objects = new SavedObjects()
}

/**
 * Remembers the fields of `roots` and of the objects in them. Nobody changes the fields of `constants`, nor what only
 * they lead to.
 */
export function rememberFields(
  roots: readonly object[],
  constants: readonly object[] = [],
): RememberedFields {
  const objects: Fields[] = []
  const seen = new Set<object>()
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null || seen.has(value) || Object.isFrozen(value)) return
    seen.add(value)
    if (ArrayBuffer.isView(value)) {
      if (!memory.has(value.buffer)) memory.add(value, false)
      return
    }
    if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) return
    objects.push(value as Fields)
    for (const field of Object.values(Object.getOwnPropertyDescriptors(value))) visit(field.value)
  }
  for (const root of roots) visit(root)
  // A list may have other elements in another state.
  return compile(objects, new Set([...objects.filter((object) => !Array.isArray(object)), ...constants]))
}

function compile(objects: readonly Fields[], known: ReadonlySet<object>): RememberedFields {
  const { copy, numbers, save, goBack, references } = mayCompile() ? asCode(objects) : asData(objects)
  const words = new Int32Array(numbers.buffer)
  const initial: unknown[] = []
  save(initial)
  // What a field holds from the beginning, where that need not be saved.
  const settled = [...initial]
  for (const index of references) if (!isSettled(settled[index], known)) settled[index] = settled
  copy()
  const first = words.slice()
  const digest = (): number => {
    copy()
    return digestOf(words, first)
  }
  return {
    reset() {
      goBack(initial)
    },
    digest,
    save(saved, threads, lists) {
      const { values, objects: others } = saved
      save(values)
      others.begin(known)
      for (const index of references) {
        const value = values[index]
        if (value !== settled[index]) others.visit(value)
      }
      for (const list of lists) others.visit(list)
      for (const thread of threads) others.visitThread(thread)
    },
    goBack({ values, objects: others }) {
      goBack(values)
      others.restore()
    },
  }
}

/** It is saved by somebody else, or does not change. */
function isSettled(value: unknown, known: ReadonlySet<object>): boolean {
  return typeof value !== 'object' || value === null || known.has(value) || isTracked(value)
}

/** A page whose policy is strict makes no functions of text. */
function mayCompile(): boolean {
  try {
    return typeof new Function('') === 'function'
  } catch {
    return false
  }
}

/** As asCode() does, one field after the other: more slowly. */
export function asData(objects: readonly Fields[]): Compiled {
  const fields = objects.flatMap((object) => fieldsOf(object).map((field) => ({ object, ...field })))
  const plain = fields.filter(({ value }) => isPlain(value))
  const numbers = new Float64Array(plain.length)
  return {
    copy() {
      for (const [index, { object, key }] of plain.entries()) numbers[index] = Number(object[key])
    },
    numbers,
    save(into) {
      for (const [index, { object, key }] of fields.entries()) into[index] = object[key]
    },
    goBack(from) {
      for (const [index, { object, key }] of fields.entries()) object[key] = from[index]
    },
    references: [...fields.keys()].filter((index) => !isPlain(fields[index]!.value)),
  }
}

/** By functions made of assignments, which is what the engine compiles best: some for each shape of object. */
export function asCode(objects: readonly Fields[]): Compiled {
  const references: number[] = []
  let count = 0
  let numberCount = 0
  const parts = objects.map((object) => {
    const fields = fieldsOf(object)
    const part = { object, at: count, numberAt: numberCount, ...codeOf(fields) }
    fields.forEach(({ value }, index) => {
      if (isPlain(value)) numberCount++
      else references.push(count + index)
    })
    count += fields.length
    return part
  })
  const numbers = new Float64Array(numberCount)
  return {
    copy() {
      for (const { object, numberAt, copy } of parts) copy(object, numbers, numberAt)
    },
    numbers,
    save(into) {
      for (const { object, at, save } of parts) save(object, into, at)
    },
    goBack(from) {
      for (const { object, at, goBack } of parts) goBack(object, from, at)
    },
    references,
  }
}

/** For objects with the same fields, of which the same hold numbers: each begins at a place of a list. */
interface ShapeCode {
  readonly copy: (object: Fields, numbers: Float64Array, at: number) => void
  readonly save: (object: Fields, into: unknown[], at: number) => void
  readonly goBack: (object: Fields, from: readonly unknown[], at: number) => void
}

const shapes = new Map<string, ShapeCode>()

function codeOf(fields: readonly Field[]): ShapeCode {
  const shape = fields.map(({ key, value }) => `${isPlain(value) ? 'number' : 'value'} ${key}`).join('\n')
  const present = shapes.get(shape)
  if (present !== undefined) return present
  const places = fields.map(({ key }) => `object[${JSON.stringify(key)}]`)
  const plain = places.filter((_, index) => isPlain(fields[index]!.value))
  const lines = (list: readonly string[], line: (place: string, index: number) => string): string =>
    list.map(line).join('\n')
  const make = new Function(`return {
copy(object, numbers, at) {\n${lines(plain, (place, index) => `numbers[at + ${index}] = +${place}`)}\n},
save(object, into, at) {\n${lines(places, (place, index) => `into[at + ${index}] = ${place}`)}\n},
goBack(object, from, at) {\n${lines(places, (place, index) => `${place} = from[at + ${index}]`)}\n} }`)
  const code = make() as ShapeCode
  shapes.set(shape, code)
  return code
}

interface Field {
  readonly key: string
  readonly value: unknown
}

/** Those that can be set and hold no function. */
function fieldsOf(object: Fields): Field[] {
  return Object.entries(Object.getOwnPropertyDescriptors(object))
    .filter(([, { writable, value }]) => writable === true && typeof value !== 'function')
    .map(([key, { value }]) => ({ key, value: value as unknown }))
}

function isPlain(value: unknown): boolean {
  return typeof value === 'number' || typeof value === 'boolean'
}

interface Compiled {
  /** Copies the fields that are digested to `numbers`. */
  readonly copy: () => void
  readonly numbers: Float64Array<ArrayBuffer>
  /** Copies all fields to a list, and back. */
  readonly save: (into: unknown[]) => void
  readonly goBack: (from: readonly unknown[]) => void
  /** Which of them are no numbers or truth values: they may come to hold objects. */
  readonly references: readonly number[]
}

/** Of what differs from `before`: of 53 bits, which a number holds exactly. */
function digestOf(words: Int32Array, before: Int32Array): number {
  let first = 0
  let second = 0
  for (let index = 0; index < words.length; index++) {
    const word = words[index]!
    if (word === before[index]) continue
    const place = Math.imul(index + 1, 0x9e3779b1)
    first = (first + mix(place ^ word)) | 0
    second = (second + mix(Math.imul(place, 0xc2b2ae35) ^ Math.imul(word, 0x27d4eb2f))) | 0
  }
  return (first >>> 0) * 2 ** 21 + (second >>> 11)
}
