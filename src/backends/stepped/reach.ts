// Which functions of a program can come to a shared access: those must be able to stop there.
//
// A function that cannot stays as it is, which is what makes stepping fast. Where the callee of a call is not known,
// all functions that it could be are meant: a method call means every method of that name in the program, and a call
// of a value means every function that is used as one. What is called from outside the program is not stepped.

import type { Binding } from './scope.ts'
import type { Program, ProgramModule } from './program.ts'
import { type FunctionNode, type Node, childrenOf, isFunction, propertyName } from './syntax.ts'

/** What a call may lead to. */
export interface Target {
  /** An operation of `Atomics`. */
  readonly operation: string | null
  readonly functions: readonly FunctionInfo[]
  /** It may also be a function that is not known here. */
  readonly unknown: boolean
  /** The callee is exactly the one function. */
  readonly exact: boolean
}

export interface FunctionInfo {
  readonly module: ProgramModule
  /** Null for the code of a module outside all functions. */
  readonly node: FunctionNode | null
  readonly name: string
  /** Why it cannot stop in the middle, if it cannot: a constructor, say. */
  readonly rigid: string | null
  readonly calls: { readonly node: Node; readonly target: Target }[]
  /** It comes to a shared access for certain, if its paths are taken. */
  definite: boolean
  /** It is made a generator. */
  stepped: boolean
  /** It is used as a value, so that a call of an unknown value can mean it. */
  escapes: boolean
}

const outside: Target = { operation: null, functions: [], unknown: false, exact: false }

/** What may be assigned to the properties of one name. */
interface PropertyValues {
  readonly functions: Set<FunctionInfo>
  unknown: boolean
}

export class Reach {
  readonly functions = new Map<Node, FunctionInfo>()
  readonly targets = new Map<Node, Target>()
  readonly #program: Program
  readonly #properties = new Map<string, PropertyValues>()
  readonly #pending: { node: Node & { type: 'CallExpression' }; caller: FunctionInfo }[] = []
  readonly #readProperties = new Set<string>()
  /** Names of properties that are assigned to somewhere. */
  readonly assignedProperties = new Set<string>()

  constructor(program: Program) {
    this.#program = program
    for (const module of program.modules.values()) {
      const body = this.#addFunction(module, null, '(module)', 'the code of a module outside its functions')
      this.functions.set(module.program, body)
      this.#collect(module, module.program, body, null)
    }
    for (const module of program.modules.values()) this.#collectValues(module, module.program, null)
    for (const { node, caller } of this.#pending) {
      const target = this.#targetOf(caller.module, node)
      this.targets.set(node, target)
      caller.calls.push({ node, target })
    }
    this.#settle()
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Functions

  #addFunction(
    module: ProgramModule,
    node: FunctionNode | null,
    name: string,
    rigid: string | null,
  ): FunctionInfo {
    const info: FunctionInfo = {
      module,
      node,
      name,
      rigid,
      calls: [],
      definite: false,
      stepped: false,
      escapes: false,
    }
    if (node !== null) this.functions.set(node, info)
    return info
  }

  #collect(module: ProgramModule, node: Node, owner: FunctionInfo, parent: Node | null): void {
    let inner = owner
    if (isFunction(node))
      inner = this.#addFunction(module, node, functionName(node, parent), rigidity(node, parent))
    else if (parent?.type === 'PropertyDefinition' && parent.value === node) {
      inner = this.#addFunction(module, null, '(field)', 'the initial value of a field')
    } else if (node.type === 'StaticBlock') {
      inner = this.#addFunction(module, null, '(static)', 'a static block')
    }
    if (node.type === 'CallExpression') this.#pending.push({ node, caller: inner })
    for (const child of childrenOf(node)) this.#collect(module, child, inner, node)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Values

