// The memory of a stepped program: which arrays are shared, what a cell is, and how changes are undone.
//
// A cell is the smallest part of a shared buffer that is told apart: four bytes, or one where a program has views of
// single bytes. Cells of all buffers are numbered through. An array that is watched carries its view as a property, so
// that the steppable form finds it without a search.

import { SHARED, TRACKED } from './tags.ts'

export type ElementArray = Int32Array
/** Words of one block, the unit in which changes are undone: those of a cache line. */
const BLOCK_SHIFT = 4
const BLOCK_WORDS = 1 << BLOCK_SHIFT
const ENTRY_WORDS = BLOCK_WORDS + 2
const LOG_ENTRIES = 1 << 10

/** A buffer that is watched or whose changes are undone. */
export class TrackedBuffer {
  readonly buffer: ArrayBufferLike
  readonly shared: boolean
  /** How it was registered: the first is 0. */
  readonly ordinal: number
  readonly cellBytes: number
  readonly firstCell: number
  readonly words: Int32Array
  /** For each block of 16 words, the epoch in which it was last changed; see Memory. */
  readonly changed: Int32Array

  constructor(
    buffer: ArrayBufferLike,
    shared: boolean,
    ordinal: number,
    cellBytes: number,
    firstCell: number,
  ) {
    this.buffer = buffer
    this.shared = shared
    this.ordinal = ordinal
    this.cellBytes = cellBytes
    this.firstCell = firstCell
    this.words = new Int32Array(buffer, 0, buffer.byteLength >> 2)
    this.changed = new Int32Array((this.words.length >> BLOCK_SHIFT) + 1)
  }
}

/** A typed array over a tracked buffer. */
export class View {
  readonly buffer: TrackedBuffer
  readonly shared: boolean
  /** Its elements are 32-bit signed integers, so that the operations on them are plain arithmetic. */
  readonly int32: boolean
  /** The cell of element 0, and how many cells an element has. */
  readonly firstCell: number
  readonly cellsPerElement: number
  readonly length: number
  readonly #byteOffset: number
  readonly #elementShift: number

  constructor(buffer: TrackedBuffer, array: ArrayBufferView) {
    const elementBytes = elementBytesOf(array)
    this.buffer = buffer
    this.shared = buffer.shared
    this.int32 = array instanceof Int32Array
    this.firstCell = buffer.firstCell + array.byteOffset / buffer.cellBytes
    this.cellsPerElement = elementBytes / buffer.cellBytes
    this.length = array.byteLength / elementBytes
    this.#byteOffset = array.byteOffset
    this.#elementShift = Math.log2(elementBytes)
  }

