// What the analysis of a program (reach.ts) looks at in a module, found in one walk through its tree and kept with it:
// programs that differ in a patch have most modules in common.

import { isOperation } from './names.ts'
import type { ProgramModule } from './program.ts'
import { type Node, childrenOf, isFunction, propertyName } from './syntax.ts'

interface Outline {
  /** What begins a function, calls one, or may: outer nodes before inner ones. */
  readonly code: readonly CodeNode[]
  /** What makes a function a value, or a value a property, or names a property. */
  readonly values: readonly ValueNode[]
  readonly usesAtomicsAsValue: boolean
  readonly hasProxies: boolean
  /** It tells async functions from others, by their constructor or their tag. */
  readonly tellsAsync: boolean
  /** It may define accessors whose names cannot be known. */
  readonly hasAnonymous: boolean
  /** Names of the properties that it reads or assigns to. */
  readonly properties: ReadonlySet<string>
}

export interface CodeNode {
  readonly node: Node
  readonly parent: Node | null
  /** The parent's parent. */
  readonly outer: Node | null
  /** The code that it stands in: 0 for that of the module, then those for which beginsCode() holds, in their order. */
  readonly owner: number
}

interface ValueNode {
  readonly node: Node
  readonly parent: Node | null
  readonly isValue: boolean
}

const tellsAsync =
  /\bAsyncFunction\b|\(\s*async\s*(function\s*)?\(\)\s*(=>\s*)?\{\s*\}\s*\)\s*\.\s*constructor\b/

const outlines = new WeakMap<Node, Outline>()

export function outlineOf(module: ProgramModule): Outline {
  const present = outlines.get(module.program)
  if (present !== undefined) return present
  const outline = makeOutline(module)
  outlines.set(module.program, outline)
  return outline
}

function makeOutline(module: ProgramModule): Outline {
  const code: CodeNode[] = []
  const values: ValueNode[] = []
  let begun = 0
  const visit = (node: Node, parent: Node | null, outer: Node | null, owner: number): void => {
    if (isOfCode(node) || beginsCode(node, parent)) code.push({ node, parent, outer, owner })
    const isValue = isValuePosition(module, node, parent)
    if (isValue || isOfValues(node, parent)) values.push({ node, parent, isValue })
    const inner = beginsCode(node, parent) ? ++begun : owner
    for (const child of childrenOf(node)) visit(child, node, parent, inner)
  }
  visit(module.program, null, null, 0)
  const defines = /\b(definePropert(y|ies)|Proxy|__define[GS]etter__|Object\.create)\b/
  return {
    code,
    values,
    usesAtomicsAsValue: usesAtomicsAsValue(module, code),
    hasProxies: /\bProxy\b/.test(module.text),
    tellsAsync: tellsAsync.test(module.text),
    hasAnonymous: defines.test(module.text) || /\b[gs]et \[/.test(module.text),
    properties: propertiesOf(code),
  }
}

function propertiesOf(code: readonly CodeNode[]): ReadonlySet<string> {
  const names = new Set<string>()
  for (const { node } of code) {
    const name = node.type === 'MemberExpression' ? propertyName(node.property, node.computed) : null
    if (name !== null) names.add(name)
  }
  return names
}

/** Code of its own begins here, which calls and is called: a function, the value of a field, a static block. */
export function beginsCode(node: Node, parent: Node | null): boolean {
  return isFunction(node) || isFieldValue(node, parent) || node.type === 'StaticBlock'
}

export function isFieldValue(node: Node, parent: Node | null): boolean {
  return parent?.type === 'PropertyDefinition' && parent.value === node
}

function isOfCode(node: Node): boolean {
  switch (node.type) {
    case 'CallExpression':
    case 'NewExpression':
    case 'TaggedTemplateExpression':
    case 'MemberExpression':
    case 'ObjectPattern':
    case 'ObjectExpression':
    case 'ForOfStatement':
    case 'SpreadElement':
    case 'ArrayPattern':
    case 'YieldExpression':
    case 'ClassDeclaration':
    case 'ClassExpression':
      return true
    case 'VariableDeclaration':
      return (node.kind as string) === 'using'
    default:
      return false
  }
}

function isOfValues(node: Node, parent: Node | null): boolean {
  switch (node.type) {
    case 'MethodDefinition':
    case 'PropertyDefinition':
    case 'AssignmentExpression':
    case 'UpdateExpression':
      return true
    case 'Property':
      return parent?.type === 'ObjectExpression'
    case 'MemberExpression':
      return !(parent?.type === 'CallExpression' && parent.callee === node)
    default:
      return false
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
    case 'MemberExpression': {
      const name = parent.object === node ? propertyName(parent.property, parent.computed) : null
      return parent.object === node && !/^(call|apply|prototype|name|length)$/.test(name ?? '')
    }
    default:
      return node.type !== 'FunctionDeclaration'
  }
}

/** `Atomics` stands there other than in a call such as `Atomics.load(…)`. */
function usesAtomicsAsValue(module: ProgramModule, code: readonly CodeNode[]): boolean {
  let called = 0
  for (const { node } of code)
    if (node.type === 'CallExpression' && directOperation(module, node) !== null) called++
  return (
    called < module.scopes.atomics.size ||
    /\b(globalThis|self|window|global)\s*\??\.\s*Atomics\b/.test(module.text)
  )
}

/** The operation that a call such as `Atomics.load(array, 0)` is. */
export function directOperation(
  module: ProgramModule,
  node: Node & { type: 'CallExpression' },
): string | null {
  const { callee } = node
  if (callee.type !== 'MemberExpression' || callee.optional || node.optional) return null
  if (!module.scopes.atomics.has(callee.object as Node)) return null
  const name = propertyName(callee.property, callee.computed)
  if (name === null || node.arguments.some((argument) => argument.type === 'SpreadElement')) return null
  return isOperation(name) || name === 'isLockFree' ? name : null
}
