// What a program has instead of the engine's WebAssembly. A module with memory that threads share is written in
// JavaScript when it gets an instance (see ../wasm/), so that what its instructions do to that memory are steps as any
// other. All other modules run as they are. (WebAssembly JavaScript Interface 2.0.)

import { host } from './host.ts'
import { Promise } from './promise.ts'
import {
  type Code,
  type ImportDescriptor,
  type ImportsGiven,
  type Instance,
  type Module,
  engine,
  isModule,
} from '../wasm/engine.ts'

type Exports = Record<string, unknown>

/** What instantiate() gives of bytes. */
interface Instantiated {
  readonly module: Module
  readonly instance: Instance
}

/** What the text of a module exports: see ../wasm/translate.ts. */
type Instantiate = (given: object) => Exports

/** Types of functions that were written in JavaScript. */
const types = new WeakMap<object, string>()

export class Table {
  readonly elements: unknown[]
  readonly #maximum: number

  constructor(
    { initial, maximum }: { readonly initial: number; readonly maximum?: number | undefined },
    value: unknown = null,
  ) {
    this.elements = Array.from({ length: initial }, () => value)
    this.#maximum = maximum ?? 10_000_000
  }

  get length(): number {
    return this.elements.length
  }

  get(index: number): unknown {
    this.#check('get', index)
    return this.elements[index]
  }

  set(index: number, value: unknown = null): void {
    this.#check('set', index)
    this.elements[index] = value
  }

  grow(by: number, value: unknown = null): number {
    const before = this.$grow(by, value)
    if (before < 0) throw new RangeError(`WebAssembly.Table.grow(): failed to grow table by ${by}`)
    return before
  }

  /** As the instruction does it. */
  $grow(by: number, value: unknown): number {
    const before = this.elements.length
    if (before + by > this.#maximum) return -1
    for (let n = 0; n < by; n++) this.elements.push(value)
    return before
  }

  #check(method: string, index: number): void {
    if (!(index >= 0 && index < this.elements.length))
      throw new RangeError(
        `WebAssembly.Table.${method}(): invalid address ${index} in funcref table of size ${this.elements.length}`,
      )
  }
}

type NumberType = 'i32' | 'i64' | 'f32' | 'f64'

function converted(type: NumberType, value: unknown): unknown {
  switch (type) {
    case 'i32':
      return (value as number) | 0
    case 'i64':
      return BigInt.asIntN(64, value as bigint)
    case 'f32':
      return Math.fround(value as number)
    case 'f64':
      return Number(value)
    default:
      return value
  }
}

export class Global {
  readonly #type: NumberType
  readonly #isMutable: boolean
  #value: unknown

  constructor(
    { value: type, mutable = false }: { readonly value: NumberType; readonly mutable?: boolean },
    value?: unknown,
  ) {
    this.#type = type
    this.#isMutable = mutable
    this.#value = converted(type, value ?? (type === 'i64' ? BigInt(0) : 0))
  }

  get value(): unknown {
    return this.#value
  }

