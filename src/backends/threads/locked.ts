// Atomic operations on the kernel heap as instructions.
//
// The kernel says `Atomics.add(cpu.heap, word, 1)`. V8 calls a builtin for that, which checks the typed array again
// each time (7.2 ns for a load, 13.6 ns for an addition on Node 24). V8 directly calls an exported WebAssembly function
// that contains only the instruction (2.5 ns and 10.3 ns). So the heap of this backend is a shared WebAssembly memory,
// and the build puts `cpu.lockedAdd(word, 1)` into the bundled kernel wherever it can prove that the array is the heap
// of a CPU in scope (scripts/locked-rewrite.ts). Every Cpu has such methods, which do what `Atomics` does; the CPUs of
// this backend replace them by the instructions. Meaning and order stay the same: either way a sequentially consistent
// access to a signed 32-bit word.

import { type DesignHooks, type PhysicalMemory, type SharedMemory, Task } from '../../kernel/index.ts'

/** The largest heap: what a WebAssembly memory with 32-bit addresses holds, in words. */
export const HEAP_WORDS_MAX = 2 ** 30

const WASM_PAGE_WORDS = 16384

// (module
//   (import "kernel" "heap" (memory 1 65536 shared))
//   (func (export "load") (param $word i32) (result i32)
//     (i32.atomic.load (i32.shl (local.get $word) (i32.const 2))))
//   (func (export "store") (param $word i32) (param $value i32)
//     (i32.atomic.store (i32.shl (local.get $word) (i32.const 2)) (local.get $value)))
//   (func (export "add") (param $word i32) (param $value i32) (result i32)
//     (i32.atomic.rmw.add (i32.shl (local.get $word) (i32.const 2)) (local.get $value)))
//   ;; "sub", "and", "or", "xor" and "exchange" are as "add", with i32.atomic.rmw.sub, .and, .or, .xor and .xchg
//   (func (export "compareExchange") (param $word i32) (param $expected i32) (param $value i32) (result i32)
//     (i32.atomic.rmw.cmpxchg
//       (i32.shl (local.get $word) (i32.const 2)) (local.get $expected) (local.get $value))))
const instructions = new Uint8Array([
  0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00,
  // types: (i32) -> (i32), (i32 i32) -> (), (i32 i32) -> (i32), (i32 i32 i32) -> (i32)
  0x01, 0x18, 0x04, 0x60, 0x01, 0x7f, 0x01, 0x7f, 0x60, 0x02, 0x7f, 0x7f, 0x00, 0x60, 0x02, 0x7f, 0x7f, 0x01,
  0x7f, 0x60, 0x03, 0x7f, 0x7f, 0x7f, 0x01, 0x7f,
  // import "kernel" "heap", shared, 1 to 65536 pages
  0x02, 0x13, 0x01, 0x06, 0x6b, 0x65, 0x72, 0x6e, 0x65, 0x6c, 0x04, 0x68, 0x65, 0x61, 0x70, 0x02, 0x03, 0x01,
  0x80, 0x80, 0x04,
  // functions 0 to 8
  0x03, 0x0a, 0x09, 0x00, 0x01, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x03,
  // exports "load", "store", "add", "sub", "and", "or", "xor", "exchange", "compareExchange"
  0x07, 0x4a, 0x09, 0x04, 0x6c, 0x6f, 0x61, 0x64, 0x00, 0x00, 0x05, 0x73, 0x74, 0x6f, 0x72, 0x65, 0x00, 0x01,
  0x03, 0x61, 0x64, 0x64, 0x00, 0x02, 0x03, 0x73, 0x75, 0x62, 0x00, 0x03, 0x03, 0x61, 0x6e, 0x64, 0x00, 0x04,
  0x02, 0x6f, 0x72, 0x00, 0x05, 0x03, 0x78, 0x6f, 0x72, 0x00, 0x06, 0x08, 0x65, 0x78, 0x63, 0x68, 0x61, 0x6e,
  0x67, 0x65, 0x00, 0x07, 0x0f, 0x63, 0x6f, 0x6d, 0x70, 0x61, 0x72, 0x65, 0x45, 0x78, 0x63, 0x68, 0x61, 0x6e,
  0x67, 0x65, 0x00, 0x08,
  // code
  0x0a, 0x7f, 0x09, 0x0b, 0x00, 0x20, 0x00, 0x41, 0x02, 0x74, 0xfe, 0x10, 0x02, 0x00, 0x0b, 0x0d, 0x00, 0x20,
  0x00, 0x41, 0x02, 0x74, 0x20, 0x01, 0xfe, 0x17, 0x02, 0x00, 0x0b, 0x0d, 0x00, 0x20, 0x00, 0x41, 0x02, 0x74,
  0x20, 0x01, 0xfe, 0x1e, 0x02, 0x00, 0x0b, 0x0d, 0x00, 0x20, 0x00, 0x41, 0x02, 0x74, 0x20, 0x01, 0xfe, 0x25,
  0x02, 0x00, 0x0b, 0x0d, 0x00, 0x20, 0x00, 0x41, 0x02, 0x74, 0x20, 0x01, 0xfe, 0x2c, 0x02, 0x00, 0x0b, 0x0d,
  0x00, 0x20, 0x00, 0x41, 0x02, 0x74, 0x20, 0x01, 0xfe, 0x33, 0x02, 0x00, 0x0b, 0x0d, 0x00, 0x20, 0x00, 0x41,
  0x02, 0x74, 0x20, 0x01, 0xfe, 0x3a, 0x02, 0x00, 0x0b, 0x0d, 0x00, 0x20, 0x00, 0x41, 0x02, 0x74, 0x20, 0x01,
  0xfe, 0x41, 0x02, 0x00, 0x0b, 0x0f, 0x00, 0x20, 0x00, 0x41, 0x02, 0x74, 0x20, 0x01, 0x20, 0x02, 0xfe, 0x48,
  0x02, 0x00, 0x0b,
])

