// `await using`, before anybody has looked at the module: a block with it keeps a list of what it holds, and disposes
// of that where it is left (ECMAScript 2026, DisposeResources; see loop/async-stack.ts).

import { type AnyNode, parse } from 'acorn'
import { childrenOf, isFunction, place, write } from './raw-tree.ts'

type Node = AnyNode
type Block = Node & { type: 'BlockStatement' }
type Declaration = Node & { type: 'VariableDeclaration' }

/** Under which a module knows what makes the list. */
export const STACK = '$asyncStack'

/** Rewrites the blocks of an async function, whose body is `node`. */
export function rewriteAwaitUsing(node: Node): void {
  if (isFunction(node)) return
  for (const child of childrenOf(node)) rewriteAwaitUsing(child)
  if (node.type === 'ForOfStatement' && isAwaitUsing(node.left as Node)) rewrite(declareInside(node))
  if (node.type === 'ForStatement' && isAwaitUsing(node.init as Node | null)) {
    const block = declareBefore(node)
    rewrite(block)
    write(node, block)
  }
  if (node.type === 'BlockStatement' && node.body.some((each) => isAwaitUsing(each as Node))) rewrite(node)
}

export function isAwaitUsing(node: Node | null): node is Declaration {
  return node?.type === 'VariableDeclaration' && (node as { kind: string }).kind === 'await using'
}

/** Lets blocks declare what heads of loops do with `using`: who guards it looks at blocks. */
export function rewriteUsingHeads(node: Node): void {
  for (const child of childrenOf(node)) rewriteUsingHeads(child)
  if (node.type === 'ForOfStatement' && isUsing(node.left as Node)) declareInside(node)
  if (node.type === 'ForStatement' && isUsing(node.init as Node | null)) write(node, declareBefore(node))
}

function isUsing(node: Node | null): boolean {
  return node?.type === 'VariableDeclaration' && (node as { kind: string }).kind === 'using'
}

let made = 0

/** `for (await using x of y)` declares it anew in each turn. */
function declareInside(loop: Node & { type: 'ForOfStatement' }): Block {
  const { left, body } = loop as unknown as { left: Declaration; body: Node }
  const { start, end } = left
  const name = `$each${++made}`
  const [declarator] = left.declarations
  const own = { ...left, declarations: [{ ...declarator!, init: identifier(name, end) }] }
  const block = { type: 'BlockStatement', start, end: body.end, body: [own, body] } as unknown as Block
  const each = { ...declarator!, id: identifier(name, start), init: null }
  const declaration = { type: 'VariableDeclaration', kind: 'const', declarations: [each], start, end }
  Object.assign(loop, { left: declaration, body: block })
  return block
}

/** `for (await using x = y; …)` declares it once, around the loop. */
function declareBefore(loop: Node & { type: 'ForStatement' }): Block {
  const { init, start, end } = loop
  // What is declared before it is in none of its turns.
  const rest = { ...loop, init: null, start: init!.end }
  return { type: 'BlockStatement', start, end, body: [init, rest] } as unknown as Block
}

/** The whole block is guarded: what it declares goes on being seen in all of it. */
function rewrite(block: Block): void {
  const { start, end, body } = block
  const name = `$held${++made}`
  const program = parse(
    `async () => {
      const ${name} = ${STACK}()
      try {
      } catch ($error) {
        ${name}.fails($error)
      } finally {
        while (${name}.step()) {
          try { await ${name}.waitsFor } catch ($error) { ${name}.fails($error) }
        }
        ${name}.end()
      }
    }`,
    { ecmaVersion: 'latest' },
  )
  const [first, guarded] = (program.body[0] as any).expression.body.body as [Node, any]
  place(first, start, start)
  place(guarded, start + 0.25, end)
  for (const each of [guarded.handler, guarded.finalizer]) place(each, end, end)
  const directives = body.filter((each) => 'directive' in each)
  const own = body.filter((each) => !('directive' in each)) as Node[]
  for (const each of own) hold(each, name)
  Object.assign(guarded.block, { start, end, body: own })
  Object.assign(block, { body: [...directives, first, guarded] })
}

/** What is declared with `using`, of either kind, is held. */
function hold(node: Node, stack: string): void {
  if (node.type !== 'VariableDeclaration') return
  const { kind } = node as { kind: string }
  if (kind !== 'await using' && kind !== 'using') return
  const method = kind === 'using' ? 'holdSync' : 'hold'
  Object.assign(node, { kind: 'const' })
  for (const each of node.declarations) {
    const { start, end } = each.init!
    const before = start - 0.25
    const callee = {
      type: 'MemberExpression',
      object: identifier(stack, before),
      property: identifier(method, before),
      computed: false,
      optional: false,
      start: before,
      end: before,
    }
    const call = { type: 'CallExpression', callee, arguments: [each.init], optional: false, start, end }
    Object.assign(each, { init: call })
  }
}

const identifier = (name: string, at: number): Node =>
  ({ type: 'Identifier', name, start: at, end: at }) as unknown as Node
