// Statements in the steppable form: of functions that can stop, as steps.

import { unpacked } from './by-number.ts'
import type { Context } from './context.ts'
import type { Detour } from './frame.ts'
import { type Step, type Steps, Writer } from './form.ts'
import { declareAs, pattern, earlyCells } from './patterns.ts'
import { tailCall } from './calls.ts'
import { RUNTIME } from './names.ts'
import { type Node, isFunction, takesByNumber } from './syntax.ts'
import * as tree from './tree.ts'

/** Writes statements that stand in a block. */
export function statements(c: Context, nodes: readonly Node[]): void {
  hoist(c, nodes)
  for (const node of nodes) statement(c, node)
}

/** Functions are there from the beginning of their block on. */
export function hoist(c: Context, nodes: readonly Node[]): void {
  if (!c.frame.stops) {
    for (const node of nodes) {
      const each = node.type.startsWith('Export') ? (node as { declaration?: Node }).declaration : node
      if (each?.type === 'FunctionDeclaration' && each.id && c.showsAsync(each))
        c.emit(tree.does(c.help('asAsync', c.variable(each.id))))
    }
    return
  }
  earlyCells(c, nodes)
  for (const node of nodes) {
    if (node.type !== 'FunctionDeclaration' || !node.id) continue
    const local = c.localOf(node.id)
    const id = local === undefined || (local.name === node.id.name && !local.cell) ? null : node.id
    const written = { ...c.parts.functionOf(c, node), type: 'FunctionExpression', id } as Node
    const shown = c.showsAsync(node) ? c.help('asAsync', written) : written
    declareAs(c, node.id, c.parts.withOwnCells(c, node, shown))
  }
}

export function statement(c: Context, node: Node): void {
  const { frame } = c
  const outer = { statement: frame.statement, outer: frame.outer, inner: frame.inner }
  frame.statement = node.start
  const { steps } = frame
  const before = steps.length
  write(c, node)
  for (const each of steps.slice(before))
    if (each.kind === 'plain' && !each.node.loc) c.place(each.node, node)
  frame.statement = outer.statement
  frame.outer = outer.outer
  frame.inner = outer.inner
}

function write(c: Context, node: Node): void {
  switch (node.type) {
    case 'ExpressionStatement': {
      c.unread = node.expression
      const value = c.expression(node.expression)
      const isNothing = c.frame.stops && value.type === 'Identifier' && c.stops(node.expression)
      if (!isNothing) c.emit({ ...node, expression: value } as Node)
      return
    }
    case 'VariableDeclaration':
      return variables(c, node)
    case 'FunctionDeclaration':
      if (!c.frame.stops) c.emit(c.parts.functionOf(c, node))
      return
    case 'ClassDeclaration':
      if (!c.frame.stops || !node.id) return c.emit(c.parts.classOf(c, node))
      return declareAs(
        c,
        node.id,
        c.parts.withOwnCells(c, node, { ...c.parts.classOf(c, node), type: 'ClassExpression' } as Node),
      )
    case 'ReturnStatement':
      return returns(c, node)
    case 'ThrowStatement':
      return c.emit({ ...node, argument: c.expression(node.argument) } as Node)
    case 'IfStatement':
      return branches(c, node)
    case 'BlockStatement':
      return block(c, node)
    case 'LabeledStatement':
      return labeled(c, node)
    case 'BreakStatement':
    case 'ContinueStatement':
      return jump(c, node)
    case 'TryStatement':
      return tries(c, node)
    case 'SwitchStatement':
      return switches(c, node)
    case 'ForStatement':
    case 'WhileStatement':
    case 'DoWhileStatement':
    case 'ForOfStatement':
    case 'ForInStatement':
      return c.parts.loop(c, node, [])
    case 'WithStatement':
      return c.emit(tree.does(c.refusal(node, 'with', 'name the object in front of its properties')))
    default:
      c.emit(exported(c, node))
  }
}

