// The variables of a function that can stop.
//
// When it goes on, it goes on in another activation, whose variables get the values that were saved. All of them are
// declared at the top of the function, so those of inner blocks get names of their own. A closure keeps the variables
// of the activation that made it: a variable that changes after a closure has taken it lives in a cell, which both
// activations have.

import type { ProgramModule } from './program.ts'
import type { Binding } from './scope.ts'
import { type FunctionNode, type Node, childrenOf, isFunction } from './syntax.ts'

export interface Local {
  readonly binding: Binding
  readonly name: string
  /** Its value is the property `v` of what the variable holds. */
  readonly cell: boolean
  readonly isParameter: boolean
  /** The cell is there from the beginning of the block on: closures take it before the declaration. */
  readonly isEarly: boolean
  /** Each turn of a loop has its own. */
  readonly inLoop: boolean
  /** Where it is named, as offsets in the text, ascending. */
  readonly places: readonly number[]
  /** Of `let`, `const` and classes: where nothing may ask for it yet, since its declaration comes later. */
  readonly dead: readonly Span[]
  /** Values of fields within, which nothing asks for before an object is made. */
  readonly fields: readonly Span[]
}

/** Offsets in the text, the second excluded. */
type Span = readonly [from: number, to: number]

/** Names that are used in a module, and those that were given. */
export class Names {
  readonly #used: Set<string>

  constructor(module: ProgramModule) {
    this.#used = new Set(module.text.match(/[\p{ID_Start}$_][\p{ID_Continue}$]*/gu))
  }

