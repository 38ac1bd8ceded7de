// What the parts of the transform have in common: the module, the function that is being written, and its temporaries.

import type { Detour, EmitOptions, Frame, Goal, Probe, Target } from './frame.ts'
import { RUNTIME, stepsCallbacks } from './names.ts'
import type { ProgramModule } from './program.ts'
import { directOperation } from './outline.ts'
import type { FunctionInfo } from './function-values.ts'
import type { Reach } from './reach.ts'
import { isUnread } from './waiting.ts'
import { isOfLoop, leavesNothing } from './loop-imports.ts'
import { isArrayFrom, iteratesGiven, mapperOf } from './reach-syntax.ts'
import type { Binding } from './scope.ts'
import type { SiteTable } from './sites.ts'
import type { Step, Steps } from './form.ts'
import { type Local, Names } from './locals.ts'
import { type FunctionNode, type Node, childrenOf, isFunction, positionOf, propertyName } from './syntax.ts'
import * as tree from './tree.ts'

/** What stands before the number of a place, until that is one of a program: no character of a program. */
export const SITE = '\u{FDD0}'

export interface Parts {
  expression(context: Context, node: Node): Node
  functionOf(context: Context, node: FunctionNode): Node
  classOf(context: Context, node: Node): Node
  /** A loop with its labels. */
  loop(context: Context, node: Node & { body: unknown }, labels: readonly string[]): void
  withOwnCells(context: Context, node: Node, written: Node): Node
  /** Returns a value, by what is to be done first. */
  leaves(context: Context, value: Node | null): void
  /** A value for a variable, whose name it may get. */
  valueFor(context: Context, node: Node, value: Node): Node
  /** A pattern whose parts nothing stops. */
  pattern(context: Context, node: Node): Node
  /** Takes a value apart into the variables of a pattern, step by step. */
  takeApart(context: Context, node: Node, value: Node): void
  /** Does `body`, and then `last`, however that ended. */
  guarded(context: Context, body: () => void, last: (how: Node, what: Node) => void): void
}

export class Context {
  readonly module: ProgramModule
  readonly reach: Reach
  readonly options: EmitOptions
  readonly names: Names
  readonly parts: Parts
  /** Variables that have another name, or live in cells, in all functions that are being written. */
  readonly locals = new Map<Binding, Local>()
  frame: Frame
  /** Temporaries of what stands outside functions: default values of parameters, fields. */
  moduleTemporaries = 0
  isOutside = false
  /** The code stands in a constructor that can stop, of a class that extends another, or in an arrow function there. */
  isInDerived = false
  /** An expression that is a statement, so that nobody looks at its value. */
  unread: Node | null = null
  readonly #sites: SiteTable
  readonly #probes: readonly Probe[]
  readonly #stops = new Map<Node, boolean>()

  constructor(module: ProgramModule, reach: Reach, sites: SiteTable, options: EmitOptions, parts: Parts) {
    this.module = module
    this.reach = reach
    this.#sites = sites
    this.options = options
    this.parts = parts
    this.names = new Names(module)
    const path = module.file.replaceAll('\\', '/')
    this.#probes = options.probes.filter(({ file }) => path.endsWith(`/${file}`))
    this.frame = this.frameOf(reach.values.functions.get(module.program)!, false, null, [])
  }

  frameOf(
    info: FunctionInfo,
    stops: boolean,
    constructs: Frame['constructs'],
    locals: readonly Local[],
  ): Frame {
    const probe = this.#probes.find((each) => each.function === info.name)
    const counts = { inner: 0, innerMax: 0, outer: 0, outerMax: 0, statement: 0 }
    const lists = {
      steps: [],
      loops: [],
      waits: [],
      entries: [],
      kept: new Set<string>(),
      detours: [],
      targets: [],
    }
    return { info, probe, stops, constructs, locals, ...counts, ...lists }
  }

  inFrame<T>(frame: Frame, body: () => T): T {
    const outer = { frame: this.frame, isOutside: this.isOutside, isInDerived: this.isInDerived }
    this.frame = frame
    const isArrow = frame.info.node?.type === 'ArrowFunctionExpression'
    this.isInDerived = frame.constructs === 'derived' || (isArrow && this.isInDerived)
    this.isOutside = false
    const result = body()
    this.frame = outer.frame
    this.isOutside = outer.isOutside
    this.isInDerived = outer.isInDerived
    return result
  }

