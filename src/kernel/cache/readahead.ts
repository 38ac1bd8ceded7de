// Read-ahead (mm/readahead.c, and do_sync_mmap_readahead and do_async_mmap_readahead of mm/filemap.c, Linux 6.12).
//
// A file has a window, the pages that were read last, and the number of pages at its end that nobody had requested when
// they were read. The first of these is marked (PG_readahead): a CPU that finds the mark moves the window on, before a
// page is missed. The window begins with a few pages, and doubles up to READAHEAD_PAGES. A fault that misses a page
// reads the pages around it, unless faults on the file miss far more often than they hit, or the program has given
// advice (MADV_RANDOM, MADV_SEQUENTIAL).
//
// Here the window belongs to the file, not to the open file: threads that scan one file disturb each other, as threads
// that share a descriptor do in Linux. Its words are read and written one by one; if those of two threads mix, too much
// or too little is read. The host finishes each request before it returns, so reading ahead hides no latency: it saves
// faults, and reads more pages with one request.

import { FILE_HOST, File, loadPage } from '../memory/file.ts'
import { zonesFree } from '../memory/node.ts'
import { READAHEAD_PAGES, type Task } from '../mm/task.ts'
import { VM_RAND_READ, VM_SEQ_READ } from '../vma/vma.ts'
import { readRun } from './read-pages.ts'
import { balance } from './reclaim.ts'

/** `MMAP_LOTSAMISS`: with so many more misses than hits, the pages around a fault are not worth reading. */
const MMAP_LOTSAMISS = 100
/** The count stops here, so that a file is read ahead again when its use changes. */
const MMAP_MISS_MAX = 10 * MMAP_LOTSAMISS

/** The window: the low half of a word is its size, the high half how many of its pages follow the marker. */
const ASYNC_SHIFT = 16

/**
 * Reads the missing page `index` of a file of the host, and others that are worth reading with it. `vmFlags` are those
 * of the mapping, or 0 for a call, which needs `pages` pages. Returns 0, also if another CPU brought the page in, or if
 * it was not read after all; or a negative errno.
 */
export function readAhead(cpu: Task, file: number, index: number, pages: number, vmFlags: number): number {
  if ((vmFlags & VM_RAND_READ) !== 0 || !hasRoom(cpu)) return readRun(cpu, file, index, index + 1, index)
  if (vmFlags === 0) return syncReadAhead(cpu, file, index, pages)
  if ((vmFlags & VM_SEQ_READ) !== 0) return syncReadAhead(cpu, file, index, READAHEAD_PAGES)
  if (countMiss(cpu, file) > MMAP_LOTSAMISS) return readRun(cpu, file, index, index + 1, index)
  const start = Math.max(0, index - READAHEAD_PAGES / 2)
  return readWindow(cpu, file, start, READAHEAD_PAGES, READAHEAD_PAGES / 4, index)
}

/** `page_cache_sync_ra`: the pages from `index` on are needed, and the first is missing. Returns 0 or -errno. */
function syncReadAhead(cpu: Task, file: number, index: number, pages: number): number {
  const wanted = Math.min(pages, READAHEAD_PAGES)
  const since = index - Atomics.load(cpu.heap, file + File.raPrevious)
  if (index === 0 || pages > READAHEAD_PAGES || since === 0 || since === 1) {
    const size = initialWindow(wanted)
    return readWindow(cpu, file, index, size, size > wanted ? size - wanted : size >> 1, index)
  }
  // The cached pages before this one show whether the file is read in order.
  let history = 0
  while (history < READAHEAD_PAGES && history < index && loadPage(cpu, file, index - history - 1) > 0)
    history++
  if (history <= wanted) return readWindow(cpu, file, index, wanted, 0, index)
  // All pages from the beginning of the file are cached: most likely it will be read to the end.
  const traces = history === index ? 2 * history : history
  return readWindow(cpu, file, index, Math.min(traces + wanted, READAHEAD_PAGES), 1, index)
}

/**
 * `page_cache_async_ra`: reads the next window. The caller has found the marker at `index`, has cleared it, and needs
 * `pages` pages from there on.
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
  // The window has moved elsewhere: the next one begins at the first missing page, if that is near.
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
 * `do_page_cache_ra`: reads the missing ones of the `size` pages from `start` on. The last `behind` of them follow the
 * marker; 0: no marker. Returns 0, or a negative errno of the page `needed`.
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
  // If the file ends before the marker, there is nothing to read on from it.
  if (marker >= 0 && marker < pages) {
    Atomics.store(heap, file + File.raStart, start)
    Atomics.store(heap, file + File.raWindow, size | (behind << ASYNC_SHIFT))
  }
  return readMissing(cpu, file, start, end, needed, marker)
}

/**
 * Reads the missing pages of [start, end), with one request for each run. Returns 0, or -errno of the page `needed`.
 */
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

/** `force_page_cache_readahead`: reads the pages [first, end) as long as frames are free. */
export function forceReadAhead(cpu: Task, file: number, first: number, end: number): void {
  const stop = Math.min(end, Atomics.load(cpu.heap, file + File.pages))
  if ((cpu.heap[file + File.flags] & FILE_HOST) === 0) return
  for (let index = first; index < stop && hasFreeFrames(cpu); index += READAHEAD_PAGES) {
    if (readMissing(cpu, file, index, Math.min(index + READAHEAD_PAGES, stop), -1, -1) !== 0) return
  }
}

/** With fewer free frames than this, nothing is read ahead: CPUs that need a page come first. */
const FREE_FRAMES_MIN = 4 * READAHEAD_PAGES

/** Whether there are free frames for pages that nobody has requested, without reclaim. */
function hasFreeFrames(cpu: Task): boolean {
  return zonesFree(cpu.heap) >= FREE_FRAMES_MIN
}

/**
 * The same, but if frames are reclaimed before they are used up, reclaim makes room for a window. Only one CPU at a
 * time does so: when each reader freed frames for itself, eight of them took half as long again per page, as all waited
 * for each other's flushes.
 */
function hasRoom(cpu: Task): boolean {
  if (hasFreeFrames(cpu)) return true
  if (cpu.lowFrames === 0) return false
  balance(cpu)
  return zonesFree(cpu.heap) >= READAHEAD_PAGES
}

/** `mmap_miss`: a fault did not find its page. Returns how many more faults missed than hit. */
function countMiss(cpu: Task, file: number): number {
  const word = file + File.mmapMiss
  const misses = Atomics.load(cpu.heap, word)
  if (misses < MMAP_MISS_MAX) Atomics.store(cpu.heap, word, misses + 1)
  return misses + 1
}

/** Faults have found `hits` pages. Only files of the host can miss. */
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
