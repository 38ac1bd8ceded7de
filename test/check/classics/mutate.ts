// Mutants of an example: its source with one small change in the algorithm that is right.
//
// What is changed are the classes that the passing tests use, and the functions that these use. What stands around
// them stays: the tests, the threads, the sequential objects (classes named Sequential…). Tests of what is wrong are
// left out, as is what only they use, so that only a test of what is right can tell of a mutant.

import { stripTypeScriptTypes } from 'node:module'
import { type Node, parse } from 'acorn'

export interface Mutant {
  readonly operator: Operator
  readonly line: number
  /** What stood there, and what does. */
  readonly before: string
  readonly after: string
  /** The whole file. */
  readonly text: string
}

export type Operator =
  | 'access made plain'
  | 'operation taken apart'
  | 'neighbours swapped'
  | 'notify dropped'
  | 'statement dropped'
  | 'condition negated'
  | 'condition weakened'

type Any = Node & Readonly<Record<string, unknown>>

/** A change of the text: from `start` on, up to `end`, stands `text`. */
interface Edit {
  readonly start: number
  readonly end: number
  readonly text: string
}

/** What operations become in two steps. */
const APART = `
function casApart(array, index, expected, value) {
  const old = Atomics.load(array, index)
  if (old === expected) Atomics.store(array, index, value)
  return old
}
function updateApart(array, index, update) {
  const old = Atomics.load(array, index)
  Atomics.store(array, index, update(old))
  return old
}
`

const updates: Readonly<Record<string, string>> = {
  add: 'old + value',
  sub: 'old - value',
  or: 'old | value',
  and: 'old & value',
  exchange: 'value',
}

/** Of comparisons, the one that holds in one case more or less. */
const boundaries: Readonly<Record<string, string>> = { '<': '<=', '<=': '<', '>': '>=', '>=': '>' }

/** The mutants of a test file. `limit` are the options, as text, that every check gets. */
export function mutantsOf(typescript: string, limit: string): Mutant[] {
  const source = stripTypeScriptTypes(typescript)
  const program = parse(source, { ecmaVersion: 'latest', sourceType: 'module' }) as unknown as Any
  const statements = program['body'] as Any[]
  const kept = keptOf(statements, source)
  const base = statements.filter((each) => !kept.has(each)).map((each) => blank(each, source))
  for (const call of statements.filter((each) => kept.has(each)).flatMap(checksIn))
    base.push(...limited(call, limit))
  return targetsOf(kept, source)
    .flatMap((target) => editsIn(target, source))
    .map(({ operator, edits, at }) => {
      const [first] = edits as [Edit]
      return {
        operator,
        line: source.slice(0, at.start).split('\n').length,
        before: oneLine(typescript.slice(at.start, at.end)),
        after: oneLine(first.text),
        text: applied(source, [...base, ...edits]) + APART,
      }
    })
}

// ---------------------------------------------------------------------------------------------------------------------
// What is left, and what is changed

