// Loading a program in its steppable form: Node imports it as it imports any module, and gets our text instead.

import { createHash } from 'node:crypto'
// As a whole: an older Node lacks the name, and is to say so in words (see threads/node-version.ts).
import * as nodeModule from 'node:module'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import { compileFunction } from 'node:vm'
import { Worker } from 'node:worker_threads'
import { areFilesShown, showOwnFiles } from './call-sites.ts'
import { type ModuleOutline, type SteppedForm, cachedForm } from './cache.ts'
import { type Probe, commonjsRuntime, emitModule } from './emit.ts'
import { showOwnTexts } from './function-text.ts'
import { setHost } from './host.ts'
import {
  type Program,
  type ProgramModule,
  type ProgramOptions,
  addressOf,
  digestOf,
  readProgram,
  scriptKey,
} from './program.ts'
import type * as loop from './loop/index.ts'
import { isOfLoop, isOfRuntime, isOfTransform, libraryModule, loopModule } from './loop-imports.ts'
import { packageOfFunction } from './packages.ts'
import { Reach } from './reach.ts'
import { setGuard } from './real-atomics.ts'
import { isData } from './resolve.ts'
import {
  type EventLoops,
  eventLoops,
  enterClocks,
  leaveClocks,
  loadingClocks,
  noteNames,
  outsiders,
  refuseUnseen,
  setEventLoops,
  setLibrary,
  setSites,
  setTouching,
} from './runtime.ts'
import { QUERY, type Site, currentPlace, loadedCommonjs, loadedTexts, placesOfStack } from './sites.ts'
import { loadThreadModules } from './thread-load.ts'
import { whatWasLoaded } from './thread-modules.ts'
import { wasmDigestOf } from './wasm/modules.ts'

export interface LoadOptions extends ProgramOptions {
  /** It is part of Faultline: its form may be kept for later processes, see cache.ts. */
  readonly isShipped?: boolean
  /** Also report calls and returns, for a trace. */
  readonly trace?: boolean
  /** Loops end where the time is up, see setDeadline(): for programs that may hold one without end. Default false. */
  readonly turns?: boolean
  /** See EmitOptions. */
  readonly spins?: string
  readonly probes?: readonly Probe[]
}

export interface SteppedProgram extends SteppedEntry {
  /** Grows while the program runs, see setSites(). */
  readonly sites: Site[]
  /** The steppable form of each module by its address, for a look at it. */
  readonly texts: ReadonlyMap<string, string>
  /** The address under which the steppable form of a module is imported. */
  readonly addressOf: (url: string) => string
}

export interface SteppedEntry {
  /** What the entry module exports. */
  readonly exports: Readonly<Record<string, unknown>>
  /** Digest of its source and of all that it imports, edits included. */
  readonly digest: string
}

/** A program with several entries. */
export interface SteppedPrograms extends Pick<SteppedProgram, 'sites'> {
  /** The event loops of its threads, if they may have some. */
  readonly loops: EventLoops | null
  /** Runs the code of an entry, and of what it imports, unless it has run. */
  readonly open: (entry: string | URL) => Promise<SteppedEntry>
  /** Digest of the code of an entry and of all that it imports, edits included. */
  readonly digestOf: (entry: string | URL) => string
  /**
   * Digest of what threads have loaded, since forgetLoaded(), of what only they know the name of; empty where that is
   * nothing. Undefined where they never do.
   */
  readonly digestOfLoaded: (() => string) | undefined
}

interface LoadedProgram {
  readonly form: SteppedForm
  /** CommonJS modules that have run. */
  readonly required: Map<string, { exports: unknown }>
}

setHost({
  currentPlace,
  placesOfStack,
  isWorker: (value) => value instanceof Worker,
  makesWorkers: (constructor) => constructor === Worker || constructor.prototype instanceof Worker,
  inspect: (value) => inspect(value, { breakLength: Infinity }),
  packageOf: packageOfFunction,
  areFilesShown,
})

/** The programs that are loaded, by number. */
const programs: LoadedProgram[] = []
let hooked = false

/** The number of the program that is loaded next. */
export function nextProgram(): number {
  return programs.length
}

