// Puts `cpu.lockedAdd(word, 1)` for `Atomics.add(cpu.heap, word, 1)`; src/backends/threads/locked.ts says why.
//
// It works on TypeScript, because the proof is in the types: an array is the kernel heap if it is `cpu.heap`, or a
// constant made from that, and `cpu` is a parameter or a constant declared as a Cpu or a Task, to which nothing is
// assigned. What cannot be proven stays as it is, which is always right, and slower.

import { parseAst } from 'rolldown/parseAst'
import { RolldownMagicString } from 'rolldown'

/** What each operation is called on a Cpu, and how many arguments it takes after the array. */
const operations: ReadonlyMap<string, readonly [name: string, parameters: number]> = new Map([
  ['load', ['lockedLoad', 1]],
  ['store', ['lockedStore', 2]],
  ['add', ['lockedAdd', 2]],
  ['sub', ['lockedSub', 2]],
  ['and', ['lockedAnd', 2]],
  ['or', ['lockedOr', 2]],
  ['xor', ['lockedXor', 2]],
  ['exchange', ['lockedExchange', 2]],
  ['compareExchange', ['lockedCompareExchange', 3]],
])
/** The class that gets these methods, and one that extends it. */
const cpuClasses = new Set(['Cpu', 'Task'])

interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [key: string]: unknown
}

/** What a name stands for. `heapOf` is the CPU whose heap it is. */
interface Binding {
  readonly name: string
  isCpu: boolean
  heapOf: Binding | null
}

class Scope {
  readonly bindings = new Map<string, Binding>()
  readonly parent: Scope | null
  /** Where a `var` goes. */
  readonly function: Scope

  constructor(parent: Scope | null, ownsVariables: boolean) {
    this.parent = parent
    this.function = ownsVariables || parent === null ? this : parent.function
  }

  find(name: string): Binding | undefined {
    return this.bindings.get(name) ?? this.parent?.find(name)
  }

  declare(name: string): Binding {
    const binding = { name, isCpu: false, heapOf: null }
    this.bindings.set(name, binding)
    return binding
  }
}

/** The rewritten module `code`, or null where there is nothing to rewrite. */
export function rewriteAtomics(code: string): RolldownMagicString | null {
  if (!code.includes('Atomics.')) return null
  const program = parseAst(code, { lang: 'ts' }) as unknown as Node
  const scopes = new Map<Node, Scope>()
  declareNames(program, new Scope(null, true), scopes)
  const constants: { declarator: Node; scope: Scope }[] = []
  walkScopes(program, scopes, (node, scope) => {
    if (node.type === 'VariableDeclaration' && node['kind'] === 'const') {
      for (const declarator of node['declarations'] as Node[]) constants.push({ declarator, scope })
    }
  })
  for (const { declarator, scope } of constants) noteHeap(declarator, scope)
  walkScopes(program, scopes, (node, scope) => forgetAssigned(node, scope))
  const result = new RolldownMagicString(code)
  walkScopes(program, scopes, (node, scope, parent) => {
    rewriteCall(node, scope, parent, result)
    if (node.type === 'ClassDeclaration') addMethods(node, result)
  })
  return result.hasChanged() ? result : null
}

// ---------------------------------------------------------------------------------------------------------------------
// Names

const functionTypes = /^(FunctionDeclaration|FunctionExpression|ArrowFunctionExpression)$/
const blockTypes = /^(BlockStatement|For(In|Of)?Statement|SwitchStatement|CatchClause|ClassExpression)$/
/** Scopes in which a `var` stays. */
const variableScopeTypes = /^(Program|StaticBlock|TSModuleBlock)$/

/** Makes the scopes below `node`, and declares in them what is declared there. */
function declareNames(node: Node, outer: Scope, scopes: Map<Node, Scope>): void {
  let scope = outer
  const isFunction = functionTypes.test(node.type)
  if (node.type === 'FunctionDeclaration' || node.type === 'ClassDeclaration')
    declarePattern(node['id'], outer)
  const ownsVariables = isFunction || variableScopeTypes.test(node.type)
  if (ownsVariables || blockTypes.test(node.type)) {
    scope = new Scope(outer, ownsVariables)
    scopes.set(node, scope)
  }
  if (isFunction) {
    if (node.type === 'FunctionExpression') declarePattern(node['id'], scope)
    for (const parameter of node['params'] as Node[]) declarePattern(parameter, scope)
  }
  if (node.type === 'ClassExpression') declarePattern(node['id'], scope)
  if (node.type === 'CatchClause') declarePattern(node['param'], scope)
  if (node.type === 'ImportDeclaration') {
    for (const specifier of node['specifiers'] as Node[]) declarePattern(specifier['local'], scope)
  }
  if (node.type === 'TSEnumDeclaration' || node.type === 'TSModuleDeclaration')
    declarePattern(node['id'], scope)
  if (node.type === 'VariableDeclaration') {
    const target = node['kind'] === 'var' ? scope.function : scope
    for (const declarator of node['declarations'] as Node[]) {
      declarePattern(declarator['id'], target, node['kind'] === 'const')
    }
  }
  for (const child of childrenOf(node)) declareNames(child, scope, scopes)
}

