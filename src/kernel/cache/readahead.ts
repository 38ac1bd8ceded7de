// Read-ahead (mm/readahead.c, and do_sync_mmap_readahead and do_async_mmap_readahead of mm/filemap.c, Linux 6.12).
//
// A file has a window, the pages that were read last, and the number of those at its end that nobody had asked for yet
// when they were read. The first of these is marked (PG_readahead): who finds it moves the window on, before a page is
// missed. The window begins with a few pages, and doubles up to READAHEAD_PAGES. A fault that misses a page reads what
// is around it, unless faults of the file miss far more often than they find their page, or the program has said how it
// goes about it (MADV_RANDOM, MADV_SEQUENTIAL).
//
// Here the window belongs to the file, not to who has opened it: several threads that scan one file disturb each other,
// as threads that share a descriptor do in Linux. Its words are read and written one by one; if those of two threads
// mix, too much or too little is read. The host does what it is asked for before it returns, so that to read before
// pages are missed hides no time: it saves faults, and reads more pages with a request.

import { FILE_HOST, File, loadPage } from '../memory/file.ts'
import { zonesFree } from '../memory/node.ts'
import { READAHEAD_PAGES, type Task } from '../mm/task.ts'
import { VM_RAND_READ, VM_SEQ_READ } from '../vma/vma.ts'
import { readRun } from './read-pages.ts'
import { balance } from './reclaim.ts'

/** `MMAP_LOTSAMISS`: after so many misses more than hits, pages around a fault are not worth reading. */
const MMAP_LOTSAMISS = 100
/** More are not counted, so that a file is read ahead again when it is used in another way. */
const MMAP_MISS_MAX = 10 * MMAP_LOTSAMISS

/** The window: its size in the low half of a word, and how many pages of it are behind the marker in the high half. */
const ASYNC_SHIFT = 16

/**
 * The page `index` of a file of the host is missing: reads it, and what is worth reading with it. `vmFlags` are those of
 * the mapping, 0 for a call, which wants `pages` pages. Returns 0, also when somebody else brought the page in, or it
 * was not read after all; or a negative errno.
 */
export function readAhead(cpu: Task, file: number, index: number, pages: number, vmFlags: number): number {
  if ((vmFlags & VM_RAND_READ) !== 0 || !hasRoom(cpu)) return readRun(cpu, file, index, index + 1, index)
  if (vmFlags === 0) return syncReadAhead(cpu, file, index, pages)
  if ((vmFlags & VM_SEQ_READ) !== 0) return syncReadAhead(cpu, file, index, READAHEAD_PAGES)
  if (countMiss(cpu, file) > MMAP_LOTSAMISS) return readRun(cpu, file, index, index + 1, index)
  const start = Math.max(0, index - READAHEAD_PAGES / 2)
  return readWindow(cpu, file, start, READAHEAD_PAGES, READAHEAD_PAGES / 4, index)
}

/** `page_cache_sync_ra`: the pages from `index` on are wanted, of which the first is missing. Returns 0 or -errno. */
function syncReadAhead(cpu: Task, file: number, index: number, pages: number): number {
  const wanted = Math.min(pages, READAHEAD_PAGES)
  const since = index - Atomics.load(cpu.heap, file + File.raPrevious)
  if (index === 0 || pages > READAHEAD_PAGES || since === 0 || since === 1) {
    const size = initialWindow(wanted)
    return readWindow(cpu, file, index, size, size > wanted ? size - wanted : size >> 1, index)
  }
  // The pages before this one tell whether somebody has come along here.
  let history = 0
  while (history < READAHEAD_PAGES && history < index && loadPage(cpu, file, index - history - 1) > 0)
    history++
  if (history <= wanted) return readWindow(cpu, file, index, wanted, 0, index)
  // It has come from the beginning of the file: most likely it goes on to the end.
  const traces = history === index ? 2 * history : history
  return readWindow(cpu, file, index, Math.min(traces + wanted, READAHEAD_PAGES), 1, index)
}

/**
 * `page_cache_async_ra`: who has found the marker at `index`, has taken it off, and wants `pages` pages from there on,
 * reads the next window.
 */
export function asyncReadAhead(cpu: Task, file: number, index: number, pages: number): void {
  const { heap } = cpu
  if (!hasRoom(cpu)) return
  const start = Atomics.load(heap, file + File.raStart)
  const window = Atomics.load(heap, file + File.raWindow)
  const size = window & ((1 << ASYNC_SHIFT) - 1)
  const behind = window >>> ASYNC_SHIFT
  if (size !== 0 && index === start + size - behind) {
    const next = nextWindow(size)
    readWindow(cpu, file, start + size, next, next, -1)
    return
  }
  // The window is somewhere else by now: the next one begins at the first page that is missing, if that is near.
  let missing = index + 1
  while (missing <= index + READAHEAD_PAGES && loadPage(cpu, file, missing) > 0) missing++
  if (missing > index + READAHEAD_PAGES) return
  const next = nextWindow(missing - index + pages)
  readWindow(cpu, file, missing, next, next, -1)
}

