// Trees that nobody has looked at yet: what a module is rewritten with before its scopes are resolved.

import type { AnyNode } from 'acorn'

type Node = AnyNode

export function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && typeof (value as Node).type === 'string'
}

/** The children of a node, in the order of its fields. Not kept: they change. */
export function childrenOf(node: Node): Node[] {
  return Object.values(node).flatMap((value) =>
    (Array.isArray(value) ? (value as unknown[]) : [value]).filter(isNode),
  )
}

/** A function of any kind, whose body is not part of the one around it. */
export function isFunction(
  node: Node,
): node is Node & { type: 'FunctionDeclaration' | 'FunctionExpression' | 'ArrowFunctionExpression' } {
  return /^(Function(Declaration|Expression)|ArrowFunctionExpression)$/.test(node.type)
}

/** The names that a pattern binds or assigns. */
export function patternNames(pattern: Node): string[] {
  switch (pattern.type) {
    case 'Identifier':
      return [pattern.name]
    case 'ObjectPattern':
      return pattern.properties.flatMap((property) =>
        patternNames((property.type === 'RestElement' ? property.argument : property.value) as Node),
      )
    case 'ArrayPattern':
      return pattern.elements.flatMap((element) => (element === null ? [] : patternNames(element as Node)))
    case 'AssignmentPattern':
      return patternNames(pattern.left as Node)
    case 'RestElement':
      return patternNames(pattern.argument as Node)
    default:
      return []
  }
}

/** The name in an import or export specifier, which may be a string. */
export function nameOf(node: Node): string {
  return node.type === 'Identifier' ? node.name : String((node as { value?: unknown }).value)
}

/** Gives a node a place, and what is in it the beginning of that, in the order in which it stands there. */
export function place(node: Node, start: number, end: number): Node {
  Object.assign(node, { start, end })
  for (const child of childrenOf(node)) place(child, start, start)
  return node
}

/** Lets `made` be what stands in the place of `node`. */
export function write(node: Node, made: Node): void {
  for (const key of Object.keys(node)) delete (node as unknown as Record<string, unknown>)[key]
  Object.assign(node, made)
}
