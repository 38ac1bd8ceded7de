// Files of the host: one struct for each file, however often it is opened (fs/inode.c, iget5_locked).
//
// They are on the list `fileList` as long as they have references or unwritten data. The identity of a file, its device
// and inode, does not change, except once where overlayfs copies the file; what the file may be used for only grows.

import { Header } from '../machine/header.ts'
import {
  BURIAL_BEGUN,
  BURIAL_NONE,
  FILE_HOST,
  FILE_READ_ONLY,
  FILE_WRITE_NOTIFY,
  File,
  Path,
  createFile,
  freeFile,
  putFile,
} from '../memory/file.ts'
import { slabAlloc } from '../memory/slab.ts'
import { CACHE_PATH } from '../mm/caches.ts'
import type { Task } from '../mm/task.ts'
import { numberAt } from '../sync/number.ts'
import { spinLock, spinUnlock } from '../sync/spinlock.ts'
import { writeBackFile } from './writeback.ts'

/** Words of an identity: low and high of the device, low and high of the inode. */
const IDENTITY_WORDS = 4

/** Behind them: low and high of the time at which its contents changed last, and whether the file may be copied. */
const CHANGED_LOW = 4
const CHANGED_HIGH = 5
const COPIED = 6

/**
 * Returns the file with that identity, with a reference. A file that is new gets a size of `pages` pages, the last with
 * `lastBytes` bytes; the host finds it at `path` (UTF-8, at most PATH_BYTES_MAX bytes). `writable` says whether it was
 * opened for writing. `flags` may be FILE_NO_FAULT_AROUND. Returns 0 if there is no memory.
 *
 * If the file may be copied, it may have been so since the caller asked for its identity: the caller asks again, and if
 * the answer is another, puts the file that it got here and calls again.
 */
export function openHostFile(
  cpu: Task,
  identity: Int32Array,
  path: Uint8Array,
  pages: number,
  lastBytes: number,
  writable: boolean,
  flags: number,
): number {
  const present = findHostFile(cpu, identity, pages, lastBytes, writable, 0)
  if (present !== 0) return present
  const allFlags = flags | FILE_HOST | FILE_WRITE_NOTIFY | (writable ? 0 : FILE_READ_ONLY)
  const fresh = createFile(cpu, pages, lastBytes, allFlags)
  if (fresh === 0) return 0
  const pathObject = createPath(cpu, path)
  if (pathObject === 0) {
    freeFile(cpu, fresh)
    return 0
  }
  const { heap } = cpu
  Atomics.store(heap, fresh + File.hostPages, pages)
  heap[fresh + File.hostPath] = pathObject
  heap[pathObject + Path.copied] = identity[COPIED]
  heap[pathObject + Path.changedLow] = identity[CHANGED_LOW]
  heap[pathObject + Path.changedHigh] = identity[CHANGED_HIGH]
  for (let word = 0; word < IDENTITY_WORDS; word++) heap[fresh + File.hostDeviceLow + word] = identity[word]
  // Another thread may have been faster.
  const file = findHostFile(cpu, identity, pages, lastBytes, writable, fresh)
  if (file !== fresh) freeFile(cpu, fresh)
  return file
}

/**
 * Returns the file with that identity, with a reference, and notes that it may be written if `writable`. If there is
 * none, `fresh`, which may be 0, becomes that file.
 */
function findHostFile(
  cpu: Task,
  identity: Int32Array,
  pages: number,
  lastBytes: number,
  writable: boolean,
  fresh: number,
): number {
  const { heap } = cpu
  spinLock(cpu, Header.fileListLock)
  let file = heap[Header.fileList]
  while (file !== 0 && !hasIdentity(cpu, file, identity)) file = heap[file + File.nextFile]
  if (file === 0 && identity[COPIED] !== 0) {
    file = heap[Header.fileList]
    while (file !== 0 && !isCopyOf(cpu, file, identity, pages, lastBytes)) file = heap[file + File.nextFile]
    if (file !== 0) Atomics.store(heap, file + File.hostDeviceHigh, identity[1])
  }
  if (file !== 0) {
    // The count may be 0: the file may be on the list of the dead, see task-work.ts.
    Atomics.add(heap, file + File.refcount, 1)
    // So the CPU that buries it notices that it was found, even if it has been released again by then.
    if (heap[file + File.burial] === BURIAL_BEGUN) heap[file + File.burial] = BURIAL_NONE
    if (writable) Atomics.and(heap, file + File.flags, ~FILE_READ_ONLY)
  } else if (fresh !== 0) {
    heap[fresh + File.nextFile] = heap[Header.fileList]
    Atomics.store(heap, Header.fileList, fresh)
    file = fresh
  }
  spinUnlock(cpu, Header.fileListLock)
  return file
}

