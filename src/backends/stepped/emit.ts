// From the source of a module to its steppable form.
//
// No line moves. An operation of `Atomics` becomes three: it is announced, the thread stops if the scheduler wants
// another one to go on, and it is done. A call of a function that can stop is delegated to with `yield*`. Reads and
// writes of elements ask first whether the array is shared; the answer is a property of the array, so that for others
// it costs one comparison.

import type { ProgramModule } from './program.ts'
import type { FunctionInfo, Reach } from './reach.ts'
import * as runtime from './runtime.ts'
import type { SiteTable } from './sites.ts'
import { SHARED, TRACKED } from './tags.ts'
import { type FunctionNode, type Node, childrenOf, isFunction, propertyName, refuse } from './syntax.ts'

/** What begins the names under which the steppable form knows the runtime. */
const RUNTIME = '$f'

/** Operations of `Atomics` that are steps, and the number of their arguments. */
const operations: ReadonlyMap<string, number> = new Map([
  ['load', 2],
  ['store', 3],
  ['add', 3],
  ['sub', 3],
  ['and', 3],
  ['or', 3],
  ['xor', 3],
  ['exchange', 3],
  ['compareExchange', 4],
  ['wait', 4],
  ['notify', 3],
  ['pause', 0],
])

/** Methods of typed arrays that read or write many elements. */
const bulkMethods = new Set(
  (
    'fill set copyWithin reverse sort subarray slice at with indexOf lastIndexOf includes join map filter forEach ' +
    'every some find findIndex findLast findLastIndex reduce reduceRight toReversed toSorted entries values keys'
  ).split(' '),
)
/** Everything that the steppable form calls, and a little more. */
const helpers = Object.entries(runtime).flatMap(([name, value]) =>
  typeof value === 'function' ? [name] : [],
)
const viewMethod = /^[gs]et(Ui|I)nt(8|16|32)$|^[gs]et(Float(16|32|64)|Big(Ui|I)nt64)$/
const typedArrayName = /^((Big)?(Ui|I)nt(8|16|32|64)(Clamped)?|Float(16|32|64))Array$|^DataView$/

export interface EmitOptions {
  /** Also report calls and returns, for a trace. */
  readonly trace: boolean
  /** Functions whose calls are reported to the runtime, by the end of their file's path and their name. */
  readonly probes: readonly Probe[]
}

export interface Probe {
  readonly file: string
  readonly function: string
  /** What the runtime calls it. */
  readonly id: number
  /** Its return is reported too, with its result. */
  readonly result?: boolean
}

/** The steppable form of a module. */
export function emitModule(
  module: ProgramModule,
  reach: Reach,
  sites: SiteTable,
  options: EmitOptions,
  runtimeUrl: string,
): string {
  const body = new Emitter(module, reach, sites, options).module()
  const names = helpers.map((name) => `${name} as ${RUNTIME}_${name}`)
  return `import { ${names.join(', ')} } from ${JSON.stringify(runtimeUrl)};${body}`
}

/** The function whose body is being written. */
interface Frame {
  readonly info: FunctionInfo
  readonly generator: boolean
  temporaries: number
  depth: number
}

class Emitter {
  readonly #module: ProgramModule
  readonly #reach: Reach
  readonly #sites: SiteTable
  readonly #options: EmitOptions
  #frame: Frame
  readonly #parents: Node[] = []
  /** In default values of parameters there are no variables of the body. */
  #inParameters = false

  constructor(module: ProgramModule, reach: Reach, sites: SiteTable, options: EmitOptions) {
    this.#module = module
    this.#reach = reach
    this.#sites = sites
    this.#options = options
    this.#frame = this.#frameOf(reach.functions.get(module.program)!)
  }

