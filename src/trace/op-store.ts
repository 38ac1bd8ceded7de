/**
 * A growing sequence of 32-bit words that is read back in order: the operations of an address space or of a worker.
 *
 * Principles: words, not objects (an operation costs 16 bytes or a few more); kept in shared memory, so that worker
 * threads read them without a copy, as long as all sequences together stay below a bound; beyond it, full chunks go to
 * a temporary file and are read back one at a time, so that a trace may be larger than memory. A record never
 * straddles two chunks.
 */
import { closeSync, openSync, readSync, rmSync, unlinkSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { randomUUID } from 'node:crypto'
import { TraceError } from './errors.ts'

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

/** The temporary file. It has no name once it is open, so that it vanishes with the process however that ends. */
class SpoolFile {
  readonly descriptor: number
  readonly #file: string
  readonly #directory: string
  #named = false
  #size = 0

  constructor(file: string, directory: string) {
    this.#file = file
    this.#directory = directory
    const name = path.join(directory, `faultline-${process.pid}-${randomUUID()}.spool`)
    try {
      this.descriptor = openSync(name, 'wx+', 0o600)
    } catch (error) {
      throw this.#failed(error as NodeJS.ErrnoException)
    }
    try {
      unlinkSync(name)
    } catch {
      // Where an open file keeps its name (Windows), it goes when the process exits.
      this.#named = true
      process.once('exit', () => rmSync(name, { force: true }))
    }
  }

  get isNamed(): boolean {
    return this.#named
  }

  append(words: Int32Array, length: number): number {
    const offset = this.#size
    this.#write(words, length, offset)
    this.#size += length * WORD_BYTES
    return offset
  }

  overwrite(offset: number, value: number): void {
    this.#write(Int32Array.of(value), 1, offset)
  }

  #write(words: Int32Array, length: number, offset: number): void {
    const bytes = new Uint8Array(words.buffer, words.byteOffset, length * WORD_BYTES)
    try {
      for (let done = 0; done < bytes.length;) {
        done += writeSync(this.descriptor, bytes, done, bytes.length - done, offset + done)
      }
    } catch (error) {
      throw this.#failed(error as NodeJS.ErrnoException)
    }
  }

  close(): void {
    closeSync(this.descriptor)
  }

  #failed(error: NodeJS.ErrnoException): TraceError {
    const megabytes = Math.ceil(this.#size / 1e6)
    const problem =
      error.code === 'ENOSPC'
        ? `${this.#directory} has no room for the temporary file (it holds ${megabytes} MB and is not complete)`
        : `the temporary file in ${this.#directory} failed (${error.message})`
    return new TraceError(
      'spool',
      this.#file,
      undefined,
      problem,
      'Set TMPDIR to a directory with more room.',
      error,
    )
  }
}

/** The bound on memory that all sequences of one trace share, and the temporary file for what is beyond it. */
export class OpStore {
  readonly #file: string
  readonly #limit: number
  readonly #directory: string
  #used = 0
  #spool: SpoolFile | null = null

  /**
   * @param file the trace, for messages
   * @param limit bytes that may stay in memory
   * @param directory where the temporary file goes
   */
  constructor(file: string, limit: number, directory: string = tmpdir()) {
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
    for (let done = 0; done < bytes.length;) {
      const count = readSync(handle.descriptor, bytes, done, bytes.length - done, chunk.offset + done)
      if (count === 0)
        throw new Error('the temporary file of the trace is shorter than what was written to it')
      done += count
    }
    yield { words: read, length: chunk.length }
  }
}
