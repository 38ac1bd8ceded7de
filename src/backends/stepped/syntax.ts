// One module as the transform sees it: JavaScript text whose positions are those of the file, and its syntax tree.
//
// Of TypeScript, what was made of it: see typescript.ts.

import { createHash } from 'node:crypto'
import type { SourceMap } from 'node:module'
import { pathToFileURL } from 'node:url'
import {
  type AnyNode,
  type AnonymousFunctionDeclaration,
  type ArrowFunctionExpression,
  type FunctionDeclaration,
  type FunctionExpression,
  type Token,
  parse,
} from 'acorn'
import { rewriteUsingHeads } from './await-using.ts'
import { rewriteAsync, rewriteGenerators } from './async-syntax.ts'
import { rewriteFields } from './field-syntax.ts'
import { importLoop, isOfLoop, rewriteImports, rewriteNames } from './loop-imports.ts'
import { rewriteRacy } from './racy.ts'
import { isNode } from './raw-tree.ts'
import { SteppingRefused } from './refusal.ts'
import { type ThreadModule, type ThreadPlan, writeThreadForm } from './thread-form.ts'
import { placeByMap, toJavaScript } from './typescript.ts'

const CHILDREN = Symbol('children')

export type Node = AnyNode
export type FunctionNode =
  | FunctionDeclaration
  | AnonymousFunctionDeclaration
  | FunctionExpression
  | ArrowFunctionExpression

export interface SourceModule {
  /** Path of the file, as it is shown. */
  readonly file: string
  readonly text: string
  readonly program: Node
  readonly lineStarts: readonly number[]
  /** From the text to the file, where something has moved. */
  readonly map: SourceMap | null
  readonly format: 'module' | 'commonjs'
  /** Of what is run: comments, types and blanks make no difference. */
  readonly digest: string
  /** Each thread has an instance of it; null where all share it. */
  readonly thread: ThreadModule | null
}

const DECORATORS = 'correct the syntax; decorators need the package typescript or esbuild in the project'

/** What a file is taken for; 'either' is what Node says of one whose package does not tell. */
export type Format = 'module' | 'commonjs' | 'either'

/** Parses the source of `file`; TypeScript if its name says so. Throws SteppingRefused where it does not parse. */
export function parseModule(
  file: string,
  source: string,
  expected: Format,
  plan: ThreadPlan | null = null,
  rewritten: ReadonlySet<number> = none,
): SourceModule {
  if (!typed.test(file)) return parseText(file, source, expected, null, { plan, rewritten })
  const { text, map } = toJavaScript(file, source)
  return parseText(file, text, expected, map, { plan, rewritten })
}

const none: ReadonlySet<number> = new Set()
const typed = /\.[cm]?ts$/

/** As compilers do: what a module imports and names only in types, which are gone, it does not import. */
function dropTypes(program: Node, tokens: readonly Token[]): void {
  const module = program as Node & { type: 'Program' }
  const imports = module.body.filter(({ type }) => type === 'ImportDeclaration')
  const isOfImport = ({ start }: Token): boolean =>
    imports.some((each) => each.start <= start && start < each.end)
  const used = wordsOf(tokens.filter((token) => token.type.label === 'name' && !isOfImport(token)))
  module.body = module.body.filter((each) => {
    if (each.type !== 'ImportDeclaration' || each.specifiers.length === 0) return true
    each.specifiers = each.specifiers.filter(({ local }) => used.has(local.name))
    return each.specifiers.length > 0
  })
}

/** Which functions of a module are written how, by where they begin. */
export interface Written {
  /** Async functions that are left to the engine. */
  readonly nativeAsync?: ReadonlySet<number>
  /** Generators that can stop, and bodies of classes whose fields can: all others are left to the engine. */
  readonly rewritten?: ReadonlySet<number>
  /** Each thread has an instance of the module. */
  readonly plan?: ThreadPlan | null
}

