// Optional chains. One whose links have nothing to be written anew keeps its form; others are taken apart link by link.

import { finishCall, goesOutside, methodCall, outward } from './calls.ts'
import type { Context } from './context.ts'
import { elementOf, isElement } from './elements.ts'
import type { Node } from './syntax.ts'
import * as tree from './tree.ts'

type Member = Node & { type: 'MemberExpression' }
type Call = Node & { type: 'CallExpression' }

export function optionalChain(c: Context, node: Node & { type: 'ChainExpression' }): Node {
  const inner = node.expression as Node
  if (c.stops(node)) return chainOfSteps(c, inner)
  if (!matters(c, inner)) return { ...node, expression: plainLinks(c, inner) } as Node
  return link(c, inner, (value) => value)
}

/** Links of a chain have to be written anew, and not only what stands in them. */
function matters(c: Context, node: Node): boolean {
  if (node.type === 'MemberExpression') return isElement(node) || matters(c, node.object as Node)
  if (node.type !== 'CallExpression') return false
  return goesOutside(c, node) || matters(c, node.callee as Node)
}

/** The value of a chain in which a call may stop. */
function chainOfSteps(c: Context, node: Node): Node {
  const result = c.keep(tree.nothing())
  const label = c.names.fresh('$chain')
  const body = c.gather(() => {
    const value = step(c, node, label)
    c.emit(tree.does(tree.assign(result, value)))
  })
  c.push({ kind: 'label', label, body })
  return result
}

function step(c: Context, node: Node, label: string): Node {
  if (node.type === 'MemberExpression') {
    if (node.object.type === 'Super') return c.expression(node)
    const object = guarded(c, step(c, node.object as Node, label), node.optional, label)
    return readOf(c, node, object)
  }
  if (node.type !== 'CallExpression' || isCallOfChain(node)) return c.expression(node)
  const callee = calleeOf(node)
  if (callee.type === 'MemberExpression' && callee.object.type !== 'Super') {
    const object = guarded(c, step(c, callee.object as Node, label), callee.optional, label)
    if (!node.optional && !isElement(callee)) {
      const args = c.list(node.arguments as Node[])
      return finishCall(c, node, methodCall(c, node, object, args))
    }
    const method = guarded(c, readOf(c, callee, object), node.optional, label)
    const args = c.list(node.arguments as Node[])
    return finishCall(c, node, outward(c, node, method, object, args))
  }
  const called = guarded(c, step(c, callee, label), node.optional, label)
  const args = c.list(node.arguments as Node[])
  return finishCall(c, node, callOf(c, callee, called, args, node))
}

/** `(a?.b)(…)`: a chain of its own, which is called. */
function isCallOfChain(node: Call): boolean {
  return node.callee.type === 'ChainExpression' && !node.optional
}

/** Calls what `callee` has given; a method of `super` is one of this. */
function callOf(c: Context, callee: Node, called: Node, args: readonly Node[], node: Call): Node {
  if (callee.type !== 'MemberExpression')
    return goesOutside(c, node)
      ? outward(c, node, called, tree.nothing(), args)
      : tree.call(called, args, node)
  return outward(c, node, called, tree.make('ThisExpression', {}), args)
}

/** In `(a?.b)?.()`, the parentheses make no difference: where there is no `a`, nothing is called. */
function calleeOf({ callee, optional }: Call): Node {
  return callee.type === 'ChainExpression' && optional ? callee.expression : (callee as Node)
}

function guarded(c: Context, value: Node, optional: boolean, label: string): Node {
  const kept = value.type === 'ThisExpression' ? value : c.keep(value)
  if (optional) c.emit(tree.when(tree.binary('==', kept, tree.literal(null)), [tree.leave(label)]))
  return kept
}

/** The property or element that a link takes from `object`, which may be named again and again. */
function readOf(c: Context, node: Member, object: Node): Node {
  const property = node.computed ? c.expression(node.property as Node) : (node.property as Node)
  const read = isElement(node)
    ? elementOf(c, node, object, property)
    : ({ ...node, object, property, optional: false } as Node)
  return c.frame.stops && c.isPoint(node) ? c.point(read) : read
}

/** The same as one expression, given how the chain goes on from its value. */
function link(c: Context, node: Node, then: (value: Node) => Node): Node {
  if (node.type === 'MemberExpression' && node.object.type !== 'Super') {
    return link(c, node.object as Node, (value) =>
      c.withTemporary((object) =>
        passOn(node.optional, tree.assign(object, value), then(readOf(c, node, object))),
      ),
    )
  }
  if (node.type !== 'CallExpression' || isCallOfChain(node)) return then(c.expression(node))
  const callee = calleeOf(node)
  const args = (): Node[] => node.arguments.map((each) => c.expression(each as Node))
  if (callee.type !== 'MemberExpression' || callee.object.type === 'Super') {
    return link(c, callee, (value) =>
      c.withTemporary((called) =>
        passOn(node.optional, tree.assign(called, value), then(callOf(c, callee, called, args(), node))),
      ),
    )
  }
  return link(c, callee.object as Node, (value) =>
    c.withTemporary((object) => {
      const first = tree.assign(object, value)
      if (!node.optional && !isElement(callee))
        return passOn(callee.optional, first, then(methodCall(c, node as Call, object, args())))
      return c.withTemporary((method) => {
        const called = outward(c, node as Call, method, object, args())
        const rest = passOn(node.optional, tree.assign(method, readOf(c, callee, object)), then(called))
        return passOn(callee.optional, first, rest)
      })
    }),
  )
}

function passOn(optional: boolean, first: Node, rest: Node): Node {
  if (!optional) return tree.sequence([first, rest])
  return tree.either(tree.binary('==', first, tree.literal(null)), tree.nothing(), rest)
}

/** A chain whose links stay as they are, with what stands in brackets and parentheses written anew. */
export function plainLinks(c: Context, node: Node): Node {
  if (node.type === 'MemberExpression') {
    const object = plainLinks(c, node.object as Node)
    const property = node.computed ? c.expression(node.property as Node) : node.property
    return { ...node, object, property } as Node
  }
  if (node.type === 'CallExpression') {
    const callee = plainLinks(c, node.callee as Node)
    return { ...node, callee, arguments: node.arguments.map((each) => c.expression(each as Node)) } as Node
  }
  return c.expression(node)
}