  /** Notes which functions are used as values, and by which property names they can be reached. */
  #collectValues(module: ProgramModule, node: Node, parent: Node | null): void {
    if (node.type === 'MethodDefinition' || node.type === 'PropertyDefinition') {
      const name = propertyName(node.key, node.computed)
      if (node.value) this.#addPropertyValue(module, name, node.value)
    }
    if (node.type === 'Property' && parent?.type === 'ObjectExpression')
      this.#addPropertyValue(module, propertyName(node.key, node.computed), node.value)
    if (node.type === 'AssignmentExpression' && node.left.type === 'MemberExpression')
      this.#addPropertyValue(module, propertyName(node.left.property, node.left.computed), node.right)
    if (node.type === 'MemberExpression' && !(parent?.type === 'CallExpression' && parent.callee === node)) {
      const name = propertyName(node.property, node.computed)
      if (name !== null) this.#readProperties.add(name)
    }
    if (node.type === 'AssignmentExpression') this.#noteAssigned(node.left as Node)
    if (node.type === 'UpdateExpression') this.#noteAssigned(node.argument as Node)
    if (isValuePosition(module, node, parent))
      for (const info of this.valuesOf(module, node).functions) info.escapes = true
    for (const child of childrenOf(node)) this.#collectValues(module, child, node)
  }

  #noteAssigned(target: Node): void {
    if (target.type !== 'MemberExpression') return
    const name = propertyName(target.property, target.computed)
    if (name !== null) this.assignedProperties.add(name)
  }

  #addPropertyValue(module: ProgramModule, name: string | null, value: Node): void {
    const { functions, unknown } = this.valuesOf(module, value)
    if (name === null) {
      for (const info of functions) info.escapes = true
      return
    }
    let values = this.#properties.get(name)
    if (values === undefined) this.#properties.set(name, (values = { functions: new Set(), unknown: false }))
    for (const info of functions) values.functions.add(info)
    values.unknown ||= unknown
  }

  /** Which functions an expression can be, and whether it can be one that is not known. */
  valuesOf(module: ProgramModule, node: Node): { functions: FunctionInfo[]; unknown: boolean } {
    if (isFunction(node)) return { functions: [this.functions.get(node)!], unknown: false }
    switch (node.type) {
      case 'Identifier': {
        const binding = module.scopes.bindings.get(node)
        // A global: no function of the program.
        return binding === undefined
          ? { functions: [], unknown: false }
          : this.#valuesOfBinding(module, binding)
      }
      case 'ConditionalExpression':
        return this.#either(module, node.consequent, node.alternate)
      case 'LogicalExpression':
        return this.#either(module, node.left, node.right)
      case 'ParenthesizedExpression':
        return this.valuesOf(module, node.expression)
      case 'CallExpression':
      case 'MemberExpression':
      case 'ChainExpression':
      case 'AwaitExpression':
      case 'YieldExpression':
      case 'AssignmentExpression':
      case 'SequenceExpression':
      case 'TaggedTemplateExpression':
      case 'ThisExpression':
        return { functions: [], unknown: true }
      default:
        return { functions: [], unknown: false }
    }
  }

  #either(module: ProgramModule, first: Node, second: Node): { functions: FunctionInfo[]; unknown: boolean } {
    const [a, b] = [this.valuesOf(module, first), this.valuesOf(module, second)]
    return { functions: [...a.functions, ...b.functions], unknown: a.unknown || b.unknown }
  }

  #valuesOfBinding(module: ProgramModule, binding: Binding): { functions: FunctionInfo[]; unknown: boolean } {
    if (binding.kind === 'import') return this.#valuesOfExport(module, binding.from, binding.imported)
    if (binding.reassigned) return { functions: [], unknown: true }
    if (binding.kind === 'function')
      return { functions: [this.functions.get(binding.value!)!], unknown: false }
    if (binding.kind === 'class') return { functions: [], unknown: false }
    if (binding.kind === 'const' && binding.value !== null) return this.valuesOf(module, binding.value)
    return { functions: [], unknown: true }
  }

  #valuesOfExport(
    module: ProgramModule,
    specifier: string,
    name: string,
    depth = 0,
  ): { functions: FunctionInfo[]; unknown: boolean } {
    const target = this.#moduleOf(module, specifier)
    // What comes from outside the program is none of its functions.
    if (target === undefined || depth > 50) return { functions: [], unknown: false }
    const found = target.exports.get(name)
    if (found?.kind === 'value') return this.valuesOf(target, found.node)
    if (found?.kind === 'from') return this.#valuesOfExport(target, found.specifier, found.name, depth + 1)
    if (found?.kind === 'local') {
      const binding = target.scopes.topLevel.get(found.name)
      return binding === undefined ? { functions: [], unknown: true } : this.#valuesOfBinding(target, binding)
    }
    for (const star of target.stars) {
      const values = this.#valuesOfExport(target, star, name, depth + 1)
      if (values.functions.length > 0 || values.unknown) return values
    }
    return { functions: [], unknown: false }
  }

  #moduleOf(module: ProgramModule, specifier: string): ProgramModule | undefined {
    const url = module.imports.get(specifier)
    return url === undefined ? undefined : this.#program.modules.get(url)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Calls

  #targetOf(module: ProgramModule, node: Node & { type: 'CallExpression' }): Target {
    const callee = node.callee as Node
    if (callee.type === 'Super') return outside
    if (callee.type !== 'MemberExpression') {
      const { functions, unknown } = this.valuesOf(module, callee)
      return { operation: null, functions, unknown, exact: functions.length === 1 && !unknown }
    }
    const name = propertyName(callee.property, callee.computed)
    if (name === null) return { operation: null, functions: [], unknown: true, exact: false }
    const object = callee.object as Node
    const binding = object.type === 'Identifier' ? module.scopes.bindings.get(object) : undefined
    if (object.type === 'Identifier' && binding === undefined) {
      if (object.name === 'Atomics') return { operation: name, functions: [], unknown: false, exact: false }
      if (object.name in globalThis) return outside
    }
    if (binding?.kind === 'import' && binding.imported === '*') {
      const { functions, unknown } = this.#valuesOfExport(module, binding.from, name)
      return { operation: null, functions, unknown, exact: functions.length === 1 && !unknown }
    }
    // `f.call(…)` runs f; `bind` makes a value of it.
    if ((name === 'call' || name === 'apply') && !this.#properties.has(name)) {
      const { functions, unknown } = this.valuesOf(module, object)
      return { operation: null, functions, unknown, exact: false }
    }
    const values = this.#properties.get(name)
    if (values === undefined) return outside
    return { operation: null, functions: [...values.functions], unknown: values.unknown, exact: false }
  }

  /** Finds, from the shared accesses backwards, all functions that come to one. */
  #settle(): void {
    for (const [name, { functions }] of this.#properties) {
      if (!this.#readProperties.has(name)) continue
      for (const info of functions) info.escapes = true
    }
    const all = [...this.functions.values()]
    for (let changed = true; changed;) {
      changed = false
      const anyEscapes = all.some((info) => info.stepped && info.escapes)
      for (const info of all) {
        if (info.stepped && info.definite) continue
        const definite = info.calls.some(({ target }) => this.#isDefinite(target))
        const stepped = info.calls.some(({ target }) => this.#canStep(target, anyEscapes))
        if (definite && !info.definite) info.definite = changed = true
        if (stepped && !info.stepped && (info.rigid === null || definite)) info.stepped = changed = true
      }
    }
    this.#anyEscapes = all.some((info) => info.stepped && info.escapes)
  }

  #anyEscapes = false

  #isDefinite(target: Target): boolean {
    return target.operation !== null || (target.exact && target.functions[0]!.definite)
  }

  #canStep(target: Target, anyEscapes: boolean): boolean {
    return (
      target.operation !== null ||
      (target.unknown && anyEscapes) ||
      target.functions.some((info) => info.stepped && info.rigid === null)
    )
  }

  /** How a call is to be made: as it stands, as a call of a generator, or as either. */
  callKind(target: Target): 'plain' | 'stepped' | 'either' {
    if (target.exact) return target.functions[0]!.stepped ? 'stepped' : 'plain'
    return this.#canStep(target, this.#anyEscapes) ? 'either' : 'plain'
  }

  /** The function that an argument is, if it is one that must be stepped. */
  steppedArgument(module: ProgramModule, node: Node): FunctionInfo | undefined {
    return this.valuesOf(module, node).functions.find((info) => info.stepped)
  }

  /** The program knows every function that a call can mean. */
  isKnown(target: Target): boolean {
    return target.functions.length > 0 || target.unknown
  }
}