/** Parses JavaScript that was made of `file`. Throws SteppingRefused where it does not parse. */
export function parseText(
  file: string,
  text: string,
  expected: Format,
  map: SourceModule['map'] = null,
  written: Written = {},
): SourceModule {
  const { nativeAsync = none, rewritten = none, plan = null } = written
  const parsed = (format: 'module' | 'commonjs'): SourceModule => {
    const tokens: Token[] = []
    const program = parse(text, {
      ecmaVersion: 'latest',
      sourceType: format,
      allowHashBang: true,
      onToken: tokens,
    })
    const digest = digestOf(text, tokens)
    const words = wordsOf(tokens)
    if (typed.test(file)) dropTypes(program as Node, tokens)
    const lineStarts = lineStartsOf(text)
    rewriteRacy(program as Node, (node, problem, remedy) => {
      throw new SteppingRefused(file, positionOf({ lineStarts, map }, node.start).line, problem, remedy)
    })
    const url = pathToFileURL(file).href
    if (words.has('using')) rewriteUsingHeads(program as Node)
    if (words.has('eval')) rewriteNames(program as Node)
    const thread = plan && writeThreadForm(program as Node, format, plan, text)
    const mayImport = words.has('Function') || importCall.test(text)
    const imports = mayImport && !isOfLoop(url) && rewriteImports(program as Node, url)
    const generates = rewritten.size > 0 && rewriteGenerators(program as Node, rewritten)
    if (rewritten.size > 0) rewriteFields(program as Node, rewritten, digest)
    // A module of a thread may have become an async function.
    const mayAsync = words.has('async') || thread !== null
    const isAsync = mayAsync && rewriteAsync(program as Node, nativeAsync)
    if (!isOfLoop(url)) importLoop(program as Node, text, format, { url, isAsync, imports, generates })
    if (words.has('extends')) writeConstructors(program as Node)
    return { file, text, program: program as Node, lineStarts, map, format, digest, thread }
  }
  try {
    if (expected !== 'either') return parsed(expected)
    return parseEither(parsed)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    const { loc } = error as SyntaxError & { loc?: { line: number } }
    const line = loc === undefined ? 1 : placeByMap(map, loc.line, 1).line
    if (expected === 'commonjs' && isModule(parsed))
      throw new SteppingRefused(
        file,
        line,
        'it is written as a module, and its name says that it is none',
        'let the name of the file end in .ts or .mts, .js or .mjs',
      )
    throw new SteppingRefused(
      file,
      line,
      `it does not parse (${error.message})`,
      /'@'/.test(error.message) && text.includes('@') ? DECORATORS : 'correct the syntax',
    )
  }
}

function isModule(parsed: (format: 'module') => SourceModule): boolean {
  try {
    parsed('module')
    return true
  } catch {
    return false
  }
}

/** As Node does: it is CommonJS unless it can only be a module. */
function parseEither(parsed: (format: 'module' | 'commonjs') => SourceModule): SourceModule {
  try {
    return parsed('commonjs')
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return parsed('module')
  }
}

/** A line break between two tokens counts, as it may end a statement. */
function digestOf(text: string, tokens: readonly Token[]): string {
  const parts: string[] = []
  let last = tokens[0]?.start ?? 0
  for (const { start, end } of tokens) {
    parts.push(text.slice(last, start).includes('\n') ? '\n' : ' ', text.slice(start, end))
    last = end
  }
  return createHash('sha256').update(parts.join('')).digest('hex')
}

/** `import` with what may come before the parenthesis of a call. */
const importCall = /\bimport\s*[(/.]/

/** Names and keywords: a tree need not be walked for what its text does not name. */
function wordsOf(tokens: readonly Token[]): ReadonlySet<unknown> {
  return new Set(tokens.map((token) => (token as Token & { readonly value: unknown }).value))
}

function lineStartsOf(text: string): number[] {
  const starts = [0]
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
  return starts
}

/** Line and column of an offset, both from 1. */
export function positionOf(
  module: Pick<SourceModule, 'lineStarts' | 'map'>,
  offset: number,
): { line: number; column: number } {
  const { lineStarts, map } = module
  let low = 0
  let high = lineStarts.length - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (lineStarts[middle]! <= offset) low = middle
    else high = middle - 1
  }
  const column = Math.floor(offset) - lineStarts[low]! + 1
  return placeByMap(map, low + 1, column)
}

