// Fields of classes whose initial values come to a shared access: what such a class is made of before anybody has
// looked at the module.
//
// The engine evaluates those values, and nothing can stop in them. So the constructor of the class calls a method that
// does what the engine would, from the first such field on: at its beginning, or after super(). Private fields stay
// declared, and are there before they get their values: that is the one difference.
//
// The method is private. Of a class that extends another it is not, as what that returns may be an object that has it
// already, on which the engine puts no private method twice; nor is it looked for there, as that may be a proxy.

import type { AnyNode } from 'acorn'
import { childrenOf, isFunction, write } from './raw-tree.ts'

type Node = AnyNode
type Class = Node & { type: 'ClassDeclaration' | 'ClassExpression' }
type Field = Node & { type: 'PropertyDefinition' }

const PREFIX = '$fields'

/** It is the key of the method that assigns fields. */
export function assignsFields(key: Node): boolean {
  return (key.type === 'PrivateIdentifier' || key.type === 'Identifier') && key.name.startsWith(PREFIX)
}

/**
 * Rewrites the classes of a program whose bodies begin at `chosen`, which only an analysis of the program tells. The
 * digest is that of the module.
 */
export function rewriteFields(node: Node, chosen: ReadonlySet<number>, digest: string): void {
  for (const child of childrenOf(node)) rewriteFields(child, chosen, digest)
  if (isClass(node) && chosen.has(node.body.start)) rewriteClass(node, digest)
}

function isClass(node: Node): node is Class {
  return node.type === 'ClassDeclaration' || node.type === 'ClassExpression'
}

function rewriteClass({ body, superClass }: Class, digest: string): void {
  const members = body.body as Node[]
  const fields = members.filter((each): each is Field => each.type === 'PropertyDefinition' && !each.static)
  const first = fields.findIndex(({ value }) => value !== null && value !== undefined && !isQuiet(value))
  if (first < 0) return
  const moved = fields.slice(first).filter((each) => !isPrivate(each) || (each.value && !isQuiet(each.value)))
  // A key that is computed is so once, with the class: whoever comes to a shared access there is refused.
  if (moved.some(({ computed }) => computed)) return
  // Classes of other modules extend this one.
  const name = `${PREFIX}${body.start}_${digest.slice(0, 16)}`
  const place = fields[first]!
  const key = make(superClass ? 'Identifier' : 'PrivateIdentifier', place.start, { name })
  const statements = moved.map((field) => statement(isPrivate(field) ? assignment(field) : definition(field)))
  // Of members that overlap, one would not be seen.
  place.start += 0.5
  members.splice(members.indexOf(place), 0, methodOf('method', key, [], statements))
  body.body = members.filter((each) => isPrivate(each) || !moved.includes(each as Field)) as never
  let constructor = members.find((each) => each.type === 'MethodDefinition' && each.kind === 'constructor')
  if (constructor === undefined)
    body.body.unshift((constructor = newConstructor(body.start, superClass as never)) as never)
  const { value } = constructor as Node & { type: 'MethodDefinition' }
  if (superClass) callAfterSuper(value.body as Node, name)
  else value.body.body.unshift(statement(callOfPrivate(name, value.body.start)) as never)
}

function isPrivate(node: Node): boolean {
  return node.type === 'PropertyDefinition' && node.key.type === 'PrivateIdentifier'
}

/** Nobody sees when it is evaluated. */
function isQuiet(value: Node): boolean {
  return value.type === 'Literal' || isFunction(value)
}

/** `this.#key = value`, in the place of the value, which the field loses. */
function assignment(field: Field): Node {
  const right = field.value as Node
  const start = right.start - 0.5
  field.value = null
  const left = member(self(start), { ...field.key, start, end: start } as Node)
  return { ...make('AssignmentExpression', start, { operator: '=', left, right }), end: right.end } as Node
}

