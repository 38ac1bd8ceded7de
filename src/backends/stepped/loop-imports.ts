// What a module imports of loop/ without knowing it: the names by which it asks the engine for what happens later.

import type { AnyNode } from 'acorn'
import { STACK } from './await-using.ts'
import { CURSOR } from './for-await.ts'
import { modelledNames } from './names.ts'
import { childrenOf, write } from './raw-tree.ts'

type Node = AnyNode

/** The specifier under which a module imports loop/, and where that is. */
export const LOOP = 'faultline:loop'
const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
const folder = new URL('loop/', import.meta.url).href
const kernelFolder = new URL('../../kernel/', import.meta.url).href
export const loopModule = `${folder}index${extension}`
/** The same of generators, which need no event loop. */
const GENERATORS = 'faultline:generators'
const generatorModule = `${folder}generator${extension}`
/** Under which a module knows what makes a generator of its body. */
export const NEW_GENERATOR = '$newGenerator'
/** They run as they are. */
const unstepped: ReadonlySet<string | null> = new Set(
  ['host', 'clone'].map((name) => `${folder}${name}${extension}`),
)
/** What stands for modules of Node. */
const builtins: ReadonlyMap<string, string> = new Map(
  Object.entries({
    worker_threads: 'worker-threads',
    events: 'node-events',
    async_hooks: 'node-async-hooks',
    module: 'node-module',
    timers: 'node-timers',
    'timers/promises': 'timers-promises',
    assert: 'node-assert',
    'assert/strict': 'node-assert-strict',
    util: 'node-util',
  }).flatMap(([name, file]) =>
    [name, `node:${name}`].map((each) => [each, `${folder}${file}${extension}`] as const),
  ),
)

/** A module that names none of this has no use for what stands for the module of Node. */
const usedFor: readonly (readonly [names: RegExp, used: RegExp])[] = [
  [/^(node:)?assert\b/, /\b(rejects|doesNotReject)\b/],
  [/^(node:)?util$/, /\bpromisify\b/],
]

export function hasUseFor(specifier: string, text: string): boolean {
  return usedFor.every(([names, used]) => !names.test(specifier) || used.test(text))
}

/** A file of loop/. */
export function isOfLoop(url: string): boolean {
  return url.startsWith(folder)
}

/** Of loop/, what makes promises and timers, and has them be over: its changes show in what an event loop waits for. */
export function leavesNothing(url: string): boolean {
  return isOfLoop(url) && /\/(event-loop|promise|timers|timers-promises|waiters)\.[jt]s$/.test(url)
}

const libraryFiles = new URL('library', import.meta.url).href
export const libraryModule = `${libraryFiles}${extension}`

/** A file that is stepped as if it were a part of each program, and is none: of the library, or of loop/. */
export function isOfRuntime(url: string): boolean {
  return isOfLoop(url) || url.startsWith(libraryFiles)
}

/** What the transform itself lets a module import. */
export function isOfTransform(specifier: string): boolean {
  return specifier === LOOP || specifier === GENERATORS
}

/** What makes generators: their iterators are those of programs. */
export function makesGenerators(url: string): boolean {
  return url === generatorModule
}

/** Where an import leads that is none of the program's files: to loop/, or to nothing stepped; else undefined. */
export function followLoop(from: string, specifier: string, found: string | null): string | null | undefined {
  if (specifier === LOOP) return loopModule
  if (specifier === GENERATORS) return generatorModule
  if (!isOfLoop(from)) return builtins.get(specifier)
  return unstepped.has(found) ? null : undefined
}

/** Under which a module knows what imports for it. */
const IMPORT = '$importModule'
const anyName = new RegExp(
  `\\b(${modelledNames.join('|')}|nextTick|waitAsync|worker_threads|timers|Worker|BroadcastChannel)\\b`,
)

