// `async`, `await` and the `yield` of generators: what such a function is made of before anybody has looked at
// the module.
//
// Its body becomes a function within it, which an operation runs (`asyncRun`, `asyncGenerate`); `await x` and `yield x`
// become operations too (`awaits`, `yields`, `delegates`), at which only that inner function stops, with a frame of its
// own: see coroutine.ts. All are written as if `Atomics` had them, as those of racy() are, so that whoever looks for
// operations finds them.

import type { AnyNode } from 'acorn'
import { rewriteAwaitUsing } from './await-using.ts'
import { NEW_GENERATOR } from './loop-imports.ts'
import { markLabeled, rewriteForAwait } from './for-await.ts'
import { childrenOf, isFunction, patternNames, place, write } from './raw-tree.ts'

type Node = AnyNode
type Function = Node & { type: 'FunctionDeclaration' | 'FunctionExpression' | 'ArrowFunctionExpression' }

const AWAITS = 'awaits'

/** Rewrites the async functions of a program, but for those that begin at `kept`. Returns whether there are any. */
export function rewriteAsync(node: Node, kept: ReadonlySet<number>): boolean {
  let isAny = false
  for (const child of childrenOf(node)) isAny = rewriteAsync(child, kept) || isAny
  if (!isFunction(node) || !node.async || kept.has(node.start)) return isAny
  rewriteFunction(node)
  return true
}

/**
 * Rewrites the generator functions of a program that begin at `chosen`: those that come to a shared access, which only
 * an analysis of the program tells. Returns whether there are any.
 */
export function rewriteGenerators(node: Node, chosen: ReadonlySet<number>): boolean {
  let isAny = false
  for (const child of childrenOf(node)) isAny = rewriteGenerators(child, chosen) || isAny
  if (!isFunction(node) || !node.generator || node.async || !chosen.has(node.start)) return isAny
  assignParameters(node)
  replaceAwaits(node.body as Node, 'generator')
  writeOuter(node, (inner) => {
    const { start, end } = node.body as Node
    const callee = place(identifier(NEW_GENERATOR), start - 0.25, start - 0.25)
    return {
      type: 'CallExpression',
      start,
      end,
      callee,
      arguments: [inner],
      optional: false,
    } as unknown as Node
  })
  Object.assign(node, { runsGenerator: true })
  return true
}

function rewriteFunction(node: Function): void {
  const { generator } = node
  assignParameters(node)
  if (!generator) moveParameters(node)
  const { body } = node
  markLabeled(body as Node)
  rewriteForAwait(body as Node)
  rewriteAwaitUsing(body as Node)
  replaceAwaits(body as Node, generator ? 'async generator' : 'async function')
  if (generator) Object.assign(node, { runsGenerator: true })
  writeOuter(node, (inner) => operation(generator ? 'asyncGenerate' : 'asyncRun', body as Node, [inner]))
}

/**
 * What an async function throws while it takes its parameters rejects its promise: it takes those in its body that may
 * throw, and all that follow.
 */
function moveParameters(node: Function): void {
  const params = node.params as Node[]
  const first = params.findIndex((each) => !takesQuietly(each))
  if (first < 0 || declaresFunction(node, params.flatMap(patternNames))) return
  const at = { start: params[first]!.start, end: params[first]!.start }
  const kept: Node[] = []
  const declarations: Node[] = []
  params.forEach((each, index) => {
    if (index < first) return void kept.push(each)
    const given = (where: number): Node => place(identifier(`$given${index}`), where, where)
    // No two nodes overlap: what is taken stands before the body, which begins where it stood.
    const before = at.start - 0.5 + index / 1000
    const { start, end } = each
    const declare = (id: Node, init: Node): void => {
      declarations.push({ type: 'VariableDeclarator', id, init, start, end } as unknown as Node)
    }
    if (each.type === 'RestElement') {
      kept.push({ ...each, argument: given(before), start: before, end: before } as unknown as Node)
      declare(each.argument as Node, given(end))
    } else if (each.type === 'AssignmentPattern') {
      const left = each.left as Node
      const pattern = { ...each, left: given(before), right: nothing(before, before) }
      kept.push({ ...pattern, start: before, end: before } as unknown as Node)
      const test = { operator: '===', left: given(left.end), right: nothing(left.end, left.end) }
      const value = {
        type: 'ConditionalExpression',
        test: { type: 'BinaryExpression', ...test, start: left.end, end: left.end },
        consequent: each.right,
        alternate: given(end),
        start: left.end,
        end,
      }
      declare(left, value as unknown as Node)
    } else {
      kept.push(given(before))
      declare(each, given(end))
    }
  })
  const declaration = { type: 'VariableDeclaration', kind: 'var', declarations, ...at }
  const block = node.body.type === 'BlockStatement' ? node.body : null
  const { end } = node.body
  const own = block?.body ?? [{ type: 'ReturnStatement', argument: node.body, start: node.body.start, end }]
  const directives = own.findIndex((each) => !('directive' in each))
  const from = directives < 0 ? own.length : directives
  const statements = [...own.slice(0, from), declaration, ...own.slice(from)]
  const body = { type: 'BlockStatement', body: statements, start: at.start, end }
  Object.assign(node, { params: kept, body, expression: false })
}

/** Taking it neither throws nor calls anything. */
function takesQuietly(parameter: Node): boolean {
  if (parameter.type === 'RestElement') return takesQuietly(parameter.argument as Node)
  if (parameter.type === 'AssignmentPattern')
    return parameter.left.type === 'Identifier' && parameter.right.type === 'Literal'
  return parameter.type === 'Identifier'
}

