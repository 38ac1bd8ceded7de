// Which functions of a program can come to a shared access: those must be able to stop there.
//
// A function that cannot stays as it is, which is what makes stepping fast. Where the callee of a call is not known,
// all functions that it could be are meant: a method call means every method of that name in the program, and a call
// of a value means every function that is used as one. What is called from outside the program is not stepped.

import { type FunctionInfo, FunctionValues, type Target } from './function-values.ts'
import { isOfLoop, isOfRuntime, makesGenerators } from './loop-imports.ts'
import { isOperation, stepsCallbacks } from './names.ts'
import type { Program, ProgramModule } from './program.ts'
import { beginsCode, directOperation, isFieldValue, outlineOf } from './outline.ts'
import {
  functionName,
  isAccessor,
  isArrayFrom,
  isConstructor,
  iterates,
  mapperOf,
  rigidity,
} from './reach-syntax.ts'
import { type FunctionNode, type Node, isFunction, propertyName, takesByNumber } from './syntax.ts'

const outside: Target = { operation: null, functions: [], unknown: false, exact: false }

export class Reach {
  readonly values: FunctionValues
  readonly #all: FunctionInfo[] = []
  readonly targets = new Map<Node, Target>()
  readonly #pending: { node: Node & { type: 'CallExpression' | 'NewExpression' }; caller: FunctionInfo }[] =
    []
  readonly #members: { node: Node & { type: 'MemberExpression' }; caller: FunctionInfo }[] = []
  /** Getters and setters, by name. */
  readonly #accessors = new Map<string, FunctionInfo[]>()
  readonly #constructors: FunctionInfo[] = []
  /** Constructors of classes that extend none, which can be made to stop. */
  readonly #constructorOf = new Map<Node, FunctionInfo>()
  /** The program has modules whose values cannot be followed, so any value may be any of its functions. */
  readonly #opaque: boolean
  /** `Atomics` is used other than by calls of its functions by name, so that any value may be one of these. */
  readonly #indirect: boolean
  readonly hasProxies: boolean
  /** The program tells async functions from others, by their constructor or their tag. */
  readonly tellsAsync: boolean
  /** Iterators of the program may stop. */
  iterationStops = false
  /** `new` calls what is not known. */
  #makesUnknown = false

  constructor(program: Program) {
    this.values = new FunctionValues(program)
    const modules = [...program.modules.values()]
    this.#opaque = modules.some(({ format }) => format === 'commonjs')
    this.#indirect = modules.some((module) => outlineOf(module).usesAtomicsAsValue)
    this.hasProxies = modules.some((module) => outlineOf(module).hasProxies)
    this.tellsAsync = modules.some((module) => outlineOf(module).tellsAsync)
    for (const module of modules) {
      const body = this.#addFunction(module, null, '(module)', 'the code of a module outside its functions')
      this.values.functions.set(module.program, body)
      this.#collect(module, body)
    }
    for (const module of modules) this.values.collect(module)
    for (const { node, caller } of this.#pending) {
      const target =
        node.type === 'NewExpression' ? this.#targetOfNew(caller.module, node) : this.#targetOf(caller, node)
      this.targets.set(node, target)
      caller.calls.push({ node, target })
    }
    for (const { module, node } of this.#extended) {
      const { functions, unknown } = this.values.of(module, node)
      this.#noteMade(functions, unknown)
    }
    for (const { node, caller } of this.#members) {
      const functions = this.#accessorsOf(node)
      if (functions.length === 0) continue
      const target = { operation: null, functions, unknown: false, exact: false }
      this.targets.set(node, target)
      caller.calls.push({ node, target })
    }
    for (const { node, caller } of this.#tags) {
      const { functions, unknown } = this.values.of(caller.module, node)
      const target = {
        operation: null,
        functions,
        unknown: unknown || node.type === 'MemberExpression',
        exact: false,
      }
      caller.calls.push({ node, target })
    }
    this.#settle()
  }

