// Bringing pages in before they are touched: MAP_POPULATE, mlock and MADV_POPULATE_READ/WRITE (mm/gup.c). Linux holds
// the mmap lock for that; here each page is a fault, which the design takes like one of the program.

import { FAULT_USER, FAULT_WRITE, PTE_PRESENT, PTE_WRITE } from '../machine/pte.ts'
import { EFAULT, EINVAL, ENOENT, ENOMEM } from '../mm/errno.ts'
import { VM_FAULT_ACCERR, VM_FAULT_ERROR, VM_FAULT_SIGBUS } from '../mm/fault-context.ts'
import { mmapReadLock, mmapReadUnlock } from '../mm/mmap-lock.ts'
import type { Task } from '../mm/task.ts'
import { findPteTable, pteAddress } from '../tables/page-table.ts'
import { stillStands } from '../tables/zap.ts'
import { pkeyPermitsAccess } from '../vma/pkeys.ts'
import { findVma } from '../vma/vma-tree.ts'
import { VM_LOCKONFAULT, VM_READ, VM_SHARED, VM_WRITE, Vma } from '../vma/vma.ts'
import { handleUserFault } from './fault.ts'

/**
 * `faultin_page_range`: faults in every page of [start, end), for writing if `write`. Returns 0, -ENOMEM for pages that
 * are not mapped or when memory is used up, -EINVAL where the mapping does not allow it, -EFAULT beyond the end of a
 * file.
 */
export function populateRange(cpu: Task, mm: number, start: number, end: number, write: boolean): number {
  for (let page = start; page < end; page++) {
    const result = populatePage(cpu, mm, page, write)
    if (result === -ENOENT) return -ENOMEM
    if (result < 0) return result
  }
  return 0
}

/**
 * `__mm_populate`: faults in the pages of [start, end) as their mappings would be used: those for writing that are
 * private and can be written. Skips what is not mapped, mappings that are locked on fault, and those that lack any of
 * the flags `required`. Returns 0 or an error of {@link populateRange}: the first error ends the work, or only that on
 * its mapping if errors are ignored.
 */
export function mmPopulate(
  cpu: Task,
  mm: number,
  start: number,
  end: number,
  ignoreErrors: boolean,
  required = 0,
): number {
  for (let page = start; page < end;) {
    if (!findToPopulate(cpu, mm, page, end, required)) return 0
    const stop = cpu.populateEnd
    let result = 0
    for (page = cpu.populateStart; page < stop && result === 0; page++) {
      result = populatePage(cpu, mm, page)
    }
    // Pages that were unmapped meanwhile are skipped as if they had never been mapped.
    if (result === 0 || result === -ENOENT) continue
    if (!ignoreErrors) return result
    page = stop
  }
  return 0
}

/**
 * Finds the first part of [start, end) that belongs to one mapping and is to be brought in, which may be empty, and
 * leaves it in `cpu.populateStart` and `cpu.populateEnd`. Returns false if nothing is mapped there.
 */
function findToPopulate(cpu: Task, mm: number, start: number, end: number, required: number): boolean {
  const { heap, fault } = cpu
  if (seeUnlocked(cpu, mm, start) >= 0) {
    leaveToPopulate(cpu, start, Math.min(fault.vmEnd, end), fault.vmFlags, required)
    return true
  }
  mmapReadLock(cpu, mm)
  const vma = findVma(cpu, mm, start)
  const found = vma !== 0 && heap[vma + Vma.vmStart] < end
  if (found) {
    const stop = Math.min(heap[vma + Vma.vmEnd], end)
    leaveToPopulate(cpu, Math.max(heap[vma + Vma.vmStart], start), stop, heap[vma + Vma.vmFlags], required)
  }
  mmapReadUnlock(cpu, mm)
  return found
}

/** Leaves [start, end) of a mapping with these flags to be brought in, or nothing of it. */
function leaveToPopulate(cpu: Task, start: number, end: number, vmFlags: number, required: number): void {
  const isPassed = (vmFlags & required) !== required || (vmFlags & VM_LOCKONFAULT) !== 0
  cpu.populateEnd = end
  cpu.populateStart = isPassed ? end : start
}

/**
 * Copies the mapping of the page into `cpu.fault`, if the design can look at it without the mmap lock. Returns the
 * entry of the page, 0 or more; or -1 if the caller must take the lock.
 */
function seeUnlocked(cpu: Task, mm: number, page: number): number {
  if (!cpu.design.entriesChangeBegin(cpu, mm, page, page + 1)) return -1
  const entry = entryOf(cpu, mm, page)
  const stands = stillStands(cpu, cpu.fault)
  cpu.design.entriesChangeEnd(cpu)
  return stands ? entry >>> 0 : -1
}

/** The entry of the page, 0 if there is no table. The caller keeps tables from being freed. */
function entryOf(cpu: Task, mm: number, page: number): number {
  const table = findPteTable(cpu, mm, page)
  return table === 0 ? 0 : Atomics.load(cpu.heap, pteAddress(table, page))
}

/** Brings one page in. Returns 0, or an error as {@link populateRange} does; -ENOENT if it is not mapped. */
function populatePage(cpu: Task, mm: number, page: number, write?: boolean): number {
  const needed = neededFault(cpu, mm, page, write)
  if (needed <= 0) return needed
  const result = handleUserFault(cpu, mm, page, needed)
  if ((result & VM_FAULT_ERROR) === 0) return 0
  if ((result & VM_FAULT_ACCERR) !== 0) return -EINVAL
  return (result & VM_FAULT_SIGBUS) !== 0 ? -EFAULT : -ENOMEM
}

/**
 * Returns the error code of the fault that would bring the page in; 0 if the page is there; -ENOENT if it is in no
 * mapping, as no stack grows for this; -EINVAL if it may not be read; -EFAULT if its key forbids it. Looks under the
 * mmap lock, without which VMA and page table could go away, unless the design can look without it.
 */
function neededFault(cpu: Task, mm: number, page: number, write?: boolean): number {
  const seen = seeUnlocked(cpu, mm, page)
  if (seen >= 0) return neededForEntry(seen, cpu.fault.vmFlags, write)
  mmapReadLock(cpu, mm)
  const vma = findVma(cpu, mm, page)
  const mapped = vma !== 0 && cpu.heap[vma + Vma.vmStart] <= page
  const vmFlags = mapped ? cpu.heap[vma + Vma.vmFlags] : 0
  const entry = mapped ? entryOf(cpu, mm, page) : 0
  mmapReadUnlock(cpu, mm)
  return mapped ? neededForEntry(entry, vmFlags, write) : -ENOENT
}

/** The same of a page with this entry, of a mapping with these flags. */
function neededForEntry(entry: number, vmFlags: number, write?: boolean): number {
  const forWrite = write ?? (vmFlags & (VM_WRITE | VM_SHARED)) === VM_WRITE
  // Unlike MAP_POPULATE, MADV_POPULATE_READ needs VM_READ itself, even if the processor would allow the read.
  if (write === false && (vmFlags & VM_READ) === 0) return -EINVAL
  // `check_vma_flags`: a thread that brings pages in accesses data, and does so for the program itself.
  if (write === undefined && !pkeyPermitsAccess(vmFlags, FAULT_USER)) return -EFAULT
  if ((entry & PTE_PRESENT) !== 0 && (!forWrite || (entry & PTE_WRITE) !== 0)) return 0
  return forWrite ? FAULT_USER | FAULT_WRITE : FAULT_USER
}
