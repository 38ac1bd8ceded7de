// Makes the changes that patches tell in the text of a program. No line moves, so that places stay those of the source.

import { fileURLToPath } from 'node:url'
import {
  type LoadOptions,
  type Program,
  type ProgramModule,
  SteppingRefused,
} from '../../backends/stepped/index.ts'
import { type ParsedModule, withScopes } from '../../backends/stepped/program.ts'
import { type Node, parseText } from '../../backends/stepped/syntax.ts'
import { importLines } from './imports.ts'
import type { SourcePatch } from './patch.ts'
import { type Place, functionsNamed, parsePiece, placesOf } from './piece.ts'

/** A stretch of the text, and what comes into its place. */
interface Change {
  readonly start: number
  readonly end: number
  readonly text: string
}

/** The option of a load that makes the changes; none where there are none. */
export function withPatches(patches: readonly SourcePatch[]): Pick<LoadOptions, 'edit'> {
  return patches.length === 0 ? {} : { edit: (program) => applyPatches(program, patches) }
}

/**
 * The new form of each module that `patches` change. Throws SteppingRefused where one of them does not fit: the file,
 * the function or the piece is not there, or is there several times.
 */
export function applyPatches(program: Program, patches: readonly SourcePatch[]): Map<string, ParsedModule> {
  const forms = new Map<string, ParsedModule>()
  for (const { module, text, own } of patchedTexts(program, patches)) {
    const { url, file, format } = module
    const form = withScopes(parseText(file, text, format))
    const lines = importLines(program, module, form, own)
    forms.set(url, lines === '' ? form : withScopes(parseText(file, `${form.text}\n${lines}`, format)))
  }
  return forms
}

interface PatchedText {
  readonly module: ProgramModule
  /** Its text with the changes, without what they import. */
  readonly text: string
  /** The patches that change it. */
  readonly own: readonly SourcePatch[]
}

/** The changed text of each module. Throws as applyPatches() does. */
export function patchedTexts(program: Program, patches: readonly SourcePatch[]): PatchedText[] {
  const byModule = Map.groupBy(patches, (patch) => moduleOf(program, patch))
  return [...byModule].map(([module, own]) => {
    const changes = own.flatMap((patch) => changesOf(module, patch))
    return { module, text: changed(module, changes), own }
  })
}

function misfit({ file }: Pick<SourcePatch, 'file'>, problem: string): SteppingRefused {
  return new SteppingRefused(file, 1, problem, 'make the patch fit the source')
}

function moduleOf(program: Program, patch: SourcePatch): ProgramModule {
  const found = [...program.modules.values()].filter(({ url }) =>
    fileURLToPath(url).replaceAll('\\', '/').endsWith(`/${patch.file}`),
  )
  if (found.length === 1) return found[0]!
  throw misfit(patch, `a patch names a file that the program has ${found.length} times`)
}

function changesOf(module: ProgramModule, patch: SourcePatch): Change[] {
  const { operator, within, by } = patch
  if (operator === 'remove') {
    const functions = functionsNamed(module.program, within)
    if (functions.length !== 1)
      throw misfit(patch, `the function ${within} is there ${functions.length} times`)
    return [changeOf(module, functions, '')]
  }
  const place = onlyPlace(module, patch, patch.piece)
  switch (operator) {
    case 'drop':
      return [dropped(module, patch, place)]
    case 'replace':
      return [replaced(module, patch, place)]
    case 'before':
    case 'after':
      return added(patch, place)
    case 'swap': {
      const other = onlyPlace(module, patch, by)
      return [
        changeOf(module, place.nodes, textOf(module, other.nodes)),
        changeOf(module, other.nodes, textOf(module, place.nodes)),
      ]
    }
  }
}

/** Where the piece stands; it must stand there once. */
function onlyPlace(module: ProgramModule, patch: SourcePatch, text: string): Place {
  const { within } = patch
  const roots = within === '' ? [module.program] : functionsNamed(module.program, within)
  if (roots.length === 0) throw misfit(patch, `the function ${within} is not there`)
  const places = placesOf(pieceOf(patch, text), roots)
  if (places.length === 1) return places[0]!
  const where = within === '' ? 'the module' : `the function ${within}`
  throw misfit(patch, `in ${where} the piece to be patched stands ${places.length} times: ${text}`)
}

function pieceOf(patch: SourcePatch, text: string): readonly Node[] {
  try {
    return parsePiece(text)
  } catch (error) {
    throw misfit(patch, `the piece ${text} does not parse (${String((error as Error).message)})`)
  }
}

