// Functions in the steppable form.

import { unpacked } from './by-number.ts'
import type { Context } from './context.ts'
import type { Frame } from './frame.ts'
import { namesOf } from './context.ts'
import { type Kept, type Steps, writeBody } from './form.ts'
import { type Local, localsOf } from './locals.ts'
import { boundIn, cellOf, declareAs, defaultOf, earlyCell, pattern } from './patterns.ts'
import type { FunctionInfo } from './function-values.ts'
import { asNodes, statement, statements, usingFrom } from './statements.ts'
import { type FunctionNode, type Node, childrenOf, isFunction, refuse, takesByNumber } from './syntax.ts'
import { HELPER } from './names.ts'
import * as tree from './tree.ts'

export function functionOf(c: Context, node: FunctionNode): Node {
  const info = c.reach.values.functions.get(node)!
  if (!info.stepped) for (const parameter of node.params) checkParameter(c, parameter as Node)
  return info.stepped ? steppedFunction(c, node, info) : plainFunction(c, node, info)
}

/**
 * What makes closures of variables that each turn of a loop has anew: it takes the cells of its turn, as the variables
 * that hold them go on to the next.
 */
export function withOwnCells(c: Context, node: Node, written: Node): Node {
  const { frame } = c
  const taken = new Set<string>()
  const visit = (inner: Node): void => {
    const local = inner.type === 'Identifier' ? c.localOf(inner) : undefined
    if (local?.cell === true && local.inLoop && local.binding.owner === (frame.info.node as Node))
      taken.add(local.name)
    const children = inner.type === 'Property' ? [inner.key as Node, inner.value as Node] : childrenOf(inner)
    for (const child of children) visit(child)
  }
  if (frame.stops && frame.locals.some(({ cell, inLoop }) => cell && inLoop)) visit(node)
  if (taken.size === 0) return written
  return tree.wrapped(written, (inner) =>
    tree.call(
      tree.arrow([...taken], [tree.gives(inner)]),
      [...taken].map((each) => tree.name(each)),
    ),
  )
}

function checkParameter(c: Context, parameter: Node): void {
  if (!takesByNumber(parameter)) return
  const remedy = 'give the object a name, and take the element by name[index]'
  refuse(c.module, parameter, 'a pattern that takes elements by number from a value without a name', remedy)
}

// ---------------------------------------------------------------------------------------------------------------------
// Functions that cannot stop

function plainFunction(c: Context, node: FunctionNode, info: FunctionInfo): Node {
  const frame = c.frameOf(info, false, null, [])
  return c.inFrame(frame, () => {
    const params = node.params.map((each) => c.outside(() => pattern(c, each as Node, true)))
    const [directives, own] = directivesOf(node)
    // Its text is to tell that it is one of the program: see callees.ts.
    const mark = c.options.turns ? [tree.does(tree.literal(HELPER))] : []
    const guard: Node[] = node.async
      ? [tree.when(c.help('asynchronous', c.site(node as Node, 'async')), [tree.gives(null)])]
      : []
    if (node.body.type !== 'BlockStatement') {
      const value = c.resultOf(c.expression(node.body))!
      if (frame.innerMax === 0 && guard.length === 0 && mark.length === 0 && !c.isTraced())
        return { ...node, params, body: value, expression: true } as Node
      return {
        ...node,
        params,
        body: tree.block([
          ...mark,
          ...guard,
          ...temporaries(frame),
          ...reported(c, info, [tree.gives(value)]),
        ]),
        expression: false,
      } as unknown as Node
    }
    const body = asNodes(c.gather(() => statements(c, own)))
    const end = frame.probe?.result === true ? [tree.gives(c.resultOf(null))] : []
    const all = [...guard, ...temporaries(frame), ...reported(c, info, [...body, ...end])]
    return { ...node, params, body: tree.block([...mark, ...directives, ...all]) } as unknown as Node
  })
}

