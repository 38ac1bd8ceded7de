// A file in memory, as one thread sees it.

import {
  FILE_NO_FAULT_AROUND,
  FILE_WRITE_NOTIFY,
  File,
  PAGE_SIZE,
  type Task,
  PG_DIRTY,
  createFile,
  finishCall,
  getFilePage,
  loadPage,
  noteWritten,
  sectorMask,
  putFile,
  putPage,
  setPageFlags,
} from '../../kernel/index.ts'
import { MemoryError, OutOfMemory, assertBytes } from './errors.ts'
import { Machine, type MachineHandle } from './machine.ts'

export interface MemoryFileOptions {
  readonly name?: string
  /** Size in bytes, 0 to 8 TiB less a page. */
  readonly size: number
  /** What the file contains from its beginning; the rest is zeros. */
  readonly contents?: Uint8Array
  /** Whether a read fault maps the cached pages around it too. Default true. */
  readonly faultAround?: boolean
  /** Whether the first write to a page through a shared mapping faults, as files on disk need it. Default false. */
  readonly dirtyTracking?: boolean
}

/** What another thread needs to use the file. */
export interface MemoryFileHandle {
  readonly kind: 'faultline-file'
  readonly machine: MachineHandle
  readonly file: number
  readonly generation: number
  readonly name: string
}

const SIZE_MAX = (2 ** 31 - 2) * PAGE_SIZE

export class MemoryFile {
  /** For Machine.createFile(). */
  static create(machine: Machine, options: MemoryFileOptions): MemoryFile {
    const { size, contents } = options
    if (contents !== undefined) assertBytes(contents)
    if (!Number.isSafeInteger(size) || size < 0 || size > SIZE_MAX) {
      throw new RangeError(`a file of ${size} bytes: the size is a whole number from 0 to 8 TiB`)
    }
    if (contents !== undefined && contents.length > size) {
      throw new RangeError(`${contents.length} bytes of contents do not fit in a file of ${size} bytes`)
    }
    const pages = Math.ceil(size / PAGE_SIZE)
    const lastBytes = size === 0 ? 0 : size - (pages - 1) * PAGE_SIZE
    const flags =
      (options.faultAround === false ? FILE_NO_FAULT_AROUND : 0) |
      (options.dirtyTracking === true ? FILE_WRITE_NOTIFY : 0)
    const pointer = machine.enter('createFile', (task) => createFile(task, pages, lastBytes, flags))
    if (pointer === 0) throw new OutOfMemory('createFile', 'the kernel heap is used up')
    const file = new MemoryFile(
      machine,
      pointer,
      machine.task.heap[pointer + File.generation]!,
      options.name ?? '',
      true,
    )
    try {
      if (contents !== undefined) file.write(0, contents)
    } catch (error) {
      file.close()
      throw error
    }
    return file
  }

  /**
   * The same file in another thread, which gets attached to its machine. It does not hold the file: when its creator
   * closes it, it is closed for all, and only mappings keep its pages.
   */
  static attach(handle: MemoryFileHandle): MemoryFile {
    const file = new MemoryFile(
      Machine.attach(handle.machine),
      handle.file,
      handle.generation,
      handle.name,
      false,
    )
    file.assertOpen()
    return file
  }

  readonly machine: Machine
  readonly name: string
  /** The file in the kernel heap. For this package; not part of the stable interface. */
  readonly pointer: number
  readonly #generation: number
  /** Whether closing this object gives the file up. */
  readonly #holds: boolean
  #closed = false

  private constructor(machine: Machine, pointer: number, generation: number, name: string, holds: boolean) {
    this.machine = machine
    this.pointer = pointer
    this.#generation = generation
    this.#holds = holds
    this.name = name
  }

  get handle(): MemoryFileHandle {
    const { pointer: file, name } = this
    return { kind: 'faultline-file', machine: this.machine.handle, file, generation: this.#generation, name }
  }

  /** Size in bytes. */
  get size(): number {
    const { heap } = this.machine.task
    const pages = heap[this.pointer + File.pages]!
    return pages === 0 ? 0 : (pages - 1) * PAGE_SIZE + heap[this.pointer + File.lastBytes]!
  }

  /** Brings `pages` pages from page `firstPage` on into the page cache. What lies beyond the end is left out. */
  populate(firstPage: number, pages: number): void {
    this.assertOpen()
    checkRange(firstPage, pages)
    const end = Math.min(firstPage + pages, Math.ceil(this.size / PAGE_SIZE))
    this.machine.enter('populate', (task) => {
      for (let index = firstPage; index < end; index++) putPage(task, this.#page(task, index, 'populate'))
    })
  }

  /** The bytes [offset, offset + length), cut off at the end of the file. */
  read(offset: number, length: number): Uint8Array {
    this.assertOpen()
    checkRange(offset, length)
    const bytes = new Uint8Array(Math.max(0, Math.min(length, this.size - offset)))
    this.machine.enter('read', (task) => {
      forEachPage(offset, bytes.length, (index, within, done, run) => {
        // A hole reads as zeros.
        if (loadPage(task, this.pointer, index) === 0) return
        const frame = this.#page(task, index, 'read')
        const from = frame * PAGE_SIZE + within
        bytes.set(task.memory.bytes.subarray(from, from + run), done)
        putPage(task, frame)
      })
    })
    return bytes
  }

  /** Writes `bytes` at `offset`. Throws a RangeError when they reach beyond the end. */
  write(offset: number, bytes: Uint8Array): void {
    this.assertOpen()
    assertBytes(bytes)
    checkRange(offset, bytes.length)
    if (offset + bytes.length > this.size) {
      throw new RangeError(
        `${bytes.length} bytes at ${offset} reach beyond the end of a file of ${this.size} bytes`,
      )
    }
    this.machine.enter('write', (task) => {
      forEachPage(offset, bytes.length, (index, within, done, run) => {
        const frame = this.#page(task, index, 'write')
        noteWritten(task, frame, sectorMask(within, run))
        task.memory.bytes.set(bytes.subarray(done, done + run), frame * PAGE_SIZE + within)
        setPageFlags(task, frame, PG_DIRTY)
        putPage(task, frame)
      })
    })
  }

  /** Closes the file: in the thread that created it, for all. Its pages stay while it is mapped. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    if (!this.#holds) return
    this.machine.enter('close', (task) => {
      putFile(task, this.pointer)
      finishCall(task)
    })
  }

  #page(task: Task, index: number, call: string): number {
    const frame = getFilePage(task, this.pointer, index)
    if (frame === 0) throw new OutOfMemory(call, 'no frame is free')
    return frame
  }

  /** Throws MemoryError EBADF when this MemoryFile is closed. */
  assertOpen(): void {
    const exists = this.machine.task.heap[this.pointer + File.generation] === this.#generation
    if (this.#closed || !exists) throw new MemoryError('EBADF', 'file', 'the file is closed')
  }
}

function checkRange(offset: number, length: number): void {
  if (Number.isSafeInteger(offset) && offset >= 0 && Number.isSafeInteger(length) && length >= 0) return
  throw new RangeError(`${length} bytes at ${offset}: both are whole numbers from 0`)
}

function forEachPage(
  offset: number,
  length: number,
  visit: (index: number, within: number, done: number, run: number) => void,
): void {
  for (let done = 0; done < length;) {
    const within = (offset + done) % PAGE_SIZE
    const run = Math.min(PAGE_SIZE - within, length - done)
    visit(Math.floor((offset + done) / PAGE_SIZE), within, done, run)
    done += run
  }
}
