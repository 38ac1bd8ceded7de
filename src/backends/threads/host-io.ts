// What a thread does for the kernel with the files of the host: reading pages into frames and writing them back.
//
// Every thread opens files of its own: the descriptors of a worker are closed when it ends, so that none may be used by
// another thread. What is shared is how to find a file, which stands in its struct in the heap: the path under which it
// was opened, and its device and inode, by which it is known. A file that was renamed or removed meanwhile is found
// through the descriptors that other threads of the process still have (/proc/self/fd, on Linux).

import { constants, readdirSync } from 'node:fs'
import {
  FILE_READ_ONLY,
  File,
  type Host,
  PAGE_SIZE,
  Path,
  type Task,
  errnoOf,
  numberAt,
  viewOf,
} from '../../kernel/index.ts'
import { FileLocks } from './file-lock.ts'
import type { OwnMemory } from './own-arrays.ts'
import {
  type Storage,
  bytesMoved,
  checkDone,
  fileSystem,
  identifyFile,
  openFile,
  storageErrorName,
} from './storage.ts'

/** As it is when this is loaded: the kernel is entered while it is asked. */
const now = performance.now.bind(performance)
const { O_NONBLOCK, O_RDONLY, O_RDWR } = constants

/** How often a thread that waits without sleeping looks for dead ones. */
const LOOK_MS = 100
/** And in how many turns of its loop at most it asks for the time. */
const TURNS = 1024

interface OpenFile {
  /** Which of the files that were ever at this place of the heap it is. */
  readonly generation: number
  readonly descriptor: number
  readonly writable: boolean
  /** Whose descriptor it is. */
  readonly storage: Storage
}

export class HostFiles implements Host {
  /** Used for what is opened from now on, and for what is open. */
  storage: Storage = fileSystem
  readonly stillWaiting: () => void
  /** What other machines are kept from. */
  readonly locks: FileLocks
  readonly #task: Task
  readonly #heap: Int32Array
  readonly #memory: OwnMemory
  readonly #open = new Map<number, OpenFile>()
  /** A device and an inode, as the heap has them. */
  readonly #identity = new BigInt64Array(2)
  readonly #identityWords = new Int32Array(this.#identity.buffer)
  /** An operation of the storage has begun, and has not ended as operations do. */
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
        // Of a page that cannot be read whole nothing counts: else its rest would be zeros.
        if (read === -1) return done - (done % PAGE_SIZE)
        done += read
        if (read === 0 || done >= wanted) return done
        buffers = remaining(buffers, read)
      }
    })
  }

  /**
   * One read of the storage, of at most `most` bytes, after `done`. Returns -1 for an error where these are a page or
   * more, which have been read: who wants those that cannot be is told when it reads them alone.
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
    // Where the host cuts a script off, nothing is told that the operation is over.
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
      // What was written has been told of by then; a descriptor is gone even if closing it fails.
    }
  }

  /** The machine is refused to the operation as it is to all that runs inside: it may come in the middle of a call. */
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

  /** By what the file is known to other machines. */
  #lockName(file: number): string {
    this.#identityWords.set(this.#heap.subarray(file + File.hostDeviceLow, file + File.hostDeviceLow + 4))
    return lockName(this.#identity[0]!, this.#identity[1]!)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Descriptors

  /** This thread has opened the file, with `storage`: it need not do so again. */
  adopt(file: number, descriptor: number, writable: boolean, storage: Storage): void {
    this.#closeStale()
    this.#close(file)
    const generation = numberAt(this.#heap, file + File.generation)
    this.#open.set(file, { generation, descriptor, writable, storage })
  }

  /** Opens the file in this thread as long as it can be found: it may be renamed later. Returns 0 or -errno. */
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

  /** Somebody has opened it for writing. */
  #isWritable(file: number): boolean {
    return (Atomics.load(this.#heap, file + File.flags) & FILE_READ_ONLY) === 0
  }

  #reopen(file: number, writable: boolean): number {
    // Whatever is at that path by now must not keep the thread waiting, as opening a pipe would.
    const flags = (writable ? O_RDWR : O_RDONLY) | O_NONBLOCK
    try {
      return this.#openVerified(file, this.#path(file), flags)
    } catch (error) {
      const found = this.#openThroughProcess(file, flags)
      if (found !== null) return found
      throw error
    }
  }

  /** Throws ENOENT when there is another file at `path`. */
  #openVerified(file: number, path: string, flags: number): number {
    const { storage } = this
    const descriptor = openFile(storage, path, flags, 0)
    try {
      const { device, inode } = identifyFile(storage, descriptor)
      if (this.#isIdentity(file, device, inode)) return descriptor
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
        // Closed since, or not to be opened in this way: another may do.
      }
    }
    return null
  }

  #isDescriptorOf(file: number, descriptor: number): boolean {
    const { device, inode } = fileSystem.identify(descriptor)
    return this.#isIdentity(file, device, inode)
  }

  /** Whether the file in the heap is the one with that device and inode. */
  #isIdentity(file: number, device: bigint, inode: bigint): boolean {
    const words = this.identityWords(device, inode)
    return words.every((word, index) => this.#heap[file + File.hostDeviceLow + index] === word)
  }

  /** A device and an inode as words of the heap: low and high of each. Valid until the next call. */
  identityWords(device: bigint, inode: bigint): Int32Array {
    this.#identity[0] = device
    this.#identity[1] = inode
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
    // It is made when it is asked for.
    void new Error().stack
  } finally {
    Error.prepareStackTrace = prepareStackTrace
    Error.stackTraceLimit = stackTraceLimit
  }
  return found
}

/** By what a file is known to other machines: as much of it as the heap has. */
export function lockName(device: bigint, inode: bigint): string {
  return `${BigInt.asIntN(64, device)}-${BigInt.asIntN(64, inode)}`
}

/** What is left of `buffers` after their first `done` bytes. */
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
