// What a thread does for the kernel with the files of the host: reading pages into frames and writing them back.
//
// Every thread opens files of its own: the descriptors of a worker are closed when it ends, so that none may be used by
// another thread. The struct of a file in the heap says how to find it: the path under which it was opened, and its
// device and inode, which identify it. A file that was renamed or removed meanwhile is found through the descriptors
// that other threads of the process still have (/proc/self/fd, on Linux).

import { constants, readdirSync } from 'node:fs'
import {
  FILE_READ_ONLY,
  File,
  type Host,
  PAGE_SIZE,
  Path,
  type Task,
  errnoOf,
  isCopyOf,
  numberAt,
  viewOf,
} from '../../kernel/index.ts'
import { FileLocks } from './file-lock.ts'
import type { OwnMemory } from './own-arrays.ts'
import {
  type Storage,
  type StorageFile,
  bytesMoved,
  checkDone,
  fileSystem,
  identifyFile,
  openFile,
  storageErrorName,
} from './storage.ts'
import { sizeInPages } from './size.ts'

/** The function as it is when this module is loaded, since it is called inside the kernel. */
const now = performance.now.bind(performance)
const { O_NONBLOCK, O_RDONLY, O_RDWR } = constants

/** How often a thread that waits without sleeping looks for dead ones. */
const LOOK_MS = 100
/** And after how many turns of its loop at most it reads the clock. */
const TURNS = 1024

interface OpenFile {
  /** The number of the file: others may have been at the same place of the heap before. */
  readonly generation: number
  readonly descriptor: number
  readonly writable: boolean
  /** The storage that the descriptor belongs to. */
  readonly storage: Storage
}

export class HostFiles implements Host {
  /** Used for files that are opened from now on, and for those that are open. */
  storage: Storage = fileSystem
  readonly stillWaiting: () => void
  /** The locks that keep other machines from the files. */
  readonly locks: FileLocks
  readonly #task: Task
  readonly #heap: Int32Array
  readonly #memory: OwnMemory
  readonly #open = new Map<number, OpenFile>()
  /** A device, an inode, the time of the last change, and 1 if the file may be copied. */
  readonly #identity = new BigInt64Array(4)
  readonly #identityWords = new Int32Array(this.#identity.buffer)
  /** An operation of the storage has begun and has neither returned nor thrown. */
  #calledOut = false
  #turns = 0
  #lookedAt = 0

  /** @param stillWaiting called about every 100 ms while the thread sleeps in the kernel */
  constructor(machine: string, task: Task, stillWaiting: () => void) {
    this.#task = task
    this.#heap = task.heap
    this.#memory = task.memory as OwnMemory
    this.stillWaiting = stillWaiting
    this.locks = new FileLocks(machine)
  }

  waitsLong(): boolean {
    if (++this.#turns % TURNS !== 0) return false
    const time = now()
    if (time - this.#lookedAt < LOOK_MS) return false
    this.#lookedAt = time
    return true
  }

  // -------------------------------------------------------------------------------------------------------------------
  // For the kernel: nothing here throws or touches the machine but for the given frames

  readPages(file: number, index: number, frames: Int32Array, count: number): number {
    return this.#attempt(() => {
      const descriptor = this.#descriptor(file, false)
      const wanted = count * PAGE_SIZE
      let buffers = this.#views(frames, count, wanted)
      for (let done = 0; ;) {
        const read = this.#readSome(descriptor, buffers, index * PAGE_SIZE + done, wanted - done, done)
        // A page that cannot be read whole does not count: otherwise its rest would be zeros.
        if (read === -1) return done - (done % PAGE_SIZE)
        done += read
        if (read === 0 || done >= wanted) return done
        buffers = remaining(buffers, read)
      }
    })
  }

