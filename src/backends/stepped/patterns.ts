// Declaring variables and taking values apart.

import type { Context } from './context.ts'
import { assignTo, slot } from './elements.ts'
import { type Node, propertyName } from './syntax.ts'
import * as tree from './tree.ts'

/** A pattern, or what is assigned to: in it nothing stops. */
export function pattern(c: Context, node: Node): Node {
  switch (node.type) {
    case 'Identifier':
      return c.variable(node)
    case 'MemberExpression':
      return slot(c, node)
    case 'ArrayPattern':
      return { ...node, elements: node.elements.map((each) => each && pattern(c, each as Node)) } as Node
    case 'AssignmentPattern':
      return { ...node, left: pattern(c, node.left as Node), right: c.expression(node.right) } as Node
    case 'RestElement':
      return { ...node, argument: pattern(c, node.argument as Node) } as Node
    case 'ObjectPattern': {
      const properties = node.properties.map((property) => {
        if (property.type === 'RestElement') return pattern(c, property as Node)
        const key = property.computed ? c.expression(property.key as Node) : property.key
        return { ...property, key, value: pattern(c, property.value as Node), shorthand: false } as Node
      })
      return { ...node, properties } as Node
    }
    default:
      return c.expression(node)
  }
}

/** The identifiers that a pattern binds. */
export function boundIn(node: Node): (Node & { type: 'Identifier' })[] {
  switch (node.type) {
    case 'Identifier':
      return [node]
    case 'ArrayPattern':
      return node.elements.flatMap((each) => (each === null ? [] : boundIn(each as Node)))
    case 'AssignmentPattern':
      return boundIn(node.left as Node)
    case 'RestElement':
      return boundIn(node.argument as Node)
    case 'ObjectPattern':
      return node.properties.flatMap((each) =>
        boundIn((each.type === 'RestElement' ? each : each.value) as Node),
      )
    default:
      return []
  }
}

/** New cells for variables that have some. */
export function newCells(c: Context, node: Node): void {
  for (const id of boundIn(node)) newCell(c, id, tree.nothing())
}

function newCell(c: Context, id: Node & { type: 'Identifier' }, value: Node): boolean {
  const local = c.localOf(id)
  if (local?.cell !== true || local.isEarly) return false
  c.emit(tree.does(tree.assign(tree.name(local.name), cellOf(id.name, value))))
  return true
}

/** The cells of variables of a block that closures take before they are declared. */
export function earlyCells(c: Context, nodes: readonly Node[]): void {
  for (const node of nodes) {
    const isOfBlock = node.type === 'VariableDeclaration' && node.kind !== 'var'
    const ids = isOfBlock
      ? node.declarations.flatMap(({ id }) => boundIn(id as Node))
      : node.type === 'ClassDeclaration' && node.id
        ? [node.id as Node & { type: 'Identifier' }]
        : []
    for (const id of ids) {
      const local = c.localOf(id)
      if (local?.isEarly === true && local.binding.scope !== (c.frame.info.node as Node))
        c.emit(tree.does(tree.assign(tree.name(local.name), cellOf(id.name, tree.nothing()))))
    }
  }
}

/** A cell. */
export function cellOf(name: string, value: Node): Node {
  return tree.object([tree.property(tree.name('v'), namedAs(name, value))])
}

/** A function or class without a name is named after its variable, as by a declaration. */
function namedAs(name: string, value: Node): Node {
  const isNamed = !/^(Arrow)?FunctionExpression$|^ClassExpression$/.test(value.type)
  if (isNamed || (value as { id?: unknown }).id) return value
  return tree.member(tree.object([tree.property(tree.literal(name), value, true)]), tree.literal(name))
}

/** Gives the variables of a declaration their first values. */
export function declareAs(c: Context, node: Node, value: Node): void {
  if (node.type === 'Identifier') {
    if (newCell(c, node, value)) return
    const variable = c.variable(node)
    const isSame = variable.type === 'Identifier' && variable.name === node.name
    c.emit(tree.does(tree.assign(variable, isSame ? value : namedAs(node.name, value))))
    return
  }
  newCells(c, node)
  if (c.stops(node)) takeApart(c, node, c.keep(value))
  else c.emit(tree.does(tree.assign(pattern(c, node), value)))
}

/** Takes a value, which stays what it is, apart step by step. */
export function takeApart(c: Context, node: Node, value: Node): void {
  switch (node.type) {
    case 'AssignmentPattern': {
      const given = c.keep(value)
      const then = c.gather(() => c.emit(tree.does(tree.assign(given, c.expression(node.right)))))
      c.push({ kind: 'if', test: tree.binary('===', given, tree.nothing()), yes: then, otherwise: [] })
      takeApart(c, node.left as Node, given)
      return
    }
    case 'ObjectPattern':
      takePropertiesApart(c, node, value)
      return
    case 'ArrayPattern':
      takeElementsApart(c, node, value)
      return
    default:
      if (node.type === 'MemberExpression' && c.stops(node)) assignTo(c, node, value)
      else c.emit(tree.does(tree.assign(pattern(c, node), value)))
  }
}

function takePropertiesApart(c: Context, node: Node & { type: 'ObjectPattern' }, value: Node): void {
  c.emit(tree.does(c.help('present', value)))
  const taken: Node[] = []
  for (const property of node.properties) {
    if (property.type === 'RestElement') {
      takeApart(c, property.argument as Node, c.keep(c.help('rest', value, tree.list(taken))))
      continue
    }
    const key = property.computed ? c.keep(c.expression(property.key as Node)) : (property.key as Node)
    const named = property.computed ? null : propertyName(key, false)
    taken.push(named === null ? key : tree.literal(named))
    const read = tree.member(value, named !== null && key.type === 'Identifier' ? named : key)
    takeApart(c, property.value as Node, c.isPoint(property as Node) ? c.point(read) : c.keep(read))
  }
}

function takeElementsApart(c: Context, node: Node & { type: 'ArrayPattern' }, value: Node): void {
  const elements = node.elements.map((each) => each && { each: each as Node, kept: c.keep(null) })
  const targets = elements.map((element) => {
    if (element === null) return null
    return element.each.type === 'RestElement'
      ? tree.make('RestElement', { argument: element.kept })
      : element.kept
  })
  const isRest = node.elements.at(-1)?.type === 'RestElement'
  const from = c.isPoint(node) ? c.point(c.help('elementsOf', value, elements.length, isRest)) : value
  c.emit(tree.does(tree.assign(tree.make('ArrayPattern', { elements: targets }), from)))
  for (const element of elements) {
    if (element === null) continue
    const { each, kept } = element
    takeApart(c, each.type === 'RestElement' ? (each.argument as Node) : each, kept)
  }
}
