// The form of a module of which each thread has its own instance: its code becomes the body of a function, which a
// thread calls for itself (see loop/modules.ts), and which can stop as any other.
//
// What is imported becomes a property of the module that it comes from, and what is exported a function that reads it:
// so both change as the language says. The function is written before anybody has looked at the module.

import { type AnyNode, parseExpressionAt } from 'acorn'
import { isAwaitUsing } from './await-using.ts'
import { isOfTransform } from './loop-imports.ts'
import { childrenOf, isFunction, isNode, nameOf, patternNames, place, write } from './raw-tree.ts'

type Node = AnyNode
type Format = 'module' | 'commonjs'

/** What stands behind the address of a module of which each thread has an instance. */
export const PER_THREAD = '?thread'

/** Such a module: what is needed to make an instance of it. */
export interface ThreadModule {
  /** What it imports, in order: a namespace of each is given to the function. */
  readonly specifiers: readonly string[]
  readonly exports: readonly string[]
  /** It waits at its top: others wait for it. */
  readonly isAsync: boolean
}

/** Where a name that stands for something imported is used, by offset. */
export interface ThreadPlan {
  readonly uses: ReadonlyMap<number, { readonly specifier: string; readonly imported: string }>
  readonly declared: ReadonlySet<string>
}

/** What the scopes of a module say of its names: see scope.ts. */
interface Named {
  readonly bindings: ReadonlyMap<
    Node,
    { readonly kind: string; readonly from: string; readonly imported: string }
  >
  readonly topLevel: ReadonlyMap<string, unknown>
}

/** What is to be known of a module before its function is written. */
export function planOf({ bindings, topLevel }: Named): ThreadPlan {
  const uses = new Map<number, { specifier: string; imported: string }>()
  for (const [node, { kind, from, imported }] of bindings)
    if (kind === 'import' && !isOfTransform(from)) uses.set(node.start, { specifier: from, imported })
  return { uses, declared: new Set(topLevel.keys()) }
}

/** Makes the function of a module. */
export function writeThreadForm(program: Node, format: Format, plan: ThreadPlan, text: string): ThreadModule {
  const body = (program as Node & { type: 'Program' }).body as Node[]
  const isProcessUsed = /\bprocess\b/.test(text) && !plan.declared.has('process')
  const shared = isProcessUsed ? ['process'] : []
  if (format === 'commonjs') {
    const names = ['exports', 'require', 'module', '__filename', '__dirname', ...shared]
    const made = declare(`module.exports = function $module(${names.join(', ')}) {}`)
    const { expression } = made as Node & { type: 'ExpressionStatement' }
    fill((expression as Node & { type: 'AssignmentExpression' }).right as never, body, program)
    replace(program, [made])
    return { specifiers: [], exports: [], isAsync: false }
  }
  return writeModule(program, body, plan, shared)
}

function writeModule(
  program: Node,
  body: readonly Node[],
  plan: ThreadPlan,
  shared: readonly string[],
): ThreadModule {
  const writer = new ModuleWriter(plan)
  const own = body.flatMap((each) => writer.statement(each))
  for (const each of own) writer.uses(each)
  const names = ['$own', ...shared, ...writer.specifiers.map((_, index) => importName(index))]
  const isAsync = own.some(waits)
  const made = declare(`export default ${isAsync ? 'async ' : ''}function (${names.join(', ')}) {}`)
  fill((made as { declaration?: unknown }).declaration as never, [...writer.published(), ...own], program)
  replace(program, [made])
  return { specifiers: writer.specifiers, exports: [...writer.exports.keys()], isAsync }
}

const importName = (index: number): string => `$import${index}`

class ModuleWriter {
  readonly specifiers: string[] = []
  /** What reads each. */
  readonly exports = new Map<string, string>()
  /** Of `export *`: the names of modules. */
  readonly stars: string[] = []
  readonly #plan: ThreadPlan

  constructor(plan: ThreadPlan) {
    this.#plan = plan
  }

