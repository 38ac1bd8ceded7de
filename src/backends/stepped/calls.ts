// Calls in the steppable form.
//
// A function that can stop is called as any other. One that the engine calls in between is, too: nothing is lost as
// long as it does not stop, and what comes back from it if it does is recognised.

import type { Context } from './context.ts'
import { elementOf, globalName, isElement, isGlobal, isUntagged } from './elements.ts'
import { isOfLoop, isOfRuntime } from './loop-imports.ts'
import { bulkMethods, changingMethod, harmlessMethod, makesOwn, operations, viewMethod } from './names.ts'
import { directOperation } from './outline.ts'
import type { ProgramModule } from './program.ts'
import { type Node, propertyName } from './syntax.ts'
import { TRACKED } from './tags.ts'
import * as tree from './tree.ts'

type Call = Node & { type: 'CallExpression' }
type Member = Node & { type: 'MemberExpression' }

const typedArrayName = /^((Big)?(Ui|I)nt(8|16|32|64)(Clamped)?|Float(16|32|64))Array$|^DataView$/
/** Operations whose order does not matter among each other as long as nobody looks at what was there before. */
const updates = /^(add|sub|and|or|xor)$/

/** Functions of the engine that take numbers, or what they make numbers of. */
const ofNumbers =
  /^(Math\.\w+|Number(\.\w+)?|BigInt(\.\w+)?|Boolean|Symbol(\.\w+)?|parse(Int|Float)|is(NaN|Finite))$/

/** Methods by which threads of Node send and get messages. */
const messages = /^(postMessage|on|once|addListener|addEventListener)$/

/** The last name of what is called. */
function calledName(callee: Node): string {
  if (callee.type === 'Identifier') return callee.name
  if (callee.type === 'ChainExpression') return calledName(callee.expression)
  if (callee.type === 'SequenceExpression') return calledName(callee.expressions.at(-1)!)
  return callee.type === 'MemberExpression' ? (propertyName(callee.property, callee.computed) ?? '') : ''
}

/** Evaluates a call that was written anew, now if it may stop. */
export function finishCall(c: Context, node: Node, call: Node): Node {
  return c.frame.stops && c.isPoint(node) ? c.point(call, node) : call
}

export function callExpression(c: Context, node: Call): Node {
  if (node.callee.type === 'Super') return superCall(c, node)
  if (c.tellsOwn && isDate(c, node.callee as Node))
    return tree.call(tree.member(dateNow(node.callee as Node), 'toString'), [])
  const operation = directOperation(c.module, node)
  if (operation === 'yields' || operation === 'delegates') return yieldCall(c, node)
  const written = writeCall(c, node)
  const told = mayChange(c, node) ? counted(c, node, written) : written
  if (c.frame.stops && c.isPoint(node)) return c.point(told, node)
  return told
}

/** A `yield`, after which the generator may have to return. */
function yieldCall(c: Context, node: Call): Node {
  const value = finishCall(c, node, writeCall(c, node))
  const returns = tree.binary('===', value, tree.name(c.runtime('returning')))
  const leaves = c.gather(() => c.parts.leaves(c, c.help('takeReturned')))
  c.push({ kind: 'if', test: returns, yes: leaves, otherwise: [] })
  return value
}

function isDate(c: Context, node: Node): boolean {
  return isGlobal(node, c.module) && calledName(node) === 'Date'
}

/** `new Date()`, by the clock that threads find. */
function dateNow(callee: Node): Node {
  return tree.make('NewExpression', { callee, arguments: [tree.call(tree.member(callee, 'now'), [])] })
}

/** A call of which nothing is left to do but to return what it gives. */
export function tailCall(c: Context, node: Call): Node {
  const written = writeCall(c, node)
  return mayChange(c, node) ? counted(c, node, written) : written
}

/** What an iterator has, too, which goes on then. */
const goesThrough = /^(find|some|every|reduce|forEach|toArray)$/
/** Functions of the engine that change what they are given first. */
const changesFirst =
  /^(Object\.(assign|definePropert(y|ies)|setPrototypeOf)|Reflect\.(defineProperty|deleteProperty|setPrototypeOf))$/

