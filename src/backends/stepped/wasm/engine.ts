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

interface Engine {
  readonly Module: {
    new (code: Code): Module
    readonly prototype: Module
    imports(module: Module): ImportDescriptor[]
  }
  readonly Instance: { new (module: Module, imports?: ImportsGiven): Instance; readonly prototype: Instance }
  readonly Memory: {
    new (limits: { readonly initial: number; readonly maximum: number; readonly shared: boolean }): Memory
  }
  readonly LinkError: new (message: string) => Error
}

export const engine = globalThis.WebAssembly as unknown as Engine

export function isModule(value: unknown): value is Module {
  return value instanceof engine.Module
}
