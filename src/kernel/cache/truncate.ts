// Making a file shorter or longer, under its mappings (mm/truncate.c).
//
// The size changes first. A fault checks it with its page locked. A CPU that brings a page in checks it again after the
// page has entered the cache, and drops the page if it lies beyond the end: so pages that the walk here does not find
// are dropped as well. Pages are unmapped three times: all of them before the walk, for speed; one by one in the walk,
// if they are mapped still; and all once more at the end, for private copies made meanwhile. Two changes of the size
// exclude each other (inode-lock.ts).

import { cpuRelax } from '../machine/cpu.ts'
import { PAGE_SIZE } from '../machine/frames.ts'
import { setPageDirty } from '../memory/dirty.ts'
import {
  FILE_HOST,
  FILE_READ_ONLY,
  File,
  deleteFromPageCache,
  findGetPage,
  loadPage,
  nextCachedPage,
  replaceSwapEntry,
} from '../memory/file.ts'
import { truncateOnHost } from '../memory/host-io.ts'
import { lockInode, tryLockInode, unlockInode } from '../memory/inode-lock.ts'
import { putPage } from '../memory/page-alloc.ts'
import { clearPageFlags, lockPage, pageFlags, unlockPage } from '../memory/page-lock.ts'
import { isPageOf, PG_DIRTY, PG_UPTODATE, unpinnedCount } from '../memory/page.ts'
import { freeSwapSlot } from '../memory/swap.ts'
import { EFBIG, EINVAL } from '../mm/errno.ts'
import type { Task } from '../mm/task.ts'
import { unmapMappingRange } from '../tables/rmap.ts'
import { zeroFrom } from './read-pages.ts'
import { noteHostChange } from './writeback.ts'

/** More pages than any file can have. */
export const END_OF_FILES = 2 ** 31 - 1

/**
 * `ftruncate`: gives the file `pages` pages, the last with `lastBytes` bytes. Returns 0; -EINVAL for a file that was
 * opened read-only; or an error of the host, if that keeps the file. Then the size is unchanged, but of the part to be
 * cut off only what was on disk is left. May sleep.
 */
export function truncateFile(cpu: Task, file: number, pages: number, lastBytes: number): number {
  if ((Atomics.load(cpu.heap, file + File.flags) & FILE_READ_ONLY) !== 0) return -EINVAL
  if (pages > END_OF_FILES) return -EFBIG
  lockInode(cpu, file)
  const shrinks = endsBefore(cpu, file, pages, lastBytes) === 1
  const error = shrinks ? shrink(cpu, file, pages, lastBytes) : extend(cpu, file, pages, lastBytes)
  unlockInode(cpu, file)
  return error
}

/** How often a CPU tries to take the lock before it sleeps. */
const SIZE_TURNS = 100

/**
 * `i_size_read`, in bytes: everything that an append has added by then is there. (Linux raises the size with each page
 * written.) Waits for CPUs that change the size or write. May sleep.
 */
export function readFileSize(cpu: Task, file: number): number {
  // A CPU that keeps appending releases the lock between two appends, and takes it again before a sleeper wakes.
  for (let turn = 0; !tryLockInode(cpu, file); turn++) {
    if (turn === SIZE_TURNS) {
      lockInode(cpu, file)
      break
    }
    cpuRelax(cpu)
  }
  const pages = Atomics.load(cpu.heap, file + File.pages)
  const bytes = pages === 0 ? 0 : (pages - 1) * PAGE_SIZE + Atomics.load(cpu.heap, file + File.lastBytes)
  unlockInode(cpu, file)
  return bytes
}

/**
 * Makes a file longer that is shorter than that, if it may grow; else returns -EFBIG. Returns 0 or a negative errno.
 * The caller has locked the inode. May sleep.
 */
export function growFile(
  cpu: Task,
  file: number,
  pages: number,
  lastBytes: number,
  mayGrow: boolean,
): number {
  if (endsBefore(cpu, file, pages, lastBytes) >= 0) return 0
  return mayGrow ? extend(cpu, file, pages, lastBytes) : -EFBIG
}

/**
 * Makes a file longer whose new part is about to be written whole: the host gets the new size with the pages, and what
 * a mapping has written behind the old end is overwritten. The inode is locked.
 */