/** Functions of the engine that go through what they are given first, and change nothing else. */
const walksFirst = /^(Array\.from|(Object|Map)\.groupBy|Object\.fromEntries)$/
/** Functions of the engine that tell what the properties are of what they are given first. */
const describesFirst = /^(Object|Reflect)\.getOwnPropertyDescriptors?$/

/** Counts a change by a call, unless it turns out to be one of the program, which counts its own. */
function counted(c: Context, node: Call, written: Node): Node {
  const after = (note: Node): Node => {
    if (!c.frame.stops || !c.isPoint(node)) return tree.sequence([note, written])
    c.emit(tree.does(note))
    return written
  }
  if (!c.tellsOwn) return after(c.change())
  if (written.type === 'ConditionalExpression')
    return { ...written, consequent: counted(c, node, written.consequent as Node) } as Node
  if (written.type !== 'CallExpression') return after(c.change())
  const { callee } = written as Node & { callee: Node }
  if (callee.type === 'Identifier') {
    const isOutward = /^outward[01]?$/.test(callee.name.replace(c.runtime(''), ''))
    return isOutward ? countedOutward(c, node, written) : after(c.help('noteCall', callee))
  }
  if (!isMethod(callee)) return after(c.change())
  const object = callee.object as Node
  const note = (first: Node, use: Node): Node => {
    const method = { ...callee, object: first } as unknown as Node
    return c.help('noted', method, use, tree.list(written.arguments as Node[]), textOf(node.callee as Node))
  }
  return isTemporary(object) ? note(object, object) : c.named(object, object, note)
}

function isTemporary(node: Node): boolean {
  return node.type === 'Identifier' && /^\$p?\d+$/.test(node.name)
}

/** As counted(), of a call by outward(), which counts a change of anything but what the call is given first. */
function countedOutward(c: Context, node: Call, written: Call): Node {
  const path = globalName(c, node.callee as Node) ?? ''
  const helper = helperOfFirst(path)
  const [method, object, given, ...rest] = written.arguments as Node[]
  const isList = (written.callee as Node & { name: string }).name === c.runtime('outward')
  const isNone = (written.callee as Node & { name: string }).name === c.runtime('outward0')
  const list = isList ? (given as Node & { type: 'ArrayExpression' }).elements : [given]
  const [first, ...others] = list as Node[]
  if (helper === null || isNone || first === undefined || first.type === 'SpreadElement')
    return { ...written, arguments: [...written.arguments, tree.literal(true)] } as Node
  const told = c.help(helper, first)
  const all = isList ? tree.list([told, ...others]) : told
  return { ...written, arguments: [method, object, all, ...rest] } as unknown as Node
}

/** What is told of the object that the function of the engine is given first; null: any change. */
function helperOfFirst(path: string): string | null {
  if (changesFirst.test(path)) return 'changes'
  if (describesFirst.test(path)) return 'described'
  return walksFirst.test(path) ? 'walked' : null
}

function isMethod(callee: Node): callee is Member {
  if (callee.type !== 'MemberExpression' || callee.computed) return false
  return callee.object.type !== 'Super' && callee.property.type !== 'PrivateIdentifier'
}

/** A call by a name that stands for a change, or of a function that may be none of the program's. */
export function mayChange(c: Context, node: Node): boolean {
  if (node.type === 'ChainExpression') return mayChange(c, node.expression)
  if (node.type === 'MemberExpression') return mayChange(c, node.object as Node)
  if (node.type !== 'CallExpression' || directOperation(c.module, node) !== null) return false
  const name = calledName(node.callee as Node)
  if (changingMethod.test(name)) return true
  if (!c.tellsOwn || node.callee.type === 'Super') return false
  // What is transferred is gone from where it was.
  if (name === 'structuredClone' && node.arguments.length > 1) return true
  const path = globalName(c, node.callee as Node) ?? ''
  if (describesFirst.test(path)) return true
  if (harmlessMethod.test(name)) return false
  if (walksFirst.test(path)) return true
  const target = c.reach.targets.get(node)
  if (target === undefined || target.unknown || target.functions.length === 0) return true
  // Of a method only its name is known, and what has it may be the engine's: asked when it is called.
  return !target.exact && isMethod(node.callee as Node) && !c.callsBack(node)
}

