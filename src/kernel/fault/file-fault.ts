// Faults on file mappings (mm/memory.c, do_fault; mm/filemap.c).

import { bringIn } from '../cache/filemap.ts'
import { readLockedPage } from '../cache/read-pages.ts'
import { asyncReadAhead, countHits } from '../cache/readahead.ts'
import { allocPage } from '../cache/reclaim.ts'
import { pollInterrupts } from '../machine/cpu.ts'
import { PTE_DIRTY, PTE_FRAME_SHIFT, PTE_WRITE, PageTable } from '../machine/pte.ts'
import { copyFrame } from '../machine/sectors.ts'
import { setPageDirty } from '../memory/dirty.ts'
import {
  FILE_HOST,
  FILE_WRITE_NOTIFY,
  File,
  findGetPage,
  loadPage,
  mapsAround,
  putFile,
} from '../memory/file.ts'
import { freeFrame, lruCacheAdd, putPage } from '../memory/page-alloc.ts'
import {
  clearPageFlags,
  pageFlags,
  setPageFlags,
  tryLockPage,
  unlockPage,
  waitOnPageLocked,
} from '../memory/page-lock.ts'
import { isPageOf, PG_READAHEAD, PG_REFERENCED, PG_UPTODATE, isFilePage } from '../memory/page.ts'
import { addMmCounterFast } from '../memory/rss.ts'
import {
  FAULT_FLAG_TRIED,
  FAULT_FLAG_WRITE,
  type FaultContext,
  VM_FAULT_DROPPED,
  VM_FAULT_MAJOR,
  VM_FAULT_NOPAGE,
  VM_FAULT_RETRY,
  VM_FAULT_SIGBUS,
} from '../mm/fault-context.ts'
import { MM_ANON_PAGES, MM_FILE_PAGES } from '../mm/mm.ts'
import { READAHEAD_PAGES, type Task } from '../mm/task.ts'
import { VmEvent } from '../mm/vm-event.ts'
import { spinUnlock } from '../sync/spinlock.ts'
import { pmdAddrEnd, pteAddress } from '../tables/page-table.ts'
import { maybeMkwrite, youngPageProt } from '../tables/pte-flags.ts'
import { VM_RAND_READ, VM_SHARED } from '../vma/vma.ts'
import { anonymousPte, faultAnonVma, initFaultPage } from './anonymous.ts'
import { LOOK_AGAIN, afterWait } from './fault-wait.ts'
import { isStable } from './oom-reaper.ts'

/** `fault_around_bytes`, 64 KiB, in pages. */
export const FAULT_AROUND_PAGES = 16

/** `do_fault`. */
export function doFault(cpu: Task, fault: FaultContext): number {
  fault.hold.countAttempt(cpu, VmEvent.SPF_ATTEMPT_FILE)
  if (!fault.hold.fileBegin(cpu, fault)) return VM_FAULT_RETRY
  const result = doFileFault(cpu, fault)
  fault.hold.fileEnd(cpu, fault)
  return result
}

function doFileFault(cpu: Task, fault: FaultContext): number {
  if ((fault.flags & FAULT_FLAG_WRITE) === 0) return doReadFault(cpu, fault)
  if ((fault.vmFlags & VM_SHARED) === 0) return doCowFault(cpu, fault)
  return doSharedFault(cpu, fault)
}

/**
 * The result of a fault beyond the end of the file. One that only looks for pages leaves SIGBUS to the locked path
 * (I1).
 */
function beyondEndResult(cpu: Task, fault: FaultContext): number {
  return fault.hold.mayMiss(cpu) ? VM_FAULT_SIGBUS : VM_FAULT_RETRY
}

function fileIndex(fault: FaultContext, page: number): number {
  return page - fault.vmStart + fault.vmPgoff
}

/** `do_read_fault`: maps what is cached around the page; brings the page in only if that did not map it. */
function doReadFault(cpu: Task, fault: FaultContext): number {
  const around = mapsPageOnly(cpu, fault) ? 0 : doFaultAround(cpu, fault)
  if (around !== 0) return around & ~VM_FAULT_NOPAGE
  if (!fault.hold.mayCallFault(cpu, fault)) return VM_FAULT_RETRY
  const failed = faultPage(cpu, fault)
  if (failed !== 0) return failed
  const frame = fault.frame
  const result = finishFault(cpu, fault, frame, readPte(cpu, fault, frame))
  // A locked page stays in the cache, so it can be unlocked here even if the reference is gone.
  unlockPage(cpu, frame)
  return result
}

