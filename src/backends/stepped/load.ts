// Loading a program in its steppable form: Node imports it as it imports any module, and gets our text instead.

import { registerHooks } from 'node:module'
import { type Probe, emitModule } from './emit.ts'
import { type Program, type ProgramOptions, addressOf, readProgram } from './program.ts'
import { Reach } from './reach.ts'
import { type Site, SiteTable } from './sites.ts'

export interface LoadOptions extends ProgramOptions {
  /** Also report calls and returns, for a trace. */
  readonly trace?: boolean
  readonly probes?: readonly Probe[]
}

export interface SteppedProgram {
  /** What the entry module exports. Functions that can stop are generator functions. */
  readonly exports: Readonly<Record<string, unknown>>
  readonly sites: readonly Site[]
  /** Digest of the sources, patches included. */
  readonly digest: string
  /** The steppable form of each module by its address, for a look at it. */
  readonly texts: ReadonlyMap<string, string>
  /** The address under which the steppable form of a module is imported. */
  readonly addressOf: (url: string) => string
}

const QUERY = '?stepped='
/** Texts of the programs that are loaded, by number and address. */
const programs: { readonly program: Program; readonly texts: ReadonlyMap<string, string> }[] = []
let hooked = false

/** Loads the module `entry` and all of ours that it imports. Throws SteppingRefused for what cannot be stepped. */
export async function loadStepped(entry: string | URL, options: LoadOptions = {}): Promise<SteppedProgram> {
  const program = readProgram(addressOf(entry), { redirect: kernelSource, ...options })
  const sites = new SiteTable()
  const texts = stepProgram(program, sites, options)
  hookImports()
  const number = programs.push({ program, texts }) - 1
  const exports = (await import(`${program.entry}${QUERY}${number}`)) as Record<string, unknown>
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
  const runtimeUrl = new URL(`./runtime${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)
    .href
  const emitOptions = { trace: options.trace ?? false, probes: options.probes ?? [] }
  const texts = new Map<string, string>()
  for (const [url, module] of program.modules) {
    texts.set(url, emitModule(module, reach, sites, emitOptions, runtimeUrl))
  }
  return texts
}

function hookImports(): void {
  if (hooked) return
  hooked = true
  registerHooks({
    resolve(specifier, context, next) {
      const { url, number } = split(context.parentURL ?? '')
      const target = programs[number]?.program.modules.get(url)?.imports.get(specifier)
      if (target !== undefined)
        return { url: `${target}${QUERY}${number}`, format: 'module', shortCircuit: true }
      if (split(specifier).number >= 0) return { url: specifier, format: 'module', shortCircuit: true }
      return next(specifier, number < 0 ? context : { ...context, parentURL: url })
    },
    load(address, context, next) {
      const { url, number } = split(address)
      const text = programs[number]?.texts.get(url)
      return text === undefined
        ? next(address, context)
        : { format: 'module', source: text, shortCircuit: true }
    },
  })
}

function split(address: string): { url: string; number: number } {
  const at = address.lastIndexOf(QUERY)
  return at < 0
    ? { url: address, number: -1 }
    : { url: address.slice(0, at), number: Number(address.slice(at + QUERY.length)) }
}
