// The commit primitive: what stands between a handler and the page table.

import { PageTable } from '../machine/pte.ts'
import { FAULT_FLAG_SPECULATIVE, type FaultContext } from '../mm/fault-context.ts'
import type { Task } from '../mm/task.ts'
import { spinLock } from '../sync/spinlock.ts'

/**
 * `pte_map_lock` and `pte_spinlock`: locks the pte table of the fault. False: the fault must be retried with the mmap
 * lock.
 */
export function pteMapLock(cpu: Task, fault: FaultContext): boolean {
  if ((fault.flags & FAULT_FLAG_SPECULATIVE) !== 0) return cpu.design.pteMapLock(cpu, fault)
  spinLock(cpu, fault.table + PageTable.ptl)
  return true
}
