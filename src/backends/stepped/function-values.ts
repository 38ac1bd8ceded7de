// Which functions of a program an expression may be: those that are bound to a name, and those that are assigned to a
// property of that name anywhere.

import { outlineOf } from './outline.ts'
import type { Program, ProgramModule } from './program.ts'
import { wellKnownSymbol } from './reach-syntax.ts'
import type { Binding } from './scope.ts'
import { type FunctionNode, type Node, isFunction, propertyName } from './syntax.ts'

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
  /** Why it cannot stop in the middle, if it cannot: an async function, say. */
  readonly rigid: string | null
  readonly calls: { readonly node: Node; readonly target: Target }[]
  /** It is the constructor of a class, which extends another or not. */
  readonly constructs: 'class' | 'derived' | null
  /** What its class extends. */
  readonly base: Node | null
  /** It can stop. */
  stepped: boolean
  /** It goes through an iterator. */
  iterates: boolean
  /** `using` disposes of something there: a call of a function that is not known. */
  disposes: boolean
  /** It is used as a value, so that a call of an unknown value can mean it. */
  escapes: boolean
  /** `new` calls it by its name, or a class extends it. */
  isMade: boolean
}

/** What may be assigned to the properties of one name. */
interface PropertyValues {
  readonly functions: Set<FunctionInfo>
  unknown: boolean
}

/** Functions that something may be, and whether it may be one that is not known. */
interface Values {
  readonly functions: FunctionInfo[]
  readonly unknown: boolean
}

export class FunctionValues {
  readonly functions = new Map<Node, FunctionInfo>()
  readonly properties = new Map<string, PropertyValues>()
  /** Names of properties that are read, and of those that are assigned to, somewhere. */
  readonly readProperties = new Set<string>()
  readonly assignedProperties = new Set<string>()
  /** Functions that may be properties of any name. */
  readonly dynamic = new Set<FunctionInfo>()
  /** Accessors have names that are not known. */
  readonly hasAnonymous: boolean
  readonly #program: Program

  constructor(program: Program) {
    this.#program = program
    this.hasAnonymous = [...program.modules.values()].some((module) => outlineOf(module).hasAnonymous)
  }

  /** Notes which functions are used as values, and by which property names they can be reached. */
  collect(module: ProgramModule): void {
    for (const { node, parent, isValue } of outlineOf(module).values) {
      if (node.type === 'MethodDefinition' || node.type === 'PropertyDefinition') {
        if (node.value) this.#addPropertyValue(module, node.key as Node, node.computed, node.value)
      }
      if (node.type === 'Property' && parent?.type === 'ObjectExpression')
        this.#addPropertyValue(module, node.key as Node, node.computed, node.value)
      if (node.type === 'AssignmentExpression') {
        if (node.left.type === 'MemberExpression')
          this.#addPropertyValue(module, node.left.property as Node, node.left.computed, node.right)
        this.#noteAssigned(node.left as Node)
      }
      if (node.type === 'UpdateExpression') this.#noteAssigned(node.argument as Node)
      if (node.type === 'MemberExpression') {
        const name = propertyName(node.property, node.computed)
        if (name !== null) this.readProperties.add(name)
      }
      if (isValue) for (const info of this.of(module, node).functions) info.escapes = true
    }
  }

