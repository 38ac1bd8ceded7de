// Making a file shorter or longer, under its mappings (mm/truncate.c).
//
// The size changes first. A fault looks at it with its page locked, and a page that is just being brought in is looked
// at again after it has entered the cache, so that whatever this walk does not find is dropped by who put it there. What
// is mapped is unmapped before, for speed; page by page, as long as a page is still mapped; and once more at the end,
// for the private copies that were made meanwhile.

import { EFBIG, EINVAL } from './errno.ts'
import {
  FILE_HOST,
  FILE_READ_ONLY,
  File,
  deleteFromPageCache,
  findGetPage,
  loadPage,
  nextCachedPage,
  replaceSwapEntry,
} from './file.ts'
import { isPageOf, zeroFrom } from './filemap.ts'
import { truncateOnHost } from './host-io.ts'
import { putPage } from './page-alloc.ts'
import { clearPageFlags, lockPage, setPageFlags, unlockPage } from './page-lock.ts'
import { PG_DIRTY, pageCount } from './page.ts'
import { unmapMappingRange } from './rmap.ts'
import { freeSwapSlot } from './swap.ts'
import type { Task } from './task.ts'

/** More pages than a file can have. */
const END_OF_FILES = 2 ** 31 - 1

/**
 * `ftruncate`: gives the file `pages` pages, of which the last has `lastBytes` bytes. Returns 0 or a negative errno:
 * -EINVAL for a file that was opened for reading, what the host says for one of the host; then a file that was to grow
 * is as it was, and one that was to shrink has shrunk in memory alone.
 */
export function truncateFile(cpu: Task, file: number, pages: number, lastBytes: number): number {
  const { heap } = cpu
  const flags = heap[file + File.flags]
  if ((flags & FILE_READ_ONLY) !== 0) return -EINVAL
  if (pages > END_OF_FILES) return -EFBIG
  const oldPages = Atomics.load(heap, file + File.pages)
  const oldLast = Atomics.load(heap, file + File.lastBytes)
  const onHost = (flags & FILE_HOST) !== 0
  if (pages > oldPages || (pages === oldPages && lastBytes >= oldLast)) {
    // Zeros follow what was the end: a mapping may have written behind it.
    if (oldPages !== 0) zeroTail(cpu, file, oldPages - 1, oldLast)
    const error = onHost ? truncateOnHost(cpu, file, pages, lastBytes) : 0
    if (error === 0) setSize(cpu, file, pages, lastBytes)
    return error
  }
  setSize(cpu, file, pages, lastBytes)
  unmapMappingRange(cpu, file, pages, END_OF_FILES)
  truncateInodePages(cpu, file, pages)
  unmapMappingRange(cpu, file, pages, END_OF_FILES)
  if (pages !== 0) zeroTail(cpu, file, pages - 1, lastBytes)
  return onHost ? truncateOnHost(cpu, file, pages, lastBytes) : 0
}

/** `i_size_write`. The two words are not changed together: who reads them meanwhile may see the last page as full. */
function setSize(cpu: Task, file: number, pages: number, lastBytes: number): void {
  Atomics.store(cpu.heap, file + File.pages, pages)
  Atomics.store(cpu.heap, file + File.lastBytes, lastBytes)
}

/** `truncate_inode_pages`: takes the pages from `first` on out of the cache, whatever they contain. May sleep. */
export function truncateInodePages(cpu: Task, file: number, first: number): void {
  for (let index = nextCachedPage(cpu, file, first, END_OF_FILES); index < END_OF_FILES;) {
    if (dropPage(cpu, file, index)) index = nextCachedPage(cpu, file, index + 1, END_OF_FILES)
  }
}

/** Returns false when somebody was faster and the place has to be looked at again. */
function dropPage(cpu: Task, file: number, index: number): boolean {
  const entry = loadPage(cpu, file, index)
  if (entry === 0) return true
  if (entry < 0) {
    if (!replaceSwapEntry(cpu, file, index, -entry, 0)) return false
    freeSwapSlot(cpu, -entry)
    return true
  }
  const frame = findGetPage(cpu, file, index)
  if (frame === 0) return false
  lockPage(cpu, frame)
  if (pageCount(cpu, frame) > 2) {
    // Mapped, or looked at by somebody who has a reference for a moment. From now on nobody maps it any more, as whoever
    // saw the old size has let go of its lock; which must not be held here, where the mmap lock is waited for: a fault
    // waits for the lock of a page with the mmap lock held.
    unlockPage(cpu, frame)
    unmapMappingRange(cpu, file, index, index + 1)
    lockPage(cpu, frame)
  }
  const present = isPageOf(cpu, frame, file, index)
  if (present) {
    clearPageFlags(cpu, frame, PG_DIRTY)
    deleteFromPageCache(cpu, frame, 0)
    putPage(cpu, frame)
  }
  unlockPage(cpu, frame)
  putPage(cpu, frame)
  return present
}

/** `truncate_pagecache`: the bytes of a page behind the end are zeros. */
function zeroTail(cpu: Task, file: number, index: number, bytes: number): void {
  const frame = findGetPage(cpu, file, index)
  if (frame === 0) return
  lockPage(cpu, frame)
  if (isPageOf(cpu, frame, file, index)) {
    zeroFrom(cpu, frame, bytes)
    setPageFlags(cpu, frame, PG_DIRTY)
  }
  unlockPage(cpu, frame)
  putPage(cpu, frame)
}
