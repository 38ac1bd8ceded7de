// Faults on file mappings (mm/memory.c, do_fault; mm/filemap.c).

import { PMD_SHIFT, PTE_DIRTY, PTE_FRAME_SHIFT, PTE_WRITE, PageTable } from '../machine/pte.ts'
import { copyFrame } from '../machine/sectors.ts'
import { spinUnlock } from '../sync/spinlock.ts'
import { anonymousPte, faultAnonVma, initAnonymousPage } from './anonymous.ts'
import {
  FAULT_FLAGS_UNLOCKED,
  FAULT_FLAG_SPECULATIVE,
  FAULT_FLAG_WRITE,
  type FaultContext,
  VM_FAULT_NOPAGE,
  VM_FAULT_OOM,
  VM_FAULT_RETRY,
  VM_FAULT_SIGBUS,
} from './fault-context.ts'
import { FILE_NO_FAULT_AROUND, FILE_WRITE_NOTIFY, File, findGetPage, getOrCreatePage } from './file.ts'
import { MM_ANON_PAGES, MM_FILE_PAGES } from './mm.ts'
import { allocFrame, freeFrame, putPage } from './page-alloc.ts'
import { PG_DIRTY, Page, pageStruct } from './page.ts'
import { pteAddress } from './page-table.ts'
import { youngPageProt } from './pte-flags.ts'
import { addMmCounterFast } from './rss.ts'
import { pteMapLock } from './pte-lock.ts'
import type { Task } from './task.ts'
import { VM_SHARED } from './vma.ts'
import { VmEvent, countSpfEvent } from './vmstat.ts'

/** `fault_around_bytes`, 64 KiB, in pages. */
export const FAULT_AROUND_PAGES = 16

/** `do_fault`. */
export function doFault(cpu: Task, fault: FaultContext): number {
  if ((fault.flags & FAULT_FLAG_SPECULATIVE) === 0) return doFileFault(cpu, fault)
  countSpfEvent(cpu, VmEvent.SPF_ATTEMPT_FILE)
  if (!cpu.design.fileFaultBegin(cpu, fault)) return VM_FAULT_RETRY
  const result = doFileFault(cpu, fault)
  cpu.design.fileFaultEnd(cpu, fault)
  return result
}

function doFileFault(cpu: Task, fault: FaultContext): number {
  if ((fault.flags & FAULT_FLAG_WRITE) === 0) return doReadFault(cpu, fault)
  if ((fault.vmFlags & VM_SHARED) === 0) return doCowFault(cpu, fault)
  return doSharedFault(cpu, fault)
}

function isBeyondEnd(cpu: Task, fault: FaultContext): boolean {
  return fileIndex(fault, fault.page) >= Atomics.load(cpu.heap, fault.vmFile + File.pages)
}

/** A fault that only looks for pages leaves it to the locked path to kill the program (invariant I1). */
function beyondEndResult(cpu: Task, fault: FaultContext): number {
  return mayMiss(cpu, fault) ? VM_FAULT_SIGBUS : VM_FAULT_RETRY
}

function fileIndex(fault: FaultContext, page: number): number {
  return page - fault.vmStart + fault.vmPgoff
}

/** `do_read_fault`: maps what is cached around the page; only if that did not map it, brings the page in. */
function doReadFault(cpu: Task, fault: FaultContext): number {
  if ((cpu.heap[fault.vmFile + File.flags] & FILE_NO_FAULT_AROUND) === 0) {
    const result = doFaultAround(cpu, fault)
    if (result !== 0) return result & ~VM_FAULT_NOPAGE
  }
  // Asked only now: as in Linux, also a fault beyond the end of the file maps what is cached before it.
  if (isBeyondEnd(cpu, fault)) return beyondEndResult(cpu, fault)
  const frame = faultPage(cpu, fault)
  if (frame === 0) return missResult(cpu, fault)
  return finishFault(cpu, fault, frame, readPte(cpu, fault, frame))
}

/** `do_cow_fault`: a private copy of the file's page. */
function doCowFault(cpu: Task, fault: FaultContext): number {
  if (!faultAnonVma(cpu, fault)) {
    return (fault.flags & FAULT_FLAGS_UNLOCKED) !== 0 ? VM_FAULT_RETRY : VM_FAULT_OOM
  }
  // Asked only now: as in Linux, the mapping has its anon_vma all the same.
  if (isBeyondEnd(cpu, fault)) return beyondEndResult(cpu, fault)
  const copy = allocFrame(cpu)
  if (copy === 0) return VM_FAULT_OOM
  const frame = faultPage(cpu, fault)
  if (frame === 0) {
    freeFrame(cpu, copy)
    return missResult(cpu, fault)
  }
  copyFrame(cpu, copy, frame)
  putPage(cpu, frame)
  initAnonymousPage(cpu, fault, copy)
  return finishFault(cpu, fault, copy, anonymousPte(fault, copy))
}