  /**
   * One read of the storage, of at most `most` bytes, after `done`. Returns -1 for an error if `done` is a page or
   * more: a fault on a page that cannot be read gets the error when it reads that page alone.
   */
  #readSome(descriptor: number, buffers: Uint8Array[], at: number, most: number, done: number): number {
    try {
      return bytesMoved(this.storage.read(descriptor, buffers, at), most)
    } catch (error) {
      if (done >= PAGE_SIZE) return -1
      throw error
    }
  }

  writePages(file: number, index: number, frames: Int32Array, count: number, bytes: number): number {
    return this.#attempt(() => {
      const descriptor = this.#descriptor(file, true)
      let buffers = this.#views(frames, count, bytes)
      for (let done = 0; done < bytes;) {
        const answer = this.storage.write(descriptor, buffers, index * PAGE_SIZE + done)
        const written = bytesMoved(answer, bytes - done)
        if (written === 0) return -errnoOf('EIO')
        done += written
        buffers = remaining(buffers, written)
      }
      return 0
    })
  }

  syncFile(file: number): number {
    return this.#attempt(() => {
      checkDone(this.storage.sync(this.#descriptor(file, false)))
      return 0
    })
  }

  truncateFile(file: number, pages: number, lastBytes: number): number {
    return this.#attempt(() => {
      const size = pages === 0 ? 0 : (pages - 1) * PAGE_SIZE + lastBytes
      checkDone(this.storage.truncate(this.#descriptor(file, true), size))
      return 0
    })
  }

  openFile(file: number): number {
    return this.#attempt(() => {
      this.#descriptor(file, true)
      return 0
    })
  }

  forgetFile(file: number): void {
    this.#attempt(() => {
      // First: without a descriptor, the number of a removed file may be that of another at once.
      this.locks.release(this.#lockName(file), numberAt(this.#heap, file + File.generation))
      this.#close(file)
      return 0
    })
  }

  isCalledOut(): boolean {
    // If the host cuts the script off, no code runs that could note the end of the operation.
    if (this.#calledOut && !isStorageCalled()) this.#calledOut = false
    return this.#calledOut
  }

  #close(file: number): void {
    const open = this.#open.get(file)
    if (open === undefined) return
    this.#open.delete(file)
    try {
      open.storage.close(open.descriptor)
    } catch {
      // Errors of writing were reported before; a descriptor is closed even if close() fails.
    }
  }

  /**
   * The operation cannot use the machine, as nothing can that runs inside the kernel: it may be called in the middle of
   * a call.
   */
  #attempt(operation: () => number): number {
    const { entered } = this.#task
    const calledOut = this.#calledOut
    this.#task.entered = true
    this.#calledOut = true
    try {
      return callStorage(operation)
    } catch (error) {
      return -errnoOf(storageErrorName(error))
    } finally {
      this.#task.entered = entered
      this.#calledOut = calledOut
    }
  }

  /** The text by which other machines know the file. */
  #lockName(file: number): string {
    const words = this.#identityWords
    words.set(this.#heap.subarray(file + File.hostDeviceLow, file + File.hostDeviceLow + 4))
    const copied = this.#heap[this.#heap[file + File.hostPath]! + Path.copied] !== 0
    return lockName({ device: this.#identity[0]!, inode: this.#identity[1]! }, copied)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Descriptors

  /** Notes that this thread has opened the file, with `storage`, and need not do so again. */
  adopt(file: number, descriptor: number, writable: boolean, storage: Storage): void {
    this.#closeStale()
    this.#close(file)
    const generation = numberAt(this.#heap, file + File.generation)
    this.#open.set(file, { generation, descriptor, writable, storage })
  }

  /** Opens the file in this thread while it can be found, as it may be renamed later. Returns 0 or -errno. */
  open(file: number): number {
    return this.#attempt(() => {
      this.#descriptor(file, this.#isWritable(file))
      return 0
    })
  }

  /** The files that this thread has open for writing, with their numbers. */
  *openForWriting(): Iterable<[file: number, generation: number]> {
    for (const [file, { generation, writable }] of this.#open) if (writable) yield [file, generation]
  }

  /** @param last no other thread is attached */
  closeAll(last: boolean): void {
    this.locks.leave(last)
    for (const file of Array.from(this.#open.keys())) this.#close(file)
  }

  /** Another thread has freed these files. */
  #closeStale(): void {
    for (const [file, { generation }] of this.#open) {
      if (numberAt(this.#heap, file + File.generation) !== generation) this.#close(file)
    }
  }

  #descriptor(file: number, writable: boolean): number {
    const open = this.#open.get(file)
    if (
      open !== undefined &&
      open.generation === numberAt(this.#heap, file + File.generation) &&
      open.storage === this.storage &&
      (open.writable || !writable)
    ) {
      return open.descriptor
    }
    // What can be written is opened for that at once, so that it is opened once.
    const mayWrite = this.#isWritable(file)
    const { storage } = this
    const descriptor = this.#reopen(file, mayWrite)
    this.adopt(file, descriptor, mayWrite, storage)
    return descriptor
  }

  /** A thread has opened the file for writing. */
  #isWritable(file: number): boolean {
    return (Atomics.load(this.#heap, file + File.flags) & FILE_READ_ONLY) === 0
  }

  #reopen(file: number, writable: boolean): number {
    // By now, another file may be at that path: opening it must not block, as opening a pipe would.
    const flags = (writable ? O_RDWR : O_RDONLY) | O_NONBLOCK
    try {
      return this.#openVerified(file, this.#path(file), flags)
    } catch (error) {
      const found = this.#openThroughProcess(file, flags)
      if (found !== null) return found
      throw error
    }
  }

  /** Throws ENOENT if another file is at `path`. */
  #openVerified(file: number, path: string, flags: number): number {
    const { storage } = this
    const descriptor = openFile(storage, path, flags, 0)
    try {
      if (this.#isIdentity(file, identifyFile(storage, descriptor))) return descriptor
    } catch (error) {
      storage.close(descriptor)
      throw error
    }
    storage.close(descriptor)
    throw Object.assign(new Error(`${path} is another file by now`), { code: 'ENOENT' })
  }

  /** Looks for the file among all descriptors of the process. Returns null when it is not there. */
  #openThroughProcess(file: number, flags: number): number | null {
    let names: string[]
    try {
      names = readdirSync('/proc/self/fd')
    } catch {
      return null
    }
    for (const name of names) {
      try {
        if (!this.#isDescriptorOf(file, Number(name))) continue
        return this.#openVerified(file, `/proc/self/fd/${name}`, flags)
      } catch {
        // It was closed since, or cannot be opened in this way: tries the next.
      }
    }
    return null
  }

  #isDescriptorOf(file: number, descriptor: number): boolean {
    return this.#isIdentity(file, fileSystem.identify(descriptor))
  }

  /** Whether the file in the heap, on which the caller has a reference, is that one. */
  #isIdentity(file: number, found: StorageFile): boolean {
    const words = this.identityWords(found)
    const same = words
      .subarray(0, 4)
      .every((word, index) => Atomics.load(this.#heap, file + File.hostDeviceLow + index) === word)
    return same || isCopyOf(this.#task, file, words, ...sizeInPages(found.size))
  }

  /** The identity of a file for openHostFile(). Valid until the next call. */
  identityWords({ device, inode, changed }: StorageFile): Int32Array {
    const identity = this.#identity
    identity[0] = device
    identity[1] = inode
    identity[2] = changed ?? BigInt(0)
    identity[3] = BigInt(changed === undefined ? 0 : 1)
    return this.#identityWords
  }

  #path(file: number): string {
    const path = this.#heap[file + File.hostPath]!
    const start = (path + Path.bytes) * 4
    const bytes = new Uint8Array(this.#heap.buffer, start, this.#heap[path + Path.byteLength]!)
    return Buffer.from(bytes).toString()
  }

  // -------------------------------------------------------------------------------------------------------------------

  /** The first `bytes` bytes of the frames; frames that lie together are one view. */
  #views(frames: Int32Array, count: number, bytes: number): Uint8Array[] {
    const views: Uint8Array[] = []
    for (let first = 0; first < count;) {
      let next = first + 1
      while (next < count && frames[next] === frames[next - 1]! + 1) next++
      const start = frames[first]! * PAGE_SIZE
      const length = Math.min((next - first) * PAGE_SIZE, bytes - first * PAGE_SIZE)
      views.push(
        length === PAGE_SIZE
          ? this.#memory.frameBytes(frames[first]!)
          : viewOf(this.#memory.bytes, start, length),
      )
      first = next
    }
    return views
  }
}

function callStorage(operation: () => number): number {
  return operation()
}

/** Whether a call of {@link callStorage} is on the stack. */
function isStorageCalled(): boolean {
  const { prepareStackTrace, stackTraceLimit } = Error
  let found = false
  Error.stackTraceLimit = Infinity
  Error.prepareStackTrace = (_error, sites) => {
    found = sites.some(
      (site) => site.getFileName() === import.meta.url && site.getFunctionName() === callStorage.name,
    )
  }
  try {
    // The engine formats the stack when it is read.
    void new Error().stack
  } finally {
    Error.prepareStackTrace = prepareStackTrace
    Error.stackTraceLimit = stackTraceLimit
  }
  return found
}

/** By what a file is known to other machines: as much of it as the heap has, and as a copy of the file shares. */
export function lockName({ device, inode }: Pick<StorageFile, 'device' | 'inode'>, copied: boolean): string {
  return `${BigInt.asIntN(copied ? 32 : 64, device)}-${BigInt.asIntN(64, inode)}`
}

/** The rest of `buffers` after their first `done` bytes. */
function remaining(buffers: readonly Uint8Array[], done: number): Uint8Array[] {
  let skip = done
  const left: Uint8Array[] = []
  for (const buffer of buffers) {
    if (skip >= buffer.length) skip -= buffer.length
    else {
      left.push(viewOf(buffer, skip, buffer.length - skip))
      skip = 0
    }
  }
  return left
}
