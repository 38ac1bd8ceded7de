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
  type Memory,
  type MemoryLimits,
  type Module,
  type TableLimits,
  engine,
  isModule,
  isSharedMemory,
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
/** How many pages memories may have at most; those that something not stepped has made are not here. */
const maxima = new WeakMap<object, number>()

/** A table, which holds functions that are stepped: a table of the engine holds functions of the engine only. */
export class Table {
  readonly elements: unknown[]
  readonly $limits: TableLimits

  constructor(limits: TableLimits, ...values: unknown[]) {
    const { length } = new engine.Table(limits) as unknown[]
    const [value = limits.element === 'externref' && values.length > 0 ? undefined : null] = values
    this.$limits = limits
    this.elements = Array.from({ length }, () => value)
    // As the engine has it, its properties are those of its prototype.
    for (const name of ['elements', '$limits']) Object.defineProperty(this, name, { enumerable: false })
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
    const isFunction = value === null || (typeof value === 'function' && types.has(value))
    if (this.$limits.element !== 'externref' && !isFunction)
      throw new TypeError(
        'WebAssembly.Table.set(): Argument 1 is invalid for table: function-typed object expected',
      )
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
    if (before + by > (this.$limits.maximum ?? 10_000_000)) return -1
    for (let n = 0; n < by; n++) this.elements.push(value)
    return before
  }

  /** What the engine takes for it, to tell whether a module can import it. */
  $likeness(): object {
    return new engine.Table({ ...this.$limits, initial: this.elements.length })
  }

  #check(method: string, index: number): void {
    if (!(index >= 0 && index < this.elements.length))
      throw new RangeError(
        `WebAssembly.Table.${method}(): invalid address ${index} in funcref table of size ${this.elements.length}`,
      )
  }
}
Object.defineProperty(Table.prototype, Symbol.toStringTag, { value: 'WebAssembly.Table', configurable: true })

const refuseGrowth = (): never =>
  host.refuse('shared memory that grows cannot be followed', 'make it as large as it gets')

/** A memory, which does not grow where threads share it. */
function newMemory(this: unknown, limits: MemoryLimits): Memory {
  if (new.target === undefined) throw new TypeError("WebAssembly.Memory must be invoked with 'new'")
  const memory = Reflect.construct(engine.Memory, [limits], new.target) as Memory
  if (memory.buffer instanceof SharedArrayBuffer) {
    const { maximum } = limits
    maxima.set(memory, maximum!)
    const grow = (by: number): unknown => {
      if (by > 0 && memory.buffer.byteLength / PAGE + by <= maximum! && host.isExploring()) refuseGrowth()
      return Reflect.apply((engine.Memory.prototype as unknown as { grow: Grow }).grow, memory, [by])
    }
    Object.defineProperty(memory, 'grow', { value: grow, writable: true, configurable: true })
  }
  return memory
}
Object.setPrototypeOf(newMemory, engine.Memory)
newMemory.prototype = engine.Memory.prototype

type Grow = (by: number) => number
const PAGE = 65536

/** A module, whose bytes are kept for its instances. */
function newModule(this: unknown, bytes: Code): Module {
  if (new.target === undefined) throw new TypeError("WebAssembly.Module must be invoked with 'new'")
  return host.compileWasm(bytes)
}
Object.setPrototypeOf(newModule, engine.Module)
newModule.prototype = engine.Module.prototype

function makeInstance(this: unknown, module: Module, imports?: ImportsGiven): Instance {
  if (new.target === undefined) throw new TypeError("WebAssembly.Instance must be invoked with 'new'")
  const instance = newInstance(module, imports)
  return Object.setPrototypeOf(instance, (new.target as { prototype: object }).prototype) as Instance
}
Object.setPrototypeOf(makeInstance, engine.Instance)
makeInstance.prototype = engine.Instance.prototype

const SHARED = 'shared memory'