/** The call with its parts written anew; what comes before it is evaluated. */
export function writeCall(c: Context, node: Call): Node {
  const operation = directOperation(c.module, node)
  if (operation !== null) return operationCall(c, node, operation)
  const callee = node.callee as Node
  const args = node.arguments as Node[]
  if (callee.type === 'ChainExpression' && callee.expression.type === 'MemberExpression')
    return callOfChain(c, node, callee.expression)
  if (callee.type === 'MemberExpression' && callee.object.type === 'Super') {
    const [first, ...rest] = c.list([...(callee.computed ? [callee.property as Node] : []), ...args])
    const written = { ...callee, property: callee.computed ? first : callee.property } as Node
    const given = callee.computed ? rest : first === undefined ? [] : [first, ...rest]
    // What a class of the program extends may be one of the engine, such as a typed array.
    if (c.tellsOwn && !/\b(then|catch|finally)\b/.test(calledName(callee)))
      return outward(c, node, written, tree.make('ThisExpression', {}), given as Node[])
    return { ...node, callee: written, arguments: given } as Node
  }
  if (callee.type === 'MemberExpression') return callOfMember(c, node, callee)
  const [called, ...given] = takesText(c, callee) ? textCall(c, node) : c.list([callee, ...args])
  const plain = called!.type === 'MemberExpression' ? tree.sequence([tree.literal(0), called!]) : called!
  return outsideCall(c, node, { ...node, callee: plain, arguments: given } as Call, null)
}

/** What makes code of a text: nobody steps that. */
function takesText(c: Context, callee: Node): boolean {
  return /^(eval|Function)$/.test(globalName(c, callee) ?? '')
}

/** Its callee and arguments; a text is refused in a thread, and where it would see variables that have moved. */
function textCall(c: Context, node: Call | (Node & { type: 'NewExpression' })): Node[] {
  const [called, ...given] = c.list([node.callee as Node, ...(node.arguments as Node[])])
  const isEval = node.callee.type === 'Identifier' && node.callee.name === 'eval'
  const at = isEval ? 0 : given.length - 1
  const code = given[at]
  if (code === undefined) return [called!]
  if (given.some(({ type }) => type === 'SpreadElement'))
    return [called!, c.refusal(node, 'code that is made of a text is not stepped', 'write it into a module')]
  const told = c.help('text', code, c.site(node, 'text'), isEval && c.frame.stops)
  return [called!, ...given.slice(0, at), told, ...given.slice(at + 1)]
}

/**
 * A constructor of the program that may stop makes the object first; `super` then only gets it from there, and gives it
 * the fields of this class.
 */
function superCall(c: Context, node: Call): Node {
  const args = c.list(node.arguments as Node[])
  if (c.frame.constructs !== 'derived') {
    // The variable that holds the object is one of the constructor's.
    const isInner = c.isInDerived && c.frame.info.constructs === null
    if (isInner) return c.refusal(node, 'super() in an arrow function', 'call it in the constructor itself')
    return { ...node, arguments: args } as Node
  }
  const self = tree.name('$self')
  const target = tree.make('MetaProperty', { meta: tree.name('new'), property: tree.name('target') })
  if (c.frame.stops && c.reach.hasOpenBase(c.frame.info)) return superOfOpenBase(c, node, args, target)
  const base = c.reach.steppedBase(c.frame.info)
  if (base === null || !c.frame.stops)
    return tree.assign(self, c.help('based', { ...node, arguments: args } as Node))
  const made = c.point(c.help('construct', c.expression(base), tree.list(args), target))
  return tree.assign(self, tree.sequence([c.help('give', made), { ...node, arguments: [] } as Node]))
}

