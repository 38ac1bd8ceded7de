// The files of the host that this machine has open: one struct each, however often it is opened, so that there is one
// page cache (fs/inode.c).

import { Header } from '../machine/header.ts'
import { spinLock, spinUnlock } from '../sync/spinlock.ts'
import { FILE_HOST, File, createFile, putFile } from './file.ts'
import type { Task } from './task.ts'
import { writeBackFile } from './writeback.ts'

/**
 * `iget`: a file of the host with the given size and identity, with one reference. Returns 0 when there is no memory.
 * Nobody else may be opening the same one: see {@link findHostFile}.
 */
export function createHostFile(cpu: Task, pages: number, lastBytes: number, flags: number): number {
  const file = createFile(cpu, pages, lastBytes, flags | FILE_HOST)
  if (file === 0) return 0
  spinLock(cpu, Header.fileListLock)
  cpu.heap[file + File.nextFile] = cpu.heap[Header.fileList]
  cpu.heap[Header.fileList] = file
  spinUnlock(cpu, Header.fileListLock)
  return file
}

/** `ilookup`: the file with that identity, with a reference on it, even if nobody else had one; or 0. */
export function findHostFile(
  cpu: Task,
  deviceLow: number,
  deviceHigh: number,
  inodeLow: number,
  inodeHigh: number,
): number {
  const { heap } = cpu
  spinLock(cpu, Header.fileListLock)
  let file = heap[Header.fileList]
  for (; file !== 0; file = heap[file + File.nextFile]) {
    const sameInode =
      heap[file + File.hostInodeLow] === inodeLow && heap[file + File.hostInodeHigh] === inodeHigh
    const sameDevice =
      heap[file + File.hostDeviceLow] === deviceLow && heap[file + File.hostDeviceHigh] === deviceHigh
    if (sameInode && sameDevice) break
  }
  // On the list it is not freed, so that a count of 0 only says that it would be.
  if (file !== 0) Atomics.add(heap, file + File.refcount, 1)
  spinUnlock(cpu, Header.fileListLock)
  return file
}

/** The file of the host with the lowest number above `cpu.walkFile`, which becomes its number, with a reference; or 0. */
function nextHostFile(cpu: Task): number {
  const { heap } = cpu
  let next = 0
  spinLock(cpu, Header.fileListLock)
  for (let file = heap[Header.fileList]; file !== 0; file = heap[file + File.nextFile]) {
    const number = heap[file + File.generation]
    if (number > cpu.walkFile && (next === 0 || number < heap[next + File.generation])) next = file
  }
  if (next !== 0) {
    Atomics.add(heap, next + File.refcount, 1)
    cpu.walkFile = heap[next + File.generation]
  }
  spinUnlock(cpu, Header.fileListLock)
  return next
}

/**
 * `sync`: writes back what is dirty of every file, and makes it safe. Returns 0 or the first negative errno; who has the
 * file open is told of it all the same.
 */
export function syncAllFiles(cpu: Task): number {
  let error = 0
  cpu.walkFile = 0
  for (let file = nextHostFile(cpu); file !== 0; file = nextHostFile(cpu)) {
    const failed = file === cpu.heap[Header.swapFile] ? 0 : writeBackFile(cpu, file)
    if (error === 0) error = failed
    putFile(cpu, file)
  }
  return error
}
