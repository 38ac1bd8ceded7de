// The host of scenario machines: files on a disk that is shared memory, so that each word read or written is a step.
//
// It knows two files, by the inode that their structs carry. Of each page it keeps the first words, which are all that
// scenarios use. What it transfers, it transfers as a device does: a program may write to a page meanwhile.

import { File, type Host, PAGE_SIZE, PAGE_WORDS, type PhysicalMemory } from '../kernel/index.ts'

/** Inodes: a file of data, and the swap area. */
export const DATA_FILE = 1
export const SWAP_FILE = 2

const FILES = 2
const PAGES_MAX = 8
const WORDS_OF_PAGE = 2
const WORDS_OF_FILE = 1 + PAGES_MAX * WORDS_OF_PAGE

// Before the files: how many of the next requests fail.
const FAILING_READS = 0
const FAILING_WRITES = 1
const CONTROL_WORDS = 16

const EIO = 5

export class ScenarioDisk implements Host {
  readonly #heap: Int32Array
  readonly #memory: PhysicalMemory
  readonly #words = new Int32Array(new SharedArrayBuffer(4 * (CONTROL_WORDS + FILES * WORDS_OF_FILE)))

  constructor(heap: Int32Array, memory: PhysicalMemory) {
    this.#heap = heap
    this.#memory = memory
  }

  /** Gives a file a size in pages. */
  resize(inode: number, pages: number): void {
    const size = sizeOf(inode)
    for (let page = pages; page < Atomics.load(this.#words, size); page++) {
      for (let word = 0; word < WORDS_OF_PAGE; word++)
        Atomics.store(this.#words, wordOf(inode, page, word), 0)
    }
    Atomics.store(this.#words, size, pages)
  }

  /** Pages that the file has. */
  pagesOf(inode: number): number {
    return Atomics.load(this.#words, sizeOf(inode))
  }

  load(inode: number, page: number, word = 0): number {
    return Atomics.load(this.#words, wordOf(inode, page, word))
  }

  store(inode: number, page: number, value: number, word = 0): void {
    Atomics.store(this.#words, wordOf(inode, page, word), value)
  }

  /** Has the next requests fail. */
  failNext(reads: number, writes: number): void {
    Atomics.store(this.#words, FAILING_READS, reads)
    Atomics.store(this.#words, FAILING_WRITES, writes)
  }

  #fails(kind: number): boolean {
    if (Atomics.load(this.#words, kind) === 0) return false
    Atomics.sub(this.#words, kind, 1)
    return true
  }

  stillWaiting(): void {}

  /** Time does not pass. */
  waitsLong(): boolean {
    return false
  }

  readPages(file: number, index: number, frames: Int32Array, count: number): number {
    if (this.#fails(FAILING_READS)) return -EIO
    const inode = this.#heap[file + File.hostInodeLow]!
    const pages = Math.max(0, Math.min(count, this.pagesOf(inode) - index))
    for (let n = 0; n < pages; n++) {
      for (let word = 0; word < WORDS_OF_PAGE; word++) {
        const value = this.load(inode, index + n, word)
        Atomics.store(this.#memory.words, frames[n]! * PAGE_WORDS + word, value)
      }
    }
    return pages * PAGE_SIZE
  }

  writePages(file: number, index: number, frames: Int32Array, count: number): number {
    if (this.#fails(FAILING_WRITES)) return -EIO
    const inode = this.#heap[file + File.hostInodeLow]!
    for (let n = 0; n < count; n++) {
      for (let word = 0; word < WORDS_OF_PAGE; word++) {
        this.store(inode, index + n, Atomics.load(this.#memory.words, frames[n]! * PAGE_WORDS + word), word)
      }
    }
    if (index + count > this.pagesOf(inode)) Atomics.store(this.#words, sizeOf(inode), index + count)
    return 0
  }

  syncFile(): number {
    return 0
  }

  truncateFile(file: number, pages: number): number {
    this.resize(this.#heap[file + File.hostInodeLow]!, pages)
    return 0
  }

  openFile(): number {
    return 0
  }

  forgetFile(): void {}

  isCalledOut(): boolean {
    return false
  }
}

function sizeOf(inode: number): number {
  return CONTROL_WORDS + (inode - 1) * WORDS_OF_FILE
}

function wordOf(inode: number, page: number, word: number): number {
  return sizeOf(inode) + 1 + page * WORDS_OF_PAGE + word
}
