// `async` and `await`: what an async function is made of before anybody has looked at the module.
//
// Its body becomes a function within it, which an operation runs (`asyncRun`); `await x` becomes an operation too
// (`awaits`), at which only that inner function stops, with a frame of its own: see coroutine.ts. Both are written as
// if `Atomics` had them, as those of racy() are, so that whoever looks for operations finds them.
//
// Async generators stay what they are, and so does a function whose variables have the names of its parameters: run in
// a thread, they are refused.

import type { AnyNode } from 'acorn'
import { markLabeled, rewriteForAwait } from './for-await.ts'
import { namesIn } from './loop-imports.ts'
import { childrenOf, isFunction } from './raw-tree.ts'

type Node = AnyNode
type Function = Node & { type: 'FunctionDeclaration' | 'FunctionExpression' | 'ArrowFunctionExpression' }

const ASYNC_RUN = 'asyncRun'
const AWAITS = 'awaits'

/** Rewrites the async functions of a program, but for those that begin at `kept`. Returns whether there are any. */
export function rewriteAsync(node: Node, kept: ReadonlySet<number>): boolean {
  let isAny = false
  for (const child of childrenOf(node)) isAny = rewriteAsync(child, kept) || isAny
  if (!isFunction(node) || !node.async || node.generator || kept.has(node.start)) return isAny
  if (!canBeRewritten(node)) return isAny
  rewriteFunction(node)
  return true
}

function rewriteFunction(node: Function): void {
  const { body } = node
  markLabeled(body as Node)
  rewriteForAwait(body as Node)
  replaceAwaits(body as Node)
  const place = { start: body.start, end: body.end }
  const expression = body.type !== 'BlockStatement'
  const fields = { id: null, params: [], body, expression, generator: false, async: false }
  const inner = { type: 'ArrowFunctionExpression', ...place, ...fields, isAsyncBody: true }
  const run = operation(ASYNC_RUN, body as Node, [inner as unknown as Node])
  const returned = { type: 'ReturnStatement', ...place, argument: run }
  const outer = { type: 'BlockStatement', ...place, body: [returned] }
  Object.assign(node, { async: false, expression: false, body: outer, runsAsync: true })
}

/** `Atomics.name(…)` in the place of a node. Its name comes before all that stands there. */
function operation(name: string, { start, end }: Node, args: readonly Node[]): Node {
  const place = { start: start - 0.25, end: start - 0.25 }
  const object = { type: 'Identifier', name: 'Atomics', ...place }
  const property = { type: 'Identifier', name, ...place }
  const callee = { type: 'MemberExpression', object, property, computed: false, optional: false, ...place }
  return { type: 'CallExpression', start, end, callee, arguments: args, optional: false } as unknown as Node
}

function canBeRewritten(node: Function): boolean {
  const parameters = new Set(node.params.flatMap((each) => namesIn(each as Node)))
  const holds = (inner: Node): boolean => {
    if (isFunction(inner)) return false
    if (inner.type === 'VariableDeclaration' && (inner.kind as string) === 'await using') return true
    if (inner.type === 'VariableDeclaration' && inner.kind === 'var')
      if (inner.declarations.some(({ id }) => namesIn(id as Node).some((each) => parameters.has(each))))
        return true
    return childrenOf(inner).some(holds)
  }
  return !node.params.some((each) => holds(each as Node)) && !holds(node.body as Node)
}

/** Those of the function itself: functions inside were rewritten before. */
function replaceAwaits(node: Node): void {
  if (isFunction(node)) return
  for (const child of childrenOf(node)) replaceAwaits(child)
  if (node.type !== 'AwaitExpression') return
  const call = operation(AWAITS, node, [node.argument as Node])
  delete (node as { argument?: unknown }).argument
  Object.assign(node, call)
}
