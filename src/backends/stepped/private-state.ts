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
  const { reset, copy, numbers, save, goBack, references } = mayCompile() ? asCode(objects) : asData(objects)
  const words = new Int32Array(numbers.buffer)
  // What a field holds from the beginning, where that need not be saved.
  const settled: unknown[] = []
  save(settled)
  for (const index of references) if (!isSettled(settled[index], known)) settled[index] = settled
  copy()
  const first = words.slice()
  const digest = (): number => {
    copy()
    return digestOf(words, first)
  }
  return {
    reset,
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
  const fields = objects.flatMap((object) =>
    Object.entries(Object.getOwnPropertyDescriptors(object))
      .filter(([, { writable, value }]) => writable === true && typeof value !== 'function')
      .map(([key, { value }]) => ({ object, key, value: value as unknown })),
  )
  const plain = fields.filter(({ value }) => isPlain(value))
  const numbers = new Float64Array(plain.length)
  return {
    reset() {
      for (const { object, key, value } of fields) object[key] = value
    },
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

/** Functions made of assignments: what the engine compiles best. */
export function asCode(objects: readonly Fields[]): Compiled {
  const values: unknown[] = []
  const assignments: string[] = []
  const copies: string[] = []
  const places: string[] = []
  const references: number[] = []
  objects.forEach((object, index) => {
    for (const [key, field] of Object.entries(Object.getOwnPropertyDescriptors(object))) {
      if (field.writable !== true || typeof field.value === 'function') continue
      const place = `o${index}[${JSON.stringify(key)}]`
      if (!isPlain(field.value)) references.push(places.length)
      places.push(place)
      const isLiteral = typeof field.value === 'boolean' || Number.isInteger(field.value)
      assignments.push(
        `${place} = ${isLiteral ? String(field.value) : `values[${values.push(field.value) - 1}]`}`,
      )
      if (isPlain(field.value)) copies.push(`numbers[${copies.length}] = +${place}`)
    }
  })
  const names = objects.map((_, index) => `o${index} = objects[${index}]`)
  const make = new Function(
    'objects',
    'values',
    'numbers',
    `const ${['none = 0', ...names].join(', ')}
return { reset() {\n${assignments.join('\n')}\n}, copy() {\n${copies.join('\n')}\n},
save(into) {\n${places.map((place, index) => `into[${index}] = ${place}`).join('\n')}\n},
goBack(from) {\n${places.map((place, index) => `${place} = from[${index}]`).join('\n')}\n} }`,
  ) as (
    objects: readonly Fields[],
    values: readonly unknown[],
    numbers: Float64Array,
  ) => Omit<Compiled, 'numbers' | 'references'>
  const numbers = new Float64Array(copies.length)
  return { ...make(objects, values, numbers), numbers, references }
}

function isPlain(value: unknown): boolean {
  return typeof value === 'number' || typeof value === 'boolean'
}

interface Compiled {
  readonly reset: () => void
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
