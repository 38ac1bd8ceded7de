// Which variables a turn of a loop sets anew, whatever they were: those take nothing from one turn to the next.

import { directOperation } from './outline.ts'
import type { ProgramModule } from './program.ts'
import type { Binding } from './scope.ts'
import { type Node, childrenOf, isFunction } from './syntax.ts'

/** What a turn consists of. A `for` begins once, before the first turn. */
export interface TurnParts {
  readonly test: Node | null
  readonly body: Node
  readonly update: Node | null
}

export type Loop = Node & { type: 'ForStatement' | 'WhileStatement' | 'DoWhileStatement' }

/**
 * The variables that each turn, from its test on, sets before anything in the loop reads them; nor does anything after
 * the loop read them where that is left before. It may be left after its test: the next turn has set them by then.
 */
export function setAnew(loop: Loop, { test, body, update }: TurnParts, module: ProgramModule): Set<Binding> {
  const isLast = loop.type === 'DoWhileStatement'
  const turn = new Turn(loop, module, isLast ? null : test, isLast ? [body, test] : [body, update])
  const rotated = isLast ? turn : new Turn(loop, module, null, [body, update, test])
  return new Set([...turn.first].filter((each) => turn.anew.has(each) || rotated.anew.has(each)))
}

/** Where a jump without a label leads, from within something: out of the loop, or to its next turn. */
interface Jumps {
  readonly breaks: boolean
  readonly continues: boolean
}

class Turn {
  readonly #module: ProgramModule
  readonly #inside = new Set<Node>()
  readonly #met = new Set<Binding>()
  /** What the turn sets first, and those of them that nothing reads where the loop is left before. */
  readonly first = new Set<Binding>()
  readonly anew = new Set<Binding>()
  /** Whatever the loop calls may throw, and what comes after the loop would go on from there. */
  readonly #isCaught: boolean
  /** The loop may have been left by now; the rest of the body may be passed over. */
  #mayBeOver = false
  #maySkip = false

  /** With a test before the other parts, which may end the loop. */
  constructor(loop: Loop, module: ProgramModule, test: Node | null, parts: readonly (Node | null)[]) {
    this.#module = module
    this.#isCaught = loopsInTry(module.program).has(loop)
    this.#enter(loop)
    const jumps = { breaks: true, continues: true }
    if (test !== null) this.#visit(test, true, jumps)
    this.#mayBeOver ||= test !== null && test.type !== 'Literal'
    for (const part of parts) {
      if (part !== null) this.#visit(part, true, jumps)
      this.#maySkip = false
    }
  }

  #enter(node: Node): void {
    this.#inside.add(node)
    for (const child of childrenOf(node)) this.#enter(child)
  }

  #note(node: Node, isSet: boolean): void {
    const binding = this.#module.scopes.bindings.get(node)
    if (binding === undefined || this.#met.has(binding)) return
    this.#met.add(binding)
    if (!isSet || this.#maySkip) return
    this.first.add(binding)
    if (!this.#mayBeOver || !this.#isReadOutside(binding)) this.anew.add(binding)
  }

  #isReadOutside(binding: Binding): boolean {
    if (mayBeReadUnseen(binding, this.#module)) return true
    const reads = this.#module.scopes.reads.read.get(binding) ?? []
    return reads.some((node) => !this.#inside.has(node))
  }

  #visit(node: Node, isSure: boolean, jumps: Jumps): void {
    if (node.type === 'AssignmentExpression' && node.operator === '=' && node.left.type === 'Identifier') {
      this.#visit(node.right, isSure, jumps)
      return this.#note(node.left, isSure)
    }
    if (node.type === 'VariableDeclarator' && node.init && node.id.type === 'Identifier') {
      this.#visit(node.init, isSure, jumps)
      return this.#note(node.id, isSure)
    }
    this.#note(node, false)
    const first = isSure ? surePart(node) : null
    const inner = isFunction(node) ? nowhere : jumpsWithin(node, jumps)
    for (const child of childrenOf(node))
      this.#visit(child, isSure && (first === null || child === first), inner)
    this.#leave(node, jumps)
  }

  /** What is done by now may have led somewhere else. */
  #leave(node: Node, { breaks, continues }: Jumps): void {
    switch (node.type) {
      case 'BreakStatement':
        if (node.label) this.#maySkip = true
        if (node.label || breaks) this.#mayBeOver = true
        return
      case 'ContinueStatement':
        if (node.label) this.#mayBeOver = true
        if (node.label || continues) this.#maySkip = true
        return
      case 'CallExpression':
        if (this.#isCaught && directOperation(this.#module, node) === null) this.#mayBeOver = true
        return
      case 'NewExpression':
      case 'TaggedTemplateExpression':
      case 'YieldExpression':
      case 'AwaitExpression':
      case 'ReturnStatement':
      case 'ThrowStatement':
        if (this.#isCaught) this.#mayBeOver = true
        return
      default:
    }
  }
}

const nowhere: Jumps = { breaks: false, continues: false }

function jumpsWithin(node: Node, jumps: Jumps): Jumps {
  if (node.type === 'SwitchStatement') return { ...jumps, breaks: false }
  return /^(For|ForIn|ForOf|While|DoWhile)Statement$/.test(node.type) ? nowhere : jumps
}

/** Of something of which not all need be done: the part that is; null where all is. */
function surePart(node: Node): Node | undefined | null {
  switch (node.type) {
    case 'IfStatement':
    case 'ConditionalExpression':
      return node.test
    case 'LogicalExpression':
      return node.left
    case 'AssignmentExpression':
      return /^(&&|\|\||\?\?)=$/.test(node.operator) ? (node.left as Node) : null
    case 'AssignmentPattern':
      return node.left as Node
    case 'SwitchStatement':
      return node.discriminant
    case 'DoWhileStatement':
    case 'LabeledStatement':
      return mayJump(node.body) ? undefined : node.body
    case 'ForStatement':
    case 'ForOfStatement':
    case 'ForInStatement':
    case 'WhileStatement':
    case 'TryStatement':
    case 'ChainExpression':
      return undefined
    default:
      return isFunction(node) ? undefined : null
  }
}

function mayJump(node: Node): boolean {
  if (node.type === 'BreakStatement' || node.type === 'ContinueStatement') return true
  return !isFunction(node) && childrenOf(node).some(mayJump)
}

/** What `arguments`, `eval` or another script reads of a variable, nobody sees. */
export function mayBeReadUnseen({ kind, scope }: Binding, module: ProgramModule): boolean {
  const { program, text, format } = module
  if (!/^(variable|parameter)$/.test(kind)) return true
  // A script may have it on the global object.
  if (scope === program && format !== 'module') return true
  return /\beval\b/.test(text) || (kind === 'parameter' && /\barguments\b/.test(text))
}

const found = new WeakMap<Node, ReadonlySet<Node>>()

/** The loops of a module that stand in a `try` of their function. */
function loopsInTry(program: Node): ReadonlySet<Node> {
  let loops = found.get(program)
  if (loops === undefined) {
    loops = collectLoops(program, false, new Set())
    found.set(program, loops)
  }
  return loops
}

function collectLoops(node: Node, isInTry: boolean, loops: Set<Node>): Set<Node> {
  if (isInTry && /^(For|While|DoWhile)Statement$/.test(node.type)) loops.add(node)
  const isInner = !isFunction(node) && (isInTry || node.type === 'TryStatement')
  for (const child of childrenOf(node)) collectLoops(child, isInner, loops)
  return loops
}
