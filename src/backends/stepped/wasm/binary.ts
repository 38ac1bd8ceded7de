// What a module of WebAssembly says, as far as it is needed to write it in JavaScript. The package wasmparser reads the
// format; the engine has compiled the module before, so that it is valid.

import { createRequire } from 'node:module'
import type * as wasmparser from 'wasmparser'

type Result = wasmparser.IOperatorInformation
export type ValueType = 'i32' | 'i64' | 'f32' | 'f64' | 'ref'

export interface FunctionType {
  readonly params: readonly ValueType[]
  readonly results: readonly ValueType[]
}

/** An instruction, and what stands behind its name. */
export interface Instruction extends Omit<Result, 'code' | 'literal' | 'blockType'> {
  readonly name: string
  readonly literal: number | bigint
  readonly blockType: FunctionType
  /** Where it begins in the file, as engines tell it: `0x2f`. */
  readonly offset: number
}

export interface Import {
  readonly module: string
  readonly field: string
  readonly kind: 'function' | 'table' | 'memory' | 'global' | 'tag'
}

export interface Segment {
  /** Null of one that instructions copy. */
  readonly into: { readonly index: number; readonly offset: readonly Instruction[] } | null
  readonly isDeclared: boolean
}

export interface WasmFunction {
  readonly type: FunctionType
  /** Null of an imported one. */
  readonly body: { readonly locals: readonly ValueType[]; readonly code: readonly Instruction[] } | null
}

/** Numbers are those of the module's index spaces, in which what is imported comes first. */
export interface WasmModule {
  readonly types: readonly FunctionType[]
  readonly imports: readonly Import[]
  readonly functions: readonly WasmFunction[]
  readonly tables: readonly {
    readonly initial: number
    readonly maximum: number | undefined
    readonly element: 'anyfunc' | 'externref'
  }[]
  readonly memories: readonly {
    readonly initial: number
    readonly maximum: number | undefined
    readonly isShared: boolean
  }[]
  readonly globals: readonly {
    readonly type: ValueType
    readonly isMutable: boolean
    readonly value: readonly Instruction[]
  }[]
  readonly exports: readonly {
    readonly field: string
    readonly kind: Import['kind']
    readonly index: number
  }[]
  readonly elements: readonly (Segment & { readonly values: readonly (readonly Instruction[])[] })[]
  readonly data: readonly (Segment & { readonly bytes: Uint8Array })[]
  readonly start: number | null
  /** Of functions, from the name section. */
  readonly names: ReadonlyMap<number, string>
  readonly moduleName: string | null
}

/** What cannot be written in JavaScript, or read. */
export class Untranslatable extends Error {
  override readonly name = 'Untranslatable'
  readonly remedy: string

  constructor(problem: string, remedy = 'compile it without that, or check a form of it in JavaScript') {
    super(problem)
    this.remedy = remedy
  }
}

type Parser = typeof wasmparser
let loaded: Parser | null = null

/** Throws Untranslatable where the package is not installed. */
function loadParser(): Parser {
  try {
    return (loaded ??= createRequire(import.meta.url)('wasmparser') as Parser)
  } catch {
    throw new Untranslatable('the package wasmparser reads it', 'run: npm install --save-dev wasmparser')
  }
}

// States of the reader, sections and kinds, by their numbers in the package, whose names are there for compilers only.
const State = {
  error: -1,
  type: 11,
  import: 12,
  function: 13,
  table: 14,
  memory: 15,
  export: 17,
  name: 19,
  start: 22,
  initial: 26,
  body: 28,
  operator: 30,
  element: 33,
  elementBody: 34,
  data: 36,
  dataBody: 37,
  global: 39,
  offset: 45,
} as const
const kinds = ['function', 'table', 'memory', 'global', 'tag'] as const

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

function valueType(type: wasmparser.Type): ValueType {
  const known = ({ '-1': 'i32', '-2': 'i64', '-3': 'f32', '-4': 'f64' } as const)[String(type.kind)]
  if (known !== undefined) return known
  if (type.kind === -5) throw new Untranslatable('it has vectors (v128)')
  return 'ref'
}

