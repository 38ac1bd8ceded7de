// Loops in the steppable form.
//
// A loop that only waits for others says so at each turn, and can stop there. One whose body can stop goes through what
// it iterates over with a cursor, which is kept.

import { unpacked } from './by-number.ts'
import type { Context } from './context.ts'
import { type Carried, carriedBy, countersOf } from './waiting.ts'
import { boundIn, declareAs, earlyCell, pattern, takeApart } from './patterns.ts'
import { asNodes, guarded, plain, statement } from './statements.ts'
import { isOfLoop } from './loop-imports.ts'
import { type Node, childrenOf, isFunction, takesByNumber } from './syntax.ts'
import * as tree from './tree.ts'

export type Loop = Node & {
  type: 'ForStatement' | 'WhileStatement' | 'DoWhileStatement' | 'ForOfStatement' | 'ForInStatement'
}
type Over = Node & { type: 'ForOfStatement' | 'ForInStatement' }

export function loop(c: Context, node: Loop, labels: readonly string[]): void {
  if (!c.frame.stops) {
    const written = labels.reduceRight((inner, label) => tree.labeled(label, inner), plainLoop(c, node))
    return c.emit(written)
  }
  const stops = c.stops(node)
  if (node.type === 'ForOfStatement' || node.type === 'ForInStatement') headCellsEarly(c, node)
  const carries = stops ? carriedBy(node, c.module, c.options.spins, c.options.turns) : 'variables'
  c.frame.entries.push(carries === 'variables' ? null : enter(c, node))
  if (node.type === 'ForOfStatement' && c.reach.iterationStops) iterating(c, node, labels, carries)
  else turning(c, node, labels, carries, null)
  c.frame.entries.pop()
}

/** A function may be called anew within a turn of its loop. Outside the kernel, turns are those of one call. */
function enter(c: Context, node: Loop): Node | null {
  const entry = c.help('loop', c.site(node, 'loop'))
  if (c.options.turns && !isOfLoop(c.module.url)) return c.keep(entry)
  c.emit(tree.does(entry))
  return null
}

/** Closures in what is gone through have the variables of the head, which have no value yet. */
function headCellsEarly(c: Context, { left, right }: Over): void {
  if (left.type !== 'VariableDeclaration' || !makesClosures(right)) return
  for (const id of boundIn(left.declarations[0]!.id as Node)) {
    const local = c.localOf(id)
    if (local?.cell === true) c.emit(tree.does(tree.assign(tree.name(local.name), earlyCell(c, local))))
  }
}

/** What is gone through may be an iterator of the program: to close it may stop, where the loop is left early. */
function iterating(
  c: Context,
  node: Node & { type: 'ForOfStatement' },
  labels: readonly string[],
  carries: Carried,
): void {
  const over = c.expression(node.right)
  const cursor = c.point(c.help('openCursor', c.tellsOwn ? c.help('walked', over) : over))
  guarded(
    c,
    () => turning(c, node, labels, carries, cursor),
    (how) => c.point(c.help('closeCursor', cursor, tree.binary('===', how, tree.literal(1)))),
  )
}

/** `cursor` is what such an iterator is gone through with. */
function turning(
  c: Context,
  node: Loop,
  labels: readonly string[],
  carries: Carried,
  cursor: Node | null,
): void {
  const label = c.names.fresh('$loop')
  const next = c.names.fresh('$next')
  c.frame.loops.push(node)
  c.frame.waits.push(carries !== 'variables')
  c.inTarget({ kind: 'loop', labels, label, next: hasTail(c, node) ? next : null }, () => {
    if (node.type === 'ForStatement') counting(c, node, label, next, carries)
    else if (node.type === 'WhileStatement' || node.type === 'DoWhileStatement')
      testing(c, node, label, next, carries)
    else if (cursor === null) going(c, node, label, carries)
    else advancing(c, node, label, carries, cursor)
  })
  c.frame.loops.pop()
  c.frame.waits.pop()
}

/** What follows the body of a turn is more than an expression. */
function hasTail(c: Context, node: Loop): boolean {
  if (node.type === 'DoWhileStatement') return true
  if (node.type !== 'ForStatement') return false
  return c.stops(node.update) || headCells(c, node).length > 0
}