  /** What stands where no variables of a function are: its temporaries are those of the module. */
  outside<T>(body: () => T): T {
    const { isOutside } = this
    const { frame } = this
    this.isOutside = true
    this.frame = { ...frame, stops: false, steps: [] }
    const result = body()
    this.isOutside = isOutside
    this.frame = frame
    return result
  }

  /** The number of a place: of those of the module, until the module is part of a program. */
  site(node: Node, what: string, counts: readonly string[] = []): Node {
    const number = this.#sites.add(this.module, node, this.frame.info, what, counts)
    return tree.make('Literal', { value: number, raw: `${SITE}${number}` })
  }

  runtime(helper: string): string {
    return `${RUNTIME}_${helper}`
  }

  /** Counts a change of what a thread has for itself. */
  change(): Node {
    if (this.options.turns && leavesNothing(this.module.url)) return this.help('loopChange')
    const argument = tree.member(tree.name(this.runtime('state')), 'changes')
    return tree.make('UpdateExpression', { operator: '++', prefix: false, argument })
  }

  changing(written: Node): Node {
    return tree.sequence([this.change(), written])
  }

  /** The program is a user's, of whose threads some may be exchanged: it matters who has made what. */
  get tellsOwn(): boolean {
    return this.options.turns && !isOfLoop(this.module.url)
  }

  /** A value that is made by `written`: nobody else has it. */
  making(written: Node): Node {
    return this.tellsOwn ? this.help('making', written) : written
  }

  /** What a pattern takes apart: it may go on with an iterator that others have. */
  takenApart(pattern: Node, value: Node): Node {
    return this.tellsOwn && pattern.type === 'ArrayPattern' ? this.help('walked', value) : value
  }

  /** The change of a property of an object, written by `write` with the object as it is to be named. */
  changingOf(object: Node, write: (object: Node) => Node): Node {
    const isTold = this.tellsOwn && object.type !== 'Super'
    return isTold ? write(this.help('changes', object)) : this.changing(write(object))
  }

  /** The change of a variable that the function does not have for itself alone. */
  changingVariable(target: Node, written: Node): Node {
    const local = this.localOf(target)
    if (!this.tellsOwn || local?.cell !== true) return this.changing(written)
    return tree.sequence([this.help('changes', tree.name(local.name)), written])
  }

  /**
   * `this` of a constructor whose class extends none: nobody else has it, unless the constructor has given it away,
   * which was a change itself.
   */
  makes(object: Node): boolean {
    return object.type === 'ThisExpression' && this.frame.info.constructs === 'class'
  }

  /** A variable of which nobody reads anything: what is assigned to it is no change. */
  isUnread(node: Node): boolean {
    const binding = this.module.scopes.bindings.get(node)
    return this.tellsOwn && binding !== undefined && isUnread(binding, this.module)
  }

  /** An expression that counts in something, and whose own value nobody looks at. */
  isTally(node: Node): boolean {
    return this.tellsOwn && !this.reach.hasProxies && this.module.scopes.reads.unused.has(node)
  }

  /** A variable of the function itself, which is gone with it. */
  isOwn(node: Node): boolean {
    const binding = this.module.scopes.bindings.get(node)
    return binding?.owner === this.frame.info.node && this.locals.get(binding!)?.cell !== true
  }

  help(helper: string, ...args: readonly (Node | string | number | boolean)[]): Node {
    const given = args.map((each) => (typeof each === 'object' ? each : tree.literal(each)))
    return tree.call(this.runtime(helper), given)
  }

  /** An expression that refuses when the program comes to it: what is never reached does no harm. */
  refusal(node: Node, problem: string, remedy: string): Node {
    return this.help('refused', this.site(node, 'refused'), problem, remedy)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // What may stop

  /** A call that may stop stands in what `node` evaluates, here where calls can. */
  stops(node: Node | null | undefined): boolean {
    if (!node || !this.frame.stops) return false
    let known = this.#stops.get(node)
    if (known === undefined) this.#stops.set(node, (known = this.#findStop(node)))
    return known
  }

  #findStop(node: Node): boolean {
    if (isFunction(node) || node.type === 'StaticBlock') return false
    if (node.type === 'PropertyDefinition' || node.type === 'MethodDefinition')
      return node.computed && this.stops(node.key as Node)
    return this.isPoint(node) || childrenOf(node).some((child) => this.stops(child))
  }