  #frameOf(info: FunctionInfo): Frame {
    return { info, generator: info.stepped, temporaries: 0, depth: 0 }
  }

  module(): string {
    const text = this.#splice(this.#module.program)
    // A hashbang must stay first; nothing needs it here.
    const body = text.startsWith('#!') ? `//${text}` : text
    return `${this.#declarations(this.#frame)}${body}`
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Walking

  #text(node: Node): string {
    const rewritten = this.#rewrite(node)
    return rewritten ?? this.#splice(node)
  }

  /** The source of a node with its children rewritten. */
  #splice(node: Node, replaced?: ReadonlyMap<Node, string>): string {
    const source = this.#module.text
    let out = ''
    let at = node.start
    this.#parents.push(node)
    for (const child of childrenOf(node)) {
      out += source.slice(at, child.start) + (replaced?.get(child) ?? this.#text(child))
      at = child.end
    }
    this.#parents.pop()
    return out + source.slice(at, node.end)
  }

  /** The parent of the node that is being rewritten, `up` levels above. */
  #parent(up = 0): Node | undefined {
    return this.#parents[this.#parents.length - 1 - up]
  }

  #raw(node: Node): string {
    return this.#module.text.slice(node.start, node.end)
  }

  #site(node: Node, what: string): number {
    return this.#sites.add(this.#module, node, this.#frame.info.name, what)
  }

  #refuse(node: Node, problem: string, remedy: string): never {
    return refuse(this.#module, node, problem, remedy)
  }

  #rewrite(node: Node): string | null {
    switch (node.type) {
      case 'FunctionDeclaration':
      case 'FunctionExpression':
      case 'ArrowFunctionExpression':
        return this.#functionText(node)
      case 'MethodDefinition':
      case 'Property':
        return this.#memberText(node)
      case 'PropertyDefinition':
      case 'StaticBlock':
        return this.#rigidText(node)
      case 'ExpressionStatement':
        return this.#statementText(node)
      case 'CallExpression':
        return this.#inChain() ? this.#linkText(node) : this.#callText(node)
      case 'ChainExpression':
        return this.#chainText(node)
      case 'NewExpression':
        return this.#newText(node)
      case 'MemberExpression':
        return this.#readText(node)
      case 'AssignmentExpression':
        return this.#assignmentText(node)
      case 'UpdateExpression':
        return this.#updateText(node)
      case 'ForStatement':
      case 'WhileStatement':
      case 'DoWhileStatement':
      case 'ForOfStatement':
      case 'ForInStatement':
        return this.#loopText(node)
      case 'TaggedTemplateExpression':
        if (this.#reach.steppedArgument(this.#module, node.tag))
          this.#refuse(node, 'a template tag that comes to a shared access', 'call it as a function')
        return null
      case 'ImportExpression':
        return this.#refuse(
          node,
          'a dynamic import in a stepped module',
          'import it at the top of the module',
        )
      default:
        return null
    }
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Functions

  #inFrame<T>(frame: Frame, body: () => T): T {
    const outer = { frame: this.#frame, inParameters: this.#inParameters }
    this.#frame = frame
    this.#inParameters = false
    const result = body()
    this.#frame = outer.frame
    this.#inParameters = outer.inParameters
    return result
  }

  /** Declares the temporaries that a function's body turned out to need. */
  #declarations(frame: Frame): string {
    if (frame.temporaries === 0) return ''
    return `let ${Array.from({ length: frame.temporaries }, (_, index) => `$${index}`).join(', ')};`
  }

  #functionText(node: FunctionNode): string {
    const info = this.#reach.functions.get(node)!
    this.#refuseRigid(info, node)
    const frame = this.#frameOf(info)
    const parts = this.#inFrame(frame, () => {
      this.#parents.push(node)
      const parameters = node.params.map((parameter) => this.#parameterText(parameter, info))
      const body = node.body.type === 'BlockStatement' ? this.#blockBody(node.body, info) : null
      const expression = body === null ? `return (${this.#text(node.body)})` : null
      this.#parents.pop()
      return { parameters, body, expression }
    })
    if (parts.expression !== null && !info.stepped && frame.temporaries === 0 && !this.#isTraced(info)) {
      const head = this.#arrowHead(node, parts.parameters)
      return `${head} ${parts.expression.slice('return '.length)}`
    }
    const inner = parts.body ?? `{ ${this.#wrapBody(parts.expression!, info)} }`
    const open = inner.indexOf('{') + 1
    const body = `${inner.slice(0, open)}${this.#declarations(frame)}${inner.slice(open)}`
    if (info.stepped) return this.#generatorText(node, parts.parameters, body)
    return parts.body === null
      ? `${this.#arrowHead(node, parts.parameters)} ${body}`
      : this.#headText(node, parts.parameters) + body
  }

  #blockBody(block: Node, info: FunctionInfo): string {
    const text = this.#splice(block)
    if (!this.#isTraced(info)) return text
    const directives = /^\{(\s*(['"])use strict\2;?)?/.exec(text)![0]
    return `${directives}${this.#wrapBody(text.slice(directives.length, -1), info)}}`
  }

  #isTraced(info: FunctionInfo): boolean {
    return (
      this.#probeOf(info) !== undefined || (this.#options.trace && info.node !== null && info.rigid === null)
    )
  }

  #probeOf(info: FunctionInfo): Probe | undefined {
    const path = this.#module.file.replaceAll('\\', '/')
    return this.#options.probes.find(
      (probe) => probe.function === info.name && path.endsWith(`/${probe.file}`),
    )
  }

  /** Reports the call of a function and its return. */
  #wrapBody(body: string, info: FunctionInfo): string {
    if (!this.#isTraced(info)) return body
    const probe = this.#probeOf(info)
    const names = info.node!.params.map((parameter) =>
      parameter.type === 'Identifier' ? parameter.name : 'undefined',
    )
    if (probe !== undefined) {
      const called = [probe.id, ...names].join(', ')
      const enter = `${RUNTIME}_probe(${called});`
      if (probe.result !== true) return `${enter}${body}`
      // A function may return at several places: all of it becomes an inner function with one.
      const inner = info.stepped ? `(function* () {${body}}).call(this)` : `(() => {${body}})()`
      const call = info.stepped ? `(yield* ${inner})` : inner
      return `${enter} return ${RUNTIME}_probed(${[probe.id, call, ...names].join(', ')});`
    }
    const list = `[${names.join(', ')}]`
    const site = this.#sites.add(this.#module, info.node!, info.name, 'call')
    return `${RUNTIME}_enter(${site}, ${list}); try {${body}} finally { ${RUNTIME}_leave(${site}) }`
  }

  /** Everything of a function before its body, with the parameters rewritten. */
  #headText(node: FunctionNode, parameters: readonly string[]): string {
    const source = this.#module.text
    let out = ''
    let at = node.start
    node.params.forEach((parameter, index) => {
      out += source.slice(at, parameter.start) + parameters[index]!
      at = parameter.end
    })
    return out + source.slice(at, node.body.start)
  }

  /** An arrow function up to its arrow; what stands between that and the body may be a parenthesis. */
  #arrowHead(node: FunctionNode, parameters: readonly string[]): string {
    const head = this.#headText(node, parameters)
    const end = head.lastIndexOf('=>') + 2
    return head.slice(0, end) + '\n'.repeat(head.slice(end).split('\n').length - 1)
  }

  #generatorText(node: FunctionNode, parameters: readonly string[], body: string): string {
    if (node.type === 'ArrowFunctionExpression') return this.#arrowText(node, parameters, body)
    const head = this.#headText(node, parameters)
    // A method's star stands before its name, see memberText.
    return head.startsWith('function') ? `function*${head.slice('function'.length)}${body}` : head + body
  }

  #arrowText(node: FunctionNode, parameters: readonly string[], body: string): string {
    const uses = lexicalUses(node.body)
    if (uses.arguments || uses.super) {
      const what = uses.super ? 'super' : 'arguments'
      this.#refuse(
        node,
        `an arrow function that uses ${what} and comes to a shared access`,
        'make it a method',
      )
    }
    const lines = '\n'.repeat(
      countLines(this.#module.text.slice(node.start, node.body.start), parameters.join('')),
    )
    const text = `(function* (${parameters.join(', ')})${lines} ${body})`
    return uses.this ? `${text}.bind(this)` : text
  }

  #parameterText(parameter: Node, info: FunctionInfo): string {
    const outer = this.#inParameters
    this.#inParameters = true
    const text = this.#text(parameter)
    this.#inParameters = outer
    if (info.stepped && /\byield\b/.test(text)) {
      this.#refuse(
        parameter,
        `a default value of a parameter of ${info.name} that comes to a shared access`,
        'compute it in the body of the function',
      )
    }
    return text
  }

  #refuseRigid(info: FunctionInfo, node: Node): void {
    if (info.rigid === null || !info.definite) return
    this.#refuse(
      node,
      `${info.rigid}${info.name.startsWith('(') ? '' : ` (${info.name})`} comes to a shared access through Atomics`,
      info.rigid === 'a constructor'
        ? 'move the access into a method or a function that makes the object'
        : 'move the access into a function of its own that is called where it is needed',
    )
  }

  #memberText(node: Node & { type: 'MethodDefinition' | 'Property' }): string | null {
    const isMethod = node.type === 'MethodDefinition' ? node.kind === 'method' : node.method
    const value = node.value as Node
    if (!isFunction(value)) return null
    if (!isMethod && node.type === 'Property' && node.kind === 'init') return null
    const info = this.#reach.functions.get(value)!
    const key = this.#splice(node, new Map([[value, '']])).trimEnd()
    const text = this.#text(value)
    if (!info.stepped) return key + text
    const at = node.computed ? key.indexOf('[') : node.key.start - node.start
    // After a field without a semicolon, the star would multiply.
    const star = node.type === 'MethodDefinition' ? ';' : ''
    return `${star}${key.slice(0, at)}*${key.slice(at)}${text}`
  }

  /** The initial value of a field, or a static block: it runs where nothing can stop. */
  #rigidText(node: Node & { type: 'PropertyDefinition' | 'StaticBlock' }): string | null {
    const key = node.type === 'StaticBlock' ? node : node.value
    const info = key ? this.#reach.functions.get(key) : undefined
    if (info === undefined) return null
    if (isFunction(key as Node)) return null
    this.#refuseRigid(info, node)
    const outer = this.#frame
    const frame: Frame = { info, generator: false, temporaries: outer.temporaries, depth: outer.depth }
    const text = this.#inFrame(frame, () => this.#splice(node))
    outer.temporaries = Math.max(outer.temporaries, frame.temporaries)
    return text
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Statements

  /** A statement that begins with a parenthesis must not become the arguments of the line before. */
  #statementText(node: Node & { type: 'ExpressionStatement' }): string {
    const text = this.#splice(node)
    if (!/^[([`+\-/]/.test(text) || /^[([`+\-/]/.test(this.#raw(node))) return text
    const parent = this.#parent()
    const inList =
      parent?.type === 'BlockStatement' || parent?.type === 'Program' || parent?.type === 'SwitchCase'
    return inList || parent?.type === 'StaticBlock' ? `;${text}` : text
  }

  /** Marks the turns of a loop that can stop, so that one that only waits is recognised. */
  #loopText(node: Node & { body: Node }): string | null {
    if (node.type === 'ForOfStatement' && node.await)
      this.#refuse(node, 'for await in a module that is stepped', 'use threads that wait with Atomics.wait')
    if (!this.#frame.generator) return null
    const body = this.#inLoop(node)
    if (!/\byield\b/.test(body.whole) || !canOnlyWait(node)) return body.whole
    const site = this.#site(node, 'loop')
    const mark = `if (${RUNTIME}_again(${site})) yield;`
    const inner =
      node.body.type === 'BlockStatement' ? `{${mark}${body.body.slice(1)}` : `{${mark}${body.body}\n}`
    const text = `${body.before}${inner}${body.after}`
    return this.#parent()?.type === 'LabeledStatement' ? text : `{${RUNTIME}_loop(${site});${text}}`
  }

  #inLoop(node: Node & { body: Node }): { whole: string; before: string; body: string; after: string } {
    const placeholder = '\u0000body\u0000'
    let body = ''
    this.#parents.push(node)
    body = this.#text(node.body)
    this.#parents.pop()
    const [before = '', after = ''] = this.#splice(node, new Map([[node.body, placeholder]])).split(
      placeholder,
    )
    return { whole: before + body + after, before, body, after }
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Calls

  #callText(node: Node & { type: 'CallExpression' }): string {
    const target = this.#reach.targets.get(node)!
    if (target.operation !== null) return this.#operationText(node, target.operation)
    const kind = this.#reach.callKind(target)
    const callee = node.callee as Node
    if (kind === 'plain') return this.#plainCallText(node)
    const call = this.#splice(node)
    if (callee.type === 'Super') return call
    return this.#delegate(node, call, kind)
  }

  /** Calls a function that may be a generator. */
  #delegate(node: Node, call: string, kind: 'stepped' | 'either'): string {
    if (!this.#frame.generator) {
      if (this.#frame.info.node === null && this.#frame.info.name === '(module)')
        return `${RUNTIME}_alone(${call})`
      const site = this.#site(node, 'call')
      return `${RUNTIME}_plain(${call}, ${site})`
    }
    if (kind === 'stepped') return `(yield* ${call})`
    return this.#withTemporary((name) => `(${RUNTIME}_stops(${name} = ${call}) ? yield* ${name} : ${name})`)
  }

  /** A call in the middle of `a?.b().c`. */
  #linkText(node: Node & { type: 'CallExpression' }): string {
    const target = this.#reach.targets.get(node)!
    const last = this.#parent()?.type === 'ChainExpression'
    if (!last && (target.operation !== null || this.#reach.callKind(target) !== 'plain'))
      this.#refuse(
        node,
        'a shared access in the middle of an optional chain',
        'take the call out of the chain',
      )
    return this.#splice(node)
  }

  #chainText(node: Node & { type: 'ChainExpression' }): string | null {
    const inner = node.expression as Node
    if (inner.type !== 'CallExpression') return null
    const target = this.#reach.targets.get(inner)!
    if (target.operation !== null) this.#refuse(node, 'an optional call of Atomics', 'call it without ?.')
    const kind = this.#reach.callKind(target)
    const call = this.#splice(node)
    return kind === 'plain' ? call : this.#delegate(node, call, 'either')
  }

  #plainCallText(node: Node & { type: 'CallExpression' }): string {
    const target = this.#reach.targets.get(node)!
    const callee = node.callee as Node
    if (!this.#reach.isKnown(target)) this.#refuseCallbacks(node.arguments as Node[], callee)
    if (callee.type !== 'MemberExpression' || node.optional || callee.optional) return this.#splice(node)
    const name = propertyName(callee.property, callee.computed)
    if (name === null || callee.object.type === 'Super') return this.#splice(node)
    if (viewMethod.test(name)) return this.#bulkText(node, callee, name, 'dataView')
    if (bulkMethods.has(name) && !isGlobal(callee.object, this.#module))
      return this.#bulkText(node, callee, name, 'bulk')
    return this.#splice(node)
  }

  #refuseCallbacks(args: readonly Node[], callee: Node): void {
    for (const argument of args) {
      const stepped = this.#reach.steppedArgument(this.#module, argument)
      if (stepped === undefined) continue
      this.#refuse(
        argument,
        `a shared access inside a callback given to ${this.#raw(callee)}`,
        'write a loop: a callback that the engine calls cannot stop in the middle',
      )
    }
  }

  /** A method that moves many elements: asks first whether the array is shared. */
  #bulkText(
    node: Node & { type: 'CallExpression' },
    callee: Node & { type: 'MemberExpression' },
    name: string,
    helper: 'bulk' | 'dataView',
  ): string {
    return this.#withTemporary((object) => {
      const args = (node.arguments as Node[]).map((argument) => this.#child(node, argument)).join(', ')
      const site = this.#site(node, name)
      const base = this.#child(callee, callee.object as Node)
      const lines = this.#lostLines(node, base + args)
      const property = name.startsWith('#') ? null : name
      if (property === null) return this.#splice(node)
      return (
        `((${object} = ${base}).${TRACKED} === undefined ? ${object}.${name}(${args})${lines} : ` +
        `${RUNTIME}_${helper}(${object}, '${name}', ${site}, [${args}]))`
      )
    })
  }

  /** Rewrites `child` as a child of `node`. */
  #child(node: Node, child: Node): string {
    this.#parents.push(node)
    const text = this.#text(child)
    this.#parents.pop()
    return child.type === 'SequenceExpression' ? `(${text})` : text
  }

  /** Line ends of a node that its rewritten form lacks. */
  #lostLines(node: Node, kept: string): string {
    return '\n'.repeat(Math.max(0, countLines(this.#raw(node), kept)))
  }

  #newText(node: Node & { type: 'NewExpression' }): string | null {
    const callee = node.callee as Node
    if (!(callee.type === 'Identifier' && this.#module.scopes.bindings.get(callee) !== undefined))
      this.#refuseCallbacks(node.arguments as Node[], callee)
    if (callee.type !== 'Identifier' || this.#module.scopes.bindings.has(callee)) return null
    if (!typedArrayName.test(callee.name)) return null
    return `${RUNTIME}_made(${this.#splice(node)})`
  }

  #operationText(node: Node & { type: 'CallExpression' }, operation: string): string {
    if (operation === 'isLockFree') return this.#splice(node)
    if (operation === 'waitAsync')
      this.#refuse(node, 'Atomics.waitAsync', 'use Atomics.wait: a thread here may block')
    const arity = operations.get(operation)
    if (arity === undefined)
      this.#refuse(node, `Atomics.${operation}`, 'it is not an operation that can be stepped')
    const args = (node.arguments as Node[]).map((argument) => this.#child(node, argument))
    if ((node.arguments as Node[]).some((argument) => argument.type === 'SpreadElement'))
      this.#refuse(node, `Atomics.${operation} with spread arguments`, 'write the arguments one by one')
    const site = this.#site(node, `Atomics.${operation}`)
    const lines = this.#lostLines(node, args.join(''))
    while (args.length < arity) args.push('undefined')
    const announce = `${RUNTIME}_${operation}(${[site, ...args].join(', ')})${lines}`
    const stop = this.#frame.generator ? `${announce} && (yield)` : announce
    const done = `${RUNTIME}_${operation}Done`
    if (operation !== 'wait') return `(${stop}, ${done}())`
    const sleep = this.#frame.generator ? `${done}() && (yield)` : `${done}()`
    return `(${stop}, ${sleep}, ${RUNTIME}_waited())`
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Elements

  /** Runs `body` with the name of a variable of this function that nothing around uses. */
  #withTemporary(body: (name: string) => string): string {
    const frame = this.#frame
    const name = `$${frame.depth}`
    frame.depth++
    frame.temporaries = Math.max(frame.temporaries, frame.depth)
    const text = body(name)
    frame.depth--
    return text
  }

  /** `a[i]` as a value. */
  #readText(node: Node & { type: 'MemberExpression' }): string | null {
    if (!this.#isElement(node) || this.#isTarget(node)) return null
    const site = this.#site(node, 'read')
    return this.#element(node, (object, index) => {
      const { bind, use } = object
      return `${bind}.${SHARED} === undefined ? ${use}[${index}] : ${RUNTIME}_read(${use}, ${index}, ${site})`
    })
  }

  /**
   * The parts of an element expression, each evaluated once: `bind` is to be evaluated first, `use` later. An index
   * that may have effects, or that is not short, goes into a variable.
   */
  #element(
    node: Node & { type: 'MemberExpression' },
    body: (object: { bind: string; use: string }, index: string) => string,
  ): string {
    const object = node.object as Node
    const stable = object.type === 'Identifier' && this.#isStable(object)
    const parts = (use: string, bind: string): string => {
      const index = this.#child(node, node.property as Node)
      if (isSimple(node.property as Node)) return `(${body({ bind, use }, index)})`
      return this.#withTemporary((name) => {
        const inner = this.#child(node, node.property as Node)
        const first = bind === use ? '' : `${bind}, `
        return `(${first}${name} = ${inner}, ${body({ bind: use, use }, name)})`
      })
    }
    if (stable) return parts(this.#raw(object), this.#raw(object))
    return this.#withTemporary((name) => parts(name, `(${name} = ${this.#child(node, object)})`))
  }

  #assignmentText(node: Node & { type: 'AssignmentExpression' }): string | null {
    const target = node.left as Node
    if (target.type === 'ObjectPattern' || target.type === 'ArrayPattern') return null
    if (target.type !== 'MemberExpression' || !this.#isElement(target)) return null
    const site = this.#site(node, 'write')
    const { operator } = node
    return this.#element(target, (object, index) =>
      this.#withTemporary((index2) => {
        // The index is evaluated before the value.
        const simple = this.#isStable(target.property as Node)
        const bound = simple || /^\$\d+$/.test(index) ? index : index2
        const bindObject = object.bind === object.use ? '' : `${object.bind}, `
        const first = bound === index ? bindObject : `${bindObject}${index2} = ${index}, `
        return this.#withTemporary((value) => {
          const right = this.#child(node, node.right as Node)
          const lines = this.#lostLines(node, right)
          const { use } = object
          if (operator === '=') {
            return (
              `${first}${value} = ${right}${lines}, ${use}.${TRACKED} === undefined ? ${use}[${bound}] = ${value} : ` +
              `${RUNTIME}_write(${use}, ${bound}, ${value}, ${site})`
            )
          }
          const read = `${use}.${SHARED} === undefined ? ${use}[${bound}] : ${RUNTIME}_read(${use}, ${bound}, ${site})`
          const write = (what: string): string =>
            `(${value} = ${what}, ${use}.${TRACKED} === undefined ? ${use}[${bound}] = ${value} : ` +
            `${RUNTIME}_write(${use}, ${bound}, ${value}, ${site}))`
          const plain = operator.slice(0, -1)
          const result = `(${right}${lines})`
          if (plain === '&&' || plain === '||' || plain === '??')
            return `${first}(${read}) ${plain} ${write(result)}`
          return `${first}${write(`(${read}) ${plain} ${result}`)}`
        })
      }),
    )
  }

  #updateText(node: Node & { type: 'UpdateExpression' }): string | null {
    const target = node.argument as Node
    if (target.type !== 'MemberExpression' || !this.#isElement(target)) return null
    const site = this.#site(node, 'write')
    const [own, helper] = node.prefix
      ? [(element: string) => `${node.operator}${element}`, 'updated']
      : [(element: string) => `${element}${node.operator}`, 'update']
    const delta = node.operator === '++' ? 1 : -1
    return this.#element(
      target,
      (object, index) =>
        `${object.bind}.${TRACKED} === undefined ? ${own(`${object.use}[${index}]`)} : ` +
        `${RUNTIME}_${helper}(${object.use}, ${index}, ${delta}, ${site})`,
    )
  }

  /** An element of an array, as far as can be seen. */
  #isElement(node: Node & { type: 'MemberExpression' }): boolean {
    if (!node.computed || node.object.type === 'Super' || node.optional) return false
    const key = node.property as Node
    if (key.type === 'Literal' && typeof key.value === 'string') return false
    if (key.type === 'TemplateLiteral') return false
    return !this.#inChain() && !this.#inParameters
  }

  /** Inside `a?.b…`, where a part cannot be taken out. */
  #inChain(): boolean {
    for (let up = 0; ; up++) {
      const parent = this.#parent(up)
      if (parent?.type === 'ChainExpression') return true
      if (parent?.type !== 'MemberExpression' && parent?.type !== 'CallExpression') return false
    }
  }

  /** It is assigned to, called or deleted, and not read. */
  #isTarget(node: Node): boolean {
    const parent = this.#parent()
    switch (parent?.type) {
      case 'CallExpression':
        return parent.callee === node
      case 'TaggedTemplateExpression':
        return true
      case 'AssignmentExpression':
        return parent.left === node
      case 'UpdateExpression':
      case 'ArrayPattern':
      case 'RestElement':
        return true
      case 'UnaryExpression':
        return parent.operator === 'delete'
      case 'AssignmentPattern':
        return parent.left === node
      case 'ForOfStatement':
      case 'ForInStatement':
        return parent.left === node
      case 'Property':
        return parent.value === node && this.#parent(1)?.type === 'ObjectPattern'
      default:
        return false
    }
  }

  /** Means the same whenever it is evaluated: variables that nobody assigns to, and fields of imported constants. */
  #isStable(node: Node): boolean {
    switch (node.type) {
      case 'Literal':
        return true
      case 'Identifier': {
        const binding = this.#module.scopes.bindings.get(node)
        return binding !== undefined && !binding.reassigned
      }
      case 'BinaryExpression':
        return this.#isStable(node.left as Node) && this.#isStable(node.right)
      case 'MemberExpression': {
        if (node.computed || node.object.type !== 'Identifier') return false
        if (this.#reach.assignedProperties.has(propertyName(node.property, false) ?? '')) return false
        const binding = this.#module.scopes.bindings.get(node.object)
        return binding?.kind === 'import' || this.#module.scopes.topLevel.get(node.object.name) === binding
      }
      default:
        return false
    }
  }
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