  /** A name that nothing else has, like `wanted`. */
  fresh(wanted: string): string {
    for (let number = 1; ; number++) {
      const name = `${wanted}$${number}`
      if (this.#used.has(name)) continue
      this.#used.add(name)
      return name
    }
  }
}

interface Found {
  readonly binding: Binding
  /** Where its declaration ends. */
  declared: number
  /** By `var`: it is there from the beginning of the function on. */
  isVar: boolean
  /** Each turn of a loop has its own. */
  inLoop: boolean
  readonly dead: Span[]
  readonly places: number[]
  /** Where functions inside begin that name it. */
  readonly takenBy: Node[]
}

/** The variables of `node`, by their declaration; without its parameters, where `arguments` are these. */
export function localsOf(
  module: ProgramModule,
  node: FunctionNode,
  names: Names,
  isMapped = false,
): Map<Binding, Local> {
  const { bindings } = module.scopes
  const found = new Map<Binding, Found>()
  /** Names by which something else is meant in the function. */
  const meantElse = new Map<string, Set<Binding | null>>()
  const loops: Node[] = []
  const caught: Node[] = []
  let declaration = 0
  let isVar = false
  const visit = (inner: Node, taker: Node | null): void => {
    if (inner.type === 'Identifier') noteName(inner, taker)
    const next = taker ?? (isOwnActivation(inner) && inner !== (node as Node) ? inner : null)
    if (next === null && isLoop(inner)) loops.push(inner)
    if (inner.type === 'CatchClause' && inner.param && next === null) caught.push(inner.param as Node)
    if (inner.type === 'VariableDeclaration') isVar = inner.kind === 'var'
    if (inner.type === 'VariableDeclarator' && next === null) {
      declaration = inner.end
      visit(inner.id as Node, next)
      declaration = 0
      if (!isVar) for (const id of boundBy(inner.id as Node)) noteDead(id, inner.init ?? null)
      const wasVar = isVar
      if (inner.init) visit(inner.init, next)
      isVar = wasVar
      return
    }
    // In `{ a }` the name is there twice, and the second is the variable.
    const children = inner.type === 'Property' ? [inner.key as Node, inner.value as Node] : childrenOf(inner)
    for (const child of children) if (!isKey(inner, child)) visit(child, next)
  }
  const noteName = (inner: Node & { type: 'Identifier' }, taker: Node | null): void => {
    const binding = bindings.get(inner)
    const isMeant = !isMapped || binding?.kind !== 'parameter' || binding.scope !== (node as Node)
    const isOwn = binding !== undefined && isMeant && isLocal(binding, node)
    let meanings = meantElse.get(inner.name)
    if (meanings === undefined) meantElse.set(inner.name, (meanings = new Set()))
    meanings.add(isOwn || taker === null || binding === undefined ? (binding ?? null) : null)
    if (!isOwn) return
    let known = found.get(binding)
    if (known === undefined)
      found.set(
        binding,
        (known = { binding, declared: 0, isVar: false, inLoop: false, dead: [], places: [], takenBy: [] }),
      )
    known.places.push(inner.start)
    known.declared ||= declaration
    if (declaration > 0 && isVar) known.isVar = true
    if (taker !== null) known.takenBy.push(taker)
  }
  const noteDead = (id: Node, init: Node | null): void => {
    const known = found.get(bindings.get(id)!)
    if (known === undefined) return
    const { scope } = known.binding
    // What is gone through knows the variables of the head, which have no value.
    if (scope.type === 'ForOfStatement' || scope.type === 'ForInStatement')
      known.dead.push([scope.right.start, scope.right.end])
    if (/^For(In|Of)|^Catch/.test(scope.type)) return
    known.dead.push([known.binding.scope.start, id.start])
    if (init !== null) known.dead.push([init.start, init.end])
  }
  /** Parameters have their values from left to right; those of a pattern after its default value. */
  const noteParameters = (pattern: Node, from: number, defaults: readonly Span[]): void => {
    if (pattern.type === 'AssignmentPattern') {
      const { left, right } = pattern
      noteParameters(left as Node, from, [...defaults, [right.start, right.end]])
      return
    }
    if (pattern.type !== 'Identifier') {
      for (const inner of partsOf(pattern)) noteParameters(inner, from, defaults)
      return
    }
    const known = found.get(bindings.get(pattern)!)
    if (known === undefined) return
    known.dead.push([from, pattern.start], ...defaults)
    known.declared = Math.max(pattern.end, ...defaults.map(([, end]) => end))
  }
  visit(node as Node, null)
  for (const parameter of node.params) noteParameters(parameter as Node, node.params[0]!.start, [])
  for (const param of caught) noteParameters(param, param.start, [])
  return new Map(
    [...found.values()].map((each) => {
      const { binding, places } = each
      each.inLoop = loops.some(({ start, end }) => binding.scope.start >= start && binding.scope.end <= end)
      const isParameter = binding.scope === (node as Node) && binding.kind === 'parameter'
      const alone = isParameter || meantElse.get(binding.name)!.size === 1
      const isOfSwitch = isPassedOver(each)
      const cell = isOfSwitch || !isSafe(each, isParameter)
      const name = alone && !(cell && isParameter) ? binding.name : names.fresh(binding.name)
      const { inLoop } = each
      const { value } = binding
      const dead =
        binding.kind === 'class' && value ? [[binding.scope.start, value.start] as Span] : each.dead
      const fields = each.takenBy
        .filter((taker) => taker.type === 'PropertyDefinition' && !taker.static)
        .map(({ start, end }): Span => [start, end])
      const isEarly = isOfSwitch || (cell && binding.kind !== 'function' && isTakenEarly(each, isParameter))
      const all = { binding, name, cell, isEarly, isParameter, inLoop, fields }
      return [binding, { ...all, dead, places: places.toSorted((a, b) => a - b) }]
    }),
  )
}

/** The parts of a pattern that bind something. */
function partsOf(pattern: Node): readonly Node[] {
  switch (pattern.type) {
    case 'ObjectPattern':
      return pattern.properties.map(
        (each) => (each.type === 'RestElement' ? each.argument : each.value) as Node,
      )
    case 'ArrayPattern':
      return pattern.elements.filter((each) => each !== null) as Node[]
    case 'RestElement':
      return [pattern.argument as Node]
    default:
      return []
  }
}

/** A `case` that is passed over declares it, and another names it: only when it runs shows whether it has a value. */
function isPassedOver({ binding, isVar, places }: Found): boolean {
  const { scope, kind } = binding
  if (scope.type !== 'SwitchStatement' || isVar || kind === 'function') return false
  const declared = scope.cases.find(({ consequent }) =>
    (consequent as Node[]).some((each) => declares(each, places)),
  )
  return declared !== undefined && places.some((at) => at < declared.start || at >= declared.end)
}

/** A declaration that is at one of these places. */
function declares(node: Node, places: readonly number[]): boolean {
  const ids =
    node.type === 'VariableDeclaration'
      ? node.declarations.flatMap(({ id }) => boundBy(id as Node))
      : node.type === 'ClassDeclaration'
        ? [node.id as Node]
        : []
  return ids.some(({ start }) => places.includes(start))
}

/** The identifiers that a declaration binds. */
function boundBy(node: Node): Node[] {
  switch (node.type) {
    case 'Identifier':
      return [node]
    case 'AssignmentPattern':
      return boundBy(node.left as Node)
    case 'RestElement':
      return boundBy(node.argument as Node)
    case 'Property':
      return boundBy(node.value as Node)
    default:
      return childrenOf(node).flatMap(boundBy)
  }
}

/** A name that means no variable. */
function isKey(node: Node, child: Node): boolean {
  if (node.type === 'MemberExpression') return child === node.property && !node.computed
  if (node.type === 'Property') return child === node.key && !node.computed
  if (node.type === 'MethodDefinition' || node.type === 'PropertyDefinition')
    return child === node.key && !node.computed
  return 'label' in node && child === node.label
}

/** What it names is of the activation of the function, and not of a function, class or field inside. */
function isLocal(binding: Binding, node: FunctionNode): boolean {
  if (binding.owner !== (node as Node) || binding.kind === 'import') return false
  if (binding.kind === 'class') return binding.scope !== binding.value
  return !(binding.kind === 'function' && binding.value?.type === 'FunctionExpression')
}

/** Code of its own activation: a function, the value of a field, a static block. */
function isOwnActivation(node: Node): boolean {
  return isFunction(node) || node.type === 'PropertyDefinition' || node.type === 'StaticBlock'
}

/** A closure is made, or may be, before it has a value. */
function isTakenEarly({ binding, declared, isVar, places, takenBy }: Found, isParameter: boolean): boolean {
  if (isParameter) return takenBy.some(({ start }) => start < declared)
  if (isVar) return true
  // What the head of a loop declares, or a `catch`, is there before the block.
  if (/^For|^Catch/.test(binding.scope.type)) return false
  const from = declared || Math.min(...places)
  return takenBy.some(
    (taker) => taker !== binding.value && (taker.start <= from || taker.type === 'FunctionDeclaration'),
  )
}

/** Closures may keep a copy: they are made when it has its value, and that stays. */
function isSafe({ binding, declared, inLoop, places, takenBy }: Found, isParameter: boolean): boolean {
  if (takenBy.length === 0) return true
  if (binding.reassigned || inLoop) return false
  if (binding.kind === 'function') return true
  if (isParameter) return takenBy.every(({ start }) => start >= declared)
  const from = declared || Math.min(...places)
  return takenBy.every(
    (taker) => taker === binding.value || (taker.start > from && taker.type !== 'FunctionDeclaration'),
  )
}

export function isLoop(node: Node): boolean {
  return /^(For|ForOf|ForIn|While|DoWhile)Statement$/.test(node.type)
}