/** Reads a module that the engine has compiled. Throws Untranslatable. */
export function readWasm(bytes: Uint8Array): WasmModule {
  const reading = new Reading(loadParser())
  return reading.read(bytes)
}

interface Open<T> {
  list: T[]
}

class Reading {
  readonly #parser: Parser
  readonly #types: FunctionType[] = []
  readonly #imports: Import[] = []
  readonly #functions: { type: FunctionType; body: { locals: ValueType[]; code: Instruction[] } | null }[] =
    []
  readonly #tables: {
    initial: number
    maximum: number | undefined
    element: 'anyfunc' | 'externref'
  }[] = []
  readonly #memories: { initial: number; maximum: number | undefined; isShared: boolean }[] = []
  readonly #globals: { type: ValueType; isMutable: boolean; value: Instruction[] }[] = []
  readonly #exports: { field: string; kind: Import['kind']; index: number }[] = []
  readonly #elements: (Segment & { values: Instruction[][] })[] = []
  readonly #data: (Segment & { bytes: Uint8Array })[] = []
  readonly #names = new Map<number, string>()
  #start: number | null = null
  #moduleName: string | null = null
  /** How many functions have a body already, with those that are imported. */
  #bodies = 0
  /** Where the next instruction of an expression belongs to. */
  readonly #open: Open<Instruction> = { list: [] }

  constructor(parser: Parser) {
    this.#parser = parser
  }

  read(bytes: Uint8Array): WasmModule {
    const reader = new this.#parser.BinaryReader()
    const whole = bytes.slice()
    reader.setData(whole.buffer, 0, whole.length)
    for (let offset = 0; reader.read(); offset = reader.position) this.#take(reader, offset)
    if ((reader.state as number) === State.error) throw new Untranslatable(reader.error.message)
    return {
      types: this.#types,
      imports: this.#imports,
      functions: this.#functions,
      tables: this.#tables,
      memories: this.#memories,
      globals: this.#globals,
      exports: this.#exports,
      elements: this.#elements,
      data: this.#data,
      start: this.#start,
      names: this.#names,
      moduleName: this.#moduleName,
    }
  }

  #take({ state, result }: wasmparser.BinaryReader, offset: number): void {
    switch (state as number) {
      case State.type:
        return this.#takeType(result as wasmparser.ITypeEntry)
      case State.import:
        return this.#takeImport(result as wasmparser.IImportEntry)
      case State.function:
        this.#functions.push({
          type: this.#typeAt((result as wasmparser.IFunctionEntry).typeIndex),
          body: null,
        })
        return
      case State.table:
        this.#takeTable(result as wasmparser.ITableType)
        return
      case State.memory:
        return this.#takeMemory(result as wasmparser.IMemoryType)
      case State.global:
        return this.#takeGlobal((result as wasmparser.IGlobalVariable).type)
      case State.export: {
        const { field, kind, index } = result as wasmparser.IExportEntry
        this.#exports.push({ field: text(field), kind: kindOf(kind), index })
        return
      }
      case State.start:
        this.#start = (result as wasmparser.IStartEntry).index
        return
      case State.name:
        return this.#takeNames(result as wasmparser.INameEntry)
      case State.body:
        return this.#takeBody(result as wasmparser.IFunctionInformation)
      case State.element:
      case State.data:
        return this.#takeSegment(state as number, result as wasmparser.IElementSegment)
      case State.elementBody:
        this.#open.list = []
        return
      case State.dataBody:
        this.#data.at(-1)!.bytes = (result as wasmparser.IDataSegmentBody).data.slice()
        return
      case State.initial:
      case State.offset:
      case State.operator:
        return this.#takeInstruction(state as number, result as Result, offset)
      default:
    }
  }

  #takeType({ form, params, returns }: wasmparser.ITypeEntry): void {
    if (form !== -32 || params === undefined) throw new Untranslatable('it has types of garbage collection')
    this.#types.push({ params: params.map(valueType), results: (returns ?? []).map(valueType) })
  }

  #typeAt(index: number): FunctionType {
    const type = this.#types[index]
    if (type === undefined) throw new Untranslatable(`it names the type ${index}, which it has not`)
    return type
  }

  #takeImport(entry: wasmparser.IImportEntry): void {
    const kind = kindOf(entry.kind)
    this.#imports.push({ module: text(entry.module), field: text(entry.field), kind })
    if (kind === 'function') {
      this.#functions.push({ type: this.#typeAt(entry.funcTypeIndex!), body: null })
      this.#bodies++
    }
    if (kind === 'table') this.#takeTable(entry.type as wasmparser.ITableType)
    if (kind === 'memory') this.#takeMemory(entry.type as wasmparser.IMemoryType)
    if (kind === 'global') this.#takeGlobal(entry.type as wasmparser.IGlobalType)
  }

  #takeTable({ limits, elementType }: wasmparser.ITableType): void {
    const isExternal = (elementType.kind as number) === -17
    this.#tables.push({ ...limitsOf(limits), element: isExternal ? 'externref' : 'anyfunc' })
  }

  #takeMemory({ limits, shared }: wasmparser.IMemoryType): void {
    this.#memories.push({ ...limitsOf(limits), isShared: shared })
  }

  #takeGlobal({ contentType, mutability }: wasmparser.IGlobalType): void {
    const value: Instruction[] = []
    this.#globals.push({ type: valueType(contentType), isMutable: mutability === 1, value })
    this.#open.list = value
  }

  #takeNames(entry: wasmparser.INameEntry): void {
    if ((entry.type as number) === 0)
      this.#moduleName = text((entry as wasmparser.IModuleNameEntry).moduleName)
    if ((entry.type as number) === 1)
      for (const { index, name } of (entry as wasmparser.IFunctionNameEntry).names)
        this.#names.set(index, text(name))
  }

  #takeBody({ locals }: wasmparser.IFunctionInformation): void {
    const code: Instruction[] = []
    const types = locals.flatMap(({ count, type }) => Array.from({ length: count }, () => valueType(type)))
    this.#functions[this.#bodies++]!.body = { locals: types, code }
    this.#open.list = code
  }

  #takeSegment(state: number, segment: wasmparser.IElementSegment & { readonly memoryIndex?: number }): void {
    const mode = segment.mode as number
    const offset: Instruction[] = []
    const index = segment.tableIndex ?? segment.memoryIndex ?? 0
    const common = { into: mode === 0 ? { index, offset } : null, isDeclared: mode === 2 }
    if (state === State.element) this.#elements.push({ ...common, values: [] })
    else this.#data.push({ ...common, bytes: new Uint8Array() })
    this.#open.list = offset
  }

  #takeInstruction(state: number, given: Result, offset: number): void {
    const name = this.#parser.OperatorCodeNames[given.code as number]
    if (name === undefined)
      throw new Untranslatable(`it has the instruction 0x${(given.code as number).toString(16)}`)
    const { literal, blockType } = given
    const instruction: Instruction = {
      ...given,
      name,
      literal: typeof literal === 'number' || literal === undefined ? (literal ?? 0) : toBigInt(literal),
      blockType: blockType === undefined ? NONE : this.#blockType(blockType),
      offset,
    }
    this.#open.list.push(instruction)
    if (state !== State.initial || name !== 'end') return
    // The expressions of a segment of elements follow each other.
    const element = this.#elements.at(-1)
    if (element === undefined || this.#open.list === this.#globals.at(-1)?.value) return
    element.values.push(this.#open.list)
    this.#open.list = []
  }

  #blockType(type: wasmparser.Type): FunctionType {
    if (type.isIndex) return this.#typeAt(type.index)
    if ((type.kind as number) === -64) return NONE
    return { params: [], results: [valueType(type)] }
  }
}

const NONE: FunctionType = { params: [], results: [] }

function kindOf(kind: number): Import['kind'] {
  const known = kinds[kind]
  if (known === undefined) throw new Untranslatable(`it has an import of the kind ${kind}`)
  return known
}

function limitsOf({ initial, maximum }: wasmparser.IResizableLimits): {
  initial: number
  maximum: number | undefined
} {
  return { initial, maximum }
}

function toBigInt(literal: Exclude<wasmparser.IOperatorInformation['literal'], undefined | number>): bigint {
  if (literal instanceof Uint8Array) throw new Untranslatable('it has vectors (v128)')
  const { data } = literal
  return new DataView(data.buffer, data.byteOffset, 8).getBigInt64(0, true)
}