/** Loads the module `entry` and all of ours that it imports. Throws SteppingRefused for what cannot be stepped. */
export async function loadStepped(entry: string | URL, options: LoadOptions = {}): Promise<SteppedProgram> {
  const { number, sites } = await stepEntries([entry], options)
  const { entries, texts } = programs[number]!.form
  const opened = await openEntry(number, entries[0]!)
  return { ...opened, sites, texts, addressOf: (url) => addressIn(number, url) }
}

/**
 * As loadStepped(), for several entries that have most of what they import in common: they share it, with its state.
 * Their own code runs when they are opened.
 */
export async function loadSteppedTogether(
  entries: readonly (string | URL)[],
  options: LoadOptions = {},
): Promise<SteppedPrograms> {
  const { number, sites } = await stepEntries(entries, options)
  const open = async (entry: string | URL): Promise<SteppedEntry> => {
    setSites(sites)
    // What its modules keep of clocks and chance is what its threads find.
    enterClocks()
    try {
      return await openEntry(number, kernelSource(addressOf(entry)))
    } finally {
      leaveClocks()
    }
  }
  const digest = (entry: string | URL): string =>
    digestOf(programs[number]!.form.modules, kernelSource(addressOf(entry)))
  const loops = programs[number]!.form.texts.has(loopModule) ? eventLoops() : null
  const { form } = programs[number]!
  const loaded = form.found.size === 0 ? undefined : (): string => digestOfLoaded(form)
  return { sites, loops, open, digestOf: digest, digestOfLoaded: loaded }
}

/**
 * The steppable form of `entries`, the library, and all of ours that they import: what is loaded, or built into a page.
 * Throws SteppingRefused for what cannot be stepped.
 */
export async function steppedForm(
  entries: readonly (string | URL)[],
  options: LoadOptions,
): Promise<SteppedForm> {
  const addresses = entries.map(addressOf)
  const make = async (): Promise<SteppedForm> => {
    const { program, reach } = await readSteppable([...addresses, libraryModule], options)
    return stepProgram(program, reach, options)
  }
  // With an edit, it is hardly ever met again.
  return options.isShipped === true && options.edit === undefined
    ? cachedForm(JSON.stringify([addresses, options]), make)
    : make()
}

/** Reads a program until all is known that is to be written so that it can stop: what comes to that can stop too. */
async function readSteppable(
  addresses: readonly string[],
  options: LoadOptions,
): Promise<{ readonly program: Program; readonly reach: Reach }> {
  const rewritten = new Map<string, Set<number>>()
  for (;;) {
    const program = await readProgram(addresses, { redirect: kernelSource, rewritten, ...options })
    const reach = new Reach(program)
    let isNew = false
    for (const { url, start } of reach.toRewrite()) {
      const known = rewritten.get(url) ?? new Set()
      isNew ||= !known.has(start)
      rewritten.set(url, known.add(start))
    }
    if (!isNew) return { program, reach }
  }
}

async function stepEntries(
  entries: readonly (string | URL)[],
  options: LoadOptions,
): Promise<{ readonly number: number; readonly sites: Site[] }> {
  const form = await steppedForm(entries, options)
  hookImports()
  if (options.turns === true) refuseUnseen()
  else setGuard(null)
  // The modules' own code runs now.
  setSites(form.sites)
  const number = programs.push({ form, required: new Map() }) - 1
  for (const url of form.texts.keys()) {
    if (!isOfRuntime(url)) loadedTexts.set(addressIn(number, url), () => form.texts.get(url)!)
    if (form.modules.get(url)!.format === 'commonjs') loadedCommonjs.add(addressIn(number, url))
  }
  if ([...form.modules.values()].some(({ thread }) => thread !== null)) {
    showOwnFiles()
    showOwnTexts()
  }
  setLibrary(form.sites, (await import(addressIn(number, libraryModule))) as never)
  if (form.texts.has(loopModule))
    setEventLoops(form.sites, (await import(addressIn(number, loopModule))) as typeof loop as EventLoops)
  if (form.texts.has(loopModule) && [...form.modules.values()].some(({ isGlobal }) => isGlobal))
    setTouching(form.sites)
  noteNames(
    form.sites,
    [...form.texts].flatMap(([url, text]) => (isOfRuntime(url) || isOfLoop(url) ? [] : text)),
  )
  await importRequired(number, isOfLoop)
  await loadThreadModules(form, `${QUERY}${number}`, (url) => requireStepped(number, url))
  return { number, sites: form.sites }
}

