// From the source of a module to its steppable form.
//
// No line moves. An operation of `Atomics` becomes three: it is announced, the thread stops if the scheduler wants
// another one to go on, and it is done. A call of a function that can stop is delegated to with `yield*`. Reads and
// writes of elements ask first whether the array is shared; the answer is a property of the array, so that for others
// it costs one comparison.

import * as engine from './engine.ts'
import {
  bulkMethods,
  laterFunctions,
  operations,
  rigidCallbackMethods,
  stepsCallbacks,
  viewMethod,
} from './names.ts'
import type { ProgramModule } from './program.ts'
import { type FunctionInfo, type Reach, directOperation, isAccessor } from './reach.ts'
import * as runtime from './runtime.ts'
import type { Binding, Scopes } from './scope.ts'
import type { SiteTable } from './sites.ts'
import { SHARED, TRACKED } from './tags.ts'
import { type FunctionNode, type Node, childrenOf, isFunction, propertyName, refuse } from './syntax.ts'

/** What begins the names under which the steppable form knows the runtime. */
const RUNTIME = '$f'

/** Everything that the steppable form calls, and a little more. */
const helpers = [runtime, engine].map((module) =>
  Object.entries(module).flatMap(([name, value]) => (typeof value === 'number' ? [] : [name])),
)
const typedArrayName = /^((Big)?(Ui|I)nt(8|16|32|64)(Clamped)?|Float(16|32|64))Array$|^DataView$/
/** Functions of the engine that read all elements of an array that they are given. */
const readers =
  /^(Object\.(values|entries|assign)|JSON\.stringify|structuredClone|String|Buffer\.(from|concat|compare))$/

