// What stands around a call of check() in its file: functions that are marked, so that a silent test framework runs
// them and nothing else. Other tests are not run, so what they change must be of no interest to what is checked.

import { type LoadOptions, type Program, SteppingRefused } from '../backends/stepped/index.ts'
import { type ParsedModule, type ProgramModule, withScopes } from '../backends/stepped/program.ts'
import type { Binding } from '../backends/stepped/scope.ts'
import { type Node, childrenOf, isFunction, parseText, positionOf } from '../backends/stepped/syntax.ts'
import { type InlineCall, MATCHER } from './inline-call.ts'

/** The name of what marks a function, in the text of its file. */
export const MARK = '$faultlineMark'

/** Where the stack of a load tells the call of a matcher to stand, and where that of the engine does: at its name. */
export const matcherLines = new Map<string, number>()

/** The option of a load that marks the functions around a call. */
export function withMarks(call: InlineCall): Pick<LoadOptions, 'edit'> {
  const { frames } = call
  return {
    edit(program) {
      matcherLines.clear()
      const forms = new Map<string, ParsedModule>()
      for (const url of new Set(frames.map((frame) => frame.url))) {
        const lines = frames.filter((frame) => frame.url === url).map(({ line }) => line)
        const form = marked(program, url, lines)
        if (form !== null) forms.set(url, form)
      }
      return forms
    },
  }
}

/** No line moves. */
function marked(program: Program, url: string, lines: readonly number[]): ParsedModule | null {
  const module = program.modules.get(url)
  if (module === undefined) return null
  const names = checkNames(module.program)
  refuseOtherTests(module, names, lines)
  const insertions: { at: number; text: string }[] = []
  // The stack tells where a call stands, and of those of the engine alone it does.
  const native: number[] = []
  noteMatchers(module, url, module.program)
  const visit = (node: Node): void => {
    if (isCheck(node, names) || !holdsLine(module, node, lines)) return
    if (isFunction(node) && 'runsAsync' in node) native.push(node.start)
    const isFunctionValue = node.type === 'ArrowFunctionExpression' || node.type === 'FunctionExpression'
    // The body of an async function is one that stands in no text.
    if (isFunctionValue && !('isAsyncBody' in node))
      insertions.push({ at: node.start, text: `${MARK}(` }, { at: node.end, text: ')' })
    for (const child of childrenOf(node)) {
      // The function of a method is no value.
      const isMethod = node.type === 'MethodDefinition' || (node.type === 'Property' && node.method)
      if (isMethod && isFunction(child)) visit(child.body as Node)
      else visit(child)
    }
  }
  visit(module.program)
  let { text } = module
  for (const { at, text: added } of insertions.toSorted((a, b) => b.at - a.at))
    text = text.slice(0, at) + added + text.slice(at)
  const moved = (starts: readonly number[]): Set<number> =>
    new Set(
      starts.map((start) =>
        insertions.reduce((sum, { at, text: added }) => (at <= start ? sum + added.length : sum), start),
      ),
    )
  const written = { nativeAsync: moved(native), generators: moved(generatorsIn(module.program)) }
  const form = parseText(module.file, text, module.format, module.map, written)
  return withScopes({ ...form, digest: module.digest })
}

function noteMatchers(module: ProgramModule, url: string, node: Node): void {
  if (node.type === 'CallExpression' && node.callee.type === 'MemberExpression') {
    const { property } = node.callee
    if (property.type === 'Identifier' && property.name === MATCHER) {
      const [first, named] = [node, property as Node].map(({ start }) => positionOf(module, start).line)
      matcherLines.set(`${url}:${first}`, named!)
    }
  }
  for (const child of childrenOf(node)) noteMatchers(module, url, child)
}

/** Where the generators begin that were written so that they can stop. */
function generatorsIn(node: Node): number[] {
  const inner = childrenOf(node).flatMap(generatorsIn)
  return 'runsGenerator' in node ? [node.start, ...inner] : inner
}

/** The names by which a module calls the checker. */
function checkNames(program: Node): ReadonlySet<string> {
  const names = new Set(['check', 'linearizable', MATCHER])
  for (const statement of (program as Node & { type: 'Program' }).body) {
    if (statement.type !== 'ImportDeclaration') continue
    for (const each of statement.specifiers)
      if (
        each.type === 'ImportSpecifier' &&
        each.imported.type === 'Identifier' &&
        names.has(each.imported.name)
      )
        names.add(each.local.name)
  }
  return names
}

function isCheck(node: Node, names: ReadonlySet<string>): boolean {
  if (node.type !== 'CallExpression') return false
  const { callee } = node
  if (callee.type === 'Identifier') return names.has(callee.name)
  return (
    callee.type === 'MemberExpression' &&
    callee.property.type === 'Identifier' &&
    names.has(callee.property.name)
  )
}

function holdsLine(module: ProgramModule, node: Node, lines: readonly number[]): boolean {
  const [first, last] = [node.start, node.end].map((offset) => positionOf(module, offset).line)
  return lines.some((line) => first! <= line && line <= last!)
}

/** Throws SteppingRefused where another test assigns to a variable that the call uses. */
function refuseOtherTests(module: ProgramModule, names: ReadonlySet<string>, lines: readonly number[]): void {
  const { bindings } = module.scopes
  const used = new Set<Binding>()
  const note = (node: Node): void => {
    const binding = bindings.get(node)
    if (binding !== undefined) used.add(binding)
    childrenOf(node).forEach(note)
  }
  const findCalls = (node: Node): void => {
    if (isCheck(node, names) && holdsLine(module, node, lines)) note(node)
    else childrenOf(node).forEach(findCalls)
  }
  findCalls(module.program)
  const findAssigned = (node: Node): void => {
    const target =
      node.type === 'AssignmentExpression'
        ? node.left
        : node.type === 'UpdateExpression'
          ? node.argument
          : null
    const binding = target === null ? undefined : bindings.get(target as Node)
    if (binding !== undefined && used.has(binding)) {
      throw new SteppingRefused(
        module.file,
        positionOf(module, node.start).line,
        `a test assigns to '${binding.name}', which a check in another test uses`,
        'let each test make what it checks',
      )
    }
    childrenOf(node).forEach(findAssigned)
  }
  const findTests = (node: Node): void => {
    if (node.type !== 'CallExpression' || !isTest(node.callee as Node)) childrenOf(node).forEach(findTests)
    else for (const each of node.arguments as Node[]) if (!holdsLine(module, each, lines)) findAssigned(each)
  }
  findTests(module.program)
}

/** `it(…)`, `test.only(…)`, `it.each(…)(…)` and the like. */
function isTest(callee: Node): boolean {
  if (callee.type === 'Identifier') return /^(it|test)$/.test(callee.name)
  if (callee.type === 'CallExpression') return isTest(callee.callee as Node)
  return callee.type === 'MemberExpression' && isTest(callee.object as Node)
}
