// The flusher: a thread that writes files back while programs compute (fs/fs-writeback.c, wb_do_writeback).
//
// It runs when its period is over, when many pages have become dirty since its last run, or on request. After a period
// it writes what has been dirty for long; otherwise everything. It guarantees nothing: a page is safe only after a
// synchronisation, which then finds little to do. This file is the flusher's part in the kernel. It handles part of a
// file at a time, so that the flusher can be stopped in between; the thread belongs to the backend.
//
// The flusher clears the mark of a file (`dirtiedWhen`) before it looks for dirty pages. A CPU that makes a page dirty
// or writable marks the file first, or has the page table or the page locked: the flusher waits for that lock, or looks
// again later.

import { Header } from '../machine/header.ts'
import { markFileDirty } from '../memory/dirty.ts'
import { FILE_HOST, FILE_READ_ONLY, File, nextCachedPage } from '../memory/file.ts'
import { openOnHost } from '../memory/host-io.ts'
import type { Task } from '../mm/task.ts'
import { numberAt } from '../sync/number.ts'
import { spinLock, spinUnlock } from '../sync/spinlock.ts'
import { cleanMappings } from '../tables/rmap.ts'
import { WB_SYNC_NONE, writeBackPages } from './writeback.ts'

/** `MAX_WRITEBACK_PAGES`: how many pages of a file it looks at before the next file has its turn. */
const WRITEBACK_PAGES = 1024

/** Values of `flusherWake`: there is something to do; the flusher must end. */
export const FLUSHER_WORK = 1
export const FLUSHER_STOP = 2

/** A period is over. */
export function advanceWriteback(cpu: Task): void {
  Atomics.add(cpu.heap, Header.writebackPeriod, 1)
}

/** Whether so many pages are dirty that the flusher writes all, and not only those that have been dirty for long. */
export function isOverBackground(cpu: Task): boolean {
  const { heap } = cpu
  const limit = Atomics.load(heap, Header.dirtyBackground)
  return limit !== 0 && Atomics.load(heap, Header.dirtied) >= limit
}

/** Begins `writeback_sb_inodes` at the first file. With `all`, the count of dirty pages begins anew. */
export function beginWriteback(cpu: Task, all: boolean): void {
  cpu.walkFile = 0
  if (all) Atomics.store(cpu.heap, Header.dirtied, 0)
}

/**
 * `writeback_sb_inodes`, one turn: writes part of the next file that is due, or more of the current one. Returns false
 * if no file is left. Leaves errors to those who synchronise the file. May sleep.
 */
export function writeBackSome(cpu: Task, all: boolean): boolean {
  const file = nextDueFile(cpu, all)
  if (file === 0) return false
  if (writePart(cpu, file)) cpu.walkFile--
  // `inode_sync_complete`: from here on the file may be freed.
  Atomics.store(cpu.heap, file + File.underWriteback, 0)
  Atomics.notify(cpu.heap, file + File.underWriteback)
  return true
}

/**
 * The due file with the lowest number above `cpu.walkFile`, which becomes its number; 0 if there is none. Marks the
 * file as being written (I_SYNC), which keeps it from being freed. A reference is not taken, so the CPU that closes the
 * file last need not wait for this one.
 */
function nextDueFile(cpu: Task, all: boolean): number {
  const { heap } = cpu
  let next = 0
  spinLock(cpu, Header.fileListLock)
  for (let file = heap[Header.fileList]; file !== 0; file = heap[file + File.nextFile]) {
    const number = numberAt(heap, file + File.generation)
    if (number <= cpu.walkFile || (next !== 0 && number > numberAt(heap, next + File.generation))) continue
    if (isDue(cpu, file, all)) next = file
  }
  if (next !== 0) {
    Atomics.store(heap, next + File.underWriteback, 1)
    cpu.walkFile = numberAt(heap, next + File.generation)
  }
  spinUnlock(cpu, Header.fileListLock)
  return next
}

function isDue(cpu: Task, file: number, all: boolean): boolean {
  const { heap } = cpu
  const flags = Atomics.load(heap, file + File.flags)
  if ((flags & FILE_HOST) === 0 || (flags & FILE_READ_ONLY) !== 0) return false
  if (file === Atomics.load(heap, Header.swapFile)) return false
  if (heap[file + File.writebackIndex] !== 0) return true
  const since = Atomics.load(heap, file + File.dirtiedWhen)
  if (since === 0) return false
  const age = (Atomics.load(heap, Header.writebackPeriod) + 1 - since) | 0
  return all || age >= heap[Header.dirtyExpire]
}

/** Returns whether there is more of the file. Only the flusher calls this. */
function writePart(cpu: Task, file: number): boolean {
  const { heap } = cpu
  const first = heap[file + File.writebackIndex]
  if (first === 0) Atomics.store(heap, file + File.dirtiedWhen, 0)
  const end = Math.min(first + WRITEBACK_PAGES, Atomics.load(heap, file + File.pages))
  // A file that only other threads can reach is left to them, without an error.
  if (openOnHost(cpu, file) !== 0) {
    markFileDirty(cpu, file)
    return false
  }
  if (first < end) {
    cleanMappings(cpu, file, first, end)
    writeBackPages(cpu, file, first, end, WB_SYNC_NONE)
  }
  const pages = Atomics.load(heap, file + File.pages)
  const next = nextCachedPage(cpu, file, end, pages)
  heap[file + File.writebackIndex] = next < pages ? next : 0
  return next < pages
}
