// Speculative page faults of L. Dufour, v12 (16 April 2019, on 5.1-rc4; 31 patches), the last of his.
//
// The lock of the tree is gone again: the lookup runs under RCU, and a seqlock of the mm shows whether the tree changed
// meanwhile. The reference count stays; the tree drops its reference after a grace period, so a fault may take one on
// the VMA that it finds. Both VMAs of a moving mapping stay odd until the entries have moved (patch 11/31, race R2),
// those of a forking parent until its TLBs are flushed (18/31, race R1). The fault tries the page-table lock over and
// over, and enables interrupts in between: reviewers asked the author for a bound; he never met the case (race R12).

import { cpuRelax, disableInterrupts, enableInterrupts } from '../machine/cpu.ts'
import { PageTable } from '../machine/pte.ts'
import type { DesignDescription } from '../mm/design-hooks.ts'
import { type FaultContext, VM_FAULT_RETRY } from '../mm/fault-context.ts'
import { Mm } from '../mm/mm.ts'
import type { Task } from '../mm/task.ts'
import { VmEvent } from '../mm/vm-event.ts'
import { countVmEvent } from '../mm/vmstat.ts'
import { rcuReadLock, rcuReadUnlock } from '../sync/rcu.ts'
import { refcountInc } from '../sync/refcount.ts'
import {
  readSeqBegin,
  readSeqcountRetry,
  readSeqcountTurns,
  writeSeqcountBegin,
  writeSeqcountEnd,
} from '../sync/seqcount.ts'
import { spinTryLock, spinUnlock } from '../sync/spinlock.ts'
import { findTableInPmd } from '../tables/page-table.ts'
import { putVma, releaseVmaReferenceRcu } from '../vma/vma-release.ts'
import { findVmaRcu } from '../vma/vma-tree.ts'
import { VMA_LINK, Vma } from '../vma/vma.ts'
import { DufourDesign } from './dufour.ts'

export class Dufour2019 extends DufourDesign {
  override readonly description: DesignDescription = {
    name: 'dufour-2019',
    year: 2019,
    author: 'Laurent Dufour',
    rwsem: 'writer-spinning',
    source: 'Speculative page faults, v12, 20190416134522.17540-1-ldufour@linux.ibm.com',
    lookup: 'red-black tree under RCU, repeated if the seqlock of the mm shows that the tree changed',
    lifetime: 'a reference count per VMA; the tree drops its reference after a grace period',
    validation: 'one sequence count per VMA, and a test for nodes that have left the tree',
    commit: 'page-table lock, tried until it is free, between two checks of the count',
    sharedWrites: ['vma.refCount'],
  }

  override treeWriteBegin(cpu: Task, mm: number): void {
    writeSeqcountBegin(cpu, mm + Mm.mmSeq)
  }

  override treeWriteEnd(cpu: Task, mm: number): void {
    writeSeqcountEnd(cpu, mm + Mm.mmSeq)
  }

  override vmaWriteBegin(cpu: Task, vma: number, change: number): void {
    // The reference of the tree.
    if (change === VMA_LINK) Atomics.store(cpu.heap, vma + Vma.refCount, 1)
    super.vmaWriteBegin(cpu, vma, change)
  }

  override releaseVma(cpu: Task, vma: number): void {
    releaseVmaReferenceRcu(cpu, vma)
  }

  override speculativeFault(cpu: Task, errorCode: number): number {
    const { fault } = cpu
    if (this.isAlone(cpu, fault)) return VM_FAULT_RETRY
    countVmEvent(cpu, VmEvent.spf_attempt)
    const vma = getVmaRcu(cpu, fault.mm, fault.page)
    if (vma === 0) return this.finish(cpu, VM_FAULT_RETRY)
    const result = this.handleVma(cpu, fault, vma, errorCode)
    putVma(cpu, vma)
    return this.finish(cpu, result)
  }

  /** `pte_map_lock` of v12. */
  override pteMapLock(cpu: Task, fault: FaultContext): boolean {
    const lock = fault.table + PageTable.ptl
    for (;;) {
      disableInterrupts(cpu)
      if (this.hasChanged(cpu, fault)) return this.#lockFails(cpu, VmEvent.spf_vma_changed)
      // The window and the count that has not moved keep the pmd table (I4).
      if (findTableInPmd(cpu, fault.pmd, fault.page) !== fault.table)
        return this.#lockFails(cpu, VmEvent.spf_pmd_changed)
      if (spinTryLock(cpu, lock)) break
      // The holder may be waiting for this CPU to flush its TLB: it does so here, and tries again (R11). With
      // interrupts enabled nothing keeps the table, so that nobody may wait on its lock (R6).
      enableInterrupts(cpu)
      cpuRelax(cpu)
    }
    if (this.hasChanged(cpu, fault)) {
      spinUnlock(cpu, lock)
      return this.#lockFails(cpu, VmEvent.spf_vma_changed)
    }
    enableInterrupts(cpu)
    return true
  }

  #lockFails(cpu: Task, reason: number): boolean {
    enableInterrupts(cpu)
    return this.lockFails(cpu, reason)
  }
}

/** `find_vma_rcu`: the VMA at or behind the page with a reference on it, or 0. */
function getVmaRcu(cpu: Task, mm: number, page: number): number {
  for (;;) {
    const turns = readSeqcountTurns(cpu, mm + Mm.mmSeq)
    const sequence = readSeqBegin(cpu, mm + Mm.mmSeq)
    rcuReadLock(cpu)
    const vma = findVmaRcu(cpu, mm, page)
    // The tree's reference is not dropped before this section ends.
    if (vma !== 0) refcountInc(cpu, vma + Vma.refCount)
    rcuReadUnlock(cpu)
    if (!readSeqcountRetry(cpu, mm + Mm.mmSeq, sequence, turns)) return vma
    if (vma !== 0) putVma(cpu, vma)
  }
}
