// A file of a machine, as one thread sees it: what files in memory and files on disk have in common.

import {
  EBADF,
  EFAULT,
  File,
  OpenFile,
  PAGE_SIZE,
  type Task,
  numberAt,
  putFile,
  putPage,
  errnoName,
  finishCall,
  getFilePage,
  getOpenFile,
  readFileSize,
  readFromFile,
  truncateFile,
  writeToFile,
} from '../../kernel/index.ts'
import { allocateBytes, checkBytes, checkWhole, goneInCall, typeError, viewedBytes } from './arguments.ts'
import { type Own, assertOwn, keepInThread } from './construction.ts'
import { MemoryError, OutOfMemory, checkResult } from './errors.ts'
import type { MachineThread } from './machine-thread.ts'
import type { Opened } from './opened-file.ts'
import { type Size, bytesOf, parseSize, sizeInPages } from './size.ts'

/** Most bytes that a file can have: 8 TiB less two pages. */
export const FILE_SIZE_MAX = (2 ** 31 - 2) * PAGE_SIZE

/** Bytes of the size of a file, which may be written as '64MiB'. Throws RangeError or TypeError for what is none. */
export function fileSize(value: unknown, name: string): number {
  const bytes = typeof value === 'string' ? parseSize(value, name) : value
  checkWhole(bytes, name, 0, FILE_SIZE_MAX, 'a whole number of bytes from 0 to 8 TiB')
  return bytes as number
}
/** Most bytes that are copied in one stay in the kernel, since others may be waiting for this CPU. */
const BYTES_AT_A_TIME = 64 * PAGE_SIZE

/** In place of the number of bytes read: the target has no room for them any more. */
const GONE = 2 * BYTES_AT_A_TIME

/** A file that can be mapped: a MemoryFile or a DiskFile. */
export abstract class MachineFile {
  readonly name: string
  // Private, so that a program cannot change it by setting properties of the object.
  readonly #thread: MachineThread
  readonly #pointer: number
  readonly #writable: boolean
  /** Where the file is open in the kernel, by the thread that has opened it, and under which number. */
  readonly #open: number
  readonly #generation: number
  /** Whether this object has opened it. */
  readonly #owns: boolean
  #closed = false

  protected constructor(key: Own, thread: MachineThread, opened: Opened, name: string) {
    assertOwn(key, 'MachineFile', 'machine.createFile(), machine.openFile() or attach()')
    keepInThread(this)
    this.#thread = thread
    this.#pointer = opened.pointer
    this.#writable = opened.writable
    this.#open = opened.open
    this.#generation = opened.generation
    this.#owns = opened.owns
    this.name = name
  }

