// Where the bytes of files are kept: the few operations of the operating system that a machine needs.
//
// The default is the file system, by node:fs. A thread may put something else in its place (Machine.setStorage): to
// count, to encrypt, to keep files elsewhere, or to see how a program bears errors. SQLite has the same idea under the
// name VFS, and tests its own I/O errors that way.

import {
  closeSync,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readvSync,
  statSync,
  statfsSync,
  writevSync,
} from 'node:fs'
import { errnoOf } from '../../kernel/index.ts'
import { checkBoolean, checkFunction, checkObject } from './arguments.ts'

/** Which file an open descriptor is of, and how long it is. */
export interface StorageFile {
  /**
   * Two descriptors are of the same file when both numbers are equal. A file that is made later must have others for
   * as long as a machine maps the earlier one, even if that was removed and no thread has it open. Without `changed`,
   * both stay the same.
   */
  readonly device: bigint
  readonly inode: bigint
  /** In bytes. */
  readonly size: number
  /**
   * Only where a file may be replaced by a copy when it is first opened for writing, and what `device` has above its
   * lower 32 bits becomes another then (overlayfs). The time at which the contents changed last, which the copy shares:
   * by it, and by the size, the machine knows the copy of a file that it has not opened for writing.
   */
  readonly changed?: bigint
  /** False for a folder, a pipe or a device, which cannot be mapped. */
  readonly isFile: boolean
}

/**
 * Every operation is synchronous, since a thread sleeps in it. One that fails throws an Error whose `code` is the name
 * of an errno value, as the errors of node:fs have it; an error without one counts as EIO, and so does a wrong result:
 * `open` and `identify` must return what their descriptions say, `read` and `write` a number of bytes, `sync` and
 * `truncate` undefined. The result of `close` does not matter, since everything was synchronised before.
 */
export interface Storage {
  /**
   * Opens the file at `path` and returns a descriptor, a whole number from 0 of the storage's own choice. `flags` are
   * the constants O_… of node:fs. `permissions` are for a file that is made. Each thread opens files of its own.
   */
  open(path: string, flags: number, permissions: number): number
  /** Closes a file that `open` opened. */
  close(descriptor: number): void
  /** The identity of the file, and its size: it must be the same for every descriptor of the same file. */
  identify(descriptor: number): StorageFile
  /** `preadv`: fills `buffers` from `position` on. Returns the bytes read, perhaps fewer, 0 at the end of the file. */
  read(descriptor: number, buffers: readonly Uint8Array[], position: number): number
  /** `pwritev`: writes `buffers` at `position`. Returns the bytes written, perhaps fewer. */
  write(descriptor: number, buffers: readonly Uint8Array[], position: number): number
  /** `fdatasync`: returns when what was written, and the size, would survive a loss of power. */
  sync(descriptor: number): void
  /** `ftruncate`. */
  truncate(descriptor: number, size: number): void
  /**
   * true: files are those of the operating system, by their device and inode, and are locked for other machines. A
   * storage with files of its own leaves it out, and has to keep others from them itself.
   */
  readonly lockable?: boolean
}

/** The files of the operating system. */
export const fileSystem: Storage = {
  open: (path, flags, permissions) => openSync(path, flags, permissions),
  close: (descriptor) => closeSync(descriptor),
  identify(descriptor) {
    const { dev, ino, size, mode, birthtimeNs, mtimeNs } = fstatSync(descriptor, { bigint: true })
    const isFile = (Number(mode) & FILE_TYPE) === REGULAR_FILE
    birthsShown ??= process.platform === 'linux' && bornNever('/proc/self/stat')
    const device = birthsShown ? dev ^ (birthtimeNs << BIRTH_SHIFT) : dev
    const file = { device, inode: ino, size: Number(size), isFile }
    return birthsShown && isOverlay(dev, descriptor) ? { ...file, changed: mtimeNs } : file
  },
  read: (descriptor, buffers, position) => readvSync(descriptor, buffers, position),
  write: (descriptor, buffers, position) => writevSync(descriptor, buffers, position),
  sync: (descriptor) => fdatasyncSync(descriptor),
  truncate: (descriptor, size) => ftruncateSync(descriptor, size),
  lockable: true,
}