/** Directives of a body, and its other statements. */
function directivesOf({ body }: FunctionNode): [Node[], Node[]] {
  if (body.type !== 'BlockStatement') return [[], []]
  const isDirective = (each: Node): boolean => each.type === 'ExpressionStatement' && 'directive' in each
  const nodes = body.body as Node[]
  return [nodes.filter(isDirective), nodes.filter((each) => !isDirective(each))]
}

function temporaries(frame: Frame): Node[] {
  const names = innerNames(frame)
  return names.length === 0
    ? []
    : [
        tree.declare(
          'let',
          names.map((each) => [each, null]),
        ),
      ]
}

function innerNames(frame: Frame): string[] {
  return Array.from({ length: frame.innerMax }, (_, index) => `$${index}`)
}

/** Reports the call of a function and its return, where somebody wants to know. */
function reported(c: Context, info: FunctionInfo, body: readonly Node[]): readonly Node[] {
  if (!c.isTraced()) return body
  const { probe } = c.frame
  if (probe === undefined)
    return [
      ...enters(c, info),
      tree.make('TryStatement', {
        block: tree.block(body),
        handler: null,
        finalizer: tree.block(ends(c, info)),
      }),
    ]
  return [
    ...enters(c, info),
    ...(probe.result === true
      ? givenNames(info).map(([each, value]) => tree.declare('const', [[each, value]]))
      : []),
    ...body,
  ]
}

function enters(c: Context, info: FunctionInfo): Node[] {
  const names = namesOf(info).map((each) => tree.name(each))
  const { probe } = c.frame
  return [
    tree.does(
      probe === undefined
        ? c.help('enter', callSite(c, info), tree.list(names))
        : c.help('probe', probe.id, ...names),
    ),
  ]
}

function ends(c: Context, info: FunctionInfo): Node[] {
  return [tree.does(c.help('leave', callSite(c, info)))]
}

function callSite(c: Context, info: FunctionInfo): Node {
  return c.site(info.node as Node, 'call')
}

/** What a function was given, under names of its own. */
function givenNames(info: FunctionInfo): [string, Node][] {
  return namesOf(info).map((each, index) => [`$given${index}`, tree.name(each)])
}

// ---------------------------------------------------------------------------------------------------------------------
// Functions that can stop

function steppedFunction(c: Context, node: FunctionNode, info: FunctionInfo): Node {
  const uses = usesOf(node as Node)
  const isMapped = uses.arguments && hasMappedArguments(c, node)
  const locals = localsOf(c.module, node, c.names, isMapped)
  const constructs =
    info.constructs ??
    (isConstructor(node) && (uses.this || uses.target || c.reach.mayBeMade(info)) ? 'perhaps' : null)
  const frame = c.frameOf(info, true, constructs, [...locals.values()])
  return c.inFrame(frame, () => {
    frame.statement = node.body.start
    const { params, moved } = parametersOf(c, node)
    for (const [binding, local] of locals) c.locals.set(binding, local)
    const [directives, own] = directivesOf(node)
    const steps = c.gather(() => {
      enterSteps(c, node, info, frame.locals, moved)
      bodySteps(c, node, info, own)
    })
    // Who changes `arguments` changes the parameters of the one activation that has both.
    const isSingle = isMapped || holdsStepped(c, node as Node)
    const kept = keptOf(c, node, info, frame, uses, isSingle)
    const names = { state: c.runtime('state'), save: c.runtime('save') }
    let body = writeBody(steps, kept, names, isSingle)
    if (constructs === 'derived')
      body = body.map((each) => adapted(each, { this: true, others: false, returns: null }))
    const isClass = constructs === 'class' || constructs === 'derived'
    const given = tree.member(tree.name(names.state), 'given')
    const first = isClass
      ? [tree.when(tree.binary('!==', given, tree.literal(null)), [tree.gives(c.help('takeGiven'))])]
      : []
    const written = { ...node, params, body: tree.block([...directives, ...first, ...body]) }
    return (node.type === 'ArrowFunctionExpression'
      ? { ...written, expression: false }
      : written) as unknown as Node
  })
}