  #from(specifier: string): string {
    let index = this.specifiers.indexOf(specifier)
    if (index < 0) index = this.specifiers.push(specifier) - 1
    return importName(index)
  }

  /** A statement at the top, without what the language says of modules. */
  statement(node: Node): Node[] {
    switch (node.type) {
      case 'ImportDeclaration':
        this.#from(String(node.source.value))
        return []
      case 'ExportAllDeclaration': {
        const from = this.#from(String(node.source.value))
        if (node.exported === null) this.stars.push(from)
        else this.exports.set(nameOf(node.exported as Node), from)
        return []
      }
      case 'ExportNamedDeclaration':
        if (node.declaration) {
          for (const name of declaredNames(node.declaration as Node)) this.exports.set(name, name)
          return [node.declaration as Node]
        }
        for (const { local, exported } of node.specifiers) {
          const name = nameOf(local as Node)
          const read = node.source
            ? property(this.#from(String(node.source.value)), name)
            : this.#read(local as Node)
          this.exports.set(nameOf(exported as Node), read)
        }
        return []
      case 'ExportDefaultDeclaration':
        return [this.#default(node)]
      default:
        return [node]
    }
  }

  #default(node: Node & { type: 'ExportDefaultDeclaration' }): Node {
    const declaration = node.declaration as Node
    if (declaration.type === 'FunctionDeclaration' || declaration.type === 'ClassDeclaration') {
      const named = declaration as { id: Node | null }
      named.id ??= place(identifier('$default'), node.start, node.start)
      this.exports.set('default', (named.id as Node & { type: 'Identifier' }).name)
      return declaration
    }
    this.exports.set('default', '$default')
    const id = place(identifier('$default'), node.start, node.start)
    const { start, end } = node
    const declarator = { type: 'VariableDeclarator', id, init: declaration, start, end }
    return {
      type: 'VariableDeclaration',
      kind: 'const',
      declarations: [declarator],
      start,
      end,
    } as unknown as Node
  }

  /** What a name of the module means, which may be imported. */
  #read(local: Node): string {
    const use = this.#plan.uses.get(local.start)
    if (use === undefined) return nameOf(local)
    const from = this.#from(use.specifier)
    return use.imported === '*' ? from : property(from, use.imported)
  }

  /** What is exported is told first, so that modules that import each other find it. */
  published(): Node[] {
    return [
      ...[...this.exports].map(([name, read]) =>
        declare(`$own.$publish(${JSON.stringify(name)}, () => ${read})`),
      ),
      ...this.stars.map((from) => declare(`$own.$publishAll(${from})`)),
    ]
  }

  /** Writes the uses of what is imported. */
  uses(node: Node, isCallee = false): void {
    if (node.type === 'Identifier') {
      const use = this.#plan.uses.get(node.start)
      if (use !== undefined) this.#write(node, use, isCallee)
      return
    }
    if (node.type === 'MetaProperty' && node.meta.name === 'import') {
      write(node, place(expressionOf('$own.meta'), node.start, node.end))
      return
    }
    if (node.type === 'MemberExpression') {
      this.uses(node.object as Node)
      if (node.computed) this.uses(node.property as Node)
      return
    }
    if (node.type === 'Property') {
      if (node.computed) this.uses(node.key as Node)
      if (node.shorthand && this.#hasUse(node.value as Node))
        (node as { shorthand: boolean }).shorthand = false
      this.uses(node.value as Node)
      return
    }
    if (node.type === 'MethodDefinition' || node.type === 'PropertyDefinition') {
      if (node.computed) this.uses(node.key as Node)
      if (node.value) this.uses(node.value as Node)
      return
    }
    if (node.type === 'LabeledStatement') return this.uses(node.body as Node)
    if (/^(Break|Continue)Statement$/.test(node.type)) return
    for (const [key, value] of Object.entries(node))
      for (const child of Array.isArray(value) ? (value as unknown[]) : [value])
        if (isNode(child)) this.uses(child, key === 'callee' || key === 'tag')
  }

  #hasUse(node: Node): boolean {
    return this.#plan.uses.has(node.type === 'AssignmentPattern' ? node.left.start : node.start)
  }

  #write(
    node: Node,
    { specifier, imported }: { specifier: string; imported: string },
    isCallee: boolean,
  ): void {
    const from = this.#from(specifier)
    const read = imported === '*' ? from : property(from, imported)
    const text = isCallee && imported !== '*' ? `(0, ${read})` : read
    write(node, place(expressionOf(text), node.start, node.end))
  }
}

function property(object: string, name: string): string {
  return /^[\w$]+$/.test(name) ? `${object}.${name}` : `${object}[${JSON.stringify(name)}]`
}

function declaredNames(node: Node): string[] {
  if (node.type === 'VariableDeclaration')
    return node.declarations.flatMap(({ id }) => patternNames(id as Node))
  return [(node as Node & { type: 'FunctionDeclaration' }).id!.name]
}

/** It waits, outside functions. */
function waits(node: Node): boolean {
  if (isFunction(node)) return false
  if (node.type === 'AwaitExpression' || (node.type === 'ForOfStatement' && node.await)) return true
  if (isAwaitUsing(node)) return true
  return childrenOf(node).some(waits)
}

// ---------------------------------------------------------------------------------------------------------------------
// Making nodes

const identifier = (name: string): Node =>
  ({ type: 'Identifier', name, start: -1, end: -1 }) as unknown as Node

function expressionOf(text: string): Node {
  return place(parseExpressionAt(text, 0, { ecmaVersion: 'latest' }), -1, -1)
}

/** A statement; none of it stands in the text. */
function declare(text: string): Node {
  const exported = /^export default /.exec(text)
  if (exported !== null) {
    const declaration = { ...expressionOf(text.slice(exported[0].length)), type: 'FunctionDeclaration' }
    ;(declaration as { id: unknown }).id = identifier('$module')
    return { type: 'ExportDefaultDeclaration', declaration, start: -1, end: -1 } as unknown as Node
  }
  return {
    type: 'ExpressionStatement',
    expression: expressionOf(text),
    start: -1,
    end: -1,
  } as unknown as Node
}

/** Gives a function the code of the module. */
function fill(made: { body: Node } & Partial<Node>, body: readonly Node[], { start, end }: Node): void {
  Object.assign(made, { start, end })
  Object.assign(made.body, { start, end, body })
}

function replace(program: Node, body: readonly Node[]): void {
  Object.assign(program, { body })
}