async function openEntry(number: number, url: string): Promise<SteppedEntry> {
  const { modules, sites } = programs[number]!.form
  const exports = await loadingClocks(sites, async () => {
    await importRequired(number)
    return modules.get(url)!.format === 'module'
      ? ((await import(addressIn(number, url))) as Record<string, unknown>)
      : exportsOfCommonjs(requireStepped(number, url))
  })
  return { exports, digest: digestOf(modules, url) }
}

/** What CommonJS modules require of modules is there before they run: nobody can wait for it then. */
async function importRequired(number: number, isWanted = (_url: string): boolean => true): Promise<void> {
  const { form, required } = programs[number]!
  for (const { format, imports, thread } of form.modules.values()) {
    for (const [specifier, url] of format === 'commonjs' ? imports : []) {
      if (thread !== null && !isOfTransform(specifier)) continue
      if (form.modules.get(url)?.format !== 'module' || required.has(url) || !isWanted(url)) continue
      const names = (await import(addressIn(number, url))) as { readonly default?: unknown }
      const isOfNode = isOfLoop(url) && !isOfTransform(specifier)
      required.set(url, { exports: (isOfNode ? names.default : undefined) ?? names })
    }
  }
}

/** What is built has the kernel bundled into one file; it is stepped from its source, which lies beside. */
function kernelSource(url: string): string {
  const bundle = new URL('../../kernel/index.js', import.meta.url).href
  return url === bundle ? new URL('../../src/kernel/index.ts', import.meta.url).href : url
}

function stepProgram(program: Program, reach: Reach, options: LoadOptions): SteppedForm {
  const sites: Site[] = []
  const folder = new URL('.', import.meta.url).href
  const { trace = false, turns = false, spins = null, probes = [] } = options
  const emitOptions = { trace, turns, spins, probes }
  const texts = new Map<string, string>()
  const modules = new Map<string, ModuleOutline>()
  const isStepped = (url: string): boolean => program.modules.has(url)
  for (const [url, module] of program.modules) {
    const text = emitModule(module, reach, sites, emitOptions, folder, isStepped)
    texts.set(url, text)
    const { imports, format, digest, thread } = module
    const names = format === 'commonjs' ? namesOfCommonjs(program, url) : []
    const isGlobal = !isOfRuntime(url) && (module.scopes.assignsGlobals || touchesGlobal(text, format))
    modules.set(url, { imports, format, digest, names, thread, isGlobal })
  }
  return { entries: program.entries, modules, texts, sites, found: program.found }
}

/** The form of a module names the global object, gives `console` other methods, or is not strict and may have functions whose `this` it is. */
function touchesGlobal(text: string, format: ProgramModule['format']): boolean {
  const isSloppy = format === 'commonjs' && !text.startsWith("'use strict'")
  return (
    /\b(globalThis|global|self|window|eval|Function|runInThisContext)\b|\bconsole\.\w+ ?=[^=]/.test(text) ||
    (isSloppy && /\bthis\b/.test(text))
  )
}

function digestOfLoaded({ found, modules }: SteppedForm): string {
  const keys = new Set(
    whatWasLoaded()
      .map(scriptKey)
      .filter((key) => found.has(key)),
  )
  if (keys.size === 0) return ''
  const hash = createHash('sha256')
  for (const key of [...keys].toSorted()) {
    const url = found.get(key) ?? null
    // Not where it stands: that is another on another machine; nor which functions of it are written.
    const ofWasm = wasmDigestOf(key.slice(scriptKey({ kind: 'eval', from: '', specifier: '' }).length))
    hash.update(ofWasm ?? (url === null || !modules.has(url) ? ' ' : digestOf(modules, url)))
  }
  return hash.digest('hex')
}

/** Where a module of a program is imported from. */
function addressIn(number: number, url: string): string {
  return `${url}${QUERY}${number}`
}