/** Above the bits of a device of Linux. */
const BIRTH_SHIFT = BigInt(32)

/**
 * Whether files tell when they were made. Linux gives the number of an inode to another file once nobody has the first
 * open, and a machine may keep a file that is only mapped after the thread that opened it, with its descriptors, has
 * ended: what becomes of the number then is told by the time alone.
 *
 * Not where statx(2) is refused, for which libuv gives the time of the last change: also for files of /proc, which have
 * none.
 */
let birthsShown: boolean | null = null

/** By device. */
const overlays = new Map<bigint, boolean>()

/** Whether the file is of overlayfs, which copies it when it is first written. */
function isOverlay(device: bigint, descriptor: number): boolean {
  let overlay = overlays.get(device)
  if (overlay === undefined) {
    overlay = statfsSync(`/proc/self/fd/${descriptor}`).type === OVERLAYFS
    overlays.set(device, overlay)
  }
  return overlay
}

function bornNever(path: string): boolean {
  try {
    return statSync(path).birthtimeMs === 0
  } catch {
    return false
  }
}

/** OVERLAYFS_SUPER_MAGIC. */
const OVERLAYFS = 0x79_4c_76_30

/** S_IFMT and S_IFREG. */
const FILE_TYPE = 0o170000
const REGULAR_FILE = 0o100000

/** Every operation. */
const operations = ['open', 'close', 'identify', 'read', 'write', 'sync', 'truncate'] as const

/** Throws a TypeError for what lacks an operation. */
export function checkStorage(storage: unknown): asserts storage is Storage {
  checkObject(storage, 'storage')
  for (const operation of operations)
    checkFunction((storage as Partial<Storage>)[operation], `storage.${operation}`)
  const { lockable } = storage as Partial<Storage>
  if (lockable !== undefined) checkBoolean(lockable, 'storage.lockable')
}

/** The errno name of a value that an operation of a storage has thrown. Never throws itself. */
export function storageErrorName(error: unknown): string {
  let code: unknown
  try {
    ;({ code } = error as { code?: unknown })
  } catch {
    // The value has no properties, or a getter that throws.
  }
  return typeof code === 'string' && errnoOf(code) !== 0 ? code : 'EIO'
}

/** Throws unless the result is undefined: a promise, or false, would mean that the operation was not done. */
export function checkDone(answer: unknown): void {
  if (answer !== undefined)
    throw new Error('a storage does what it is asked for before it returns, and returns nothing')
}

/** Opens a file. Throws what the storage throws, and for a result that is no descriptor. */
export function openFile(storage: Storage, path: string, flags: number, permissions: number): number {
  const descriptor: unknown = storage.open(path, flags, permissions)
  if (Number.isSafeInteger(descriptor) && (descriptor as number) >= 0) return descriptor as number
  throw new Error('a storage opens a file before it returns, and gives it a whole number from 0')
}

/** The number of bytes moved, at most `most`. Throws for an invalid result. */
export function bytesMoved(answer: unknown, most: number): number {
  if (Number.isInteger(answer) && (answer as number) >= 0 && (answer as number) <= most)
    return answer as number
  throw new Error('a storage says how many bytes it has moved')
}

/** The identity of the file. Throws for an invalid result. */
export function identifyFile(storage: Storage, descriptor: number): StorageFile {
  const { device, inode, size, isFile, changed } = storage.identify(descriptor)
  const known = typeof device === 'bigint' && typeof inode === 'bigint' && typeof isFile === 'boolean'
  const sized = Number.isSafeInteger(size) && size >= 0
  if (known && sized && changed === undefined) return { device, inode, size, isFile }
  if (known && sized && typeof changed === 'bigint') return { device, inode, size, isFile, changed }
  throw new Error('a storage says which file it is by two bigints, its size and whether it can be mapped')
}
