// Which declaration an identifier means: the scopes of a module.

import { nameOf, patternNames } from './raw-tree.ts'
import { type Reads, readsOf } from './variable-reads.ts'
import { type FunctionNode, type Node, childrenOf, isFunction } from './syntax.ts'

export interface Binding {
  readonly name: string
  readonly kind: 'import' | 'function' | 'class' | 'const' | 'variable' | 'parameter'
  /** The function that the name means as long as nobody assigns to it. */
  readonly value: Node | null
  /** Of an import: the module's specifier, and the name there; `*` for the namespace. */
  readonly from: string
  readonly imported: string
  /** The syntax whose scope it belongs to, and the function (or module, static block, field) that this is part of. */
  readonly scope: Node
  readonly owner: Node
  reassigned: boolean
}

export interface Scopes {
  /** What each identifier that is a variable means; global names are missing. */
  readonly bindings: ReadonlyMap<Node, Binding>
  readonly topLevel: ReadonlyMap<string, Binding>
  /** Where `Atomics` itself is meant, in all its uses. */
  readonly atomics: ReadonlySet<Node>
  /** A name is assigned to that it does not declare. */
  readonly assignsGlobals: boolean
  readonly reads: Reads
}

class Scope {
  readonly names = new Map<string, Binding>()
  /** Those of `let` and `const`. */
  readonly lexical = new Set<string>()
  readonly parent: Scope | null
  readonly node: Node
  /** Where `var` and function declarations of the blocks inside go. */
  readonly functionScope: Scope

  constructor(parent: Scope | null, node: Node, isFunctionScope: boolean) {
    this.parent = parent
    this.node = node
    this.functionScope = isFunctionScope || parent === null ? this : parent.functionScope
  }

  find(name: string): Binding | undefined {
    return this.names.get(name) ?? this.parent?.find(name)
  }
}

type Kind = Binding['kind']

/** Resolves the variables of a module. */
export function resolveScopes(program: Node, format: 'module' | 'commonjs'): Scopes {
  const resolver = new Resolver(format === 'module' || beginsStrict(program))
  const top = new Scope(null, program, true)
  resolver.block(program, top)
  const { bindings, atomics, assignsGlobals } = resolver
  const reads = readsOf(program, bindings)
  return { bindings, topLevel: top.names, atomics, assignsGlobals, reads }
}

function beginsStrict(node: Node): boolean {
  return childrenOf(node).some((each) => (each as { directive?: string }).directive === 'use strict')
}

class Resolver {
  #isStrict: boolean
  readonly bindings = new Map<Node, Binding>()
  readonly atomics = new Set<Node>()
  assignsGlobals = false

  constructor(isStrict: boolean) {
    this.#isStrict = isStrict
  }

  /** Visits what is directly in a block, after declaring its names. */
  block(node: Node, scope: Scope): void {
    for (const child of childrenOf(node)) this.#declareStatement(child, scope)
    for (const child of childrenOf(node)) this.visit(child, scope)
  }

