// What a module reads of its variables: one that is only ever set, or counted, makes no difference to anybody.

import { type Node, childrenOf } from './syntax.ts'

export interface Reads {
  /** Variables of which something is read, other than by what sets them anew, and where. */
  readonly read: ReadonlyMap<object, readonly Node[]>
  /** `n++`, `n += 1`, and other such expressions whose own value nobody looks at. */
  readonly unused: ReadonlySet<Node>
  /** Private names with which there is such an expression, and otherwise none but plain reads and writes. */
  readonly counted: ReadonlySet<string>
}

/** What the engine does with numbers, and with nothing that the program would hear of. */
const sums = /^([-+*/%&|^]|\*\*|<<|>>>?)$/

/** Goes through a module whose identifiers mean `bindings`. */
export function readsOf(program: Node, bindings: ReadonlyMap<Node, object>): Reads {
  const read = new Map<object, Node[]>()
  const unused = new Set<Node>()
  const counted = new Set<string>()
  const others = new Set<string>()
  const note = (node: Node): void => {
    const binding = bindings.get(node)
    if (binding === undefined) return
    const places = read.get(binding)
    if (places === undefined) read.set(binding, [node])
    else places.push(node)
  }
  const privateName = (node: Node): string | null =>
    node.type === 'MemberExpression' && node.property.type === 'PrivateIdentifier' ? node.property.name : null
  /** What is assigned to. */
  const target = (node: Node, isCount: boolean): void => {
    if (node.type === 'Identifier') return
    const name = privateName(node)
    if (name === null) return visit(node, false)
    if (isCount) counted.add(name)
    visit((node as Node & { type: 'MemberExpression' }).object as Node, false)
  }
  const assignment = (node: Node & { type: 'AssignmentExpression' }, isUnused: boolean): void => {
    const { operator, right } = node
    const left = node.left as Node
    const isPlain = operator === '='
    const isCount = !isPlain && isUnused && !/^(&&|\|\||\?\?)=$/.test(operator)
    if (isCount) unused.add(node)
    if (isPlain || isCount) target(left, isCount)
    else {
      const name = privateName(left)
      if (name !== null) others.add(name)
      visit(left, false)
    }
    // As in `n = n + 1`.
    const isSum =
      isPlain &&
      isUnused &&
      left.type === 'Identifier' &&
      right.type === 'BinaryExpression' &&
      sums.test(right.operator)
    const first = isSum ? (right.left as Node) : right
    const isOwn = isSum && bindings.get(first) !== undefined && bindings.get(first) === bindings.get(left)
    visit(isOwn && right.type === 'BinaryExpression' ? right.right : right, false)
  }
  const visit = (node: Node, isUnused: boolean): void => {
    switch (node.type) {
      case 'Identifier':
        return note(node)
      case 'ExpressionStatement':
        return visit(node.expression, true)
      case 'ForStatement':
        if (node.init) visit(node.init, true)
        if (node.test) visit(node.test, false)
        if (node.update) visit(node.update, true)
        return visit(node.body, false)
      case 'SequenceExpression':
        return node.expressions.forEach((each, at) =>
          visit(each, isUnused || at < node.expressions.length - 1),
        )
      case 'ConditionalExpression':
        visit(node.test, false)
        visit(node.consequent, isUnused)
        return visit(node.alternate, isUnused)
      case 'LogicalExpression':
        visit(node.left, false)
        return visit(node.right, isUnused)
      case 'UnaryExpression':
        return visit(node.argument, node.operator === 'void')
      case 'UpdateExpression': {
        const argument = node.argument as Node
        if (isUnused) {
          unused.add(node)
          return target(argument, true)
        }
        const name = privateName(argument)
        if (name !== null) others.add(name)
        return visit(argument, false)
      }
      case 'AssignmentExpression':
        if (node.left.type.endsWith('Pattern')) break
        return assignment(node, isUnused)
      case 'VariableDeclarator':
        if (node.id.type !== 'Identifier') visit(node.id as Node, false)
        if (node.init) visit(node.init, false)
        return
      case 'MemberExpression':
        visit(node.object as Node, false)
        if (node.computed) visit(node.property as Node, false)
        return
      case 'ChainExpression':
      case 'CallExpression':
      case 'TaggedTemplateExpression': {
        // Within a chain, or as what is called, a field is read in other ways.
        const links = node.type === 'ChainExpression' ? privateNamesIn(node) : []
        const callee = node.type === 'CallExpression' ? (node.callee as Node) : null
        const name = callee === null ? null : privateName(callee)
        for (const each of [...links, ...(name === null ? [] : [name])]) others.add(each)
        break
      }
      case 'PrivateIdentifier':
        // As in `#n in object`.
        others.add(node.name)
        return
      case 'Property':
      case 'MethodDefinition':
      case 'PropertyDefinition':
        if (node.computed) visit(node.key as Node, false)
        if (node.value) visit(node.value as Node, false)
        return
      case 'ExportNamedDeclaration':
        if (node.source) return
        for (const each of node.declaration?.type === 'VariableDeclaration'
          ? node.declaration.declarations
          : [])
          names(each.id as Node)
        for (const { local } of node.specifiers) visit(local as Node, false)
        if (node.declaration) visit(node.declaration, false)
        return
      case 'LabeledStatement':
        return visit(node.body, false)
      case 'BreakStatement':
      case 'ContinueStatement':
      case 'MetaProperty':
      case 'ImportDeclaration':
      case 'ExportAllDeclaration':
        return
      default:
    }
    for (const child of childrenOf(node)) visit(child, false)
  }
  /** What others import is read. */
  const names = (node: Node): void => {
    if (node.type === 'Identifier') note(node)
    else for (const child of childrenOf(node)) names(child)
  }
  visit(program, false)
  for (const name of others) counted.delete(name)
  return { read, unused, counted }
}

function privateNamesIn(node: Node): string[] {
  const own = node.type === 'PrivateIdentifier' ? [node.name] : []
  return [...own, ...childrenOf(node).flatMap(privateNamesIn)]
}
