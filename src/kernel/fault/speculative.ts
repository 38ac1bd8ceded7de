// What designs that take faults without the mmap lock share: the copy of the VMA, and a walk that makes no tables.

import { type FaultContext, VM_FAULT_RETRY } from '../mm/fault-context.ts'
import type { Task } from '../mm/task.ts'
import { VmEvent } from '../mm/vm-event.ts'
import { countSpfEvent, countVmEvent } from '../mm/vmstat.ts'
import { findPmdTable, findTableInPmd, pteAddress } from '../tables/page-table.ts'
import { Vma } from '../vma/vma.ts'

/**
 * Copies the fields of a VMA that a fault uses. A design must not rely on the copy before it has checked that the VMA
 * did not change meanwhile (invariant I2).
 */
export function copyVma(cpu: Task, fault: FaultContext, vma: number): void {
  const { heap } = cpu
  fault.vmFlags = Atomics.load(heap, vma + Vma.vmFlags)
  fault.vmPgoff = Atomics.load(heap, vma + Vma.vmPgoff)
  fault.vmFile = Atomics.load(heap, vma + Vma.vmFile)
  fault.anonVma = Atomics.load(heap, vma + Vma.anonVma)
  // The borders last, as in the patches that check them at once.
  fault.vmStart = Atomics.load(heap, vma + Vma.vmStart)
  fault.vmEnd = Atomics.load(heap, vma + Vma.vmEnd)
}

/** The copy is of a VMA that contains the page of the fault. */
export function copyContainsPage(fault: FaultContext): boolean {
  return fault.vmStart <= fault.page && fault.page < fault.vmEnd
}

export const WALK_DONE = 0
export const WALK_NO_PUD = 1
export const WALK_NO_PMD = 2

/**
 * Finds the pte table and the entry of the fault; makes no table (invariant I5). The caller keeps tables from being
 * freed meanwhile. Returns WALK_DONE, or the level at which a table is missing.
 */
export function walkSpeculatively(cpu: Task, fault: FaultContext): number {
  const pmd = findPmdTable(cpu, fault.mm, fault.page)
  if (pmd === 0) return WALK_NO_PUD
  const table = findTableInPmd(cpu, pmd, fault.page)
  if (table === 0) return WALK_NO_PMD
  fault.pmd = pmd
  fault.table = table
  fault.originalPte = Atomics.load(cpu.heap, pteAddress(table, fault.page))
  return WALK_DONE
}

/** Counts why a speculative fault gives up. Returns VM_FAULT_RETRY. */
export function abortSpf(cpu: Task, reason: number): number {
  countSpfEvent(cpu, reason)
  countVmEvent(cpu, VmEvent.spf_abort)
  return VM_FAULT_RETRY
}
