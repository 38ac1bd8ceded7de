// The style guide as functions. Each takes the text of a file, or of several, and returns what is wrong with it, one
// line a fault; none touches the disk, so that tidy.test.ts can show that each of them can fail.
// Code is parsed, and not searched, wherever a comment or a string could be taken for it.

import { posix } from 'node:path'
import { parseAst } from 'rolldown/parseAst'

/** Files by path; paths are relative to the checkout, with forward slashes. */
export type Files = ReadonlyMap<string, string>

const maxColumns = 120
const maxFunctionLines = 70

/** What each floor of the house may import: the floors below it. */
const floors: ReadonlyMap<string, readonly string[]> = new Map([
  ['kernel', []],
  ['backends', ['kernel']],
  ['check', ['kernel', 'backends']],
  ['trace', ['kernel', 'backends']],
  ['record', ['trace']],
  ['serve', []],
  ['workloads', ['kernel', 'backends']],
  ['simulate', ['kernel', 'backends', 'check', 'trace', 'workloads']],
  ['report', ['kernel', 'backends', 'check', 'simulate', 'trace', 'workloads']],
  ['campaign', ['kernel', 'backends', 'check', 'simulate', 'trace', 'workloads', 'report']],
  [
    'cli',
    [
      'kernel',
      'backends',
      'campaign',
      'check',
      'record',
      'simulate',
      'trace',
      'workloads',
      'report',
      'serve',
      'memory.ts',
      'check.ts',
    ],
  ],
  [
    'index.ts',
    ['kernel', 'backends', 'campaign', 'check', 'simulate', 'trace', 'workloads', 'report', 'memory.ts'],
  ],
  ['memory.ts', ['kernel', 'backends']],
  ['check.ts', ['backends', 'check', 'report']],
])
/**
 * The floors of the kernel, lowest first. What stands beside these folders puts them together, and index.ts is above
 * all.
 */
const kernelFloors = [
  'machine',
  'sync',
  'mm',
  'memory',
  'vma',
  'tables',
  'cache',
  'fault',
  'calls',
  'designs',
]

/** What the kernel must not know: time, chance, input and output. */
const worldly = new Set([
  'console',
  'Date',
  'performance',
  'process',
  'crypto',
  'fetch',
  'require',
  'globalThis',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'queueMicrotask',
])

/** The backend that is built into one module, and what of it others may import. */
const threads = 'src/backends/threads/'
const threadsApart: ReadonlySet<string> = new Set([`${threads}index.ts`, `${threads}node-version.ts`])

/** What users import. */
const doors: ReadonlySet<string> = new Set([
  'src/index.ts',
  'src/check.ts',
  'src/backends/stepped/loop/node-assert.ts',
  'src/backends/stepped/loop/node-assert-strict.ts',
])

interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [key: string]: unknown
}

/** An import, or an export from elsewhere. `names` is null where all names are meant. */
interface Import {
  readonly source: string
  readonly start: number
  readonly names: readonly string[] | null
}

export function isCode(path: string): boolean {
  return /\.(ts|mjs|js|c|h|sh)$/.test(path) || path === '.ci/run'
}

function isModule(path: string): boolean {
  return path.endsWith('.ts') && !path.endsWith('.d.ts')
}

function inKernel(path: string): boolean {
  return path.startsWith('src/kernel/')
}

/**
 * Imports that go against the arrows of the house, deeper into the kernel than its index, or to a package that a user
 * of ours would not have.
 */
export function arrowProblems(path: string, text: string, dependencies: readonly string[]): string[] {
  if (!path.startsWith('src/') || !isModule(path)) return []
  const problems: string[] = []
  const floor = path.split('/')[1]!
  const below = floors.get(floor)
  if (below === undefined) return [`${path}: src/${floor} is not a floor of the house`]
  for (const { source, start } of importsOf(text)) {
    const fault = source.startsWith('.')
      ? inKernel(path)
        ? kernelArrowFault(path, source)
        : outerArrowFault(path, source, floor, below)
      : packageFault(path, source, dependencies)
    if (fault !== null) problems.push(`${place(path, text, start)}: ${fault}`)
  }
  return problems
}

function outerArrowFault(
  path: string,
  source: string,
  floor: string,
  below: readonly string[],
): string | null {
  const target = resolve(path, source)
  if (!target.startsWith('src/')) return `imports ${target}, outside src`
  const targetFloor = target.split('/')[1]!
  if (targetFloor !== floor && !below.includes(targetFloor)) return `${floor} must not import ${targetFloor}`
  const [room, targetRoom] = [path, target].map((each) => each.split('/')[2]!)
  if (floor === 'backends' && targetFloor === floor && room !== targetRoom)
    return `backends/${room} must not import backends/${targetRoom}`
  if (inKernel(target) && target !== 'src/kernel/index.ts')
    return `imports ${target}: only src/kernel/index.ts is public`
  if (target.startsWith(threads) && !path.startsWith(threads) && !threadsApart.has(target))
    return `imports ${target}: what is built has ${threads}index.ts as one module`
  return null
}