/** What only modules have, and what has no parts. */
function exported(c: Context, node: Node): Node {
  if (node.type === 'ExportDefaultDeclaration' && isFunction(node.declaration as Node))
    return { ...node, declaration: c.parts.functionOf(c, node.declaration as never) } as Node
  if (node.type !== 'ExportNamedDeclaration' && node.type !== 'ExportDefaultDeclaration') return node
  if (!node.declaration) return node
  const inner = node.declaration as Node
  if (inner.type === 'VariableDeclaration') {
    const [written] = c.gather(() => statement(c, inner)) as [Step & { kind: 'plain' }]
    return { ...node, declaration: written.node } as Node
  }
  return { ...node, declaration: c.expression(inner) } as Node
}

/** Steps as statements, where nothing stops in them. */
export function asNodes(steps: Steps): Node[] {
  return withoutPoints.write(steps)
}

const withoutPoints = new Writer({ state: `${RUNTIME}_state`, save: `${RUNTIME}_save` }, false)

/** A statement that nothing stops, as one node. */
export function plain(c: Context, node: Node): Node {
  const steps = c.gather(() => statement(c, node))
  return steps.length === 1 && !c.frame.stops ? asNodes(steps)[0]! : tree.block(asNodes(steps))
}

function block(c: Context, node: Node & { type: 'BlockStatement' }): void {
  if (!c.frame.stops) {
    c.emit({ ...node, body: asNodes(c.gather(() => statements(c, node.body))) } as Node)
    return
  }
  const using = node.body.findIndex(isUsing)
  if (using >= 0) usingFrom(c, node.body, using)
  else statements(c, node.body)
}

function variables(c: Context, node: Node & { type: 'VariableDeclaration' }): void {
  if (c.frame.stops) {
    for (const each of node.declarations) {
      const id = each.id as Node
      const value = each.init ? c.expression(each.init) : null
      if (value === null && node.kind === 'var') continue
      declareAs(c, id, value === null ? tree.nothing() : unpacked(c, id, value))
    }
    return
  }
  const declarations = node.declarations.map((each) => {
    const id = each.id as Node
    const given = each.init ? unpacked(c, id, c.expression(each.init)) : null
    return { ...each, id: pattern(c, id, true), init: given && c.takenApart(id, given) }
  })
  c.emit({ ...node, declarations } as Node)
}

// ---------------------------------------------------------------------------------------------------------------------
// Leaving

function returns(c: Context, node: Node & { type: 'ReturnStatement' }): void {
  const value = node.argument as Node | null | undefined
  if (!value) return leaves(c, null)
  if (isTail(c) && value.type === 'ConditionalExpression' && c.stops(value)) {
    const test = c.expression(value.test)
    const side = (each: Node): Steps => c.gather(() => returns(c, { ...node, argument: each } as never))
    c.push({ kind: 'if', test, yes: side(value.consequent), otherwise: side(value.alternate) })
    return
  }
  // Nothing is left to do here: who stops there need not come back.
  if (isTail(c) && value.type === 'CallExpression' && c.isPoint(value)) c.emit(tree.gives(tailCall(c, value)))
  else leaves(c, c.expression(value))
}

function isTail(c: Context): boolean {
  const { stops, detours, constructs, probe } = c.frame
  return stops && detours.length === 0 && constructs === null && probe === undefined && !c.isTraced()
}

export function leaves(c: Context, value: Node | null): void {
  const detour = c.frame.detours.findLast((each): each is Detour => each !== 'try')
  if (detour === undefined) {
    c.emit(tree.gives(c.resultOf(value)))
    return
  }
  c.emit(tree.does(tree.assign(tree.name(detour.what), value ?? tree.nothing())))
  c.emit(tree.does(tree.assign(tree.name(detour.how), tree.literal(2))))
  c.emit(tree.leave(detour.label))
}

function jump(c: Context, node: Node & { type: 'BreakStatement' | 'ContinueStatement' }): void {
  if (!c.frame.stops) c.emit(node)
  else c.jumpTo(c.targetOf(node))
}

// ---------------------------------------------------------------------------------------------------------------------
// Branches

function branches(c: Context, node: Node & { type: 'IfStatement' }): void {
  const test = c.expression(node.test)
  if (!c.frame.stops) {
    const alternate = node.alternate ? plain(c, node.alternate) : null
    c.emit({ ...node, test, consequent: plain(c, node.consequent), alternate } as Node)
    return
  }
  const then = c.gather(() => statement(c, node.consequent))
  const otherwise = c.gather(() => node.alternate && statement(c, node.alternate))
  c.push({ kind: 'if', test, yes: then, otherwise })
}