/** Its `arguments` change with its parameters: it is not strict, and these are names only. */
function hasMappedArguments(c: Context, node: FunctionNode): boolean {
  if (node.type === 'ArrowFunctionExpression' || c.module.format !== 'commonjs') return false
  if (node.params.length === 0 || node.params.some((each) => each.type !== 'Identifier')) return false
  return !isStrict(c.module.program, node as Node)
}

/** A directive, or a class around it, makes it strict. */
function isStrict(around: Node, node: Node): boolean {
  if (around.type === 'ClassDeclaration' || around.type === 'ClassExpression') return true
  const body = (isFunction(around) ? (around.body as Node) : around) as { body?: readonly Node[] }
  const isBody = around.type === 'Program' || isFunction(around)
  if (isBody && Array.isArray(body.body) && body.body.some((each) => isUseStrict(each as Node))) return true
  if (around === node) return false
  const inner = childrenOf(around).find((each) => each.start <= node.start && each.end >= node.end)
  return inner !== undefined && isStrict(inner, node)
}

function isUseStrict(node: Node): boolean {
  return (node as { directive?: string }).directive === 'use strict'
}

/** `new` can call it. */
function isConstructor(node: FunctionNode): boolean {
  return node.type === 'FunctionDeclaration' || node.type === 'FunctionExpression'
}

/** From which parameter on they get their values in the body; -1: none. */
function firstMoved(c: Context, node: FunctionNode): number {
  const { constructs } = c.frame
  // A constructor of a class may be called again for an object that is made.
  const isClass = constructs === 'class' || constructs === 'derived'
  const all = node.params as Node[]
  const isMoved = (each: Node): boolean =>
    c.stops(each) || holdsFunction(each) || takesByNumber(each) || (isClass && each.type !== 'Identifier')
  // Those before may name those that are: they do so in the body, too.
  return all.some(isMoved) ? all.findIndex((each) => each.type !== 'Identifier') : -1
}

/** Parameters stay as they are, unless their default values may stop: those are given in the body. */
function parametersOf(c: Context, node: FunctionNode): { params: Node[]; moved: [Node, string][] } {
  const all = node.params as Node[]
  const first = firstMoved(c, node)
  const moved: [Node, string][] = []
  const params = all.map((each, index) => {
    if (first < 0 || index < first) return c.outside(() => pattern(c, each, true))
    const given = `$a${index}`
    moved.push([each.type === 'RestElement' ? (each.argument as Node) : each, given])
    if (each.type === 'RestElement') return { ...each, argument: tree.name(given) } as Node
    if (each.type !== 'AssignmentPattern') return tree.name(given)
    return tree.make('AssignmentPattern', { left: tree.name(given), right: tree.nothing() })
  })
  return { params, moved }
}

function enterSteps(
  c: Context,
  node: FunctionNode,
  info: FunctionInfo,
  locals: readonly Local[],
  moved: readonly [Node, string][],
): void {
  if (c.isTraced()) for (const each of enters(c, info)) c.emit(each)
  if (c.frame.probe?.result === true) {
    for (const [each, value] of givenNames(info)) c.emit(tree.does(tree.assign(tree.name(each), value)))
  }
  const given = moved.map(([target, from]): [Node, Node] => [target, c.keep(tree.name(from))])
  const fromBody = new Set(moved.flatMap(([target]) => boundIn(target).map(({ name }) => name)))
  for (const local of locals) {
    const { binding, isEarly, name } = local
    if (isEarly && binding.scope === (node as Node))
      c.emit(tree.does(tree.assign(tree.name(name), earlyCell(c, local))))
  }
  for (const { binding, cell, isParameter, name } of locals) {
    if (!cell || !isParameter || fromBody.has(binding.name)) continue
    c.emit(tree.does(tree.assign(tree.name(name), cellOf(c, binding.name, tree.name(binding.name)))))
  }
  // What is named in them is still to come.
  if (given.length > 0) c.frame.statement = node.params[0]!.start
  for (const [target, value] of given) {
    if (target.type === 'AssignmentPattern') {
      const then = c.gather(() => c.emit(tree.does(tree.assign(value, defaultOf(c, target)))))
      c.push({ kind: 'if', test: tree.binary('===', value, tree.nothing()), yes: then, otherwise: [] })
    }
    if (takesByNumber(target)) c.emit(tree.does(tree.assign(value, unpacked(c, target, value))))
    declareAs(c, target.type === 'AssignmentPattern' ? (target.left as Node) : target, value)
  }
  c.frame.statement = node.body.start
}