/**
 * MADV_RANDOM says that the program does not need the pages around this one. Linux maps them nevertheless; but if
 * memory is short, a fault that looks at 16 places of the file finds few of these pages.
 */
function mapsPageOnly(cpu: Task, fault: FaultContext): boolean {
  if ((fault.vmFlags & VM_RAND_READ) === 0) return false
  return (Atomics.load(cpu.heap, fault.vmFile + File.flags) & FILE_HOST) !== 0
}

/** `do_cow_fault`: a private copy of the file's page. */
function doCowFault(cpu: Task, fault: FaultContext): number {
  if (!fault.hold.mayCallFault(cpu, fault)) return VM_FAULT_RETRY
  const unprepared = faultAnonVma(cpu, fault)
  if (unprepared !== 0) return unprepared
  const copy = allocPage(cpu)
  if (copy === 0) return fault.hold.outOfMemory
  // Only now, as in Linux: the mapping gets its anon_vma even if the file has no page there.
  const failed = faultPage(cpu, fault)
  if (failed !== 0) {
    freeFrame(cpu, copy)
    return failed
  }
  copyFrame(cpu, copy, fault.frame)
  initFaultPage(cpu, fault, copy)
  const result = finishFault(cpu, fault, copy, anonymousPte(fault, copy))
  return releaseFaultPage(cpu, fault.frame, result)
}

/** `do_shared_fault`: a write to the file's own page. */
function doSharedFault(cpu: Task, fault: FaultContext): number {
  if (!fault.hold.mayCallFault(cpu, fault)) return VM_FAULT_RETRY
  const failed = faultPage(cpu, fault)
  if (failed !== 0) return failed
  const frame = fault.frame
  setPageDirty(cpu, frame)
  const entry = (frame << PTE_FRAME_SHIFT) | youngPageProt(fault.vmFlags) | PTE_DIRTY
  const result = finishFault(cpu, fault, frame, maybeMkwrite(entry, fault.vmFlags))
  unlockPage(cpu, frame)
  return result
}

/** The page stays locked until it is mapped, see page-lock.ts. */
function releaseFaultPage(cpu: Task, frame: number, result: number): number {
  unlockPage(cpu, frame)
  putPage(cpu, frame)
  return result
}

/**
 * `vm_ops->fault`: `fault.frame` becomes the page of the file, up to date and locked, with a reference. Returns 0, else
 * the result of the fault.
 */
function faultPage(cpu: Task, fault: FaultContext): number {
  for (let isFirst = (fault.flags & FAULT_FLAG_TRIED) === 0; ; isFirst = false) {
    if (!fault.hold.lookupBegin(cpu, fault)) return VM_FAULT_RETRY
    const result = tryFaultPage(cpu, fault, isFirst)
    if (result === LOOK_AGAIN || (result & VM_FAULT_DROPPED) === 0) fault.hold.lookupEnd(cpu, fault)
    if (result !== LOOK_AGAIN) return result
    pollInterrupts(cpu)
  }
}

/**
 * Only if the fault finds the page with its first look, that is a hit, and may move the window of read-ahead on: not if
 * the fault itself has brought the page in (Linux 45cac65b0fcd).
 */
function tryFaultPage(cpu: Task, fault: FaultContext, isFirst: boolean): number {
  const file = fault.vmFile
  const index = fileIndex(fault, fault.page)
  if (index >= Atomics.load(cpu.heap, file + File.pages)) return beyondEndResult(cpu, fault)
  const frame = findGetPage(cpu, file, index)
  if (frame === 0) return missingPage(cpu, fault, index)
  if (!tryLockPage(cpu, frame)) return waitForPage(cpu, fault, frame)
  if (!isPageOf(cpu, frame, file, index)) return tryAgain(cpu, fault, frame)
  if ((pageFlags(cpu, frame) & PG_UPTODATE) === 0) return readFaultPage(cpu, fault, frame, index)
  // With the page locked: truncation changes the size before it takes the lock.
  if (index >= Atomics.load(cpu.heap, file + File.pages)) {
    return releaseFaultPage(cpu, frame, beyondEndResult(cpu, fault))
  }
  if (isFirst && (fault.vmFlags & VM_RAND_READ) === 0) {
    if ((pageFlags(cpu, frame) & PG_READAHEAD) !== 0) return readOn(cpu, fault, frame, index)
    countHits(cpu, file, 1)
  }
  setPageFlags(cpu, frame, PG_REFERENCED)
  fault.frame = frame
  return 0
}