/** What the class extends is asked when it runs: whether that is of the program, and can make the object first. */
function superOfOpenBase(c: Context, node: Call, args: readonly Node[], target: Node): Node {
  const given = c.keep(tree.list(args))
  const isOwn = tree.arrow(['$class'], [tree.gives(tree.binary('in', tree.ownClass(), tree.name('$class')))])
  const base = c.keep(c.help('baseOf', target, isOwn))
  const self = tree.name('$self')
  const yes = c.gather(() => {
    const made = c.point(c.help('construct', base, given, target))
    const call = { ...node, arguments: [] } as Node
    c.emit(tree.does(tree.assign(self, tree.sequence([c.help('give', made), call]))))
  })
  const spread = tree.make('SpreadElement', { argument: given })
  const otherwise = c.gather(() =>
    c.emit(tree.does(tree.assign(self, c.help('based', { ...node, arguments: [spread] } as Node)))),
  )
  c.push({ kind: 'if', test: tree.binary('!==', base, tree.literal(null)), yes, otherwise })
  return self
}

/** `(object?.name)(…)`: what is called keeps its `this`. */
function callOfChain(c: Context, node: Call, callee: Member): Node {
  const object = c.expression(callee.object as Node)
  const write = (first: Node, use: Node): Node => {
    const key = callee.computed ? c.expression(callee.property as Node) : (callee.property as Node)
    const read = isElement(callee)
      ? elementOf(c, callee, use, key)
      : ({ ...callee, object: use, property: key, optional: false } as Node)
    const method = callee.optional
      ? tree.either(tree.binary('==', first, tree.literal(null)), tree.nothing(), read)
      : tree.sequence([first, read])
    const kept = c.stops(node) ? c.keep(method) : method
    return outward(c, node, kept, use, c.list(node.arguments as Node[]))
  }
  if (!c.stops(node)) return c.withTemporary((temporary) => write(tree.assign(temporary, object), temporary))
  const kept = c.keep(object)
  return write(kept, kept)
}

function callOfMember(c: Context, node: Call, callee: Member): Node {
  const parts = [
    callee.object as Node,
    ...(isElement(callee) || callee.computed ? [callee.property as Node] : []),
  ]
  const args = node.arguments as Node[]
  if (args.some((each) => c.stops(each))) return callBehindSteps(c, node, callee, parts, args)
  const [object, ...rest] = c.list([...parts, ...args])
  const key = parts.length > 1 ? rest.shift()! : null
  if (key !== null && isElement(callee))
    return c.help('computedCall', object!, key, c.site(node, 'call'), tree.list(rest))
  return methodCall(c, node, object!, rest)
}

/** The method is taken before the arguments are evaluated; where nobody can tell, it is looked at only. */
function callBehindSteps(
  c: Context,
  node: Call,
  callee: Member,
  parts: readonly Node[],
  args: readonly Node[],
): Node {
  const given = c.list(parts).map((each, index) => c.settle(each, parts[index]!))
  const [object, key] = given as [Node, Node?]
  const site = c.site(node, 'call')
  if (key !== undefined && isElement(callee)) {
    const method = c.keep(tree.member(object, key))
    return c.help('computedCall', object, key, site, tree.list(c.list(args)), method)
  }
  const read = { ...callee, object, property: key ?? callee.property, optional: false } as Node
  const name = propertyName(callee.property, callee.computed)
  if (c.isPoint(callee) || name === null || c.reach.values.assignedProperties.has(name)) {
    const method = c.isPoint(callee) ? c.point(read) : c.keep(read)
    if (!c.callsBack(node) && !bulkMethods.has(name ?? '') && !viewMethod.test(name ?? ''))
      return outward(c, node, method, object, c.list(args))
  } else if (mayBeNothing(c, callee.object as Node))
    c.emit(tree.when(tree.binary('==', object, tree.literal(null)), [tree.does(read)]))
  return methodCall(c, node, object, c.list(args))
}

