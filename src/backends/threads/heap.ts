// A heap in an address space: blocks of memory that any thread may allocate, and any other free.
//
// The state of the blocks is in the memory of the address space itself (heap-core.ts), so that every thread that uses
// it has the same heap, and a fork has a heap of its own.

import { randomInt } from 'node:crypto'
import { SegmentationFault } from '../../kernel/index.ts'
import type { AtomicAccess } from './atomic-access.ts'
import {
  type OptionChecks,
  checkAddress,
  checkBytes,
  checkUnsigned,
  checkWhole,
  rangeError,
  readOptions,
} from './arguments.ts'
import { OWN, type Own, assertOwn, keepInThread } from './construction.ts'
import { MemoryError, OutOfMemory } from './errors.ts'
import { type HeapCount, HeapCore, NO_ROOM, type Refusal } from './heap-core.ts'
import {
  Common,
  Fixed,
  GRAIN,
  HEAP_LAYOUT,
  HeapLayout,
  LARGEST_SMALL,
  SIZES,
  SPAN_BYTES,
} from './heap-layout.ts'
import type { HeapWords } from './heap-lock.ts'
import { inspected } from './inspected.ts'
import type { HeapThread } from './machine-thread.ts'
import type { Protection } from './protection.ts'
import { parseSize } from './size.ts'
import { assureRoomForSteps } from './stack-room.ts'

/** How large a heap may grow, and what it keeps of what is freed. */
export interface HeapOptions {
  /**
   * How much all blocks together may take, as bytes or a text such as '64MiB': 64 KiB to 63 GiB. Address space for it
   * is reserved at once, memory is not. Default: the memory of the machine.
   */
  readonly maximum?: number | string
  /** How much free memory the heap keeps instead of giving it back to the machine. Default '4MiB'. */
  readonly retain?: number | string
}

/** How a heap is used, in bytes. */
export interface HeapUsage {
  /** Allocated blocks, and their bytes after rounding up. */
  readonly blocks: number
  readonly allocated: number
  /** What the heap has taken from the machine so far, and how much of it is free for blocks of any size. */
  readonly mapped: number
  readonly free: number
}

/** What a heap needs of the address space that it is in. */
export interface HeapSpace extends AtomicAccess {
  readonly handle: { readonly generation: number }
  mmap(length: number, options: { readonly protection: Protection }): number
  munmap(address: number, length: number): void
  mprotect(address: number, length: number, protection: Protection): void
  madvise(address: number, length: number, advice: 'dontneed'): void
  copyWithin(target: number, source: number, length: number): void
}
const LEAST = SPAN_BYTES
/** The range of a 32-bit reference to a multiple of GRAIN, less what lies in front of the first block. */
const MOST = 2 ** 32 * GRAIN - 2 ** 30
const checkSize = (value: unknown, name: string): void => void parseSize(value as string, name)
const heapChecks: OptionChecks<HeapOptions> = { maximum: checkSize, retain: checkSize }

/** The class of a size, by how many grains it takes. */
const classes = new Uint8Array(LARGEST_SMALL / GRAIN + 1)
for (const [index, size] of SIZES.entries())
  classes.fill(index, index === 0 ? 0 : SIZES[index - 1]! / GRAIN + 1, size / GRAIN + 1)

const reasons: Readonly<Record<Refusal, string>> = {
  free: 'is no block that is allocated: it was freed before, or never allocated',
  inside: 'is within a block, or between blocks, and not where one begins',
  foreign: 'is not of this heap',
}

/**
 * A heap in an address space: any thread of it may allocate blocks, each at a multiple of 16, and any other may
 * free them. By AddressSpace.createHeap().
 */
export class Heap {
  /** @internal For AddressSpace.createHeap(). */
  static create(space: HeapSpace, thread: HeapThread, given: HeapOptions): Heap {
    const options = readOptions(given, 'createHeap options', heapChecks)
    const maximum = parseSize(options.maximum ?? thread.memory, 'maximum')
    const retain = parseSize(options.retain ?? '4MiB', 'retain')
    checkWhole(maximum, 'maximum', LEAST, MOST, '64 KiB to 63 GiB')
    const layout = layoutOf(Math.ceil(maximum / SPAN_BYTES), thread.cpus)
    const length = lengthOf(layout)
    const address = space.mmap(length, { protection: 'none' })
    try {
      space.mprotect(address, layout.spansAt, 'rw')
      const words = new SpaceWords(space, address)
      words.set(Fixed.spans, layout.shape.spans)
      words.set(Fixed.cpus, thread.cpus)
      words.set(Fixed.identity, randomInt(2 ** 32))
      words.set(Fixed.retain, Math.min(Math.floor(retain / SPAN_BYTES), layout.shape.spans))
      words.store(Fixed.magic, HEAP_LAYOUT)
      return new Heap(OWN, space, thread, address)
    } catch (error) {
      space.munmap(address, length)
      throw error
    }
  }

  /** @internal For AddressSpace.openHeap(). */
  static open(space: HeapSpace, thread: HeapThread, address: number): Heap {
    checkAddress(address)
    if (!beginsAt(space, address))
      rangeError('address', address, 'where a heap of this address space begins', 'ERR_INVALID_ARG_VALUE')
    return new Heap(OWN, space, thread, address)
  }

