// Which loops can only wait.

import type { Binding, Scopes } from './scope.ts'
import { type Node, childrenOf, isFunction } from './syntax.ts'

/**
 * A loop that takes nothing from one turn to the next but what it reads from shared memory: if that is the same as
 * before, so is the next turn. One that counts its turns or goes through a list is none; what it counts within a turn
 * does not matter.
 */
export function canOnlyWait(node: Node, { bindings }: Scopes): boolean {
  if (node.type === 'ForOfStatement' || node.type === 'ForInStatement') return false
  if (node.type === 'ForStatement' && node.update) return false
  const fresh = declaredInTurn(node, bindings)
  // Set in this turn, before what follows.
  const set = new Set<Binding>()
  const carries = (inner: Node): boolean => {
    if (isFunction(inner)) return false
    if (inner.type === 'UpdateExpression' || inner.type === 'AssignmentExpression') {
      const target = inner.type === 'UpdateExpression' ? inner.argument : inner.left
      const binding = target.type === 'Identifier' ? bindings.get(target) : undefined
      if (binding === undefined) return true
      if (fresh.has(binding)) return childrenOf(inner).some(carries)
      if (inner.type === 'UpdateExpression' || inner.operator !== '=') return true
      if (!set.has(binding) && mentions(inner.right, binding, bindings)) return true
      if (carries(inner.right)) return true
      set.add(binding)
      return false
    }
    return childrenOf(inner).some(carries)
  }
  return !childrenOf(node).some(carries)
}

/** Variables that each turn of a loop begins anew. */
function declaredInTurn(loop: Node & { body?: unknown }, bindings: Scopes['bindings']): Set<Binding> {
  const declared = new Set<Binding>()
  const visit = (node: Node): void => {
    if (isFunction(node)) return
    if (node.type === 'VariableDeclaration' && node.kind !== 'var') {
      for (const { id } of node.declarations) {
        const binding = id.type === 'Identifier' ? bindings.get(id) : undefined
        if (binding !== undefined) declared.add(binding)
      }
    }
    for (const child of childrenOf(node)) visit(child)
  }
  visit(loop.body as Node)
  return declared
}

function mentions(node: Node, binding: Binding, bindings: Scopes['bindings']): boolean {
  return (
    bindings.get(node) === binding || childrenOf(node).some((child) => mentions(child, binding, bindings))
  )
}
