// Speculative page faults: P. Zijlstra's second attempt of 20 October 2014 (six patches on 3.18-rc1).
//
// The fault holds SRCU throughout, so it may sleep, and SRCU keeps VMAs and their files alive. A seqlock of the mm
// guards the tree of VMAs, since a rotation can hide a VMA from a walk without locks (race R33); the fault does not use
// the VMA cache of the thread, which may be trusted only under the mmap lock (race R31). It walks page tables as
// gup_fast() does, and allocates nothing. The commit waits for the page-table lock with interrupts disabled: the author
// found the deadlock the next day (race R11).

import { handlePteFault } from '../fault/fault.ts'
import { WALK_DONE, copyContainsPage } from '../fault/speculative.ts'
import { cpuWait, disableInterrupts, enableInterrupts, isInterruptPending } from '../machine/cpu.ts'
import { PageTable } from '../machine/pte.ts'
import type { DesignDescription } from '../mm/design-hooks.ts'
import { type FaultContext, VM_FAULT_RETRY } from '../mm/fault-context.ts'
import { Mm } from '../mm/mm.ts'
import type { Task } from '../mm/task.ts'
import { type VmEventName, VmEvent } from '../mm/vm-event.ts'
import { countVmEvent } from '../mm/vmstat.ts'
import {
  readSeqBegin,
  readSeqcountRetry,
  readSeqcountTurns,
  writeSeqcountBegin,
  writeSeqcountEnd,
} from '../sync/seqcount.ts'
import { spinTryLock, spinUnlock } from '../sync/spinlock.ts'
import { srcuReadLock, srcuReadUnlock } from '../sync/srcu.ts'
import { releaseVmaAndFileSrcu } from '../vma/vma-release.ts'
import { findVmaRcu } from '../vma/vma-tree.ts'
import { VmaSequenceDesign } from './vma-sequence.ts'

export class Zijlstra2014 extends VmaSequenceDesign {
  override readonly speculatesOnFileMiss = true
  override readonly speculatesOnSwap: 'never' | 'cached' | 'any' = 'any'
  override readonly events: readonly VmEventName[] = ['hard_lockup']

  override readonly description: DesignDescription = {
    name: 'zijlstra-2014',
    year: 2014,
    author: 'Peter Zijlstra',
    rwsem: 'writer-spinning',
    source: 'Another go at speculative page faults, 20 October 2014, linux-kernel, patches 4/6 and 5/6',
    lookup: 'red-black tree under SRCU, repeated if the seqlock of the mm shows that the tree changed',
    lifetime: 'VMAs and their files are released after a grace period of SRCU',
    validation: 'one sequence count per VMA, and a test for nodes that have left the tree',
    commit: 'page-table lock, taken with interrupts disabled, between two checks of the count',
    sharedWrites: ['page.flags', 'page.refcount'],
  }

  override treeWriteBegin(cpu: Task, mm: number): void {
    writeSeqcountBegin(cpu, mm + Mm.mmSeq)
  }

  override treeWriteEnd(cpu: Task, mm: number): void {
    writeSeqcountEnd(cpu, mm + Mm.mmSeq)
  }

  override releaseVma(cpu: Task, vma: number): void {
    releaseVmaAndFileSrcu(cpu, vma)
  }

  /** `handle_speculative_fault`. */
  override speculativeFault(cpu: Task, errorCode: number): number {
    countVmEvent(cpu, VmEvent.spf_attempt)
    const index = srcuReadLock(cpu)
    const result = this.#tryFault(cpu, cpu.fault, errorCode)
    srcuReadUnlock(cpu, index)
    if ((result & VM_FAULT_RETRY) !== 0) countVmEvent(cpu, VmEvent.spf_abort)
    return result
  }

  #tryFault(cpu: Task, fault: FaultContext, errorCode: number): number {
    const vma = findVmaSrcu(cpu, fault.mm, fault.page)
    if (vma === 0 || !this.snapshot(cpu, fault, vma) || !copyContainsPage(fault)) return VM_FAULT_RETRY
    if (!this.allows(fault, errorCode)) return VM_FAULT_RETRY
    if (this.hasChanged(cpu, fault)) return VM_FAULT_RETRY
    if (this.walk(cpu, fault) !== WALK_DONE) return VM_FAULT_RETRY
    countVmEvent(cpu, VmEvent.pgfault)
    return handlePteFault(cpu, fault)
  }

  /** `pte_map_lock`. */
  override pteMapLock(cpu: Task, fault: FaultContext): boolean {
    disableInterrupts(cpu)
    // The count has not moved: no page table of the VMA was taken away, and from here none can be freed (I4).
    const locked = !this.hasChanged(cpu, fault) && this.lockTable(cpu, fault.table)
    const good = locked && !this.hasChanged(cpu, fault)
    if (locked && !good) spinUnlock(cpu, fault.table + PageTable.ptl)
    enableInterrupts(cpu)
    return good
  }

  /**
   * Takes the lock of a pte table with interrupts disabled. The holder may be waiting until this CPU answers an
   * interrupt, which it does not do before it has the lock: both would wait for ever (race R11). The holder may
   * also wait, for the lock of a second table, for a third CPU that waits for this answer. So this function gives up if
   * the lock is held, whoever calls it: it counts the event and returns false.
   */
  protected lockTable(cpu: Task, table: number): boolean {
    const lock = table + PageTable.ptl
    for (let spins = 0; !spinTryLock(cpu, lock); spins++) {
      if (isInterruptPending(cpu)) {
        countVmEvent(cpu, VmEvent.hard_lockup)
        return false
      }
      const held = Atomics.load(cpu.heap, lock)
      if (held !== 0) cpuWait(cpu, lock, held, spins)
    }
    return true
  }
}

/** `find_vma_srcu`: what a tree at rest contains. It waits for a writer of the tree, which never takes long. */
export function findVmaSrcu(cpu: Task, mm: number, page: number): number {
  for (;;) {
    const turns = readSeqcountTurns(cpu, mm + Mm.mmSeq)
    const sequence = readSeqBegin(cpu, mm + Mm.mmSeq)
    const vma = findVmaRcu(cpu, mm, page)
    if (!readSeqcountRetry(cpu, mm + Mm.mmSeq, sequence, turns)) return vma
  }
}
