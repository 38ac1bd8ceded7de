// A program that is to be stepped: entry modules and all modules of ours that they import.
//
// Modules of Node stay as they are: what they do is part of a step of the thread that calls them. So do packages that
// name shared memory nowhere and import none that does. A patch replaces one expression of one file before it is
// parsed; so a guard is removed for a test, and the source does not know of it.

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { SteppingRefused } from './refusal.ts'
import { followImport, formatOf, importResolver, isPackaged } from './resolve.ts'
import { type Scopes, nameOf, resolveScopes } from './scope.ts'
import { type Format, type Node, type SourceModule, childrenOf, parseModule } from './syntax.ts'

/** A change of the source: in `file`, the text `find`, which stands there once, becomes `replace`. */
export interface SourcePatch {
  /** The end of the file's path, such as 'mm/zap.ts'. */
  readonly file: string
  readonly find: string
  readonly replace: string
}

export interface ProgramModule extends SourceModule {
  readonly url: string
  readonly scopes: Scopes
  /** Specifiers of modules of this program, and their addresses. */
  readonly imports: ReadonlyMap<string, string>
  /** What is exported: the local name, or the module's specifier and the name there. */
  readonly exports: ReadonlyMap<string, Export>
  /** Specifiers of `export * from`. */
  readonly stars: readonly string[]
}

export type Export =
  | { readonly kind: 'local'; readonly name: string }
  | { readonly kind: 'value'; readonly node: Node }
  | { readonly kind: 'from'; readonly specifier: string; readonly name: string }

export interface Program {
  /** Addresses. */
  readonly entries: readonly string[]
  readonly modules: ReadonlyMap<string, ProgramModule>
}

export interface ProgramOptions {
  readonly patches?: readonly SourcePatch[]
  /** Where an import leads instead: from the address that it has to the one that it shall have. */
  readonly redirect?: (url: string) => string
}

/** Reads the modules `entries` (addresses) and all that they import. Throws SteppingRefused. */
export async function readProgram(
  entries: readonly string[],
  options: ProgramOptions = {},
): Promise<Program> {
  const { patches = [], redirect = (url: string) => url } = options
  const modules = new Map<string, ProgramModule>()
  const applied = new Set<SourcePatch>()
  const redirected = entries.map(redirect)
  const pending = redirected.toReversed()
  for (let url = pending.pop(); url !== undefined; url = pending.pop()) {
    if (modules.has(url)) continue
    const module = await readModule(url, patches, applied, redirect)
    modules.set(url, module)
    pending.push(...module.imports.values())
  }
  const missed = patches.find((patch) => !applied.has(patch))
  if (missed !== undefined) {
    throw new SteppingRefused(
      missed.file,
      1,
      'a patch names a file that the program lacks',
      'correct the patch',
    )
  }
  leaveOutPackages(modules, redirected)
  return { entries: redirected, modules }
}

/** Digest of the code of an entry and of all that it imports, patches included. */
export function digestOf(
  modules: ReadonlyMap<string, Pick<ProgramModule, 'digest' | 'imports'>>,
  entry: string,
): string {
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

async function readModule(
  url: string,
  patches: readonly SourcePatch[],
  applied: Set<SourcePatch>,
  redirect: (url: string) => string,
): Promise<ProgramModule> {
  const file = fileURLToPath(url)
  const source = patchSource(file, readSource(file), patches, applied)
  const module = parseOnce(file, source, formatOf(url))
  const resolve = await importResolver(url)
  return describeModule(url, module, (specifier, kind) => {
    const target = followImport(url, specifier, kind, resolve)
    return target === null ? null : redirect(target)
  })
}

type ParsedModule = SourceModule & { readonly scopes: Scopes }

/** The last form of each file, since programs that differ in a patch have all other files in common. */
const parsedFiles = new Map<
  string,
  { readonly source: string; readonly format: Format; module: ParsedModule }
>()

function parseOnce(file: string, source: string, format: Format): ParsedModule {
  const present = parsedFiles.get(file)
  if (present?.source === source && present.format === format) return present.module
  const parsed = parseModule(file, source, format)
  const module = { ...parsed, scopes: resolveScopes(parsed.program) }
  parsedFiles.set(file, { source, format, module })
  return module
}

/** Takes packages out that have nothing to do with shared memory, and cannot come to it. */
function leaveOutPackages(modules: Map<string, ProgramModule>, entries: readonly string[]): void {
  const kept = new Set(entries)
  for (const [url, { text }] of modules) {
    if (!isPackaged(url) || /\bAtomics\b|\bSharedArrayBuffer\b/.test(text)) kept.add(url)
  }
  for (let before = -1; before !== kept.size;) {
    before = kept.size
    for (const [url, { imports }] of modules) {
      if ([...imports.values()].some((target) => kept.has(target))) kept.add(url)
    }
  }
  for (const url of modules.keys()) if (!kept.has(url)) modules.delete(url)
}

function readSource(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new SteppingRefused(file, 1, `it cannot be read (${code})`, 'correct the path of the import')
  }
}

function patchSource(
  file: string,
  source: string,
  patches: readonly SourcePatch[],
  applied: Set<SourcePatch>,
): string {
  let text = source
  for (const patch of patches) {
    if (!file.replaceAll('\\', '/').endsWith(`/${patch.file}`)) continue
    const parts = text.split(patch.find)
    if (parts.length !== 2) {
      const problem = `the text to be patched stands there ${parts.length - 1} times: ${patch.find}`
      throw new SteppingRefused(patch.file, 1, problem, 'make the patch fit the source')
    }
    text = parts.join(patch.replace)
    applied.add(patch)
  }
  return text
}

type Follow = (specifier: string, kind: 'import' | 'require') => string | null

function describeModule(url: string, module: ParsedModule, target: Follow): ProgramModule {
  const imports = new Map<string, string>()
  const exports = new Map<string, Export>()
  const stars: string[] = []
  const { scopes } = module
  const note = (specifier: string, kind: 'import' | 'require'): void => {
    const found = target(specifier, kind)
    if (found !== null) imports.set(specifier, found)
  }
  const follow = (source: { value?: unknown } | null | undefined): void => {
    if (source) note(String(source.value), 'import')
  }
  if (module.format === 'commonjs')
    for (const specifier of requiredBy(module.program, scopes)) note(specifier, 'require')
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
  return { ...module, url, imports, exports, stars }
}

/** What a CommonJS module requires by name. */
function requiredBy(program: Node, scopes: Scopes): string[] {
  const found: string[] = []
  const visit = (node: Node): void => {
    if (
      node.type === 'CallExpression' &&
      node.callee.type === 'Identifier' &&
      node.callee.name === 'require'
    ) {
      const [argument] = node.arguments
      if (
        !scopes.bindings.has(node.callee) &&
        argument?.type === 'Literal' &&
        typeof argument.value === 'string'
      )
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
