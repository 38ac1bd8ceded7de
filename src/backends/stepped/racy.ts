// `racy(() => …)`: plain accesses that are meant.
//
// What stands between the brackets of the call is looked at, and nothing that it calls. Its accesses to elements become
// steps, so that every order of them with the steps of other threads is explored; unlike operations of `Atomics` they
// order nothing (see Thread.isPlain). The tree of the module is changed before anybody has looked at it.

import type { AnyNode } from 'acorn'
import { childrenOf, isNode } from './raw-tree.ts'

type Node = AnyNode
type Fields = Record<string, unknown>

/** Where `racy` comes from. */
const source = /^faultline(\/check)?$|\/(check|index)\.[jt]s$/
/** The names of the operations, as if `Atomics` had them. */
export const RACY_LOAD = 'loadRacy'
export const RACY_STORE = 'storeRacy'

export type Refuse = (node: Node, problem: string, remedy: string) => never

/** Makes steps of the accesses within calls of `racy`, if the program imports it. */
export function rewriteRacy(program: Node, refuse: Refuse): void {
  const names = racyNames(program)
  if (names.size === 0) return
  visit(program, (node) => {
    if (node.type !== 'CallExpression' || !isRacy(node.callee as Node, names)) return
    const [body, ...more] = node.arguments as Node[]
    const isLiteral = body?.type === 'ArrowFunctionExpression' || body?.type === 'FunctionExpression'
    if (!isLiteral || more.length > 0 || body.params.length > 0 || body.async || body.generator)
      refuse(
        node,
        'racy() of something else than one function',
        'write racy(() => …), with the accesses in it',
      )
    rewriteChildren(body, refuse)
    Object.assign(node, { callee: body, arguments: [] })
  })
}

function racyNames(program: Node): Set<string> {
  const names = new Set<string>()
  const note = (imported: Node, local: Node): void => {
    if (imported.type === 'Identifier' && imported.name === 'racy' && local.type === 'Identifier')
      names.add(local.name)
  }
  for (const statement of (program as Node & { type: 'Program' }).body as Node[]) {
    if (statement.type === 'ImportDeclaration' && source.test(String(statement.source.value)))
      for (const each of statement.specifiers) {
        if (each.type === 'ImportSpecifier') note(each.imported, each.local)
        else names.add(`${each.local.name}.racy`)
      }
    if (statement.type !== 'VariableDeclaration') continue
    for (const { id, init } of statement.declarations) {
      if (
        init?.type !== 'CallExpression' ||
        init.callee.type !== 'Identifier' ||
        init.callee.name !== 'require'
      )
        continue
      const [from] = init.arguments
      if (from?.type !== 'Literal' || !source.test(String(from.value))) continue
      if (id.type === 'Identifier') names.add(`${id.name}.racy`)
      if (id.type !== 'ObjectPattern') continue
      for (const each of id.properties)
        if (each.type === 'Property') note(each.key as Node, each.value as Node)
    }
  }
  return names
}

function isRacy(callee: Node, names: ReadonlySet<string>): boolean {
  if (callee.type === 'Identifier') return names.has(callee.name)
  // `(0, check.racy)(…)`, as compilers write it.
  if (callee.type === 'SequenceExpression') return isRacy(callee.expressions.at(-1) as Node, names)
  if (callee.type === 'ParenthesizedExpression') return isRacy(callee.expression as Node, names)
  if (callee.type !== 'MemberExpression' || callee.computed || callee.object.type !== 'Identifier')
    return false
  return callee.property.type === 'Identifier' && names.has(`${callee.object.name}.${callee.property.name}`)
}

/** The children of a node, whatever they are called. */
function visit(node: Node, each: (node: Node) => void): void {
  for (const child of childrenOf(node)) visit(child, each)
  each(node)
}

function rewriteChildren(node: Node, refuse: Refuse): void {
  const fields = node as unknown as Fields
  // The object of a method keeps it: `a[i].f()` reads `a[i]`, and `a[i]()` calls it.
  const isCallee = (key: string): boolean => key === 'callee' || key === 'tag'
  const isTarget = (key: string): boolean =>
    (node.type === 'UnaryExpression' && node.operator === 'delete') ||
    (key === 'left' && /^(ForIn|ForOf)Statement$|^AssignmentPattern$/.test(node.type))
  for (const [key, value] of Object.entries(fields)) {
    const write = (child: unknown): unknown => {
      if (!isNode(child)) return child
      const isKept = (isCallee(key) || isTarget(key)) && isElement(child)
      if (!isKept) return rewritten(child, refuse)
      rewriteChildren(child, refuse)
      return child
    }
    if (Array.isArray(value)) fields[key] = (value as unknown[]).map(write)
    else if (isNode(value)) fields[key] = write(value)
  }
}