/** A function of its body has the name of a parameter, which it is then. */
function declaresFunction({ body }: Function, names: readonly string[]): boolean {
  if (body.type !== 'BlockStatement') return false
  return body.body.some((each) => each.type === 'FunctionDeclaration' && names.includes(each.id?.name ?? ''))
}

/** The function returns what `run` makes of its body, which is a function of its own. */
function writeOuter(node: Function, run: (inner: Node) => Node): void {
  const { body } = node
  const at = { start: body.start, end: body.end }
  const expression = body.type !== 'BlockStatement'
  const fields = { id: null, params: [], body, expression, generator: false, async: false }
  const inner = { type: 'ArrowFunctionExpression', ...at, ...fields, isAsyncBody: true }
  const returned = { type: 'ReturnStatement', ...at, argument: run(inner as unknown as Node) }
  const outer = { type: 'BlockStatement', ...at, body: [returned] }
  Object.assign(node, { async: false, generator: false, expression: false, body: outer, runsAsync: true })
}

/** `Atomics.name(…)` in the place of a node. Its name comes before all that stands there. */
function operation(name: string, { start, end }: Node, args: readonly Node[]): Node {
  const before = { start: start - 0.25, end: start - 0.25 }
  const object = { type: 'Identifier', name: 'Atomics', ...before }
  const property = { type: 'Identifier', name, ...before }
  const callee = { type: 'MemberExpression', object, property, computed: false, optional: false, ...before }
  return { type: 'CallExpression', start, end, callee, arguments: args, optional: false } as unknown as Node
}

/**
 * `var` with the name of a parameter declares nothing: in the inner function it would. So such a declaration becomes an
 * assignment, and what else it declares is declared at the top.
 */
function assignParameters({ params, body }: Function): void {
  const parameters = new Set(params.flatMap((each) => patternNames(each as Node)))
  const others: Node[] = []
  if (body.type !== 'BlockStatement') return
  for (const child of childrenOf(body)) assignIn(child, parameters, others)
  if (others.length === 0) return
  const at = { start: body.start, end: body.start }
  const declarations = others.map((id) => ({ type: 'VariableDeclarator', id, init: null, ...at }))
  const first = body.body.findIndex((each) => !('directive' in each))
  const declaration = { type: 'VariableDeclaration', kind: 'var', declarations, ...at }
  body.body.splice(first < 0 ? body.body.length : first, 0, declaration as never)
}

function assignIn(node: Node, parameters: ReadonlySet<string>, others: Node[]): void {
  if (isFunction(node)) return
  for (const child of childrenOf(node)) assignIn(child, parameters, others)
  const isLoop = node.type === 'ForOfStatement' || node.type === 'ForInStatement'
  const declaration = isLoop ? (node.left as Node) : node.type === 'ForStatement' ? node.init : node
  if (declaration?.type !== 'VariableDeclaration' || declaration.kind !== 'var') return
  const names = declaration.declarations.flatMap(({ id }) => patternNames(id as Node))
  if (!names.some((each) => parameters.has(each))) return
  for (const name of names)
    if (!parameters.has(name)) others.push(place(identifier(name), declaration.start, declaration.start))
  if (isLoop) Object.assign(node, { left: declaration.declarations[0]!.id })
  else if (node.type === 'ForStatement') Object.assign(node, { init: sequenceOf(declaration) })
  else {
    const { start, end } = declaration
    const body = assignmentsOf(declaration).map((expression) => ({
      type: 'ExpressionStatement',
      expression,
      start: expression.start,
      end: expression.end,
    }))
    write(node, { type: 'BlockStatement', body, start, end } as unknown as Node)
  }
}

function sequenceOf(declaration: Node & { type: 'VariableDeclaration' }): Node {
  const { start, end } = declaration
  const expressions = assignmentsOf(declaration)
  if (expressions.length === 0) return nothing(start, end)
  return { type: 'SequenceExpression', expressions, start, end } as unknown as Node
}

function assignmentsOf({ declarations }: Node & { type: 'VariableDeclaration' }): Node[] {
  return declarations.flatMap(({ id, init, start, end }): Node[] => {
    if (!init) return []
    const fields = { operator: '=', left: id, right: init, start, end }
    return [{ type: 'AssignmentExpression', ...fields } as unknown as Node]
  })
}

/** Those of the function itself: functions inside were rewritten before. */
function replaceAwaits(node: Node, kind: 'async function' | 'async generator' | 'generator'): void {
  if (isFunction(node)) return
  for (const child of childrenOf(node)) replaceAwaits(child, kind)
  if (node.type === 'AwaitExpression') write(node, operation(AWAITS, node, [node.argument as Node]))
  else if (node.type === 'YieldExpression') write(node, yieldOf(node, kind === 'async generator'))
  else if (kind === 'async generator' && node.type === 'ReturnStatement' && node.argument)
    node.argument = operation(AWAITS, node.argument as Node, [node.argument as Node]) as never
}

/**
 * In an async generator, what is given is awaited first, unless it comes from another iterator (ECMAScript 2025,
 * 27.6.3.8 and 15.5.5).
 */
function yieldOf(node: Node & { type: 'YieldExpression' }, isAsync: boolean): Node {
  const value = (node.argument as Node | null) ?? nothing(node.end, node.end)
  if (node.delegate) return operation('delegates', node, [value])
  return operation('yields', node, [isAsync ? operation(AWAITS, value, [value]) : value])
}

function nothing(start: number, end: number): Node {
  const argument = { type: 'Literal', value: 0, raw: '0', start: end, end }
  return { type: 'UnaryExpression', operator: 'void', prefix: true, argument, start, end } as unknown as Node
}

const identifier = (name: string): Node => ({ type: 'Identifier', name, start: 0, end: 0 }) as unknown as Node