/** It may be null or undefined, which have no methods. */
function mayBeNothing(c: Context, object: Node): boolean {
  if (object.type !== 'Identifier') return object.type !== 'ThisExpression'
  const binding = c.module.scopes.bindings.get(object)
  return binding !== undefined && !/^(import|class|function)$/.test(binding.kind)
}

/** `object.name(…)`, with everything in it evaluated or to be evaluated as it stands. */
export function methodCall(c: Context, node: Call, object: Node, args: readonly Node[]): Node {
  const callee = node.callee as Member
  const called = propertyName(callee.property, callee.computed)!
  if (c.callsBack(node)) return c.help('callback', c.site(node, called), object, called, tree.list(args))
  const walks = c.tellsOwn && goesThrough.test(called)
  const direct = (use: Node): Call =>
    ({
      ...node,
      callee: { ...callee, object: walks ? c.help('walked', use) : use, optional: false },
      arguments: args,
      optional: false,
    }) as unknown as Call
  const isBulk = bulkMethods.has(called) && !isGlobal(callee.object as Node, c.module)
  if (!isBulk && !viewMethod.test(called)) return outsideCall(c, node, direct(object), called)
  const helper = isBulk ? 'bulk' : 'dataView'
  const site = c.site(node, called)
  // What has such a method need not be an array, and what an array is given may be shared where it is not itself.
  return c.named(object, callee.object as Node, (first, use) =>
    tree.either(
      isUntagged(c, first, TRACKED),
      outsideCall(c, node, direct(use), called),
      c.help(helper, use, called, site, tree.list(args)),
    ),
  )
}

/** A call that may be one of the engine or of a module outside: what that does with shared memory is noted. */
function outsideCall(c: Context, node: Call, given: Call, called: string | null): Node {
  const written = refusing(c, node, given, called)
  if (globalName(c, node.callee as Node) === 'process.nextTick')
    return { ...written, callee: tree.name(c.runtime('nextTick')) } as Node
  if (!goesOutside(c, node)) return written
  const { callee, arguments: args } = written
  if (callee.type !== 'MemberExpression')
    return outward(c, node, callee as Node, tree.nothing(), args as Node[])
  return c.named(callee.object as Node, (node.callee as Member).object as Node, (first, use) =>
    outward(c, node, { ...callee, object: first } as Node, use, args as Node[]),
  )
}

export function outward(c: Context, node: Call, method: Node, object: Node, args: readonly Node[]): Node {
  const callee = node.callee as Node
  const site = c.site(node, calledName(callee) || 'call')
  const text = textOf(callee)
  const [first] = args
  if (first === undefined) return c.help('outward0', method, object, site, text)
  if (args.length === 1 && first.type !== 'SpreadElement')
    return c.help('outward1', method, object, first, site, text)
  return c.help('outward', method, object, tree.list(args), site, text)
}

/** It may call a function that is not the program's, with something in it that could be shared memory. */
export function goesOutside(c: Context, node: Call): boolean {
  const callee = node.callee as Node
  if (!c.options.turns || isOfRuntime(c.module.url) || takesText(c, callee)) return false
  if (callee.type === 'Super' || ofNumbers.test(globalName(c, callee) ?? '')) return false
  // Of a method, only its name is known: others may have one of that name.
  if (callee.type === 'MemberExpression')
    return callee.object.type !== 'Super' && callee.property.type !== 'PrivateIdentifier'
  const target = c.reach.targets.get(node)
  const isKnown = target !== undefined && !target.unknown && target.functions.length > 0
  // Without arguments, there is nothing that it could be given; what it returns may be chance (see clock.ts).
  return (node.arguments.length > 0 || drawsUuid(c.module)) && !isKnown
}

const uuids = new WeakMap<ProgramModule, boolean>()

/** Asked at each call of a module, of which some are large. */
function drawsUuid(module: ProgramModule): boolean {
  let draws = uuids.get(module)
  if (draws === undefined) uuids.set(module, (draws = /\brandomUUID\b/.test(module.text)))
  return draws
}

