// The page cache: bringing pages of files in (mm/filemap.c, mm/shmem.c).
//
// Pages of files of the host are read in read-pages.ts. All of this may sleep.

import { PAGE_SIZE } from '../machine/frames.ts'
import { clearFrame } from '../machine/sectors.ts'
import { FILE_HOST, File, addToPageCache, findGetPage, loadPage } from '../memory/file.ts'
import { readSwapSlots } from '../memory/host-io.ts'
import { putPage } from '../memory/page-alloc.ts'
import { lockPage, pageFlags, setPageFlags, unlockPage } from '../memory/page-lock.ts'
import { PG_LOCKED, PG_REFERENCED, PG_UPTODATE } from '../memory/page.ts'
import { freeSwapSlot, swapDuplicate } from '../memory/swap.ts'
import { EIO, ENOMEM } from '../mm/errno.ts'
import type { Task } from '../mm/task.ts'
import { VmEvent } from '../mm/vm-event.ts'
import { countVmEvent } from '../mm/vmstat.ts'
import { spinLock, spinUnlock } from '../sync/spinlock.ts'
import { dropIfTruncated, freshPage, readLockedPage, readRun } from './read-pages.ts'
import { readAhead } from './readahead.ts'
import { allocPage } from './reclaim.ts'

/**
 * The page `index` of a file, up to date and with a reference, for a call that needs `pages` pages from there on.
 * Returns 0 on failure; `cpu.ioError` is then a negative errno, or 0 behind the end of the file.
 */
export function getFilePage(cpu: Task, file: number, index: number, pages = 1): number {
  for (;;) {
    // Checked in each turn: the file may shrink, and a page brought in beyond its end is dropped again.
    if (index >= Atomics.load(cpu.heap, file + File.pages)) {
      cpu.ioError = 0
      return 0
    }
    const frame = findGetPage(cpu, file, index)
    if (frame !== 0) {
      if ((pageFlags(cpu, frame) & PG_UPTODATE) !== 0) return frame
      lockPage(cpu, frame)
      const error = readLockedPage(cpu, file, index, frame)
      unlockPage(cpu, frame)
      if (error === 0) return frame
      putPage(cpu, frame)
      // The page no longer belongs to the file: reclaim or truncation was faster.
      if (error > 0) continue
      cpu.ioError = error
      return 0
    }
    const error = bringIn(cpu, file, index, pages, 0)
    if (error === 0) continue
    cpu.ioError = error
    return 0
  }
}

/**
 * Brings in a page that is not in the cache. `pages` and `vmFlags` are those of {@link readAhead}. Returns 0, also if
 * another CPU brought it in, or a negative errno.
 */
export function bringIn(cpu: Task, file: number, index: number, pages: number, vmFlags: number): number {
  const entry = loadPage(cpu, file, index)
  if (entry > 0) return 0
  if (entry < 0) return swapInFilePage(cpu, file, index, -entry)
  if ((Atomics.load(cpu.heap, file + File.flags) & FILE_HOST) === 0) return addZeroPage(cpu, file, index)
  countVmEvent(cpu, VmEvent.pgmajfault)
  const error = readAhead(cpu, file, index, pages, vmFlags)
  return error !== 0 || loadPage(cpu, file, index) !== 0 ? error : readRun(cpu, file, index, index + 1, index)
}

// ---------------------------------------------------------------------------------------------------------------------
// Files of memory

/** Fills a hole with a page of zeros. Returns 0 or -ENOMEM. */
function addZeroPage(cpu: Task, file: number, index: number): number {
  const frame = freshPage(cpu, allocPage(cpu), PG_LOCKED | PG_UPTODATE | PG_REFERENCED)
  if (frame === 0) return -ENOMEM
  clearFrame(cpu, frame)
  const added = addToPageCache(cpu, file, index, frame, 0)
  if (added === 1) dropIfTruncated(cpu, file, index, frame)
  unlockPage(cpu, frame)
  putPage(cpu, frame)
  return added < 0 ? -ENOMEM : 0
}

/** `shmem_swapin`. Returns 0, also if the page is no longer in that slot, or a negative errno. */
export function swapInFilePage(cpu: Task, file: number, index: number, slot: number): number {
  const frame = freshPage(cpu, allocPage(cpu), PG_LOCKED | PG_REFERENCED)
  if (frame === 0) return -ENOMEM
  const pinned = pinSwapEntry(cpu, file, index, slot)
  const error = pinned ? readSwapEntry(cpu, file, index, slot, frame) : 0
  if (pinned) freeSwapSlot(cpu, slot)
  unlockPage(cpu, frame)
  putPage(cpu, frame)
  return error
}

/**
 * Takes a reference on the slot, so that it is not reused and the area is not released: what is read from it is the
 * page if the tree has the slot before and after. Returns false if the tree no longer has the slot.
 */
function pinSwapEntry(cpu: Task, file: number, index: number, slot: number): boolean {
  spinLock(cpu, file + File.lock)
  const present = loadPage(cpu, file, index) === -slot
  if (present) swapDuplicate(cpu, slot)
  spinUnlock(cpu, file + File.lock)
  return present
}

/** Reads the slot, and replaces it in the tree by the frame if it is still there. Returns 0 or a negative errno. */
function readSwapEntry(cpu: Task, file: number, index: number, slot: number, frame: number): number {
  countVmEvent(cpu, VmEvent.pgmajfault)
  cpu.ioFrames[0] = frame
  const read = readSwapSlots(cpu, slot, 1)
  if (read !== PAGE_SIZE) return Math.min(read, -EIO)
  countVmEvent(cpu, VmEvent.pswpin)
  setPageFlags(cpu, frame, PG_UPTODATE)
  if (addToPageCache(cpu, file, index, frame, -slot) === 1) {
    freeSwapSlot(cpu, slot)
    dropIfTruncated(cpu, file, index, frame)
  }
  return 0
}