function isGlobal(node: Node, module: ProgramModule): boolean {
  return node.type === 'Identifier' && !module.scopes.bindings.has(node) && node.name in globalThis
}

/**
 * A loop that takes nothing from one turn to the next but what it reads from shared memory: if that is the same as
 * before, so is the next turn. One that counts its turns or goes through a list is none.
 */
function canOnlyWait(node: Node): boolean {
  if (node.type === 'ForOfStatement' || node.type === 'ForInStatement') return false
  if (node.type === 'ForStatement' && node.update) return false
  const carries = (inner: Node): boolean => {
    if (isFunction(inner)) return false
    if (inner.type === 'UpdateExpression') return true
    if (inner.type === 'AssignmentExpression' && (inner.operator !== '=' || inner.left.type !== 'Identifier'))
      return true
    return childrenOf(inner).some(carries)
  }
  return !childrenOf(node).some(carries)
}

/** What an arrow function takes from the function around it. */
function lexicalUses(body: Node): { this: boolean; arguments: boolean; super: boolean } {
  const uses = { this: false, arguments: false, super: false }
  const visit = (node: Node): void => {
    if (node.type === 'ThisExpression') uses.this = true
    if (node.type === 'Super') uses.super = true
    if (node.type === 'Identifier' && node.name === 'arguments') uses.arguments = true
    if (isFunction(node) && node.type !== 'ArrowFunctionExpression') return
    if (node.type === 'ClassBody') return
    for (const child of childrenOf(node)) visit(child)
  }
  visit(body)
  return uses
}

function countLines(text: string, kept: string): number {
  return text.split('\n').length - kept.split('\n').length
}
