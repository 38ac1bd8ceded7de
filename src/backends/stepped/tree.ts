// Making syntax trees: the nodes that the steppable form has and the source has not.

import type { Node } from './syntax.ts'

/** What is made has no place in the source; where it stands for something there, `origin` gives it that place. */
export function make(type: string, fields: object, origin?: Node): Node {
  const place = origin === undefined ? {} : { start: origin.start, end: origin.end, loc: origin.loc }
  return { type, ...place, ...fields } as unknown as Node
}

export const name = (text: string, origin?: Node): Node => make('Identifier', { name: text }, origin)

/** The private name by which a class is told from those that extend it. */
export const ownClass = (): Node => make('PrivateIdentifier', { name: '$class' })

export function literal(value: string | number | boolean | null): Node {
  if (typeof value === 'number' && value < 0)
    return make('UnaryExpression', { operator: '-', prefix: true, argument: literal(-value) })
  return make('Literal', { value, raw: JSON.stringify(value) })
}

export const nothing = (): Node => name('undefined')

export function call(callee: Node | string, args: readonly Node[], origin?: Node): Node {
  const called = typeof callee === 'string' ? name(callee) : callee
  return make('CallExpression', { callee: called, arguments: args, optional: false }, origin)
}

export function member(object: Node, key: Node | string, origin?: Node): Node {
  const computed = typeof key !== 'string'
  const property = typeof key === 'string' ? name(key) : key
  return make('MemberExpression', { object, property, computed, optional: false }, origin)
}

export function assign(left: Node, right: Node, operator = '='): Node {
  // A variable that the source has not gives its name to no function.
  const isTemporary = left.type === 'Identifier' && left.name.startsWith('$')
  return make('AssignmentExpression', { operator, left, right: isTemporary ? unnamed(right) : right })
}

/** A value that what it is assigned to gives no name. */
export const unnamed = (value: Node): Node => (isAnonymous(value) ? sequence([literal(0), value]) : value)

/** A function or class without a name, which gets that of what it is the value of. */
function isAnonymous(value: Node): boolean {
  const isFunction = /^((Arrow)?Function|Class)Expression$/.test(value.type)
  return isFunction && !(value as { id?: unknown }).id
}

/** `value` where it gets the name that it would have in the source. */
export function namedAs(text: string, value: Node): Node {
  const { inner } = value as { inner?: Node }
  if (inner !== undefined) return (value as unknown as Wrapped).around(namedAs(text, inner))
  if (!isAnonymous(value)) return value
  return member(object([property(literal(text), value, text === '__proto__')]), literal(text))
}

interface Wrapped {
  readonly inner: Node
  readonly around: (inner: Node) => Node
}

/** `around(inner)`, whose value is that of `inner`: what names it has to name that. */
export function wrapped(inner: Node, around: (inner: Node) => Node): Node {
  return Object.defineProperties(around(inner), {
    inner: { value: inner },
    around: { value: (named: Node) => wrapped(named, around) },
  }) as Node
}

export const binary = (operator: string, left: Node, right: Node): Node =>
  make('BinaryExpression', { operator, left, right })

export const either = (test: Node, consequent: Node, alternate: Node): Node =>
  make('ConditionalExpression', { test, consequent, alternate })

export const logical = (operator: string, left: Node, right: Node): Node =>
  make('LogicalExpression', { operator, left, right })

export const not = (argument: Node): Node =>
  make('UnaryExpression', { operator: '!', prefix: true, argument })

/** Whether a logical operator comes to its right side, given the value of its left. */
export function goesOn(operator: string, left: Node): Node {
  if (operator === '&&') return left
  if (operator === '||') return not(left)
  return binary('==', left, literal(null))
}

export const sequence = (expressions: readonly Node[]): Node =>
  expressions.length === 1 ? expressions[0]! : make('SequenceExpression', { expressions })

export const list = (elements: readonly Node[]): Node => make('ArrayExpression', { elements })

export const object = (properties: readonly Node[]): Node => make('ObjectExpression', { properties })

export const property = (key: Node, value: Node, computed = false): Node =>
  make('Property', { kind: 'init', key, value, computed, method: false, shorthand: false })

// Statements

export const does = (expression: Node): Node => make('ExpressionStatement', { expression })

export const block = (body: readonly Node[]): Node => make('BlockStatement', { body })

export const when = (test: Node, consequent: readonly Node[], alternate: readonly Node[] = []): Node =>
  make('IfStatement', {
    test,
    consequent: block(consequent),
    alternate: alternate.length === 0 ? null : block(alternate),
  })

export const gives = (argument: Node | null): Node => make('ReturnStatement', { argument })

export const raises = (argument: Node): Node => make('ThrowStatement', { argument })

export const leave = (label: string): Node => make('BreakStatement', { label: name(label) })

export const labeled = (label: string, body: Node): Node =>
  make('LabeledStatement', { label: name(label), body })

/** `let names = values`. */
export function declare(kind: 'let' | 'const', pairs: readonly (readonly [string, Node | null])[]): Node {
  const declarations = pairs.map(([id, init]) => make('VariableDeclarator', { id: name(id), init }))
  return make('VariableDeclaration', { kind, declarations })
}

export function arrow(params: readonly string[], body: readonly Node[]): Node {
  const fields = { expression: false, generator: false, async: false }
  return make('ArrowFunctionExpression', {
    ...fields,
    params: params.map((each) => name(each)),
    body: block(body),
  })
}