function headCells(c: Context, node: Node & { type: 'ForStatement' }): string[] {
  if (node.init?.type !== 'VariableDeclaration' || node.init.kind !== 'let') return []
  const bound = node.init.declarations.flatMap(({ id }) => boundIn(id as Node))
  return bound.flatMap((id) => {
    const local = c.localOf(id)
    return local?.cell === true ? [local.name] : []
  })
}

/** Counts a turn, and asks whether it is like the last. */
function marks(c: Context, node: Loop, carries: Carried): void {
  const counts = carries === 'variables' && c.tellsOwn ? countersOf(node, c.module) : []
  const site = (): Node => c.site(node, 'loop', counts)
  if (c.options.turns) c.emit(tree.does(c.help(isBusy(node) ? 'busyTurn' : 'turn', site())))
  if (carries === 'variables') return
  const isPlain = carries === 'nothing' || carries === 'properties'
  const values = isPlain ? [] : carries.map((variable) => c.expression(variable))
  const keeps = carries !== 'nothing'
  const entry = c.frame.entries.at(-1)!
  if (entry !== null)
    return void c.point(
      c.help('again', site(), keeps, isPlain ? tree.nothing() : tree.list(values), true, entry),
    )
  c.point(c.help('again', site(), keeps, ...(isPlain ? [] : [tree.list(values)])))
}

/** All that a turn does is to look whether it is the last. */
function isBusy(node: Loop): boolean {
  if (node.type === 'ForOfStatement' || node.type === 'ForInStatement') return false
  const { type, body } = node.body as Node & { body?: readonly unknown[] }
  const isEmpty = type === 'EmptyStatement' || (type === 'BlockStatement' && body!.length === 0)
  return isEmpty && !(node.type === 'ForStatement' && node.update) && !assigns(node.test as Node | null)
}

function assigns(node: Node | null): boolean {
  if (node === null) return false
  return /^(Assignment|Update)Expression$/.test(node.type) || childrenOf(node).some(assigns)
}

function turn(c: Context, node: Loop, carries: Carried): void {
  marks(c, node, carries)
  statement(c, node.body)
}

function counting(
  c: Context,
  node: Node & { type: 'ForStatement' },
  label: string,
  next: string,
  carries: Carried,
): void {
  const { init, test, update } = node
  if (init?.type === 'VariableDeclaration') statement(c, init)
  else if (init) c.emit(tree.does(c.expression(init)))
  const cells = headCells(c, node)
  const tail = hasTail(c, node)
  const inTest = c.stops(test)
  const asked = test && !inTest ? c.expression(test) : null
  const then = update && !tail ? c.expression(update) : null
  // Each turn has variables of its own, which begin as those of the last, or of the head.
  const renew = (): void => {
    for (const cell of cells) {
      const value = tree.object([tree.property(tree.name('v'), tree.member(tree.name(cell), 'v'))])
      c.emit(tree.does(tree.assign(tree.name(cell), c.making(value))))
    }
  }
  if (init && makesClosures(init)) renew()
  const body = c.gather(() => {
    if (inTest) unless(c, test!, label)
    if (!tail) return turn(c, node, carries)
    c.push({ kind: 'label', label: next, body: c.gather(() => turn(c, node, carries)) })
    renew()
    if (update) c.emit(tree.does(c.expression(update)))
  })
  c.push({ kind: 'loop', label, test: asked, update: then, body })
}

function makesClosures(node: Node): boolean {
  return isFunction(node) || childrenOf(node).some(makesClosures)
}

function testing(
  c: Context,
  node: Node & { type: 'WhileStatement' | 'DoWhileStatement' },
  label: string,
  next: string,
  carries: Carried,
): void {
  const isLast = node.type === 'DoWhileStatement'
  const inTest = isLast || c.stops(node.test)
  const asked = inTest ? null : c.expression(node.test)
  const body = c.gather(() => {
    if (!isLast) {
      if (inTest) unless(c, node.test, label)
      return turn(c, node, carries)
    }
    c.push({ kind: 'label', label: next, body: c.gather(() => turn(c, node, carries)) })
    unless(c, node.test, label)
  })
  c.push({ kind: 'loop', label, test: asked, update: null, body })
}

function unless(c: Context, test: Node, label: string): void {
  c.emit(tree.when(tree.not(c.expression(test)), [tree.leave(label)]))
}