function bodySteps(c: Context, node: FunctionNode, info: FunctionInfo, own: readonly Node[]): void {
  const { probe, constructs } = c.frame
  const write = (): void => {
    if (node.body.type !== 'BlockStatement') {
      statement(c, tree.make('ReturnStatement', { argument: node.body }, node.body))
      return
    }
    const using = own.findIndex(
      (each) => each.type === 'VariableDeclaration' && (each.kind as string) === 'using',
    )
    if (using >= 0) usingFrom(c, own, using)
    else statements(c, own)
    if (probe?.result === true || (constructs !== null && constructs !== 'perhaps'))
      c.emit(tree.gives(c.resultOf(null)))
  }
  if (!c.isTraced() || probe !== undefined) return write()
  const body: Steps = c.inDetour('try', () => c.gather(write))
  c.push({ kind: 'try', body, caught: null, last: ends(c, info) })
}

function keptOf(
  c: Context,
  node: FunctionNode,
  info: FunctionInfo,
  frame: Frame,
  uses: Uses,
  single: boolean,
): Kept {
  const given = frame.probe?.result === true ? givenNames(info).map(([each]) => each) : []
  const outer = Array.from({ length: frame.outerMax }, (_, index) => `$t${index}`)
  const isDerived = frame.constructs === 'derived'
  const own = frame.locals.flatMap((local) => (local.isParameter && !local.cell ? [] : [local.name]))
  const moved = frame.locals.flatMap(({ isParameter, cell, binding }) =>
    isParameter && !cell && !isNative(c, node, binding.name) ? [binding.name] : [],
  )
  const declared = [
    ...new Set([...(isDerived ? ['$self'] : []), ...own, ...moved, ...outer, ...innerNames(frame), ...given]),
  ]
  const parameters = frame.locals.flatMap(({ isParameter, binding }) =>
    isParameter && !declared.includes(binding.name) ? [binding.name] : [],
  )
  const all = [...declared, ...parameters]
  const always = new Set([...(isDerived ? ['$self'] : []), ...given])
  const variables = all.filter((each) => frame.kept.has(each) || always.has(each))
  const isArrow = node.type === 'ArrowFunctionExpression'
  const self = tree.make('ThisExpression', {})
  const target = tree.make('MetaProperty', { meta: tree.name('new'), property: tree.name('target') })
  const isNew = tree.binary('!==', target, tree.nothing())
  const perhaps = frame.constructs === 'perhaps'
  const surroundings: [string, Node][] = []
  if (!isArrow && !isDerived && (uses.this || perhaps || frame.constructs === 'class'))
    surroundings.push(['$self', self])
  if (!isArrow && !isDerived && uses.arguments) surroundings.push(['$args', tree.name('arguments')])
  if (!isArrow && !isDerived && uses.target) surroundings.push(['$target', target])
  if (perhaps) surroundings.push(['$new', isNew])
  const returns = perhaps ? (single ? [isNew, self] : [tree.name('$new'), tree.name('$self')]) : null
  const wrap = returns && ((value: Node): Node => tree.call(c.runtime('returned'), [...returns, value]))
  const isOwn = !isArrow && !single && !isDerived
  const isSame = wrap === null && (!isOwn || surroundings.length === 0)
  const adapt = (each: Node): Node =>
    isSame ? each : adapted(each, { this: isOwn, others: isOwn, returns: wrap })
  return { declared, parameters, variables, surroundings, adapt }
}