export interface EmitOptions {
  /** Also report calls and returns, for a trace. */
  readonly trace: boolean
  /** The turns of every loop are counted, so that setDeadline() can end it. */
  readonly turns: boolean
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
  folder: string,
): string {
  const body = new Emitter(module, reach, sites, options).module()
  const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
  const imports = ['runtime', 'engine'].map((file, index) => {
    const url = JSON.stringify(`${folder}${file}${extension}`)
    if (module.format === 'module') {
      const names = helpers[index]!.map((name) => `${name} as ${RUNTIME}_${name}`)
      return `import { ${names.join(', ')} } from ${url};`
    }
    const names = helpers[index]!.map((name) => `${name}: ${RUNTIME}_${name}`)
    return `const { ${names.join(', ')} } = ${RUNTIME}.${file};`
  })
  const strict =
    module.format === 'commonjs' && /^(\s|\/\/.*\n|\/\*[^]*?\*\/)*(['"])use strict\2/.test(module.text)
  return `${strict ? "'use strict';" : ''}${imports.join('')}${body}`
}

/** What a CommonJS module in its steppable form finds under the name of the runtime. */
export const commonjsRuntime: Readonly<Record<string, object>> = { runtime, engine }

/** The function whose body is being written. */
interface Frame {
  readonly info: FunctionInfo
  readonly probe: Probe | undefined
  readonly generator: boolean
  temporaries: number
  depth: number
}

class Emitter {
  readonly #module: ProgramModule
  readonly #reach: Reach
  readonly #sites: SiteTable
  readonly #options: EmitOptions
  /** Those of this module. */
  readonly #probes: readonly Probe[]
  #frame: Frame
  readonly #parents: Node[] = []
  /** Default values of parameters cannot use variables of the body, but those of the module. */
  #inParameters = false
  #parameterTemporaries = 0

  constructor(module: ProgramModule, reach: Reach, sites: SiteTable, options: EmitOptions) {
    this.#module = module
    this.#reach = reach
    this.#sites = sites
    this.#options = options
    const path = module.file.replaceAll('\\', '/')
    this.#probes = options.probes.filter(({ file }) => path.endsWith(`/${file}`))
    this.#frame = this.#frameOf(reach.functions.get(module.program)!)
  }

  #frameOf(info: FunctionInfo): Frame {
    return { info, probe: this.#probeOf(info), generator: info.stepped, temporaries: 0, depth: 0 }
  }

  module(): string {
    const text = this.#splice(this.#module.program)
    // A hashbang must stay first; nothing needs it here.
    const body = text.startsWith('#!') ? `//${text}` : text
    const names = Array.from({ length: this.#parameterTemporaries }, (_, index) => `$p${index}`)
    const shared = names.length > 0 ? `let ${names.join(', ')};` : ''
    return `${shared}${this.#declarations(this.#frame)}${body}`
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

  /** An expression that refuses when the program comes to it: what is never reached does no harm. */
  #refusal(node: Node, problem: string, remedy: string): string {
    const site = this.#site(node, 'refused')
    const lines = '\n'.repeat(this.#raw(node).split('\n').length - 1)
    return `${RUNTIME}_refused(${site}, ${JSON.stringify(problem)}, ${JSON.stringify(remedy)}${lines})`
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
      case 'ReturnStatement':
        return this.#returnText(node)
      case 'Identifier':
        return this.#module.scopes.atomics.has(node) ? `${RUNTIME}_atomics` : null
      case 'CallExpression':
        return this.#callText(node)
      case 'ChainExpression':
        return this.#chainText(node)
      case 'NewExpression':
        return this.#newText(node)
      case 'MemberExpression':
        return this.#memberReadText(node)
      case 'AssignmentExpression':
        return this.#assignmentText(node)
      case 'UpdateExpression':
        return this.#updateText(node)
      case 'VariableDeclarator':
        return this.#declaratorText(node)
      case 'SpreadElement':
        return this.#spreadText(node)
      case 'ObjectPattern':
        return this.#patternText(node)
      case 'ForStatement':
      case 'WhileStatement':
      case 'DoWhileStatement':
      case 'ForOfStatement':
      case 'ForInStatement':
        return this.#loopText(node)
      case 'WithStatement':
        return refuse(this.#module, node, 'a with statement', 'name the object where its properties are used')
      case 'TaggedTemplateExpression':
        if (!this.#reach.mayStep(this.#module, node.tag as Node)) return null
        return this.#refusal(node, 'a template tag that may come to a shared access', 'call it as a function')
      case 'ImportExpression':
        return this.#refusal(
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
    const frame = this.#frameOf(info)
    const parts = this.#inFrame(frame, () => {
      this.#parents.push(node)
      const parameters = node.params.map((parameter) => this.#parameterText(parameter, info))
      const body = node.body.type === 'BlockStatement' ? this.#blockBody(node.body, info) : null
      const expression = body === null ? `return (${this.#resultText(this.#text(node.body))})` : null
      this.#parents.pop()
      return { parameters, body, expression }
    })
    const guard = node.async
      ? `if (${RUNTIME}_asynchronous(${this.#site(node as Node, 'async')})) return;`
      : ''
    if (
      parts.expression !== null &&
      !info.stepped &&
      frame.temporaries === 0 &&
      !this.#isTraced(info) &&
      guard === ''
    ) {
      const head = this.#arrowHead(node, parts.parameters)
      return `${head} ${parts.expression.slice('return '.length)}`
    }
    const inner = parts.body ?? `{ ${this.#wrapBody(parts.expression!, info)} }`
    const directives = parts.body === null ? '{' : /^\{(\s*(['"])use strict\2;?)?/.exec(inner)![0]
    const open = directives.length
    const body = `${inner.slice(0, open)}${guard}${this.#declarations(frame)}${inner.slice(open)}`
    if (node.generator) return this.#userGeneratorText(node, parts.parameters, body)
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
    return this.#probes.find((probe) => probe.function === info.name)
  }

  /** Reports the call of a function and its return. */
  #wrapBody(body: string, info: FunctionInfo): string {
    if (!this.#isTraced(info)) return body
    const probe = this.#probeOf(info)
    const names = namesOf(info)
    if (probe !== undefined) {
      const enter = `${RUNTIME}_probe(${[probe.id, ...names].join(', ')});`
      if (probe.result !== true) return `${enter}${body}`
      const given = names.map((name, index) => `$given${index} = ${name}`)
      const keep = given.length === 0 ? '' : `const ${given.join(', ')};`
      const end = info.node!.body.type === 'BlockStatement' ? `;return ${this.#resultText('undefined')};` : ''
      return `${enter}${keep}${body}${end}`
    }
    const list = `[${names.join(', ')}]`
    const site = this.#sites.add(this.#module, info.node!, info.name, 'call')
    return `${RUNTIME}_enter(${site}, ${list}); try {${body}} finally { ${RUNTIME}_leave(${site}) }`
  }

  /** What a function returns, reported with the arguments that it was given: its parameters may mean others by then. */
  #resultText(value: string): string {
    const { info, probe } = this.#frame
    if (probe?.result !== true) return value
    const given = namesOf(info).map((_, index) => `$given${index}`)
    return `${RUNTIME}_probed(${[probe.id, `(${value})`, ...given].join(', ')})`
  }

  #returnText(node: Node & { type: 'ReturnStatement' }): string | null {
    if (this.#frame.probe?.result !== true) return null
    if (!node.argument) return `return ${this.#resultText('undefined')};`
    return this.#splice(
      node,
      new Map([[node.argument as Node, this.#resultText(this.#child(node, node.argument))]]),
    )
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

  /** A generator of the program: its objects say that they are none of ours. */
  #userGeneratorText(node: FunctionNode, parameters: readonly string[], body: string): string {
    if (node.async) return this.#headText(node, parameters) + body
    if (lexicalUses(node.body).super) {
      const refusal = this.#refusal(node, 'a generator that uses super', 'take what it needs as a parameter')
      return `${this.#headText(node, parameters).replace('*', '')}{ ${refusal} }`
    }
    const head = this.#headText(node, parameters)
    const plainHead = head.startsWith('function') ? head.replace('*', '') : head
    return `${plainHead}{ return ${RUNTIME}_users((function* () ${body}).apply(this, arguments)) }`
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
      return this.#refusal(
        node,
        `an arrow function that uses ${what} and may come to a shared access`,
        'make it a method',
      )
    }
    const lines = '\n'.repeat(
      countLines(this.#module.text.slice(node.start, node.body.start), parameters.join('')),
    )
    const text = `(function* (${parameters.join(', ')})${lines} ${body})`
    return uses.this ? `${text}.bind(this)` : text
  }

  /** Default values are computed where nothing can stop. */
  #parameterText(parameter: Node, info: FunctionInfo): string {
    const frame: Frame = { ...this.#frameOf(info), generator: false }
    return this.#inFrame(frame, () => {
      this.#inParameters = true
      return this.#text(parameter)
    })
  }

  #memberText(node: Node & { type: 'MethodDefinition' | 'Property' }): string | null {
    const value = node.value as Node
    if (node.type === 'Property' && node.shorthand && this.#module.scopes.atomics.has(value))
      return `Atomics: ${RUNTIME}_atomics`
    const isInit = node.type === 'Property' && node.kind === 'init' && !node.method
    if (!isFunction(value) || isInit) return null
    const info = this.#reach.functions.get(value)!
    const key = this.#splice(node, new Map([[value, '']])).trimEnd()
    const text = this.#text(value)
    const at = node.computed ? key.indexOf('[') : node.key.start - node.start
    // A generator of the program is a function that returns one, see userGeneratorText.
    if (value.generator && !value.async) return key.slice(0, at).replace('*', '') + key.slice(at) + text
    if (!info.stepped) return key + text
    // After a field without a semicolon, the star would multiply.
    const star = node.type === 'MethodDefinition' ? ';' : ''
    if (node.kind === 'constructor') return this.#constructorText(value, text)
    if (isAccessor(node)) return this.#accessorText(node, value, key, text)
    return `${star}${key.slice(0, at)}*${key.slice(at)}${text}`
  }

  /** A constructor that can stop is a method; the class itself only makes the object and its fields. */
  #constructorText(node: FunctionNode, text: string): string {
    const site = this.#site(node as Node, 'call')
    const whole = `return ${RUNTIME}_plain(this.$init(...$arguments), ${site})`
    return `;constructor(...$arguments) { if ($arguments[0] !== ${RUNTIME}_raw) ${whole} } *$init${text}`
  }

  /** An accessor that can stop is a method beside the accessor, which is for those who cannot. */
  #accessorText(
    node: Node & { type: 'MethodDefinition' | 'Property'; kind: 'get' | 'set' },
    value: FunctionNode,
    key: string,
    text: string,
  ): string {
    const { twin, call } = twinNames(node.kind, propertyName(node.key, node.computed)!)
    const isStatic = node.type === 'MethodDefinition' && node.static ? 'static ' : ''
    const parameter = node.kind === 'get' ? '' : '$value'
    const plain = `{ return ${RUNTIME}_plain(this${call}(${parameter}), ${this.#site(value as Node, 'call')}) }`
    const [before, between] = node.type === 'MethodDefinition' ? [';', ' '] : ['', ', ']
    return `${before}${key}(${parameter}) ${plain}${between}${isStatic}*${twin}${text}`
  }

  /** The initial value of a field, or a static block: it runs where nothing can stop. */
  #rigidText(node: Node & { type: 'PropertyDefinition' | 'StaticBlock' }): string | null {
    const key = node.type === 'StaticBlock' ? node : node.value
    const info = key ? this.#reach.functions.get(key) : undefined
    if (info === undefined) return null
    if (isFunction(key as Node)) return null
    const outer = this.#frame
    const frame: Frame = { ...outer, info, probe: undefined, generator: false }
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

  /** Marks the turns of a loop that can stop, so that one that only waits is recognised, and counts those of any. */
  #loopText(node: Node & { body: Node }): string | null {
    if (!this.#frame.generator && !this.#options.turns) return null
    const body = this.#inLoop(node)
    const waits =
      this.#frame.generator && /\byield\b/.test(body.whole) && canOnlyWait(node, this.#module.scopes)
    if (!waits && !this.#options.turns) return body.whole
    const site = this.#site(node, 'loop')
    const count = this.#options.turns ? `${RUNTIME}_turn(${site});` : ''
    const mark = `${count}${waits ? `if (${RUNTIME}_again(${site})) yield;` : ''}`
    const inner =
      node.body.type === 'BlockStatement' ? `{${mark}${body.body.slice(1)}` : `{${mark}${body.body}\n}`
    const text = `${body.before}${inner}${body.after}`
    return !waits || this.#parent()?.type === 'LabeledStatement' ? text : `{${RUNTIME}_loop(${site});${text}}`
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
    const operation = directOperation(this.#module, node)
    if (operation !== null) return this.#operationText(node, operation)
    const target = this.#reach.targets.get(node)!
    const kind = this.#reach.callKind(target)
    const callee = node.callee as Node
    if (callee.type === 'Super') return this.#splice(node)
    const name = callee.type === 'MemberExpression' ? propertyName(callee.property, callee.computed) : null
    if (callee.type === 'MemberExpression' && name !== null && callee.object.type !== 'Super') {
      if (stepsCallbacks(name) && this.#givesSteps(node) && !name.startsWith('#'))
        return this.#delegate(node, this.#callbackText(node, callee, name), 'either')
    }
    if (callee.type === 'MemberExpression' && callee.object.type !== 'Super' && this.#isElement(callee)) {
      const call = this.#computedCallText(node, callee)
      return kind === 'plain' ? call : this.#delegate(node, call, kind)
    }
    if (kind === 'plain') return this.#plainCallText(node)
    return this.#delegate(node, this.#splice(node), kind)
  }

  /** `object[name](…)`: it may be a method that reads elements. */
  #computedCallText(
    node: Node & { type: 'CallExpression' },
    callee: Node & { type: 'MemberExpression' },
  ): string {
    const object = this.#child(callee, callee.object as Node)
    const key = this.#child(callee, callee.property as Node)
    const args = this.#argumentsText(node)
    const lines = this.#lostLines(node, object + key + args)
    return `${RUNTIME}_computedCall(${object}, ${key}, ${this.#site(node, 'call')}, [${args}]${lines})`
  }

  /** Its first argument may be a function that can stop. */
  #givesSteps(node: Node & { type: 'CallExpression' }): boolean {
    const [first] = node.arguments as Node[]
    return first !== undefined && first.type !== 'SpreadElement' && this.#reach.mayStep(this.#module, first)
  }

  #callbackText(
    node: Node & { type: 'CallExpression' },
    callee: Node & { type: 'MemberExpression' },
    name: string,
  ): string {
    const object = this.#child(callee, callee.object as Node)
    const args = this.#argumentsText(node)
    const site = this.#site(node, name)
    return `${RUNTIME}_callback(${site}, ${object}, '${name}', [${args}]${this.#lostLines(node, object + args)})`
  }

  #argumentsText(node: Node & { type: 'CallExpression' | 'NewExpression' }): string {
    return (node.arguments as Node[]).map((argument) => this.#child(node, argument)).join(', ')
  }

  /** Calls a function that may be a generator. */
  #delegate(node: Node, call: string, kind: 'stepped' | 'either'): string {
    if (!this.#frame.generator) {
      const { info } = this.#frame
      if (info.node === null && info.name === '(module)' && this.#module.format === 'module')
        return `${RUNTIME}_alone(${call})`
      const site = this.#site(node, 'call')
      return `${RUNTIME}_plain(${call}, ${site})`
    }
    if (kind === 'stepped') return `(yield* ${call})`
    return this.#withTemporary((name) => `(${RUNTIME}_stops(${name} = ${call}) ? yield* ${name} : ${name})`)
  }

  /** `a?.b[c]`: taken apart where a part has to be rewritten, link by link. */
  #chainText(node: Node & { type: 'ChainExpression' }): string {
    const parent = this.#parent()
    const isTarget = parent?.type === 'UnaryExpression' && parent.operator === 'delete'
    if (isTarget || !this.#chainMatters(node.expression as Node)) return this.#spliceChain(node)
    if (parent?.type === 'CallExpression' && parent.callee === node)
      return this.#refusal(node, 'a call of a chain in parentheses', 'leave out the parentheses')
    const text = this.#link(node.expression as Node, (value) => value)
    return `(${text}${this.#lostLines(node, text)})`
  }

  /** Whether links of a chain have to be rewritten, and not only what stands in them. */
  #chainMatters(node: Node): boolean {
    if (node.type === 'MemberExpression') {
      const name = propertyName(node.property, node.computed)
      const target = this.#reach.targets.get(node)
      return (
        (node.computed && name === null) ||
        (target !== undefined && this.#reach.callKind(target) !== 'plain') ||
        this.#chainMatters(node.object as Node)
      )
    }
    if (node.type !== 'CallExpression') return false
    if (this.#reach.callKind(this.#reach.targets.get(node)!) !== 'plain') return true
    const callee = node.callee as Node
    const name = callee.type === 'MemberExpression' ? propertyName(callee.property, callee.computed) : null
    if (name !== null && stepsCallbacks(name) && this.#givesSteps(node)) return true
    return this.#chainMatters(callee)
  }

  /** A chain as it stands, with what stands in brackets and parentheses rewritten. */
  #spliceChain(node: Node): string {
    if (node.type === 'ChainExpression')
      return this.#splice(
        node,
        new Map([[node.expression as Node, this.#spliceChain(node.expression as Node)]]),
      )
    const inner =
      node.type === 'MemberExpression' ? node.object : node.type === 'CallExpression' ? node.callee : null
    if (inner === null) return this.#text(node)
    this.#parents.push(node)
    const text = this.#spliceChain(inner as Node)
    this.#parents.pop()
    return this.#splice(node, new Map([[inner as Node, text]]))
  }

  /** The text of a link, given how the chain goes on from its value. */
  #link(node: Node, then: (value: string) => string): string {
    if (node.type === 'MemberExpression') {
      if (node.object.type === 'Super') return then(this.#text(node))
      return this.#link(node.object as Node, (object) =>
        this.#withTemporary((name) => {
          const rest = then(this.#memberOf(node, name))
          return node.optional
            ? `((${name} = ${object}) == null ? undefined : ${rest})`
            : `(${name} = ${object}, ${rest})`
        }),
      )
    }
    if (node.type !== 'CallExpression') return then(this.#text(node))
    const callee = node.callee as Node
    if (callee.type !== 'MemberExpression' || callee.object.type === 'Super') {
      return this.#link(callee, (called) =>
        this.#withTemporary((name) => {
          const rest = then(this.#linkCall(node, `${name}(${this.#argumentsText(node)})`))
          return node.optional
            ? `((${name} = ${called}) == null ? undefined : ${rest})`
            : `(${name} = ${called}, ${rest})`
        }),
      )
    }
    return this.#link(callee.object as Node, (object) =>
      this.#withTemporary((receiver) =>
        this.#withTemporary((method) => {
          const first = callee.optional
            ? `(${receiver} = ${object}) == null ? undefined : `
            : `(${receiver} = ${object}, false) ? undefined : `
          const found = `${method} = ${receiver}${this.#keyText(callee)}`
          const call = this.#linkCall(node, this.#linkCallText(node, callee, receiver, method))
          const rest = then(call)
          return node.optional
            ? `(${first}(${found}) == null ? undefined : ${rest})`
            : `(${first}(${found}, ${rest}))`
        }),
      ),
    )
  }

  #linkCallText(
    node: Node & { type: 'CallExpression' },
    callee: Node & { type: 'MemberExpression' },
    receiver: string,
    method: string,
  ): string {
    const name = propertyName(callee.property, callee.computed)
    const args = this.#argumentsText(node)
    if (name !== null && stepsCallbacks(name) && this.#givesSteps(node))
      return `${RUNTIME}_callback(${this.#site(node, name)}, ${receiver}, '${name}', [${args}])`
    return `${method}.call(${receiver}${args === '' ? '' : `, ${args}`})`
  }

  #linkCall(node: Node & { type: 'CallExpression' }, call: string): string {
    const callee = node.callee as Node
    const name = callee.type === 'MemberExpression' ? propertyName(callee.property, callee.computed) : null
    const callsBack = name !== null && stepsCallbacks(name) && this.#givesSteps(node)
    const kind = this.#reach.callKind(this.#reach.targets.get(node)!)
    return kind === 'plain' && !callsBack ? call : this.#delegate(node, call, 'either')
  }

  #keyText(node: Node & { type: 'MemberExpression' }): string {
    const key = this.#child(node, node.property as Node)
    return node.computed ? `[${key}]` : `.${key}`
  }

  /** A property or element of what the variable `name` holds. */
  #memberOf(node: Node & { type: 'MemberExpression' }, name: string): string {
    const target = this.#reach.targets.get(node)
    const property = propertyName(node.property, node.computed)
    if (target !== undefined && property !== null && this.#reach.callKind(target) !== 'plain')
      return this.#getText(node, name, property)
    if (!this.#isElement(node)) return `${name}${this.#keyText(node)}`
    return this.#withTemporary((index) => {
      const key = this.#child(node, node.property as Node)
      const site = this.#site(node, 'read')
      const plain = `${name}.${SHARED} === undefined ? ${name}[${index}]`
      return `(${index} = ${key}, ${plain} : ${RUNTIME}_read(${name}, ${index}, ${site}))`
    })
  }

  #plainCallText(node: Node & { type: 'CallExpression' }): string {
    const callee = node.callee as Node
    const given = this.#givenText(node)
    if (callee.type !== 'MemberExpression' || node.optional || callee.optional) return given
    const name = propertyName(callee.property, callee.computed)
    if (name === null || callee.object.type === 'Super') return given
    if (viewMethod.test(name)) return this.#bulkText(node, callee, name, 'dataView')
    if (bulkMethods.has(name) && !isGlobal(callee.object as Node, this.#module))
      return this.#bulkText(node, callee, name, 'bulk')
    return given
  }

  /** A call of the engine or of a module outside, with what it is given made fit for that. */
  #givenText(node: Node & { type: 'CallExpression' }): string {
    const callee = node.callee as Node
    const target = this.#reach.targets.get(node)!
    const name = callee.type === 'MemberExpression' ? propertyName(callee.property, callee.computed) : null
    const replaced = new Map<Node, string>()
    const path = isGlobal(rootOf(callee), this.#module) ? this.#raw(callee).replace(/^globalThis\./, '') : ''
    const inside = this.#reach.isKnown(target)
    for (const argument of node.arguments as Node[]) {
      if (argument.type === 'SpreadElement') continue
      const site = (): number => this.#site(argument, 'argument')
      if (!inside && this.#reach.mayStep(this.#module, argument) && this.#callsBack(callee, name, path))
        replaced.set(argument, `${RUNTIME}_inRigid(${this.#child(node, argument)}, ${site()})`)
      if (readers.test(path) || name === 'decode')
        replaced.set(argument, `${RUNTIME}_source(${this.#child(node, argument)}, ${site()})`)
    }
    const isPromise = name === 'then' || name === 'catch' || name === 'finally'
    if (isPromise && !inside && callee.type === 'MemberExpression') {
      const object = callee.object as Node
      const promised = `${RUNTIME}_promised(${this.#child(callee, object)}, ${this.#site(node, 'promise')})`
      this.#parents.push(node)
      replaced.set(callee, this.#splice(callee, new Map([[object, promised]])))
      this.#parents.pop()
    }
    const text = this.#splice(node, replaced)
    if (laterFunctions.has(path) || path === 'process.nextTick')
      return `(${RUNTIME}_later(0, ${this.#site(node, 'later')}), ${text})`
    return path === 'Buffer.from' ? `${RUNTIME}_watched(${text})` : text
  }

  /** A function outside the program may call back what it is given. */
  #callsBack(callee: Node, name: string | null, path: string): boolean {
    if (name !== null && (rigidCallbackMethods.has(name) || stepsCallbacks(name))) return true
    if (laterFunctions.has(path)) return true
    const root = rootOf(callee)
    return root.type === 'Identifier' && this.#module.scopes.bindings.get(root)?.kind === 'import'
  }

  /** A method that moves many elements: asks first whether the array is shared. */
  #bulkText(
    node: Node & { type: 'CallExpression' },
    callee: Node & { type: 'MemberExpression' },
    name: string,
    helper: 'bulk' | 'dataView',
  ): string {
    return this.#withTemporary((object) => {
      const site = this.#site(node, name)
      const args = (node.arguments as Node[])
        .map((argument) => {
          const text = this.#child(node, argument)
          if (argument.type === 'SpreadElement') return text
          // What is copied from may be shared where the array itself is not.
          if (name === 'set' && argument === node.arguments[0]) return `${RUNTIME}_source(${text}, ${site})`
          return this.#reach.mayStep(this.#module, argument) && this.#callsBack(callee, name, '')
            ? `${RUNTIME}_inRigid(${text}, ${site})`
            : text
        })
        .join(', ')
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
    const target = this.#reach.targets.get(node)!
    const isGlobalName = callee.type === 'Identifier' && !this.#module.scopes.bindings.has(callee)
    const site = this.#site(node, 'new')
    if (isGlobalName) {
      if (!typedArrayName.test(callee.name)) return this.#newOfEngine(node)
      const [first] = node.arguments as Node[]
      if (first !== undefined && first.type !== 'SpreadElement' && node.arguments.length === 1)
        return this.#arrayText(node, first, callee.name)
      const replaced = new Map<Node, string>()
      if (first !== undefined && first.type !== 'SpreadElement' && first.type !== 'Literal')
        replaced.set(first, `${RUNTIME}_source(${this.#child(node, first)}, ${site})`)
      return `${RUNTIME}_made(${this.#splice(node, replaced)})`
    }
    const args = (): string => {
      const made = this.#child(node, callee)
      const given = this.#argumentsText(node)
      return `${site}, ${made}, [${given}]${this.#lostLines(node, made + given)}`
    }
    if (this.#reach.callKind(target) !== 'plain')
      return this.#delegate(node, `${RUNTIME}_build(${args()})`, 'either')
    return this.#isOrdinaryClass(callee) ? null : `${RUNTIME}_make(${args()})`
  }

  /** A typed array of one argument. Of a number, it has memory of its own: asking for its buffer would make one. */
  #arrayText(node: Node & { type: 'NewExpression' }, argument: Node, name: string): string | null {
    if (argument.type === 'Literal') return null
    return this.#withTemporary((given) => {
      const value = this.#child(node, argument)
      const source = `${RUNTIME}_source(${given}, ${this.#site(node, 'new')})`
      const lines = this.#lostLines(node, value)
      return (
        `(typeof (${given} = ${value}) === 'number' ? new ${name}(${given}) : ` +
        `${RUNTIME}_made(new ${name}(${source}))${lines})`
      )
    })
  }

  #newOfEngine(node: Node & { type: 'NewExpression' }): string | null {
    if (node.callee.type === 'Identifier' && node.callee.name === 'Proxy' && node.arguments.length === 2) {
      const args = this.#argumentsText(node)
      return `${RUNTIME}_proxied(${this.#site(node, 'new')}, ${args}${this.#lostLines(node, args)})`
    }
    const stepped = (node.arguments as Node[]).filter((argument) =>
      this.#reach.mayStep(this.#module, argument),
    )
    if (stepped.length === 0) return null
    const guarded = stepped.map((argument): [Node, string] => [
      argument,
      `${RUNTIME}_inRigid(${this.#child(node, argument)}, ${this.#site(argument, 'argument')})`,
    ])
    return this.#splice(node, new Map(guarded))
  }

  /** A class of the program that extends none: no typed array comes of it. */
  #isOrdinaryClass(callee: Node): boolean {
    if (callee.type !== 'Identifier') return false
    const binding = this.#reach.bindingOf(this.#module, callee)
    if (binding?.kind !== 'class' || binding.reassigned) return false
    const { superClass } = binding.value as Node & { type: 'ClassDeclaration' }
    return !superClass || (superClass.type === 'Identifier' && superClass.name === 'Error')
  }

  #operationText(node: Node & { type: 'CallExpression' }, operation: string): string {
    if (operation === 'isLockFree') return `Atomics.isLockFree(${this.#argumentsText(node)})`
    const arity = operations.get(operation)
    if (arity === undefined)
      return this.#refusal(node, `Atomics.${operation}`, 'use Atomics.wait: a thread here may block')
    const args = (node.arguments as Node[]).map((argument) => this.#child(node, argument))
    const site = this.#site(node, `Atomics.${operation}`)
    const lines = this.#lostLines(node, args.join(''))
    while (args.length < arity) args.push('undefined')
    const done = `${RUNTIME}_${operation}Done()`
    const call = (more: readonly string[]): string =>
      `${RUNTIME}_${operation}(${[site, ...args, ...more].join(', ')})${lines}`
    if (!this.#frame.generator) {
      const announce = call([`${RUNTIME}_stiffen(${site})`])
      return operation === 'wait'
        ? `(${announce}, ${done}, ${RUNTIME}_loosen(), ${RUNTIME}_waited())`
        : `(${announce}, ${RUNTIME}_loosen(), ${done})`
    }
    const announce = `${call([])} && (yield)`
    return operation === 'wait'
      ? `(${announce}, ${done} && (yield), ${RUNTIME}_waited())`
      : `(${announce}, ${done})`
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Elements

  /** Runs `body` with the name of a variable of this function that nothing around uses. */
  #withTemporary(body: (name: string) => string): string {
    // Each use has its own, since all calls of the function share it.
    if (this.#inParameters) return body(`$p${this.#parameterTemporaries++}`)
    const frame = this.#frame
    const name = `$${frame.depth}`
    frame.depth++
    frame.temporaries = Math.max(frame.temporaries, frame.depth)
    const text = body(name)
    frame.depth--
    return text
  }

  /** `x.name`: a getter that can stop, `globalThis.Atomics`, or an element. */
  #memberReadText(node: Node & { type: 'MemberExpression' }): string | null {
    const name = propertyName(node.property, node.computed)
    const object = node.object as Node
    if (name === 'Atomics' && isGlobal(object, this.#module)) return `${RUNTIME}_atomics`
    const isTarget = this.#isTarget(node)
    if (isTarget && this.#isElement(node) && this.#isInPattern()) return this.#slotText(node)
    const target = this.#reach.targets.get(node)
    if (isTarget || name === null || target === undefined || object.type === 'Super')
      return this.#readText(node)
    if (this.#reach.callKind(target) === 'plain') return this.#readText(node)
    return this.#withTemporary((temporary) => {
      const text = this.#child(node, object)
      return `(${temporary} = ${text}${this.#lostLines(node, text)}, ${this.#getText(node, temporary, name)})`
    })
  }

  #getText(node: Node, object: string, name: string): string {
    const { call } = twinNames('get', name)
    if (name.startsWith('#')) return this.#delegate(node, `${object}${call}()`, 'either')
    return this.#delegate(node, `${RUNTIME}_get(${object}, ${JSON.stringify(name)})`, 'either')
  }

  #setText(node: Node, object: string, name: string, value: string): string {
    const { call } = twinNames('set', name)
    if (name.startsWith('#')) return this.#delegate(node, `${object}${call}(${value})`, 'either')
    return this.#delegate(node, `${RUNTIME}_set(${object}, ${JSON.stringify(name)}, ${value})`, 'either')
  }

  /** A property whose setter or getter may be able to stop. */
  #accessorOf(node: Node): (Node & { type: 'MemberExpression' }) | null {
    if (node.type !== 'MemberExpression' || node.object.type === 'Super' || node.optional) return null
    const target = this.#reach.targets.get(node)
    return target === undefined || this.#reach.callKind(target) === 'plain' ? null : node
  }

  #assignAccessor(
    node: Node & { type: 'AssignmentExpression' },
    target: Node & { type: 'MemberExpression' },
  ): string {
    const name = propertyName(target.property, target.computed)!
    if (/^(&&|\|\||\?\?)=$/.test(node.operator))
      return this.#refusal(
        node,
        `${node.operator} on an accessor that may come to a shared access`,
        'write an if',
      )
    return this.#withTemporary((object) =>
      this.#withTemporary((value) => {
        const base = this.#child(target, target.object as Node)
        const before =
          node.operator === '=' ? '' : `${this.#getText(target, object, name)} ${node.operator.slice(0, -1)} `
        const right = this.#child(node, node.right as Node)
        const lines = this.#lostLines(node, base + right)
        const assign = this.#setText(node, object, name, value)
        return `(${object} = ${base}, ${value} = ${before}(${right})${lines}, ${assign}, ${value})`
      }),
    )
  }

  #updateAccessor(
    node: Node & { type: 'UpdateExpression' },
    target: Node & { type: 'MemberExpression' },
  ): string {
    const name = propertyName(target.property, target.computed)!
    return this.#withTemporary((object) =>
      this.#withTemporary((value) =>
        this.#withTemporary((before) => {
          const first = `${object} = ${this.#child(target, target.object as Node)}`
          const step = `${before} = ${value}${node.operator}`
          const result = node.prefix ? value : before
          const read = this.#getText(target, object, name)
          return `(${first}, ${value} = ${read}, ${step}, ${this.#setText(node, object, name, value)}, ${result})`
        }),
      ),
    )
  }

  // What patterns take apart

  #declaratorText(node: Node & { type: 'VariableDeclarator' }): string | null {
    if (!node.init || !takesByNumber(node.id as Node)) return null
    const init = `${RUNTIME}_unpacked(${this.#child(node, node.init as Node)}, ${this.#site(node, 'pattern')})`
    return this.#splice(node, new Map([[node.init as Node, init]]))
  }

  #spreadText(node: Node & { type: 'SpreadElement' }): string | null {
    if (this.#parent()?.type !== 'ObjectExpression') return null
    const site = this.#site(node, 'spread')
    return this.#splice(
      node,
      new Map([
        [node.argument as Node, `${RUNTIME}_unpacked(${this.#child(node, node.argument as Node)}, ${site})`],
      ]),
    )
  }

  /** Where the value of a pattern is not at hand, one that takes elements by number is refused. */
  #patternText(node: Node & { type: 'ObjectPattern' }): string | null {
    const parent = this.#parent()
    const hasValue =
      (parent?.type === 'VariableDeclarator' && parent.init) ||
      (parent?.type === 'AssignmentExpression' && parent.left === node)
    if (!hasValue && takesByNumber(node, false)) {
      const remedy = 'give the object a name, and take the element by name[index]'
      refuse(
        this.#module,
        node,
        'a pattern that takes elements by number from a value without a name',
        remedy,
      )
    }
    return null
  }

  #isInPattern(): boolean {
    const parent = this.#parent()
    const { type } = parent!
    if (type === 'ArrayPattern' || type === 'RestElement' || type === 'AssignmentPattern') return true
    return type === 'ForOfStatement' || type === 'ForInStatement' || type === 'Property'
  }

  /** An element that a pattern assigns to. */
  #slotText(node: Node & { type: 'MemberExpression' }): string {
    const object = this.#child(node, node.object as Node)
    const key = this.#child(node, node.property as Node)
    return `${RUNTIME}_slot(${object}, ${key}, ${this.#site(node, 'write')}).value`
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
    if (target.type === 'ArrayPattern') return null
    if (target.type === 'ObjectPattern') {
      if (!takesByNumber(target)) return null
      const right = `${RUNTIME}_unpacked(${this.#child(node, node.right as Node)}, ${this.#site(node, 'pattern')})`
      return this.#splice(node, new Map([[node.right as Node, right]]))
    }
    const accessor = this.#accessorOf(target)
    if (accessor !== null) return this.#assignAccessor(node, accessor)
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
    const accessor = this.#accessorOf(target)
    if (accessor !== null) return this.#updateAccessor(node, accessor)
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
    if (!node.computed || node.object.type === 'Super') return false
    const key = node.property as Node
    if (key.type === 'Literal' && typeof key.value === 'string') return false
    if (key.type === 'TemplateLiteral') return false
    return true
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

