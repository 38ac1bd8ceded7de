// `paths` of tsconfig.json: what a compiler or a bundler makes of an import, and Node does not.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'

interface Configuration {
  /** What the paths are relative to, as an address that ends in a slash; null where an import is never. */
  readonly base: string | null
  readonly paths: Readonly<Record<string, readonly string[]>>
  /** Where paths are relative to. */
  readonly pathsBase: string
  /** Decorators are those that TypeScript had before there was a standard. */
  readonly experimentalDecorators: boolean
}

interface File {
  readonly extends?: string | readonly string[]
  readonly compilerOptions?: {
    readonly baseUrl?: string
    readonly experimentalDecorators?: boolean
    readonly paths?: Readonly<Record<string, readonly string[]>>
  }
}

const none: Configuration = { base: null, paths: {}, pathsBase: '', experimentalDecorators: false }
const known = new Map<string, Configuration>()

/** The addresses that an import which names no path may mean by the configuration of the module's project, in order. */
export function aliasesOf(url: string, specifier: string): string[] {
  const { base, paths, pathsBase } = configurationOf(new URL('.', url))
  const matches = Object.keys(paths).flatMap((pattern) => {
    const [start = '', end] = pattern.split('*')
    if (end === undefined) return pattern === specifier ? [{ pattern, star: '', length: Infinity }] : []
    const fits =
      specifier.startsWith(start) && specifier.endsWith(end) && specifier.length >= pattern.length - 1
    const star = specifier.slice(start.length, specifier.length - end.length)
    return fits ? [{ pattern, star, length: start.length }] : []
  })
  // The longest beginning wins.
  const [best] = matches.toSorted((a, b) => b.length - a.length)
  const aliases =
    best === undefined
      ? []
      : paths[best.pattern]!.map((target) => new URL(target.replace('*', best.star), pathsBase).href)
  return base === null ? aliases : [...aliases, new URL(specifier, base).href]
}

/** Decorators in a module are those that TypeScript had before there was a standard. */
export function hasLegacyDecorators(url: string): boolean {
  return configurationOf(new URL('.', url)).experimentalDecorators
}

function configurationOf(folder: URL): Configuration {
  const present = known.get(folder.href)
  if (present !== undefined) return present
  const found =
    readConfiguration(new URL('tsconfig.json', folder)) ??
    (folder.pathname === '/' || folder.pathname.endsWith('/node_modules/')
      ? none
      : configurationOf(new URL('..', folder)))
  known.set(folder.href, found)
  return found
}

/** Null where there is no such file; what it extends comes first. */
function readConfiguration(url: URL): Configuration | null {
  let text: string
  try {
    text = readFileSync(url, 'utf8')
  } catch {
    return null
  }
  let file: File
  try {
    file = JSON.parse(withoutComments(text)) as File
  } catch {
    // Whoever compiles with it says what is wrong.
    return none
  }
  const parents = typeof file.extends === 'string' ? [file.extends] : (file.extends ?? [])
  const before = parents.reduce((merged, each) => ({ ...merged, ...parentConfiguration(url, each) }), none)
  const {
    baseUrl,
    paths,
    experimentalDecorators = before.experimentalDecorators,
  } = file.compilerOptions ?? {}
  const base = baseUrl === undefined ? before.base : new URL(`${baseUrl.replace(/\/?$/, '/')}`, url).href
  const own = paths === undefined ? {} : { paths, pathsBase: base ?? new URL('.', url).href }
  return { ...before, ...own, base, experimentalDecorators }
}

function parentConfiguration(url: URL, name: string): Configuration {
  for (const each of [name, `${name}.json`, `${name}/tsconfig.json`]) {
    try {
      const file = createRequire(fileURLToPath(url)).resolve(each)
      return readConfiguration(pathToFileURL(file)) ?? none
    } catch {
      // The next may be what is meant.
    }
  }
  return none
}

/** JSON with comments and with commas at the ends of lists. */
function withoutComments(text: string): string {
  const bare = text.replaceAll(
    /("(?:[^"\\]|\\.)*")|\/\/[^\n]*|\/\*[^]*?\*\//g,
    (_, string?: string) => string ?? '',
  )
  return bare.replaceAll(/("(?:[^"\\]|\\.)*")|,(?=\s*[}\]])/g, (_, string?: string) => string ?? '')
}
