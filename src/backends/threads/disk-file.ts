// A file on disk, as one thread sees it. Its pages are cached by the machine, for all threads and address spaces: what
// one writes the others see at once, and the disk when it is synchronised. docs/files.md says what is promised when.

import { constants } from 'node:fs'
import { resolve } from 'node:path'
import {
  FILE_NO_FAULT_AROUND,
  File,
  Header,
  OpenFile,
  PATH_BYTES_MAX,
  appendToFile,
  closeFile,
  finishCall,
  installFile,
  numberAt,
  openHostFile,
  putFile,
  syncOpenFile,
} from '../../kernel/index.ts'
import {
  type FilePath,
  type OptionChecks,
  checkBoolean,
  checkChoice,
  checkPath,
  checkWhole,
  plainBytes,
  viewedBytes,
  checkString,
  rangeError,
  readOptions,
} from './arguments.ts'
import { OWN, type Own } from './construction.ts'
import { MemoryError, OutOfMemory, checkResult } from './errors.ts'
import type { LockClaim } from './file-lock.ts'
import { type MachineHandle, readPlace } from './handles.ts'
import { lockName } from './host-io.ts'
import { FILE_SIZE_MAX, MachineFile, checkWrite, fileSize } from './machine-file.ts'
import { MachineThread } from './machine-thread.ts'
import { type Opened, findOpened } from './opened-file.ts'
import { type Storage, type StorageFile, identifyFile, openFile, storageErrorName } from './storage.ts'
import { sizeInPages } from './size.ts'
import { assureRoomForSteps } from './stack-room.ts'

const { O_CREAT, O_EXCL, O_NONBLOCK, O_RDONLY, O_RDWR } = constants

/** How Machine.openFile() opens a file. */
export interface OpenFileOptions {
  /** 'r': for reading; 'r+': for reading and writing; 'w+': also makes it if need be, and empties it. Default 'r'. */
  readonly mode?: 'r' | 'r+' | 'w+'
  /** With 'r+': makes the file if it does not exist. 'w+' always does. */
  readonly create?: boolean
  /** The file must not exist yet: EEXIST. Only where it may be made. */
  readonly exclusive?: boolean
  /** Who may use a file that is made, less what the process takes away by its umask. Default 0o666. */
  readonly permissions?: number
  /**
   * The size that the file is to have, in bytes or as '64MiB': it is cut off there, or zeros follow. Default: as it is.
   */
  readonly size?: number | string
  /** Whether a read fault maps the cached pages around it too. Default true. Fixed by who opens the file first. */
  readonly faultAround?: boolean
  /**
   * Whether other machines, of this process and of others, are kept from the file: many that only read may have it
   * open, or one that writes. Default true; see docs/files.md for where that holds.
   */
  readonly lock?: boolean
}

/** What another thread needs to use the file. */
export interface DiskFileHandle {
  readonly kind: 'faultline-disk-file'
  readonly machine: MachineHandle
  readonly file: number
  readonly generation: number
  readonly path: string
  readonly writable: boolean
}

/**
 * A file on disk, as one thread sees it, by Machine.openFile(). The machine caches its pages for all threads and
 * address spaces.
 */
export class DiskFile extends MachineFile {
  /** @internal For Machine.openFile(). */
  static open(thread: MachineThread, path: FilePath, given: OpenFileOptions): DiskFile {
    MachineThread.check(thread)
    assureRoomForSteps()
    const options = readOptions(given, 'openFile options', openChecks)
    const { mode = 'r' } = options
    const size = options.size === undefined ? undefined : fileSize(options.size, 'size')
    const absolute = absolutePath(path)
    checkTogether(absolute, options)
    const writable = mode !== 'r'
    const opened = openInKernel(thread, absolute, options)
    const file = new DiskFile(OWN, thread, opened, absolute)
    try {
      if (writable && Atomics.load(thread.task.heap, Header.swapFile) === file.pointer)
        throw new MemoryError('ETXTBSY', 'open', `${absolute} is the swap file`)
      if (mode === 'w+' && file.size !== 0) file.truncate(0)
      if (size !== undefined && size !== file.size) file.truncate(size)
    } catch (error) {
      file.#release()
      throw error
    }
    return file
  }

  /**
   * The same file in another thread, which gets attached to its machine. It holds no reference: when its opener closes
   * it, or ends or detaches, the file is closed for all threads, and only mappings keep it. Errors: EBADF (closed),
   * ENOENT (the thread cannot open the file, which was renamed or removed), and those of Machine.attach(), also for
   * anything but a handle of a file on disk.
   */
  static attach(handle: DiskFileHandle): DiskFile {
    const { rest, ...place } = readPlace(handle, 'faultline-disk-file', 'a file on disk', 'file', [
      'path',
      'writable',
    ])
    const { path, writable } = rest
    checkString(path, 'handle.path')
    checkBoolean(writable, 'handle.writable')
    const thread = MachineThread.attach(place.machine)
    const opened = findOpened(thread, place, true)
    if (writable && !opened.writable)
      rangeError('handle.writable', true, 'allowed: it was opened for reading only', 'ERR_INVALID_ARG_VALUE')
    const file = new DiskFile(OWN, thread, { ...opened, writable }, path)
    // Now, while the file can be found: it may be renamed later.
    const result = thread.files.open(opened.pointer)
    file.assertOpen()
    checkResult(result, 'attach', path)
    return file
  }