type Member = Node & { type: 'MemberExpression' }

function isElement(node: Node): node is Member {
  return (
    node.type === 'MemberExpression' &&
    node.computed &&
    node.object.type !== 'Super' &&
    !(node.property.type === 'Literal' && typeof node.property.value === 'string')
  )
}

function rewritten(node: Node, refuse: Refuse): Node {
  if (node.type === 'AssignmentExpression' && isElement(node.left as Node)) return assignment(node, refuse)
  if (node.type === 'UpdateExpression' && isElement(node.argument as Node)) return update(node, refuse)
  if (isPattern(node)) return node
  rewriteChildren(node, refuse)
  if (!isElement(node)) return node
  if (node.optional) refuse(node, 'an optional element in racy()', 'write array[index]')
  return operation(RACY_LOAD, node, [node.object as Node, node.property as Node])
}

/** What takes an array apart: its accesses are held against happens-before, as they are elsewhere. */
function isPattern({ type }: Node): boolean {
  return type === 'ArrayPattern' || type === 'ObjectPattern'
}

function assignment(node: Node & { type: 'AssignmentExpression' }, refuse: Refuse): Node {
  const { operator } = node
  const target = node.left as Member
  const place = [target.object as Node, target.property as Node]
  if (/^(&&|\|\||\?\?)=$/.test(operator))
    refuse(node, `${operator} of an element in racy()`, 'write it as an if')
  rewriteChildren(node, refuse)
  const right = node.right as Node
  if (operator === '=') return operation(RACY_STORE, node, [...place, right])
  // Before the value, as it is read before that.
  const start = right.start - 0.25
  const read = operation(RACY_LOAD, { ...target, start, end: start } as Node, again(target, refuse))
  const value = at(right, { type: 'BinaryExpression', operator: operator.slice(0, -1), left: read, right })
  return operation(RACY_STORE, node, [...place, value])
}

function update(node: Node & { type: 'UpdateExpression' }, refuse: Refuse): Node {
  const target = node.argument as Member
  const place = [target.object as Node, target.property as Node]
  const end = { ...node, start: target.end, end: target.end } as Node
  const one = (): Node => at(end, { type: 'Literal', value: 1, raw: '1' })
  const [operator, back] = node.operator === '++' ? ['+', '-'] : ['-', '+']
  const read = operation(RACY_LOAD, end, again(target, refuse))
  const value = at(end, { type: 'BinaryExpression', operator, left: read, right: one() })
  const written = operation(RACY_STORE, node, [...place, value])
  if (node.prefix) return written
  // What was there before, as `written` is what is there now.
  return at(node, {
    type: 'BinaryExpression',
    operator: back,
    left: written,
    right: { ...one(), start: node.end },
  })
}

/** The array and the index once more, where that does nothing. */
function again(target: Member, refuse: Refuse): Node[] {
  const isQuiet = (node: Node): boolean =>
    /^(Identifier|Literal|ThisExpression|PrivateIdentifier)$/.test(node.type) ||
    (node.type === 'MemberExpression' && !node.computed && isQuiet(node.object as Node)) ||
    (node.type === 'BinaryExpression' && isQuiet(node.left as Node) && isQuiet(node.right as Node))
  const place = [target.object as Node, target.property as Node]
  if (!place.every(isQuiet))
    refuse(
      target,
      'an element that is read and written at once in racy()',
      'give the array and the index names',
    )
  return place.map((node) => structuredClone(node))
}

/** `Atomics.name(…)`, told by the place of the access. Its name comes before all that stands there. */
function operation(name: string, node: Node, args: readonly Node[]): Node {
  const start = node.start - 0.5
  const place = { start, end: start }
  const object = { type: 'Identifier', name: 'Atomics', ...place }
  const property = { type: 'Identifier', name, ...place }
  const callee = { type: 'MemberExpression', object, property, computed: false, optional: false, ...place }
  return at(node, { type: 'CallExpression', callee, arguments: args, optional: false })
}

function at({ start, end }: Node, fields: Fields): Node {
  return { start, end, ...fields } as unknown as Node
}
