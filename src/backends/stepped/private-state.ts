// The state that a thread keeps for itself in objects, and its return to what it was.
//
// Shared memory is undone by memory.ts. A CPU also has a TLB, a VMA cache and so on: plain fields, which are set again,
// and typed arrays, whose changes are tracked as those of shared memory are.

import { memory } from './memory.ts'

type Fields = Record<string, unknown>

export interface RememberedFields {
  /** Sets the fields to what they were. */
  readonly reset: () => void
  /** The numbers and truth values in them now, as text. */
  readonly digest: () => string
}

/** Remembers the fields of `roots` and of the objects in them. */
export function rememberFields(roots: readonly object[]): RememberedFields {
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
  return compile(objects)
}

/** Functions made of assignments and sums: what the engine compiles best. */
function compile(objects: readonly Fields[]): RememberedFields {
  const values: unknown[] = []
  const assignments: string[] = []
  const terms: string[] = []
  objects.forEach((object, index) => {
    for (const [key, field] of Object.entries(Object.getOwnPropertyDescriptors(object))) {
      if (field.writable !== true || typeof field.value === 'function') continue
      const place = `o${index}[${JSON.stringify(key)}]`
      assignments.push(`${place} = values[${values.length}]`)
      values.push(field.value)
      if (typeof field.value === 'number' || typeof field.value === 'boolean') terms.push(`+${place}`)
    }
  })
  const names = objects.map((_, index) => `o${index} = objects[${index}]`)
  const make = new Function(
    'objects',
    'values',
    `const ${['none = 0', ...names].join(', ')}
return { reset() {\n${assignments.join('\n')}\n}, digest() { return [${terms.join(', ')}].join() } }`,
  ) as (objects: readonly Fields[], values: readonly unknown[]) => RememberedFields
  return make(objects, values)
}