/** What V8 calls it in its messages. */
function textOf(node: Node): string {
  if (node.type === 'Identifier') return node.name
  if (node.type === 'ThisExpression') return 'this'
  if (node.type === 'ChainExpression') return textOf(node.expression)
  if (node.type === 'CallExpression') return `${textOf(node.callee as Node)}${node.optional ? '?.' : ''}(...)`
  if (node.type === 'Literal') return node.raw!
  if (node.type !== 'MemberExpression') return '(intermediate value)'
  const object = textOf(node.object as Node)
  const key = textOf(node.property as Node)
  if (node.computed) return `${object}${node.optional ? '?.' : ''}[${key}]`
  return `${object}${node.optional ? '?.' : '.'}${key}`
}

/** A method of a promise, a port or a worker of the engine is refused in a thread, whatever else has its name. */
function refusing(c: Context, node: Call, written: Call, called: string | null): Call {
  const { callee } = written
  if (called === null || callee.type !== 'MemberExpression' || callee.object.type === 'Super') return written
  const asked = /^(then|catch|finally)$/.test(called)
    ? 'promised'
    : messages.test(called)
      ? 'messenger'
      : null
  if (asked === null || isOfLoop(c.module.url)) return written
  const object = c.help(asked, callee.object as Node, c.site(node, asked))
  return { ...written, callee: { ...callee, object } } as unknown as Call
}

function operationCall(c: Context, node: Call, operation: string): Node {
  const args = c.list(node.arguments as Node[])
  if (operation === 'isLockFree') return { ...node, arguments: args } as Node
  if (operation === 'pause' && c.options.turns && !isOfLoop(c.module.url))
    return tree.call(
      c.runtime('pauseWithin'),
      [c.site(node, 'Atomics.pause'), tree.literal(c.frame.waits.at(-1) === true), ...args],
      node,
    )
  const arity = operations.get(operation)!
  while (args.length + 1 < arity) args.push(tree.nothing())
  if (c.unread === node && updates.test(operation)) args.push(tree.literal(true))
  return tree.call(c.runtime(operation), [c.site(node, `Atomics.${operation}`), ...args], node)
}

export function taggedTemplate(c: Context, node: Node & { type: 'TaggedTemplateExpression' }): Node {
  const written = writeTagged(c, node)
  const { functions, unknown } = c.reach.values.of(c.module, node.tag as Node)
  const isKnown = functions.length > 0 && !unknown
  if (!c.tellsOwn || isKnown || globalName(c, node.tag as Node) === 'String.raw')
    return finishCall(c, node, written)
  // Nobody knows what it does.
  if (c.frame.stops && c.isPoint(node)) c.emit(tree.does(c.change()))
  else return c.changing(written)
  return finishCall(c, node, written)
}

function writeTagged(c: Context, node: Node & { type: 'TaggedTemplateExpression' }): Node {
  const { quasi } = node
  const tag = node.tag as Node
  if (tag.type === 'MemberExpression') {
    const parts = tag.computed ? [tag.object, tag.property] : [tag.object]
    const written = c.list([...(parts as Node[]), ...(quasi.expressions as Node[])])
    const object = written.shift()
    const property = tag.computed ? written.shift() : tag.property
    const key = propertyName(tag.property, tag.computed)
    if (
      c.tellsOwn &&
      key !== null &&
      tag.object.type !== 'Super' &&
      tag.property.type !== 'PrivateIdentifier'
    ) {
      const called = c.help('tagOf', object!, key, c.site(node, 'tag'))
      return { ...node, tag: called, quasi: { ...quasi, expressions: written } } as Node
    }
    return { ...node, tag: { ...tag, object, property }, quasi: { ...quasi, expressions: written } } as Node
  }
  const [called, ...expressions] = c.list([tag, ...(quasi.expressions as Node[])])
  const told = tag.type === 'Identifier' ? c.help('followed', called!, c.site(node, 'tag')) : called
  return { ...node, tag: told, quasi: { ...quasi, expressions } } as Node
}