  #noteAssigned(target: Node): void {
    if (target.type !== 'MemberExpression') return
    const name = propertyName(target.property, target.computed)
    if (name !== null) this.assignedProperties.add(name)
  }

  #addPropertyValue(module: ProgramModule, key: Node, computed: boolean, value: Node): void {
    const { functions, unknown } = this.of(module, value)
    const symbol = wellKnownSymbol(key)
    const name = propertyName(key, computed) ?? symbol
    if (symbol !== null) for (const info of functions) info.escapes = true
    // Of what describes a property, or has a name that is computed, the name may be any.
    if (name === null || (name === 'value' && this.hasAnonymous))
      for (const info of functions) this.dynamic.add(info)
    if (name === null) {
      for (const info of functions) info.escapes = true
      return
    }
    let values = this.properties.get(name)
    if (values === undefined) this.properties.set(name, (values = { functions: new Set(), unknown: false }))
    for (const info of functions) values.functions.add(info)
    values.unknown ||= unknown
  }

  /** Which functions an expression can be, and whether it can be one that is not known. */
  of(module: ProgramModule, node: Node): Values {
    if (isFunction(node)) return { functions: [this.functions.get(node)!], unknown: false }
    switch (node.type) {
      case 'Identifier': {
        const binding = module.scopes.bindings.get(node)
        if (binding !== undefined) return this.#ofBinding(module, binding)
        // What the engine has is no function of the program, unless that puts another there.
        return {
          functions: [],
          unknown: !(node.name in globalThis) || this.assignedProperties.has(node.name),
        }
      }
      case 'ConditionalExpression':
        return this.#either(module, node.consequent, node.alternate)
      case 'LogicalExpression':
        return this.#either(module, node.left, node.right)
      case 'ParenthesizedExpression':
        return this.of(module, node.expression)
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

  #either(module: ProgramModule, first: Node, second: Node): Values {
    const [a, b] = [this.of(module, first), this.of(module, second)]
    return { functions: [...a.functions, ...b.functions], unknown: a.unknown || b.unknown }
  }

  #ofBinding(module: ProgramModule, binding: Binding): Values {
    if (binding.kind === 'import') return this.ofExport(module, binding.from, binding.imported)
    if (binding.reassigned) return { functions: [], unknown: true }
    if (binding.kind === 'function')
      return { functions: [this.functions.get(binding.value!)!], unknown: false }
    if (binding.kind === 'class') return { functions: [], unknown: false }
    if (binding.kind === 'const' && binding.value !== null) return this.of(module, binding.value)
    return { functions: [], unknown: true }
  }

  ofExport(module: ProgramModule, specifier: string, name: string, depth = 0): Values {
    const target = this.moduleOf(module, specifier)
    // What comes from outside the program is none of its functions.
    if (target === undefined || depth > 50) return { functions: [], unknown: false }
    if (target.format === 'commonjs') return { functions: [], unknown: true }
    const found = target.exports.get(name)
    if (found?.kind === 'value') return this.of(target, found.node)
    if (found?.kind === 'from') return this.ofExport(target, found.specifier, found.name, depth + 1)
    if (found?.kind === 'local') {
      const binding = target.scopes.topLevel.get(found.name)
      return binding === undefined ? { functions: [], unknown: true } : this.#ofBinding(target, binding)
    }
    for (const star of target.stars) {
      const values = this.ofExport(target, star, name, depth + 1)
      if (values.functions.length > 0 || values.unknown) return values
    }
    return { functions: [], unknown: false }
  }

  moduleOf(module: ProgramModule, specifier: string): ProgramModule | undefined {
    const url = module.imports.get(specifier)
    return url === undefined ? undefined : this.#program.modules.get(url)
  }

  /** The declaration that a name means, in this module or another; null for globals and what is outside. */
  bindingOf(module: ProgramModule, node: Node & { type: 'Identifier' }): Binding | null | undefined {
    const binding = module.scopes.bindings.get(node)
    if (binding === undefined) return null
    return this.#follow(module, binding)
  }

  bindingOfExport(target: ProgramModule, name: string): Binding | null | undefined {
    const found = target.exports.get(name)
    if (found?.kind !== 'local') return undefined
    const binding = target.scopes.topLevel.get(found.name)
    return binding && this.#follow(target, binding)
  }

  #follow(module: ProgramModule, first: Binding): Binding | null | undefined {
    let binding: Binding | undefined = first
    for (let from = module, depth = 0; binding?.kind === 'import' && depth < 50; depth++) {
      const target: ProgramModule | undefined = this.moduleOf(from, binding.from)
      if (target === undefined) return null
      const found = target.exports.get(binding.imported)
      if (found?.kind !== 'local') return undefined
      binding = target.scopes.topLevel.get(found.name)
      from = target
    }
    return binding
  }
}
