// Bringing pages in before they are touched: MAP_POPULATE and MADV_POPULATE_READ/WRITE (mm/gup.c).

import { FAULT_USER, FAULT_WRITE, PTE_PRESENT, PTE_WRITE } from '../machine/pte.ts'
import { EFAULT, EINVAL, ENOMEM } from './errno.ts'
import { VM_FAULT_ACCERR, VM_FAULT_ERROR, VM_FAULT_SIGBUS } from './fault-context.ts'
import { handleUserFault } from './fault.ts'
import { mmapReadLock, mmapReadUnlock } from './mmap-lock.ts'
import { findPteTable, pteAddress } from './page-table.ts'
import type { Task } from './task.ts'
import { findVma } from './vma-tree.ts'
import { VM_SHARED, VM_WRITE, Vma } from './vma.ts'

/**
 * Faults in every page of [start, end): for writing if `write`, or if that is not given, as the mapping would be used
 * (MAP_POPULATE: private writable mappings for writing). Returns 0, -ENOMEM for pages that are not mapped or when
 * memory is used up, -EINVAL where the mapping does not allow it, -EFAULT beyond the end of a file.
 */
export function populateRange(cpu: Task, mm: number, start: number, end: number, write?: boolean): number {
  for (let page = start; page < end; page++) {
    const forWrite = write ?? wantsWrite(cpu, mm, page)
    if (isPopulated(cpu, mm, page, forWrite)) continue
    const result = handleUserFault(cpu, mm, page, forWrite ? FAULT_USER | FAULT_WRITE : FAULT_USER)
    if ((result & VM_FAULT_ERROR) === 0) continue
    if ((result & VM_FAULT_ACCERR) !== 0) return -EINVAL
    return (result & VM_FAULT_SIGBUS) !== 0 ? -EFAULT : -ENOMEM
  }
  return 0
}

function wantsWrite(cpu: Task, mm: number, page: number): boolean {
  mmapReadLock(cpu, mm)
  const vma = findVma(cpu, mm, page)
  const flags = vma === 0 ? 0 : cpu.heap[vma + Vma.vmFlags]
  mmapReadUnlock(cpu, mm)
  return (flags & (VM_WRITE | VM_SHARED)) === VM_WRITE
}

/** The page is mapped well enough. Looked up under the mmap lock, as the page table could go away. */
function isPopulated(cpu: Task, mm: number, page: number, write: boolean): boolean {
  mmapReadLock(cpu, mm)
  const table = findPteTable(cpu, mm, page)
  const entry = table === 0 ? 0 : Atomics.load(cpu.heap, pteAddress(table, page))
  mmapReadUnlock(cpu, mm)
  return (entry & PTE_PRESENT) !== 0 && (!write || (entry & PTE_WRITE) !== 0)
}
