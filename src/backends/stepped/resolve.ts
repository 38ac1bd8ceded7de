// Where an import leads, and as what Node would load the file. Node itself resolves, so that `exports` of packages,
// conditions and links mean what they mean when the program runs.

import { existsSync, readFileSync, statSync } from 'node:fs'
// As a whole: an older Node lacks the name, and is to say so in words (see threads/node-version.ts).
import * as nodeModule from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { followLoop, isOfLoop } from './loop-imports.ts'
import { streamModule } from './node-streams.ts'
import type { Format } from './syntax.ts'
import { aliasesOf } from './tsconfig.ts'

/** The path of a file is that of what the backend runs beside a program: an event loop, say. */
export function isOfBackend(file: string): boolean {
  return file.startsWith(fileURLToPath(new URL('.', import.meta.url)))
}

/** What is published or developed here: what a scenario imports of it is no part of the program. */
const ownFolder = new URL('../../../', import.meta.url).href
const QUERY = '?faultline-resolver'
/** What tests here import by its path, as users do by its name. */
const door = /\/(src\/check\.ts|dist\/check\.js)$/

type Resolve = (specifier: string) => string
const resolvers = new Map<string, Promise<Resolve>>()
let hooked = false

/**
 * A function that resolves as an import in the module `url` does. `import.meta.resolve` is bound to the module that it
 * stands in, so there is one that stands at that address.
 */
export function importResolver(url: string): Promise<Resolve> {
  if (!hooked) {
    hooked = true
    nodeModule.registerHooks({
      resolve(specifier, context, next) {
        return specifier.endsWith(QUERY)
          ? { url: specifier, format: 'module', shortCircuit: true }
          : next(specifier, context)
      },
      load(address, context, next) {
        return address.endsWith(QUERY)
          ? { format: 'module', source: 'export const { resolve } = import.meta', shortCircuit: true }
          : next(address, context)
      },
    })
  }
  const folder = new URL('.', url).href
  const present = resolvers.get(folder)
  if (present !== undefined) return present
  const made = import(`${folder}resolver.mjs${QUERY}`).then(({ resolve }: { resolve: Resolve }) => resolve)
  resolvers.set(folder, made)
  return made
}

/** The address of what stands for a module of Node in the module `url`; null where nothing does. */
export function standInFor(url: string, specifier: string): string | null {
  return followLoop(url, specifier, null) ?? (isOfLoop(url) ? null : streamModule(specifier))
}

/**
 * The address of the file of ours or of a package that `specifier` means in `url`; null for what is not to be stepped:
 * modules of Node, of Faultline, test frameworks, and what cannot be found, which Node will say better when the program
 * runs.
 */
export function followImport(
  url: string,
  specifier: string,
  kind: 'import' | 'require',
  resolve: Resolve,
): string | null {
  const standIn = standInFor(url, specifier)
  if (standIn !== null) return standIn
  if (nodeModule.isBuiltin(specifier) || specifier.startsWith('data:') || isTestFramework(specifier))
    return null
  // Also where the project has another copy of it than the one that runs, as with a command that is installed globally.
  if (/^faultline(\/|$)/.test(specifier)) return null
  const isPath = /^(\.|file:|\/)/.test(specifier)
  if (isPath && kind === 'import') {
    const path = resolvePath(url, specifier)
    if (followLoop(url, specifier, path) === null) return null
    return path.startsWith(ownFolder) && door.test(path) ? null : path
  }
  const alias = isPath ? undefined : aliasesOf(url, specifier).map(withEnding).find(isThere)
  if (alias !== undefined) return isOwn(alias) ? null : alias
  let target: string
  try {
    target =
      kind === 'import'
        ? resolve(specifier)
        : pathToFileURL(nodeModule.createRequire(url).resolve(specifier)).href
  } catch {
    const path = isPath ? resolvePath(url, specifier) : null
    return path !== null && isThere(path) ? path : null
  }
  if (!target.startsWith('file:') || !isSource(target)) return null
  return !isPath && isOwn(target) ? null : target
}

/** It runs tests, and is no part of what they check, though most frameworks name Workers and messages. */
export function isTestFramework(specifier: string): boolean {
  return /^(node:test|vitest|@jest\/globals|@vitest\/.*|bun:test|mocha|ava|tape|tap|uvu)$/.test(specifier)
}

function isOwn(url: string): boolean {
  return url.startsWith(ownFolder) && !isPackaged(url)
}

/** Endings that bundlers add, and the compiler where it resolves for them. */
const endings = [
  '.ts',
  '.mts',
  '.js',
  '.mjs',
  '.cts',
  '.cjs',
  '/index.ts',
  '/index.mts',
  '/index.js',
  '/index.mjs',
]

/** A `.js` that stands only as `.ts` is the latter; what has no ending gets one, as from a bundler. */
function resolvePath(from: string, specifier: string): string {
  return withEnding(new URL(specifier, from).href)
}

function withEnding(href: string): string {
  if (isThere(href)) return href
  const typescript = href.replace(/\.([cm]?)js$/, '.$1ts')
  if (typescript !== href && isThere(typescript)) return typescript
  const path = href.replace(/\/$/, '')
  const ending = endings.find((each) => isThere(`${path}${each}`))
  return ending === undefined ? href : `${path}${ending}`
}

/** Files that were there: most are imported by many, and by program after program. */
const found = new Set<string>()

export function isThere(url: string): boolean {
  if (!found.has(url) && statSync(fileURLToPath(url), { throwIfNoEntry: false })?.isFile() === true)
    found.add(url)
  return found.has(url)
}

/** It is imported for what stands in it. */
export function isData(url: string): boolean {
  return url.endsWith('.json')
}

function isSource(url: string): boolean {
  return /\.[cm]?[jt]s$/.test(url) || !/\.[^/]*$/.test(url)
}

/** It belongs to a package that was installed, below the folder of Faultline too. */
export function isPackaged(url: string): boolean {
  const inside = url.startsWith(ownFolder) ? url.slice(ownFolder.length - 1) : url
  return inside.includes('/node_modules/')
}

/** The folder of a package that was installed. */
export function packageOf(url: string): string {
  return /^.*\/node_modules\/(@[^/]+\/)?[^/]+\//.exec(url)?.[0] ?? url
}

/** As what Node loads a file: by its ending, then by the `type` of its package. Adds to what is `known` of folders. */
export function formatOf(url: string, known: Map<string, Format>): Format {
  const file = fileURLToPath(url)
  if (/\.m[jt]s$/.test(file)) return 'module'
  if (/\.c[jt]s$/.test(file)) return 'commonjs'
  const folder = new URL('.', url)
  const format = known.get(folder.href) ?? formatOfFolder(folder)
  known.set(folder.href, format)
  return format
}

function formatOfFolder(start: URL): Format {
  for (let folder = start; ; folder = new URL('..', folder)) {
    const description = new URL('package.json', folder)
    if (existsSync(description)) {
      const { type } = JSON.parse(readFileSync(description, 'utf8')) as { type?: string }
      // A compiler takes a module for one, whatever stands there.
      return type === 'module' ? type : 'either'
    }
    if (folder.pathname === new URL('..', folder).pathname || folder.pathname.endsWith('/node_modules/'))
      return 'either'
  }
}