/** `Object.defineProperty(this, 'key', { value, writable: true, … })`, in the place of the value. */
function definition({ key, value }: Field): Node {
  const { start: at, end } = (value ?? key) as Node
  // One after the other, as of nodes that overlap one would not be seen.
  const [start, inner] = [at - 0.5, at - 0.25]
  const name = key.type === 'Identifier' ? key.name : String((key as Node & { type: 'Literal' }).value)
  const id = (text: string): Node => make('Identifier', start, { name: text })
  const literal = (given: string | boolean): Node =>
    make('Literal', start, { value: given, raw: JSON.stringify(given) })
  const property = (of: Node, given: Node): Node => {
    const computed = of.type === 'Literal'
    const shape = { key: of, value: given, kind: 'init', method: false, shorthand: false, computed }
    const place = given.end > start ? { start: inner, end: given.end } : {}
    return { ...make('Property', start, shape), ...place } as Node
  }
  const object = (properties: readonly Node[]): Node =>
    ({ ...make('ObjectExpression', inner, { properties }), end }) as Node
  // What has no name gets that of the field.
  const isNamed = value?.type === 'ClassExpression' || (value && isFunction(value as Node))
  const named = (given: Node): Node =>
    ({ ...member(object([property(literal(name), given)]), literal(name)), end, computed: true }) as Node
  const given = isNamed ? named(value as Node) : ((value as Node | null) ?? id('undefined'))
  const flags = ['writable', 'enumerable', 'configurable'].map((each) => property(id(each), literal(true)))
  const descriptor = object([...flags, property(id('value'), given)])
  const defines = called(member(id('Object'), id('defineProperty')), [self(start), literal(name), descriptor])
  return { ...defines, end } as Node
}

/** Lets `(super(…), new.target.prototype.name.call(this), this)` stand for each `super(…)`. */
function callAfterSuper(node: Node, name: string): void {
  if (isFunction(node) || isClass(node)) return
  for (const child of childrenOf(node)) callAfterSuper(child, name)
  if (node.type !== 'CallExpression' || node.callee.type !== 'Super') return
  const { start, end } = node
  const expressions = [{ ...node }, callOfPrototype(name, end), self(end)]
  write(node, { ...make('SequenceExpression', start, { expressions }), end } as Node)
}

function newConstructor(start: number, superClass: Node | null): Node {
  const key = make('Identifier', start, { name: 'constructor' })
  if (!superClass) return methodOf('constructor', key, [], [])
  const args = (): Node => make('Identifier', start, { name: 'args' })
  const spread = make('SpreadElement', start, { argument: args() })
  const rest = make('RestElement', start, { argument: args() })
  return methodOf('constructor', key, [rest], [statement(called(make('Super', start, {}), [spread]))])
}

function callOfPrivate(name: string, start: number): Node {
  return called(member(self(start), make('PrivateIdentifier', start, { name })), [])
}

function callOfPrototype(name: string, start: number): Node {
  const id = (text: string): Node => make('Identifier', start, { name: text })
  const target = make('MetaProperty', start, { meta: id('new'), property: id('target') })
  const method = member(member(target, id('prototype')), id(name))
  return called(member(method, id('call')), [self(start)])
}

const self = (start: number): Node => make('ThisExpression', start, {})

function member(object: Node, property: Node): Node {
  return make('MemberExpression', object.start, { object, property, computed: false, optional: false })
}

function called(callee: Node, args: readonly Node[]): Node {
  return make('CallExpression', callee.start, { callee, arguments: args, optional: false })
}

function statement(expression: Node): Node {
  const { start, end } = expression
  return { ...make('ExpressionStatement', start, { expression }), end } as Node
}

function methodOf(kind: string, key: Node, params: readonly Node[], statements: readonly Node[]): Node {
  const { start } = key
  const body = make('BlockStatement', start, { body: statements })
  const shape = { id: null, generator: false, async: false, expression: false, params, body }
  const value = make('FunctionExpression', start, shape)
  return make('MethodDefinition', start, { kind, computed: false, static: false, key, value })
}

function make(type: string, start: number, fields: object): Node {
  return { type, start, end: start, ...fields } as unknown as Node
}