  #accessorsOf(node: Node): readonly FunctionInfo[] {
    const { key, computed } =
      node.type === 'Property'
        ? node
        : {
            key: (node as Node & { type: 'MemberExpression' }).property,
            computed: (node as Node & { type: 'MemberExpression' }).computed,
          }
    const name = propertyName(key as Node, computed)
    const named = this.#accessors.get(name ?? '') ?? []
    const isPrivate = name?.startsWith('#') === true
    return isPrivate || !this.values.hasAnonymous ? named : [...named, ...this.#anonymous]
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Functions

  #addFunction(
    module: ProgramModule,
    node: FunctionNode | null,
    name: string,
    rigid: string | null,
    constructor: { readonly base: Node | null } | null = null,
  ): FunctionInfo {
    const base = constructor?.base ?? null
    const constructs = constructor === null ? null : base === null ? 'class' : 'derived'
    const info: FunctionInfo = {
      module,
      node,
      name,
      rigid,
      constructs,
      base,
      calls: [],
      stepped: false,
      iterates: false,
      disposes: false,
      escapes: false,
      isMade: false,
    }
    if (node !== null) this.values.functions.set(node, info)
    this.#all.push(info)
    return info
  }

  #collect(module: ProgramModule, body: FunctionInfo): void {
    const owners = [body]
    for (const { node, parent, outer, owner } of outlineOf(module).code) {
      const caller = owners[owner]!
      if (isFunction(node)) {
        const constructor = isConstructor(parent) ? { base: this.#bases.get(parent) ?? null } : null
        const name = 'isAsyncBody' in node ? caller.name : functionName(node, parent)
        const info = this.#addFunction(module, node, name, rigidity(node), constructor)
        this.#noteSpecial(info, parent, outer)
        owners.push(info)
        continue
      }
      if (isFieldValue(node, parent)) {
        const info = this.#addFunction(module, null, '(field)', 'the initial value of a field')
        if (!(parent as Node & { type: 'PropertyDefinition' }).static) this.#fields.push([info, outer!.start])
        owners.push(info)
      }
      if (node.type === 'StaticBlock')
        owners.push(this.#addFunction(module, null, '(static)', 'a static block'))
      this.#note(node, beginsCode(node, parent) ? owners.at(-1)! : caller)
    }
  }

  #note(node: Node, caller: FunctionInfo): void {
    if (node.type === 'CallExpression' || node.type === 'NewExpression') this.#pending.push({ node, caller })
    if (node.type === 'TaggedTemplateExpression') this.#tags.push({ node: node.tag as Node, caller })
    if (node.type === 'MemberExpression') this.#members.push({ node, caller })
    if (node.type === 'ObjectPattern') {
      for (const property of node.properties)
        if (property.type === 'Property') this.#members.push({ node: property as Node as never, caller })
    }
    if (iterates(node)) caller.iterates = true
    if (node.type === 'VariableDeclaration' && (node.kind as string) === 'using') caller.disposes = true
    this.#noteDescriptor(node)
    if ((node.type === 'ClassDeclaration' || node.type === 'ClassExpression') && node.superClass) {
      const own = node.body.body.find(isConstructor)
      if (own !== undefined) this.#bases.set(own, node.superClass)
      this.#extended.push({ module: caller.module, node: node.superClass })
    }
  }

  readonly #extended: { readonly module: ProgramModule; readonly node: Node }[] = []
  /** What the classes of constructors extend. */
  readonly #bases = new Map<Node, Node>()
  /** Initial values of fields, with where the bodies of their classes begin. */
  readonly #fields: [FunctionInfo, number][] = []
  readonly #tags: { node: Node; caller: FunctionInfo }[] = []
  /** Accessors whose names are not known, among them the traps of proxies: every property may be one. */
  readonly #anonymous: FunctionInfo[] = []
  /** Objects that describe an accessor, by the name that it has. */
  readonly #described = new Map<Node, string>()

  /** `defineProperty(object, 'name', { get … })`, and what compilers make of accessors. */
  #noteDescriptor(node: Node): void {
    if (node.type === 'CallExpression') {
      const [, key, descriptor] = node.arguments as Node[]
      if (key?.type === 'Literal' && descriptor?.type === 'ObjectExpression')
        this.#described.set(descriptor, String(key.value))
    }
    if (node.type !== 'ObjectExpression' || this.#described.has(node)) return
    for (const property of node.properties) {
      if (property.type !== 'Property' || propertyName(property.key, property.computed) !== 'key') continue
      if (property.value.type === 'Literal') this.#described.set(node, String(property.value.value))
    }
  }

