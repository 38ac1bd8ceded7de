// Loading the modules of which each thread has its own instance, with what they import that is not stepped: threads
// take it when they run, and can wait for nothing then.

import * as nodeModule from 'node:module'
import type { ModuleOutline, SteppedForm } from './cache.ts'
import { outsideScopes } from './global-scope.ts'
import { hasUseFor } from './loop-imports.ts'
import { isOfNode } from './node-streams.ts'
import { scriptKey } from './program.ts'
import type { ScriptRequest } from './refusal.ts'
import { importResolver, isData, standInFor } from './resolve.ts'
import { PER_THREAD } from './thread-form.ts'
import { type Found, type ThreadCode, type ThreadModules, setThreadModules } from './thread-modules.ts'

type Make = ThreadCode['make']

/** Loads them; `suffix` stands behind the addresses of the program, and `require` gets what a CommonJS one exports. */
export async function loadThreadModules(
  form: SteppedForm,
  suffix: string,
  require: (url: string) => unknown,
): Promise<void> {
  const codes = new Map<string, ThreadCode>()
  for (const [url, { thread, format, names }] of form.modules) {
    if (thread === null) continue
    const make = (format === 'module'
      ? ((await import(`${url}${suffix}`)) as { default: Make }).default
      : require(url)) as unknown as Make
    const { specifiers, exports } = thread
    const isAsync = waits(form.modules, url)
    codes.set(url, {
      url: url.slice(0, -PER_THREAD.length),
      format,
      make,
      specifiers,
      exports,
      isAsync,
      names,
    })
  }
  const natives = new Map<string, Found>()
  for (const { url, format, specifiers } of codes.values())
    if (format === 'module')
      for (const specifier of specifiers) await note(natives, form, suffix, url, specifier)
  for (const key of form.found.keys()) {
    const [kind, from, specifier] = key.split(' ') as [ScriptRequest['kind'], string, string]
    if (kind === 'import') await note(natives, form, suffix, from, specifier)
  }
  const loops = new Map<string, object>()
  for (const url of form.modules.keys()) if (isOfNode(url)) loops.set(url, await import(`${url}${suffix}`))
  setThreadModules(form.sites, new Table(form, codes, natives, loops))
}

/** It waits at its top, or one that it imports does. */
function waits(modules: SteppedForm['modules'], entry: string): boolean {
  const seen = new Set<string>()
  const pending = [entry]
  for (let url = pending.pop(); url !== undefined; url = pending.pop()) {
    const module = modules.get(url)
    if (module === undefined || seen.has(url)) continue
    seen.add(url)
    if (module.thread?.isAsync === true) return true
    for (const specifier of module.thread?.specifiers ?? []) pending.push(module.imports.get(specifier) ?? '')
  }
  return false
}

function keyOf(from: string, specifier: string): string {
  return `${from} ${specifier}`
}

/** Where a module that runs in threads is, or one that asks for something in one. */
function outlineOf(form: SteppedForm, from: string): ModuleOutline | undefined {
  return form.modules.get(`${from}${PER_THREAD}`) ?? form.modules.get(from)
}

/** Null where nobody has looked yet, or nothing was found. */
function targetOf(
  form: SteppedForm,
  from: string,
  specifier: string,
  kind: ScriptRequest['kind'],
): string | null {
  const own = form.modules.get(`${from}${PER_THREAD}`)?.imports.get(specifier)
  const target = own ?? form.found.get(scriptKey({ from, specifier, kind }))
  if (target !== undefined) return target
  const shared = form.modules.get(from)?.imports.get(specifier)
  // What the file of a check imports exists once: a thread that imports it itself gets an instance of its own.
  return shared === undefined || (form.modules.has(shared) && !isOfNode(shared)) ? null : shared
}

