// Taking one page out of its cache and freeing it (mm/vmscan.c, shrink_page_list and __remove_mapping).

import { Header } from '../machine/header.ts'
import { FILE_HOST, File, deleteCleanFromPageCache, deleteFromPageCache } from '../memory/file.ts'
import { writeSwapSlots } from '../memory/host-io.ts'
import { freeFrame, putPage } from '../memory/page-alloc.ts'
import {
  clearPageFlags,
  freezeIfClean,
  pageFlags,
  setPageFlags,
  tryLockPage,
  unlockPage,
} from '../memory/page-lock.ts'
import { PG_DIRTY, PG_SWAPCACHE, Page, pageStruct } from '../memory/page.ts'
import { allocSwapSlot, deleteFromSwapCache, freeSwapSlot, swapCacheSlot, swapCount } from '../memory/swap.ts'
import type { Task } from '../mm/task.ts'
import { VmEvent } from '../mm/vm-event.ts'
import { countVmEvent } from '../mm/vmstat.ts'
import { writeLockedPage, writeLockedPages } from './writeback.ts'

/**
 * Frees the page if only its cache and the caller refer to it, and drops the caller's reference. Writes a dirty page
 * first, and so may sleep. Returns whether its frame is free now.
 */
export function reclaimPage(cpu: Task, frame: number): boolean {
  if (!tryLockPage(cpu, frame)) {
    putPage(cpu, frame)
    return false
  }
  const file = Atomics.load(cpu.heap, pageStruct(cpu, frame) + Page.mapping)
  if (file !== 0) return reclaimFilePage(cpu, frame, file)
  if ((pageFlags(cpu, frame) & PG_SWAPCACHE) !== 0) return reclaimSwapCachePage(cpu, frame)
  unlockPage(cpu, frame)
  return putIsLast(cpu, frame)
}

/**
 * `__remove_mapping` of many pages. The first `cpu.clockCount` of `cpu.clockFrames` are locked, and the caller has a
 * reference on each. Frees those that are clean pages of files of the host without other references. Unlocks the others
 * and moves them to the front; `cpu.clockCount` is their number then. Returns how many it freed.
 */
export function freeCleanPages(cpu: Task): number {
  const { clockFrames, clockCount, reclaimFrames } = cpu
  let top = clockCount
  let run = 0
  let runFile = 0
  // The last first: a CPU that then reads adjacent pages gets the first frame first, so that adjacent frames stay
  // adjacent and are read with one buffer.
  for (let n = clockCount - 1; n >= 0; n--) {
    const frame = clockFrames[n]
    const file = Atomics.load(cpu.heap, pageStruct(cpu, frame) + Page.mapping)
    if (!isHostFile(cpu, file) || (pageFlags(cpu, frame) & PG_DIRTY) !== 0) {
      unlockPage(cpu, frame)
      clockFrames[--top] = frame
      continue
    }
    if (run === reclaimFrames.length || (run !== 0 && file !== runFile)) {
      top = freeRun(cpu, runFile, run, top)
      run = 0
    }
    runFile = file
    reclaimFrames[run++] = frame
  }
  if (run !== 0) top = freeRun(cpu, runFile, run, top)
  clockFrames.copyWithin(0, top, clockCount)
  cpu.clockCount = clockCount - top
  return top
}

function isHostFile(cpu: Task, file: number): boolean {
  return file !== 0 && (Atomics.load(cpu.heap, file + File.flags) & FILE_HOST) !== 0
}

/**
 * Of the first `count` of `cpu.reclaimFrames`, pages of one file, takes those that are clean and have no other
 * references out of its tree, and frees them. Puts the others before `top` in `cpu.clockFrames`. Returns where these
 * begin.
 */
function freeRun(cpu: Task, file: number, count: number, top: number): number {
  const { clockFrames, reclaimFrames } = cpu
  const freed = deleteCleanFromPageCache(cpu, file, reclaimFrames, count)
  for (let n = 0; n < freed; n++) freeFrozen(cpu, reclaimFrames[n])
  let next = top
  for (let n = freed; n < count; n++) {
    unlockPage(cpu, reclaimFrames[n])
    clockFrames[--next] = reclaimFrames[n]
  }
  return next
}

/**
 * Writes the dirty pages among the first `count` of `frames`, with one request for each run of pages that are adjacent
 * on disk. The caller has references. A page that could not be written is still dirty when `reclaimPage` looks at it.
 */
export function writeCold(cpu: Task, frames: Int32Array, count: number): void {
  const { reclaimFrames } = cpu
  let run = 0
  let runFile = 0
  let runStart = 0
  for (let n = 0; n < count; n++) {
    const file = lockIfDirty(cpu, frames[n])
    if (file === 0) continue
    const place = placeOnDisk(cpu, frames[n])
    if (run !== 0 && (file !== runFile || place !== runStart + run || run === reclaimFrames.length)) {
      finishRun(cpu, runFile, runStart, run)
      run = 0
    }
    if (run === 0) {
      runFile = file
      runStart = place
    }
    reclaimFrames[run++] = frames[n]
  }
  if (run !== 0) finishRun(cpu, runFile, runStart, run)
}