/** A function that stands here is used as a value, and not only called or declared. */
function isValuePosition(module: ProgramModule, node: Node, parent: Node | null): boolean {
  if (parent === null || (node.type !== 'Identifier' && !isFunction(node))) return false
  switch (parent.type) {
    case 'CallExpression':
      return parent.callee !== node
    case 'MethodDefinition':
    case 'FunctionDeclaration':
    case 'ExportDefaultDeclaration':
    case 'ExportSpecifier':
    case 'ImportSpecifier':
      return false
    case 'Property':
    case 'PropertyDefinition':
      // Reached by its property's name.
      return false
    case 'VariableDeclarator':
      return parent.init === node && module.scopes.bindings.get(parent.id as Node)?.kind !== 'const'
    case 'AssignmentExpression':
      return parent.right === node && parent.left.type !== 'MemberExpression'
    case 'MemberExpression':
      return false
    default:
      return node.type !== 'FunctionDeclaration'
  }
}

/** Why a function of this kind cannot stop in the middle. */
function rigidity(node: FunctionNode, parent: Node | null): string | null {
  if (node.async) return 'an async function'
  if (node.generator) return 'a generator function'
  if (parent?.type === 'MethodDefinition' && parent.kind !== 'method')
    return parent.kind === 'constructor' ? 'a constructor' : `a ${parent.kind}ter`
  if (parent?.type === 'Property' && parent.kind !== 'init') return `a ${parent.kind}ter`
  return null
}

function functionName(node: FunctionNode, parent: Node | null): string {
  if (node.type !== 'ArrowFunctionExpression' && node.id) return node.id.name
  if (parent?.type === 'VariableDeclarator' && parent.id.type === 'Identifier') return parent.id.name
  if (
    parent?.type === 'MethodDefinition' ||
    parent?.type === 'Property' ||
    parent?.type === 'PropertyDefinition'
  )
    return propertyName(parent.key, parent.computed) ?? '(anonymous)'
  return '(anonymous)'
}