/** Imports what all threads share. */
async function note(
  natives: Map<string, Found>,
  form: SteppedForm,
  suffix: string,
  from: string,
  specifier: string,
): Promise<void> {
  const key = keyOf(from, specifier)
  const target = targetOf(form, from, specifier, 'import')
  if (natives.has(key) || (target !== null && form.modules.has(target) && !isOfNode(target))) return
  try {
    natives.set(key, await importShared(suffix, from, specifier, target))
  } catch (error) {
    natives.set(key, { kind: 'error', error })
  }
}

async function importShared(
  suffix: string,
  from: string,
  specifier: string,
  target: string | null,
): Promise<Found> {
  if (target !== null && isOfNode(target)) return loopFound(target, await import(`${target}${suffix}`))
  if (target !== null && isData(target))
    return { kind: 'native', exports: await import(target, { with: { type: 'json' } }) }
  const plain = target?.endsWith(PER_THREAD) === true ? target.slice(0, -PER_THREAD.length) : target
  const address =
    plain ?? (nodeModule.isBuiltin(specifier) ? specifier : (await importResolver(from))(specifier))
  return { kind: 'native', exports: await import(address) }
}

function loopFound(url: string, exports: object): Found {
  return { kind: 'loop', name: /([^/]+)\.c?[jt]s$/.exec(url)![1]!, exports }
}

class Table implements ThreadModules {
  readonly #form: SteppedForm
  readonly #codes: ReadonlyMap<string, ThreadCode>
  readonly #natives: ReadonlyMap<string, Found>
  /** What stands for modules of Node. */
  readonly #loops: ReadonlyMap<string, object>
  readonly #required = new Map<string, Found>()

  constructor(
    form: SteppedForm,
    codes: ReadonlyMap<string, ThreadCode>,
    natives: ReadonlyMap<string, Found>,
    loops: ReadonlyMap<string, object>,
  ) {
    this.#form = form
    this.#codes = codes
    this.#natives = natives
    this.#loops = loops
  }

  readonly find = (request: ScriptRequest): Found | null => {
    const { from, specifier, kind } = request
    const known = kind === 'worker' ? this.#codes.get(`${specifier}${PER_THREAD}`) : undefined
    if (known !== undefined) return { kind: 'thread', code: known }
    const target = targetOf(this.#form, from, specifier, kind)
    const code = target === null ? undefined : this.#codes.get(target)
    if (code !== undefined) return { kind: 'thread', code }
    if (target !== null && this.#loops.has(target)) return loopFound(target, this.#loops.get(target)!)
    const isKnown = target !== null || this.#form.found.has(scriptKey(request))
    if (kind === 'require') return this.#require(request, target, isKnown)
    if (!isKnown && !this.#natives.has(keyOf(from, specifier))) return null
    return this.#natives.get(keyOf(from, specifier)) ?? missing(specifier)
  }

  #require({ from, specifier }: ScriptRequest, known: string | null, isKnown: boolean): Found | null {
    const key = keyOf(from, specifier)
    const present = this.#required.get(key)
    if (present !== undefined) return present
    const target = known ?? (hasUseFor(specifier, '') ? standInFor(from, specifier) : null)
    if (target !== null && isOfNode(target) && !this.#loops.has(target)) return null
    // What is named in the source was looked at with it; what is computed was not.
    const isWritten = outlineOf(this.#form, from)?.imports.has(specifier) === true
    if (!isWritten && !isKnown && !nodeModule.isBuiltin(specifier)) return null
    let found: Found
    try {
      found =
        target !== null && isOfNode(target)
          ? loopFound(target, this.#loops.get(target)!)
          : {
              kind: 'native',
              exports: outsideScopes(() => nodeModule.createRequire(from || import.meta.url)(specifier)),
            }
    } catch (error) {
      found = { kind: 'error', error }
    }
    this.#required.set(key, found)
    return found
  }
}

function missing(specifier: string): Found {
  const error = Object.assign(new Error(`Cannot find module '${specifier}'`), {
    code: 'ERR_MODULE_NOT_FOUND',
  })
  return { kind: 'error', error }
}