function declarePattern(pattern: unknown, scope: Scope, typed = true): void {
  if (!isNode(pattern)) return
  if (pattern.type === 'Identifier') {
    scope.declare(String(pattern['name'])).isCpu = typed && isDeclaredCpu(pattern)
    return
  }
  if (pattern.type === 'Property') declarePattern(pattern['value'], scope, false)
  else if (pattern.type === 'AssignmentPattern') declarePattern(pattern['left'], scope, false)
  else if (pattern.type === 'TSParameterProperty') declarePattern(pattern['parameter'], scope, false)
  else for (const child of childrenOf(pattern)) declarePattern(child, scope, false)
}

/** True for `name: Cpu`. */
function isDeclaredCpu(identifier: Node): boolean {
  const annotation = identifier['typeAnnotation'] as Node | null | undefined
  const type = annotation?.['typeAnnotation'] as Node | undefined
  const name = type?.type === 'TSTypeReference' ? (type['typeName'] as Node) : undefined
  return (
    identifier['optional'] !== true && name?.type === 'Identifier' && cpuClasses.has(String(name['name']))
  )
}

/** Notes that `const heap = cpu.heap`, or `const { heap } = cpu`, is the heap of that CPU. */
function noteHeap(declarator: Node, scope: Scope): void {
  const id = declarator['id'] as Node
  const value = declarator['init'] as Node | null
  if (id.type === 'Identifier') {
    const cpu = value === null ? null : cpuOfHeap(value, scope)
    if (cpu !== null) scope.find(String(id['name']))!.heapOf = cpu
  }
  if (id.type !== 'ObjectPattern' || value?.type !== 'Identifier') return
  const cpu = scope.find(String(value['name']))
  if (cpu?.isCpu !== true) return
  for (const property of id['properties'] as Node[]) {
    const target = property['value'] as Node | undefined
    if (property['computed'] === true || target?.type !== 'Identifier') continue
    if ((property['key'] as Node)['name'] === 'heap') scope.find(String(target['name']))!.heapOf = cpu
  }
}

/** The CPU whose heap the expression is, if that can be told. */
function cpuOfHeap(expression: Node, scope: Scope): Binding | null {
  if (expression.type === 'Identifier') {
    const cpu = scope.find(String(expression['name']))?.heapOf ?? null
    // Another variable may have the CPU's name here.
    return cpu !== null && cpu.isCpu && scope.find(cpu.name) === cpu ? cpu : null
  }
  if (!isMember(expression) || (expression['property'] as Node)['name'] !== 'heap') return null
  const object = expression['object'] as Node
  const cpu = object.type === 'Identifier' ? scope.find(String(object['name'])) : undefined
  return cpu?.isCpu === true ? cpu : null
}

/** A variable that is assigned to may hold another CPU later. */
function forgetAssigned(node: Node, scope: Scope): void {
  const target = /^(AssignmentExpression|For(In|Of)Statement)$/.test(node.type)
    ? node['left']
    : node.type === 'UpdateExpression'
      ? node['argument']
      : null
  const forget = (pattern: Node): void => {
    const binding = pattern.type === 'Identifier' ? scope.find(String(pattern['name'])) : undefined
    if (binding !== undefined) binding.isCpu = false
    for (const child of childrenOf(pattern)) forget(child)
  }
  if (isNode(target) && target.type !== 'MemberExpression' && target.type !== 'VariableDeclaration')
    forget(target)
}

/** Gives the class Cpu a method for each operation, for CPUs that have no instructions. */
function addMethods(declaration: Node, result: RolldownMagicString): void {
  if ((declaration['id'] as Node)['name'] !== 'Cpu') return
  for (const [operation, [name, parameters]] of operations) {
    const list = ['word', 'value', 'replacement'].slice(0, parameters).join(', ')
    result.appendLeft(
      (declaration['body'] as Node).end - 1,
      `${name}(${list}) { return Atomics.${operation}(this.heap, ${list}) } `,
    )
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Calls

function rewriteCall(node: Node, scope: Scope, parent: Node | null, result: RolldownMagicString): void {
  if (node.type !== 'CallExpression' || node['optional'] === true) return
  const callee = node['callee'] as Node
  if (!isMember(callee)) return
  const object = callee['object'] as Node
  if (object['name'] !== 'Atomics' || scope.find('Atomics') !== undefined) return
  const operation = String((callee['property'] as Node)['name'])
  const [array, ...rest] = node['arguments'] as Node[]
  const [name, parameters] = operations.get(operation) ?? []
  if (array === undefined || rest.length !== parameters) return
  if (rest.some(({ type }) => type === 'SpreadElement')) return
  // Atomics.store gives the value back, the instruction nothing.
  if (operation === 'store' && parent?.type !== 'ExpressionStatement') return
  const cpu = cpuOfHeap(array, scope)
  if (cpu === null) return
  result.overwrite(callee.start, callee.end, `${cpu.name}.${name}`)
  result.remove(array.start, rest[0]!.start)
}

/** True for `object.property`. */
function isMember(node: Node): boolean {
  if (node.type !== 'MemberExpression' || node['computed'] === true || node['optional'] === true) return false
  return (node['property'] as Node).type === 'Identifier'
}

function walkScopes(
  program: Node,
  scopes: ReadonlyMap<Node, Scope>,
  visit: (node: Node, scope: Scope, parent: Node | null) => void,
): void {
  const walk = (node: Node, outer: Scope, parent: Node | null): void => {
    const scope = scopes.get(node) ?? outer
    visit(node, scope, parent)
    for (const child of childrenOf(node)) walk(child, scope, node)
  }
  walk(program, scopes.get(program)!, null)
}

function childrenOf(node: Node): Node[] {
  return Object.values(node).flat().filter(isNode)
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string'
}