  set value(given: unknown) {
    if (!this.#isMutable)
      throw new TypeError("set WebAssembly.Global.value: Can't set the value of an immutable global.")
    this.#value = converted(this.#type, given)
  }

  valueOf(): unknown {
    return this.#value
  }
}

/** A module, whose bytes are kept for its instances. */
function newModule(this: unknown, bytes: Code): Module {
  if (new.target === undefined) throw new TypeError("WebAssembly.Module must be invoked with 'new'")
  return host.compileWasm(bytes)
}
Object.setPrototypeOf(newModule, engine.Module)
newModule.prototype = engine.Module.prototype

function makeInstance(this: unknown, module: Module, imports?: ImportsGiven): Instance {
  if (new.target === undefined) throw new TypeError("WebAssembly.Instance must be invoked with 'new'")
  return newInstance(module, imports)
}
makeInstance.prototype = engine.Instance.prototype

function newInstance(module: Module, imports: ImportsGiven): Instance {
  const wanted = engine.Module.imports(module)
  const sharesMemory = wanted.some(
    ({ kind, module: from, name }) =>
      kind === 'memory' && isShared((imports?.[from] as Exports | undefined)?.[name]),
  )
  const text = host.textOfWasm(module, sharesMemory)
  if (text === null) return new engine.Instance(module, imports)
  const given = importsOf(wanted, imports)
  const exports = codeOf(text)({
    $given: given.memory[0],
    $functions: given.function,
    $tables: given.table,
    $globals: given.global.map((each) => (each instanceof Global ? each : { value: each })),
    $types: types,
    $made: {
      memory: (initial: number, maximum: number) => new engine.Memory({ initial, maximum, shared: true }),
      table: (initial: number, maximum?: number) => new Table({ initial, maximum }),
      global: (value: NumberType, mutable: boolean, initial: unknown) =>
        new Global({ value, mutable }, initial),
    },
    $refuseGrowth: () =>
      host.refuse('shared memory that grows cannot be followed', 'make it as large as it gets'),
  })
  const instance = Object.create(engine.Instance.prototype) as Instance
  const namespace = Object.freeze(Object.assign(Object.create(null) as Exports, exports))
  return Object.defineProperty(instance, 'exports', {
    value: namespace,
    enumerable: true,
    configurable: true,
  })
}

/** The function that makes an instance, of the module with this text. */
function codeOf(text: string): Instantiate {
  const found = host.find({ from: '', specifier: text, kind: 'eval' })
  if (found.kind !== 'thread') throw new engine.LinkError('the module cannot be loaded')
  const own = { exports: {} as unknown }
  found.code.make.call(own.exports, own.exports, undefined, own, '', '')
  return own.exports as Instantiate
}

type Kind = 'function' | 'table' | 'memory' | 'global'

/** What a module imports, in its order. */
function importsOf(wanted: readonly ImportDescriptor[], imports: ImportsGiven): Record<Kind, unknown[]> {
  const all: Record<Kind, unknown[]> = { function: [], table: [], memory: [], global: [] }
  if (wanted.length > 0 && (typeof imports !== 'object' || imports === null))
    throw new TypeError('WebAssembly.Instance(): Imports argument must be present and must be an object')
  for (const [index, { module: from, name, kind }] of wanted.entries()) {
    const told = `WebAssembly.Instance(): Import #${index} "${from}"`
    const source = imports![from] as Readonly<Record<string, unknown>> | null | undefined
    if ((typeof source !== 'object' && typeof source !== 'function') || source === null)
      throw new TypeError(`${told}: module is not an object or function`)
    const value = source[name]
    const problem = problemOf(kind as Kind, value)
    if (problem !== null) throw new engine.LinkError(`${told} "${name}": ${problem}`)
    all[kind as Kind].push(value)
  }
  return all
}

function isShared(value: unknown): boolean {
  return value instanceof engine.Memory && value.buffer instanceof SharedArrayBuffer
}

function problemOf(kind: Kind, value: unknown): string | null {
  switch (kind) {
    case 'function':
      return typeof value === 'function' ? null : 'function import requires a callable'
    case 'memory':
      return isShared(value) ? null : 'memory import must be a WebAssembly.Memory object that threads share'
    case 'table':
      return value instanceof Table ? null : 'table import requires a WebAssembly.Table'
    case 'global':
      return value instanceof Global || typeof value === 'number' || typeof value === 'bigint'
        ? null
        : 'global import must be a number, valid Wasm reference, or WebAssembly.Global object'
  }
}

/** A promise of what a function returns, which is called now. */
function promised<T>(called: () => T): globalThis.Promise<T> {
  return new Promise((resolve: (value: T) => void) => resolve(called())) as unknown as globalThis.Promise<T>
}

function compile(bytes: Code): globalThis.Promise<Module> {
  return promised(() => host.compileWasm(bytes))
}

function instantiate(
  given: Code | Module,
  imports?: ImportsGiven,
): globalThis.Promise<Instance | Instantiated> {
  return promised<Instance | Instantiated>(() => {
    if (isModule(given)) return newInstance(given, imports)
    const module = host.compileWasm(given)
    return { module, instance: newInstance(module, imports) }
  })
}

const streaming = (): never =>
  host.refuse('WebAssembly from a response', 'read its bytes before, and compile those')

export const WebAssembly = Object.create(engine, {
  ...Object.getOwnPropertyDescriptors({
    Module: newModule,
    Instance: makeInstance,
    Table,
    Global,
    compile,
    instantiate,
    compileStreaming: streaming,
    instantiateStreaming: streaming,
  }),
}) as object