function hasIdentity(cpu: Task, file: number, identity: Int32Array): boolean {
  for (let word = 0; word < IDENTITY_WORDS; word++) {
    if (cpu.heap[file + File.hostDeviceLow + word] !== identity[word]) return false
  }
  return true
}

/**
 * Whether `file` is the one with that identity and size but for the upper word of the device, the time at which the
 * file was made. overlayfs copies a file of a lower layer when it is first opened for writing, or when its attributes
 * change, and shows the time of the copy from then on, with the same number of the inode, size and time of change. A
 * file that was opened for writing has been copied. Otherwise, its number may be that of a new file only if it was
 * never in a lower layer; then the new file has another size or time of change.
 */
export function isCopyOf(
  cpu: Task,
  file: number,
  identity: Int32Array,
  pages: number,
  lastBytes: number,
): boolean {
  const { heap } = cpu
  const path = heap[file + File.hostPath]
  return (
    identity[COPIED] !== 0 &&
    heap[path + Path.copied] !== 0 &&
    (Atomics.load(heap, file + File.flags) & FILE_READ_ONLY) !== 0 &&
    heap[file + File.hostDeviceLow] === identity[0] &&
    heap[file + File.hostInodeLow] === identity[2] &&
    heap[file + File.hostInodeHigh] === identity[3] &&
    heap[path + Path.changedLow] === identity[CHANGED_LOW] &&
    heap[path + Path.changedHigh] === identity[CHANGED_HIGH] &&
    Atomics.load(heap, file + File.pages) === pages &&
    Atomics.load(heap, file + File.lastBytes) === lastBytes
  )
}

/** A copy of a path in the heap, or 0. */
function createPath(cpu: Task, bytes: Uint8Array): number {
  const path = slabAlloc(cpu, CACHE_PATH)
  if (path === 0) return 0
  const { heap } = cpu
  heap[path + Path.byteLength] = bytes.length
  for (let word = 0; word * 4 < bytes.length; word++) heap[path + Path.bytes + word] = 0
  for (let byte = 0; byte < bytes.length; byte++) {
    heap[path + Path.bytes + (byte >> 2)] |= bytes[byte] << (8 * (byte & 3))
  }
  return path
}

/**
 * The file of the host with the lowest number above `cpu.walkFile`, with a reference, or 0. `cpu.walkFile` becomes its
 * number.
 */
function nextHostFile(cpu: Task): number {
  const { heap } = cpu
  let next = 0
  spinLock(cpu, Header.fileListLock)
  for (let file = heap[Header.fileList]; file !== 0; file = heap[file + File.nextFile]) {
    const number = numberAt(heap, file + File.generation)
    if (number > cpu.walkFile && (next === 0 || number < numberAt(heap, next + File.generation))) next = file
  }
  if (next !== 0) {
    Atomics.add(heap, next + File.refcount, 1)
    cpu.walkFile = numberAt(heap, next + File.generation)
  }
  spinUnlock(cpu, Header.fileListLock)
  return next
}

/**
 * `sync`: writes back the dirty pages of every file and makes them safe. Returns 0 or the first negative errno; those
 * who have the file open get the error nevertheless.
 */
export function syncAllFiles(cpu: Task): number {
  let error = 0
  cpu.walkFile = 0
  for (let file = nextHostFile(cpu); file !== 0; file = nextHostFile(cpu)) {
    const failed = file === Atomics.load(cpu.heap, Header.swapFile) ? 0 : writeBackFile(cpu, file)
    if (error === 0) error = failed
    putFile(cpu, file)
  }
  return error
}

/**
 * Writes back the dirty pages of one file and makes them safe, if the file still has that generation. Returns 0 or a
 * negative errno.
 */
export function syncFileOfGeneration(cpu: Task, wanted: number, generation: number): number {
  const { heap } = cpu
  spinLock(cpu, Header.fileListLock)
  let file = heap[Header.fileList]
  while (file !== 0 && file !== wanted) file = heap[file + File.nextFile]
  const present = file !== 0 && numberAt(heap, file + File.generation) === generation
  if (present) Atomics.add(heap, file + File.refcount, 1)
  spinUnlock(cpu, Header.fileListLock)
  if (!present) return 0
  const error = writeBackFile(cpu, file)
  putFile(cpu, file)
  return error
}
