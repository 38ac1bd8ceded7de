// Loading a program in its steppable form: Node imports it as it imports any module, and gets our text instead.

// As a whole: an older Node lacks the name, and is to say so in words (see threads/node-version.ts).
import * as nodeModule from 'node:module'
import { fileURLToPath } from 'node:url'
import { compileFunction } from 'node:vm'
import { type Probe, commonjsRuntime, emitModule } from './emit.ts'
import { type Program, type ProgramOptions, addressOf, readProgram } from './program.ts'
import { Reach } from './reach.ts'
import { setSites } from './runtime.ts'
import { QUERY, type Site, SiteTable } from './sites.ts'

export interface LoadOptions extends ProgramOptions {
  /** Also report calls and returns, for a trace. */
  readonly trace?: boolean
  /** Loops end where the time is up, see setDeadline(): for programs that may hold one without end. Default false. */
  readonly turns?: boolean
  readonly probes?: readonly Probe[]
}

export interface SteppedProgram {
  /** What the entry module exports. Functions that can stop are generator functions. */
  readonly exports: Readonly<Record<string, unknown>>
  /** Grows while the program runs, see setSites(). */
  readonly sites: Site[]
  /** Digest of the sources, patches included. */
  readonly digest: string
  /** The steppable form of each module by its address, for a look at it. */
  readonly texts: ReadonlyMap<string, string>
  /** The address under which the steppable form of a module is imported. */
  readonly addressOf: (url: string) => string
}

interface LoadedProgram {
  readonly program: Program
  readonly texts: ReadonlyMap<string, string>
  /** CommonJS modules that have run. */
  readonly required: Map<string, { exports: unknown }>
}

/** The programs that are loaded, by number. */
const programs: LoadedProgram[] = []
let hooked = false

/** Loads the module `entry` and all of ours that it imports. Throws SteppingRefused for what cannot be stepped. */
export async function loadStepped(entry: string | URL, options: LoadOptions = {}): Promise<SteppedProgram> {
  const program = await readProgram(addressOf(entry), { redirect: kernelSource, ...options })
  const sites = new SiteTable()
  const texts = stepProgram(program, sites, options)
  hookImports()
  // The modules' own code runs now.
  setSites(sites.sites)
  const number = programs.push({ program, texts, required: new Map() }) - 1
  const isModule = program.modules.get(program.entry)!.format === 'module'
  const exports = isModule
    ? ((await import(`${program.entry}${QUERY}${number}`)) as Record<string, unknown>)
    : exportsOfCommonjs(requireStepped(number, program.entry))
  const addressOfModule = (url: string): string => `${url}${QUERY}${number}`
  return { exports, sites: sites.sites, digest: program.digest, texts, addressOf: addressOfModule }
}

/** What is published has the kernel bundled into one file; it is stepped from its source, published with it. */
function kernelSource(url: string): string {
  const bundle = new URL('../../kernel/index.js', import.meta.url).href
  return url === bundle ? new URL('../../../src/kernel/index.ts', import.meta.url).href : url
}

function stepProgram(program: Program, sites: SiteTable, options: LoadOptions): Map<string, string> {
  const reach = new Reach(program)
  const folder = new URL('.', import.meta.url).href
  const { trace = false, turns = false, probes = [] } = options
  const emitOptions = { trace, turns, probes }
  const texts = new Map<string, string>()
  for (const [url, module] of program.modules) {
    texts.set(url, emitModule(module, reach, sites, emitOptions, folder))
  }
  return texts
}

function hookImports(): void {
  if (hooked) return
  hooked = true
  nodeModule.registerHooks({
    resolve(specifier, context, next) {
      const { url, number } = split(context.parentURL ?? '')
      const modules = programs[number]?.program.modules
      const target = modules?.get(url)?.imports.get(specifier)
      if (target !== undefined && modules!.has(target))
        return { url: `${target}${QUERY}${number}`, format: 'module', shortCircuit: true }
      if (split(specifier).number >= 0) return { url: specifier, format: 'module', shortCircuit: true }
      return next(specifier, number < 0 ? context : { ...context, parentURL: url })
    },
    load(address, context, next) {
      const { url, number } = split(address)
      const text = programs[number]?.texts.get(url)
      if (text === undefined) return next(address, context)
      const isModule = programs[number]!.program.modules.get(url)!.format === 'module'
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
  const names = [...namesOfCommonjs(programs[number]!.program, url)]
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
function namesOfCommonjs(program: Program, url: string): Set<string> {
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
  return names
}

/** What a CommonJS module of a program exports in its steppable form. For the texts that are made here. */
export function requireStepped(number: number, url: string): unknown {
  const { program, texts, required } = programs[number]!
  const present = required.get(url)
  if (present !== undefined) return present.exports
  const module = { exports: {} as unknown }
  required.set(url, module)
  const original = nodeModule.createRequire(url)
  const { imports } = program.modules.get(url)!
  const require = Object.assign((specifier: string): unknown => {
    const target = imports.get(specifier)
    if (target === undefined || !texts.has(target)) return original(specifier)
    const isModule = program.modules.get(target)!.format === 'module'
    return isModule ? original(`${target}${QUERY}${number}`) : requireStepped(number, target)
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