/**
 * `do_async_mmap_readahead`: the page, which is locked, is the marker of a window. Unlocks it and drops the reference.
 */
function readOn(cpu: Task, fault: FaultContext, frame: number, index: number): number {
  if (!fault.hold.maySleep(cpu)) return releaseFaultPage(cpu, frame, VM_FAULT_RETRY)
  const file = fault.vmFile
  clearPageFlags(cpu, frame, PG_READAHEAD)
  unlockPage(cpu, frame)
  putPage(cpu, frame)
  const leaves = fault.hold.release(cpu, fault, file)
  countHits(cpu, file, 1)
  asyncReadAhead(cpu, file, index, READAHEAD_PAGES)
  return afterFileWait(cpu, fault, leaves, 0, 0)
}

/** The page left the file before it was locked: a fault that may not sleep gives up, any other looks again. */
function tryAgain(cpu: Task, fault: FaultContext, frame: number): number {
  unlockPage(cpu, frame)
  putPage(cpu, frame)
  return fault.hold.maySleep(cpu) ? LOOK_AGAIN : VM_FAULT_RETRY
}

/** The page is not in the cache. */
function missingPage(cpu: Task, fault: FaultContext, index: number): number {
  const file = fault.vmFile
  const waits = needsHost(cpu, file, index)
  const { hold } = fault
  if (!(waits ? hold.maySleep(cpu) : hold.mayMiss(cpu))) return VM_FAULT_RETRY
  const leaves = (waits || !hold.keepsFile) && hold.release(cpu, fault, file)
  const error = bringIn(cpu, file, index, 1, fault.vmFlags)
  return afterFileWait(cpu, fault, leaves, error, VM_FAULT_MAJOR)
}

/** Whether the fault has to wait for the host to bring the page in. */
function needsHost(cpu: Task, file: number, index: number): boolean {
  return (Atomics.load(cpu.heap, file + File.flags) & FILE_HOST) !== 0 || loadPage(cpu, file, index) < 0
}

/** `lock_page_or_retry`: another thread has the page locked. Drops the reference. */
function waitForPage(cpu: Task, fault: FaultContext, frame: number): number {
  if (!fault.hold.maySleep(cpu)) {
    putPage(cpu, frame)
    return VM_FAULT_RETRY
  }
  const leaves = fault.hold.release(cpu, fault, fault.vmFile)
  waitOnPageLocked(cpu, frame)
  putPage(cpu, frame)
  return afterFileWait(cpu, fault, leaves, 0, 0)
}

/**
 * An earlier read of the page, which is locked, has failed: reads this page alone. Linux, if that fails as well, reads
 * it once more with the lock kept before it reports the error.
 */
function readFaultPage(cpu: Task, fault: FaultContext, frame: number, index: number): number {
  if (!fault.hold.maySleep(cpu)) return releaseFaultPage(cpu, frame, VM_FAULT_RETRY)
  const leaves = fault.hold.release(cpu, fault, fault.vmFile)
  const error = readLockedPage(cpu, fault.vmFile, index, frame)
  unlockPage(cpu, frame)
  putPage(cpu, frame)
  return afterFileWait(cpu, fault, leaves, Math.min(error, 0), 0)
}

/** As {@link afterWait}; also drops the reference on the file that the fault took when it released its lock. */
function afterFileWait(cpu: Task, fault: FaultContext, left: boolean, error: number, major: number): number {
  if (left) putFile(cpu, fault.vmFile)
  return afterWait(cpu, fault, left, error, major)
}

/** The entry of a page that is brought in for a read. */
function readPte(cpu: Task, fault: FaultContext, frame: number): number {
  const notify = (Atomics.load(cpu.heap, fault.vmFile + File.flags) & FILE_WRITE_NOTIFY) !== 0
  return (frame << PTE_FRAME_SHIFT) | (youngPageProt(fault.vmFlags) & (notify ? ~PTE_WRITE : ~0))
}

/** If the entry is empty, the OOM reaper may have taken a page of the program's own from it. The table is locked. */
function mayBeReaped(cpu: Task, fault: FaultContext): boolean {
  return (fault.vmFlags & VM_SHARED) === 0 && !isStable(cpu, fault.mm)
}

