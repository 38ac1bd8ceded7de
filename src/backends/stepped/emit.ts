// From the source of a module to its steppable form: a syntax tree is made of a syntax tree, and printed.

import { isBuiltin } from 'node:module'
import { print } from 'esrap'
import ts from 'esrap/languages/ts'
import { type Parts, Context, SITE } from './context.ts'
import type { EmitOptions } from './frame.ts'
import { keptInFolder } from './cache.ts'
import * as callbacks from './callbacks.ts'
import * as coroutine from './coroutine.ts'
import * as engine from './engine.ts'
import { RUNTIME } from './names.ts'
import { expression } from './expressions.ts'
import { classOf } from './classes.ts'
import { functionOf, withOwnCells } from './functions.ts'
import { loop } from './loops.ts'
import { pattern, takeApart, valueFor } from './patterns.ts'
import { type ProgramModule, sourceOf } from './program.ts'
import type { Reach } from './reach.ts'
import { isOfRuntime } from './loop-imports.ts'
import { isTestFramework } from './resolve.ts'
import * as runtime from './runtime.ts'
import { MAP, type Site, SiteTable } from './sites.ts'
import { guarded, asNodes, leaves, statements } from './statements.ts'
import { type Node } from './syntax.ts'
import * as tree from './tree.ts'

export type { EmitOptions, Probe } from './frame.ts'

/** Everything that the steppable form calls, and a little more. */
const helperModules = { runtime, engine, callbacks, coroutine }
const helpers = Object.values(helperModules).map((module) =>
  Object.entries(module).flatMap(([name, value]) => (typeof value === 'number' ? [] : [name])),
)

const parts: Parts = {
  expression,
  functionOf,
  classOf,
  withOwnCells,
  leaves,
  valueFor,
  pattern,
  takeApart,
  guarded,
  loop: loop as Parts['loop'],
}

/** A form with the places of its module, whose numbers are not yet those of a program. */
interface ModuleForm {
  /** The text, and in every second piece the number of a place in the module. */
  readonly pieces: readonly string[]
  readonly sites: readonly Site[]
}

/**
 * Forms that were made, by the tree of the module and what else they depend on: programs that differ in a patch have
 * most modules in common.
 */
const made = new WeakMap<Node, Map<string, ModuleForm>>()

/** Of one module. */
const FORMS_MAX = 8
const placeNumber = new RegExp(`${SITE}(\\d+)`)

/** The steppable form of a module. Its places are added to `sites`. */
export function emitModule(
  module: ProgramModule,
  reach: Reach,
  sites: Site[],
  options: EmitOptions,
  folder: string,
  isStepped: (url: string) => boolean = () => true,
): string {
  const outside = options.turns ? outsideOf(module, isStepped) : []
  const facts = `${JSON.stringify([options, outside])} ${folder}\n${reach.factsOf(module)}`
  let forms = made.get(module.program)
  if (forms === undefined) made.set(module.program, (forms = new Map()))
  let form = forms.get(facts)
  if (form === undefined) {
    if (forms.size === FORMS_MAX) forms.delete(forms.keys().next().value!)
    const make = (): ModuleForm => makeForm(module, reach, options, folder, outside)
    const source = sourceOf(module)
    form = source === undefined ? make() : keptInFolder(module.url, `${facts}\n${source}`, make)
    forms.set(facts, form)
  }
  const first = sites.length
  for (const each of form.sites) sites.push(each)
  return form.pieces.map((piece, index) => (index % 2 === 0 ? piece : first + Number(piece))).join('')
}

function makeForm(
  module: ProgramModule,
  reach: Reach,
  options: EmitOptions,
  folder: string,
  outside: readonly string[],
): ModuleForm {
  const table = new SiteTable()
  const context = new Context(module, reach, table, options, parts)
  const program = module.program as Node & { type: 'Program' }
  const body = asNodes(context.gather(() => statements(context, program.body as Node[])))
  const isDirective = (each: Node): boolean => each.type === 'ExpressionStatement' && 'directive' in each
  const all = [
    ...body.filter(isDirective),
    ...temporaries(context),
    ...body.filter((each) => !isDirective(each)),
  ]
  const printed = print({ ...program, body: all } as never, ts(), { indent: '', sourceMapSource: module.url })
  const strict = module.format === 'commonjs' && body.some(isDirective)
  const text = `${strict ? "'use strict';" : ''}${importsOf(module, folder, printed.code, outside)}${printed.code}`
  const map = Buffer.from(JSON.stringify(printed.map)).toString('base64')
  return { pieces: `${text}\n${MAP}${map}\n`.split(placeNumber), sites: table.sites }
}

function temporaries({ frame, moduleTemporaries }: Context): Node[] {
  const names = [
    ...Array.from({ length: frame.innerMax }, (_, index) => `$${index}`),
    ...Array.from({ length: moduleTemporaries }, (_, index) => `$p${index}`),
  ]
  return names.length === 0
    ? []
    : [
        tree.declare(
          'let',
          names.map((each) => [each, null]),
        ),
      ]
}

/** What the text needs of the runtime, in the line of its beginning: the source map is of what follows. */
/** Specifiers of packages that the module imports and that are not stepped. */
function outsideOf(
  { program, format, imports, url }: ProgramModule,
  isStepped: (url: string) => boolean,
): readonly string[] {
  if (format !== 'module' || isOfRuntime(url)) return []
  const specifiers = (program as Node & { type: 'Program' }).body.flatMap((each) =>
    each.type === 'ImportDeclaration' && each.specifiers.length > 0 && (each.attributes ?? []).length === 0
      ? String(each.source.value)
      : [],
  )
  const isMeant = (each: string): boolean =>
    !isStepped(imports.get(each) ?? '') &&
    !isBuiltin(each) &&
    !isTestFramework(each) &&
    !/^([./]|file:|data:|faultline(\/|$))|\.(json|wasm)$/.test(each)
  return [...new Set(specifiers)].filter(isMeant)
}

function importsOf(module: ProgramModule, folder: string, code: string, outside: readonly string[]): string {
  const used = new Set(code.match(/(?<=\$f_)\w+/g))
  if (outside.length > 0) used.add('outsiders')
  const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
  const needed = (index: number): string[] => helpers[index]!.filter((name) => used.has(name))
  const imports = Object.keys(helperModules).map((file, index) => {
    const url = JSON.stringify(`${folder}${file}${extension}`)
    if (module.format === 'module') {
      const names = needed(index).map((name) => `${name} as ${RUNTIME}_${name}`)
      return `import { ${names.join(', ')} } from ${url};`
    }
    const names = needed(index).map((name) => `${name}: ${RUNTIME}_${name}`)
    return `const { ${names.join(', ')} } = ${RUNTIME}.${file};`
  })
  const notes = outside.map(
    (specifier, index) =>
      `import * as $out${index} from ${JSON.stringify(specifier)};${RUNTIME}_outsiders($out${index});`,
  )
  return [...imports, ...notes].join('')
}

/** What a CommonJS module in its steppable form finds under the name of the runtime. */
export const commonjsRuntime: Readonly<Record<string, object>> = helperModules
