// Pieces of code that patches name, and where they occur in a syntax tree.

import { parse } from 'acorn'
import { type Node, childrenOf, isFunction, propertyName } from '../../backends/stepped/syntax.ts'

/** Stands for any one expression or statement; with `...`, for whatever arguments are left. */
const ANY = '$'

/** Where a piece occurs: nodes that follow each other in a list of statements, or one node. */
export interface Place {
  readonly nodes: readonly Node[]
  /** Nodes around it, the innermost last. */
  readonly around: readonly Node[]
}

/** The nodes of a piece: an expression, or statements. Throws SyntaxError. */
export function parsePiece(text: string): readonly Node[] {
  // Inside a loop of a method of a derived class, so that it may have all that stands in functions.
  const [head, tail] = ['class A extends B { a() { while (true) {\n', '\n} } }']
  const program = parse(`${head}${text}${tail}`, {
    ecmaVersion: 'latest',
    sourceType: 'module',
    checkPrivateFields: false,
  }) as Node
  const path = [
    'ClassDeclaration',
    'MethodDefinition',
    'FunctionExpression',
    'WhileStatement',
    'BlockStatement',
  ]
  let node = program
  for (const type of path) node = descend(node, type)
  const statements = childrenOf(node)
  const [only] = statements
  const isExpression = statements.length === 1 && only!.type === 'ExpressionStatement' && !/;\s*$/.test(text)
  return isExpression ? [(only as Node & { type: 'ExpressionStatement' }).expression] : statements
}

function descend(node: Node, type: string): Node {
  const queue = [...childrenOf(node)]
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    if (next.type === type) return next
    queue.push(...childrenOf(next))
  }
  throw new SyntaxError(`no ${type}`)
}

/** The functions and methods of that name; `Class.method` tells those of one class. */
export function functionsNamed(program: Node, name: string): Node[] {
  const found: Node[] = []
  const visit = (node: Node, parent: Node | null, owner: string): void => {
    const own = nameOf(node, parent)
    if (own !== null && (own === name || `${owner}.${own}` === name)) found.push(node)
    const inner = node.type === 'ClassDeclaration' && node.id ? node.id.name : owner
    for (const child of childrenOf(node)) visit(child, node, inner)
  }
  visit(program, null, '')
  return found
}

/** The name of what a patch calls a function: a method as a whole, or a function that is declared or assigned. */
function nameOf(node: Node, parent: Node | null): string | null {
  if (node.type === 'MethodDefinition') return propertyName(node.key, node.computed)
  if (!isFunction(node)) return null
  if (node.type !== 'ArrowFunctionExpression' && node.id) return node.id.name
  if (parent?.type === 'VariableDeclarator' && parent.id.type === 'Identifier') return parent.id.name
  return parent?.type === 'Property' || parent?.type === 'PropertyDefinition'
    ? propertyName(parent.key, parent.computed)
    : null
}

/** All places inside `roots` where the piece occurs. */
export function placesOf(piece: readonly Node[], roots: readonly Node[]): Place[] {
  const places = new Map<Node, Place>()
  const visit = (node: Node, around: readonly Node[]): void => {
    const inner = [...around, node]
    if (piece.length === 1 && matches(piece[0], node)) places.set(node, { nodes: [node], around })
    const list = piece.length > 1 ? statementsOf(node) : []
    for (let at = 0; at + piece.length <= list.length; at++) {
      const nodes = list.slice(at, at + piece.length)
      if (nodes.every((each, index) => matches(piece[index], each)))
        places.set(nodes[0]!, { nodes, around: inner })
    }
    for (const child of childrenOf(node)) visit(child, inner)
  }
  for (const root of roots) visit(root, [])
  return [...places.values()]
}

/** The statements of a node that holds a list of them. */
export function statementsOf(node: Node): readonly Node[] {
  if (node.type === 'BlockStatement' || node.type === 'Program' || node.type === 'StaticBlock')
    return node.body
  return node.type === 'SwitchCase' ? node.consequent : []
}

/** Compares trees: of a node its type and what it says, and not where it stands. */
function matches(pattern: unknown, value: unknown): boolean {
  if (Array.isArray(pattern)) return Array.isArray(value) && listMatches(pattern, value)
  if (typeof pattern !== 'object' || pattern === null) return pattern === value
  if (typeof value !== 'object' || value === null) return false
  if (isAny(pattern as Node)) return isAnyFor(pattern as Node, value as Node)
  if ((pattern as Node).type !== (value as Node).type) return false
  const [expected, given] = [factsOf(pattern), factsOf(value)]
  return (
    expected.length === given.length &&
    expected.every(([key, each], index) => key === given[index]![0] && matches(each, given[index]![1]))
  )
}

function listMatches(pattern: readonly unknown[], values: readonly unknown[]): boolean {
  const last = pattern.at(-1) as Node | null | undefined
  if (last?.type === 'SpreadElement' && isAny(last.argument)) {
    const head = pattern.slice(0, -1)
    return head.length <= values.length && listMatches(head, values.slice(0, head.length))
  }
  return pattern.length === values.length && pattern.every((each, index) => matches(each, values[index]))
}

function isAny(node: Node): boolean {
  if (node.type === 'ExpressionStatement') return isAny(node.expression)
  return node.type === 'Identifier' && node.name === ANY
}

function isAnyFor(pattern: Node, node: Node): boolean {
  const isStatement = /Statement$|Declaration$/.test(node.type)
  return isStatement === (pattern.type === 'ExpressionStatement')
}

const PLACES = new Set(['start', 'end', 'loc', 'range', 'raw'])

function factsOf(value: object): [string, unknown][] {
  return Object.entries(value)
    .filter(([key]) => !PLACES.has(key) || !('type' in value))
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
}
