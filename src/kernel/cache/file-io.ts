// read and write through the page cache (mm/filemap.c: generic_file_read_iter, generic_perform_write).
//
// Offsets in a file are in bytes, up to 2^43. A write holds the lock of the inode (inode-lock.ts), which excludes
// truncation; a read does not, and sees the file page by page.

import { PAGE_SIZE, ZERO_FRAME } from '../machine/frames.ts'
import { noteWritten, sectorMask } from '../machine/sectors.ts'
import { setPageDirty } from '../memory/dirty.ts'
import {
  FILE_HOST,
  File,
  addToPageCache,
  bytesInPage,
  findGetPage,
  isHostHole,
  loadPage,
} from '../memory/file.ts'
import { lockInode, unlockInode } from '../memory/inode-lock.ts'
import { putPage } from '../memory/page-alloc.ts'
import { clearPageFlags, lockPage, pageFlags, setPageFlags, unlockPage } from '../memory/page-lock.ts'
import { PG_LOCKED, PG_READAHEAD, PG_REFERENCED, PG_UPTODATE, isPageOf } from '../memory/page.ts'
import { EFAULT, EFBIG } from '../mm/errno.ts'
import type { Task } from '../mm/task.ts'
import { getFilePage } from './filemap.ts'
import { dropIfTruncated, freshPage } from './read-pages.ts'
import { asyncReadAhead, noteReadTo } from './readahead.ts'
import { allocPage } from './reclaim.ts'
import { END_OF_FILES, cutBack, extendCached, growFile } from './truncate.ts'

/**
 * `pread`: reads `length` bytes at `offset` into `target`, from its byte `start` on. Returns how many bytes it read,
 * fewer at the end of the file; a negative errno if an error came before the first; -EFAULT if `target` has become too
 * short, as in {@link writeToFile}. May sleep.
 */
export function readFromFile(
  cpu: Task,
  file: number,
  offset: number,
  target: Uint8Array,
  start: number,
  length: number,
): number {
  const isOnHost = (cpu.heap[file + File.flags] & FILE_HOST) !== 0
  for (let done = 0; done < length;) {
    const index = Math.floor((offset + done) / PAGE_SIZE)
    const within = (offset + done) % PAGE_SIZE
    const run = Math.min(length - done, bytesInPage(cpu, file, index) - within)
    if (run <= 0) return done
    if (target.length < start + length) return -EFAULT
    if (isHole(cpu, file, index)) {
      cpu.memory.copyOut(ZERO_FRAME * PAGE_SIZE, run, target, start + done)
      done += run
      continue
    }
    const pages = Math.ceil((within + length - done) / PAGE_SIZE)
    const frame = getFilePage(cpu, file, index, pages)
    if (frame === 0) return done > 0 ? done : cpu.ioError
    if ((pageFlags(cpu, frame) & PG_READAHEAD) !== 0) {
      clearPageFlags(cpu, frame, PG_READAHEAD)
      asyncReadAhead(cpu, file, index, pages)
    }
    if (isOnHost) noteReadTo(cpu, file, index)
    if (target.length < start + length) {
      putPage(cpu, frame)
      return -EFAULT
    }
    const from = frame * PAGE_SIZE + within
    cpu.memory.copyOut(from, run, target, start + done)
    setPageFlags(cpu, frame, PG_REFERENCED)
    putPage(cpu, frame)
    done += run
  }
  return length
}

/** `shmem_file_read_iter`: a read of a known hole allocates no page. */
function isHole(cpu: Task, file: number, index: number): boolean {
  const maybe = (cpu.heap[file + File.flags] & FILE_HOST) === 0 || isHostHole(cpu, file, index)
  return maybe && loadPage(cpu, file, index) === 0
}

/**
 * `pwrite`: writes `length` bytes of `source`, from its byte `start` on, at `offset`. A file that ends before grows
 * first if it may, else -EFBIG. -EFAULT if `source` has become too short: the host may run code of the program
 * meanwhile. Returns how many bytes it wrote, or a negative errno if an error came before the first. May sleep.
 */
export function writeToFile(
  cpu: Task,
  file: number,
  offset: number,
  source: Uint8Array,
  start: number,
  length: number,
  mayGrow: boolean,
): number {
  lockInode(cpu, file)
  const pages = Math.ceil((offset + length) / PAGE_SIZE)
  const error = growFile(cpu, file, pages, offset + length - (pages - 1) * PAGE_SIZE, mayGrow)
  const done = error === 0 ? writePages(cpu, file, offset, source, start, length) : error
  unlockInode(cpu, file)
  return done
}

/**
 * Returns how many bytes it wrote, or a negative errno if an error came before the first. If it did not write all,
 * `cpu.ioError` says why. The inode is locked.
 */