  /** The open file that this object closes; 0 if another thread has opened it. */
  readonly #open: number

  private constructor(key: Own, thread: MachineThread, opened: Opened, path: string) {
    super(key, thread, opened, path)
    this.#open = opened.owns ? opened.open : 0
  }

  /** For a thread that is to use the file: DiskFile.attach() takes it. */
  get handle(): DiskFileHandle {
    const { name: path, writable } = this
    return { kind: 'faultline-disk-file', machine: super.thread.handle, ...super.opened, path, writable }
  }

  /** The path under which the file was opened, absolute. */
  get path(): string {
    return this.name
  }

  /**
   * Writes `bytes`, of an array of any kind or a DataView, at `offset`, as pwrite does; a file that ends before grows,
   * and what lies between is zeros. When it fails, a part may have been written. Errors: EBADF (opened for reading
   * only), EFBIG, ENOMEM, and what reading from disk gives, for a page that is written in part.
   */
  write(offset: number, bytes: ArrayBufferView): void {
    const plain = checkWrite(offset, bytes)
    const { length } = plain
    if (offset + length > FILE_SIZE_MAX)
      throw new MemoryError('EFBIG', 'write', `offset: ${offset}, where a file has at most 8 TiB`)
    super.writeAt(offset, plain, length, true, 'bytes')
  }

  /**
   * Writes `bytes` at the end of the file, which grows by them, and returns where they begin. Of several threads that
   * append, one comes after the other; where it fails, the file is as it was. A mapping may be longer than its file and
   * finds them there. The file system gets the new size together with the bytes, at the latest when they are
   * synchronised. Errors: EBADF (opened for reading only), EFBIG, ENOMEM, and what reading the last page gives.
   */
  append(bytes: ArrayBufferView): number {
    const plain = viewedBytes(bytes, 'bytes')
    super.assertOpen()
    if (!super.writable) throw new MemoryError('EBADF', 'append', 'the file is open for reading only')
    const pointer = MachineFile.pointerOf(this)
    let offset = 0
    super.call('append', (task) => {
      const error = appendToFile(task, pointer, plain)
      offset = task.appendedAt
      return error
    })
    return offset
  }

  /**
   * `fsync`: returns when everything that was written to the file before, by whichever thread and way, is safe from a
   * crash of the process and of the system. Errors: those of the disk (EIO, ENOSPC, EDQUOT …), also of a write-back
   * that has failed since the last call, each reported once. What could not be written stays in memory and is tried
   * again.
   */
  sync(): void {
    super.assertOpen()
    const pointer = MachineFile.pointerOf(this)
    const { file: open, generation } = super.opened
    super.call('sync', (task) => syncOpenFile(task, pointer, open, generation))
  }

