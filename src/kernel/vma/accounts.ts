// How much an address space has mapped, and how much it may: the limits of `setrlimit` (mm/mmap.c of Linux 5.12).
//
// All pages count for RLIMIT_AS; those that are private and writable count for RLIMIT_DATA too. A thread that reads or
// changes these counts holds the mmap lock for writing.

import { Mm, RLIMITS, RLIMIT_AS, RLIMIT_DATA, RLIMIT_MEMLOCK, RLIM_INFINITY } from '../mm/mm.ts'
import type { Task } from '../mm/task.ts'
import { VM_EXEC, VM_GROWSDOWN, VM_LOCKED, VM_SHARED, VM_WRITE } from './vma.ts'

/** `rlimit(resource) >> PAGE_SHIFT`: whole pages; Infinity when there is no limit. */
export function limitPages(cpu: Task, mm: number, resource: number): number {
  const pages = cpu.heap[mm + Mm.limits + 2 * resource]
  return pages === RLIM_INFINITY ? Infinity : pages
}

/** `rlimit(resource)`, in bytes; Infinity when there is none. */
export function limitBytes(cpu: Task, mm: number, resource: number): number {
  const pages = limitPages(cpu, mm, resource)
  return pages * 4096 + cpu.heap[mm + Mm.limits + 2 * resource + 1]
}

/** Sets a limit to `bytes`. Mappings that exceed it already stay. */
export function setLimitBytes(cpu: Task, mm: number, resource: number, bytes: number): void {
  const { heap } = cpu
  const pages = Math.min(Math.floor(bytes / 4096), RLIM_INFINITY)
  heap[mm + Mm.limits + 2 * resource] = pages
  heap[mm + Mm.limits + 2 * resource + 1] = pages === RLIM_INFINITY ? 0 : bytes % 4096
}

/** The limits of `parent` become those of `child`, as fork does. */
export function inheritLimits(cpu: Task, parent: number, child: number): void {
  cpu.heap.copyWithin(child + Mm.limits, parent + Mm.limits, parent + Mm.limits + 2 * RLIMITS)
}

/** `is_data_mapping`. */
function isDataMapping(vmFlags: number): boolean {
  return (vmFlags & (VM_WRITE | VM_SHARED | VM_GROWSDOWN)) === VM_WRITE
}

/** `is_exec_mapping`. */
function isExecMapping(vmFlags: number): boolean {
  return (vmFlags & (VM_EXEC | VM_WRITE | VM_GROWSDOWN)) === VM_EXEC
}

/** `may_expand_vm`: whether the limits allow `pages` more of a mapping with these flags; fewer, if it is negative. */
export function mayExpandVm(cpu: Task, mm: number, vmFlags: number, pages: number): boolean {
  const { heap } = cpu
  if (heap[mm + Mm.totalVm] + pages > limitPages(cpu, mm, RLIMIT_AS)) return false
  return !isDataMapping(vmFlags) || heap[mm + Mm.dataVm] + pages <= limitPages(cpu, mm, RLIMIT_DATA)
}

/** `vm_stat_account`: there are `pages` more of mappings with these flags; fewer, if it is negative. */
export function vmStatAccount(cpu: Task, mm: number, vmFlags: number, pages: number): void {
  const { heap } = cpu
  heap[mm + Mm.totalVm] += pages
  if (isExecMapping(vmFlags)) heap[mm + Mm.execVm] += pages
  else if ((vmFlags & VM_GROWSDOWN) !== 0) heap[mm + Mm.stackVm] += pages
  else if (isDataMapping(vmFlags)) heap[mm + Mm.dataVm] += pages
}

/**
 * `mlock_future_ok`: whether the limit allows `pages` more of mappings with these flags; true if these are not locked.
 */
export function mlockFutureOk(cpu: Task, mm: number, vmFlags: number, pages: number): boolean {
  if ((vmFlags & VM_LOCKED) === 0) return true
  return cpu.heap[mm + Mm.lockedVm] + pages <= limitPages(cpu, mm, RLIMIT_MEMLOCK)
}
