// Writing dirty pages back to the host (mm/page-writeback.c, mm/filemap.c file_write_and_wait_range).
//
// A page is dirty if its flag or an entry that maps it says so. Write-back first moves the dirty bits of entries to the
// pages (rmap.ts). Then it locks each dirty page, marks it clean, and writes it. A program that writes to the page
// meanwhile makes an entry dirty again, which the next write-back finds. A page that cannot be written is marked dirty
// again, and the file remembers the error until all who have it open have received it (sync/errseq.ts).

import { PAGE_SIZE } from '../machine/frames.ts'
import { markFileDirty, setPageDirty } from '../memory/dirty.ts'
import {
  FILE_HOST,
  FILE_READ_ONLY,
  File,
  bytesInPage,
  findGetPage,
  growHostPages,
  nextCachedPage,
  nextDirtyPage,
} from '../memory/file.ts'
import { syncOnHost, writeToHost } from '../memory/host-io.ts'
import { putPage } from '../memory/page-alloc.ts'
import { clearPageFlags, lockPage, pageFlags, unlockPage } from '../memory/page-lock.ts'
import { checkMappedError, checkOpenError } from '../memory/open-file.ts'
import { isPageOf, PG_DIRTY, PG_LOCKED, PG_UPTODATE, Page, isPinned, pageStruct } from '../memory/page.ts'
import { EBADF } from '../mm/errno.ts'
import { READAHEAD_PAGES, type Task } from '../mm/task.ts'
import { VmEvent } from '../mm/vm-event.ts'
import { countVmEvent } from '../mm/vmstat.ts'
import { errseqSet } from '../sync/errseq.ts'
import { advanceNumber } from '../sync/number.ts'
import { spinLock, spinUnlock } from '../sync/spinlock.ts'
import { cleanMappings } from '../tables/rmap.ts'

/** `WB_SYNC_NONE` and `WB_SYNC_ALL`: whether to wait for a page that another CPU is writing. */
export const WB_SYNC_NONE = 0
const WB_SYNC_ALL = 1

/** `mapping_set_error`: `error` is a negative errno. */
function recordError(cpu: Task, file: number, error: number): void {
  errseqSet(cpu, file + File.writeError, error)
}

/** The host got data of the file, which has to be made safe. */
export function noteHostChange(cpu: Task, file: number): void {
  spinLock(cpu, file + File.lock)
  advanceNumber(cpu.heap, file + File.hostChanges)
  spinUnlock(cpu, file + File.lock)
}

/** Writes a dirty page that the caller has locked. Returns 0, or a negative errno with the page still dirty. */
export function writeLockedPage(cpu: Task, file: number, frame: number): number {
  cpu.reclaimFrames[0] = frame
  const index = Atomics.load(cpu.heap, pageStruct(cpu, frame) + Page.index)
  return writeLockedPages(cpu, file, index, cpu.reclaimFrames, 1)
}

/** Writes adjacent pages, all locked. Returns 0, or a negative errno with the pages still dirty. */
export function writeLockedPages(
  cpu: Task,
  file: number,
  index: number,
  frames: Int32Array,
  count: number,
): number {
  for (let n = 0; n < count; n++) clearPageFlags(cpu, frames[n], PG_DIRTY)
  const last = bytesInPage(cpu, file, index + count - 1)
  // The page lies beyond the end: truncation is about to drop it.
  if (last === 0 && count === 1) return 0
  growHostPages(cpu, file, index + count)
  const error = writeToHost(cpu, file, index, frames, count, (count - 1) * PAGE_SIZE + last)
  // Noted before the pages are unlocked, which a synchronisation waits for.
  noteHostChange(cpu, file)
  if (error === 0) {
    for (let n = 0; n < count; n++) countVmEvent(cpu, VmEvent.pgpgout)
    return 0
  }
  recordError(cpu, file, error)
  for (let n = 0; n < count; n++) setPageDirty(cpu, frames[n])
  return error
}

/**
 * `write_cache_pages`: writes back the dirty pages of [first, end). Returns 0, or the first negative errno after it has
 * tried the others, too.
 */
export function writeBackPages(cpu: Task, file: number, first: number, end: number, mode: number): number {
  let error = 0
  let count = 0
  let start = 0
  for (let index = nextToWrite(cpu, file, first, end, mode); index < end;) {
    const frame = lockDirtyPage(cpu, file, index, mode)
    if (frame !== 0) {
      if (count === 0) start = index
      cpu.ioFrames[count++] = frame
    }
    const next = nextToWrite(cpu, file, index + 1, end, mode)
    if (count !== 0 && (frame === 0 || next !== index + 1 || count === READAHEAD_PAGES || next >= end)) {
      const failed = writeLockedPages(cpu, file, start, cpu.ioFrames, count)
      if (error === 0) error = failed
      for (let n = 0; n < count; n++) releasePage(cpu, cpu.ioFrames[n])
      count = 0
    }
    index = next
  }
  return error
}

/** The next page that a write-back has to look at. The flusher also comes back to clean pages, if they are pinned. */
function nextToWrite(cpu: Task, file: number, index: number, end: number, mode: number): number {
  return mode === WB_SYNC_ALL ? nextDirtyPage(cpu, file, index, end) : nextCachedPage(cpu, file, index, end)
}

