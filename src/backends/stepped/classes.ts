// Classes in the steppable form.

import type { Context } from './context.ts'
import { isGlobal } from './elements.ts'
import type { FunctionInfo } from './function-values.ts'
import { RUNTIME, makesOwn } from './names.ts'
import { asNodes, statements } from './statements.ts'
import { type Node, propertyName } from './syntax.ts'
import * as tree from './tree.ts'

export function classOf(c: Context, node: Node): Node {
  const { superClass, body } = node as Node & { type: 'ClassExpression' }
  const keys = body.body.flatMap((each) => ('computed' in each && each.computed ? [each.key as Node] : []))
  const stops = keys.some((each) => c.stops(each))
  const written = c.list([...(superClass ? [superClass as Node] : []), ...keys], (each) => {
    const value = c.expression(each)
    return stops && each !== superClass ? c.help('propertyKey', value) : value
  })
  const base = superClass ? written.shift() : null
  const constructor = body.body.find(
    (each) => each.type === 'MethodDefinition' && each.kind === 'constructor',
  )
  const own = constructor && c.reach.values.functions.get((constructor as { value: Node }).value)
  const isGiven = own?.stepped === true && !superClass
  const isField = (each: Node): boolean => each.type === 'PropertyDefinition' && !each.static
  const firstField = c.tellsOwn && isOpen(c, superClass as Node | null) ? body.body.find(isField) : undefined
  const extending = (field: Node & { type: 'PropertyDefinition' }, value: Node | null): Node => {
    const name = propertyName(field.key as Node, field.computed)
    const told = c.help('extended', tree.make('ThisExpression', {}))
    return tree.sequence([
      told,
      value === null ? tree.nothing() : name === null ? value : tree.namedAs(name, value),
    ])
  }
  // The object that it returns was made before, fields and all.
  const unlessGiven = (field: Node & { type: 'PropertyDefinition' }, value: Node): Node => {
    const name = propertyName(field.key as Node, field.computed)
    const given = tree.member(tree.name(c.runtime('state')), 'given')
    const isMade = tree.binary('!==', given, tree.literal(null))
    return tree.either(isMade, tree.nothing(), name === null ? value : tree.namedAs(name, value))
  }
  const members = body.body.map((each): Node => {
    if (each.type === 'StaticBlock') return staticBlock(c, each)
    const key = each.computed ? written.shift()! : each.key
    if (each.type === 'MethodDefinition')
      return { ...each, key, value: c.parts.functionOf(c, each.value as never) } as Node
    const value = each.value ? c.outside(() => c.expression(each.value!)) : null
    const first = each === firstField ? extending(each, value) : value
    return {
      ...each,
      key,
      value: first && !each.static && isGiven ? unlessGiven(each, first) : first,
    } as Node
  })
  members.unshift(...ownMark(c, superClass as Node | null))
  if (own?.stepped === true) members.unshift(...marksOfClass(c, own))
  return { ...node, superClass: base, body: { ...body, body: members } } as Node
}

/**
 * Objects of a class are the thread's that makes them, which a private field tells before all others: of one that
 * extends none, or one of the engine.
 */
function ownMark(c: Context, superClass: Node | null | undefined): Node[] {
  if (!c.tellsOwn || isOpen(c, superClass)) return []
  const key = tree.make('PrivateIdentifier', { name: `${RUNTIME}_own` })
  const value = c.help('making', tree.make('ThisExpression', {}))
  return [tree.make('PropertyDefinition', { key, computed: false, static: false, value })]
}

/** What a class extends may return an object that was there before, to which it adds its fields. */
function isOpen(c: Context, superClass: Node | null | undefined): boolean {
  if (!superClass) return false
  return (
    superClass.type !== 'Identifier' || !isGlobal(superClass, c.module) || !makesOwn.test(superClass.name)
  )
}

/** What tells at run time of a class whose constructor can stop: see superCall(). */
function marksOfClass(c: Context, own: FunctionInfo): Node[] {
  const takes = c.help('takesGiven', tree.make('ThisExpression', {}))
  const marks = [tree.make('StaticBlock', { body: [tree.does(takes)] })]
  if (!c.reach.hasOpenBase(own)) return marks
  const fields = { key: tree.ownClass(), computed: false, static: true, value: null }
  return [tree.make('PropertyDefinition', fields), ...marks]
}

function staticBlock(c: Context, node: Node & { type: 'StaticBlock' }): Node {
  return c.outside(() => ({ ...node, body: asNodes(c.gather(() => statements(c, node.body))) }) as Node)
}