  /**
   * @internal The address of a file in the kernel heap. Throws a TypeError for anything but a file. Runs no code of
   * the caller.
   */
  static pointerOf(file: unknown): number {
    if (typeof file !== 'object' || file === null || !(#pointer in file))
      typeError('file', file, 'a file that createFile() or openFile() gave')
    return file.#pointer
  }

  /**
   * @internal What mmap() needs of a file that is open on the machine of `thread`: whether it may be written to
   * through this object, and how to run a call with it in the kernel. Throws as mmap() says.
   */
  static forMapping(file: unknown, thread: MachineThread): MappableFile {
    MachineFile.pointerOf(file)
    const checked = file as MachineFile
    if (checked.#thread !== thread) {
      const error = new TypeError('file: it belongs to another machine')
      throw Object.assign(error, { code: 'ERR_INVALID_ARG_VALUE' })
    }
    checked.#assertOpen()
    return { writable: checked.#writable, use: (task, body) => checked.#use(task, body) }
  }

  /** The machine of the file, as this thread has it. */
  get machine(): MachineThread['machine'] {
    return this.#thread.machine
  }

  /** Closes the file. Its pages stay while it is mapped. */
  abstract close(): void

  /** {@link close}, for `using`; nothing where the thread has detached, which has closed it. */
  [Symbol.dispose](): void {
    if (this.#thread.isAttached) this.close()
  }

  /** The interface to this object for other modules of this package. */
  protected get thread(): MachineThread {
    return this.#thread
  }

  /** Where the file is open in the kernel, and under which number: what a handle of it says. */
  protected get opened(): { readonly file: number; readonly generation: number } {
    return { file: this.#open, generation: this.#generation }
  }

  /** @internal */
  protected get closed(): boolean {
    return this.#closed
  }

  /** @internal */
  protected markClosed(): void {
    this.#closed = true
  }

  /** @internal The file in the kernel heap. */
  get pointer(): number {
    return this.#pointer
  }

  /** Whether this object may write to the file. */
  get writable(): boolean {
    return this.#writable
  }

  /**
   * Size in bytes. It waits for a thread that changes the size or writes to the file: what others have appended before
   * it is there. Error: EBADF (the file is closed).
   */
  get size(): number {
    this.#assertOpen()
    return this.#call('size', (task) => readFileSize(task, this.#pointer))
  }

  /** Reads the two parts without a lock: while another thread changes the size, one may be old and the other new. */
  #size(): number {
    const { heap } = this.#thread.task
    const pages = Atomics.load(heap, this.#pointer + File.pages)
    return pages === 0 ? 0 : (pages - 1) * PAGE_SIZE + Atomics.load(heap, this.#pointer + File.lastBytes)
  }

  /**
   * Brings `pages` pages from page `firstPage` on into the page cache. What lies beyond the end is left out. Errors:
   * ENOMEM, and what reading from disk gives.
   */
  populate(firstPage: number, pages: number): void {
    this.#assertOpen()
    checkWhole(firstPage, 'firstPage', 0, Number.MAX_SAFE_INTEGER, 'a whole number from 0')
    checkWhole(pages, 'pages', 0, Number.MAX_SAFE_INTEGER, 'a whole number from 0')
    const end = Math.min(firstPage + pages, Math.ceil(this.#size() / PAGE_SIZE))
    for (let index = firstPage; index < end; index++) {
      this.#call('populate', (task) => {
        const frame = getFilePage(task, this.#pointer, index)
        if (frame === 0) return task.ioError
        putPage(task, frame)
        return 0
      })
    }
  }

  /**
   * The bytes [offset, offset + length), cut off at the end of the file. Errors: ENOMEM, and what reading from disk
   * gives.
   */
  read(offset: number, length: number): Uint8Array {
    this.#assertOpen()
    checkBytes(offset, 'offset')
    checkBytes(length, 'length')
    const bytes = allocateBytes(Math.max(0, Math.min(length, this.#size() - offset)))
    const done = this.#readInto(offset, bytes, bytes.length)
    // Another thread may have made the file shorter.
    return done < bytes.length ? bytes.slice(0, done) : bytes
  }

  /**
   * Reads from `offset` on into a typed array or DataView of any kind, without making an array for it. Returns how many
   * bytes it read: all of them, or what is left of the file there. Errors: those of read.
   */
  readInto(offset: number, target: ArrayBufferView): number {
    this.#assertOpen()
    checkBytes(offset, 'offset')
    const bytes = viewedBytes(target, 'target')
    return this.#readInto(offset, bytes, bytes.length)
  }

  #readInto(offset: number, bytes: Uint8Array, length: number): number {
    for (let done = 0; done < length;) {
      const run = Math.min(BYTES_AT_A_TIME, length - done)
      const read = this.#call('read', (task) => {
        const got = readFromFile(task, this.#pointer, offset + done, bytes, done, run)
        return got === -EFAULT ? GONE : got
      })
      if (read === GONE) goneInCall('target')
      // Fewer bytes came: the file ends there, or the next page cannot be read, which the next call reports.
      if (read === 0) return done
      done += read
    }
    return length
  }

  /**
   * Writes plain `bytes`, which were `length` when the call began and are its argument `name`, at `offset`. `mayGrow`
   * says whether the file may grow for that; else EFBIG.
   */
  protected writeAt(offset: number, bytes: Uint8Array, length: number, mayGrow: boolean, name: string): void {
    this.#assertOpen()
    this.#assertWritable('write')
    for (let done = 0; done < length;) {
      if (bytes.length !== length) goneInCall(name)
      const run = Math.min(BYTES_AT_A_TIME, length - done)
      done += this.#call('write', (task) => {
        const written = writeToFile(task, this.#pointer, offset + done, bytes, done, run, mayGrow)
        return written === -EFAULT ? 0 : written
      })
    }
  }

  /**
   * Gives the file that size, in bytes or as '64MiB', as ftruncate does. A mapping beyond the end answers with a
   * BusError from then on; what was cut off reads as zeros should the file grow again. Errors: EINVAL (opened for
   * reading only), EFBIG, and what the disk gives.
   */
  truncate(size: Size): void {
    this.#assertOpen()
    const bytes = bytesOf(size, 'size')
    if (bytes > FILE_SIZE_MAX) throw new MemoryError('EFBIG', 'truncate', 'a file has at most 8 TiB')
    if (!this.#writable) throw new MemoryError('EINVAL', 'truncate', 'the file is open for reading only')
    const [pages, lastBytes] = sizeInPages(bytes)
    this.#call('truncate', (task) => truncateFile(task, this.#pointer, pages, lastBytes))
  }

  /** Throws MemoryError EBADF when this file is closed. */
  assertOpen(): void {
    this.#assertOpen()
  }

  #assertOpen(): void {
    const isOpen = numberAt(this.#thread.task.heap, this.#open + OpenFile.generation) === this.#generation
    if (this.#closed || !isOpen) throw new MemoryError('EBADF', 'file', 'the file is closed')
  }

  #assertWritable(call: string): void {
    if (!this.#writable) throw new MemoryError('EBADF', call, 'the file is open for reading only')
  }

  /** Runs a call and turns a negative errno into an error. */
  protected call(call: string, body: (task: Task) => number): number {
    return this.#call(call, body)
  }

  #call(call: string, body: (task: Task) => number): number {
    const result = this.#thread.enter(call, (task) => this.#use(task, body))
    if (errnoName(-result) === 'ENOMEM') throw new OutOfMemory(call, `no frame is free for ${this.name}`)
    return checkResult(result, call, this.name)
  }

  /**
   * In the kernel: runs `body` with a reference on the file, which its opener may close meanwhile. Returns -EBADF where
   * it has.
   */
  #use(task: Task, body: (task: Task, pointer: number) => number): number {
    if (this.#owns) return body(task, this.#pointer)
    if (getOpenFile(task, this.#open, this.#generation) === 0) return -EBADF
    const result = body(task, this.#pointer)
    putFile(task, this.#pointer)
    finishCall(task)
    return result
  }
}

/** A file for mmap(). */
export interface MappableFile {
  readonly writable: boolean
  use(task: Task, body: (task: Task, pointer: number) => number): number
}

/** Throws a TypeError or RangeError unless `bytes` can be written at `offset` of some file. */
export function checkWrite(offset: number, bytes: unknown): Uint8Array {
  checkBytes(offset, 'offset')
  return viewedBytes(bytes, 'bytes')
}