/** `do_shared_fault`: a write to the file's own page. */
function doSharedFault(cpu: Task, fault: FaultContext): number {
  if (isBeyondEnd(cpu, fault)) return beyondEndResult(cpu, fault)
  const frame = faultPage(cpu, fault)
  if (frame === 0) return missResult(cpu, fault)
  Atomics.or(cpu.heap, pageStruct(cpu, frame) + Page.flags, PG_DIRTY)
  const entry = (frame << PTE_FRAME_SHIFT) | youngPageProt(fault.vmFlags) | PTE_WRITE | PTE_DIRTY
  return finishFault(cpu, fault, frame, entry)
}

/** `vm_ops->fault`: the page of the file with a reference on it, or 0. */
function faultPage(cpu: Task, fault: FaultContext): number {
  const index = fileIndex(fault, fault.page)
  if (mayMiss(cpu, fault)) return getOrCreatePage(cpu, fault.vmFile, index)
  return findGetPage(cpu, fault.vmFile, index)
}

/** A page that is not cached may be brought in, for which a fault would have to sleep. Else it is only looked for. */
function mayMiss(cpu: Task, fault: FaultContext): boolean {
  return (fault.flags & FAULT_FLAG_SPECULATIVE) === 0 || cpu.design.speculatesOnFileMiss
}

/** What it means that {@link faultPage} found nothing. */
function missResult(cpu: Task, fault: FaultContext): number {
  return mayMiss(cpu, fault) ? VM_FAULT_OOM : VM_FAULT_RETRY
}

/** The entry of a page that is brought in for a read. */
function readPte(cpu: Task, fault: FaultContext, frame: number): number {
  const notify = (cpu.heap[fault.vmFile + File.flags] & FILE_WRITE_NOTIFY) !== 0
  return (frame << PTE_FRAME_SHIFT) | (youngPageProt(fault.vmFlags) & (notify ? ~PTE_WRITE : ~0))
}

/** `finish_fault`: maps the page, whose reference becomes the mapping's, unless somebody else has mapped one. */
function finishFault(cpu: Task, fault: FaultContext, frame: number, entry: number): number {
  if (!pteMapLock(cpu, fault)) {
    putPage(cpu, frame)
    return VM_FAULT_RETRY
  }
  const address = pteAddress(fault.table, fault.page)
  // Once the table is unlocked, a zap may free the page, and it may be of another kind by then.
  const kind = isFilePage(cpu, frame) ? MM_FILE_PAGES : MM_ANON_PAGES
  const none = Atomics.load(cpu.heap, address) === 0
  if (none) Atomics.store(cpu.heap, address, entry)
  cpu.design.pteInstalled(cpu, fault)
  spinUnlock(cpu, fault.table + PageTable.ptl)
  if (!none) putPage(cpu, frame)
  else addMmCounterFast(cpu, fault.mm, kind, 1)
  return 0
}

function isFilePage(cpu: Task, frame: number): boolean {
  return cpu.heap[pageStruct(cpu, frame) + Page.mapping] !== 0
}

/**
 * `do_fault_around` and `filemap_map_pages`: maps the cached pages of the aligned 64 KiB around the fault, as far as
 * they belong to the same VMA, pte table and file. Returns VM_FAULT_NOPAGE when that mapped the page itself,
 * VM_FAULT_RETRY when a speculative fault has to give up, which one that only looks does then, and 0 otherwise.
 */
function doFaultAround(cpu: Task, fault: FaultContext): number {
  const aligned = fault.page & -FAULT_AROUND_PAGES
  const start = Math.max(aligned, fault.vmStart)
  const tableEnd = ((fault.page >> PMD_SHIFT) + 1) * 2 ** PMD_SHIFT
  const fileEnd = fault.vmStart + Atomics.load(cpu.heap, fault.vmFile + File.pages) - fault.vmPgoff
  const end = Math.min(start + FAULT_AROUND_PAGES, fault.vmEnd, tableEnd, fileEnd)
  if (!pteMapLock(cpu, fault)) return VM_FAULT_RETRY
  let mapped = 0
  for (let page = start; page < end; page++) {
    const address = pteAddress(fault.table, page)
    if (Atomics.load(cpu.heap, address) !== 0) continue
    const frame = findGetPage(cpu, fault.vmFile, fileIndex(fault, page))
    if (frame === 0) continue
    Atomics.store(cpu.heap, address, readPte(cpu, fault, frame))
    mapped++
  }
  const done = Atomics.load(cpu.heap, pteAddress(fault.table, fault.page)) !== 0
  cpu.design.pteInstalled(cpu, fault)
  spinUnlock(cpu, fault.table + PageTable.ptl)
  if (mapped !== 0) addMmCounterFast(cpu, fault.mm, MM_FILE_PAGES, mapped)
  if (done) return VM_FAULT_NOPAGE
  return mayMiss(cpu, fault) ? 0 : VM_FAULT_RETRY
}