function kernelArrowFault(path: string, source: string): string | null {
  const target = resolve(path, source)
  if (!inKernel(target)) return `the kernel must not import ${target}`
  const [from, to] = [path, target].map((each) => each.split('/')[2]!)
  const [fromLevel, toLevel] = [from!, to!].map(kernelLevel)
  if (fromLevel === -1) return `kernel/${from} is not a floor of the kernel`
  return toLevel! > fromLevel! || toLevel === -1 ? `kernel/${from} must not import kernel/${to}` : null
}

function kernelLevel(name: string): number {
  if (name === 'index.ts') return kernelFloors.length + 1
  return name.endsWith('.ts') ? kernelFloors.length : kernelFloors.indexOf(name)
}

/** Circles of imports among the files of src, each as its files in order. Imports of types count. */
export function circleProblems(files: Files): string[] {
  const problems: string[] = []
  const open: string[] = []
  const done = new Set<string>()
  const visit = (path: string): void => {
    const text = files.get(path)
    if (text === undefined || done.has(path)) return
    if (open.includes(path)) {
      const circle = [...open.slice(open.indexOf(path)), path]
      problems.push(`${circle.join(' → ')}: a circle of imports`)
      return
    }
    open.push(path)
    for (const { source } of importsOf(text)) if (source.startsWith('.')) visit(resolve(path, source))
    open.pop()
    done.add(path)
  }
  for (const path of files.keys()) if (path.startsWith('src/') && isModule(path)) visit(path)
  return problems
}

function packageFault(path: string, source: string, dependencies: readonly string[]): string | null {
  if (inKernel(path)) return `the kernel must not import ${source}`
  if (source.startsWith('node:')) return null
  const name = source
    .split('/')
    .slice(0, source.startsWith('@') ? 2 : 1)
    .join('/')
  return dependencies.includes(name) ? null : `imports ${name}, which is not among the dependencies`
}

function resolve(path: string, source: string): string {
  return posix.normalize(posix.join(posix.dirname(path), source))
}

/** Kernel code that knows of time, chance, input or output, or of the backends that run it. */
export function kernelPurityProblems(path: string, text: string): string[] {
  if (!inKernel(path) || !path.endsWith('.ts')) return []
  const problems: string[] = []
  eachMatch(text, /\bstepp(ed|ing)\b|\bexplorer\b/gi, (word, start) => {
    problems.push(`${place(path, text, start)}: the kernel does not know of '${word}'`)
  })
  if (!isModule(path)) return problems
  walk(parse(text), (node, parent) => {
    const used = node.type === 'Identifier' && !isPropertyName(node, parent) ? String(node['name']) : ''
    if (worldly.has(used)) problems.push(`${place(path, text, node.start)}: the kernel must not use ${used}`)
    if (text.slice(node.start, node.end) === 'Math.random') {
      problems.push(`${place(path, text, node.start)}: the kernel must not use Math.random`)
    }
  })
  return problems
}

/** A module of src that does not begin by saying what it is. */
export function headerProblems(path: string, text: string): string[] {
  if (!path.startsWith('src/') || !path.endsWith('.ts')) return []
  return /^(#!.*\n)?\s*\/[/*]/.test(text)
    ? []
    : [`${path}: does not begin with a comment that says what it is`]
}

/** Kernel functions that do not fit on a screen. */
export function functionLengthProblems(path: string, text: string): string[] {
  if (!inKernel(path) || !isModule(path)) return []
  const problems: string[] = []
  walk(parse(text), (node) => {
    if (!/^(FunctionDeclaration|FunctionExpression|ArrowFunctionExpression)$/.test(node.type)) return
    const lines = lineOf(text, node.end) - lineOf(text, node.start) + 1
    if (lines > maxFunctionLines) {
      problems.push(
        `${place(path, text, node.start)}: a function of ${lines} lines; at most ${maxFunctionLines} fit on a screen`,
      )
    }
  })
  return problems
}

/** BigInt literals: 64-bit values are two int32 cells, or a number below 2^53. */
export function bigintProblems(path: string, text: string): string[] {
  if (!path.startsWith('src/') || !isModule(path)) return []
  const problems: string[] = []
  walk(parse(text), (node) => {
    if (node.type === 'Literal' && typeof node['bigint'] === 'string') {
      problems.push(`${place(path, text, node.start)}: a BigInt literal`)
    }
  })
  return problems
}

/** One long string or template: broken, what a program prints could not be found in its source by searching. */
const longString = /'(?:[^'\\]|\\.){60,}'|`(?:[^`\\]|\\.){60,}`/