/** Returns the page with a reference, locked, if it is dirty; else 0. */
function lockDirtyPage(cpu: Task, file: number, index: number, mode: number): number {
  const frame = findGetPage(cpu, file, index)
  if (frame === 0) return 0
  if (mode === WB_SYNC_NONE && mustComeBack(cpu, frame)) {
    // The flusher has cleared the mark of the file, and no other CPU is bound to set it again.
    markFileDirty(cpu, file)
    putPage(cpu, frame)
    return 0
  }
  // Another CPU may be writing a locked page that it has marked clean. Waits for that CPU, as the page has to be safe
  // when the call returns (filemap_fdatawait_range).
  if ((pageFlags(cpu, frame) & (PG_DIRTY | PG_LOCKED)) !== 0) {
    lockPage(cpu, frame)
    const within = index < Atomics.load(cpu.heap, file + File.pages)
    if (within && isPageOf(cpu, frame, file, index) && (pageFlags(cpu, frame) & PG_DIRTY) !== 0) return frame
    unlockPage(cpu, frame)
  }
  putPage(cpu, frame)
  return 0
}

/**
 * Whether the flusher has to look at the page again: it is pinned, so that its holder may write to it at any time
 * (`folio_maybe_dma_pinned`); or another CPU has locked it, and may be about to make it writable.
 */
function mustComeBack(cpu: Task, frame: number): boolean {
  return isPinned(cpu, frame) || (pageFlags(cpu, frame) & PG_LOCKED) !== 0
}

function releasePage(cpu: Task, frame: number): void {
  unlockPage(cpu, frame)
  putPage(cpu, frame)
}

/** Writes back everything that is dirty, and makes it safe. Returns 0 or a negative errno. */
export function writeBackFile(cpu: Task, file: number): number {
  return writeBackRange(cpu, file, 0, Atomics.load(cpu.heap, file + File.pages))
}

function writeBackRange(cpu: Task, file: number, first: number, end: number): number {
  const flags = Atomics.load(cpu.heap, file + File.flags)
  if ((flags & FILE_HOST) === 0 || (flags & FILE_READ_ONLY) !== 0) return 0
  cleanMappings(cpu, file, first, end)
  const error = writeBackPages(cpu, file, first, end, WB_SYNC_ALL)
  if (error !== 0) return error
  const failed = syncChanges(cpu, file)
  if (failed === 0) return 0
  recordError(cpu, file, failed)
  redirtyPages(cpu, file)
  return failed
}

/** Makes the host's data safe, unless another CPU has: then the file need not be opened for it. */
function syncChanges(cpu: Task, file: number): number {
  const { heap } = cpu
  spinLock(cpu, file + File.lock)
  const changes = heap[file + File.hostChanges]
  const changesHigh = heap[file + File.hostChangesHigh]
  const safe =
    heap[file + File.hostChangesSafe] === changes && heap[file + File.hostChangesSafeHigh] === changesHigh
  spinUnlock(cpu, file + File.lock)
  if (safe) return 0
  const failed = syncOnHost(cpu, file)
  if (failed !== 0) return failed
  // Of two CPUs, the one that has seen fewer changes may finish last: then the host synchronises once more than needed.
  spinLock(cpu, file + File.lock)
  heap[file + File.hostChangesSafe] = changes
  heap[file + File.hostChangesSafeHigh] = changesHigh
  spinUnlock(cpu, file + File.lock)
  return 0
}

/**
 * The host could not make its data safe, and may have dropped it; an operating system may report that only once. Nobody
 * knows which pages it has dropped, so all cached pages of the file become dirty again.
 */
function redirtyPages(cpu: Task, file: number): void {
  const end = Atomics.load(cpu.heap, file + File.pages)
  for (let index = nextCachedPage(cpu, file, 0, end); index < end;) {
    const frame = findGetPage(cpu, file, index)
    if (frame !== 0) {
      if ((pageFlags(cpu, frame) & PG_UPTODATE) !== 0) setPageDirty(cpu, frame)
      putPage(cpu, frame)
    }
    index = nextCachedPage(cpu, file, index + 1, end)
  }
}

/**
 * `vfs_fsync_range`, for a mapping of the file: returns when what was written to the pages [first, end) before is safe.
 * Returns 0, or the negative errno of a write-back that failed now, or earlier without being reported here.
 */
export function syncFileRange(cpu: Task, file: number, first: number, end: number): number {
  if (Atomics.load(cpu.heap, file + File.refcount) <= 0) return -EBADF
  const error = writeBackRange(cpu, file, first, end)
  const earlier = checkMappedError(cpu, file)
  return error !== 0 ? error : earlier
}

/** Does what {@link syncFileRange} does, without reporting errors: the caller asks for them afterwards. */
export function writeFileRange(cpu: Task, file: number, first: number, end: number): number {
  return writeBackRange(cpu, file, first, end)
}

/** `fsync` of the open file with that number: as {@link syncFileRange}, for the whole file. */
export function syncOpenFile(cpu: Task, file: number, open: number, generation: number): number {
  const error = writeBackFile(cpu, file)
  const earlier = checkOpenError(cpu, file, open, generation)
  return error !== 0 ? error : earlier
}