type Operation = (word: number, value: number) => number

/** The operations of `Atomics` on one heap, as the bundled kernel calls them. `lockedStore` gives nothing back. */
export interface LockedInstructions {
  readonly lockedLoad: (word: number) => number
  readonly lockedStore: (word: number, value: number) => void
  readonly lockedAdd: Operation
  readonly lockedSub: Operation
  readonly lockedAnd: Operation
  readonly lockedOr: Operation
  readonly lockedXor: Operation
  readonly lockedExchange: Operation
  readonly lockedCompareExchange: (word: number, expected: number, value: number) => number
}

/**
 * The instructions for the heap in `memory`. A thread makes them once for each machine: V8 calls them directly as long
 * as it has seen those of one machine only, and through a builtin afterwards, which costs about as much as `Atomics`.
 */
export function lockedInstructions(memory: SharedMemory): LockedInstructions {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(instructions), {
    kernel: { heap: memory as WebAssembly.Memory },
  })
  return {
    lockedLoad: exports['load'] as LockedInstructions['lockedLoad'],
    lockedStore: exports['store'] as LockedInstructions['lockedStore'],
    lockedAdd: exports['add'] as Operation,
    lockedSub: exports['sub'] as Operation,
    lockedAnd: exports['and'] as Operation,
    lockedOr: exports['or'] as Operation,
    lockedXor: exports['xor'] as Operation,
    lockedExchange: exports['exchange'] as Operation,
    lockedCompareExchange: exports['compareExchange'] as LockedInstructions['lockedCompareExchange'],
  }
}

/**
 * A thread in the kernel, with the instructions for its heap. They are fields of it, and not of an object in it, since
 * one load less on the way to each saves 7 % of a page fault.
 */
export class LockedTask extends Task implements LockedInstructions {
  readonly lockedLoad: LockedInstructions['lockedLoad']
  readonly lockedStore: LockedInstructions['lockedStore']
  readonly lockedAdd: Operation
  readonly lockedSub: Operation
  readonly lockedAnd: Operation
  readonly lockedOr: Operation
  readonly lockedXor: Operation
  readonly lockedExchange: Operation
  readonly lockedCompareExchange: LockedInstructions['lockedCompareExchange']

  /** @param locked those of `heap` */
  constructor(
    id: number,
    heap: Int32Array,
    memory: PhysicalMemory,
    design: DesignHooks<Task>,
    locked: LockedInstructions,
  ) {
    super(id, heap, memory, design)
    this.lockedLoad = locked.lockedLoad
    this.lockedStore = locked.lockedStore
    this.lockedAdd = locked.lockedAdd
    this.lockedSub = locked.lockedSub
    this.lockedAnd = locked.lockedAnd
    this.lockedOr = locked.lockedOr
    this.lockedXor = locked.lockedXor
    this.lockedExchange = locked.lockedExchange
    this.lockedCompareExchange = locked.lockedCompareExchange
  }
}

/**
 * Memory for a heap of at least `words` words, at most HEAP_WORDS_MAX. Throws a RangeError when the host has not that
 * much.
 */
export function createHeapMemory(words: number): SharedMemory {
  const pages = Math.ceil(words / WASM_PAGE_WORDS)
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true })
}
