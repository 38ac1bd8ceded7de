// The flusher: a thread that writes files back while programs compute (fs/fs-writeback.c, wb_do_writeback).
//
// It comes when its period is over, when many pages have become dirty since it last came, or when it is asked. In
// periods it writes what has been dirty for long; otherwise everything. It promises nothing: a page that it has written
// is safe only when a synchronisation says so, which then finds little to do. Here is what it does in the kernel, a
// part of a file at a time, so that it can be stopped in between; the thread is the backend's.
//
// It takes the mark off a file before it begins with it (`dirtiedWhen`), and only then looks for dirty pages: whoever
// makes one dirty or writable marks the file first or has the page table or the page locked, for which the flusher
// waits, or comes back.

import { Header } from '../machine/header.ts'
import { markFileDirty } from '../memory/dirty.ts'
import { FILE_HOST, FILE_READ_ONLY, File, nextCachedPage } from '../memory/file.ts'
import { openOnHost } from '../memory/host-io.ts'
import type { Task } from '../mm/task.ts'
import { numberAt } from '../sync/number.ts'
import { spinLock, spinUnlock } from '../sync/spinlock.ts'
import { cleanMappings } from '../tables/rmap.ts'
import { WB_SYNC_NONE, writeBackPages } from './writeback.ts'

/** `MAX_WRITEBACK_PAGES`: how much of a file is looked at before another has its turn. */
const WRITEBACK_PAGES = 1024

/** Values of `flusherWake`: there is something to do; the flusher must end. */
export const FLUSHER_WORK = 1
export const FLUSHER_STOP = 2

/** A period is over. */
export function advanceWriteback(cpu: Task): void {
  Atomics.add(cpu.heap, Header.writebackPeriod, 1)
}

/** Whether so much has become dirty that all is to be written, and not only what has been dirty for long. */
export function isOverBackground(cpu: Task): boolean {
  const { heap } = cpu
  const limit = Atomics.load(heap, Header.dirtyBackground)
  return limit !== 0 && Atomics.load(heap, Header.dirtied) >= limit
}

/** `writeback_sb_inodes` begins, from the first file on; with all of them, what is dirty is counted anew. */
export function beginWriteback(cpu: Task, all: boolean): void {
  cpu.walkFile = 0
  if (all) Atomics.store(cpu.heap, Header.dirtied, 0)
}

/**
 * `writeback_sb_inodes`, one turn: writes a part of the next file that is due, or of the same one again. Returns false
 * when there is no other. Errors are left to those who synchronise the file. May sleep.
 */
export function writeBackSome(cpu: Task, all: boolean): boolean {
  const file = nextDueFile(cpu, all)
  if (file === 0) return false
  if (writePart(cpu, file)) cpu.walkFile--
  // `inode_sync_complete`: from here on it may be freed.
  Atomics.store(cpu.heap, file + File.underWriteback, 0)
  Atomics.notify(cpu.heap, file + File.underWriteback)
  return true
}

/**
 * The file with the lowest number above `cpu.walkFile` that is due; its number becomes that. It is marked as being
 * written (I_SYNC), which keeps it from being freed, as no reference does: who closes it last need not wait for this
 * CPU to let go. 0 if there is none.
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

/** Returns whether there is more of the file. Only the flusher comes here. */
function writePart(cpu: Task, file: number): boolean {
  const { heap } = cpu
  const first = heap[file + File.writebackIndex]
  if (first === 0) Atomics.store(heap, file + File.dirtiedWhen, 0)
  const end = Math.min(first + WRITEBACK_PAGES, Atomics.load(heap, file + File.pages))
  // What only others can reach is left to them, and is no error.
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