function labeled(c: Context, node: Node & { type: 'LabeledStatement' }): void {
  const labels = [node.label.name]
  let { body } = node
  while (body.type === 'LabeledStatement') {
    labels.push(body.label.name)
    ;({ body } = body)
  }
  if (/^(For|ForOf|ForIn|While|DoWhile)Statement$/.test(body.type))
    return c.parts.loop(c, body as never, labels)
  if (!c.frame.stops) return c.emit({ ...node, body: plain(c, node.body) } as Node)
  const own = labels[0]!
  const inner = c.inTarget({ kind: 'block', labels, label: own, next: null }, () =>
    c.gather(() => statement(c, body)),
  )
  c.push({ kind: 'label', label: own, body: inner })
}

function switches(c: Context, node: Node & { type: 'SwitchStatement' }): void {
  const discriminant = c.expression(node.discriminant)
  const all = node.cases.flatMap((each) => each.consequent as Node[])
  if (!c.frame.stops) {
    const cases = node.cases.map((each) => ({
      ...each,
      test: each.test ? c.expression(each.test) : null,
      consequent: asNodes(c.gather(() => each.consequent.forEach((inner) => statement(c, inner)))),
    }))
    c.emit({ ...node, discriminant, cases } as Node)
    return
  }
  hoist(c, all)
  const on = c.keep(discriminant)
  // Tests that do more than name something are made once.
  const simple = node.cases.every(({ test }) => !test || c.isStable(test))
  if (!simple) chooseCase(c, node, on)
  const label = c.names.fresh('$switch')
  const cases = c.inTarget({ kind: 'switch', labels: [], label, next: null }, () =>
    node.cases.map((each, index) => ({
      test: each.test ? (simple ? c.expression(each.test) : tree.literal(index)) : null,
      body: c.gather(() => each.consequent.forEach((inner) => statement(c, inner))),
    })),
  )
  c.push({ kind: 'label', label, body: [{ kind: 'switch', on, cases }] })
}

/** Finds the case, and leaves its number in what is switched on. */
function chooseCase(c: Context, node: Node & { type: 'SwitchStatement' }, on: Node): void {
  const label = c.names.fresh('$case')
  const body = c.gather(() => {
    node.cases.forEach(({ test }, index) => {
      if (!test) return
      const found = tree.binary('===', on, c.expression(test))
      c.emit(tree.when(found, [tree.does(tree.assign(on, tree.literal(index))), tree.leave(label)]))
    })
    c.emit(tree.does(tree.assign(on, tree.literal(-1))))
  })
  c.push({ kind: 'label', label, body })
}

// ---------------------------------------------------------------------------------------------------------------------
// try

function tries(c: Context, node: Node & { type: 'TryStatement' }): void {
  const { handler, finalizer } = node
  if (!c.frame.stops) return c.emit(plainTry(c, node))
  if (finalizer && c.stops(finalizer)) return finallyOfSteps(c, node)
  const last = finalizer ? asNodes(c.gather(() => statement(c, finalizer))) : null
  if (!handler) {
    const body = c.inDetour('try', () => c.gather(() => statement(c, node.block)))
    c.push({ kind: 'try', body, caught: null, last })
    return
  }
  const inner = c.gather(() => c.inDetour('try', () => catches(c, node)))
  if (last === null) for (const step of inner) c.push(step)
  else c.push({ kind: 'try', body: inner, caught: null, last })
}

