// Reads and writes of elements and properties.
//
// Each read or write of an element asks whether the array is shared. The answer is a property of the array, so that for
// others it costs one comparison.

import { unpacked } from './by-number.ts'
import type { Context } from './context.ts'
import type { ProgramModule } from './program.ts'
import { type Node, propertyName } from './syntax.ts'
import { SHARED, TRACKED } from './tags.ts'
import * as tree from './tree.ts'

type Member = Node & { type: 'MemberExpression' }

/** An element of an array, as far as can be seen. */
export function isElement(node: Member): boolean {
  if (!node.computed || node.object.type === 'Super') return false
  const key = node.property as Node
  if (key.type === 'Literal' && typeof key.value === 'string') return false
  return key.type !== 'TemplateLiteral'
}

export function isGlobal(node: Node, module: ProgramModule): boolean {
  return node.type === 'Identifier' && !module.scopes.bindings.has(node) && node.name in globalThis
}

/** What an expression names of the engine, such as `Object.values`; null if it names nothing of it. */
export function globalName(c: Context, node: Node): string | null {
  if (node.type === 'Identifier') return isGlobal(node, c.module) ? node.name : null
  if (node.type !== 'MemberExpression') return null
  const object = globalName(c, node.object as Node)
  const key = propertyName(node.property, node.computed)
  if (object === null || key === null) return null
  return object === 'globalThis' ? key : `${object}.${key}`
}

/** Asks whether an array carries a view. Proxies must not be asked, as their traps would be run. */
export function isUntagged(c: Context, object: Node, tag: string): Node {
  const asked = c.reach.hasProxies ? c.help('tags', object) : object
  return tree.binary('===', tree.member(asked, tag), tree.nothing())
}

/** Object and key of a member, and what else is evaluated after them. */
function parts(
  c: Context,
  node: Member,
  ...more: readonly Node[]
): [object: Node, key: Node, ...rest: Node[]] {
  const isSuper = node.object.type === 'Super'
  const own = [...(isSuper ? [] : [node.object as Node]), ...(node.computed ? [node.property as Node] : [])]
  const written = c.list([...own, ...more])
  const object = isSuper ? (node.object as Node) : written.shift()!
  return [object, node.computed ? written.shift()! : (node.property as Node), ...written]
}

const withParts = (node: Member, object: Node, property: Node): Member =>
  ({ ...node, object, property, optional: false }) as Member

export function memberRead(c: Context, node: Member): Node {
  const key = propertyName(node.property, node.computed)
  if (key === 'Atomics' && isGlobal(node.object as Node, c.module))
    return tree.name(c.runtime('atomics'), node)
  const [given, property] = parts(c, node)
  const { property: named } = node
  const isCount = named.type === 'PrivateIdentifier' && isCountedPrivate(c, named.name)
  const object = isCount ? c.help('looked', given, `#${named.name}`) : given
  const plain = isElement(node) ? elementOf(c, node, object, property) : withParts(node, object, property)
  const read = c.tellsOwn && key === 'constructor' ? c.help('maker', plain) : plain
  return c.frame.stops && c.isPoint(node) ? c.pointAt(read) : read
}

/** `object[key]` as a value. */
export function elementOf(c: Context, node: Member, object: Node, key: Node): Node {
  return c.named(object, node.object as Node, (first, use) =>
    namedKey(c, key, (firstKey, useKey) => {
      const read = c.help('read', use, useKey, c.site(node, 'read'))
      const asked = isUntagged(c, first === use || firstKey !== useKey ? use : first, SHARED)
      const value = tree.either(asked, withParts(node, use, useKey), read)
      if (firstKey === useKey) return value
      return tree.sequence(first === use ? [firstKey, value] : [first, firstKey, value])
    }),
  )
}

/** As Context.named(), for an index; short ones without effects are evaluated twice. */
function namedKey(c: Context, key: Node, body: (first: Node, use: Node) => Node): Node {
  if (isSimple(key)) return body(key, key)
  return c.withTemporary((temporary) => body(tree.assign(temporary, key), temporary))
}

