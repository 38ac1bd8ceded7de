// The modules of which each thread has its own instance, for those who make these: see thread-form.ts, and
// loop/modules.ts.

import { ScriptNeeded, type ScriptRequest } from './refusal.ts'

/** A module as it is loaded: a thread calls `make` for its instance. */
export interface ThreadCode {
  /** Its address, as the program knows it. */
  readonly url: string
  readonly format: 'module' | 'commonjs'
  readonly make: (...args: readonly unknown[]) => unknown
  readonly specifiers: readonly string[]
  readonly exports: readonly string[]
  /** It waits at its top, or one that it imports does. */
  readonly isAsync: boolean
  /** Of a CommonJS module, what can be imported of it by name. */
  readonly names: readonly string[]
}

/** Where an import leads: to such a module, to one of loop/, to one that all threads share, or to an error. */
export type Found =
  | { readonly kind: 'thread'; readonly code: ThreadCode }
  | { readonly kind: 'loop'; readonly name: string; readonly exports: object }
  | { readonly kind: 'native'; readonly exports: unknown }
  | { readonly kind: 'error'; readonly error: unknown }

/** What a program has of them. */
export interface ThreadModules {
  /** Null where nobody has looked yet. */
  readonly find: (request: ScriptRequest) => Found | null
}

const none: ThreadModules = { find: () => null }
const tables = new WeakMap<object, ThreadModules>()

/** Of the program with these places. */
export function setThreadModules(of: object, value: ThreadModules): void {
  tables.set(of, value)
}

/** What threads have loaded since the last call of forgetLoaded(). */
const loaded = new Map<string, ScriptRequest>()

export function forgetLoaded(): void {
  loaded.clear()
}

export function whatWasLoaded(): readonly ScriptRequest[] {
  return [...loaded.values()]
}

/** Throws ScriptNeeded where the program has to be loaded anew, with what is asked for. */
export function findModule(of: object, request: ScriptRequest): Found {
  const found = (tables.get(of) ?? none).find(request)
  if (found === null) throw new ScriptNeeded(request)
  loaded.set(`${request.kind} ${request.from} ${request.specifier}`, request)
  return found
}
