// A program that is to be stepped: entry modules and all modules of ours that they import.
//
// Modules of Node stay as they are: what they do is part of a step of the thread that calls them. So do packages that
// name shared memory nowhere and import none that does. An edit gives some files another form once all are read; so a
// guard is removed for a test, and the source does not know of it.

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { hasUseFor, isOfLoop, loopModule } from './loop-imports.ts'
import { isOfNode } from './node-streams.ts'
import { type ScriptRequest, SteppingRefused } from './refusal.ts'
import { followImport, formatOf, importResolver, isData, isPackaged, isThere, packageOf } from './resolve.ts'
import { nameOf } from './raw-tree.ts'
import { type Scopes, resolveScopes } from './scope.ts'
import { type Format, type Node, type SourceModule, childrenOf, parseModule, refuse } from './syntax.ts'
import { PER_THREAD, planOf } from './thread-form.ts'
import { keepText } from './user-folder.ts'
import { scriptsOf } from './worker-scripts.ts'

export interface ProgramModule extends SourceModule {
  readonly url: string
  readonly scopes: Scopes
  /** Specifiers of modules of this program, and their addresses. */
  readonly imports: ReadonlyMap<string, string>
  /** What is exported: the local name, or the module's specifier and the name there. */
  readonly exports: ReadonlyMap<string, Export>
  /** Specifiers of `export * from`. */
  readonly stars: readonly string[]
  /** Addresses of scripts of Workers that it names. */
  readonly scripts: readonly string[]
}

export type Export =
  | { readonly kind: 'local'; readonly name: string }
  | { readonly kind: 'value'; readonly node: Node }
  | { readonly kind: 'from'; readonly specifier: string; readonly name: string }

export interface Program {
  /** Addresses. */
  readonly entries: readonly string[]
  readonly modules: ReadonlyMap<string, ProgramModule>
  /** What is loaded while it runs, by scriptKey(): its address, or null for what is not of the program. */
  readonly found: ReadonlyMap<string, string | null>
}

/** What tells one request from others. */
export function scriptKey({ from, specifier, kind }: ScriptRequest): string {
  return `${kind} ${from} ${specifier}`
}

export interface ProgramOptions {
  readonly edit?: ProgramEdit
  /** Where an import leads instead: from the address that it has to the one that it shall have. */
  readonly redirect?: (url: string) => string
  /** What is loaded while it runs, as far as that is known. */
  readonly scripts?: readonly ScriptRequest[]
  /** What is to be written so that it can stop, by address and by where it begins: see Reach.toRewrite(). */
  readonly rewritten?: Rewritten
}

export type Rewritten = ReadonlyMap<string, ReadonlySet<number>>

/** Gives other forms, by address, of some modules of a program that is read whole. */
export type ProgramEdit = (program: Program) => ReadonlyMap<string, ParsedModule>

/** Reads the modules `entries` (addresses) and all that they import. Throws SteppingRefused. */
export async function readProgram(
  entries: readonly string[],
  options: ProgramOptions = {},
): Promise<Program> {
  const { edit, redirect = (url: string) => url, scripts = [], rewritten = new Map() } = options
  const read = (urls: readonly string[]): Promise<void> => readAll(urls, modules, redirect, rewritten)
  const modules = new Map<string, ProgramModule>()
  const found = new Map<string, string | null>()
  const program = { entries: entries.map(redirect), modules, found }
  await read(program.entries)
  const wanted = new Set(scripts.flatMap(({ kind, specifier }) => (kind === 'package' ? specifier : [])))
  for (const each of scripts) if (each.kind !== 'package') found.set(scriptKey(each), await findScript(each))
  const asked = [...found.values()].filter((url) => url !== null)
  await read(asked)
  const edited = edit?.(program) ?? new Map<string, ParsedModule>()
  for (const [url, module] of edited) modules.set(url, await describeModule(url, module, redirect))
  // What only the new forms import.
  await read([...edited.keys()].flatMap((url) => [...modules.get(url)!.imports.values()]))
  if ([...modules.keys()].some((url) => url.endsWith(PER_THREAD))) await read([loopModule])
  const started = [...modules.values()].flatMap(({ scripts: own }) => own.map((url) => `${url}${PER_THREAD}`))
  leaveOutPackages(modules, [...program.entries, ...started, ...asked], wanted)
  return program
}

/** Where something leads that is loaded while the program runs. */
async function findScript({ from, specifier, kind }: ScriptRequest): Promise<string | null> {
  if (kind === 'package') return null
  if (kind === 'worker') return isThere(specifier) ? `${specifier}${PER_THREAD}` : null
  if (kind === 'eval') return `${fileOfText(specifier)}${PER_THREAD}`
  const base = baseOf(from)
  const target = followImport(base, specifier, kind, await importResolver(base))
  if (target === null || isOfNode(target) || isData(target)) return target
  // What is not there, Node says better.
  return isThere(target) ? `${target}${PER_THREAD}` : null
}

/** Texts of Workers, by address. */
const texts = new Set<string>()