/** `finish_fault`: maps the page and gives its reference to the mapping, unless another thread has mapped one. */
function finishFault(cpu: Task, fault: FaultContext, frame: number, entry: number): number {
  if (!fault.hold.lockTable(cpu, fault)) {
    putPage(cpu, frame)
    return VM_FAULT_RETRY
  }
  const address = pteAddress(fault.table, fault.page)
  // Read first: once the table is unlocked, a zap may free the page, and the frame may become one of another kind.
  const kind = isFilePage(cpu, frame) ? MM_FILE_PAGES : MM_ANON_PAGES
  const none = Atomics.load(cpu.heap, address) === 0
  const reaped = mayBeReaped(cpu, fault)
  if (none && !reaped) {
    if (kind === MM_ANON_PAGES) lruCacheAdd(cpu, frame)
    Atomics.store(cpu.heap, address, entry)
    cpu.design.updateMmuCache(cpu, fault)
  }
  spinUnlock(cpu, fault.table + PageTable.ptl)
  if (!none || reaped) putPage(cpu, frame)
  else addMmCounterFast(cpu, fault.mm, kind, 1)
  return none && reaped ? VM_FAULT_SIGBUS : 0
}

/**
 * `do_fault_around` and `filemap_map_pages`: maps the cached pages of the aligned 64 KiB around the fault, as far as
 * they belong to the same VMA, pte table and file. Returns VM_FAULT_NOPAGE if that mapped the page itself;
 * VM_FAULT_RETRY if the fault has to give up, also because it may only look for the page and did not find it; 0
 * otherwise. It maps nothing of files that are not mapped around a fault, and nothing where pages may have been reaped
 * (Linux does not ask for that here). While the table is locked, the mapping keeps the file, even if nothing else does.
 */
function doFaultAround(cpu: Task, fault: FaultContext): number {
  if (!fault.hold.lockTable(cpu, fault)) return VM_FAULT_RETRY
  if (!mapsAround(cpu, fault.vmFile) || mayBeReaped(cpu, fault)) {
    spinUnlock(cpu, fault.table + PageTable.ptl)
    return 0
  }
  const aligned = fault.page & -FAULT_AROUND_PAGES
  const start = Math.max(aligned, fault.vmStart)
  const fileEnd = fault.vmStart + Atomics.load(cpu.heap, fault.vmFile + File.pages) - fault.vmPgoff
  const end = pmdAddrEnd(fault.page, Math.min(start + FAULT_AROUND_PAGES, fault.vmEnd, fileEnd))
  let mapped = 0
  for (let page = start; page < end; page++) {
    const address = pteAddress(fault.table, page)
    if (Atomics.load(cpu.heap, address) !== 0) continue
    if (!mapCached(cpu, fault, address, fileIndex(fault, page))) continue
    mapped++
  }
  const done = Atomics.load(cpu.heap, pteAddress(fault.table, fault.page)) !== 0
  if (mapped !== 0) cpu.design.updateMmuCache(cpu, fault)
  spinUnlock(cpu, fault.table + PageTable.ptl)
  if (mapped !== 0) {
    countHits(cpu, fault.vmFile, mapped)
    addMmCounterFast(cpu, fault.mm, MM_FILE_PAGES, mapped)
  }
  if (done) return VM_FAULT_NOPAGE
  return fault.hold.mayMiss(cpu) ? 0 : VM_FAULT_RETRY
}

/**
 * `filemap_map_pages`, one page: maps it if it is cached, up to date, no marker of read-ahead, and not locked. Returns
 * whether it did.
 */
function mapCached(cpu: Task, fault: FaultContext, address: number, index: number): boolean {
  const file = fault.vmFile
  const frame = findGetPage(cpu, file, index)
  if (frame === 0) return false
  if (!tryLockPage(cpu, frame)) {
    putPage(cpu, frame)
    return false
  }
  const good =
    isPageOf(cpu, frame, file, index) &&
    (pageFlags(cpu, frame) & (PG_UPTODATE | PG_READAHEAD)) === PG_UPTODATE &&
    index < Atomics.load(cpu.heap, file + File.pages)
  if (good) Atomics.store(cpu.heap, address, readPte(cpu, fault, frame))
  unlockPage(cpu, frame)
  if (!good) putPage(cpu, frame)
  return good
}
