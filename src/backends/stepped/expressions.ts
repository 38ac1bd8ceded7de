// Expressions in the steppable form.
//
// One in which no call may stop stays one, with reads and writes of elements asking whether the array is shared. In
// others, what is evaluated before a call that may stop goes into variables, from left to right as the language says.

import { callExpression, mayChange, newExpression, taggedTemplate } from './calls.ts'
import type { Context } from './context.ts'
import { assignment, isGlobal, memberRead, update } from './elements.ts'
import { type FunctionNode, type Node, childrenOf, propertyName } from './syntax.ts'
import { optionalChain, plainLinks } from './chains.ts'
import * as tree from './tree.ts'

export function expression(c: Context, node: Node): Node {
  switch (node.type) {
    case 'FunctionExpression':
    case 'ArrowFunctionExpression':
    case 'FunctionDeclaration':
      return functionValue(c, node)
    case 'ClassExpression':
    case 'ClassDeclaration':
      return c.parts.withOwnCells(c, node, c.parts.classOf(c, node))
    case 'Identifier':
      if (c.module.scopes.atomics.has(node)) return tree.name(c.runtime('atomics'), node)
      return c.tellsOwn && node.name === 'Function' && isGlobal(node, c.module)
        ? c.help('maker', node)
        : c.variable(node)
    case 'CallExpression':
      return callExpression(c, node)
    case 'NewExpression':
      return newExpression(c, node)
    case 'TaggedTemplateExpression':
      return taggedTemplate(c, node)
    case 'ChainExpression':
      return mayChange(c, node) ? c.changing(optionalChain(c, node)) : optionalChain(c, node)
    case 'MemberExpression':
      return memberRead(c, node)
    case 'AssignmentExpression':
      return assignment(c, node)
    case 'UpdateExpression':
      return update(c, node)
    case 'ObjectExpression':
      return objectLiteral(c, node)
    case 'ArrayExpression':
      return arrayLiteral(c, node)
    case 'SpreadElement':
      return spread(c, node)
    case 'TemplateLiteral':
      return templateLiteral(c, node)
    case 'LogicalExpression':
      return logicalExpression(c, node)
    case 'ConditionalExpression':
      return conditional(c, node)
    case 'SequenceExpression':
      return sequenceExpression(c, node)
    case 'BinaryExpression':
      return binaryExpression(c, node)
    case 'UnaryExpression':
      return unary(c, node)
    case 'ImportExpression':
      return c.refusal(node, 'a dynamic import in a stepped module', 'import it at the top of the module')
    case 'Literal':
      return 'regex' in node && node.regex ? c.making(node) : node
    case 'MetaProperty':
    case 'ThisExpression':
    case 'Super':
    case 'PrivateIdentifier':
      return node
    default:
      return mapChildren(node, (child) => c.expression(child))
  }
}

/** A node like `node`, with each of its children replaced. */
export function mapChildren(node: Node, map: (child: Node) => Node): Node {
  const children = new Set<unknown>(childrenOf(node))
  const mapped = new Map<string, unknown>()
  for (const [key, value] of Object.entries(node)) {
    if (Array.isArray(value))
      mapped.set(
        key,
        value.map((each: unknown) => (children.has(each) ? map(each as Node) : each)),
      )
    else if (children.has(value)) mapped.set(key, map(value as Node))
  }
  return { ...node, ...Object.fromEntries(mapped) } as Node
}

function binaryExpression(c: Context, node: Node & { type: 'BinaryExpression' }): Node {
  const [left, right] = c.list([node.left as Node, node.right])
  return { ...node, left, right } as Node
}

function unary(c: Context, node: Node & { type: 'UnaryExpression' }): Node {
  const argument = node.argument as Node
  if (node.operator !== 'delete') {
    // Of a name that is not declared, only typeof may be asked; a cell has none.
    return { ...node, argument: c.expression(argument) } as Node
  }
  if (argument.type === 'MemberExpression') {
    const parts = argument.computed ? [argument.object, argument.property] : [argument.object]
    const [object, property] = c.list(parts as Node[])
    return c.changingOf(object!, (use) => {
      const target = { ...argument, object: use, property: property ?? argument.property }
      return { ...node, argument: target } as Node
    })
  }
  if (argument.type === 'ChainExpression')
    return c.changing({ ...node, argument: mapChildren(argument, (inner) => plainLinks(c, inner)) } as Node)
  const value = c.expression(argument)
  // What is no reference is there no more: its value may be in a variable here.
  return argument.type === 'Identifier'
    ? ({ ...node, argument: value } as Node)
    : tree.sequence([value, tree.literal(true)])
}

function sequenceExpression(c: Context, node: Node & { type: 'SequenceExpression' }): Node {
  if (!c.stops(node))
    return { ...node, expressions: node.expressions.map((each) => c.expression(each)) } as Node
  const last = node.expressions.at(-1)!
  for (const each of node.expressions.slice(0, -1)) c.emit(tree.does(c.expression(each)))
  return tree.unnamed(c.expression(last))
}