/** The parameter is one of the function in its steppable form too. */
function isNative(c: Context, node: FunctionNode, name: string): boolean {
  const first = firstMoved(c, node)
  return (
    first < 0 ||
    (node.params as Node[]).slice(0, first).some((each) => boundIn(each).some((id) => id.name === name))
  )
}

function holdsFunction(node: Node): boolean {
  return isFunction(node) || childrenOf(node).some(holdsFunction)
}

/** A function inside can stop. */
function holdsStepped(c: Context, node: Node): boolean {
  return childrenOf(node).some(
    (child) => (isFunction(child) && c.reach.values.functions.get(child)!.stepped) || holdsStepped(c, child),
  )
}

interface Uses {
  this: boolean
  arguments: boolean
  target: boolean
}

/** What a function, and the arrow functions in it, take from how it was called. */
function usesOf(node: Node): Uses {
  const uses = { this: false, arguments: false, target: false }
  const visit = (inner: Node): void => {
    if (inner.type === 'ThisExpression') uses.this = true
    if (inner.type === 'MetaProperty' && inner.meta.name === 'new') uses.target = true
    if (inner.type === 'Identifier' && inner.name === 'arguments') uses.arguments = true
    if (inner !== node && isFunction(inner) && inner.type !== 'ArrowFunctionExpression') return
    if (inner.type === 'PropertyDefinition' || inner.type === 'StaticBlock') return
    for (const child of childrenOf(inner)) visit(child)
  }
  visit(node)
  return uses
}

interface Adaptation {
  /** `this` is a variable; so are `arguments` and `new.target`. */
  readonly this: boolean
  readonly others: boolean
  /** What is made of what is returned. */
  readonly returns: ((value: Node) => Node) | null
}

/** The code of a function that goes on in another one. */
function adapted(node: Node, how: Adaptation): Node {
  if (how.this && node.type === 'ThisExpression') return tree.name('$self')
  if (how.others) {
    if (node.type === 'Identifier' && node.name === 'arguments') return tree.name('$args')
    if (node.type === 'MetaProperty' && node.meta.name === 'new') return tree.name('$target')
  }
  const isInner = isFunction(node)
  if (isInner && node.type !== 'ArrowFunctionExpression') return node
  if (node.type === 'PropertyDefinition' || node.type === 'StaticBlock' || node.type === 'MethodDefinition') {
    if (!('computed' in node) || !node.computed) return node
    return { ...node, key: adapted(node.key as Node, how) } as Node
  }
  const inner = isInner ? { ...how, returns: null } : how
  if (isInner && !how.this) return node
  const fields = Object.entries(node).map(([key, value]): [string, unknown] => {
    if (key === 'loc') return [key, value]
    if (isMethodValue(node, key)) return [key, value]
    if (Array.isArray(value))
      return [key, value.map((each: unknown) => (isTree(each) ? adapted(each, inner) : each))]
    return [key, isTree(value) ? adapted(value, inner) : value]
  })
  const written = Object.fromEntries(fields) as unknown as Node
  if (written.type !== 'ReturnStatement' || how.returns === null) return written
  return { ...written, argument: how.returns((written.argument as Node | null) ?? tree.nothing()) } as Node
}

/** A name that is no variable. */
function isMethodValue(node: Node, key: string): boolean {
  if (node.type === 'MemberExpression') return key === 'property' && !node.computed
  if (node.type === 'Property') return key === 'key' && !node.computed
  return key === 'label'
}

function isTree(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && typeof (value as Node).type === 'string'
}