/** Classes that extend others get the constructor that the language gives them. */
function writeConstructors(node: Node): void {
  for (const child of childrenOf(node)) writeConstructors(child)
  if ((node.type !== 'ClassDeclaration' && node.type !== 'ClassExpression') || !node.superClass) return
  const { body } = node
  if (body.body.some((each) => each.type === 'MethodDefinition' && each.kind === 'constructor')) return
  const place = { start: body.start, end: body.start, loc: body.loc }
  const make = (type: string, fields: object): Node => ({ type, ...place, ...fields }) as unknown as Node
  const args = make('Identifier', { name: 'args' })
  const spread = make('SpreadElement', { argument: make('Identifier', { name: 'args' }) })
  const call = make('CallExpression', { callee: make('Super', {}), arguments: [spread], optional: false })
  const block = make('BlockStatement', { body: [make('ExpressionStatement', { expression: call })] })
  const value = make('FunctionExpression', {
    id: null,
    generator: false,
    async: false,
    expression: false,
    params: [make('RestElement', { argument: args })],
    body: block,
  })
  const key = make('Identifier', { name: 'constructor' })
  const constructor = make('MethodDefinition', {
    kind: 'constructor',
    computed: false,
    static: false,
    key,
    value,
  })
  body.body.unshift(constructor as never)
  ;(body as { [CHILDREN]?: unknown })[CHILDREN] = undefined
}

export function refuse(module: SourceModule, node: Node, problem: string, remedy: string): never {
  throw new SteppingRefused(module.file, positionOf(module, node.start).line, problem, remedy)
}

/** The children of a node in the order of the text; what stands twice (`{ a }`) only once. Kept with the node. */
export function childrenOf(node: Node): readonly Node[] {
  const holder = node as Node & { [CHILDREN]?: readonly Node[] }
  return (holder[CHILDREN] ??= findChildren(node))
}

function findChildren(node: Node): readonly Node[] {
  const children: Node[] = []
  for (const value of Object.values(node)) {
    if (Array.isArray(value)) {
      for (const element of value) if (isNode(element)) children.push(element)
    } else if (isNode(value)) {
      children.push(value)
    }
  }
  if (children.length < 2) return children
  children.sort((a, b) => a.start - b.start || b.end - a.end)
  return children.filter((child, index) => index === 0 || child.start >= children[index - 1]!.end)
}

export function isFunction(node: Node): node is FunctionNode {
  return (
    node.type === 'FunctionDeclaration' ||
    node.type === 'FunctionExpression' ||
    node.type === 'ArrowFunctionExpression'
  )
}

/** The name of a property that is not computed: `name` in `x.name`, `{ name: … }`; `#name` of a private one. */
export function propertyName(key: Node, computed: boolean): string | null {
  if (key.type === 'PrivateIdentifier') return `#${key.name}`
  if (key.type === 'Identifier' && !computed) return key.name
  return key.type === 'Literal' && typeof key.value === 'string' ? key.value : null
}

/** A pattern in which properties are taken by number, by a computed name, or (`rest`) all together. */
export function takesByNumber(pattern: Node): boolean {
  switch (pattern.type) {
    case 'AssignmentPattern':
      return takesByNumber(pattern.left as Node)
    case 'RestElement':
      return takesByNumber(pattern.argument as Node)
    case 'ArrayPattern':
      return elementsOf(pattern).some((each) => each !== null && takesByNumber(each))
    case 'ObjectPattern':
      return pattern.properties.some((property) => {
        if (property.type === 'RestElement') return true
        const { key, computed, value } = property
        if (takesByNumber(value as Node)) return true
        if (key.type !== 'Literal') return computed
        return /^\d+$/.test(String(key.value))
      })
    default:
      return false
  }
}

/** Those of a pattern within it, after `...`, too. */
export function elementsOf(node: Node & { type: 'ArrayPattern' }): (Node | null)[] {
  return (node.elements as (Node | null)[]).flatMap((each) => {
    if (each?.type !== 'RestElement') return [each]
    return each.argument.type === 'ArrayPattern'
      ? elementsOf(each.argument as Node & { type: 'ArrayPattern' })
      : []
  })
}