  /** The node itself is a call that may stop, in whatever form. */
  isPoint(node: Node): boolean {
    switch (node.type) {
      case 'CallExpression': {
        const operation = directOperation(this.module, node)
        if (operation !== null) return operation !== 'isLockFree'
        if (node.callee.type === 'Super') return this.#superStops(this.frame.info)
        return this.#callStops(node) || this.callsBack(node)
      }
      case 'NewExpression':
        return this.#callStops(node) || this.goesThroughGiven(node)
      case 'TaggedTemplateExpression':
        return this.reach.mayStep(this.module, node.tag as Node)
      case 'MemberExpression':
      case 'Property':
        return this.memberStops(node)
      case 'ForOfStatement':
      case 'SpreadElement':
      case 'ArrayPattern':
        return this.reach.iterationStops
      case 'VariableDeclaration':
        return (node.kind as string) === 'using'
      default:
        return false
    }
  }

  #callStops(node: Node): boolean {
    const target = this.reach.targets.get(node)
    return target !== undefined && this.reach.callKind(target) !== 'plain'
  }

  #superStops(info: FunctionInfo): boolean {
    return this.reach.steppedBase(info) !== null || this.reach.hasOpenBase(info)
  }

  /** A getter or setter that may stop. */
  memberStops(node: Node): boolean {
    return this.#callStops(node)
  }

  /** The engine would go through what it is given, which may be an iterator of the program: `new Set(values)`, say. */
  goesThroughGiven(node: Node & { type: 'CallExpression' | 'NewExpression' }): boolean {
    if (!this.reach.iterationStops || !iteratesGiven(node)) return false
    const named = node.callee.type === 'MemberExpression' ? node.callee.object : node.callee
    return !this.module.scopes.bindings.has(named as Node)
  }

  /** An async function that the program tells from others. */
  showsAsync(node: Node): boolean {
    return this.reach.tellsAsync && 'runsAsync' in node && !('runsGenerator' in node)
  }

  /** A method of the engine that may be given a function that can stop, and calls it. */
  callsBack(node: Node & { type: 'CallExpression' }): boolean {
    const { callee } = node
    if (callee.type !== 'MemberExpression' || callee.object.type === 'Super') return false
    if (this.goesThroughGiven(node)) return true
    const isOwn = isArrayFrom(callee) && this.module.scopes.bindings.has(callee.object)
    const mapper = isOwn ? null : mapperOf(node)
    if (mapper !== null) return this.reach.mayStep(this.module, mapper)
    const called = propertyName(callee.property, callee.computed)
    if (called === null || called.startsWith('#') || !stepsCallbacks(called)) return false
    const [first] = node.arguments as Node[]
    return first !== undefined && first.type !== 'SpreadElement' && this.reach.mayStep(this.module, first)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Steps

  emit(node: Node): void {
    this.frame.steps.push({ kind: 'plain', node })
  }

  push(step: Step): void {
    this.frame.steps.push(step)
  }

  /** The steps that `body` makes. */
  gather(body: () => void): Steps {
    const { frame } = this
    const outer = frame.steps
    frame.steps = []
    body()
    const { steps } = frame
    frame.steps = outer
    return steps
  }

  // Leaving

  inDetour<T>(detour: Detour | 'try', body: () => T): T {
    this.frame.detours.push(detour)
    const result = body()
    this.frame.detours.pop()
    return result
  }

  inTarget<T>(target: Target, body: () => T): T {
    const { frame } = this
    const depth = frame.detours.length
    const { label, next } = target
    const goesOn =
      next === null ? tree.make('ContinueStatement', { label: tree.name(label) }) : tree.leave(next)
    const breaks = { jump: tree.leave(label), depth }
    frame.targets.push({ ...target, breaks, continues: { jump: goesOn, depth } })
    const result = body()
    frame.targets.pop()
    return result
  }

  targetOf(node: Node & { type: 'BreakStatement' | 'ContinueStatement' }): Goal {
    const found = this.frame.targets.findLast(({ kind, labels }) => {
      if (node.label) return labels.includes(node.label.name)
      return kind === 'loop' || (kind === 'switch' && node.type === 'BreakStatement')
    })!
    return node.type === 'BreakStatement' ? found.breaks : found.continues
  }

  /** Goes there, by the detours on the way. */
  jumpTo(goal: Goal): void {
    const { detours } = this.frame
    const detour = detours.findLast((each, at): each is Detour => each !== 'try' && at >= goal.depth)
    if (detour === undefined) return this.emit(goal.jump)
    let number = detour.jumps.get(goal)
    if (number === undefined) detour.jumps.set(goal, (number = detour.jumps.size + 3))
    this.emit(tree.does(tree.assign(tree.name(detour.how), tree.literal(number))))
    this.emit(tree.leave(detour.label))
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Returning

  isTraced(): boolean {
    const { info, probe } = this.frame
    if (probe !== undefined) return true
    // Of an async function, its body is told.
    return this.options.trace && info.node !== null && info.rigid === null && !('runsAsync' in info.node)
  }

  /** What a function returns, reported with the arguments that it was given: its parameters may mean others by then. */
  resultOf(value: Node | null): Node | null {
    const { constructs, probe, info } = this.frame
    if (probe?.result === true)
      return this.help(
        'probed',
        probe.id,
        value ?? tree.nothing(),
        ...namesOf(info).map((_, at) => tree.name(`$given${at}`)),
      )
    if (!this.frame.stops || constructs === null) return value
    if (constructs === 'perhaps') return value ?? tree.nothing()
    const self = tree.make('ThisExpression', {})
    if (constructs === 'derived') return this.help('derived', value ?? tree.nothing(), self)
    return value === null ? self : this.help('constructed', value, self)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Temporaries that are kept

  /** A variable that is kept where the function stops, until the statement ends. */
  keep(value: Node | null): Node {
    const { frame } = this
    const kept = `$t${frame.outer++}`
    frame.outerMax = Math.max(frame.outerMax, frame.outer)
    if (value !== null) this.emit(tree.does(tree.assign(tree.name(kept), value)))
    return tree.name(kept)
  }

  /** Evaluates `call`, which may stop. Returns what names its value. */
  point(call: Node, source?: Node): Node {
    this.#noteLive()
    const target = this.keep(null)
    if (source !== undefined) this.place(call, source)
    this.push({ kind: 'point', target: (target as Node & { type: 'Identifier' }).name, call, number: 0 })
    return target
  }

  /**
   * As point(), of a property that may have a getter. What stopped before, in a copy that the engine made of an object,
   * has left its mark there for a value.
   */
  pointAt(read: Node): Node {
    const isStopping = tree.member(tree.name(this.runtime('state')), 'stopping')
    this.emit(tree.when(isStopping, [tree.does(this.help('refuseToStop'))]))
    return this.point(read)
  }

  /** What the rest of the function may still need is kept. */
  #noteLive(): void {
    const { frame } = this
    for (let at = 0; at < frame.outer; at++) frame.kept.add(`$t${at}`)
    for (const { binding, name, places } of frame.locals) {
      const { start, end } = binding.scope
      if (frame.statement < start || frame.statement > end) continue
      const isAhead = places.at(-1)! >= frame.statement
      const comesAgain = frame.loops.some(
        (loop) =>
          loop.start >= start && loop.end <= end && places.some((at) => at >= loop.start && at <= loop.end),
      )
      if (isAhead || comesAgain) frame.kept.add(name)
    }
  }

  /** A value that stays what it is, whatever is evaluated before it is used. */
  settle(value: Node, source: Node): Node {
    if (value.type === 'Literal' || value.type === 'ThisExpression') return value
    if (value.type === 'Identifier' && value.name.startsWith('$t')) return value
    if (value.type === 'Identifier' && this.isStable(source)) return value
    if (value.type === 'SpreadElement')
      return tree.make('SpreadElement', { argument: this.keep(tree.list([value])) })
    return this.keep(value)
  }

  /** Writes expressions in the order in which they are evaluated. */
  list(nodes: readonly Node[], write: (node: Node) => Node = (node) => this.expression(node)): Node[] {
    const last = nodes.findLastIndex((node) => this.stops(node))
    return nodes.map((node, index) => {
      const value = write(node)
      return index < last ? this.settle(value, node) : value
    })
  }

  expression(node: Node): Node {
    const written = this.parts.expression(this, node)
    if (node.type === 'CallExpression' || node.type === 'NewExpression') this.place(written, node)
    return written
  }

  /** What is printed of a call is at its place in the source, for those who ask where they were called. */
  place(written: Node, node: Node): void {
    const { line, column } = positionOf(this.module, node.start)
    const start = { line, column: column - 1 }
    written.loc = { start, end: start } as never
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Temporaries of an expression

  /** Runs `body` with a variable of this function that nothing else in the statement uses. */
  withTemporary(body: (temporary: Node) => Node): Node {
    // Each use has its own, since all calls of the function share it.
    if (this.isOutside) return body(tree.name(`$p${this.moduleTemporaries++}`))
    const { frame } = this
    const temporary = `$${frame.inner++}`
    frame.innerMax = Math.max(frame.innerMax, frame.inner)
    return body(tree.name(temporary))
  }

  /** `body` with something that can be named again and again for `value`: a variable, unless it is one. */
  named(value: Node, source: Node, body: (first: Node, use: Node) => Node): Node {
    const isName = value.type === 'Identifier' && (value.name.startsWith('$t') || this.isStable(source))
    if (isName || value.type === 'Literal' || value.type === 'ThisExpression') return body(value, value)
    return this.withTemporary((temporary) => body(tree.assign(temporary, value), temporary))
  }

  /** Means the same whenever it is evaluated: variables that nobody assigns to, and fields of imported constants. */
  isStable(node: Node): boolean {
    switch (node.type) {
      case 'Literal':
        return true
      case 'Identifier': {
        const binding = this.module.scopes.bindings.get(node)
        return binding !== undefined && !binding.reassigned && this.locals.get(binding)?.cell !== true
      }
      case 'BinaryExpression':
        return this.isStable(node.left as Node) && this.isStable(node.right)
      case 'MemberExpression': {
        if (node.computed || node.object.type !== 'Identifier') return false
        if (this.reach.values.assignedProperties.has(propertyName(node.property, false) ?? '')) return false
        const binding = this.module.scopes.bindings.get(node.object)
        return binding?.kind === 'import' || this.module.scopes.topLevel.get(node.object.name) === binding
      }
      default:
        return false
    }
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Variables

  localOf(node: Node): Local | undefined {
    const binding = this.module.scopes.bindings.get(node)
    return binding && this.locals.get(binding)
  }

  /** The function that declares the variable names it before. */
  isDead({ binding, dead, fields }: Local, { start }: Node): boolean {
    if (dead.length === 0 || binding.owner !== (this.frame.info.node as Node)) return false
    const isWithin = (spans: Local['dead']): boolean =>
      spans.some(([from, to]) => start >= from && start < to)
    return isWithin(dead) && !isWithin(fields)
  }

  /** A variable is named before its declaration, as the text tells. */
  isEarly(node: Node): boolean {
    const local = this.localOf(node)
    return local !== undefined && this.isDead(local, node)
  }

  /** What a declaration gives a variable its value by. */
  declared(node: Node & { type: 'Identifier' }): Node {
    const local = this.localOf(node)
    if (local?.isEarly !== true || local.dead.length === 0) return this.variable(node)
    return tree.member(tree.name(local.name), 'first', node)
  }

  /** What names a variable, as a value or as what is assigned to. */
  variable(node: Node & { type: 'Identifier' }): Node {
    const local = this.localOf(node)
    if (local === undefined) return node
    if (this.isDead(local, node)) return tree.member(this.help('early', node.name), 'v', node)
    const named = tree.name(local.name, node)
    return local.cell ? tree.member(named, 'v', node) : named
  }
}

/** The parameters of a function by name, for those who are told of a call; of patterns nobody is. */
export function namesOf(info: FunctionInfo): string[] {
  return info.node!.params.map((parameter) =>
    parameter.type === 'Identifier' ? parameter.name : 'undefined',
  )
}
