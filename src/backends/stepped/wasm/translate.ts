// A module of WebAssembly, written as a CommonJS module of JavaScript, so that it can be stepped as any other: it
// exports a function that makes an instance. What its text leaves out: which bits a NaN has; and of a large module, the
// functions that nobody has called yet.

import { type FunctionType, type Instruction, Untranslatable, type WasmModule, readWasm } from './binary.ts'
import { type Module, engine } from './engine.ts'
import { type Names, coerced, constant, functionText, signature } from './functions.ts'
import { binary } from './numbers.ts'
import { memoryPreamble, preamble } from './preamble.ts'

/** The text of a module with at most one memory, which threads share: all of its functions. Throws Untranslatable. */
export function translateWasm(bytes: Uint8Array, compiled: Module): string {
  return textOf(readChecked(bytes, compiled), null)
}

/** Instructions of a module of which only those functions are written that are called: it would take seconds. */
const LARGE = 20_000

/** Of a large module, the functions that its instances call at first; null of another. */
export function firstWanted(module: WasmModule): ReadonlySet<number> | null {
  const { functions, start } = module
  const size = functions.reduce((sum, { body }) => sum + (body?.code.length ?? 0), 0)
  if (size < LARGE) return null
  return start === null ? new Set() : calledBy(module, start)
}

/** A function, and all that it calls by their numbers, and so on. */
export function calledBy({ functions }: WasmModule, first: number): ReadonlySet<number> {
  const found = new Set([first])
  for (const index of found) {
    for (const { name, funcIndex } of functions[index]!.body?.code ?? [])
      if (/^(return_)?call$/.test(name)) found.add(funcIndex!)
  }
  return found
}

/**
 * Reads a module. Throws Untranslatable for one that cannot be written.
 *
 * @param bytes of a module that the engine has compiled to `compiled`
 */
export function readChecked(bytes: Uint8Array, compiled: Module): WasmModule {
  const module = readWasm(bytes)
  // The engine reads it too: both have to have seen the same.
  const told = engine.Module.imports(compiled).map(({ module: from, name, kind }) =>
    [from, name, kind].join(),
  )
  if (
    told.join(' ') !==
    module.imports.map(({ module: from, field, kind }) => [from, field, kind].join()).join(' ')
  )
    throw new Untranslatable('wasmparser reads other imports in it than the engine')
  if (module.memories.length > 1) throw new Untranslatable('it has several memories')
  const tags = module.imports.find(({ kind }) => kind === 'tag')
  if (tags !== undefined) throw new Untranslatable('it has exceptions')
  return module
}

/** Throws Untranslatable. `wanted` are the functions that are written; null for all. */
export function textOf(module: WasmModule, wanted: ReadonlySet<number> | null): string {
  const called = calledFromOutside(module)
  const names = { functions: namesOf(module), globals: globalsOf(module) }
  const functions = module.functions.map(({ type, body }, index) =>
    body === null
      ? importedFunction(names, index, type, called.has(index))
      : wanted === null || wanted.has(index)
        ? functionText(module, names, index, called.has(index))
        : unwrittenFunction(names, index, type),
  )
  const types = [...called].flatMap((index) => {
    const { type, body } = module.functions[index]!
    return body === null ? [] : `$types.set(${names.functions[index]!}, '${signature(type)}')`
  })
  const { moduleName } = module
  return [
    `// ${moduleName === null || !/^[\w.-]+$/.test(moduleName) ? 'module' : moduleName}.wasm, written in JavaScript`,
    `'use strict'`,
    'module.exports = function instantiate(',
    '{ $given, $maximum, $functions, $tables, $globals, $types, $made, $refuseGrowth, $want }',
    ') {',
    preamble,
    ...memoryOf(module),
    ...functions,
    ...types,
    ...ownParts(module, names),
    `return { ${exportsOf(module, names)} }`,
    '}',
    '',
  ].join('\n')
}

function memoryOf({ imports, memories }: WasmModule): string[] {
  const [memory] = memories
  if (memory === undefined) return []
  const { initial, maximum, isShared } = memory
  if (!isShared) throw new Untranslatable('its memory is its own', 'let it have shared memory, or none')
  const isGiven = imports.some(({ kind }) => kind === 'memory')
  return [
    `const $memory = ${isGiven ? '$given' : `$made.memory(${initial}, ${maximum!})`}`,
    // It can grow no further than either says.
    `const $most = ${isGiven ? `$maximum || ${maximum!}` : maximum!}`,
    memoryPreamble,
  ]
}

/** How a function is called that is given: `isValue` if it is exported, or in a table, as one of this type. */
function importedFunction({ functions }: Names, index: number, type: FunctionType, isValue: boolean): string {
  const { params, results } = type
  const name = functions[index]!
  const args = params.map((_, at) => `v${at}`).join(', ')
  const converted = params.map((each, at) => coerced(each, `v${at}`)).join(', ')
  const returned = [
    [`called(${converted})`],
    [`const result = called(${converted})`, `return ${coerced(results[0] ?? 'ref', 'result')}`],
    [
      `const list = [...called(${converted})]`,
      `return [${results.map((each, at) => coerced(each, `list[${at}]`)).join(', ')}]`,
    ],
  ][Math.min(results.length, 2)]!
  const own = isValue ? `(called) => function ${name}(${args}) {\n${returned.join('\n')}\n}` : 'null'
  return `const ${name} = $imported($functions[${index}], '${signature(type)}', ${own})`
}

/** One that nobody has called yet: where it is, the program is loaded anew, with it. */
function unwrittenFunction({ functions }: Names, index: number, { params }: FunctionType): string {
  return `function ${functions[index]!}(${params.map((_, at) => `v${at}`).join(', ')}) { return $want(${index}) }`
}