  #noteAccessor(name: string | null, info: FunctionInfo): void {
    if (name === null) {
      this.#anonymous.push(info)
      return
    }
    const others = this.#accessors.get(name)
    if (others === undefined) this.#accessors.set(name, [info])
    else others.push(info)
  }

  #noteSpecial(info: FunctionInfo, parent: Node | null, outer: Node | null): void {
    if (isConstructor(parent)) {
      this.#constructors.push(info)
      this.#constructorOf.set(parent, info)
      return
    }
    if (isAccessor(parent)) {
      this.#noteAccessor(propertyName(parent.key, parent.computed), info)
      return
    }
    if (parent?.type !== 'Property' || outer?.type !== 'ObjectExpression') return
    const role = propertyName(parent.key, parent.computed)
    if (role === 'get' || role === 'set') this.#noteAccessor(this.#described.get(outer) ?? null, info)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Calls

  #targetOf(caller: FunctionInfo, node: Node & { type: 'CallExpression' }): Target {
    const { module } = caller
    const callee = node.callee as Node
    if (callee.type === 'Super') {
      const known = this.#baseOf(caller)
      const functions = known === undefined ? this.#constructors : known === null ? [] : [known]
      return { operation: null, functions, unknown: false, exact: false }
    }
    const operation = directOperation(module, node)
    if (operation !== null) return { operation, functions: [], unknown: false, exact: false }
    if (callee.type !== 'MemberExpression') {
      const { functions, unknown } = this.values.of(module, callee)
      return { operation: null, functions, unknown, exact: functions.length === 1 && !unknown }
    }
    const name = propertyName(callee.property, callee.computed)
    if (name === null) return { operation: null, functions: [], unknown: true, exact: false }
    const object = callee.object as Node
    const binding = object.type === 'Identifier' ? module.scopes.bindings.get(object) : undefined
    // The function that is called is what is given; the engine returns what that returns.
    if (
      object.type === 'Identifier' &&
      binding === undefined &&
      object.name === 'Reflect' &&
      node.arguments.length > 0
    ) {
      const { functions, unknown } = this.values.of(module, node.arguments[0] as Node)
      const constructors = name === 'construct' ? this.#constructors : []
      if (name === 'construct') this.#noteMade(functions, unknown)
      if (name === 'apply' || name === 'construct')
        return { operation: null, functions: [...functions, ...constructors], unknown, exact: false }
    }
    // Of a method, it may also be one of the program.
    const mapper = isArrayFrom(callee) && binding !== undefined ? null : mapperOf(node)
    if (mapper !== null && object.type === 'Identifier' && binding === undefined) {
      const { functions, unknown } = this.values.of(module, mapper)
      return { operation: null, functions, unknown, exact: false }
    }
    // One of `Atomics` that is known by another name.
    const indirect = this.#indirect && isOperation(name)
    const isReplaced =
      this.values.assignedProperties.has(name) && object.type === 'Identifier' && object.name === 'console'
    if (
      object.type === 'Identifier' &&
      binding === undefined &&
      !indirect &&
      !isReplaced &&
      object.name in globalThis
    )
      return outside
    if (binding?.kind === 'import' && binding.imported === '*') {
      const { functions, unknown } = this.values.ofExport(module, binding.from, name)
      return { operation: null, functions, unknown, exact: functions.length === 1 && !unknown }
    }
    const values = this.values.properties.get(name)
    const functions = [...(values?.functions ?? []), ...(name.startsWith('#') ? [] : this.values.dynamic)]
    let unknown = indirect || values?.unknown === true
    // `f.call(…)` runs f, unless the program has a method of that name; `bind` makes a value of it.
    if (name === 'call' || name === 'apply') {
      const called = this.values.of(module, object)
      functions.push(...called.functions)
      unknown ||= called.unknown
    }
    const callback = mapper ?? (stepsCallbacks(name) ? (node.arguments[0] as Node | undefined) : undefined)
    if (callback !== undefined) {
      const given = this.values.of(module, callback)
      functions.push(...given.functions)
      unknown ||= given.unknown
    }
    return functions.length === 0 && !unknown
      ? outside
      : { operation: null, functions, unknown, exact: false }
  }

  #noteMade(functions: readonly FunctionInfo[], isUnknown: boolean): void {
    for (const info of functions) info.isMade = true
    this.#makesUnknown ||= isUnknown
  }

  /** `new` may call it, which it need not know. */
  mayBeMade(info: FunctionInfo): boolean {
    return info.isMade || (this.#makesUnknown && (info.escapes || this.#opaque))
  }

  #targetOfNew(module: ProgramModule, node: Node & { type: 'NewExpression' }): Target {
    const callee = node.callee as Node
    const { functions: values, unknown } = this.values.of(module, callee)
    this.#noteMade(values, unknown)
    if (callee.type === 'Identifier') {
      const found = this.values.bindingOf(module, callee)
      if (found === null && !unknown) return outside
      if (found?.kind === 'class' && !found.reassigned) {
        const { superClass, body } = found.value as Node & { type: 'ClassDeclaration' }
        const own = body.body.find((member) => this.#constructorOf.has(member))
        const functions = own ? [this.#constructorOf.get(own)!] : superClass ? this.#constructors : []
        return { operation: null, functions, unknown: false, exact: false }
      }
    }
    return {
      operation: null,
      functions: [...this.#constructors, ...values],
      unknown: this.#opaque && values.length === 0,
      exact: false,
    }
  }

  /** The constructor that `super()` calls in one; null for one of the engine, undefined where that is not known. */
  #baseOf({ module, base }: FunctionInfo): FunctionInfo | null | undefined {
    if (base?.type !== 'Identifier') return undefined
    const found = this.values.bindingOf(module, base)
    if (found === null) return null
    if (found?.kind !== 'class' || found.reassigned) return undefined
    const own = (found.value as Node & { type: 'ClassDeclaration' }).body.body.find(isConstructor)
    return own === undefined ? null : this.#constructorOf.get(own)
  }

  /** What a class extends, if its constructor is known and can stop. */
  steppedBase(info: FunctionInfo): Node | null {
    return this.#baseOf(info)?.stepped === true ? info.base : null
  }

  /** What a class extends is known when it runs, and its constructor may stop. */
  hasOpenBase(info: FunctionInfo): boolean {
    return info.constructs === 'derived' && info.stepped && this.#baseOf(info) === undefined
  }

  /** Finds, from the shared accesses backwards, all functions that come to one. */
  #settle(): void {
    for (const [name, { functions }] of this.values.properties) {
      if (!this.values.readProperties.has(name)) continue
      for (const info of functions) info.escapes = true
    }
    // Most call what is read after them: from the last to the first, few rounds are needed.
    const all = [...this.values.functions.values()].toReversed()
    // What they are given is taken apart in the body.
    for (const info of all)
      if (info.rigid === null && info.node?.params.some((each) => takesByNumber(each as Node)) === true)
        info.stepped = true
    const iterators = this.#iterators()
    for (let changed = true; changed;) {
      changed = false
      const anyEscapes = this.#someEscape(all)
      this.iterationStops ||= iterators.some(({ stepped }) => stepped)
      for (const info of all) {
        if (info.stepped || info.rigid !== null) continue
        if (this.#comesToStep(info, anyEscapes)) info.stepped = changed = true
      }
    }
    this.#anyEscapes = this.#someEscape(all)
  }

  #comesToStep(info: FunctionInfo, anyEscapes: boolean): boolean {
    if (info.calls.some(({ target }) => this.#canStep(target, anyEscapes))) return true
    return (this.iterationStops && info.iterates) || (anyEscapes && info.disposes)
  }

  /**
   * Generator functions, and bodies of classes with fields whose initial values, would come to a shared access, but are
   * written so that they cannot stop.
   */
  toRewrite(): { readonly url: string; readonly start: number }[] {
    const generators = this.#all.flatMap((info) => {
      const { module, node } = info
      if (node?.generator !== true || node.async || !this.#comesToStep(info, this.#anyEscapes)) return []
      return [{ url: module.url, start: node.start }]
    })
    const fields = this.#fields.flatMap(([info, start]) => {
      const { url } = info.module
      return isOfRuntime(url) || !this.#comesToStep(info, this.#anyEscapes) ? [] : [{ url, start }]
    })
    return [...generators, ...fields]
  }

  /** Functions by which iterators of the program go on: others of loop/ are of async generators. */
  #iterators(): FunctionInfo[] {
    const isOwn = ({ module: { url } }: FunctionInfo): boolean => !isOfLoop(url) || makesGenerators(url)
    return ['next', 'return', '@@iterator'].flatMap((name) =>
      [...(this.values.properties.get(name)?.functions ?? [])].filter(isOwn),
    )
  }

  #anyEscapes = false

  #someEscape(all: readonly FunctionInfo[]): boolean {
    return this.#indirect || all.some((info) => info.stepped && (this.#opaque || info.escapes))
  }

  #canStep(target: Target, anyEscapes: boolean): boolean {
    return (
      (target.operation !== null && target.operation !== 'isLockFree') ||
      (target.unknown && anyEscapes) ||
      target.functions.some((info) => info.stepped)
    )
  }

  /**
   * All that the steppable form of a module depends on besides its source: two modules with the same source and the
   * same facts have the same form.
   */
  factsOf(module: ProgramModule): string {
    const assigned = [...outlineOf(module).properties].filter((name) =>
      this.values.assignedProperties.has(name),
    )
    const common = [this.iterationStops, this.hasProxies, this.tellsAsync, this.#anyEscapes, ...assigned]
    const facts = common.map(String)
    for (const info of this.#functionsIn(module)) {
      const calls = info.calls.map(({ target }) => this.#factOf(target)).join('')
      facts.push(`${info.name} ${info.stepped} ${this.mayBeMade(info)} ${calls}`)
      if (info.base !== null) facts.push(`${this.steppedBase(info) !== null} ${this.hasOpenBase(info)}`)
    }
    for (const [name, { kind, from, imported }] of module.scopes.topLevel) {
      if (kind === 'import') facts.push(`${name} ${this.#importFact(module, from, imported)}`)
    }
    return facts.join('\n')
  }

  #byModule: Map<ProgramModule, FunctionInfo[]> | null = null

  #functionsIn(module: ProgramModule): readonly FunctionInfo[] {
    if (this.#byModule === null) {
      this.#byModule = Map.groupBy(this.#all, (info) => info.module)
    }
    return this.#byModule.get(module) ?? []
  }

  #factOf(target: Target): string {
    return `${this.callKind(target)[0]}${this.isKnown(target) ? 1 : 0}`
  }

  /** What is known of a name that is imported: as a value, and as a class. */
  #importFact(module: ProgramModule, from: string, imported: string): string {
    const { functions, unknown } = this.values.ofExport(module, from, imported)
    const values = `${functions.some((info) => info.stepped)} ${unknown}`
    const target = this.values.moduleOf(module, from)
    if (target === undefined) return values
    const binding = this.values.bindingOfExport(target, imported)
    if (binding?.kind !== 'class') return `${values} ${binding?.kind}`
    const { superClass } = binding.value as Node & { type: 'ClassDeclaration' }
    const base = superClass?.type === 'Identifier' ? superClass.name : String(superClass?.type)
    return `${values} class ${binding.reassigned} ${base}`
  }

  /** Whether what is called cannot stop, can, or may be either. */
  callKind(target: Target): 'plain' | 'stepped' | 'either' {
    if (target.exact) return target.functions[0]!.stepped ? 'stepped' : 'plain'
    return this.#canStep(target, this.#anyEscapes) ? 'either' : 'plain'
  }

  /** A value may be a function that is stepped. */
  mayStep(module: ProgramModule, node: Node): boolean {
    const { functions, unknown } = this.values.of(module, node)
    return functions.some((info) => info.stepped) || (unknown && this.#anyEscapes)
  }

  /** The program knows every function that a call can mean. */
  isKnown(target: Target): boolean {
    return target.functions.length > 0 || target.unknown
  }
}