  /** Its first address, by which another thread, or a fork, opens it. */
  readonly address: number
  readonly space: HeapSpace
  readonly #layout: HeapLayout
  readonly #core: HeapCore
  /** The address of the first span. */
  readonly #base: number
  readonly #words: SpaceWords
  readonly #identity: number

  private constructor(key: Own, space: HeapSpace, thread: HeapThread, address: number) {
    assertOwn(key, 'Heap', 'space.createHeap() or space.openHeap()')
    keepInThread(this)
    this.space = space
    this.address = address
    const words = new SpaceWords(space, address)
    const layout = layoutOf(words.get(Fixed.spans), words.get(Fixed.cpus))
    const base = address + layout.spansAt
    this.#words = words
    this.#identity = words.get(Fixed.identity)
    this.#layout = layout
    this.#base = base
    const { generation } = space.handle
    this.#core = new HeapCore(
      words,
      layout,
      {
        cpu: thread.cpu,
        home: generation % 2 ** 32,
        own: holderOf(generation, thread.number),
        isGone: (holder) => isGone(holder, generation, thread),
        grow: (span, count) => grow(space, base + span * SPAN_BYTES, count * SPAN_BYTES),
        discard: (span, count) => space.madvise(base + span * SPAN_BYTES, count * SPAN_BYTES, 'dontneed'),
      },
      words.get(Fixed.retain),
    )
    this.#core.open()
  }

  /**
   * Allocates `size` bytes and returns their address: a multiple of 16, and of 4096 where `size` is a power of two from
   * 4096 on, or more than 16 KiB. Their contents are undefined. Errors: OutOfMemory (the maximum, or a limit of the
   * address space or the machine); those of an access, where the machine has no frame for what the heap keeps of its
   * blocks.
   */
  allocate(size: number): number {
    checkBytes(size, 'size')
    // If the stack were used up in the middle, the lock would stay taken.
    assureRoomForSteps()
    const place =
      size <= LARGEST_SMALL
        ? this.#core.allocateSmall(classes[Math.ceil(size / GRAIN)]!)
        : this.#allocateLarge(size)
    if (place === NO_ROOM) throw new OutOfMemory('allocate', `${size} bytes: the heap is full`)
    return this.#base + place
  }

  #allocateLarge(size: number): number {
    const count = Math.ceil(size / SPAN_BYTES)
    return count > this.#layout.shape.spans ? NO_ROOM : this.#core.allocateLarge(count)
  }

  /**
   * Frees a block; any thread may have allocated it. Errors: EINVAL for an address at which no allocated block begins.
   * If the block was freed before and its address belongs to another block by now, that block is freed: the heap cannot
   * tell.
   */
  free(address: number): void {
    checkAddress(address)
    assureRoomForSteps()
    const refusal = this.#core.free(address - this.#base)
    if (refusal !== null) throw refused('free', address, refusal)
  }

  /**
   * Gives the block at `address` another size, as realloc of C does, and returns its address: the same if the block has
   * room and would be used by at least half, else that of another block, to which it copies the bytes that both have.
   * No other thread may use the block meanwhile. Errors: EINVAL as of free(), and those of allocate(); the block is
   * unchanged then.
   */
  reallocate(address: number, size: number): number {
    checkBytes(size, 'size')
    const before = this.#sizeFor('reallocate', address)
    if (size <= before && size * 2 > before) return address
    const moved = this.allocate(size)
    try {
      this.space.copyWithin(moved, address, Math.min(before, size))
      this.free(address)
    } catch (error) {
      // Another thread has freed the block since, or a page of it cannot be read.
      this.free(moved)
      throw error
    }
    return moved
  }

  /** How many bytes the block at `address` has: at least as many as were asked for. Errors: as of free(). */
  sizeOf(address: number): number {
    return this.#sizeFor('sizeOf', address)
  }

  #sizeFor(call: string, address: number): number {
    checkAddress(address)
    const size = this.#core.sizeAt(address - this.#base)
    if (typeof size !== 'number') throw refused(call, address, size)
    return size
  }

  /**
   * The address of a block that the program wants to find again: 0 in a new heap. It is for the program alone; each
   * access is one atomic operation. Setting it: EINVAL for what is no multiple of 16 within the heap, nor 0.
   */
  get root(): number {
    return this.addressOf(this.space.loadUint32(this.#rootAt))
  }

  /** The address of a block that the program wants to find again, or 0. */
  set root(address: number) {
    this.space.storeUint32(this.#rootAt, this.referenceTo(address))
  }

  /** Makes `address` the root if the root is `expected`, by one atomic operation. Returns the old root. */
  compareExchangeRoot(expected: number, address: number): number {
    const before = this.space.compareExchangeUint32(
      this.#rootAt,
      this.referenceTo(expected),
      this.referenceTo(address),
    )
    return this.addressOf(before)
  }

  get #rootAt(): number {
    return this.address + 4 * Common.root
  }

  /** An address of the heap as a number of 32 bits, which Atomics can read and write; 0 for 0. Errors: EINVAL. */
  referenceTo(address: number): number {
    checkAddress(address)
    if (address === 0) return 0
    const offset = address - this.address
    if (offset <= 0 || offset >= lengthOf(this.#layout) || offset % GRAIN !== 0)
      throw refused('reference', address, 'foreign')
    return offset / GRAIN
  }

  /** The address of a reference. Errors: TypeError and RangeError for anything but a number of 32 bits. */
  addressOf(reference: number): number {
    checkUnsigned(reference, 32, 'reference')
    return reference === 0 ? 0 : this.address + reference * GRAIN
  }

  /** Other threads that need the lock wait while it looks at every span. */
  usage(): HeapUsage {
    assureRoomForSteps()
    const { mapped, free, blocks, bytes }: HeapCount = this.#core.count()
    return { blocks, allocated: bytes, mapped: mapped * SPAN_BYTES, free: free * SPAN_BYTES }
  }

  /** Gives free memory back to the machine, and the spans that this thread keeps for itself to all threads. */
  trim(): void {
    assureRoomForSteps()
    this.#core.trim()
  }

  /** Whether this heap is still the one at its address. For AddressSpace.openHeap(). */
  get isThere(): boolean {
    return beginsAt(this.space, this.address) && this.#words.get(Fixed.identity) === this.#identity
  }

  /** Unmaps the heap and all its blocks. No thread may be using it, or use it later. */
  destroy(): void {
    this.space.munmap(this.address, lengthOf(this.#layout))
  }

  /** @internal */
  [inspected](): string {
    return `Heap (0x${this.address.toString(16)})`
  }
}

function refused(call: string, address: number, refusal: Refusal): MemoryError {
  return new MemoryError('EINVAL', call, `0x${address.toString(16)} ${reasons[refusal]}`)
}

function layoutOf(spans: number, cpus: number): HeapLayout {
  return new HeapLayout({ spanBytes: SPAN_BYTES, sizes: SIZES, spans, cpus })
}

function lengthOf(layout: HeapLayout): number {
  return layout.spansAt + layout.shape.spans * SPAN_BYTES
}

/**
 * Returns false if a limit forbids it. The memory may be usable already, if a thread has ended before it noted that.
 */
function grow(space: HeapSpace, address: number, length: number): boolean {
  try {
    space.mprotect(address, length, 'rw')
    return true
  } catch (error) {
    if (error instanceof MemoryError && error.errno === 'ENOMEM') return false
    throw error
  }
}

// The name of a lock holder: 14 bits for the address space, 16 for the thread. If two threads have the same name, a
// thread may wait until the other has ended, no more.
const THREAD_BITS = 16
const SPACE_MASK = 2 ** 14 - 1

function holderOf(generation: number, thread: number): number {
  return ((generation % 2 ** 30) & SPACE_MASK) * 2 ** THREAD_BITS + threadOf(thread)
}

function threadOf(thread: number): number {
  return (thread % (2 ** THREAD_BITS - 1)) + 1
}

function isGone(holder: number, generation: number, thread: HeapThread): boolean {
  if (holder >>> THREAD_BITS !== ((generation % 2 ** 30) & SPACE_MASK)) return true
  return !thread.isPresent((number) => threadOf(number) === (holder & (2 ** THREAD_BITS - 1)))
}

/** The words of a heap, in an address space. */
class SpaceWords implements HeapWords {
  readonly #space: AtomicAccess
  readonly #address: number

  constructor(space: AtomicAccess, address: number) {
    this.#space = space
    this.#address = address
  }

  get(word: number): number {
    return this.#space.readUint32(this.#address + 4 * word)
  }

  set(word: number, value: number): void {
    this.#space.writeUint32(this.#address + 4 * word, value)
  }

  load(word: number): number {
    return this.#space.loadUint32(this.#address + 4 * word)
  }

  store(word: number, value: number): void {
    this.#space.storeUint32(this.#address + 4 * word, value)
  }

  and(word: number, value: number): number {
    return this.#space.andUint32(this.#address + 4 * word, value)
  }

  or(word: number, value: number): number {
    return this.#space.orUint32(this.#address + 4 * word, value)
  }

  exchange(word: number, value: number): number {
    return this.#space.exchangeUint32(this.#address + 4 * word, value)
  }

  compareExchange(word: number, expected: number, value: number): number {
    return this.#space.compareExchangeUint32(this.#address + 4 * word, expected, value)
  }

  wait(word: number, expected: number, timeout: number): void {
    this.#space.waitUint32(this.#address + 4 * word, expected, timeout)
  }

  notify(word: number): void {
    this.#space.notify(this.#address + 4 * word, 1)
  }
}

/** Whether a heap begins there, also where nothing is mapped, as when it was destroyed. */
function beginsAt(space: HeapSpace, address: number): boolean {
  try {
    return address % 4096 === 0 && space.loadUint32(address + 4 * Fixed.magic) === HEAP_LAYOUT
  } catch (error) {
    if (error instanceof SegmentationFault) return false
    throw error
  }
}
