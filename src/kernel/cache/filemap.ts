// The page cache: bringing pages of files in (mm/filemap.c, mm/readahead.c, mm/shmem.c).
//
// A page enters the cache locked and not up to date. It is unlocked when its content is there, or when reading it has
// failed; then it stays, not up to date, and the next CPU that wants it tries again. All of this may sleep.

import { PAGE_SIZE, PAGE_WORDS } from '../machine/frames.ts'
import { clearFrame } from '../machine/sectors.ts'
import {
  FILE_HOST,
  File,
  addToPageCache,
  bytesInPage,
  deleteFromPageCache,
  findGetPage,
  isHostHole,
  loadPage,
} from '../memory/file.ts'
import { readFromHost, readSwapSlots } from '../memory/host-io.ts'
import { zonesFree } from '../memory/node.ts'
import { allocFrame, putPage } from '../memory/page-alloc.ts'
import { lockPage, pageFlags, setPageFlags, unlockPage } from '../memory/page-lock.ts'
import { PG_LOCKED, PG_REFERENCED, PG_UPTODATE, Page, isPageOf, pageStruct } from '../memory/page.ts'
import { freeSwapSlot, swapDuplicate } from '../memory/swap.ts'
import { EIO, ENOMEM } from '../mm/errno.ts'
import { READAHEAD_PAGES, type Task } from '../mm/task.ts'
import { VmEvent } from '../mm/vm-event.ts'
import { countVmEvent } from '../mm/vmstat.ts'
import { spinLock, spinUnlock } from '../sync/spinlock.ts'
import { VM_RAND_READ, VM_SEQ_READ } from '../vma/vma.ts'
import { allocPage } from './reclaim.ts'

/** `MMAP_LOTSAMISS`: after so many misses more than hits, pages around a fault are not worth reading. */
const MMAP_LOTSAMISS = 100

/**
 * The page `index` of a file, up to date, with a reference on it. `vmFlags` are those of the mapping, if it is for one.
 * Returns 0 when that is not possible; `cpu.ioError` is a negative errno then, and 0 behind the end of the file.
 */
export function getFilePage(cpu: Task, file: number, index: number, vmFlags = 0): number {
  for (;;) {
    // Asked in each turn: the file may become shorter, and what is brought in beyond its end is thrown away again.
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
      // The page is not part of the file any more: reclaim or truncation was faster.
      if (error > 0) continue
      cpu.ioError = error
      return 0
    }
    const error = bringIn(cpu, file, index, vmFlags)
    if (error === 0) continue
    cpu.ioError = error
    return 0
  }
}

/** `force_page_cache_readahead`: brings the pages [first, end) in as far as frames are free. */
export function readAhead(cpu: Task, file: number, first: number, end: number): void {
  const stop = Math.min(end, Atomics.load(cpu.heap, file + File.pages))
  if ((cpu.heap[file + File.flags] & FILE_HOST) === 0) return
  for (let index = first; index < stop && hasFreeFrames(cpu); index += READAHEAD_PAGES) {
    const runEnd = Math.min(index + READAHEAD_PAGES, stop)
    for (let start = index; start < runEnd; start++) {
      if (loadPage(cpu, file, start) !== 0) continue
      if (readRun(cpu, file, start, runEnd, start) !== 0) return
    }
  }
}

/** Whether there is room for pages that nobody has asked for: they are not worth reclaiming others. */
function hasFreeFrames(cpu: Task): boolean {
  return zonesFree(cpu.heap) >= 4 * READAHEAD_PAGES
}

/** The page is not in the cache: brings it in. Returns 0, also if somebody else did, or a negative errno. */
export function bringIn(cpu: Task, file: number, index: number, vmFlags: number): number {
  const entry = loadPage(cpu, file, index)
  if (entry > 0) return 0
  if (entry < 0) return swapInFilePage(cpu, file, index, -entry)
  if ((Atomics.load(cpu.heap, file + File.flags) & FILE_HOST) === 0) return addZeroPage(cpu, file, index)
  countVmEvent(cpu, VmEvent.pgmajfault)
  return readAround(cpu, file, index, vmFlags)
}

/**
 * Makes the content of a page that the caller has locked be there. Returns 0, a negative errno, or 1 when the page does
 * not belong to that place of the file any more.
 */
export function readLockedPage(cpu: Task, file: number, index: number, frame: number): number {
  if (!isPageOf(cpu, frame, file, index)) return 1
  if ((pageFlags(cpu, frame) & PG_UPTODATE) !== 0) return 0
  cpu.ioFrames[0] = frame
  const read = readPages(cpu, file, index, 1)
  return finishRead(cpu, file, index, frame, read)
}

// ---------------------------------------------------------------------------------------------------------------------
// Files of memory

/** A hole becomes a page of zeros. Returns 0 or -ENOMEM. */
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

/**
 * Truncation may have looked before the page was there: then this CPU has to take it out. The page has been locked
 * since before it entered the cache, so that nobody has mapped it.
 */
export function dropIfTruncated(cpu: Task, file: number, index: number, frame: number): void {
  if (index < Atomics.load(cpu.heap, file + File.pages)) return
  deleteFromPageCache(cpu, frame, 0)
  putPage(cpu, frame)
}

/** `shmem_swapin`. Returns 0, also when the page is not in that slot any more, or a negative errno. */
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
 * Takes a reference on the slot, so that it is not used again and the area is not given up: what is read from it is the
 * page, if the tree says so before and after. Returns false when the tree does not have the slot any more.
 */
