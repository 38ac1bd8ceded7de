// The part of WebAssembly that the kernel uses: a shared memory, and a module that works on it. TypeScript describes
// WebAssembly only among the types of a browser, which the kernel must not see.

declare namespace WebAssembly {
  interface MemoryDescriptor {
    /** Size at creation, in pages of 64 KiB. */
    initial: number
    /** Upper limit, in pages of 64 KiB; required where `shared`. */
    maximum?: number
    shared?: boolean
  }

  class Memory {
    constructor(descriptor: MemoryDescriptor)
    /** A SharedArrayBuffer where the memory was created with `shared`. */
    readonly buffer: ArrayBuffer | SharedArrayBuffer
  }

  class Module {
    /** Compiles at once, on this thread; throws `CompileError`. */
    constructor(bytes: Uint8Array<ArrayBuffer>)
  }

  class Instance {
    constructor(module: Module, imports?: Record<string, Record<string, Memory>>)
    readonly exports: Record<string, unknown>
  }
}
