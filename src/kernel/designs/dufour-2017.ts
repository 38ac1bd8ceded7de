// Speculative page faults as L. Dufour continued them in 2017 (RFC v1 to v5, on Zijlstra's patches of 2014).
//
// It removes the deadlock of 2014: a fault only tries the page-table lock, and takes the classic path if it does not
// get it (patch "Try spin lock in speculative path"). The VMA is now odd also while mprotect, madvise and others change
// it. Only faults on anonymous memory are tried, and only if there is an anon_vma already, since making one needs the
// neighbours of the VMA.
//
// What remained: call_srcu() cost about a fifth of the throughput on large machines, so the next version counts
// references.

import type { DesignDescription } from '../mm/design-hooks.ts'
import { VM_FAULT_RETRY } from '../mm/fault-context.ts'
import { Mm } from '../mm/mm.ts'
import type { Task } from '../mm/task.ts'
import { type VmEventName, VmEvent } from '../mm/vm-event.ts'
import { countVmEvent } from '../mm/vmstat.ts'
import { writeSeqcountBegin, writeSeqcountEnd } from '../sync/seqcount.ts'
import { srcuReadLock, srcuReadUnlock } from '../sync/srcu.ts'
import { releaseVmaAndFileSrcu } from '../vma/vma-release.ts'
import { DufourDesign, dufourEventsToV10 } from './dufour.ts'
import { findVmaSrcu } from './zijlstra-2014.ts'

export class Dufour2017 extends DufourDesign {
  override readonly events: readonly VmEventName[] = dufourEventsToV10

  override readonly description: DesignDescription = {
    name: 'dufour-2017',
    year: 2017,
    author: 'Laurent Dufour, after Peter Zijlstra',
    rwsem: 'writer-spinning',
    source: 'Speculative page faults, RFC v5, 16 June 2017, linux-mm, 11 patches',
    lookup: 'red-black tree under SRCU, repeated if the seqlock of the mm shows that the tree changed',
    lifetime: 'VMAs are released after a grace period of SRCU',
    validation: 'one sequence count per VMA, and a test for nodes that have left the tree',
    commit: 'try-lock of the page-table lock between two checks of the count',
    sharedWrites: [],
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

  override speculativeFault(cpu: Task, errorCode: number): number {
    const { fault } = cpu
    if (this.isAlone(cpu, fault)) return VM_FAULT_RETRY
    countVmEvent(cpu, VmEvent.spf_attempt)
    const index = srcuReadLock(cpu)
    const vma = findVmaSrcu(cpu, fault.mm, fault.page)
    const result = vma === 0 ? VM_FAULT_RETRY : this.handleVma(cpu, fault, vma, errorCode)
    srcuReadUnlock(cpu, index)
    return this.finish(cpu, result)
  }
}