/** From where imports are resolved: of such a text, and of no module, from the folder in which the process runs. */
function baseOf(url: string): string {
  return url === '' || texts.has(url) ? pathToFileURL(join(process.cwd(), 'worker-text.js')).href : url
}

/** The text of a Worker that is given as such, as a file: what tells of places names it. */
function fileOfText(text: string): string {
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 16)
  // What was written in JavaScript tells of what: see wasm/translate.ts.
  const name = /^\/\/ ([\w.-]{1,60}\.wasm),/.exec(text)?.[1]
  const { href } = pathToFileURL(
    keepText(name === undefined ? `${hash}.js` : `${name}-${hash.slice(0, 8)}.js`, text),
  )
  texts.add(href)
  return href
}

/** Reads modules and all that they import, but for those that are there. */
async function readAll(
  urls: readonly string[],
  modules: Map<string, ProgramModule>,
  redirect: (url: string) => string,
  rewritten: Rewritten,
): Promise<void> {
  const pending = urls.toReversed()
  const formats = new Map<string, Format>()
  for (let url = pending.pop(); url !== undefined; url = pending.pop()) {
    if (modules.has(url) || isData(url)) continue
    const file = fileURLToPath(url)
    const isOfThread = url.endsWith(PER_THREAD)
    const module = await describeModule(
      url,
      parseOnce(file, readSource(file), formatOf(url, formats), isOfThread, rewritten.get(url)),
      redirect,
    )
    modules.set(url, module)
    pending.push(...module.imports.values())
  }
}

type Digested = ReadonlyMap<string, Pick<ProgramModule, 'digest' | 'imports'>>
/** The digests of the entries of programs that are read. */
const digests = new WeakMap<Digested, Map<string, string>>()

/** Digest of the code of an entry and of all that it imports, patches included. The program is read whole. */
export function digestOf(modules: Digested, entry: string): string {
  const known = digests.get(modules) ?? new Map<string, string>()
  digests.set(modules, known)
  const digest = known.get(entry) ?? findDigest(modules, entry)
  known.set(entry, digest)
  return digest
}

function findDigest(modules: Digested, entry: string): string {
  const hash = createHash('sha256')
  const seen = new Set<string>()
  const pending = [entry]
  for (let url = pending.pop(); url !== undefined; url = pending.pop()) {
    const module = modules.get(url)
    if (module === undefined || seen.has(url)) continue
    seen.add(url)
    hash.update(module.digest)
    pending.push(...module.imports.values())
  }
  return hash.digest('hex')
}

export type ParsedModule = SourceModule & { readonly scopes: Scopes }

/** The last form of each file, since programs that differ in an edit have all other files in common. */
const parsedFiles = new Map<
  string,
  { readonly source: string; readonly format: Format; readonly rewritten: string; module: ParsedModule }
>()

/** Of trees that were made of files as they stand: all that they were made of. */
const sources = new WeakMap<Node, string>()

/** What the tree of a module was made of; undefined of one that an edit gives. */
export function sourceOf(module: ProgramModule): string | undefined {
  return sources.get(module.program)
}

function parseOnce(
  file: string,
  source: string,
  format: Format,
  isOfThread: boolean,
  stops: ReadonlySet<number> | undefined,
): ParsedModule {
  const key = isOfThread ? `${file}${PER_THREAD}` : file
  const present = parsedFiles.get(key)
  const rewritten = [...(stops ?? [])].join()
  if (present?.source === source && present.format === format && present.rewritten === rewritten)
    return present.module
  const plan = isOfThread ? planOf(scopesOf(parseModule(file, source, format))) : null
  const module = withScopes(parseModule(file, source, format, plan, stops))
  parsedFiles.set(key, { source, format, rewritten, module })
  sources.set(module.program, `${key} ${format} ${rewritten}\n${source}`)
  return module
}

function scopesOf({ program, format }: SourceModule): Scopes {
  return resolveScopes(program, format)
}

export function withScopes(module: SourceModule): ParsedModule {
  return { ...module, scopes: scopesOf(module) }
}

/** What a package names that has to do with shared memory, or with messages between threads. */
const concurrent =
  /\b(Atomics|SharedArrayBuffer|worker_threads|MessageChannel|MessagePort|postMessage)\b|\bshared\s*:\s*(true\b|!0)/
/** It may load what has, or do something later, where each thread has its own. */
const isLater =
  /\bimport\s*\(|\b(Promise|async|setTimeout|setImmediate|queueMicrotask|nextTick|events|async_hooks)\b/

/** Node takes no types out of packages. */
const typed = /\.[cm]?ts(\?|$)/

/** Takes packages out that have nothing to do with other threads and cannot come to what has, unless `wanted`. */
function leaveOutPackages(
  modules: Map<string, ProgramModule>,
  entries: readonly string[],
  wanted: ReadonlySet<string>,
): void {
  const kept = new Set(entries)
  for (const [url, { text }] of modules) {
    const isLeft = isPackaged(url) && !isOfLoop(url) && !typed.test(url)
    if (!isLeft || concurrent.test(text) || wanted.has(packageOf(url))) kept.add(url)
    else if (url.endsWith(PER_THREAD) && isLater.test(text)) kept.add(url)
  }
  for (let before = -1; before !== kept.size;) {
    before = kept.size
    for (const [url, { imports }] of modules) {
      if ([...imports.values()].some((target) => kept.has(target) && !isOfNode(target))) kept.add(url)
    }
  }
  // Of a package, the instances share what they have: all of it is kept, or nothing.
  const packages = new Set([...kept].filter((url) => url.endsWith(PER_THREAD)).map(packageOf))
  for (const url of modules.keys())
    if (!kept.has(url) && !(url.endsWith(PER_THREAD) && packages.has(packageOf(url)))) modules.delete(url)
}

function readSource(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new SteppingRefused(file, 1, `it cannot be read (${code})`, 'correct the path of the import')
  }
}

