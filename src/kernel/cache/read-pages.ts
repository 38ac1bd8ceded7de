// Reading pages of files of the host into the page cache (mm/filemap.c).
//
// A page enters the cache locked and not up to date. It is unlocked when its content is there, or when reading has
// failed. Then it stays in the cache, not up to date, and the next CPU that needs it tries again. All of this may
// sleep.

import { PAGE_SIZE, PAGE_WORDS } from '../machine/frames.ts'
import { File, addManyToPageCache, bytesInPage, deleteFromPageCache, isHostHole } from '../memory/file.ts'
import { readFromHost } from '../memory/host-io.ts'
import { allocZoneFrame, putPage } from '../memory/page-alloc.ts'
import { pageFlags, setPageFlags, unlockPage } from '../memory/page-lock.ts'
import {
  PG_LOCKED,
  PG_READAHEAD,
  PG_REFERENCED,
  PG_UPTODATE,
  Page,
  isPageOf,
  pageStruct,
} from '../memory/page.ts'
import { EIO, ENOMEM } from '../mm/errno.ts'
import type { Task } from '../mm/task.ts'
import { allocPage } from './reclaim.ts'

/** Gives a frame that only this CPU has one reference and these flags. Returns it. */
export function freshPage(cpu: Task, frame: number, flags: number): number {
  if (frame === 0) return 0
  const page = pageStruct(cpu, frame)
  Atomics.store(cpu.heap, page + Page.mapping, 0)
  Atomics.store(cpu.heap, page + Page.flags, flags)
  cpu.heap[page + Page.anonVma] = 0
  Atomics.store(cpu.heap, page + Page.refcount, 1)
  return frame
}

/**
 * If truncation looked before the page was in the cache, this CPU has to take it out. The page has been locked since
 * before it entered the cache, so no CPU has mapped it.
 */
export function dropIfTruncated(cpu: Task, file: number, index: number, frame: number): void {
  if (index < Atomics.load(cpu.heap, file + File.pages)) return
  deleteFromPageCache(cpu, frame, 0)
  putPage(cpu, frame)
}

/**
 * Reads a page that the caller has locked, if it is not up to date. Returns 0, a negative errno, or 1 if the page no
 * longer belongs to that place of the file.
 */
export function readLockedPage(cpu: Task, file: number, index: number, frame: number): number {
  if (!isPageOf(cpu, frame, file, index)) return 1
  if ((pageFlags(cpu, frame) & PG_UPTODATE) !== 0) return 0
  cpu.ioFrames[0] = frame
  const read = readPages(cpu, file, index, 1)
  return finishRead(cpu, file, index, frame, read)
}

/**
 * Reads at most READAHEAD_PAGES pages from `start` on, up to `end` or the first page that is in the cache, with one
 * request. The page `marker` gets PG_READAHEAD, see readahead.ts. Returns 0 or a negative errno that concerns the page
 * `needed`. A request for several pages may fail because of another one: the caller then reads `needed` alone.
 */
export function readRun(
  cpu: Task,
  file: number,
  start: number,
  end: number,
  needed: number,
  marker = -1,
): number {
  const { ioFrames } = cpu
  const wanted = Math.min(end - start, ioFrames.length)
  const taken = takeFrames(cpu, start, wanted, needed)
  const entered = addManyToPageCache(cpu, file, start, ioFrames, taken)
  const added = entered < 0 ? -1 - entered : entered
  const short = entered < 0 || (added === taken && taken < wanted)
  const error = short && start + added >= needed ? -ENOMEM : 0
  // As in dropIfTruncated(): these pages, too, were locked before they entered the cache.
  const within = Math.max(0, Atomics.load(cpu.heap, file + File.pages) - start)
  const count = Math.min(added, within)
  for (let n = count; n < added; n++) {
    deleteFromPageCache(cpu, ioFrames[n], 0)
    putPage(cpu, ioFrames[n])
  }
  for (let n = count; n < taken; n++) {
    unlockPage(cpu, ioFrames[n])
    putPage(cpu, ioFrames[n])
  }
  if (count === 0) return error
  const read = readPages(cpu, file, start, count)
  let neededError = 0
  for (let n = 0; n < count; n++) {
    const frame = ioFrames[n]
    const left = read < 0 ? read : Math.max(0, read - n * PAGE_SIZE)
    const failed = finishRead(cpu, file, start + n, frame, left)
    if (start + n === marker) setPageFlags(cpu, frame, PG_READAHEAD)
    if (count === 1 && start === needed) neededError = failed
    unlockPage(cpu, frame)
    putPage(cpu, frame)
  }
  return neededError
}

/**
 * Puts locked frames for `wanted` pages from `start` on into `cpu.ioFrames`. Reclaims memory only for the page
 * `needed`. All count as used: otherwise reclaim would take pages just read ahead, which no entry maps yet, before
 * pages that were used once. Returns how many frames it found.
 */
function takeFrames(cpu: Task, start: number, wanted: number, needed: number): number {
  const { ioFrames } = cpu
  let taken = 0
  for (; taken < wanted; taken++) {
    const free = start + taken === needed ? allocPage(cpu) : allocZoneFrame(cpu)
    const frame = freshPage(cpu, free, PG_LOCKED | PG_REFERENCED)
    if (frame === 0) break
    // Sorted, as the host reads into adjacent frames as into one buffer. Frames often come in descending order.
    let place = taken
    for (; place > 0 && ioFrames[place - 1] > frame; place--) ioFrames[place] = ioFrames[place - 1]
    ioFrames[place] = frame
  }
  return taken
}

/** Reads `count` pages into `cpu.ioFrames`, as far as the host has any. Returns bytes or a negative errno. */
function readPages(cpu: Task, file: number, start: number, count: number): number {
  const kept = Math.min(count, Atomics.load(cpu.heap, file + File.hostPages) - start)
  return kept > 0 ? readFromHost(cpu, file, start, cpu.ioFrames, kept) : 0
}

/** `read` bytes of a page have arrived, or it is a negative errno. Zeros the rest of the page. Returns 0 or -errno. */
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