/** What stands for each global: a variable, where nobody else knows it. */
function globalsOf({ globals, imports, exports }: WasmModule): string[] {
  const given = imports.filter(({ kind }) => kind === 'global').length
  const exported = new Set(exports.flatMap(({ kind, index }) => (kind === 'global' ? index : [])))
  return globals.map((_, index) => {
    if (index < given) return `$globals[${index}].value`
    return exported.has(index) ? `$g${index}.value` : `$g${index}`
  })
}

/** Functions that JavaScript can get hold of. */
function calledFromOutside({ exports, elements, functions }: WasmModule): Set<number> {
  const found = new Set(exports.flatMap(({ kind, index }) => (kind === 'function' ? index : [])))
  const codes = [
    ...elements.flatMap(({ values }) => values),
    ...functions.map(({ body }) => body?.code ?? []),
  ]
  for (const code of codes)
    for (const { name, funcIndex } of code) if (name === 'ref.func') found.add(funcIndex!)
  return found
}

/** Tables, globals and segments of its own, and what its start function does. */
function ownParts(module: WasmModule, names: Names): string[] {
  const { imports, tables, globals, elements, data, start } = module
  const value = (code: readonly Instruction[]): string => constantExpression(code, names)
  const count = (kind: string): number => imports.filter((each) => each.kind === kind).length
  const made = [
    ...tables
      .slice(count('table'))
      .map(
        ({ initial, maximum, element }) => `$tables.push($made.table(${initial}, ${maximum}, '${element}'))`,
      ),
    ...globals.slice(count('global')).map(({ type, isMutable, value: code }, at) => {
      const index = count('global') + at
      if (names.globals[index] === `$g${index}`) return `let $g${index} = ${value(code)}`
      if (type === 'ref') throw new Untranslatable('it exports a global that is a reference')
      return `const $g${index} = $made.global('${type}', ${isMutable}, ${value(code)})`
    }),
  ]
  const lists = elements.map(({ values, isDeclared }) =>
    isDeclared ? '[]' : `[${values.map(value).join(', ')}]`,
  )
  const bytes = data.map(({ bytes: each }) => `$bytesOf('${Buffer.from(each).toString('base64')}')`)
  const put = [
    ...elements.flatMap(({ into, values }, index) =>
      into === null
        ? []
        : `$copyTable($tables[${into.index}], $elements[${index}], ${value(into.offset)} >>> 0, 0, ${values.length}); $elements[${index}] = []`,
    ),
    ...data.flatMap(({ into, bytes: { length } }, index) =>
      into === null
        ? []
        : `$init($data[${index}], ${value(into.offset)} >>> 0, 0, ${length}); $data[${index}] = new Uint8Array()`,
    ),
  ]
  return [
    ...made,
    `const $elements = [${lists.join(', ')}]`,
    `const $data = [${bytes.join(', ')}]`,
    ...put,
    ...(start === null ? [] : [`${names.functions[start]!}()`]),
  ]
}

function constantExpression(code: readonly Instruction[], names: Names): string {
  const stack: string[] = []
  for (const each of code) {
    const { name } = each
    const operation = binary.get(name)
    if (name === 'end') break
    else if (name.endsWith('.const')) stack.push(constant(each))
    else if (name === 'global.get') stack.push(names.globals[each.globalIndex!]!)
    else if (name === 'ref.null') stack.push('null')
    else if (name === 'ref.func') stack.push(names.functions[each.funcIndex!]!)
    else if (operation !== undefined) {
      const [a, b] = stack.splice(-2) as [string, string]
      stack.push(`(${operation(a, b)})`)
    } else throw new Untranslatable(`it has the instruction ${name} outside of functions`)
  }
  return stack[0]!
}

function exportsOf({ imports, exports }: WasmModule, names: Names): string {
  const given = imports.filter(({ kind }) => kind === 'global').length
  return exports
    .map(({ field, kind, index }) => {
      const exported = {
        function: names.functions[index],
        table: `$tables[${index}]`,
        memory: '$memory',
        global: index < given ? `$globals[${index}]` : `$g${index}`,
        tag: '',
      }[kind]
      return `[${JSON.stringify(field)}]: ${exported}`
    })
    .join(', ')
}

/** Words of the language, and names that the text has for something else. */
const taken = new RegExp(
  '^(' +
    's\\d+|v\\d+|called|result|list|[iu](8|16|32)|i64|f(32|64)|view|OUT|UNALIGNED|module|exports|require|instantiate|' +
    'Atomics|BigInt|Math|Number|Object|Infinity|NaN|undefined|WebAssembly|DataView|ArrayBuffer|Buffer|\\w*Array|' +
    'arguments|eval|await|yield|let|static|enum|implements|interface|package|private|protected|public|' +
    'break|case|catch|class|const|continue|debugger|default|delete|do|else|export|extends|false|finally|for|' +
    'function|if|import|in|instanceof|new|null|return|super|switch|this|throw|true|try|typeof|var|void|while|with' +
    ')$',
)

/** The names of functions: those of the name section, else those under which they are exported. */
function namesOf({ functions, names, exports }: WasmModule): string[] {
  const exported = new Map(
    exports.flatMap(({ kind, index, field }) => (kind === 'function' ? [[index, field]] : [])),
  )
  const used = new Set<string>()
  return functions.map((_, index) => {
    const told = names.get(index) ?? exported.get(index) ?? `func${index}`
    let name = told
      .replaceAll(/\W/g, '_')
      .replace(/^(?=\d)/, '_')
      .slice(0, 80)
    while (name === '' || taken.test(name) || used.has(name)) name += '_'
    used.add(name)
    return name
  })
}
