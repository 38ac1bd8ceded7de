// What the analysis of a program (reach.ts) reads off a node of its tree.

import { assignsFields } from './field-syntax.ts'
import { callsSecond } from './names.ts'
import { type FunctionNode, type Node, propertyName } from './syntax.ts'

/** Of `Array.from(values, mapper)` and the like: what is called for each. */
export function mapperOf({ callee, arguments: args }: Node & { type: 'CallExpression' }): Node | null {
  if (callee.type !== 'MemberExpression') return null
  const name = propertyName(callee.property, callee.computed) ?? ''
  const isMeant = isArrayFrom(callee) || callsSecond.test(name)
  if (!isMeant || args.length < 2 || args.some((each) => each.type === 'SpreadElement')) return null
  return args[1] as Node
}

export function isArrayFrom(callee: Node): boolean {
  if (callee.type !== 'MemberExpression' || callee.object.type !== 'Identifier') return false
  return callee.object.name === 'Array' && propertyName(callee.property, callee.computed) === 'from'
}

/** What goes through an iterable that it is given: `new Set(values)`, `Array.from(values)` and the like. */
export function iteratesGiven(node: Node): boolean {
  if (node.type !== 'NewExpression' && node.type !== 'CallExpression') return false
  const [first] = node.arguments
  if (first === undefined || first.type === 'SpreadElement') return false
  if (node.type === 'CallExpression') return isArrayFrom(node.callee as Node)
  return node.callee.type === 'Identifier' && /^(Weak)?(Set|Map)$/.test(node.callee.name)
}

/** It goes through an iterable. */
export function iterates(node: Node): boolean {
  if (node.type === 'YieldExpression') return node.delegate
  return /^(ForOfStatement|SpreadElement|ArrayPattern)$/.test(node.type) || iteratesGiven(node)
}

/** `Symbol.iterator` as a key: `@@iterator`, as the language's specification writes it. */
export function wellKnownSymbol(key: Node): string | null {
  if (key.type !== 'MemberExpression' || key.computed || key.object.type !== 'Identifier') return null
  return key.object.name === 'Symbol' ? `@@${propertyName(key.property, false)}` : null
}

/** A getter or setter, of a class or of an object. */
export function isAccessor(
  node: Node | null | undefined,
): node is Node & { type: 'MethodDefinition' | 'Property'; kind: 'get' | 'set' } {
  return (
    (node?.type === 'MethodDefinition' || node?.type === 'Property') &&
    (node.kind === 'get' || node.kind === 'set')
  )
}

/** Why a function of this kind cannot stop in the middle. */
export function rigidity(node: FunctionNode): string | null {
  if (node.async) return 'an async function'
  return node.generator ? 'a generator function' : null
}

/** It is the constructor of a class. */
export function isConstructor(node: Node | null): node is Node & { type: 'MethodDefinition' } {
  return node?.type === 'MethodDefinition' && node.kind === 'constructor'
}

/** What a function is called in tables. */
export function functionName(node: FunctionNode, parent: Node | null): string {
  // What a module of each thread does when it is loaded: see thread-form.ts.
  if (node.type !== 'ArrowFunctionExpression' && node.id)
    return node.id.name === '$module' ? '(module)' : node.id.name
  if (parent?.type === 'VariableDeclarator' && parent.id.type === 'Identifier') return parent.id.name
  if (
    parent?.type === 'MethodDefinition' ||
    parent?.type === 'Property' ||
    parent?.type === 'PropertyDefinition'
  )
    return assignsFields(parent.key as Node)
      ? '(fields)'
      : (propertyName(parent.key, parent.computed) ?? '(anonymous)')
  if (parent?.type !== 'AssignmentExpression') return '(anonymous)'
  const { left } = parent
  if (left.type === 'Identifier') return left.name
  const name = left.type === 'MemberExpression' ? propertyName(left.property, left.computed) : null
  return name ?? '(anonymous)'
}
