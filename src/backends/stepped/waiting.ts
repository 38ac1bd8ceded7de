// Which loops can only wait.

import type { ProgramModule } from './program.ts'
import type { Binding, Scopes } from './scope.ts'
import { type Loop, mayBeReadUnseen, setAnew } from './set-anew.ts'
import { type Node, childrenOf, isFunction } from './syntax.ts'

/**
 * What a turn of a loop takes over from the last besides shared memory: nothing, properties of objects, variables; or
 * these variables (where each is first assigned to), which may well be what they were.
 */
export type Carried = 'nothing' | 'properties' | 'variables' | readonly Node[]

/** More variables than a loop that waits hands on. */
const COMPARED_MAX = 4

/**
 * What a loop takes from one turn to the next. If that is nothing, and what it reads from shared memory is the same as
 * before, so is the next turn. One that counts its turns, or goes through a list, takes variables over; what it counts
 * within a turn does not matter, nor a variable that nobody reads, nor what it sets before it leaves the loop, nor a
 * count of its turns in the variable `spins`. Where `compares`, variables that are only set, as in `while (value ===
 * null) value = take()`, are named.
 */
export function carriedBy(
  loop: Node,
  module: ProgramModule,
  spins: string | null,
  compares: boolean,
): Carried {
  const { bindings } = module.scopes
  if (loop.type === 'ForOfStatement' || loop.type === 'ForInStatement') return 'variables'
  const isSpin = loop.type === 'ForStatement' && counts(loop.update, spins)
  const fresh = declaredInTurn(loop, bindings)
  const { test, body } = loop as Loop
  const update = loop.type === 'ForStatement' && !isSpin ? (loop.update ?? null) : null
  const parts = [test, body, update].filter((part) => part != null)
  const { assigned, counted, hasProperties, isUnclear } = assignmentsIn(parts, loop, bindings)
  if (isUnclear) return 'variables'
  const isSet = setAnew(loop as Loop, { test: test ?? null, body, update }, module)
  const carried = [...assigned.keys()].filter(
    (each) => !fresh.has(each) && !isSet.has(each) && !(compares && isUnread(each, module)),
  )
  if (carried.length === 0) return hasProperties ? 'properties' : 'nothing'
  if (!compares || carried.length > COMPARED_MAX || carried.some((each) => counted.has(each)))
    return 'variables'
  return carried.map((each) => assigned.get(each)!)
}

/** The variables in which a loop counts its turns, and of which something is read. */
export function countersOf(loop: Node, module: ProgramModule): readonly string[] {
  const { bindings } = module.scopes
  const fresh = declaredInTurn(loop, bindings)
  const { counted } = assignmentsIn(childrenOf(loop), loop, bindings)
  return [...counted].filter((each) => !fresh.has(each) && !isUnread(each, module)).map(({ name }) => name)
}

/** Nobody reads anything of the variable. */
export function isUnread(binding: Binding, module: ProgramModule): boolean {
  return !module.scopes.reads.read.has(binding) && !mayBeReadUnseen(binding, module)
}

interface Assignments {
  /** Each with the place where it is first assigned to. */
  readonly assigned: ReadonlyMap<Binding, Node>
  /** Those of them that are given what they were and something more, and so never what they were. */
  readonly counted: ReadonlySet<Binding>
  /** Something is assigned to a property; to something else, of which it is not clear what it is. */
  readonly hasProperties: boolean
  readonly isUnclear: boolean
}

/** What a turn assigns to, unless it leaves the loop then. */
function assignmentsIn(parts: readonly Node[], loop: Node, bindings: Scopes['bindings']): Assignments {
  const found = {
    assigned: new Map<Binding, Node>(),
    counted: new Set<Binding>(),
    hasProperties: false,
    isUnclear: false,
  }
  const mayLeave = !contains(loop, (node) => node.type === 'TryStatement')
  const note = (target: Node, isCounted: boolean): void => {
    const binding = target.type === 'Identifier' ? bindings.get(target) : undefined
    if (target.type === 'MemberExpression') found.hasProperties = true
    else if (binding === undefined) found.isUnclear = true
    else {
      if (!found.assigned.has(binding)) found.assigned.set(binding, target)
      if (isCounted) found.counted.add(binding)
    }
  }
  const visit = (node: Node): void => {
    if (isFunction(node) || (mayLeave && leaves(node, loop))) return
    if (node.type === 'UpdateExpression') note(node.argument as Node, true)
    if (node.type === 'AssignmentExpression') note(node.left as Node, node.operator !== '=')
    if ((node.type === 'ForOfStatement' || node.type === 'ForInStatement') && node !== loop)
      noteHead(node.left as Node)
    if (node.type === 'VariableDeclaration' && node.kind === 'var')
      for (const { id, init } of node.declarations) if (init) note(id as Node, false)
    for (const child of childrenOf(node)) visit(child)
  }
  const noteHead = (left: Node): void => {
    if (left.type !== 'VariableDeclaration') note(left, false)
    else if (left.kind === 'var') note(left.declarations[0]!.id as Node, false)
  }
  for (const part of parts) visit(part)
  return found
}

function counts(update: Node | null | undefined, variable: string | null): boolean {
  if (update?.type !== 'UpdateExpression' || update.argument.type !== 'Identifier') return false
  return update.argument.name === variable
}

/** A block that ends by leaving the loop: nothing of what it does is there in a next turn. */
function leaves(node: Node, loop: Node): boolean {
  if (node.type !== 'BlockStatement') return false
  const last = node.body.at(-1)
  const isLast =
    last?.type === 'ReturnStatement' ||
    last?.type === 'ThrowStatement' ||
    (last?.type === 'BreakStatement' && leadsOut(last, loop))
  const mayGoOn = (inner: Node): boolean =>
    inner.type === 'ContinueStatement' || (inner.type === 'BreakStatement' && !!inner.label && inner !== last)
  return isLast && !contains(node, mayGoOn)
}

/** A jump by a label that the loop does not contain. */
function leadsOut({ label }: Node & { type: 'BreakStatement' }, loop: Node): boolean {
  if (!label) return false
  return !contains(loop, (node) => node.type === 'LabeledStatement' && node.label.name === label.name)
}

function contains(node: Node, isMeant: (node: Node) => boolean): boolean {
  return childrenOf(node).some((child) => isMeant(child) || contains(child, isMeant))
}

/** Variables that each turn of a loop begins anew. */
function declaredInTurn(loop: Node & { body?: unknown }, bindings: Scopes['bindings']): Set<Binding> {
  const declared = new Set<Binding>()
  const visit = (node: Node): void => {
    if (isFunction(node)) return
    if (node.type === 'VariableDeclaration' && node.kind !== 'var') {
      for (const { id } of node.declarations) {
        const binding = id.type === 'Identifier' ? bindings.get(id) : undefined
        if (binding !== undefined) declared.add(binding)
      }
    }
    for (const child of childrenOf(node)) visit(child)
  }
  visit(loop.body as Node)
  return declared
}