async function describeModule(
  url: string,
  module: ParsedModule,
  redirect: (url: string) => string,
): Promise<ProgramModule> {
  const isOfThread = url.endsWith(PER_THREAD)
  const own = isOfThread ? baseOf(url.slice(0, -PER_THREAD.length)) : url
  const resolve = await importResolver(own)
  const imports = new Map<string, string>()
  const exports = new Map<string, Export>()
  const stars: string[] = []
  const { scopes } = module
  const note = (specifier: string, kind: 'import' | 'require'): void => {
    if (!hasUseFor(specifier, module.text)) return
    const found = followImport(own, specifier, kind, resolve)
    if (found === null) return
    const isInstance = isOfThread && !isOfNode(found) && !isData(found)
    imports.set(specifier, isInstance ? `${found}${PER_THREAD}` : redirect(found))
  }
  const follow = (source: Node | null | undefined): void => {
    if (source?.type !== 'Literal') return
    const specifier = String(source.value)
    note(specifier, 'import')
    const found = imports.get(specifier)
    if (found !== undefined && !isThere(found))
      refuse(module, source, `there is no file that '${specifier}' means`, 'correct the path of the import')
  }
  for (const specifier of module.thread?.specifiers ?? []) note(specifier, 'import')
  const scripts = scriptsOf(module, own).filter(isThere)
  // Under a name that no import has: their code is part of what the digest is of.
  for (const each of scripts) imports.set(`worker ${each}`, `${each}${PER_THREAD}`)
  if (module.format === 'commonjs')
    for (const specifier of requiredBy(module.program, scopes, isOfThread)) note(specifier, 'require')
  for (const statement of (module.program as Node & { type: 'Program' }).body) {
    if (statement.type === 'ImportDeclaration') follow(statement.source)
    if (statement.type === 'ExportAllDeclaration') {
      follow(statement.source)
      if (statement.exported === null) stars.push(String(statement.source.value))
    }
    if (statement.type === 'ExportNamedDeclaration') {
      follow(statement.source)
      describeExports(statement, exports)
    }
    if (statement.type === 'ExportDefaultDeclaration') {
      const { declaration } = statement
      const id = 'id' in declaration ? declaration.id : null
      if (id && declaration.type !== 'FunctionExpression' && declaration.type !== 'ClassExpression')
        exports.set('default', { kind: 'local', name: id.name })
      else exports.set('default', { kind: 'value', node: declaration })
    }
  }
  return { ...module, url, imports, exports, stars, scripts }
}

/** What a CommonJS module requires by name. */
function requiredBy(program: Node, scopes: Scopes, isOfThread: boolean): string[] {
  const found: string[] = []
  const visit = (node: Node): void => {
    if (
      node.type === 'CallExpression' &&
      node.callee.type === 'Identifier' &&
      node.callee.name === 'require'
    ) {
      const [argument] = node.arguments
      const binding = scopes.bindings.get(node.callee)
      // Of an instance, it is what its function is given.
      const isMeant = isOfThread
        ? binding === undefined || binding.kind === 'parameter'
        : binding === undefined
      if (isMeant && argument?.type === 'Literal' && typeof argument.value === 'string')
        found.push(argument.value)
    }
    for (const child of childrenOf(node)) visit(child)
  }
  visit(program)
  return found
}

function describeExports(
  statement: Node & { type: 'ExportNamedDeclaration' },
  exports: Map<string, Export>,
): void {
  for (const specifier of statement.specifiers) {
    const name = nameOf(specifier.local)
    const exported = nameOf(specifier.exported)
    exports.set(
      exported,
      statement.source
        ? { kind: 'from', specifier: String(statement.source.value), name }
        : { kind: 'local', name },
    )
  }
  const { declaration } = statement
  if (!declaration) return
  if (declaration.type !== 'VariableDeclaration') {
    exports.set(declaration.id.name, { kind: 'local', name: declaration.id.name })
    return
  }
  for (const { id } of declaration.declarations)
    if (id.type === 'Identifier') exports.set(id.name, { kind: 'local', name: id.name })
}

/** The address of a file, or of an address. */
export function addressOf(path: string | URL): string {
  if (path instanceof URL) return path.href
  return path.startsWith('file:') ? path : pathToFileURL(path).href
}
