/**
 * A growing sequence of 32-bit words that is read back in order: the operations of an address space or of a worker.
 *
 * Principles: words, not objects (an operation costs 16 bytes or a few more); kept in shared memory, so that worker
 * threads read them without a copy, as long as all sequences together stay below a bound; beyond it, full chunks go to
 * a temporary file and are read back one at a time, so that a trace may be larger than memory. A record never
 * straddles two chunks.
 */
import { SpoolFile, readSpool } from './spool-file.ts'

const FIRST_CHUNK_WORDS = 256
/** Words of a full chunk: 256 KiB. */
export const CHUNK_WORDS = 1 << 16
const WORD_BYTES = Int32Array.BYTES_PER_ELEMENT

/** Where a chunk is: in shared memory, or in the temporary file at a byte offset. */
export type Chunk =
  | { readonly words: Int32Array<SharedArrayBuffer>; readonly length: number }
  | { readonly offset: number; readonly length: number }

/** What a worker needs to read a sequence: structured-cloneable. */
export interface WordStreamHandle {
  readonly chunks: readonly Chunk[]
  /** File descriptor of the temporary file (threads of a process share it), or -1. */
  readonly descriptor: number
}

/** The bound on memory that all sequences of one trace share, and the temporary file for what is beyond it. */
export class OpStore {
  readonly #file: string
  readonly #limit: number
  readonly #directory: string | undefined
  #used = 0
  #spool: SpoolFile | null = null

  /**
   * @param file the trace, for messages
   * @param limit bytes that may stay in memory
   * @param directory where the temporary file goes; the system's directory for that unless given
   */
  constructor(file: string, limit: number, directory?: string) {
    this.#file = file
    this.#limit = limit
    this.#directory = directory
  }

  get descriptor(): number {
    return this.#spool?.descriptor ?? -1
  }

  get spooled(): boolean {
    return this.#spool !== null
  }

  createStream(): WordStream {
    return new WordStream(this)
  }

  /** Puts a finished chunk where it stays. */
  place(words: Int32Array<SharedArrayBuffer>, length: number): Chunk {
    const bytes = words.byteLength
    if (this.#used + bytes <= this.#limit) {
      this.#used += bytes
      return { words, length }
    }
    this.#spool ??= new SpoolFile(this.#file, this.#directory)
    return { offset: this.#spool.append(words, length), length }
  }

  overwrite(offset: number, value: number): void {
    this.#spool!.overwrite(offset, value)
  }

  /** Ends the use of every sequence of this store. */
  close(): void {
    this.#spool?.close()
    this.#spool = null
  }
}

/** One sequence. Write with `reserve`, end with `seal`, then read with `handle`. */
export class WordStream {
  readonly #store: OpStore
  readonly #chunks: Chunk[] = []
  /** Word number, in the sequence, of each chunk's first word. */
  readonly #starts: number[] = []
  #start = 0
  #length = 0
  /** Where `reserve` allows to write. */
  words: Int32Array<SharedArrayBuffer> = EMPTY

  constructor(store: OpStore) {
    this.#store = store
  }

  /** Number of words written. */
  get length(): number {
    return this.#start + this.#length
  }

  /** Makes room for a record of `count` words; returns where in `words` it begins. */
  reserve(count: number): number {
    if (this.#length + count > this.words.length) this.#grow(count)
    const at = this.#length
    this.#length = at + count
    return at
  }

  /** The word number in the whole sequence of position `at` in `words`: stays good when `words` changes. */
  position(at: number): number {
    return this.#start + at
  }

  /** Changes one word that was written earlier. */
  set(position: number, value: number): void {
    if (position >= this.#start) {
      this.words[position - this.#start] = value
      return
    }
    // What is changed later was nearly always written a moment ago.
    let chunk = this.#starts.length - 1
    while (this.#starts[chunk]! > position) chunk--
    const found = this.#chunks[chunk]!
    const index = position - this.#starts[chunk]!
    if ('words' in found) found.words[index] = value
    else this.#store.overwrite(found.offset + index * WORD_BYTES, value)
  }

  #grow(count: number): void {
    const size = this.words.length
    if (size < CHUNK_WORDS) {
      let larger = size === 0 ? FIRST_CHUNK_WORDS : size * 4
      while (larger < this.#length + count) larger *= 2
      const words = new Int32Array(new SharedArrayBuffer(larger * WORD_BYTES))
      words.set(this.words.subarray(0, this.#length))
      this.words = words
      return
    }
    this.#place()
    this.words = new Int32Array(new SharedArrayBuffer(CHUNK_WORDS * WORD_BYTES))
  }

  #place(): void {
    this.#chunks.push(this.#store.place(this.words, this.#length))
    this.#starts.push(this.#start)
    this.#start += this.#length
    this.#length = 0
    this.words = EMPTY
  }

  /** Nothing more will be written for now: gives the unused end of the last chunk back. */
  seal(): void {
    if (this.#length === 0) return
    if (this.words.length > this.#length) {
      const words = new Int32Array(new SharedArrayBuffer(this.#length * WORD_BYTES))
      words.set(this.words.subarray(0, this.#length))
      this.words = words
    }
    this.#place()
  }

  handle(): WordStreamHandle {
    this.seal()
    return { chunks: this.#chunks.slice(), descriptor: this.#store.descriptor }
  }
}

const EMPTY = new Int32Array(new SharedArrayBuffer(0))

/**
 * The chunks of a sequence, in order. What is in the temporary file is read into one array that is used again for the
 * next chunk, so a chunk is valid until the next one is asked for.
 */
export function* readChunks(handle: WordStreamHandle): Generator<{ words: Int32Array; length: number }> {
  let read: Int32Array | null = null
  for (const chunk of handle.chunks) {
    if ('words' in chunk) {
      yield chunk
      continue
    }
    if (read === null || read.length < chunk.length)
      read = new Int32Array(Math.max(chunk.length, CHUNK_WORDS))
    const bytes = new Uint8Array(read.buffer, 0, chunk.length * WORD_BYTES)
    readSpool(handle.descriptor, bytes, chunk.offset)
    yield { words: read, length: chunk.length }
  }
}