/** Makes an instance; every import is asked for once. */
function newInstance(module: Module, imports: ImportsGiven): Instance {
  const wanted = engine.Module.imports(module)
  const sources = wanted.map(({ module: from }) => imports?.[from])
  const given = wanted.map(({ name }, index) => (sources[index] as Exports | null | undefined)?.[name])
  const why = host.isExploring() ? whyStepped(module, given) : null
  const likeness = imports && likenessOf(wanted, sources, given)
  if (why === null) {
    const instance = new engine.Instance(module, likeness)
    const makesShared = host.isExploring() && Object.values(instance.exports).some(isSharedMemory)
    if (!makesShared) return instance
    // It was compiled by what is not stepped, so that nothing was known of it: this refuses it.
  }
  const text = host.textOfWasm(module, why ?? SHARED)
  host.linkWasm(module, likeness)
  const of = (kind: string): unknown[] => given.filter((_, index) => wanted[index]!.kind === kind)
  if (of('table').some((each) => !(each instanceof Table)))
    host.refuse(
      'a table of a module of WebAssembly that is not stepped',
      'make it by new WebAssembly.Table()',
    )
  const [memory] = of('memory') as (Memory | undefined)[]
  const exports = codeOf(text)({
    $given: memory,
    $maximum: (memory && maxima.get(memory)) ?? 0,
    $functions: of('function'),
    $tables: of('table'),
    $globals: of('global').map((each) => (each instanceof engine.Global ? each : { value: each })),
    $types: types,
    $made: made,
    $refuseGrowth: refuseGrowth,
    $want: (index: number): never => host.wantFunction(module, index, why ?? SHARED),
  })
  const instance = Object.create(engine.Instance.prototype) as Instance
  const namespace = Object.freeze(Object.assign(Object.create(null) as Exports, exports))
  return Object.defineProperty(instance, 'exports', {
    value: namespace,
    enumerable: true,
    configurable: true,
  })
}

/** What an instance makes of its own. */
const made = {
  memory: (initial: number, maximum: number): unknown =>
    Reflect.construct(newMemory, [{ initial, maximum, shared: true }]),
  table: (initial: number, maximum: number | undefined, element: string): unknown =>
    new Table(maximum === undefined ? { initial, element } : { initial, maximum, element }),
  global: (value: string, mutable: boolean, initial: unknown): unknown =>
    new engine.Global({ value, mutable }, initial),
  refuse(): never {
    throw new engine.LinkError('WebAssembly.Instance(): imported function does not match the expected type')
  },
}

/** Why a module is stepped that is given this; null of one that is not. */
function whyStepped(module: Module, given: readonly unknown[]): string | null {
  const memory = host.memoryMadeBy(module)
  if (memory === 'shared' || given.some(isSharedMemory)) return SHARED
  if (given.some((each) => each instanceof Table)) return 'a table of the program'
  const hasMemory = memory === 'own' || given.some((each) => each instanceof engine.Memory)
  const callsStepped = given.some((each) => typeof each === 'function' && types.has(each))
  return callsStepped && !hasMemory ? 'functions of one that is stepped' : null
}

/** What the engine is given for the imports. */
function likenessOf(
  wanted: readonly ImportDescriptor[],
  sources: readonly unknown[],
  given: readonly unknown[],
): Exports {
  const likeness = Object.create(null) as Exports
  for (const [index, { module: from, name }] of wanted.entries()) {
    const source = sources[index]
    const isSource = (typeof source === 'object' && source !== null) || typeof source === 'function'
    if (!isSource) likeness[from] = source
    else {
      const value = given[index]
      const object = (likeness[from] ??= Object.create(null)) as Exports
      object[name] = value instanceof Table ? value.$likeness() : value
    }
  }
  return likeness
}

/** The function that makes an instance, of the module with this text. */
function codeOf(text: string): Instantiate {
  const found = host.find({ from: '', specifier: text, kind: 'eval' })
  if (found.kind !== 'thread') throw new engine.LinkError('the module cannot be loaded')
  const own = { exports: {} as unknown }
  found.code.make.call(own.exports, own.exports, undefined, own, '', '')
  return own.exports as Instantiate
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
    Memory: newMemory,
    compile,
    instantiate,
    compileStreaming: streaming,
    instantiateStreaming: streaming,
  }),
}) as object
