// Modules of which each thread has its own instance: `import`, `import()` and `require` in a thread. What they run can
// stop, as all code of a thread. In an instance, what is imported is a property of the module that it comes from.

import { isBuiltin } from 'node:module'
import type { ThreadCode } from '../thread-modules.ts'
import { type Instance, contextOf } from './context.ts'
import { host } from './host.ts'
import { newRequire, newMeta, publishing } from './module-objects.ts'
import { Promise as LoopPromise } from './promise.ts'

/** Of the process that checks: while a thread runs that changes its global object, that names its own. */
const nativeProcess = globalThis.process

/** `import(specifier)` in the module at `from`. */
export function importModule(specifier: unknown, from: string): unknown {
  if (!host.isThread())
    host.refuse('a dynamic import outside of threads', 'import it at the top of the module')
  return importLater(String(specifier), from)
}

async function importLater(specifier: string, from: string): Promise<unknown> {
  return importNow(specifier, from)
}

/** The namespace of what is imported, or a promise of it. */
function importNow(specifier: string, from: string): unknown {
  const found = host.find({ from, specifier, kind: 'import' })
  switch (found.kind) {
    case 'error':
      throw found.error
    case 'native':
      return isProcess(specifier) ? processNamespace() : found.exports
    case 'loop':
      return ofThread(found.name) ?? found.exports
    case 'thread': {
      const waiting = evaluate(found.code)
      const { namespace } = instanceOf(found.code)
      return waiting === null ? namespace : thenGives(waiting, namespace)
    }
  }
}

function thenGives(waiting: unknown, value: unknown): unknown {
  return (waiting as { then(called: () => unknown): unknown }).then(() => value)
}

/** What stands for modules of Node and is another for each thread. */
function ofThread(name: string): object | null {
  return name === 'worker-threads' && host.isThread() ? contextOf().workerThreads : null
}

function isProcess(specifier: string): boolean {
  return /^(node:)?process$/.test(specifier)
}

function processNamespace(): object {
  const { process } = contextOf()
  return { ...nativeProcess, ...process, default: process }
}

/** `require(specifier)` in the module at `from`. */
export function requireModule(specifier: string, from: string): unknown {
  const found = host.find({ from, specifier, kind: 'require' })
  switch (found.kind) {
    case 'error':
      throw found.error
    case 'native':
      return isProcess(specifier) && host.isThread() ? contextOf().process : found.exports
    case 'loop': {
      const exports = ofThread(found.name) ?? found.exports
      return (exports as { default?: unknown }).default ?? exports
    }
    case 'thread':
      return requireThread(found.code)
  }
}

/** `process.getBuiltinModule(specifier)`. */
export function builtinModule(specifier: unknown): unknown {
  return isBuiltin(String(specifier)) ? requireModule(String(specifier), '') : undefined
}

function requireThread(code: ThreadCode): unknown {
  const instance = instanceOf(code)
  if (code.format === 'commonjs') {
    evaluate(code)
    return instance.module.exports
  }
  if (code.isAsync)
    throw Object.assign(new Error('require() cannot be used on an ESM graph with top-level await.'), {
      code: 'ERR_REQUIRE_ASYNC_MODULE',
    })
  evaluate(code)
  return 'module.exports' in instance.namespace ? instance.namespace['module.exports'] : instance.namespace
}

function instanceOf(code: ThreadCode): Instance {
  const { instances } = contextOf()
  const present = instances.get(code.url)
  if (present !== undefined) return present
  const namespace = publishing(code)
  const module = { exports: {}, loaded: false, children: [], paths: [] }
  const instance: Instance = { namespace, module, state: 'new', error: null, promise: null }
  instances.set(code.url, instance)
  return instance
}

/** Runs the script of a thread. */
export function evaluateMain(code: ThreadCode): unknown {
  contextOf().main = code.url
  return evaluate(code)
}

/** Runs a module, after those that it imports, unless it has run. Returns a promise if it waits, or null. */
export function evaluate(code: ThreadCode): unknown {
  const instance = instanceOf(code)
  if (instance.state === 'failed') throw instance.error
  if (instance.state !== 'new') return instance.promise
  instance.state = 'running'
  if (code.isAsync) {
    instance.promise = evaluateAsync(code, instance)
    return instance.promise
  }
  try {
    if (code.format === 'commonjs') runCommonjs(code, instance)
    else {
      const namespaces: unknown[] = []
      for (const specifier of code.specifiers) namespaces.push(importNow(specifier, code.url))
      runModule(code, instance, namespaces)
    }
  } catch (error) {
    if (!host.isBroken()) fail(instance, error)
    throw error
  }
  instance.state = 'done'
  return null
}

function fail(instance: Instance, error: unknown): void {
  instance.state = 'failed'
  instance.error = error
}

/** Those that it imports begin one after the other, and it waits for all. */
async function evaluateAsync(code: ThreadCode, instance: Instance): Promise<void> {
  try {
    const begun: unknown[] = []
    for (const specifier of code.specifiers) begun.push(importNow(specifier, code.url))
    const namespaces: unknown[] = []
    for (const each of begun) namespaces.push(each instanceof LoopPromise ? await (each as unknown) : each)
    await runModule(code, instance, namespaces)
  } catch (error) {
    if (!host.isBroken()) fail(instance, error)
    throw error
  }
  instance.state = 'done'
}

/** `process` is given where the module names it. */
function runModule(code: ThreadCode, { namespace }: Instance, namespaces: readonly unknown[]): unknown {
  const own = newMeta(code.url, namespace, isMain(code))
  const { process } = contextOf()
  const { make } = code
  const shared = make.length > namespaces.length + 1 ? [process] : []
  return make(own, ...shared, ...namespaces)
}

function isMain({ url }: ThreadCode): boolean {
  return contextOf().main === url
}

function runCommonjs(code: ThreadCode, instance: Instance): void {
  const { module } = instance
  const { make, url } = code
  const { instances, main = '' } = contextOf()
  const require = newRequire(url, (specifier) => requireModule(specifier, url), instances.get(main)?.module)
  const { filename, dirname } = newMeta(url, instance.namespace, isMain(code)).meta
  Object.assign(module, { id: isMain(code) ? '.' : filename, filename, path: dirname, require })
  const { process } = contextOf()
  make.call(module.exports, module.exports, require, module, filename, dirname, process)
  Object.assign(module, { loaded: true })
  const names = instance.namespace
  names['default'] = module.exports
  names['module.exports'] = module.exports
  const exported = Object(module.exports) as Record<string, unknown>
  for (const name of new Set([...code.names, ...Object.keys(exported)]))
    if (name !== 'default') names[name] = exported[name]
}