  /** Declares what a statement declares in the block around it, and the `var`s inside it. */
  #declareStatement(node: Node, scope: Scope): void {
    switch (node.type) {
      case 'ImportDeclaration':
        this.#declareImports(node, scope)
        return
      case 'ExportNamedDeclaration':
      case 'ExportDefaultDeclaration':
        if (node.declaration) this.#declareStatement(node.declaration, scope)
        return
      case 'FunctionDeclaration': {
        if (!node.id) return
        const holder = this.#holderOf(node.id.name, scope)
        this.#declare(holder, node.id.name, 'function', node)
        this.bindings.set(node.id, holder.names.get(node.id.name)!)
        return
      }
      case 'ClassDeclaration':
        if (node.id) this.#declare(scope, node.id.name, 'class', node)
        if (node.id) this.bindings.set(node.id, scope.names.get(node.id.name)!)
        return
      case 'VariableDeclaration':
        if (node.kind !== 'var') this.#declareVariables(node, scope)
        else this.#declareVariables(node, scope.functionScope)
        return
      default:
        this.#declareVars(node, scope)
    }
  }

  /**
   * Where a function is declared: in code that is not strict, one of a block is a variable of the function around it,
   * unless its name means something else on the way there (ECMAScript 2025, B.3.2.1).
   */
  #holderOf(name: string, scope: Scope): Scope {
    const { functionScope } = scope
    if (this.#isStrict || scope === functionScope) return scope
    for (let at: Scope | null = scope; at !== null && at !== functionScope; at = at.parent)
      if (at.names.has(name)) return scope
    const present = functionScope.names.get(name)
    const isFree = present === undefined || present.kind === 'variable' || present.kind === 'function'
    return isFree && !functionScope.lexical.has(name) ? functionScope : scope
  }

  /** The `var`s in nested statements belong to the function. */
  #declareVars(node: Node, scope: Scope): void {
    if (isFunction(node) || node.type === 'ClassDeclaration' || node.type === 'ClassExpression') return
    if (node.type === 'VariableDeclaration' && node.kind === 'var')
      this.#declareVariables(node, scope.functionScope)
    for (const child of childrenOf(node)) this.#declareVars(child, scope)
  }

  #declareVariables(node: Node & { type: 'VariableDeclaration' }, scope: Scope): void {
    for (const { id, init } of node.declarations) {
      const isConst = node.kind === 'const'
      if (node.kind !== 'var') for (const name of patternNames(id)) scope.lexical.add(name)
      if (id.type === 'Identifier')
        this.#declare(scope, id.name, isConst ? 'const' : 'variable', isConst ? (init ?? null) : null)
      else for (const name of patternNames(id)) this.#declare(scope, name, 'variable', null)
    }
  }

  #declareImports(node: Node & { type: 'ImportDeclaration' }, scope: Scope): void {
    for (const specifier of node.specifiers) {
      const imported =
        specifier.type === 'ImportSpecifier'
          ? nameOf(specifier.imported)
          : specifier.type === 'ImportDefaultSpecifier'
            ? 'default'
            : '*'
      this.#declare(scope, specifier.local.name, 'import', null, String(node.source.value), imported)
    }
  }

  #declare(scope: Scope, name: string, kind: Kind, value: Node | null, from = '', imported = ''): void {
    const present = scope.names.get(name)
    // The own name of a function expression means nothing where something of the function has it.
    const isOwnName = present !== undefined && present.value !== null && present.value === scope.node
    // Two declarations of one name: neither is known to be what it means.
    if (present !== undefined && !isOwnName) present.reassigned = true
    else {
      const { node, functionScope } = scope
      const owner = functionScope.node
      scope.names.set(name, { name, kind, value, from, imported, scope: node, owner, reassigned: false })
    }
  }

  visit(node: Node, scope: Scope): void {
    switch (node.type) {
      case 'Identifier': {
        const binding = scope.find(node.name)
        if (binding !== undefined) this.bindings.set(node, binding)
        else if (node.name === 'Atomics') this.atomics.add(node)
        return
      }
      case 'FunctionDeclaration':
      case 'FunctionExpression':
      case 'ArrowFunctionExpression':
        this.#visitFunction(node, scope)
        return
      case 'ClassDeclaration':
      case 'ClassExpression':
        this.#visitClass(node, scope)
        return
      case 'BlockStatement':
      case 'StaticBlock':
        this.block(node, new Scope(scope, node, node.type === 'StaticBlock'))
        return
      case 'SwitchStatement': {
        this.visit(node.discriminant, scope)
        const inner = new Scope(scope, node, false)
        for (const each of node.cases)
          for (const statement of each.consequent) this.#declareStatement(statement, inner)
        for (const each of node.cases) this.visit(each, inner)
        return
      }
      case 'ForStatement':
      case 'ForInStatement':
      case 'ForOfStatement': {
        const inner = new Scope(scope, node, false)
        const head = node.type === 'ForStatement' ? node.init : node.left
        if (head?.type === 'VariableDeclaration' && head.kind !== 'var') this.#declareVariables(head, inner)
        if (node.type !== 'ForStatement' && head && head.type !== 'VariableDeclaration')
          this.#reassign(head, inner)
        for (const child of childrenOf(node)) this.visit(child, inner)
        return
      }
      case 'CatchClause': {
        const inner = new Scope(scope, node, false)
        if (node.param)
          for (const name of patternNames(node.param)) this.#declare(inner, name, 'variable', null)
        for (const child of childrenOf(node)) this.visit(child, inner)
        return
      }
      case 'AssignmentExpression':
        this.#reassign(node.left, scope)
        break
      case 'UpdateExpression':
        this.#reassign(node.argument, scope)
        break
      case 'MemberExpression':
        this.visit(node.object, scope)
        if (node.computed) this.visit(node.property, scope)
        return
      case 'Property':
        if (node.computed) this.visit(node.key, scope)
        this.visit(node.value, scope)
        return
      case 'ImportDeclaration':
      case 'MetaProperty':
      case 'ExportAllDeclaration':
      case 'BreakStatement':
      case 'ContinueStatement':
        return
      case 'ExportNamedDeclaration':
        if (node.source) return
        for (const specifier of node.specifiers) this.visit(specifier.local, scope)
        if (node.declaration) this.visit(node.declaration, scope)
        return
      case 'LabeledStatement':
        this.visit(node.body, scope)
        return
      default:
    }
    for (const child of childrenOf(node)) this.visit(child, scope)
  }

  #visitFunction(node: FunctionNode, scope: Scope): void {
    const wasStrict = this.#isStrict
    this.#isStrict ||= beginsStrict(node.body as Node)
    this.#visitStrictly(node, scope)
    this.#isStrict = wasStrict
  }

  #visitStrictly(node: FunctionNode, scope: Scope): void {
    const inner = new Scope(scope, node as Node, true)
    if (node.type === 'FunctionExpression' && node.id)
      this.#declare(inner, node.id.name, 'function', node as Node)
    for (const parameter of node.params)
      for (const name of patternNames(parameter)) this.#declare(inner, name, 'parameter', null)
    for (const parameter of node.params) this.visit(parameter, inner)
    if (node.body.type === 'BlockStatement') this.block(node.body, inner)
    else this.visit(node.body, inner)
  }

  #visitClass(node: Node & { type: 'ClassDeclaration' | 'ClassExpression' }, scope: Scope): void {
    const wasStrict = this.#isStrict
    this.#isStrict = true
    this.#visitMembers(node, scope)
    this.#isStrict = wasStrict
  }

  #visitMembers(node: Node & { type: 'ClassDeclaration' | 'ClassExpression' }, scope: Scope): void {
    const inner = new Scope(scope, node, false)
    if (node.id) this.#declare(inner, node.id.name, 'class', node)
    if (node.superClass) this.visit(node.superClass, inner)
    for (const member of node.body.body) {
      if (member.type === 'StaticBlock') {
        this.visit(member, inner)
        continue
      }
      if (member.computed) this.visit(member.key, inner)
      if (member.value) this.visit(member.value, new Scope(inner, member.value, true))
    }
  }

  #reassign(target: Node, scope: Scope): void {
    for (const name of patternNames(target)) {
      const binding = scope.find(name)
      if (binding === undefined) this.assignsGlobals = true
      else binding.reassigned = true
    }
  }
}