function hookImports(): void {
  if (hooked) return
  hooked = true
  nodeModule.registerHooks({
    resolve(specifier, context, next) {
      const { url, number } = split(context.parentURL ?? '')
      const modules = programs[number]?.form.modules
      const target = modules?.get(url)?.imports.get(specifier)
      if (target !== undefined && modules!.has(target))
        return { url: addressIn(number, target), format: 'module', shortCircuit: true }
      // With or without the attribute that Node asks for, and bundlers do not.
      if (target !== undefined && isData(target))
        return { url: target, format: 'json', importAttributes: { type: 'json' }, shortCircuit: true }
      if (split(specifier).number >= 0) return { url: specifier, format: 'module', shortCircuit: true }
      return next(specifier, number < 0 ? context : { ...context, parentURL: url })
    },
    load(address, context, next) {
      const { url, number } = split(address)
      const form = programs[number]?.form
      const text = form?.texts.get(url)
      if (text === undefined) return next(address, context)
      const isModule = form!.modules.get(url)!.format === 'module'
      return { format: 'module', source: isModule ? text : moduleOfCommonjs(number, url), shortCircuit: true }
    },
  })
}

function split(address: string): { url: string; number: number } {
  const at = address.lastIndexOf(QUERY)
  return at < 0
    ? { url: address, number: -1 }
    : { url: address.slice(0, at), number: Number(address.slice(at + QUERY.length)) }
}

/** What a module that imports a CommonJS one gets. That runs when its turn comes, so its names are looked for. */
function moduleOfCommonjs(number: number, url: string): string {
  const { names } = programs[number]!.form.modules.get(url)!
  const lines = names.map((name, index) => `const $${index} = exports?.[${JSON.stringify(name)}]`)
  const list = names.map((name, index) => `$${index} as ${JSON.stringify(name)}`)
  return `import { requireStepped } from ${JSON.stringify(import.meta.url)}
const exports = requireStepped(${number}, ${JSON.stringify(url)})
export default exports
${lines.join('\n')}
export { ${list.join(', ')} }`
}

/** As an import would have them; what a compiler made of a module has its own default. */
function exportsOfCommonjs(exported: unknown): Readonly<Record<string, unknown>> {
  const names = exported as Record<string, unknown>
  return { ...names, default: names['__esModule'] === true ? names['default'] : exported }
}

/** The names that modules import from a CommonJS module, and those that it seems to export. */
function namesOfCommonjs(program: Program, url: string): string[] {
  const names = new Set<string>()
  for (const { imports, scopes, exports } of program.modules.values()) {
    for (const { kind, from, imported } of scopes.topLevel.values())
      if (kind === 'import' && imports.get(from) === url) names.add(imported)
    for (const found of exports.values())
      if (found.kind === 'from' && imports.get(found.specifier) === url) names.add(found.name)
  }
  const assigned = /\bexports\.([\w$]+)\s*=[^=]|\bdefineProperty\(exports,\s*['"]([^'"]+)['"]/g
  for (const [, name, defined] of program.modules.get(url)!.text.matchAll(assigned))
    names.add((name ?? defined)!)
  names.delete('default')
  names.delete('*')
  return [...names]
}

/** What a CommonJS module of a program exports in its steppable form. For the texts that are made here. */
export function requireStepped(number: number, url: string): unknown {
  const { form, required } = programs[number]!
  const { modules, texts } = form
  const present = required.get(url)
  if (present !== undefined) return present.exports
  const module = { exports: {} as unknown }
  required.set(url, module)
  const original = nodeModule.createRequire(url)
  const { imports } = modules.get(url)!
  const require = Object.assign((specifier: string): unknown => {
    const target = imports.get(specifier)
    if (target === undefined || !texts.has(target)) {
      const exported: unknown = original(specifier)
      return nodeModule.isBuiltin(specifier) || isOfTransform(specifier) ? exported : outsiders(exported)
    }
    return requireStepped(number, target)
  }, original)
  const run = compileFunction(
    texts.get(url)!,
    ['$f', 'exports', 'require', 'module', '__filename', '__dirname'],
    { filename: `${url}${QUERY}${number}` },
  ) as (...args: readonly unknown[]) => unknown
  const file = fileURLToPath(url)
  run.call(
    module.exports,
    commonjsRuntime,
    module.exports,
    require,
    module,
    file,
    fileURLToPath(new URL('.', url)),
  )
  return module.exports
}