  /** Notes that an element is about to change. */
  touch(index: number): void {
    const block = (this.#byteOffset + (index << this.#elementShift)) >> (BLOCK_SHIFT + 2)
    if (this.buffer.changed[block] !== memory.epoch) memory.noteBlock(this.buffer, block)
  }

  touchRange(start: number, end: number): void {
    if (start >= end) return
    const first = (this.#byteOffset + (start << this.#elementShift)) >> (BLOCK_SHIFT + 2)
    const last = (this.#byteOffset + (end << this.#elementShift) - 1) >> (BLOCK_SHIFT + 2)
    for (let block = first; block <= last; block++) {
      if (this.buffer.changed[block] !== memory.epoch) memory.noteBlock(this.buffer, block)
    }
  }
}

/** The end of MurmurHash3: every bit of the result depends on every bit of the value. */
export function mix(value: number): number {
  let hash = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}

function elementBytesOf(array: ArrayBufferView): number {
  return 'BYTES_PER_ELEMENT' in array ? (array.BYTES_PER_ELEMENT as number) : 1
}

/** A buffer is looked at byte by byte after all: everything begins again with cells of one byte for it. */
export class FinerCellsNeeded extends Error {
  readonly ordinal: number

  constructor(ordinal: number) {
    super(`buffer ${ordinal} has views of single bytes`)
    this.ordinal = ordinal
  }
}

/** A state of memory that can be gone back to. */
export interface MemoryMark {
  /** So many blocks have been noted since the snapshot. */
  readonly entries: number
  /** The digest of what they are now. */
  readonly first: number
  readonly second: number
}

const beginning: MemoryMark = { entries: 0, first: 0, second: 0 }

class Memory {
  /** Buffers, by the order in which they are met, that have cells of one byte. */
  readonly byteCells = new Set<number>()
  /** Moves where a state begins that can be gone back to: from then on, the first change of a block is noted anew. */
  epoch = 1
  /** Set where an array could not be added, as long as nobody has seen to it. */
  finerNeeded: FinerCellsNeeded | null = null
  /** Cells in use. */
  cells = 0
  #buffers = new Map<ArrayBufferLike, TrackedBuffer>()
  #order: TrackedBuffer[] = []
  /** Buffers whose memory is that of one in `#order`, and how many are there from the beginning of each execution. */
  readonly #aliases: ArrayBufferLike[] = []
  #persistentAliases = 0
  /** Buffers that are there from the beginning of each execution, and their cells. */
  #persistentBuffers = 0
  /** The digest of memory at the last mark. */
  #digest: MemoryMark = { entries: 0, first: 0, second: 0 }
  /** What was there before: the words of a block, then its number and the epoch of the change before that. */
  readonly #logBuffers: TrackedBuffer[] = []
  #log = new Int32Array(LOG_ENTRIES * ENTRY_WORDS)

  /** Forgets all buffers. */
  clear(): void {
    this.finerNeeded = null
    this.#buffers = new Map()
    this.#order = []
    this.#aliases.length = 0
    this.#persistentAliases = 0
    this.cells = 0
    this.#persistentBuffers = 0
    this.#forgetChanges()
  }

  #forgetChanges(): void {
    this.#logBuffers.length = 0
    this.#digest = beginning
  }

  /**
   * Watches the accesses of `array` if `shared`, or else notes only its changes; the first array of a buffer decides.
   * Returns the array. Throws FinerCellsNeeded for the first view of single bytes of a buffer that was thought to have
   * none.
   */
  add<T extends ArrayBufferView>(array: T, shared: boolean): T {
    let buffer = this.#buffers.get(array.buffer)
    const elementBytes = elementBytesOf(array)
    if (buffer === undefined && (buffer = this.sameMemory(array.buffer)) !== undefined) {
      this.#buffers.set(array.buffer, buffer)
      this.#aliases.push(array.buffer)
    }
    if (buffer === undefined) {
      const small = elementBytes < 4 || this.byteCells.has(this.#order.length)
      const cellBytes = small ? 1 : 4
      const firstCell = shared ? this.cells : 0
      buffer = new TrackedBuffer(array.buffer, shared, this.#order.length, cellBytes, firstCell)
      if (shared) this.cells += Math.ceil(array.buffer.byteLength / cellBytes)
      this.#buffers.set(array.buffer, buffer)
      this.#order.push(buffer)
    }
    if (elementBytes < buffer.cellBytes) throw (this.finerNeeded = new FinerCellsNeeded(buffer.ordinal))
    const view = new View(buffer, array)
    // Not enumerable, so that the array still equals one like it.
    const property = { value: view, writable: true, configurable: true }
    Object.defineProperty(array, TRACKED, property)
    if (buffer.shared) Object.defineProperty(array, SHARED, property)
    return array
  }

  has(buffer: ArrayBufferLike): boolean {
    return this.#buffers.has(buffer)
  }

  /**
   * The buffer that is known and has the same memory as this one, which is not known: another object for it comes from
   * structuredClone, through a port, or from a memory of WebAssembly that grows. Nothing tells but what is in it, so a
   * byte is changed for a moment; nobody else runs meanwhile.
   */
  sameMemory(buffer: ArrayBufferLike): TrackedBuffer | undefined {
    if (!(buffer instanceof SharedArrayBuffer) || buffer.byteLength === 0 || this.#buffers.has(buffer))
      return undefined
    const byte = new Uint8Array(buffer, 0, 1)
    const before = byte[0]!
    const isSame = (known: TrackedBuffer): boolean => {
      if (!known.shared || known.buffer.byteLength === 0) return false
      const there = new Uint8Array(known.buffer, 0, 1)
      if (there[0] !== before) return false
      byte[0] = ~before
      const follows = there[0] !== before
      byte[0] = before
      return follows
    }
    return this.#order.find(isSame)
  }

  /** What is there now is what each execution begins with. */
  takeSnapshot(): void {
    this.#persistentBuffers = this.#order.length
    this.#persistentAliases = this.#aliases.length
    for (const buffer of this.#order) buffer.changed.fill(0)
    this.epoch = 1
    this.#forgetChanges()
  }

  /** A block is about to be changed, for the first time in this epoch. */
  noteBlock(buffer: TrackedBuffer, block: number): void {
    const before = buffer.changed[block]!
    buffer.changed[block] = this.epoch
    const entry = this.#logBuffers.push(buffer) * ENTRY_WORDS
    if (entry > this.#log.length) this.#growLog()
    const log = this.#log
    const first = block << BLOCK_SHIFT
    const { words } = buffer
    const count = Math.min(BLOCK_WORDS, words.length - first)
    const at = entry - ENTRY_WORDS
    for (let word = 0; word < count; word++) log[at + word] = words[first + word]!
    log[at + BLOCK_WORDS] = block
    log[at + BLOCK_WORDS + 1] = before
  }

  #growLog(): void {
    const log = new Int32Array(this.#log.length * 2)
    log.set(this.#log)
    this.#log = log
  }

  /** The memory as it is now can be gone back to, until something from before is. */
  mark(): MemoryMark {
    this.epoch++
    this.#digest = this.#digestNow()
    return this.#digest
  }

  /** Back to what it was at a mark. No buffer was made since. */
  goBack(mark: MemoryMark): void {
    const { entries } = mark
    const log = this.#log
    while (this.#logBuffers.length > entries) {
      const { words, changed } = this.#logBuffers.pop()!
      const at = this.#logBuffers.length * ENTRY_WORDS
      const block = log[at + BLOCK_WORDS]!
      const first = block << BLOCK_SHIFT
      const count = Math.min(BLOCK_WORDS, words.length - first)
      for (let word = 0; word < count; word++) words[first + word] = log[at + word]!
      changed[block] = log[at + BLOCK_WORDS + 1]!
    }
    this.#digest = mark
    this.epoch++
  }

  /** A digest of what differs from the snapshot: equal for equal contents, whatever happened in between. */
  digest(): string {
    const { first, second } = this.#digestNow()
    return `${first} ${second}`
  }

  /** Each word counts as what it is less what it was: so only what has changed since the last mark is looked at. */
  #digestNow(): MemoryMark {
    const log = this.#log
    const entries = this.#logBuffers.length
    let { first, second } = this.#digest
    for (let entry = this.#digest.entries; entry < entries; entry++) {
      const { words, ordinal } = this.#logBuffers[entry]!
      const at = entry * ENTRY_WORDS
      const start = log[at + BLOCK_WORDS]! << BLOCK_SHIFT
      const count = Math.min(BLOCK_WORDS, words.length - start)
      for (let word = 0; word < count; word++) {
        const value = words[start + word]!
        const before = log[at + word]!
        if (value === before) continue
        const place = Math.imul(start + word + 1, 0x9e3779b1) ^ Math.imul(ordinal + 1, 0x85ebca6b)
        const other = Math.imul(place, 0xc2b2ae35)
        first = (first + mix(place ^ value) - mix(place ^ before)) | 0
        second =
          (second + mix(other ^ Math.imul(value, 0x27d4eb2f)) - mix(other ^ Math.imul(before, 0x27d4eb2f))) |
          0
      }
    }
    return { entries, first, second }
  }

  /** Back to the snapshot; buffers that were made since are forgotten. */
  restore(): void {
    this.finerNeeded = null
    this.goBack(beginning)
    while (this.#aliases.length > this.#persistentAliases) this.#buffers.delete(this.#aliases.pop()!)
    while (this.#order.length > this.#persistentBuffers) {
      const buffer = this.#order.pop()!
      this.#buffers.delete(buffer.buffer)
      if (buffer.shared) this.cells = buffer.firstCell
    }
  }
}

/** The memory of the program that is being run: there is one at a time. */
export const memory = new Memory()
