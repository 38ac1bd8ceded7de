// Where a heap keeps its state, in words from its beginning, and the sizes of its blocks.
//
// The state is apart from the blocks, as in Mesh (Powers, Tench, Berger, McGregor, PLDI 2019) and jemalloc: a write
// beyond a block damages a neighbour, never the heap, and the state of memory given back to the kernel remains.

/** What is handed out or taken back as a whole, in bytes, at the real size. */
export const SPAN_BYTES = 65_536

/** Blocks are at least so large, and at multiples of it. */
export const GRAIN = 16

/** The largest block that shares its span with others. */
export const LARGEST_SMALL = SPAN_BYTES / 4

/**
 * The sizes of small blocks, in bytes: steps of 16 up to 128, then four to each doubling, as in jemalloc, so that at
 * most a fifth of a block of more than 128 bytes is unused.
 */
export const SIZES: readonly number[] = sizes()

function sizes(): number[] {
  const list: number[] = []
  for (let size = GRAIN; size < 128; size += GRAIN) list.push(size)
  for (let power = 128; power < LARGEST_SMALL; power *= 2)
    for (let quarter = 4; quarter < 8; quarter++) list.push((power / 4) * quarter)
  list.push(LARGEST_SMALL)
  return list
}

/** How large a heap is, and what it is cut into. The checks of its algorithm take small ones. */
export interface HeapShape {
  readonly spanBytes: number
  /** The sizes of small blocks, ascending. */
  readonly sizes: readonly number[]
  readonly spans: number
  readonly cpus: number
}

/** The first page: what never changes, and the lock, on which threads sleep. */
export const Fixed = { magic: 0, spans: 1, cpus: 2, retain: 3, identity: 4, lock: 5 } as const
/** 'heap', and the version of this layout. */
export const HEAP_LAYOUT = 0x6865_6101

const PAGE_WORDS = 1024

/**
 * The second page: it is not pinned by who waits for the lock, so that a fork has it as it was when it had the rest.
 * `root` is the program's.
 */
export const Common = {
  home: PAGE_WORDS,
  mapped: PAGE_WORDS + 1,
  retained: PAGE_WORDS + 2,
  root: PAGE_WORDS + 3,
} as const
const CACHES = PAGE_WORDS + 4

/** What a word that says what a span is has in its lowest bits. */
export const SPAN_FREE = 0
export const SPAN_SMALL = 1
/** The first span of a block of whole spans; their number is in the bits above. */
export const SPAN_LARGE = 2
/** A further span of such a block. */
export const SPAN_TAIL = 3
export const KIND_MASK = 3
export const KIND_BITS = 2
/** Of a small one: a CPU has it, and its thread alone takes blocks from it. */
export const SPAN_OWNED = 4
export const CLASS_BITS = 3

export class HeapLayout {
  readonly shape: HeapShape
  readonly classes: number
  /** Words of the bitmap of blocks of each span. */
  readonly bitmapWords: number
  /** Words of each set of spans. */
  readonly setWords: number
  /** After the sets of spans with free blocks, one for each size: those that are free, and those of them in memory. */
  readonly freeSet: number
  readonly keptSet: number
  readonly words: number
  /** Where the first span begins, in bytes: after all words. */
  readonly spansAt: number
  readonly #sets: number
  readonly #states: number
  readonly #bitmaps: number

  constructor(shape: HeapShape) {
    const { spanBytes, sizes: sizesOf, spans, cpus } = shape
    this.shape = shape
    this.classes = sizesOf.length
    this.bitmapWords = Math.ceil(spanBytes / sizesOf[0]! / 32)
    this.setWords = Math.ceil(spans / 32)
    this.freeSet = this.classes
    this.keptSet = this.classes + 1
    this.#sets = CACHES + cpus * this.classes
    this.#states = this.#sets + (this.classes + 2) * this.setWords
    this.#bitmaps = this.#states + spans
    this.words = this.#bitmaps + spans * this.bitmapWords
    this.spansAt = Math.ceil((this.words * 4) / SPAN_BYTES) * SPAN_BYTES
  }

  /** Which span, plus one, a CPU takes blocks of that size from; 0 for none. */
  cacheAt(cpu: number, size: number): number {
    return CACHES + cpu * this.classes + size
  }

  /** The word of a set in which a span has its bit. */
  setAt(set: number, span: number): number {
    return this.#sets + set * this.setWords + (span >>> 5)
  }

  stateAt(span: number): number {
    return this.#states + span
  }

  /** The first word of the bitmap of a span: a bit is set where a block is free. */
  bitmapAt(span: number): number {
    return this.#bitmaps + span * this.bitmapWords
  }

  slotsOf(size: number): number {
    return Math.floor(this.shape.spanBytes / this.shape.sizes[size]!)
  }

  /** The bits of word `index` of a bitmap that stand for blocks. */
  maskOf(size: number, index: number): number {
    const left = this.slotsOf(size) - 32 * index
    return left >= 32 ? 0xffff_ffff : 2 ** left - 1
  }

  /** How many words of its bitmap a span of that size uses. */
  wordsOf(size: number): number {
    return Math.ceil(this.slotsOf(size) / 32)
  }
}