/** `get_init_ra_size`. */
function initialWindow(pages: number): number {
  const rounded = 2 ** Math.ceil(Math.log2(pages))
  if (rounded <= READAHEAD_PAGES / 32) return 4 * rounded
  return rounded <= READAHEAD_PAGES / 4 ? 2 * rounded : READAHEAD_PAGES
}

/** `get_next_ra_size`. */
function nextWindow(size: number): number {
  if (size < READAHEAD_PAGES / 16) return 4 * size
  return size <= READAHEAD_PAGES / 2 ? 2 * size : READAHEAD_PAGES
}

/**
 * `do_page_cache_ra`: reads what is missing of the `size` pages from `start` on, of which the last `behind` are behind
 * the marker; 0: without one. Returns 0, or a negative errno of the page `needed`.
 */
function readWindow(
  cpu: Task,
  file: number,
  start: number,
  size: number,
  behind: number,
  needed: number,
): number {
  const { heap } = cpu
  const pages = Atomics.load(heap, file + File.pages)
  const end = Math.min(start + size, pages)
  const marker = behind === 0 ? -1 : start + size - behind
  // Where the file ends before the marker, nothing goes on from here.
  if (marker >= 0 && marker < pages) {
    Atomics.store(heap, file + File.raStart, start)
    Atomics.store(heap, file + File.raWindow, size | (behind << ASYNC_SHIFT))
  }
  return readMissing(cpu, file, start, end, needed, marker)
}

/** Reads what is missing of [start, end), with a request for each run. Returns 0, or -errno of the page `needed`. */
function readMissing(
  cpu: Task,
  file: number,
  start: number,
  end: number,
  needed: number,
  marker: number,
): number {
  let error = 0
  for (let index = start; index < end;) {
    if (loadPage(cpu, file, index) !== 0) {
      index++
      continue
    }
    let stop = index + 1
    while (stop < end && loadPage(cpu, file, stop) === 0) stop++
    const failed = readRun(cpu, file, index, stop, needed, marker)
    if (needed < 0 || (index <= needed && needed < stop)) error = failed
    index = stop
  }
  return error
}

/** `force_page_cache_readahead`: brings the pages [first, end) in as far as frames are free. */
export function forceReadAhead(cpu: Task, file: number, first: number, end: number): void {
  const stop = Math.min(end, Atomics.load(cpu.heap, file + File.pages))
  if ((cpu.heap[file + File.flags] & FILE_HOST) === 0) return
  for (let index = first; index < stop && hasFreeFrames(cpu); index += READAHEAD_PAGES) {
    if (readMissing(cpu, file, index, Math.min(index + READAHEAD_PAGES, stop), -1, -1) !== 0) return
  }
}

/** The most pages that one window may leave of those that are free: those who need a page come first. */
const FREE_FRAMES_MIN = 4 * READAHEAD_PAGES

/** Whether there is room for pages that nobody has asked for, and for which no others need leave memory. */
function hasFreeFrames(cpu: Task): boolean {
  return zonesFree(cpu.heap) >= FREE_FRAMES_MIN
}

/**
 * The same, but where frames are freed before they are used up, others leave memory for a window. Only one CPU at a
 * time sees to that: when each that reads freed frames for itself, eight of them took half as long again for a page, as
 * all wait for each other's flushes.
 */
function hasRoom(cpu: Task): boolean {
  if (hasFreeFrames(cpu)) return true
  if (cpu.lowFrames === 0) return false
  balance(cpu)
  return zonesFree(cpu.heap) >= READAHEAD_PAGES
}

/** `mmap_miss`: a fault did not find its page. Returns how many more did not than did. */
function countMiss(cpu: Task, file: number): number {
  const word = file + File.mmapMiss
  const misses = Atomics.load(cpu.heap, word)
  if (misses < MMAP_MISS_MAX) Atomics.store(cpu.heap, word, misses + 1)
  return misses + 1
}

/** Faults have found `hits` pages. Only files of the host are ever missed. */
export function countHits(cpu: Task, file: number, hits: number): void {
  const word = file + File.mmapMiss
  const misses = Atomics.load(cpu.heap, word)
  if (misses > 0) Atomics.store(cpu.heap, word, Math.max(0, misses - hits))
}

/** A call has read the file up to the page `index`. */
export function noteReadTo(cpu: Task, file: number, index: number): void {
  const word = file + File.raPrevious
  if (Atomics.load(cpu.heap, word) !== index) Atomics.store(cpu.heap, word, index)
}