function textOf({ text }: ProgramModule, nodes: readonly Node[]): string {
  return text.slice(nodes[0]!.start, nodes.at(-1)!.end)
}

/** Lines that go away are left empty. */
function changeOf(module: ProgramModule, nodes: readonly Node[], text: string): Change {
  const [start, end] = [nodes[0]!.start, nodes.at(-1)!.end]
  const lines = linesIn(module.text.slice(start, end)) - linesIn(text)
  return { start, end, text: text + '\n'.repeat(Math.max(0, lines)) }
}

function linesIn(text: string): number {
  return text.split('\n').length - 1
}

function dropped(module: ProgramModule, patch: SourcePatch, place: Place): Change {
  const { nodes, around } = place
  const [node] = nodes
  const parent = around.at(-1)!
  if (isStatement(node!) || parent.type === 'ExpressionStatement') return statementsChanged(module, place, '')
  if (parent.type === 'LogicalExpression' && parent.operator !== '??')
    return changeOf(module, nodes, String(parent.operator === '&&'))
  throw misfit(patch, `what is to be dropped is neither a statement nor an operand: ${patch.piece}`)
}

function replaced(module: ProgramModule, patch: SourcePatch, place: Place): Change {
  const { nodes, around } = place
  const code = pieceOf(patch, patch.by)
  const isExpression = code.length === 1 && !isStatement(code[0]!)
  if (isStatement(nodes[0]!) || (!isExpression && around.at(-1)!.type === 'ExpressionStatement'))
    return statementsChanged(module, place, patch.by)
  if (!isExpression) throw misfit(patch, `statements cannot stand in the place of ${patch.piece}`)
  return changeOf(module, nodes, needsParentheses(code[0]!, around.at(-1)!) ? `(${patch.by})` : patch.by)
}

/** Where a statement can stand, several may have to, or none. */
function statementsChanged(module: ProgramModule, { nodes, around }: Place, by: string): Change {
  const holder = around.at(-1)!
  const [statements, parent] =
    holder.type === 'ExpressionStatement' ? [[holder], around.at(-2)!] : [nodes, holder]
  if (isHead(parent)) return changeOf(module, statements, `{ ${by} }`)
  return changeOf(module, statements, by === '' ? '' : ended(by))
}

function added(patch: SourcePatch, { nodes, around }: Place): Change[] {
  const { operator, by } = patch
  const path = [...around, nodes[0]!]
  const at = path.findLastIndex(
    (node, index) => isStatement(node) && path[index - 1]?.type.startsWith('Export') !== true,
  )
  if (at < 1) throw misfit(patch, `no statement holds ${patch.piece}`)
  const { start } = path[at]!
  const { end } = at === path.length - 1 ? nodes.at(-1)! : path[at]!
  // The only statement of a branch needs braces to have company.
  const [open, close] = isHead(path[at - 1]!) ? ['{ ', ' }'] : ['', '']
  const [front, back] = operator === 'before' ? [`${ended(by)} `, ''] : ['', `; ${ended(by)}`]
  return [
    { start, end: start, text: open + front },
    { start: end, end, text: back + close },
  ].filter(({ text }) => text !== '')
}

function ended(code: string): string {
  return code.endsWith(';') ? code : `${code};`
}

/** Under which only one statement can stand. */
function isHead({ type }: Node): boolean {
  return /^(If|While|DoWhile|For|ForIn|ForOf|Labeled)Statement$/.test(type)
}

function isStatement(node: Node): boolean {
  return /Statement$|Declaration$/.test(node.type)
}

const ATOMS = new Set(['Identifier', 'Literal', 'CallExpression', 'MemberExpression', 'ThisExpression'])

function needsParentheses(node: Node, parent: Node): boolean {
  return !ATOMS.has(node.type) && !isStatement(parent) && parent.type !== 'VariableDeclarator'
}

/** Makes changes of the text; what is added where something begins comes before it, in the order of the patches. */
function changed({ file, text }: ProgramModule, changes: readonly Change[]): string {
  const sorted = changes.toSorted((a, b) => a.start - b.start || a.end - b.end)
  let result = ''
  let at = 0
  for (const { start, end, text: by } of sorted) {
    if (start < at) throw misfit({ file }, `two patches change the same code: ${by}`)
    result += text.slice(at, start) + by
    at = end
  }
  return result + text.slice(at)
}
