// Patterns that take elements by number, which may be those of a shared array: `{ 0: first }`. Nothing of that can be
// seen, so that what they take apart is replaced by something that tells what is read.

import type { Context } from './context.ts'
import { type Node, elementsOf, propertyName, takesByNumber } from './syntax.ts'
import * as tree from './tree.ts'

/** What a pattern takes apart: where elements are taken by number, they are seen. */
export function unpacked(c: Context, target: Node, value: Node): Node {
  if (!takesByNumber(target)) return value
  return c.help('unpacked', value, c.site(target, 'pattern'), shapeOf(target))
}

/** Which parts of a value are taken apart so: by the names of properties, or one after the other. */
function shapeOf(node: Node): Node {
  if (!takesByNumber(node)) return tree.literal(null)
  if (node.type === 'AssignmentPattern') return shapeOf(node.left as Node)
  if (node.type === 'ArrayPattern')
    return tree.list(elementsOf(node).map((each) => (each === null ? tree.literal(null) : shapeOf(each))))
  const parts = (node as Node & { type: 'ObjectPattern' }).properties.flatMap((each): Node[] => {
    if (each.type === 'RestElement' || !takesByNumber(each.value as Node)) return []
    const { key, computed, value } = each
    const name = propertyName(key as Node, computed) ?? (key.type === 'Literal' ? String(key.value) : null)
    return name === null ? [] : [tree.property(tree.literal(name), shapeOf(value as Node))]
  })
  return tree.object(parts)
}