/** Modules of Node, and functions of some, that make promises though the text does not say so. */
const makesPromises = /\b(promisify|rejects|doesNotReject)\b|['"`](node:)?(events|async_hooks)['"`]/

/** Adds the import to a module that uses such names, or has async functions or generators that can stop. */
export function importLoop(
  program: Node,
  text: string,
  format: 'module' | 'commonjs',
  has: {
    readonly url: string
    readonly isAsync: boolean
    readonly imports: boolean
    readonly generates: boolean
  },
): void {
  const { url, isAsync, imports: isImporting, generates } = has
  if (generates) insert(program, format, [NEW_GENERATOR], GENERATORS)
  // The text may name them in a comment only; most name none.
  const named = anyName.test(text) ? wordsOf(program) : new Set<string>()
  // What makes the frames of a machine: scenarios have others (see check/kernel-machine.ts).
  if (url.startsWith(kernelFolder)) named.delete('WebAssembly')
  const asks = isAsync || isImporting || makesPromises.test(text)
  if (!asks && ![...named].some((word) => anyName.test(word))) return
  const { body } = program as Node & { type: 'Program' }
  const declared = new Set((body as Node[]).flatMap(declaredBy))
  const used = modelledNames.filter((name) => !declared.has(name) && named.has(name))
  if (isImporting) used.push(IMPORT)
  if (/\bfor\s+await\b/.test(text)) used.push(CURSOR)
  if (/\bawait\s+using\b/.test(text)) used.push(STACK)
  insert(program, format, used, LOOP)
}

function insert(
  program: Node,
  format: 'module' | 'commonjs',
  used: readonly string[],
  specifier: string,
): void {
  const { body } = program as Node & { type: 'Program' }
  const at = body.findIndex((each) => !('directive' in each))
  const made = format === 'module' ? imports(used, specifier) : requires(used, specifier)
  body.splice(at < 0 ? body.length : at, 0, made as never)
}

/** The names and strings of a program. */
function wordsOf(program: Node): Set<string> {
  const words = new Set<string>()
  const visit = (node: Node): void => {
    if (node.type === 'Identifier') words.add(node.name)
    if (node.type === 'Literal' && typeof node.value === 'string') words.add(node.value)
    for (const child of childrenOf(node)) visit(child)
  }
  visit(program)
  return words
}

// Before all that stands there.
const place = { start: -1, end: -1 }
const make = (type: string, fields: object): Node => ({ type, ...place, ...fields }) as unknown as Node
const identifier = (name: string): Node => make('Identifier', { name })
const source = (specifier: string): Node =>
  make('Literal', { value: specifier, raw: JSON.stringify(specifier) })

function imports(used: readonly string[], specifier: string): Node {
  const specifiers = used.map((name) =>
    make('ImportSpecifier', { imported: identifier(exportedName(name)), local: identifier(name) }),
  )
  return make('ImportDeclaration', { specifiers, source: source(specifier), attributes: [] })
}

function requires(used: readonly string[], specifier: string): Node {
  const call = make('CallExpression', {
    callee: identifier('require'),
    arguments: [source(specifier)],
    optional: false,
  })
  const properties = used.map((name) =>
    make('Property', {
      key: identifier(exportedName(name)),
      value: identifier(name),
      kind: 'init',
      computed: false,
      method: false,
      shorthand: false,
    }),
  )
  const declarator = make('VariableDeclarator', { id: make('ObjectPattern', { properties }), init: call })
  return make('VariableDeclaration', { kind: 'const', declarations: [declarator] })
}

function exportedName(name: string): string {
  if (name === CURSOR) return 'openAsync'
  if (name === STACK) return 'newAsyncStack'
  if (name === NEW_GENERATOR) return 'default'
  return name === IMPORT ? 'importModule' : name
}

/** Lets loop/ import what `import()` names, for the module at `url`. Returns whether there is any. */
export function rewriteImports(node: Node, url: string): boolean {
  let isAny = false
  for (const child of Object.values(node).flat())
    if (typeof (child as Node | null)?.type === 'string') isAny = rewriteImports(child as Node, url) || isAny
  const { start, end } = node
  const before = { start: start - 0.125, end: start - 0.125 }
  const from = { type: 'Literal', value: url, raw: JSON.stringify(url), start: end, end }
  const callee = { ...identifier(IMPORT), ...before }
  if (node.type === 'ImportExpression') {
    Object.assign(node, { type: 'CallExpression', callee, arguments: [node.source, from], optional: false })
    delete (node as { source?: unknown }).source
    return true
  }
  if (!isHiddenImport(node)) return isAny
  const name = { ...identifier('specifier'), ...before }
  const call = { type: 'CallExpression', callee, arguments: [{ ...name }, from], optional: false, start, end }
  const body = {
    type: 'BlockStatement',
    body: [{ type: 'ReturnStatement', argument: call, start, end }],
    start,
    end,
  }
  Object.assign(node, {
    type: 'FunctionExpression',
    id: null,
    params: [name],
    body,
    generator: false,
    async: false,
    expression: false,
  })
  return true
}

/** `eval('require')`, as it is written to hide a name from compilers, is that name. */
export function rewriteNames(node: Node): void {
  for (const child of childrenOf(node)) rewriteNames(child)
  if (node.type !== 'CallExpression' || node.callee.type !== 'Identifier' || node.callee.name !== 'eval')
    return
  const [text] = node.arguments
  const isName =
    text?.type === 'Literal' && /^(require|__dirname|__filename|module)$/.test(String(text.value))
  if (isName) write(node, { ...identifier(String(text.value)), start: node.start, end: node.end } as Node)
}

/** `new Function('path', 'return import(path)')`, as it is written to hide an import from compilers. */
function isHiddenImport(node: Node): boolean {
  if (node.type !== 'NewExpression' && node.type !== 'CallExpression') return false
  if (node.callee.type !== 'Identifier' || node.callee.name !== 'Function') return false
  const [name, body] = node.arguments.map((each) => (each.type === 'Literal' ? each.value : null))
  return (
    node.arguments.length === 2 &&
    new RegExp(`^\\s*return import\\(${String(name)}\\);?\\s*$`).test(String(body))
  )
}

/** The names that a statement at the top declares. */
function declaredBy(node: Node): string[] {
  switch (node.type) {
    case 'ImportDeclaration':
      return node.specifiers.map(({ local }) => local.name)
    case 'FunctionDeclaration':
    case 'ClassDeclaration':
      return node.id ? [node.id.name] : []
    case 'VariableDeclaration':
      return node.declarations.flatMap(({ id }) => namesIn(id as Node))
    case 'ExportNamedDeclaration':
    case 'ExportDefaultDeclaration':
      return node.declaration ? declaredBy(node.declaration as Node) : []
    default:
      return []
  }
}

/** Every name in a pattern, more than it binds. */
export function namesIn(node: Node): string[] {
  if (node.type === 'Identifier') return [node.name]
  return Object.values(node)
    .flat()
    .filter((each): each is Node => typeof (each as Node | null)?.type === 'string')
    .flatMap(namesIn)
}