function pinSwapEntry(cpu: Task, file: number, index: number, slot: number): boolean {
  spinLock(cpu, file + File.lock)
  const present = loadPage(cpu, file, index) === -slot
  if (present) swapDuplicate(cpu, slot)
  spinUnlock(cpu, file + File.lock)
  return present
}

/** Reads the slot, and puts the frame in its place if it is still there. Returns 0 or a negative errno. */
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

/** A frame that is this CPU's alone gets one reference and flags. Returns it. */
export function freshPage(cpu: Task, frame: number, flags: number): number {
  if (frame === 0) return 0
  const page = pageStruct(cpu, frame)
  Atomics.store(cpu.heap, page + Page.mapping, 0)
  Atomics.store(cpu.heap, page + Page.flags, flags)
  cpu.heap[page + Page.anonVma] = 0
  Atomics.store(cpu.heap, page + Page.refcount, 1)
  return frame
}

// ---------------------------------------------------------------------------------------------------------------------
// Files of the host

/**
 * `do_sync_mmap_readahead`: reads the page and what is worth reading around it. Returns 0, also when somebody else
 * brought it in, or a negative errno.
 */
function readAround(cpu: Task, file: number, index: number, vmFlags: number): number {
  let start = index
  let end = index + 1
  if ((vmFlags & VM_SEQ_READ) !== 0) end = index + READAHEAD_PAGES
  else if (
    (vmFlags & VM_RAND_READ) === 0 &&
    Atomics.add(cpu.heap, file + File.mmapMiss, 1) < MMAP_LOTSAMISS
  ) {
    start = Math.max(0, index - READAHEAD_PAGES / 2)
    end = start + READAHEAD_PAGES
  }
  if (!hasFreeFrames(cpu)) end = index + 1
  else while (start < index && loadPage(cpu, file, start) !== 0) start++
  if (end === index + 1) start = index
  end = Math.min(end, Atomics.load(cpu.heap, file + File.pages))
  const error = readRun(cpu, file, start, end, index)
  return error !== 0 || loadPage(cpu, file, index) !== 0 ? error : readRun(cpu, file, index, index + 1, index)
}

/**
 * Reads the pages from `start` on, up to `end` or the first that is there already. Returns 0 or a negative errno, which
 * concerns the page `needed`.
 */
function readRun(cpu: Task, file: number, start: number, end: number, needed: number): number {
  const { ioFrames } = cpu
  let count = 0
  let error = 0
  for (let index = start; index < end && error === 0; index++) {
    const frame = freshPage(cpu, index === needed ? allocPage(cpu) : allocFrame(cpu), PG_LOCKED)
    const added = frame === 0 ? -1 : addToPageCache(cpu, file, index, frame, 0)
    if (added === 1 && index < Atomics.load(cpu.heap, file + File.pages)) {
      ioFrames[count++] = frame
      continue
    }
    if (added === 1) {
      deleteFromPageCache(cpu, frame, 0)
      putPage(cpu, frame)
    }
    if (frame !== 0) {
      unlockPage(cpu, frame)
      putPage(cpu, frame)
    }
    if (added < 0 && index >= needed) error = -ENOMEM
    break
  }
  if (count === 0) return error
  const read = readPages(cpu, file, start, count)
  let neededError = 0
  for (let n = 0; n < count; n++) {
    const frame = ioFrames[n]
    const left = read < 0 ? read : Math.max(0, read - n * PAGE_SIZE)
    const failed = finishRead(cpu, file, start + n, frame, left)
    if (start + n === needed) {
      neededError = failed
      setPageFlags(cpu, frame, PG_REFERENCED)
    }
    unlockPage(cpu, frame)
    putPage(cpu, frame)
  }
  return neededError
}

/** Reads `count` pages into `cpu.ioFrames`, as far as the host keeps any. Returns bytes or a negative errno. */
function readPages(cpu: Task, file: number, start: number, count: number): number {
  const kept = Math.min(count, Atomics.load(cpu.heap, file + File.hostPages) - start)
  return kept > 0 ? readFromHost(cpu, file, start, cpu.ioFrames, kept) : 0
}

/**
 * `read` bytes of a page have come, or it is a negative errno. What is not of the file is zeros. Returns 0 or -errno.
 */
function finishRead(cpu: Task, file: number, index: number, frame: number, read: number): number {
  if (read < 0) return read
  const expected = bytesInPage(cpu, file, index)
  // A program of the host has made the file shorter, without the kernel.
  if (read === 0 && expected !== 0 && !isHostHole(cpu, file, index)) return -EIO
  zeroFrom(cpu, frame, Math.min(read, expected))
  setPageFlags(cpu, frame, PG_UPTODATE)
  return 0
}

/** Zeros the bytes of a frame from `offset` on. */
export function zeroFrom(cpu: Task, frame: number, offset: number): void {
  if (offset >= PAGE_SIZE) return
  const first = frame * PAGE_SIZE + offset
  const aligned = (offset + 3) & -4
  if (aligned !== offset) cpu.memory.bytes.fill(0, first, frame * PAGE_SIZE + aligned)
  cpu.memory.words.fill(0, frame * PAGE_WORDS + aligned / 4, (frame + 1) * PAGE_WORDS)
}