/** Free of effects, and cheap to evaluate twice. */
function isSimple(node: Node): boolean {
  switch (node.type) {
    case 'Literal':
    case 'Identifier':
      return true
    case 'MemberExpression':
      return !node.computed && isSimple(node.object as Node)
    case 'BinaryExpression':
      return isSimple(node.left as Node) && isSimple(node.right)
    case 'UnaryExpression':
      return node.operator !== 'delete' && isSimple(node.argument)
    default:
      return false
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Assignments

export function assignment(c: Context, node: Node & { type: 'AssignmentExpression' }): Node {
  const target = node.left as Node
  const { operator } = node
  if (target.type === 'ArrayPattern' || target.type === 'ObjectPattern') return patternAssignment(c, node)
  if (target.type === 'MemberExpression')
    return operator === '=' ? memberAssignment(c, node, target) : memberCompound(c, node, target)
  if (isConstant(c, target)) return refuseToAssign(c, target, operator, node.right)
  const variable = c.variable(target as Node & { type: 'Identifier' })
  const isLogical = /^(&&|\|\||\?\?)=$/.test(operator)
  const assigned = (written: Node): Node =>
    c.isOwn(target) || c.isUnread(target) ? written : c.changingVariable(target, written)
  const value = (): Node => c.parts.valueFor(c, target, c.expression(node.right))
  if (!c.stops(node.right) || operator === '=')
    return assigned({ ...node, left: variable, right: value() } as Node)
  const before = c.keep(variable)
  const plain = operator.slice(0, -1)
  if (!isLogical) return assigned(tree.assign(variable, tree.binary(plain, before, c.expression(node.right))))
  const then = c.gather(() =>
    c.emit(tree.does(assigned(tree.assign(before, tree.assign(variable, value()))))),
  )
  c.push({ kind: 'if', test: tree.goesOn(plain, before), yes: then, otherwise: [] })
  return before
}

/**
 * All variables of a function that stops are declared at its top: the engine does not know any more which may change.
 */
export function isConstant(c: Context, target: Node): boolean {
  return c.localOf(target)?.binding.kind === 'const' && !c.isEarly(target)
}

/** Throws what the engine would, when it would. */
function refuseToAssign(c: Context, target: Node, operator: string, right: Node | null): Node {
  const variable = c.variable(target as Node & { type: 'Identifier' })
  const thrown = c.help('constant')
  if (right === null) return thrown
  const plain = operator.slice(0, -1)
  if (!/^(&&|\|\||\?\?)=$/.test(operator)) return tree.sequence([c.expression(right), thrown])
  // It is only assigned to where the value so far says so.
  const value = c.stops(right) ? thrown : tree.sequence([c.expression(right), thrown])
  return { type: 'LogicalExpression', operator: plain, left: variable, right: value } as Node
}

function patternAssignment(c: Context, node: Node & { type: 'AssignmentExpression' }): Node {
  const target = node.left as Node
  const right = c.expression(node.right)
  const given = unpacked(c, target, right)
  if (!c.stops(target)) {
    const written = { ...node, left: c.parts.pattern(c, target), right: c.takenApart(target, given) } as Node
    return c.tellsOwn && isOwnPattern(c, target) ? written : c.changing(written)
  }
  const value = c.keep(given)
  c.parts.takeApart(c, target, value)
  return value
}

/** Only variables of the function itself are assigned to. */
function isOwnPattern(c: Context, node: Node): boolean {
  switch (node.type) {
    case 'Identifier':
      return c.isOwn(node)
    case 'AssignmentPattern':
      return isOwnPattern(c, node.left as Node)
    case 'RestElement':
      return isOwnPattern(c, node.argument as Node)
    case 'ArrayPattern':
      return node.elements.every((each) => each === null || isOwnPattern(c, each as Node))
    case 'ObjectPattern':
      return node.properties.every((each) =>
        isOwnPattern(c, (each.type === 'RestElement' ? each : each.value) as Node),
      )
    default:
      return false
  }
}

function memberAssignment(c: Context, node: Node & { type: 'AssignmentExpression' }, target: Member): Node {
  const [object, key, value] = parts(c, target, node.right)
  if (c.frame.stops && c.isPoint(target)) {
    const [o, k, v] = [
      settle(c, object, target.object as Node),
      target.computed ? settle(c, key, target.property as Node) : key,
      c.keep(value!),
    ]
    writePoint(c, node, target, o, k, v)
    return v
  }
  if (!isElement(target)) {
    const write = (use: Node): Node => tree.assign(withParts(target, use, key), value!)
    return c.makes(target.object as Node) ? write(object) : c.changingOf(object, write)
  }
  return namedParts(c, target, object, key, (first, use, useKey) =>
    c.withTemporary((kept) =>
      tree.sequence([...first, tree.assign(kept, value!), writeElement(c, node, target, use, useKey, kept)]),
    ),
  )
}

const settle = (c: Context, value: Node, source: Node): Node =>
  source.type === 'Super' ? value : c.settle(value, source)

/** Calls a setter that may stop; what it returns does not matter. */
function writePoint(c: Context, node: Node, target: Member, object: Node, key: Node, value: Node): void {
  const write = isElement(target)
    ? writeElement(c, node, target, object, key, value)
    : tree.assign(withParts(target, object, key), value)
  c.point(c.help('wrote', write))
}

/** Evaluates a member that is assigned to. Returns what assigns a value that is kept. */
export function slotOf(c: Context, target: Member): (value: Node) => void {
  const [o, k] = parts(c, target)
  const object = settle(c, o, target.object as Node)
  const key = target.computed ? settle(c, k, target.property as Node) : k
  return (value) => writeKept(c, target, target, object, key, value)
}

function writeElement(c: Context, node: Node, target: Member, object: Node, key: Node, value: Node): Node {
  return tree.either(
    isUntagged(c, object, TRACKED),
    c.changingOf(object, (use) => tree.assign(withParts(target, use, key), value)),
    c.help('write', object, key, value, c.site(node, 'write')),
  )
}

/** Object and key of an element, each evaluated once, before what follows. */
function namedParts(
  c: Context,
  target: Member,
  object: Node,
  key: Node,
  body: (first: readonly Node[], object: Node, key: Node) => Node,
): Node {
  return c.named(object, target.object as Node, (first, use) =>
    c.named(key, target.property as Node, (firstKey, useKey) =>
      body([...(first === use ? [] : [first]), ...(firstKey === useKey ? [] : [firstKey])], use, useKey),
    ),
  )
}

function memberCompound(c: Context, node: Node & { type: 'AssignmentExpression' }, target: Member): Node {
  const plain = node.operator.slice(0, -1)
  const isLogical = /^(&&|\|\||\?\?)$/.test(plain)
  if (c.stops(node)) return compoundOfSteps(c, node, target, plain, isLogical)
  const [object, key] = parts(c, target)
  const right = c.expression(node.right)
  if (!isElement(target))
    return tallyOf(
      c,
      node,
      target,
      object,
      (use) => ({ ...node, left: withParts(target, use, key), right }) as Node,
    )
  return namedParts(c, target, object, key, (first, use, useKey) =>
    c.withTemporary((kept) => {
      const before = elementOf(c, target, use, useKey)
      const write = (value: Node): Node =>
        tree.sequence([tree.assign(kept, value), writeElement(c, node, target, use, useKey, kept)])
      const result = isLogical
        ? tree.logical(plain, before, write(right))
        : write(tree.binary(plain, before, right))
      return tree.sequence([...first, result])
    }),
  )
}

function compoundOfSteps(
  c: Context,
  node: Node & { type: 'AssignmentExpression' },
  target: Member,
  plain: string,
  isLogical: boolean,
): Node {
  const { object, key, before } = readBefore(c, target)
  const result = before
  const write = (value: Node): void => {
    c.emit(tree.does(tree.assign(result, value)))
    writeKept(c, node, target, object, key, result)
  }
  if (!isLogical) {
    write(tree.binary(plain, before, c.expression(node.right)))
    return result
  }
  const then = c.gather(() => write(c.expression(node.right)))
  c.push({ kind: 'if', test: tree.goesOn(plain, before), yes: then, otherwise: [] })
  return result
}

/** Evaluates object and key of a member, and what is there. */
function readBefore(c: Context, target: Member): { object: Node; key: Node; before: Node } {
  const [o, k] = parts(c, target)
  const object = target.object.type === 'Super' ? o : settle(c, o, target.object as Node)
  const key = target.computed ? settle(c, k, target.property as Node) : k
  const read = isElement(target) ? elementOf(c, target, object, key) : withParts(target, object, key)
  return { object, key, before: c.isPoint(target) ? c.pointAt(read) : c.keep(read) }
}

function writeKept(c: Context, node: Node, target: Member, object: Node, key: Node, value: Node): void {
  if (c.isPoint(target)) writePoint(c, node, target, object, key, value)
  else if (isElement(target)) c.emit(tree.does(writeElement(c, node, target, object, key, value)))
  else c.emit(tree.does(c.changingOf(object, (use) => tree.assign(withParts(target, use, key), value))))
}

/** Counts in a property, by `node`: see counts.ts. */
function tallyOf(c: Context, node: Node, target: Member, object: Node, write: (object: Node) => Node): Node {
  const { property } = target
  if (!c.isTally(node) || target.object.type === 'Super') return c.changingOf(object, write)
  if (property.type === 'PrivateIdentifier') {
    if (!isCountedPrivate(c, property.name)) return c.changingOf(object, write)
    return write(c.help('talliedPrivate', object, `#${property.name}`))
  }
  const key = propertyName(property, target.computed)
  return key === null ? c.changingOf(object, write) : write(c.help('tallied', object, key))
}

function isCountedPrivate(c: Context, name: string): boolean {
  return c.tellsOwn && !c.reach.hasProxies && c.module.scopes.reads.counted.has(name)
}

export function update(c: Context, node: Node & { type: 'UpdateExpression' }): Node {
  const target = node.argument as Node
  if (isConstant(c, target)) return refuseToAssign(c, target, node.operator, null)
  if (target.type !== 'MemberExpression') {
    const updated = { ...node, argument: c.variable(target as Node & { type: 'Identifier' }) } as Node
    return c.isOwn(target) || c.isUnread(target) ? updated : c.changingVariable(target, updated)
  }
  if (c.frame.stops && c.isPoint(target)) return updateOfSteps(c, node, target)
  const [object, key] = parts(c, target)
  const updated = (use: Node, useKey: Node): Node =>
    ({ ...node, argument: withParts(target, use, useKey) }) as Node
  if (!isElement(target)) return tallyOf(c, node, target, object, (use) => updated(use, key))
  const helper = node.prefix ? 'updated' : 'update'
  const delta = node.operator === '++' ? 1 : -1
  return namedParts(c, target, object, key, (first, use, useKey) =>
    tree.sequence([
      ...first,
      tree.either(
        isUntagged(c, use, TRACKED),
        c.changingOf(use, (told) => updated(told, useKey)),
        c.help(helper, use, useKey, delta, c.site(node, 'write')),
      ),
    ]),
  )
}

function updateOfSteps(c: Context, node: Node & { type: 'UpdateExpression' }, target: Member): Node {
  const { object, key, before } = readBefore(c, target)
  const after = c.keep(before)
  // As the operator does, it makes a number or a big integer of what was there.
  const old = c.keep({ ...node, prefix: false, argument: after } as Node)
  writeKept(c, node, target, object, key, after)
  return node.prefix ? after : old
}

// ---------------------------------------------------------------------------------------------------------------------
// Patterns

/** An element that a pattern assigns to. */
export function slot(c: Context, node: Member): Node {
  if (!isElement(node)) {
    const [object, key] = parts(c, node)
    return withParts(node, object, key)
  }
  const [object, key] = parts(c, node)
  return tree.member(c.help('slot', object, key, c.site(node, 'write')), 'value')
}