function writePages(
  cpu: Task,
  file: number,
  offset: number,
  source: Uint8Array,
  start: number,
  length: number,
): number {
  for (let done = 0; done < length;) {
    const within = (offset + done) % PAGE_SIZE
    const run = Math.min(length - done, PAGE_SIZE - within)
    const index = Math.floor((offset + done) / PAGE_SIZE)
    const failed = writePage(cpu, file, index, within, source, start + done, run)
    if (failed !== 0) {
      cpu.ioError = failed
      return done > 0 ? done : failed
    }
    done += run
  }
  return length
}

/**
 * `write` with O_APPEND: appends all of `source` to the file. CPUs that append take turns. `cpu.appendedAt` is the
 * offset, in bytes. Returns 0; or a negative errno with the file unchanged; or, if the new part could not be cut off
 * again, the errno of that. May sleep.
 */
export function appendToFile(cpu: Task, file: number, source: Uint8Array): number {
  const { heap } = cpu
  const { length } = source
  lockInode(cpu, file)
  const oldPages = heap[file + File.pages]
  const oldLast = heap[file + File.lastBytes]
  const offset = oldPages === 0 ? 0 : (oldPages - 1) * PAGE_SIZE + oldLast
  const pages = Math.ceil((offset + length) / PAGE_SIZE)
  let error = pages < END_OF_FILES ? 0 : -EFBIG
  if (error === 0 && length > 0) {
    extendCached(cpu, file, pages, offset + length - (pages - 1) * PAGE_SIZE)
    if (writePages(cpu, file, offset, source, 0, length) !== length) {
      const { ioError } = cpu
      error = cutBack(cpu, file, oldPages, oldLast) || ioError
    }
  }
  unlockInode(cpu, file)
  cpu.appendedAt = offset
  return error
}

/** Writes within one page. Returns 0 or a negative errno. The file is locked. */
function writePage(
  cpu: Task,
  file: number,
  index: number,
  within: number,
  source: Uint8Array,
  start: number,
  length: number,
): number {
  if (length === PAGE_SIZE && addWholePage(cpu, file, index, source, start)) return 0
  const frame = getFilePage(cpu, file, index)
  if (frame === 0) return cpu.ioError
  if (source.length < start + length) {
    putPage(cpu, frame)
    return -EFAULT
  }
  copyToFrame(cpu, frame, within, source, start, length)
  // Marked after the copy: a write-back in between may have cleared an earlier mark, and missed these bytes.
  setPageDirty(cpu, frame, PG_REFERENCED)
  putPage(cpu, frame)
  return 0
}

/**
 * Puts a page that is overwritten whole into the cache without reading it first. Returns false, and does nothing, if
 * the page is in the cache and up to date, or if `source` has become too short.
 */
export function addWholePage(
  cpu: Task,
  file: number,
  index: number,
  source: Uint8Array,
  start: number,
): boolean {
  const found = loadPage(cpu, file, index)
  if (found !== 0) return found > 0 && replaceUnread(cpu, file, index, source, start)
  const frame = freshPage(cpu, allocPage(cpu), PG_LOCKED)
  if (frame === 0) return false
  const present = source.length >= start + PAGE_SIZE
  if (present) copyToFrame(cpu, frame, 0, source, start, PAGE_SIZE)
  const added = present && addToPageCache(cpu, file, index, frame, 0) === 1
  if (added) {
    setPageDirty(cpu, frame, PG_UPTODATE | PG_REFERENCED)
    dropIfTruncated(cpu, file, index, frame)
  }
  unlockPage(cpu, frame)
  putPage(cpu, frame)
  return added
}

/** Does the same for a page that is in the cache because reading it has failed. */
function replaceUnread(cpu: Task, file: number, index: number, source: Uint8Array, start: number): boolean {
  const frame = findGetPage(cpu, file, index)
  if (frame === 0) return false
  if ((pageFlags(cpu, frame) & PG_UPTODATE) !== 0) {
    putPage(cpu, frame)
    return false
  }
  // A CPU that reads it has locked it.
  lockPage(cpu, frame)
  const unread =
    isPageOf(cpu, frame, file, index) &&
    (pageFlags(cpu, frame) & PG_UPTODATE) === 0 &&
    source.length >= start + PAGE_SIZE
  if (unread) {
    copyToFrame(cpu, frame, 0, source, start, PAGE_SIZE)
    setPageDirty(cpu, frame, PG_UPTODATE | PG_REFERENCED)
  }
  unlockPage(cpu, frame)
  putPage(cpu, frame)
  return unread
}

function copyToFrame(
  cpu: Task,
  frame: number,
  within: number,
  source: Uint8Array,
  start: number,
  length: number,
): void {
  noteWritten(cpu, frame, sectorMask(within, length))
  cpu.memory.copyIn(frame * PAGE_SIZE + within, source, start, length)
}
