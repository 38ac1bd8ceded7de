// Declaring variables and taking values apart.

import { unpacked } from './by-number.ts'
import type { Context } from './context.ts'
import { isConstant, slot, slotOf } from './elements.ts'
import type { Local } from './locals.ts'
import { type Node, propertyName } from './syntax.ts'
import * as tree from './tree.ts'

/** A pattern, or what is assigned to (unless it `declares`): in it nothing stops. */
export function pattern(c: Context, node: Node, declares = false): Node {
  switch (node.type) {
    case 'Identifier':
      if (!declares && isConstant(c, node) && !c.isEarly(node))
        return tree.member(c.help('constantSlot'), 'value')
      return declares ? c.declared(node) : c.variable(node)
    case 'MemberExpression':
      return slot(c, node)
    case 'ArrayPattern':
      return {
        ...node,
        elements: node.elements.map((each) => each && pattern(c, each as Node, declares)),
      } as Node
    case 'AssignmentPattern':
      return {
        ...node,
        left: pattern(c, node.left as Node, declares),
        right: valueFor(c, node.left as Node, unpacked(c, node.left as Node, c.expression(node.right))),
      } as Node
    case 'RestElement':
      return { ...node, argument: pattern(c, node.argument as Node, declares) } as Node
    case 'ObjectPattern': {
      const properties = node.properties.map((property) => {
        if (property.type === 'RestElement') return pattern(c, property as Node, declares)
        const key = property.computed ? c.expression(property.key as Node) : property.key
        return {
          ...property,
          key,
          value: pattern(c, property.value as Node, declares),
          shorthand: false,
        } as Node
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
  c.emit(tree.does(tree.assign(tree.name(local.name), cellOf(c, id.name, value))))
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
        c.emit(tree.does(tree.assign(tree.name(local.name), earlyCell(c, local))))
    }
  }
}

/** The cell of a variable before its declaration. */
export function earlyCell(c: Context, { binding, dead }: Local): Node {
  return dead.length > 0 ? c.help('earlyCell', binding.name) : cellOf(c, binding.name, tree.nothing())
}

/** A cell. */
export function cellOf(c: Context, name: string, value: Node): Node {
  return c.making(tree.object([tree.property(tree.name('v'), tree.namedAs(name, value))]))
}

/** A value for a variable, whose name it gets where it has none: in the steppable form that may be another. */
export function valueFor(c: Context, node: Node, value: Node): Node {
  if (node.type !== 'Identifier') return value
  const variable = c.variable(node)
  const isSame = variable.type === 'Identifier' && variable.name === node.name
  return isSame && !('inner' in value) ? value : tree.namedAs(node.name, value)
}

/** Gives the variables of a declaration their first values. */
export function declareAs(c: Context, node: Node, value: Node): void {
  if (node.type === 'Identifier') {
    if (newCell(c, node, value)) return
    c.emit(tree.does(tree.assign(c.declared(node), valueFor(c, node, value))))
    return
  }
  newCells(c, node)
  if (c.stops(node)) takeApart(c, node, c.keep(value), true)
  else c.emit(tree.does(tree.assign(pattern(c, node, true), c.takenApart(node, value))))
}

/** Takes a value, which stays what it is, apart step by step; the variables are there, or it `declares` them. */
export function takeApart(c: Context, node: Node, value: Node, declares = false): void {
  switch (node.type) {
    case 'AssignmentPattern':
    case 'MemberExpression':
      return take(c, node, declares, () => value)
    case 'ObjectPattern':
      return takePropertiesApart(c, node, value, declares)
    case 'ArrayPattern':
      return takeElementsApart(c, node, value, declares)
    default:
      c.emit(tree.does(tree.assign(pattern(c, node, declares), value)))
  }
}

/** A part of a pattern: what is assigned to is evaluated first, then comes the value, and then its default. */
function take(c: Context, node: Node, declares: boolean, get: () => Node): void {
  const target = node.type === 'AssignmentPattern' ? (node.left as Node) : node
  const write = target.type === 'MemberExpression' ? slotOf(c, target) : null
  let value = get()
  if (node.type === 'AssignmentPattern') {
    const given = c.keep(value)
    const then = c.gather(() =>
      c.emit(tree.does(tree.assign(given, unpacked(c, target, defaultOf(c, node))))),
    )
    c.push({ kind: 'if', test: tree.binary('===', given, tree.nothing()), yes: then, otherwise: [] })
    value = given
  }
  if (write === null) takeApart(c, target, value, declares)
  else write(value)
}

/** A default value, which may be named after what it is for. */
export function defaultOf(c: Context, { left, right }: Node & { type: 'AssignmentPattern' }): Node {
  const value = c.expression(right)
  return left.type === 'Identifier' ? tree.namedAs(left.name, value) : value
}

function takePropertiesApart(
  c: Context,
  node: Node & { type: 'ObjectPattern' },
  value: Node,
  declares: boolean,
): void {
  c.emit(tree.does(c.help('present', value)))
  const taken: Node[] = []
  for (const property of node.properties) {
    if (property.type === 'RestElement') {
      take(c, property.argument as Node, declares, () => c.keep(c.help('rest', value, tree.list(taken))))
      continue
    }
    const key = property.computed
      ? c.keep(c.help('propertyKey', c.expression(property.key as Node)))
      : (property.key as Node)
    const named = property.computed ? null : propertyName(key, false)
    taken.push(named === null ? key : tree.literal(named))
    const read = tree.member(value, named !== null && key.type === 'Identifier' ? named : key)
    take(c, property.value as Node, declares, () =>
      c.isPoint(property as Node) ? c.point(read) : c.keep(read),
    )
  }
}

/** Elements come one after the other; where the pattern takes no more, or throws, what they come from is closed. */
function takeElementsApart(
  c: Context,
  node: Node & { type: 'ArrayPattern' },
  value: Node,
  declares: boolean,
): void {
  const cursor = c.point(c.help('openCursor', c.takenApart(node, value)))
  const each = (element: Node | null): void => {
    if (element === null) c.point(c.help('skipNext', cursor))
    else if (element.type !== 'RestElement')
      take(c, element, declares, () => c.point(c.help('takeNext', cursor)))
    else take(c, element.argument as Node, declares, () => c.point(c.help('takeRest', cursor)))
  }
  c.parts.guarded(
    c,
    () => (node.elements as (Node | null)[]).forEach(each),
    (how) => c.point(c.help('closeCursor', cursor, tree.binary('===', how, tree.literal(1)))),
  )
}