function plainTry(c: Context, node: Node & { type: 'TryStatement' }): Node {
  const bodyOf = (each: Node): Node[] =>
    asNodes(c.gather(() => statements(c, (each as Node & { type: 'BlockStatement' }).body)))
  const blockOf = (each: Node): Node => tree.block(bodyOf(each))
  const handlerOf = (given: Node & { type: 'CatchClause' }): Node => {
    const param = given.param as Node | null
    const isSeen = param !== null && takesByNumber(param)
    const thrown = tree.name('$error')
    const declared =
      isSeen &&
      ({ type: 'VariableDeclarator', id: pattern(c, param, true), init: unpacked(c, param, thrown) } as Node)
    return {
      ...given,
      param: isSeen ? thrown : param && pattern(c, param, true),
      body: tree.block([
        tree.does(c.help('caught')),
        ...(declared ? [tree.make('VariableDeclaration', { kind: 'let', declarations: [declared] })] : []),
        ...bodyOf(given.body),
      ]),
    } as Node
  }
  return {
    ...node,
    block: blockOf(node.block),
    handler: node.handler && handlerOf(node.handler as Node & { type: 'CatchClause' }),
    finalizer: node.finalizer ? blockOf(node.finalizer) : null,
  } as Node
}

/** What is done with what was caught stands behind the `try`, where calls may stop. */
function catches(c: Context, node: Node & { type: 'TryStatement' }): void {
  const { param, body } = node.handler!
  const caught = c.keep(tree.literal(false))
  const thrown = c.keep(null)
  const tried = c.gather(() => statement(c, node.block))
  const note = [
    tree.does(tree.assign(caught, tree.literal(true))),
    tree.does(tree.assign(thrown, c.help('caught', tree.name('$error')))),
  ]
  c.push({ kind: 'try', body: tried, caught: { name: '$error', body: note }, last: null })
  const then = c.gather(() => {
    if (param) declareAs(c, param as Node, unpacked(c, param as Node, thrown))
    statement(c, body)
  })
  c.push({ kind: 'if', test: caught, yes: then, otherwise: [] })
}

/** A `finally` in which calls may stop: how the block was left is kept, and done when it is over. */
function finallyOfSteps(c: Context, node: Node & { type: 'TryStatement' }): void {
  guarded(
    c,
    () => (node.handler ? catches(c, node) : statement(c, node.block)),
    () => statement(c, node.finalizer!),
  )
}

/** Does `body`, and then `last`, however that ended. */
export function guarded(c: Context, body: () => void, last: (how: Node, what: Node) => void): void {
  const how = c.keep(tree.literal(0)) as Node & { type: 'Identifier' }
  const what = c.keep(null) as Node & { type: 'Identifier' }
  const label = c.names.fresh('$leave')
  const detour: Detour = { jumps: new Map(), how: how.name, what: what.name, label }
  const tried = c.gather(() => c.inDetour(detour, body))
  const note = [
    tree.does(tree.assign(how, tree.literal(1))),
    tree.does(tree.assign(what, tree.name('$error'))),
  ]
  const guardedBody: Step = { kind: 'try', body: tried, caught: { name: '$error', body: note }, last: null }
  c.push({ kind: 'label', label, body: [guardedBody] })
  last(how, what)
  const is = (number: number): Node => tree.binary('===', how, tree.literal(number))
  c.emit(tree.when(is(1), [tree.raises(what)]))
  c.push({ kind: 'if', test: is(2), yes: c.gather(() => leaves(c, what)), otherwise: [] })
  for (const [goal, number] of detour.jumps)
    c.push({ kind: 'if', test: is(number), yes: c.gather(() => c.jumpTo(goal)), otherwise: [] })
}

// ---------------------------------------------------------------------------------------------------------------------
// using

function isUsing(node: Node): boolean {
  return node.type === 'VariableDeclaration' && (node.kind as string) === 'using'
}

/** What follows a `using` declaration is guarded by the disposal of what it holds. */
export function usingFrom(c: Context, nodes: readonly Node[], at: number): void {
  hoist(c, nodes)
  for (const node of nodes.slice(0, at)) statement(c, node)
  const held = c.keep(tree.list([]))
  const rest = (): void => {
    for (const node of nodes.slice(at)) {
      if (!isUsing(node)) {
        statement(c, node)
        continue
      }
      for (const each of (node as Node & { type: 'VariableDeclaration' }).declarations)
        declareAs(c, each.id as Node, c.help('hold', held, c.expression(each.init!)))
    }
  }
  guarded(c, rest, (how, what) => {
    const isThrown = tree.binary('===', how, tree.literal(1))
    c.emit(tree.does(tree.assign(what, c.point(c.help('dispose', held, isThrown, what)))))
  })
}