  /**
   * Synchronises a file that may be written, and closes it: in the thread that opened it, for all. Its mappings stay.
   * The end of that thread closes it too, see docs/files.md. It is closed even if it throws an error, which means that
   * some data is not on disk. That data stays in memory, and is written again when the file is opened or synchronised
   * again, or when the machine ends.
   */
  close(): void {
    if (super.closed) return
    assureRoomForSteps()
    super.markClosed()
    if (this.#open === 0) return
    const pointer = MachineFile.pointerOf(this)
    try {
      if (super.writable)
        super.call('close', (task) => syncOpenFile(task, pointer, this.#open, super.opened.generation))
    } finally {
      this.#release()
    }
  }

  #release(): void {
    super.markClosed()
    closeInKernel(super.thread, this.#open)
  }
}

const openChecks: OptionChecks<OpenFileOptions> = {
  mode: (value, name) => checkChoice(value, name, modes),
  create: checkBoolean,
  exclusive: checkBoolean,
  permissions: (value, name) => checkWhole(value, name, 0, 0o7777, 'a whole number from 0 to 0o7777'),
  size: (value, name) => void fileSize(value, name),
  faultAround: checkBoolean,
  lock: checkBoolean,
}
const NOT_TOGETHER = 'ERR_INVALID_ARG_VALUE'
const modes = { r: true, 'r+': true, 'w+': true } as const

/** Throws MemoryError for a path that no file can have. */
function absolutePath(path: FilePath): string {
  const given = checkPath(path)
  if (given === '') throw new MemoryError('ENOENT', 'open', "path: '' is no file")
  const absolute = resolve(given)
  if (Buffer.byteLength(absolute) > PATH_BYTES_MAX) throw new MemoryError('ENAMETOOLONG', 'open', absolute)
  return absolute
}

/** Throws a RangeError for options that exclude each other. */
function checkTogether(path: string, { mode = 'r', create, exclusive, size }: OpenFileOptions): void {
  if (mode === 'r' && (create === true || size !== undefined)) {
    const [name, value] = create === true ? (['create', create] as const) : (['size', size] as const)
    rangeError(
      name,
      value,
      `allowed with mode 'r': ${path} is neither made nor changed in size`,
      NOT_TOGETHER,
    )
  }
  if (exclusive === true && mode !== 'w+' && create !== true) {
    rangeError('exclusive', exclusive, `allowed where ${path} may not be made`, NOT_TOGETHER)
  }
}

/** Opens the file in this thread, and finds or makes it in the kernel. */
function openInKernel(thread: MachineThread, path: string, options: OpenFileOptions): Opened {
  const { mode = 'r', lock = true } = options
  const { storage, locks } = thread.files
  thread.assertAttached()
  const descriptor = openOnHost(storage, path, options)
  let pointer = 0
  let open = 0
  let claim: LockClaim | null = null
  let isInstalled = false
  try {
    if (lock && storage.lockable === true) {
      const file = identify(storage, descriptor, path)
      claim = locks.take(lockName(file, file.changed !== undefined), mode !== 'r', path)
    }
    // After the lock is taken, since no other machine changes the size then.
    let file = identify(storage, descriptor, path)
    while (!isInstalled) {
      ;({ open, pointer } = installInKernel(thread, path, file, options))
      // A file that another thread has copied since may be in the kernel as the copy, too: looks again for that.
      const { device } = file
      isInstalled =
        file.changed === undefined || (file = identify(storage, descriptor, path)).device === device
      if (!isInstalled) {
        closeInKernel(thread, open)
        open = 0
      }
    }
  } finally {
    if (!isInstalled) {
      if (open !== 0) closeInKernel(thread, open)
      if (claim !== null) locks.cancel(claim)
      storage.close(descriptor)
    }
  }
  const { heap } = thread.task
  try {
    thread.files.adopt(pointer, descriptor, mode !== 'r', storage)
    if (claim !== null) locks.settle(claim, numberAt(heap, pointer + File.generation))
  } catch (error) {
    closeInKernel(thread, open)
    if (claim !== null) locks.cancel(claim)
    throw new MemoryError(storageErrorName(error), 'open', `${path} cannot be kept or locked`, {
      cause: error,
    })
  }
  const generation = numberAt(heap, open + OpenFile.generation)
  return { open, generation, pointer, writable: mode !== 'r', owns: true }
}

/** Opens that file in the kernel, and returns where it is open. */
function installInKernel(
  thread: MachineThread,
  path: string,
  file: StorageFile,
  { mode = 'r', faultAround }: OpenFileOptions,
): { open: number; pointer: number } {
  const [pages, lastBytes] = sizeInPages(file.size)
  const identity = thread.files.identityWords(file)
  const flags = faultAround === false ? FILE_NO_FAULT_AROUND : 0
  const pathBytes = plainBytes(new TextEncoder().encode(path), 'path')
  let pointer = 0
  let open = 0
  thread.enter('open', (task) => {
    pointer = openHostFile(task, identity, pathBytes, pages, lastBytes, mode !== 'r', flags)
    if (pointer !== 0) open = installFile(task, pointer, mode !== 'r')
    if (pointer !== 0 && open === 0) putFile(task, pointer)
    if (open === 0) finishCall(task)
  })
  if (open === 0) throw new OutOfMemory('open', 'the kernel heap is used up')
  return { open, pointer }
}

function closeInKernel(thread: MachineThread, open: number): void {
  thread.enter('close', (task) => {
    closeFile(task, open)
    finishCall(task)
  })
}

function openOnHost(storage: Storage, path: string, options: OpenFileOptions): number {
  const { mode = 'r', create = false, exclusive = false, permissions = 0o666 } = options
  // Emptying it is left to the kernel, which may have pages of it. Opening a pipe must not wait.
  let flags = (mode === 'r' ? O_RDONLY : O_RDWR) | O_NONBLOCK
  if (mode === 'w+' || create) flags |= O_CREAT
  if (exclusive) flags |= O_EXCL
  try {
    return openFile(storage, path, flags, permissions)
  } catch (error) {
    throw new MemoryError(storageErrorName(error), 'open', path, { cause: error })
  }
}

function identify(storage: Storage, descriptor: number, path: string): StorageFile {
  let file: StorageFile
  try {
    file = identifyFile(storage, descriptor)
  } catch (error) {
    throw new MemoryError(storageErrorName(error), 'open', path, { cause: error })
  }
  if (!file.isFile) throw new MemoryError('ENODEV', 'open', `${path} is not a file`)
  if (file.size > FILE_SIZE_MAX) throw new MemoryError('EFBIG', 'open', `${path} has more than 8 TiB`)
  return file
}