export function extendCached(cpu: Task, file: number, pages: number, lastBytes: number): void {
  setSize(cpu, file, pages, lastBytes)
}

/** Gives a file its previous size back. The inode is locked. Returns 0 or a negative errno. May sleep. */
export function cutBack(cpu: Task, file: number, pages: number, lastBytes: number): number {
  return shrink(cpu, file, pages, lastBytes)
}

/** -1 if the file is shorter than that, 0 if it has that size, 1 if it is longer. The inode is locked. */
function endsBefore(cpu: Task, file: number, pages: number, lastBytes: number): number {
  const { heap } = cpu
  const difference = heap[file + File.pages] - pages
  return Math.sign(difference === 0 ? heap[file + File.lastBytes] - lastBytes : difference)
}

function extend(cpu: Task, file: number, pages: number, lastBytes: number): number {
  const { heap } = cpu
  const oldPages = heap[file + File.pages]
  // Zeros the rest of the old last page: a mapping may have written behind the end.
  if (oldPages !== 0) zeroTail(cpu, file, oldPages - 1, heap[file + File.lastBytes])
  const error = isOnHost(cpu, file) ? resizeOnHost(cpu, file, pages, lastBytes) : 0
  if (error === 0) setSize(cpu, file, pages, lastBytes)
  return error
}

function shrink(cpu: Task, file: number, pages: number, lastBytes: number): number {
  const { heap } = cpu
  const oldPages = heap[file + File.pages]
  const oldLast = heap[file + File.lastBytes]
  setSize(cpu, file, pages, lastBytes)
  unmapMappingRange(cpu, file, pages, END_OF_FILES)
  truncateInodePages(cpu, file, pages)
  unmapMappingRange(cpu, file, pages, END_OF_FILES)
  if (pages !== 0) zeroTail(cpu, file, pages - 1, lastBytes)
  // The host's file is cut last: a write-back that began before would make it longer again.
  const error = isOnHost(cpu, file) ? resizeOnHost(cpu, file, pages, lastBytes) : 0
  if (error !== 0) setSize(cpu, file, oldPages, oldLast)
  else if (Atomics.load(heap, file + File.hostPages) > pages)
    Atomics.store(heap, file + File.hostPages, pages)
  return error
}

function isOnHost(cpu: Task, file: number): boolean {
  return (Atomics.load(cpu.heap, file + File.flags) & FILE_HOST) !== 0
}

/**
 * `i_size_write`. The two words do not change together: a CPU that reads them meanwhile may take the last page for
 * full.
 */
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

/** Returns false if another CPU was faster, and the caller has to look at that place again. */
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
  const present = isPageOf(cpu, frame, file, index)
  // Otherwise the page is still mapped, or another CPU has a reference for a moment. A pin keeps only the frame.
  const unused = unpinnedCount(cpu, frame) === 2
  if (present && unused) {
    clearPageFlags(cpu, frame, PG_DIRTY)
    deleteFromPageCache(cpu, frame, 0)
    putPage(cpu, frame)
  }
  unlockPage(cpu, frame)
  if (present && !unused) {
    // With the page unlocked, as a fault locks the page while it holds the mmap lock.
    unmapMappingRange(cpu, file, index, index + 1)
    // The CPU that still has a reference may have unmapped the page as well, and wait for this one to flush its TLB.
    if (unpinnedCount(cpu, frame) > 2) cpuRelax(cpu)
  }
  putPage(cpu, frame)
  return present && unused
}

/** `truncate_pagecache`: zeros the bytes of a page behind the end. */
function zeroTail(cpu: Task, file: number, index: number, bytes: number): void {
  const frame = findGetPage(cpu, file, index)
  if (frame === 0) return
  lockPage(cpu, frame)
  // A page that is read later is zeroed then.
  if (isPageOf(cpu, frame, file, index) && (pageFlags(cpu, frame) & PG_UPTODATE) !== 0) {
    zeroFrom(cpu, frame, bytes)
    setPageDirty(cpu, frame)
  }
  unlockPage(cpu, frame)
  putPage(cpu, frame)
}

/** Sets the size of the host's file, which has to be made safe as data is. */
function resizeOnHost(cpu: Task, file: number, pages: number, lastBytes: number): number {
  const error = truncateOnHost(cpu, file, pages, lastBytes)
  noteHostChange(cpu, file)
  return error
}
