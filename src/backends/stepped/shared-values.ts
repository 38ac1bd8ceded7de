// Shared memory in what calls are given.

import type { Callee, Method } from './callees.ts'
import type { View } from './memory.ts'
import { SHARED } from './tags.ts'
import type { Watched } from './thread.ts'

export type Shared = Watched & { readonly [SHARED]: View }

export function isShared(value: unknown): value is Shared {
  return ArrayBuffer.isView(value) && (value as { [SHARED]?: View })[SHARED] !== undefined
}

export function isMemory(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  return ArrayBuffer.isView(value) ? isShared(value) : value instanceof SharedArrayBuffer
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

/** `found`, and what is in a value. Getters are not called. */
function addShared(found: ReadonlySet<Shared>, value: unknown, depth: number): ReadonlySet<Shared> {
  if (typeof value !== 'object' || value === null) return found
  if (isShared(value)) return new Set([...found, value])
  if (depth === 0 || ArrayBuffer.isView(value)) return found
  let all = found
  for (const name of Object.getOwnPropertyNames(value))
    all = addShared(all, Object.getOwnPropertyDescriptor(value, name)?.value, depth - 1)
  const entries = value instanceof Map ? [...value].flat() : value instanceof Set ? [...value] : []
  for (const entry of entries) all = addShared(all, entry, depth - 1)
  return all
}
