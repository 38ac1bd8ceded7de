// The engine's WebAssembly, as far as it is asked here: the types of Node have little of it.

export type Code = ArrayBufferView | ArrayBuffer
export type ImportsGiven = Readonly<Record<string, unknown>> | undefined

/** A compiled module. */
export interface Module {
  readonly [Symbol.toStringTag]: 'WebAssembly.Module'
}

export interface Instance {
  readonly exports: Readonly<Record<string, unknown>>
}

/** What a module imports. */
export interface ImportDescriptor {
  readonly module: string
  readonly name: string
  readonly kind: 'function' | 'table' | 'memory' | 'global' | 'tag'
}

export interface Memory {
  readonly buffer: ArrayBufferLike
}

/** What a table is made of; `element` is `anyfunc` or `externref`. */
export interface TableLimits {
  readonly initial: number
  readonly maximum?: number | undefined
  readonly element: string
}

export interface MemoryLimits {
  readonly initial: number
  readonly maximum?: number | undefined
  readonly shared?: boolean
}

export interface Global {
  value: unknown
}

interface Engine {
  readonly Module: {
    new (code: Code): Module
    readonly prototype: Module
    imports(module: Module): ImportDescriptor[]
  }
  readonly Instance: { new (module: Module, imports?: ImportsGiven): Instance; readonly prototype: Instance }
  readonly Memory: { new (limits: MemoryLimits): Memory; readonly prototype: Memory }
  readonly Table: { new (limits: TableLimits): object }
  readonly Global: {
    new (type: { readonly value: string; readonly mutable: boolean }, value?: unknown): Global
  }
  readonly LinkError: new (message: string) => Error
}

export const engine = globalThis.WebAssembly as unknown as Engine

export function isModule(value: unknown): value is Module {
  return value instanceof engine.Module
}

/** A memory of WebAssembly that threads share. */
export function isSharedMemory(value: unknown): value is Memory {
  return value instanceof engine.Memory && value.buffer instanceof SharedArrayBuffer
}