/** The tests that pass, and what they use. */
function keptOf(statements: readonly Any[], source: string): Set<Any> {
  const isTest = (each: Any): boolean => source.startsWith('it(', each.start)
  const tests = statements.filter(
    (each) => isTest(each) && !/\bbreaks\(/.test(source.slice(each.start, each.end)),
  )
  const imports = statements.filter(({ type }) => type === 'ImportDeclaration')
  return new Set([...imports, ...usedBy(tests, statements)])
}

/** The statements, and those that declare what they use. */
function usedBy(roots: readonly Any[], statements: readonly Any[]): Set<Any> {
  const found = new Set<Any>()
  const visit = (statement: Any): void => {
    if (found.has(statement)) return
    found.add(statement)
    const names = new Set<string>()
    walk(statement, (node) => {
      if (node.type === 'Identifier') names.add(node['name'] as string)
    })
    for (const other of statements) if (declares(other).some((name) => names.has(name))) visit(other)
  }
  roots.forEach(visit)
  return found
}

function declares(statement: Any): string[] {
  if (statement.type === 'VariableDeclaration')
    return (statement['declarations'] as Any[]).map(({ id }) => (id as Any)['name'] as string)
  if (statement.type !== 'FunctionDeclaration' && statement.type !== 'ClassDeclaration') return []
  return [(statement['id'] as Any)['name'] as string]
}

function targetsOf(kept: ReadonlySet<Any>, source: string): Any[] {
  const classes = [...kept].filter(
    (each) => each.type === 'ClassDeclaration' && !source.startsWith('class Sequential', each.start),
  )
  return [...usedBy(classes, [...kept])].filter(
    ({ type }) => type === 'ClassDeclaration' || type === 'FunctionDeclaration',
  )
}

function checksIn(statement: Any): Any[] {
  const found: Any[] = []
  walk(statement, (node) => {
    const callee = node['callee'] as Any | undefined
    if (node.type === 'CallExpression' && /^(check|linearizable)$/.test(String(callee!['name'])))
      found.push(node)
  })
  return found
}

function limited(call: Any, limit: string): Edit[] {
  const [first] = call['arguments'] as [Any]
  return [
    { start: first.start, end: first.start, text: '{ ...(' },
    { start: first.end, end: first.end, text: `), ${limit} }` },
  ]
}

// ---------------------------------------------------------------------------------------------------------------------
// Operators

interface Change {
  readonly operator: Operator
  readonly edits: readonly Edit[]
  /** What is told to be changed. */
  readonly at: { readonly start: number; readonly end: number }
}

function editsIn(target: Any, source: string): Change[] {
  const found: Change[] = []
  const text = ({ start, end }: Node): string => source.slice(start, end)
  const change = (operator: Operator, node: Node, written: string): void => {
    const { start, end } = node
    found.push({ operator, edits: [{ start, end, text: written }], at: node })
  }
  const isPause = (node: Any): boolean => operationOf(node['expression'] as Any) === 'pause'
  walk(target, (node) => {
    // Nobody else is there yet, and a pause does nothing.
    if (node['kind'] === 'constructor') return false
    const operation = operationOf(node)
    if (operation !== null) changeOperation(node, operation, text, change)
    if (node.type === 'ExpressionStatement' && !isPause(node)) drop(node, change)
    if (node.type === 'BlockStatement') swap(node['body'] as Any[], text, found)
    const test = node['test'] as Any | null | undefined
    if (test && /^(If|While|DoWhile|For)Statement$|^ConditionalExpression$/.test(node.type))
      change('condition negated', test, `!(${text(test)})`)
    weaken(node, text, change)
    return true
  })
  return found
}

type Text = (node: Node) => string
type Note = (operator: Operator, node: Node, written: string) => void

function changeOperation(node: Any, operation: string, text: Text, change: Note): void {
  const [array, index, ...rest] = (node['arguments'] as Any[]).map(text)
  if (operation === 'load') change('access made plain', node, `${array}[${index}]`)
  if (operation === 'store') change('access made plain', node, `(${array}[${index}] = ${rest[0]})`)
  if (operation === 'compareExchange')
    change('operation taken apart', node, `casApart(${array}, ${index}, ${rest.join(', ')})`)
  const update = updates[operation]
  if (update === undefined) return
  const written = `((value) => updateApart(${array}, ${index}, (old) => ${update}))(${rest[0]})`
  change('operation taken apart', node, written)
}

function drop(node: Any, change: Note): void {
  const expression = node['expression'] as Any
  if (/^(Call|Assignment|Update|Unary)Expression$/.test(expression.type))
    change(operationOf(expression) === 'notify' ? 'notify dropped' : 'statement dropped', node, ';')
}

function swap(body: readonly Any[], text: Text, found: Change[]): void {
  for (const [index, first] of body.entries()) {
    const second = body[index + 1]
    if (first.type !== 'ExpressionStatement' || second?.type !== 'ExpressionStatement') continue
    if (text(first) === text(second)) continue
    found.push({
      operator: 'neighbours swapped',
      edits: [
        { start: first.start, end: first.end, text: `${text(second)};` },
        { start: second.start, end: second.end, text: `${text(first)};` },
      ],
      at: { start: first.start, end: second.end },
    })
  }
}

function weaken(node: Any, text: Text, change: Note): void {
  if (node.type === 'WhileStatement' || node.type === 'DoWhileStatement')
    change('condition weakened', node['test'] as Any, 'false')
  const operator = node['operator'] as string
  if (node.type === 'LogicalExpression' && (operator === '&&' || operator === '||')) {
    change('condition weakened', node, text(node['left'] as Any))
    change('condition weakened', node, text(node['right'] as Any))
  }
  const boundary = boundaries[operator]
  if (node.type === 'BinaryExpression' && boundary !== undefined)
    change(
      'condition weakened',
      node,
      `${text(node['left'] as Any)} ${boundary} ${text(node['right'] as Any)}`,
    )
}

/** The name of a function of Atomics that is called, or null. */
function operationOf(node: Any): string | null {
  const callee = node['callee'] as Any | undefined
  if (node.type !== 'CallExpression' || callee!.type !== 'MemberExpression') return null
  const object = callee!['object'] as Any
  return object['name'] === 'Atomics' ? ((callee!['property'] as Any)['name'] as string) : null
}

// ---------------------------------------------------------------------------------------------------------------------
// Text

/** Where `visit` returns false, what is in the node is passed over. */
function walk(node: Any, visit: (node: Any) => boolean | void): void {
  if (visit(node) === false) return
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value])
      if (typeof (child as Any | null)?.type === 'string') walk(child as Any, visit)
  }
}

function blank({ start, end }: Node, source: string): Edit {
  return { start, end, text: source.slice(start, end).replaceAll(/[^\n]/g, ' ') }
}

/** Edits within what another blanks cannot be: nothing of that is changed. */
function applied(source: string, edits: readonly Edit[]): string {
  let text = source
  for (const { start, end, text: written } of edits.toSorted((a, b) => b.start - a.start))
    text = text.slice(0, start) + written + text.slice(end)
  return text
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim()
}
