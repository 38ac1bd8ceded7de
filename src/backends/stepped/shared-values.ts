// Shared memory in what calls are given.

import type { Callee, Method } from './callees.ts'
import type { View } from './memory.ts'
import { SHARED } from './tags.ts'
import { isSharedMemory } from './wasm/engine.ts'
import type { Watched } from './thread.ts'

export type Shared = Watched & { readonly [SHARED]: View }

export function isShared(value: unknown): value is Shared {
  return ArrayBuffer.isView(value) && (value as { [SHARED]?: View })[SHARED] !== undefined
}

export function isMemory(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (ArrayBuffer.isView(value)) return isShared(value)
  return value instanceof SharedArrayBuffer || isSharedMemory(value)
}

/** The shared arrays that a call comes to which looks into what it is given. */
export function sharedIn(
  called: Method,
  object: unknown,
  args: readonly unknown[],
  { name, depth }: Callee,
): ReadonlySet<Shared> {
  let found = isHolder(object, name, called) ? none : addShared(none, object, depth)
  for (const each of args) found = addShared(found, each, depth)
  return found
}

/** A function is a property of what it is called on, such as a module: it does not look into that. */
function isHolder(object: unknown, name: string | null, called: Method): boolean {
  if (typeof object !== 'object' || object === null || name === null) return false
  return Object.getOwnPropertyDescriptor(object, name)?.value === called
}

export const none: ReadonlySet<Shared> = new Set()

export function sharedOf(values: readonly unknown[], depth: number): ReadonlySet<Shared> {
  return values.reduce<ReadonlySet<Shared>>((found, each) => addShared(found, each, depth), none)
}

/** Objects that are looked at in one value, at most: of larger ones, those nearest to it. */
const OBJECTS_MAX = 1000

/** `found`, and what is in a value. Getters are not called. */
function addShared(found: ReadonlySet<Shared>, value: unknown, depth: number): ReadonlySet<Shared> {
  if (typeof value !== 'object' || value === null) return found
  if (isShared(value)) return new Set([...found, value])
  if (depth === 0 || ArrayBuffer.isView(value)) return found
  let all: Set<Shared> | null = null
  const seen = new Set<object>([value])
  let level: object[] = [value]
  for (let left = depth; left > 0 && level.length > 0; left--) {
    const next: object[] = []
    for (const holder of level) {
      for (const each of partsOf(holder)) {
        if (typeof each !== 'object' || each === null || seen.has(each)) continue
        seen.add(each)
        if (isShared(each)) (all ??= new Set(found)).add(each)
        else if (!ArrayBuffer.isView(each) && seen.size < OBJECTS_MAX) next.push(each)
      }
    }
    level = next
  }
  return all ?? found
}

function* partsOf(holder: object): Generator {
  if (holder instanceof Map) for (const entry of holder) yield* entry
  else if (holder instanceof Set) yield* holder
  for (const name of Reflect.ownKeys(holder)) yield Object.getOwnPropertyDescriptor(holder, name)?.value
}
