// Bringing pages in before they are touched: MAP_POPULATE and MADV_POPULATE_READ/WRITE (mm/gup.c).

import { FAULT_USER, FAULT_WRITE, PTE_PRESENT, PTE_WRITE } from '../machine/pte.ts'
import { EFAULT, EINVAL, ENOMEM } from './errno.ts'
import { VM_FAULT_ACCERR, VM_FAULT_ERROR, VM_FAULT_SIGBUS } from './fault-context.ts'
import { handleUserFault } from './fault.ts'
import { mmapReadLock, mmapReadUnlock } from './mmap-lock.ts'
import { findPteTable, pteAddress } from './page-table.ts'
import type { Task } from './task.ts'
import { findVma } from './vma-tree.ts'
import { VM_READ, VM_SHARED, VM_WRITE, Vma } from './vma.ts'

/**
 * Faults in every page of [start, end): for writing if `write`, or if that is not given, as the mapping would be used
 * (MAP_POPULATE: private writable mappings for writing). Returns 0, -ENOMEM for pages that are not mapped or when
 * memory is used up, -EINVAL where the mapping does not allow it, -EFAULT beyond the end of a file.
 */
export function populateRange(cpu: Task, mm: number, start: number, end: number, write?: boolean): number {
  for (let page = start; page < end; page++) {
    const needed = neededFault(cpu, mm, page, write)
    if (needed < 0) return needed
    if (needed === 0) continue
    const result = handleUserFault(cpu, mm, page, needed)
    if ((result & VM_FAULT_ERROR) === 0) continue
    if ((result & VM_FAULT_ACCERR) !== 0) return -EINVAL
    return (result & VM_FAULT_SIGBUS) !== 0 ? -EFAULT : -ENOMEM
  }
  return 0
}

/**
 * The error code of the fault that would bring the page in, 0 when it is there, -ENOMEM when it is not part of a
 * mapping: this does not make stacks grow; -EINVAL when it may not be read. Looked up under the mmap lock, as VMA and
 * page table could go away.
 */
function neededFault(cpu: Task, mm: number, page: number, write?: boolean): number {
  mmapReadLock(cpu, mm)
  const vma = findVma(cpu, mm, page)
  const mapped = vma !== 0 && cpu.heap[vma + Vma.vmStart] <= page
  const vmFlags = mapped ? cpu.heap[vma + Vma.vmFlags] : 0
  const forWrite = write ?? (vmFlags & (VM_WRITE | VM_SHARED)) === VM_WRITE
  const table = mapped ? findPteTable(cpu, mm, page) : 0
  const entry = table === 0 ? 0 : Atomics.load(cpu.heap, pteAddress(table, page))
  mmapReadUnlock(cpu, mm)
  if (!mapped) return -ENOMEM
  // Unlike MAP_POPULATE, the advice asks for the very permission, also where the processor would not.
  if (write === false && (vmFlags & VM_READ) === 0) return -EINVAL
  if ((entry & PTE_PRESENT) !== 0 && (!forWrite || (entry & PTE_WRITE) !== 0)) return 0
  return forWrite ? FAULT_USER | FAULT_WRITE : FAULT_USER
}