/** `for … of` and `for … in`. */
function going(c: Context, node: Over, label: string, carries: Carried): void {
  const isIn = node.type === 'ForInStatement'
  const object = c.expression(node.right)
  const kept = isIn ? c.keep(object) : object
  const cursor = c.keep(c.help('cursor', isIn ? c.help('keysOf', kept) : kept))
  const value = tree.member(cursor, 'value')
  const body = c.gather(() => {
    if (isIn)
      c.emit(
        tree.when(tree.not(c.help('hasKey', kept, value)), [
          tree.make('ContinueStatement', { label: tree.name(label) }),
        ]),
      )
    assignHead(c, node.left as Node, value)
    turn(c, node, carries)
  })
  const over = (): void => c.push({ kind: 'loop', label, test: c.help('step', cursor), update: null, body })
  if (isIn) return over()
  const failed = [tree.does(c.help('failed', cursor)), tree.raises(tree.name('$error'))]
  c.push({
    kind: 'try',
    body: c.gather(over),
    caught: { name: '$error', body: failed },
    last: [tree.does(c.help('close', cursor))],
  })
}

function advancing(c: Context, node: Over, label: string, carries: Carried, cursor: Node): void {
  const body = c.gather(() => {
    const more = c.point(c.help('advance', cursor))
    c.emit(tree.when(tree.not(more), [tree.leave(label)]))
    assignHead(c, node.left as Node, tree.member(cursor, 'value'))
    turn(c, node, carries)
  })
  c.push({ kind: 'loop', label, test: null, update: null, body })
}

function assignHead(c: Context, left: Node, value: Node): void {
  if (left.type !== 'VariableDeclaration') {
    const given = seen(c, left, value)
    if (c.stops(left)) takeApart(c, left, c.keep(given))
    else c.emit(tree.does(c.changing(tree.assign(pattern(c, left), given))))
    return
  }
  const id = left.declarations[0]!.id as Node
  declareAs(c, id, seen(c, id, value))
}

// ---------------------------------------------------------------------------------------------------------------------
// Loops of functions that cannot stop

function plainLoop(c: Context, node: Loop): Node {
  const written = tree.block([
    ...asNodes(
      c.gather(
        () =>
          c.options.turns &&
          c.emit(tree.does(c.help(isBusy(node) ? 'busyTurn' : 'turn', c.site(node, 'loop')))),
      ),
    ),
    plain(c, node.body),
  ])
  const body = c.options.turns ? written : plain(c, node.body)
  switch (node.type) {
    case 'ForStatement': {
      const { init, test, update } = node
      const first = init?.type === 'VariableDeclaration' ? headOf(c, init) : init && c.expression(init)
      return {
        ...node,
        init: first,
        test: test && c.expression(test),
        update: update && c.expression(update),
        body,
      } as Node
    }
    case 'ForOfStatement':
    case 'ForInStatement': {
      const taken = takenInBody(c, node)
      if (taken !== node) return plainLoop(c, taken)
      const left = node.left as Node
      const head = left.type === 'VariableDeclaration' ? headOf(c, left) : pattern(c, left)
      const isOwn = left.type === 'VariableDeclaration' || c.isOwn(left)
      const told = isOwn ? body : tree.block([tree.does(c.change()), body])
      const right = c.expression(node.right)
      const isWalk = c.options.turns && node.type === 'ForOfStatement'
      return { ...node, left: head, right: isWalk ? c.help('walked', right) : right, body: told } as Node
    }
    default:
      return { ...node, test: c.expression(node.test), body } as Node
  }
}

function headOf(c: Context, node: Node & { type: 'VariableDeclaration' }): Node {
  return asNodes(c.gather(() => statement(c, node)))[0]!
}

/** What the head of a loop takes from, seen where it takes elements by number. */
function seen(c: Context, target: Node, value: Node): Node {
  return unpacked(c, target, value)
}

/** A loop whose head takes elements by number: the body does it. */
function takenInBody(c: Context, node: Over): Over {
  const { left, body } = node
  const isDeclared = left.type === 'VariableDeclaration'
  const target = (isDeclared ? left.declarations[0]!.id : left) as Node
  if (!takesByNumber(target)) return node
  const given = tree.name(c.names.fresh('$given'))
  const declarator = { ...(isDeclared ? left.declarations[0] : {}), init: given } as Node
  const takes = isDeclared
    ? ({ ...left, declarations: [declarator] } as Node)
    : tree.does(tree.make('AssignmentExpression', { operator: '=', left: target, right: given }, target))
  const head = tree.declare('const', [[(given as Node & { name: string }).name, null]])
  return { ...node, left: head, body: tree.block([takes, body as Node]) } as Over
}