/** Lines too long to read beside another file. An address and a printed sentence cannot be broken. */
export function columnProblems(path: string, text: string): string[] {
  if (!isCode(path)) return []
  return text
    .split('\n')
    .map((line, index) => ({ line, number: index + 1 }))
    .filter(({ line }) => line.length > maxColumns && !line.includes('https://') && !longString.test(line))
    .map(({ line, number }) => `${path}:${number}: ${line.length} columns; at most ${maxColumns}`)
}

/** Marks of work that was put off. It belongs into an issue. */
export function leftoverProblems(path: string, text: string): string[] {
  const marks = new RegExp(`\\b(${['TO.DO', 'FIX.ME', 'X.XX'].join('|').replaceAll('.', '')})\\b`, 'g')
  return mentions(path, text, marks)
}

/** Mentions of files that a clone does not have. */
export function outsideProblems(path: string, text: string): string[] {
  return mentions(path, text, new RegExp(`${['\\.\\.', 'shared'].join('/')}(?![\\w-])`, 'g'))
}

/**
 * Paths taken from the address of a file, which are others where a folder's name has a blank or a `#`: fileURLToPath()
 * gives the path. Code that compares addresses with each other has no need of it.
 */
export function pathnameProblems(path: string, text: string): string[] {
  if (!/^(test|scripts|bench|examples)\//.test(path) || !isCode(path)) return []
  return mentions(path, text, /\b(url|import\.meta\.url\))\.pathname\b/g)
}

/** Modules that comments name, by the end of their path, and that are not there. */
export function staleNameProblems(files: Files): string[] {
  const ends = new Set<string>()
  for (const path of files.keys()) {
    const parts = path.split('/')
    for (let first = 0; first < parts.length; first++) ends.add(parts.slice(first).join('/'))
  }
  const problems: string[] = []
  for (const [path, text] of files) {
    if (!isCode(path)) continue
    eachMatch(text, /^\s*(?:\/\/|\/?\*).*$/gm, (comment, start) =>
      eachMatch(comment, /[\w/-][\w./-]*\.(?:ts|mjs)\b/g, (name, within) => {
        if (!ends.has(name.replace(/^\.*\//, '')))
          problems.push(`${place(path, text, start + within)}: there is no ${name}`)
      }),
    )
  }
  return problems
}

function mentions(path: string, text: string, pattern: RegExp): string[] {
  const problems: string[] = []
  eachMatch(text, pattern, (word, start) => problems.push(`${place(path, text, start)}: mentions ${word}`))
  return problems
}

/**
 * Relative links of a Markdown file that lead nowhere.
 *
 * @param read gives the text of a file, '' for a folder or a file that is not text, and undefined for what does not
 * exist
 */
export function linkProblems(
  path: string,
  text: string,
  read: (path: string) => string | undefined,
): string[] {
  if (!path.endsWith('.md')) return []
  const problems: string[] = []
  const prose = text.replaceAll(/^(```|~~~)[\s\S]*?^\1/gm, (block) => block.replaceAll(/[^\n]/g, ' '))
  eachMatch(prose, /\]\(\s*<?([^)\s>]+)/g, (_, start, target) => {
    if (/^[a-z]+:/i.test(target)) return
    const [file = '', anchor] = target.split('#')
    const resolved = file === '' ? path : resolve(path, decodeURIComponent(file))
    const found = file === '' ? text : read(resolved.replace(/\/$/, ''))
    if (found === undefined) problems.push(`${place(path, text, start)}: ${resolved} does not exist`)
    else if (anchor !== undefined && resolved.endsWith('.md') && !anchorsOf(found).includes(anchor)) {
      problems.push(`${place(path, text, start)}: ${resolved} has no heading #${anchor}`)
    }
  })
  return problems
}

/** The anchors that GitHub gives to the headings of a Markdown text. */
function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+\s+(.*?)\s*$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(/\s/g, '-'),
  )
}

/** Folders of src, and of the kernel, that the folder legend of the README does not name. */
export function legendProblems(readme: string, paths: Iterable<string>): string[] {
  const folders = new Set<string>()
  for (const path of paths) {
    const parts = path.split('/')
    if (parts[0] !== 'src') continue
    if (parts.length > 2) folders.add(parts[1]!)
    if (inKernel(path) && parts.length > 3) folders.add(parts[2]!)
  }
  return [...folders]
    .filter((folder) => !new RegExp(`(^|[^\\w-])${folder}/`).test(readme))
    .map((folder) => `README.md: its folder legend does not name ${folder}/`)
}

