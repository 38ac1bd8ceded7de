// A file in memory, as one thread sees it.

import {
  FILE_NO_FAULT_AROUND,
  FILE_WRITE_NOTIFY,
  OpenFile,
  closeFile,
  createFile,
  finishCall,
  installFile,
  numberAt,
  putFile,
} from '../../kernel/index.ts'
import {
  type OptionChecks,
  checkBoolean,
  checkString,
  viewedBytes,
  rangeError,
  readOptions,
} from './arguments.ts'
import { OWN, type Own } from './construction.ts'
import { OutOfMemory } from './errors.ts'
import { type MachineHandle, readPlace } from './handles.ts'
import { MachineFile, checkWrite, fileSize } from './machine-file.ts'
import { sizeInPages } from './size.ts'
import { MachineThread } from './machine-thread.ts'
import { type Opened, findOpened } from './opened-file.ts'
import { assureRoomForSteps } from './stack-room.ts'

/** A file in memory, for Machine.createFile(). */
export interface MemoryFileOptions {
  readonly name?: string
  /** Size in bytes, or as '64MiB'; 0 to 8 TiB less a page. */
  readonly size: number | string
  /** What the file contains from its beginning; the rest is zeros. */
  readonly contents?: ArrayBufferView
  /** Whether a read fault maps the cached pages around it too. Default true. */
  readonly faultAround?: boolean
  /** Whether the first write to a page through a shared mapping faults, as files on disk need it. Default false. */
  readonly dirtyTracking?: boolean
}

const checks: OptionChecks<MemoryFileOptions> = {
  name: checkString,
  size: (value, name) => void fileSize(value, name),
  contents: viewedBytes,
  faultAround: checkBoolean,
  dirtyTracking: checkBoolean,
}

/** What another thread needs to use the file. */
export interface MemoryFileHandle {
  readonly kind: 'faultline-file'
  readonly machine: MachineHandle
  readonly file: number
  readonly generation: number
  readonly name: string
}

/**
 * A file in the memory of a machine, as one thread sees it; what can be mapped by several address spaces. By
 * Machine.createFile().
 */
export class MemoryFile extends MachineFile {
  /** @internal For Machine.createFile(). */
  static create(thread: MachineThread, given: MemoryFileOptions): MemoryFile {
    MachineThread.check(thread)
    assureRoomForSteps()
    const options = readOptions(given, 'createFile options', checks)
    const size = fileSize(options.size, 'size')
    const contents = options.contents === undefined ? undefined : viewedBytes(options.contents, 'contents')
    const length = contents?.length ?? 0
    if (length > size) rangeError('contents', length, `at most ${size} bytes, the size of the file`)
    const [pages, lastBytes] = sizeInPages(size)
    const flags =
      (options.faultAround === false ? FILE_NO_FAULT_AROUND : 0) |
      (options.dirtyTracking === true ? FILE_WRITE_NOTIFY : 0)
    let pointer = 0
    const open = thread.enter('createFile', (task) => {
      pointer = createFile(task, pages, lastBytes, flags)
      const installed = pointer === 0 ? 0 : installFile(task, pointer, true)
      if (pointer !== 0 && installed === 0) putFile(task, pointer)
      if (installed === 0) finishCall(task)
      return installed
    })
    if (open === 0) throw new OutOfMemory('createFile', 'the kernel heap is used up')
    const generation = numberAt(thread.task.heap, open + OpenFile.generation)
    const opened = { open, generation, pointer, writable: true, owns: true }
    const file = new MemoryFile(OWN, thread, opened, options.name ?? '')
    try {
      if (contents !== undefined) file.writeAt(0, contents, length, false, 'contents')
    } catch (error) {
      file.close()
      throw error
    }
    return file
  }

  /**
   * The same file in another thread, which gets attached to its machine. It does not hold the file: when its creator
   * closes it, or ends or detaches, it is closed for all, and only mappings keep its pages. Errors: EBADF (closed), and
   * those of Machine.attach(), also for what is no handle of a file in memory.
   */
  static attach(handle: MemoryFileHandle): MemoryFile {
    const { rest, ...place } = readPlace(handle, 'faultline-file', 'a file in memory', 'file', ['name'])
    const { name } = rest
    checkString(name, 'handle.name')
    const thread = MachineThread.attach(place.machine)
    return new MemoryFile(OWN, thread, findOpened(thread, place, false), name)
  }

  /** Where the file is open, which closing this object ends; 0 where another has opened it. */
  readonly #open: number

  private constructor(key: Own, thread: MachineThread, opened: Opened, name: string) {
    super(key, thread, opened, name)
    this.#open = opened.owns ? opened.open : 0
  }

  /** For a thread that is to use the file: MemoryFile.attach() takes it. */
  get handle(): MemoryFileHandle {
    return { kind: 'faultline-file', machine: super.thread.handle, ...super.opened, name: this.name }
  }

  /** Writes `bytes` at `offset`. Throws a RangeError when they reach beyond the end. */
  write(offset: number, bytes: ArrayBufferView): void {
    const plain = checkWrite(offset, bytes)
    super.assertOpen()
    const size = super.size
    const { length } = plain
    if (offset + length > size)
      rangeError('offset', offset, `in a file of ${size} bytes, with ${length} bytes behind it`)
    super.writeAt(offset, plain, length, false, 'bytes')
  }

  /**
   * Closes the file: in the thread that created it, for all. Its pages stay while it is mapped. The end of that thread
   * closes it too.
   */
  close(): void {
    if (super.closed) return
    assureRoomForSteps()
    super.markClosed()
    if (this.#open === 0) return
    super.thread.enter('close', (task) => {
      closeFile(task, this.#open)
      finishCall(task)
    })
  }
}
