// Physical memory: 4 KiB frames in one shared WebAssembly memory.
//
// WebAssembly and not a bare SharedArrayBuffer, because `memory.fill` and `memory.copy` move a page at the speed of
// memset and memcpy, which the fill method of a typed array over shared memory does not.

export const PAGE_SHIFT = 12
export const PAGE_SIZE = 4096
export const PAGE_WORDS = PAGE_SIZE / 4

/** A page-table entry holds a frame number in 20 bits. */
export const FRAMES_MAX = (1 << 20) - 1

/** Frame 0 is the zero page: always zero, never written, mapped read-only wherever anonymous memory was only read. */
export const ZERO_FRAME = 0

const WASM_PAGE_FRAMES = 16

// (module
//   (import "physical" "memory" (memory 1 65536 shared))
//   (func (export "zeroFrame") (param $frame i32)
//     (memory.fill
//       (i32.shl (local.get $frame) (i32.const 12)) (i32.const 0) (i32.const 4096)))
//   (func (export "copyFrame") (param $to i32) (param $from i32)
//     (memory.copy
//       (i32.shl (local.get $to) (i32.const 12)) (i32.shl (local.get $from) (i32.const 12)) (i32.const 4096))))
const frameInstructions = new Uint8Array([
  0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00,
  // types: (i32) -> (), (i32 i32) -> ()
  0x01, 0x0a, 0x02, 0x60, 0x01, 0x7f, 0x00, 0x60, 0x02, 0x7f, 0x7f, 0x00,
  // import "physical" "memory", shared, 1 to 65536 pages
  0x02, 0x17, 0x01, 0x08, 0x70, 0x68, 0x79, 0x73, 0x69, 0x63, 0x61, 0x6c, 0x06, 0x6d, 0x65, 0x6d, 0x6f, 0x72,
  0x79, 0x02, 0x03, 0x01, 0x80, 0x80, 0x04,
  // functions 0 and 1
  0x03, 0x03, 0x02, 0x00, 0x01,
  // exports "zeroFrame" and "copyFrame"
  0x07, 0x19, 0x02, 0x09, 0x7a, 0x65, 0x72, 0x6f, 0x46, 0x72, 0x61, 0x6d, 0x65, 0x00, 0x00, 0x09, 0x63, 0x6f,
  0x70, 0x79, 0x46, 0x72, 0x61, 0x6d, 0x65, 0x00, 0x01,
  // code
  0x0a, 0x25, 0x02, 0x0f, 0x00, 0x20, 0x00, 0x41, 0x0c, 0x74, 0x41, 0x00, 0x41, 0x80, 0x20, 0xfc, 0x0b, 0x00,
  0x0b, 0x13, 0x00, 0x20, 0x00, 0x41, 0x0c, 0x74, 0x20, 0x01, 0x41, 0x0c, 0x74, 0x41, 0x80, 0x20, 0xfc, 0x0a,
  0x00, 0x00, 0x0b,
])

/**
 * A WebAssembly.Memory that is shared, as its users see it. It is not called so, as a program that is not made for a
 * browser need not have types of WebAssembly.
 */
export interface SharedMemory {
  readonly buffer: ArrayBufferLike
}

/** The frames of a machine as one thread sees them. */
export class PhysicalMemory {
  readonly memory: SharedMemory
  readonly frameCount: number
  readonly bytes: Uint8Array
  readonly words: Int32Array
  readonly zeroFrame: (frame: number) => void
  readonly copyFrame: (to: number, from: number) => void

  /** @param bytes and @param words the whole memory, where they are to be arrays of a certain kind */
  constructor(memory: SharedMemory, bytes?: Uint8Array, words?: Int32Array) {
    const instance = new WebAssembly.Instance(new WebAssembly.Module(frameInstructions), {
      physical: { memory: memory as WebAssembly.Memory },
    })
    this.memory = memory
    this.bytes = bytes ?? new Uint8Array(memory.buffer)
    this.words = words ?? new Int32Array(memory.buffer)
    this.frameCount = this.bytes.length / PAGE_SIZE
    this.zeroFrame = instance.exports['zeroFrame'] as (frame: number) => void
    this.copyFrame = instance.exports['copyFrame'] as (to: number, from: number) => void
  }

  /** Copies `length` bytes from byte `from` on into `target`, from its byte `start` on. */
  copyOut(from: number, length: number, target: Uint8Array, start: number): void {
    target.set(viewOf(this.bytes, from, length), start)
  }

  /** Copies `length` bytes of `source`, from its byte `start` on, to byte `to` on. */
  copyIn(to: number, source: Uint8Array, start: number, length: number): void {
    this.bytes.set(start === 0 && length === source.length ? source : viewOf(source, start, length), to)
  }
}

/**
 * `length` bytes of `array`, from its byte `from` on. Unlike `subarray`, which asks the array for a constructor, it
 * runs no code but its own.
 */
export function viewOf(array: Uint8Array, from: number, length: number): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset + from, length)
}

/**
 * Makes room for at least `frameCount` frames and, behind the last, for one that no machine uses. Throws a RangeError
 * when the host has not that much memory.
 */
export function createPhysicalMemory(frameCount: number): SharedMemory {
  const pages = Math.ceil((frameCount + 1) / WASM_PAGE_FRAMES)
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true })
}