function logicalExpression(c: Context, node: Node & { type: 'LogicalExpression' }): Node {
  if (!c.stops(node.right)) {
    return { ...node, left: c.expression(node.left), right: c.expression(node.right) } as Node
  }
  const result = c.keep(c.expression(node.left))
  const then = c.gather(() => c.emit(tree.does(tree.assign(result, c.expression(node.right)))))
  c.push({ kind: 'if', test: tree.goesOn(node.operator, result), yes: then, otherwise: [] })
  return result
}

function conditional(c: Context, node: Node & { type: 'ConditionalExpression' }): Node {
  const { test, consequent, alternate } = node
  if (!c.stops(consequent) && !c.stops(alternate)) {
    const [asked, then, otherwise] = [c.expression(test), c.expression(consequent), c.expression(alternate)]
    return { ...node, test: asked, consequent: then, alternate: otherwise } as Node
  }
  const asked = c.expression(test)
  const result = c.keep(null)
  const branch =
    (value: Node): (() => void) =>
    () =>
      c.emit(tree.does(tree.assign(result, c.expression(value))))
  const [then, otherwise] = [c.gather(branch(consequent)), c.gather(branch(alternate))]
  c.push({ kind: 'if', test: asked, yes: then, otherwise })
  return result
}

function templateLiteral(c: Context, node: Node & { type: 'TemplateLiteral' }): Node {
  const last = node.expressions.findLastIndex((each) => c.stops(each))
  const expressions = node.expressions.map((each, index) => {
    const value = c.expression(each)
    if (index >= last || value.type === 'Literal') return value
    const quasi = (): Node => tree.make('TemplateElement', { value: { raw: '', cooked: '' }, tail: false })
    return c.keep(tree.make('TemplateLiteral', { quasis: [quasi(), quasi()], expressions: [value] }))
  })
  return { ...node, expressions } as Node
}

function arrayLiteral(c: Context, node: Node & { type: 'ArrayExpression' }): Node {
  const present = node.elements.filter((each) => each !== null) as Node[]
  const written = c.list(present)
  let at = 0
  const elements = node.elements.map((each) => (each === null ? null : written[at++]))
  return c.making({ ...node, elements } as Node)
}

function functionValue(c: Context, node: FunctionNode): Node {
  const written = c.parts.withOwnCells(c, node, c.parts.functionOf(c, node))
  const isValue = node.type !== 'FunctionDeclaration'
  return isValue && c.showsAsync(node as Node)
    ? tree.wrapped(written, (inner) => c.help('asAsync', inner))
    : written
}

/** Where iterators of the program may stop, the runtime goes through one. */
function spread(c: Context, node: Node & { type: 'SpreadElement' }): Node {
  const argument = c.tellsOwn ? c.help('walked', c.expression(node.argument)) : c.expression(node.argument)
  if (!c.isPoint(node) || !c.frame.stops) return { ...node, argument } as Node
  return { ...node, argument: c.point(c.help('spread', argument)) } as Node
}

function objectLiteral(c: Context, node: Node & { type: 'ObjectExpression' }): Node {
  const parts = node.properties.flatMap((property): Node[] => {
    if (property.type === 'SpreadElement') return [property]
    const value = isMethod(property) ? [] : [property.value as Node]
    return property.computed ? [property.key as Node, ...value] : value
  })
  const keys = new Map<Node, string>()
  const computed = new Set<Node>()
  const prototypes = new Set<Node>()
  for (const each of node.properties) {
    if (each.type === 'Property' && each.computed) computed.add(each.key as Node)
    const key = each.type === 'Property' && !isMethod(each) ? propertyName(each.key, each.computed) : null
    // Of `__proto__: value`, the value is not named; of `__proto__`, it is a property like others.
    if (key === '__proto__' && !(each as { shorthand: boolean }).shorthand)
      prototypes.add((each as { value: Node }).value)
    else if (key !== null && key !== '__proto__') keys.set((each as { value: Node }).value, key)
  }
  const stops = c.stops(node)
  const values = c.list(parts, (part) => {
    if (part.type === 'SpreadElement') return objectSpread(c, part)
    if (stops && computed.has(part)) return c.help('propertyKey', c.expression(part))
    const value = c.expression(part)
    if (prototypes.has(part)) return c.help('prototype', value, c.site(part, '__proto__'))
    const key = keys.get(part)
    // What is kept in a variable until the object is made has its name already.
    return key === undefined || (!stops && !('inner' in value)) ? value : tree.namedAs(key, value)
  })
  const properties = node.properties.map((property) => {
    if (property.type === 'SpreadElement') return tree.make('SpreadElement', { argument: values.shift()! })
    const key = property.computed ? values.shift()! : property.key
    const value = isMethod(property) ? c.parts.functionOf(c, property.value as never) : values.shift()!
    return { ...property, key, value, shorthand: false } as Node
  })
  const written = c.making({ ...node, properties } as Node)
  const hasMethods = node.properties.some((each) => each.type === 'Property' && isMethod(each))
  return hasMethods ? c.parts.withOwnCells(c, node, written) : written
}

function isMethod(property: Node & { type: 'Property' }): boolean {
  return property.method || property.kind !== 'init'
}

/** Takes all properties: of a shared array, elements would be among them. */
function objectSpread(c: Context, node: Node & { type: 'SpreadElement' }): Node {
  const argument = c.help('unpacked', c.expression(node.argument), c.site(node, 'spread'))
  return tree.object([tree.make('SpreadElement', { argument })])
}