/**
 * Functions, classes and constants of src that are exported, and that nothing uses: neither another module, nor a test,
 * nor the rest of the module itself. What src/index.ts exports is used by our users.
 */
export function unusedExportProblems(files: Files): string[] {
  const used = new Set<string>()
  for (const [path, text] of files) {
    if (!isModule(path)) continue
    for (const { source, names } of importsOf(text)) {
      if (!source.startsWith('.')) continue
      const target = resolve(path, source)
      if (names === null) used.add(`${target} *`)
      else for (const name of names) used.add(`${target} ${name}`)
    }
  }
  const problems: string[] = []
  for (const [path, text] of files) {
    if (!path.startsWith('src/') || !isModule(path) || doors.has(path) || used.has(`${path} *`)) continue
    for (const name of exportedValues(text)) {
      if (!used.has(`${path} ${name}`)) problems.push(`${path}: nothing uses its export ${name}`)
    }
  }
  return problems
}

/**
 * Exported values that their own module does not use either. Types are left out: they explain what uses them. So are
 * constants in capitals: the flags of a word and the fields of a struct are written down whole.
 */
function exportedValues(text: string): string[] {
  const program = parse(text)
  const uses = new Map<string, number>()
  walk(program, (node, parent) => {
    if (node.type !== 'Identifier' || isPropertyName(node, parent) || parent?.type === 'ExportSpecifier')
      return
    const name = String(node['name'])
    uses.set(name, (uses.get(name) ?? 0) + 1)
  })
  const names: string[] = []
  for (const statement of program['body'] as Node[]) {
    if (statement.type !== 'ExportNamedDeclaration' || statement['exportKind'] === 'type') continue
    const declaration = statement['declaration'] as Node | null
    if (declaration === null) {
      for (const specifier of statement['specifiers'] as Node[]) {
        if (specifier['exportKind'] !== 'type') names.push(nameOf(specifier['exported']))
      }
    } else if (/^(FunctionDeclaration|ClassDeclaration)$/.test(declaration.type)) {
      names.push(nameOf(declaration['id']))
    } else if (declaration.type === 'VariableDeclaration') {
      for (const declarator of declaration['declarations'] as Node[]) names.push(nameOf(declarator['id']))
    }
  }
  return names.filter((name) => !/^[A-Z][A-Z0-9_]+$/.test(name) && (uses.get(name) ?? 0) <= 1)
}

/** By the text: each rule about imports reads all files. */
const imported = new Map<string, readonly Import[]>()

function importsOf(text: string): readonly Import[] {
  const present = imported.get(text)
  if (present !== undefined) return present
  const imports: Import[] = []
  imported.set(text, imports)
  walk(parse(text), (node) => {
    const source = node['source'] as Node | null | undefined
    if (!/^(Import|Export\w+Declaration|TSImportType)/.test(node.type) || source?.type !== 'Literal') return
    const specifiers = node['specifiers'] as Node[] | undefined
    const all = specifiers === undefined || specifiers.some(({ type }) => type === 'ImportNamespaceSpecifier')
    const key = node.type === 'ImportDeclaration' ? 'imported' : 'local'
    const names = all ? null : specifiers.map((specifier) => nameOf(specifier[key] ?? 'default'))
    imports.push({ source: String(source['value']), start: node.start, names })
  })
  return imports
}

function nameOf(node: unknown): string {
  return typeof node === 'string' ? node : String((node as Node)['name'] ?? (node as Node)['value'])
}

/** The text that was parsed last: several rules read one file in turn. */
let parsed: { readonly text: string; readonly program: Node } | undefined

function parse(text: string): Node {
  if (parsed?.text !== text) parsed = { text, program: parseAst(text, { lang: 'ts' }) as unknown as Node }
  return parsed.program
}

function walk(
  node: Node,
  visit: (node: Node, parent: Node | null) => void,
  parent: Node | null = null,
): void {
  visit(node, parent)
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (typeof child === 'object' && child !== null && typeof child.type === 'string')
        walk(child, visit, node)
    }
  }
}

/** True for `name` in `object.name`, `{ name: value }` and the like, which refer to no variable. */
function isPropertyName(node: Node, parent: Node | null): boolean {
  if (parent === null || parent['computed'] === true) return false
  return parent['property'] === node || (parent['key'] === node && parent['shorthand'] !== true)
}

function eachMatch(
  text: string,
  pattern: RegExp,
  visit: (match: string, start: number, group: string) => void,
): void {
  for (const match of text.matchAll(pattern)) visit(match[0], match.index, match[1] ?? '')
}

function lineOf(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length
}

function place(path: string, text: string, offset: number): string {
  return `${path}:${lineOf(text, offset)}`
}