/** Locks a dirty page to which only its cache and the caller refer. Returns the file that it is written to. */
function lockIfDirty(cpu: Task, frame: number): number {
  const page = pageStruct(cpu, frame)
  if ((pageFlags(cpu, frame) & PG_DIRTY) === 0 || Atomics.load(cpu.heap, page + Page.refcount) !== 2) return 0
  if (!tryLockPage(cpu, frame)) return 0
  const file = Atomics.load(cpu.heap, page + Page.mapping)
  if (isHostFile(cpu, file)) return file
  const slot = file === 0 ? swapCacheSlot(cpu, frame) : 0
  if (slot !== 0 && swapCount(cpu, slot) !== 0) return cpu.heap[Header.swapFile]
  unlockPage(cpu, frame)
  return 0
}

/** The number of a locked page within its file or the swap area. */
function placeOnDisk(cpu: Task, frame: number): number {
  const slot = swapCacheSlot(cpu, frame)
  return slot !== 0 ? slot - 1 : Atomics.load(cpu.heap, pageStruct(cpu, frame) + Page.index)
}

function finishRun(cpu: Task, file: number, start: number, count: number): void {
  const { reclaimFrames } = cpu
  if (file === Atomics.load(cpu.heap, Header.swapFile)) writeSwapPages(cpu, start + 1, count)
  else writeLockedPages(cpu, file, start, reclaimFrames, count)
  for (let n = 0; n < count; n++) unlockPage(cpu, reclaimFrames[n])
}

/** Writes the first `count` of `cpu.reclaimFrames`, all locked, to the slots from `slot` on. Returns 0 or -errno. */
function writeSwapPages(cpu: Task, slot: number, count: number): number {
  const { reclaimFrames } = cpu
  for (let n = 0; n < count; n++) clearPageFlags(cpu, reclaimFrames[n], PG_DIRTY)
  const error = writeSwapSlots(cpu, slot, reclaimFrames, count)
  for (let n = 0; n < count; n++) {
    if (error === 0) countVmEvent(cpu, VmEvent.pswpout)
    else setPageFlags(cpu, reclaimFrames[n], PG_DIRTY)
  }
  return error
}

/** The page is anonymous and in no cache: MADV_FREE gave it up. */
function putIsLast(cpu: Task, frame: number): boolean {
  const page = pageStruct(cpu, frame)
  const last = Atomics.load(cpu.heap, page + Page.refcount) === 1
  putPage(cpu, frame)
  return last
}

function giveUp(cpu: Task, frame: number): boolean {
  unlockPage(cpu, frame)
  putPage(cpu, frame)
  return false
}

function reclaimFilePage(cpu: Task, frame: number, file: number): boolean {
  if (Atomics.load(cpu.heap, pageStruct(cpu, frame) + Page.refcount) !== 2) return giveUp(cpu, frame)
  if ((Atomics.load(cpu.heap, file + File.flags) & FILE_HOST) === 0) return swapOutFilePage(cpu, frame, file)
  if ((pageFlags(cpu, frame) & PG_DIRTY) !== 0 && writeLockedPage(cpu, file, frame) !== 0)
    return giveUp(cpu, frame)
  if (!freezeIfClean(cpu, frame)) return giveUp(cpu, frame)
  deleteFromPageCache(cpu, frame, 0)
  return freeFrozen(cpu, frame)
}

/** Writes a page of a memory file to the swap area, and puts the slot into the tree of the file. */
function swapOutFilePage(cpu: Task, frame: number, file: number): boolean {
  const slot = allocSwapSlot(cpu, 1, file, 0)
  if (slot === 0) return giveUp(cpu, frame)
  cpu.reclaimFrames[0] = frame
  const error = writeSwapPages(cpu, slot, 1)
  if (error === 0 && freezeIfClean(cpu, frame)) {
    deleteFromPageCache(cpu, frame, -slot)
    return freeFrozen(cpu, frame)
  }
  setPageFlags(cpu, frame, PG_DIRTY)
  freeSwapSlot(cpu, slot)
  return giveUp(cpu, frame)
}

function reclaimSwapCachePage(cpu: Task, frame: number): boolean {
  const page = pageStruct(cpu, frame)
  const slot = swapCacheSlot(cpu, frame)
  if (Atomics.load(cpu.heap, page + Page.refcount) !== 2) return giveUp(cpu, frame)
  const dirty = (pageFlags(cpu, frame) & PG_DIRTY) !== 0
  cpu.reclaimFrames[0] = frame
  if (dirty && swapCount(cpu, slot) === 0) clearPageFlags(cpu, frame, PG_DIRTY)
  else if (dirty && writeSwapPages(cpu, slot, 1) !== 0) return giveUp(cpu, frame)
  if (!freezeIfClean(cpu, frame)) {
    // A fault may have mapped the page meanwhile, and a program written to it: the content on disk may be stale.
    if (dirty) setPageFlags(cpu, frame, PG_DIRTY)
    return giveUp(cpu, frame)
  }
  deleteFromSwapCache(cpu, frame)
  return freeFrozen(cpu, frame)
}

/** The page has no references, and is in no cache. */
function freeFrozen(cpu: Task, frame: number): boolean {
  unlockPage(cpu, frame)
  freeFrame(cpu, frame)
  countVmEvent(cpu, VmEvent.pgsteal)
  return true
}