/** The method that stands for an accessor, where it is declared and where it is called. */
function twinNames(kind: 'get' | 'set', name: string): { twin: string; call: string } {
  if (name.startsWith('#')) return { twin: `#$${kind}_${name.slice(1)}`, call: `.#$${kind}_${name.slice(1)}` }
  const key = `[${JSON.stringify(`$${kind}_${name}`)}]`
  return { twin: key, call: key }
}

/** The parameters of a function by name, for those who are told of a call; of patterns nobody is. */
function namesOf(info: FunctionInfo): string[] {
  return info.node!.params.map((parameter) =>
    parameter.type === 'Identifier' ? parameter.name : 'undefined',
  )
}

/** An object pattern that takes properties by number, by a computed name, or (`rest`) all together. */
function takesByNumber(pattern: Node, rest = true): boolean {
  if (pattern.type !== 'ObjectPattern') return false
  return pattern.properties.some((property) => {
    if (property.type === 'RestElement') return rest
    const { key, computed } = property
    return computed
      ? !(key.type === 'Literal' && typeof key.value === 'string')
      : key.type === 'Literal' && typeof key.value === 'number'
  })
}

function rootOf(callee: Node): Node {
  return callee.type === 'MemberExpression' ? rootOf(callee.object as Node) : callee
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
 * before, so is the next turn. One that counts its turns or goes through a list is none; what it counts within a turn
 * does not matter.
 */
function canOnlyWait(node: Node, { bindings }: Scopes): boolean {
  if (node.type === 'ForOfStatement' || node.type === 'ForInStatement') return false
  if (node.type === 'ForStatement' && node.update) return false
  const fresh = declaredInTurn(node, bindings)
  // Set in this turn, before what follows.
  const set = new Set<Binding>()
  const carries = (inner: Node): boolean => {
    if (isFunction(inner)) return false
    if (inner.type === 'UpdateExpression' || inner.type === 'AssignmentExpression') {
      const target = inner.type === 'UpdateExpression' ? inner.argument : inner.left
      const binding = target.type === 'Identifier' ? bindings.get(target) : undefined
      if (binding === undefined) return true
      if (fresh.has(binding)) return childrenOf(inner).some(carries)
      if (inner.type === 'UpdateExpression' || inner.operator !== '=') return true
      if (!set.has(binding) && mentions(inner.right, binding, bindings)) return true
      if (carries(inner.right)) return true
      set.add(binding)
      return false
    }
    return childrenOf(inner).some(carries)
  }
  return !childrenOf(node).some(carries)
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

function mentions(node: Node, binding: Binding, bindings: Scopes['bindings']): boolean {
  return (
    bindings.get(node) === binding || childrenOf(node).some((child) => mentions(child, binding, bindings))
  )
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