// ---------------------------------------------------------------------------------------------------------------------
// Constructing

export function newExpression(c: Context, node: Node & { type: 'NewExpression' }): Node {
  const callee = node.callee as Node
  if (c.tellsOwn && node.arguments.length === 0 && isDate(c, callee)) return c.making(dateNow(callee))
  const [made, ...args] = takesText(c, callee)
    ? textCall(c, node)
    : c.list([callee, ...(node.arguments as Node[])])
  if (c.frame.stops && c.goesThroughGiven(node)) args[0] = c.point(c.help('listOf', args[0]!))
  const written = { ...node, callee: made, arguments: args } as Node & { type: 'NewExpression' }
  if (isGlobal(callee, c.module) && calledName(callee) === 'BroadcastChannel')
    return tree.sequence([c.help('starts', c.site(node, 'new'), made!), written])
  if (!c.isPoint(node) && calledName(callee) === 'MessageChannel') return c.help('channel', written)
  if (isGlobal(callee, c.module)) return newOfEngine(c, node, walking(c, written), args)
  if (isOrdinaryClass(c, callee)) return finishCall(c, node, written)
  return finishCall(c, node, c.help('make', c.site(node, 'new'), made!, tree.list(args)))
}

/** `new Set(values)` and the like go through what they are given. */
function walking(c: Context, written: Node & { type: 'NewExpression' }): Node & { type: 'NewExpression' } {
  const [first] = written.arguments as Node[]
  const isWalk = c.tellsOwn && first !== undefined && first.type !== 'SpreadElement'
  if (!isWalk || !/^(Weak)?(Map|Set)$/.test((written.callee as Node & { name: string }).name)) return written
  return { ...written, arguments: [c.help('walked', first)] } as unknown as typeof written
}

function newOfEngine(
  c: Context,
  node: Node & { type: 'NewExpression' },
  written: Node & { type: 'NewExpression' },
  args: readonly Node[],
): Node {
  const { name } = node.callee as Node & { type: 'Identifier' }
  const isGivenBoth = args.length === 2 && args.every(({ type }) => type !== 'SpreadElement')
  if (name === 'Proxy' && isGivenBoth && c.options.turns)
    return finishCall(c, node, c.help('proxyOf', written.callee as Node, ...args, c.site(node, 'new')))
  if (/^(Blob|File)$/.test(name) && c.options.turns)
    return finishCall(c, node, c.help('make', c.site(node, 'new'), written.callee as Node, tree.list(args)))
  if (!typedArrayName.test(name)) {
    const made = finishCall(c, node, written)
    return makesOwn.test(name) ? c.making(made) : made
  }
  const [first] = args
  const site = c.site(node, 'new')
  if (first === undefined || first.type === 'SpreadElement') return c.help('made', written)
  const source = (value: Node): Node => c.help('source', value, site)
  if (args.length > 1)
    return c.help('made', { ...written, arguments: [source(first), ...args.slice(1)] } as unknown as Node)
  if (first.type === 'Literal') return c.making(written)
  // Of a number, it has memory of its own: asking for its buffer would make one.
  return c.withTemporary((given) =>
    tree.either(
      tree.binary(
        '===',
        tree.make('UnaryExpression', {
          operator: 'typeof',
          prefix: true,
          argument: tree.assign(given, first),
        }),
        tree.literal('number'),
      ),
      c.making({ ...written, arguments: [given] } as unknown as Node),
      c.help('made', { ...written, arguments: [source(given)] } as unknown as Node),
    ),
  )
}

/** A class of the program that extends none: no typed array comes of it. */
function isOrdinaryClass(c: Context, callee: Node): boolean {
  if (callee.type !== 'Identifier') return false
  const binding = c.reach.values.bindingOf(c.module, callee)
  if (binding?.kind !== 'class' || binding.reassigned) return false
  const { superClass } = binding.value as Node & { type: 'ClassDeclaration' }
  return !superClass || (superClass.type === 'Identifier' && superClass.name === 'Error')
}
