// `for await`, before anybody has looked at the module: a loop that awaits each step of a cursor, which is closed
// where the loop is left early (ECMAScript 2025, 14.7.5.6 and 7.4.13; see loop/async-iteration.ts).

import { type AnyNode, parse } from 'acorn'
import { childrenOf, isFunction, place, write } from './raw-tree.ts'

type Node = AnyNode
type ForAwait = Node & { type: 'ForOfStatement' }
type Fields = Record<string, unknown>

/** Under which a module knows what makes the cursor. */
export const CURSOR = '$asyncCursor'

/** Rewrites those of a function, whose body is `node`. Returns whether there are any. */
export function rewriteForAwait(node: Node): boolean {
  if (isFunction(node)) return false
  let isAny = false
  for (const child of childrenOf(node)) isAny = rewriteForAwait(child) || isAny
  const labels: string[] = []
  let loop: Node = node
  while (loop.type === 'LabeledStatement') {
    labels.push(loop.label.name)
    loop = loop.body as Node
  }
  // One below a label is met with it.
  if (loop.type === 'ForOfStatement' && loop.await && !('isLabeled' in node)) {
    rewrite(node, loop, labels)
    return true
  }
  return isAny
}

/** Marks loops below labels, so that they are met with these. */
export function markLabeled(node: Node): void {
  if (
    node.type === 'LabeledStatement' &&
    (node.body.type === 'ForOfStatement' || node.body.type === 'LabeledStatement')
  )
    Object.assign(node.body, { isLabeled: true })
  for (const child of childrenOf(node)) markLabeled(child)
}

let cursors = 0

/** Makes a block of the statement `node`, which is the loop or its labels. */
function rewrite(node: Node, { left, right, body }: ForAwait, labels: readonly string[]): void {
  const { start, end } = node
  const name = `$cursor${++cursors}`
  const program = parse(
    `async () => {
      const ${name} = ${CURSOR}(RIGHT)
      try {
        ${labels.map((label) => `${label}: `).join('')}for (; ${name}.take(await ${name}.step()); ) { LEFT; BODY }
      } catch ($error) {
        ${name}.fails()
        throw $error
      } finally {
        if (${name}.isOpen()) {
          try { ${name}.check(await ${name}.close()) } catch ($error) { ${name}.closingFails($error) }
        }
      }
    }`,
    { ecmaVersion: 'latest' },
  )
  const made = (program.body[0] as any).expression.body as Node & { type: 'BlockStatement' }
  const [declaration, guarded] = made.body as [any, any]
  let loop = guarded.block.body[0]
  while (loop.type === 'LabeledStatement') loop = loop.body
  place(made, start, end)
  place(declaration, start, start)
  place(guarded, start + 0.25, end)
  for (const each of [guarded.handler, guarded.finalizer]) place(each, end, end)
  const value = { type: 'MemberExpression', object: identifier(name), property: identifier('value') }
  const current = place({ ...value, computed: false, optional: false } as unknown as Node, left.end, left.end)
  declaration.declarations[0].init.arguments[0] = right
  Object.assign(loop.body, { start: left.start, end, body: [assigned(left as Node, current), body] })
  for (const at of ancestorsOf(guarded.block, loop)) at.end = end
  write(node, made)
}

function assigned(left: Node, value: Node): Node {
  if (left.type === 'VariableDeclaration') {
    Object.assign(left.declarations[0]!, { init: value })
    return left
  }
  const { start, end } = left
  const expression = { type: 'AssignmentExpression', operator: '=', left, right: value, start, end }
  return { type: 'ExpressionStatement', expression, start, end } as unknown as Node
}

function ancestorsOf(block: Node, loop: Node): Node[] {
  const found = [block]
  for (let at = (block as any).body[0] as Node; at !== loop; at = (at as any).body as Node) found.push(at)
  return [...found, loop]
}

const identifier = (name: string): Fields => ({ type: 'Identifier', name, start: 0, end: 0 })
