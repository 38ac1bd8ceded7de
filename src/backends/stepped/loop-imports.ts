// What a module imports of loop/ without knowing it: the names by which it asks the engine for what happens later.

import type { AnyNode } from 'acorn'

type Node = AnyNode

/** The specifier under which a module imports loop/, and where that is. */
export const LOOP = 'faultline:loop'
const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
const folder = new URL('loop/', import.meta.url).href
export const loopModule = `${folder}index${extension}`
/** They run as they are. */
const unstepped: ReadonlySet<string | null> = new Set(
  ['host', 'clone'].map((name) => `${folder}${name}${extension}`),
)
/** What stands for modules of Node. */
const builtins: ReadonlyMap<string, string> = new Map(
  Object.entries({
    worker_threads: 'worker-threads',
    timers: 'node-timers',
    'timers/promises': 'timers-promises',
  }).flatMap(([name, file]) =>
    [name, `node:${name}`].map((each) => [each, `${folder}${file}${extension}`] as const),
  ),
)

/** A file of loop/. */
export function isOfLoop(url: string): boolean {
  return url.startsWith(folder)
}

/** Where an import leads that is none of the program's files: to loop/, or to nothing stepped; else undefined. */
export function followLoop(from: string, specifier: string, found: string | null): string | null | undefined {
  if (specifier === LOOP) return loopModule
  if (!isOfLoop(from)) return builtins.get(specifier)
  return unstepped.has(found) ? null : undefined
}

/** Names of the engine that loop/ has. */
const names = (
  'Promise queueMicrotask setTimeout clearTimeout setInterval clearInterval setImmediate clearImmediate ' +
  'MessageChannel MessagePort'
).split(' ')
const anyName = new RegExp(`\\b(${names.join('|')}|nextTick|waitAsync|worker_threads|timers)\\b`)

/** Adds the import to a module that uses such names, or has async functions. */
export function importLoop(
  program: Node,
  text: string,
  format: 'module' | 'commonjs',
  isAsync: boolean,
): void {
  if (!isAsync && !anyName.test(text)) return
  const { body } = program as Node & { type: 'Program' }
  const declared = new Set((body as Node[]).flatMap(declaredBy))
  const used = names.filter((name) => !declared.has(name) && new RegExp(`\\b${name}\\b`).test(text))
  const at = body.findIndex((each) => !('directive' in each))
  body.splice(at < 0 ? body.length : at, 0, (format === 'module' ? imports(used) : requires(used)) as never)
}

// Before all that stands there.
const place = { start: -1, end: -1 }
const make = (type: string, fields: object): Node => ({ type, ...place, ...fields }) as unknown as Node
const identifier = (name: string): Node => make('Identifier', { name })
const source = (): Node => make('Literal', { value: LOOP, raw: JSON.stringify(LOOP) })

function imports(used: readonly string[]): Node {
  const specifiers = used.map((name) =>
    make('ImportSpecifier', { imported: identifier(name), local: identifier(name) }),
  )
  return make('ImportDeclaration', { specifiers, source: source(), attributes: [] })
}

function requires(used: readonly string[]): Node {
  const call = make('CallExpression', {
    callee: identifier('require'),
    arguments: [source()],
    optional: false,
  })
  const properties = used.map((name) =>
    make('Property', {
      key: identifier(name),
      value: identifier(name),
      kind: 'init',
      computed: false,
      method: false,
      shorthand: false,
    }),
  )
  const declarator = make('VariableDeclarator', { id: make('ObjectPattern', { properties }), init: call })
  return make('VariableDeclaration', { kind: 'const', declarations: [declarator] })
}

/** The names that a statement at the top declares. */
function declaredBy(node: Node): string[] {
  switch (node.type) {
    case 'ImportDeclaration':
      return node.specifiers.map(({ local }) => local.name)
    case 'FunctionDeclaration':
    case 'ClassDeclaration':
      return node.id ? [node.id.name] : []
    case 'VariableDeclaration':
      return node.declarations.flatMap(({ id }) => namesIn(id as Node))
    case 'ExportNamedDeclaration':
    case 'ExportDefaultDeclaration':
      return node.declaration ? declaredBy(node.declaration as Node) : []
    default:
      return []
  }
}

/** Every name in a pattern, more than it binds. */
export function namesIn(node: Node): string[] {
  if (node.type === 'Identifier') return [node.name]
  return Object.values(node)
    .flat()
    .filter((each): each is Node => typeof (each as Node | null)?.type === 'string')
    .flatMap(namesIn)
}
