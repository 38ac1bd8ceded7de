// TypeScript as JavaScript.
//
// Types that can be erased leave blanks, so that no line and no column moves. Enums, namespaces and parameters that are
// properties become code, and a source map says where that stood. Decorators need a compiler, which the user may have.

// As a whole: an older Node lacks names of it, and is to say so in words (see threads/node-version.ts).
import * as nodeModule from 'node:module'
import { pathToFileURL } from 'node:url'
import { SteppingRefused } from './refusal.ts'
import { hasLegacyDecorators } from './tsconfig.ts'

export interface JavaScript {
  readonly text: string
  /** Null where nothing has moved. */
  readonly map: nodeModule.SourceMap | null
}

const MAP = /\n\/\/# sourceMappingURL=data:application\/json;(?:charset=utf-8;)?base64,([\w+/=]+)\s*$/
const decorator = /^[^\n/]*@[A-Za-z_$]/m

export function toJavaScript(file: string, source: string): JavaScript {
  return quietly(() => withDecorators(file, source) ?? withoutTypes(file, source))
}

/** Where in its source a place is, both from 1. */
export function placeByMap(
  map: nodeModule.SourceMap | null,
  line: number,
  column: number,
): { line: number; column: number } {
  const entry = map?.findEntry(line - 1, column - 1)
  return entry !== undefined && 'originalLine' in entry
    ? { line: entry.originalLine + 1, column: entry.originalColumn + 1 }
    : { line, column }
}

function withoutTypes(file: string, source: string): JavaScript {
  try {
    return { text: nodeModule.stripTypeScriptTypes(source, { mode: 'strip' }), map: null }
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX') throw refusal(file, error)
  }
  try {
    return apart(nodeModule.stripTypeScriptTypes(source, { mode: 'transform', sourceMap: true }))
  } catch (error) {
    throw refusal(file, error)
  }
}

function refusal(file: string, error: unknown): SteppingRefused {
  const { message, stack = '' } = error as Error
  const [problem = 'a syntax error'] = message.split('\n')
  // Node writes where it is before the message, and nowhere else.
  const line = Number(/^[^\n]*?:(\d+)\n/.exec(stack)?.[1] ?? 1)
  return new SteppingRefused(file, line, problem.trim(), 'correct the syntax')
}

/** Node says once a process that this is experimental; the user of a checker has no use for that. */
function quietly<T>(work: () => T): T {
  const { emitWarning } = process
  process.emitWarning = () => {}
  try {
    return work()
  } finally {
    process.emitWarning = emitWarning
  }
}

/** The text and the source map in its last line. */
function apart(text: string): JavaScript {
  const json = MAP.exec(text)
  if (json === null) return { text, map: null }
  const map = JSON.parse(Buffer.from(json[1]!, 'base64').toString()) as ConstructorParameters<
    typeof nodeModule.SourceMap
  >[0]
  return { text: text.slice(0, json.index), map: new nodeModule.SourceMap(map) }
}

// ---------------------------------------------------------------------------------------------------------------------
// Decorators

interface Esbuild {
  transformSync(source: string, options: object): { code: string }
}

interface TypeScript {
  transpileModule?(source: string, options: object): { outputText: string }
}

/** Null where there are none, or nobody who could do it: Node says then what is wrong. */
function withDecorators(file: string, source: string): JavaScript | null {
  if (!decorator.test(source)) return null
  const require = nodeModule.createRequire(file)
  const found = <T>(name: string): T | null => {
    try {
      return require(name) as T
    } catch {
      return null
    }
  }
  const isLegacy = hasLegacyDecorators(pathToFileURL(file).href)
  const typescript = found<TypeScript>('typescript')
  if (typescript?.transpileModule !== undefined) {
    const compilerOptions = {
      target: 'es2022',
      module: 'esnext',
      inlineSourceMap: true,
      experimentalDecorators: isLegacy,
    }
    return apart(typescript.transpileModule(source, { compilerOptions, fileName: file }).outputText)
  }
  const esbuild = found<Esbuild>('esbuild')
  if (esbuild === null) return null
  const tsconfigRaw = { compilerOptions: { experimentalDecorators: isLegacy } }
  const options = { loader: 'ts', target: 'es2022', sourcemap: 'inline', sourcefile: file, tsconfigRaw }
  return apart(esbuild.transformSync(source, options).code)
}
