// Speculative page faults of L. Dufour in 2018 (v6 to v11; here v10, 17 April 2018, the last that tries the page-table
// lock once).
//
// There is no SRCU any more. A reader-writer lock guards the tree, and each VMA counts its users: `get_vma` looks up
// and counts under the lock, so the VMA stays, and the classic path may even reuse it after a failed try, which saves
// the lookup. Each fault now writes two words that all threads share, the lock and the count: P. Zijlstra objected that
// this is the contention of the mmap lock again.

import type { DesignDescription } from '../mm/design-hooks.ts'
import { VM_FAULT_RETRY } from '../mm/fault-context.ts'
import { Mm } from '../mm/mm.ts'
import type { Task } from '../mm/task.ts'
import { type VmEventName, VmEvent } from '../mm/vm-event.ts'
import { countVmEvent } from '../mm/vmstat.ts'
import { refcountInc } from '../sync/refcount.ts'
import { readLock, readUnlock, writeLock, writeUnlock } from '../sync/rwlock.ts'
import { putVma, releaseVmaReference } from '../vma/vma-release.ts'
import { findVmaRcu } from '../vma/vma-tree.ts'
import { VMA_LINK, Vma } from '../vma/vma.ts'
import { DufourDesign, dufourEventsToV10 } from './dufour.ts'

export class Dufour2018 extends DufourDesign {
  override readonly events: readonly VmEventName[] = dufourEventsToV10
  override readonly description: DesignDescription = {
    name: 'dufour-2018',
    year: 2018,
    author: 'Laurent Dufour',
    rwsem: 'writer-spinning',
    source: 'Speculative page faults, v10, 1523975611-15978-1-git-send-email-ldufour@linux.vnet.ibm.com',
    lookup: 'red-black tree under a reader-writer lock of its own',
    lifetime: 'a reference count per VMA; the retry under the mmap lock reuses the VMA',
    validation: 'one sequence count per VMA, and a test for nodes that have left the tree',
    commit: 'try-lock of the page-table lock between two checks of the count',
    sharedWrites: ['mm.mmRbLock', 'vma.refCount'],
  }

  override treeWriteBegin(cpu: Task, mm: number): void {
    writeLock(cpu, mm + Mm.mmRbLock)
  }

  override treeWriteEnd(cpu: Task, mm: number): void {
    writeUnlock(cpu, mm + Mm.mmRbLock)
  }

  override vmaWriteBegin(cpu: Task, vma: number, change: number): void {
    // The reference of the tree.
    if (change === VMA_LINK) Atomics.store(cpu.heap, vma + Vma.refCount, 1)
    super.vmaWriteBegin(cpu, vma, change)
  }

  override releaseVma(cpu: Task, vma: number): void {
    releaseVmaReference(cpu, vma)
  }

  override speculativeFault(cpu: Task, errorCode: number): number {
    const { fault } = cpu
    if (this.isAlone(cpu, fault)) return VM_FAULT_RETRY
    countVmEvent(cpu, VmEvent.spf_attempt)
    const vma = getVma(cpu, fault.mm, fault.page)
    if (vma === 0) return this.finish(cpu, VM_FAULT_RETRY)
    const result = this.handleVma(cpu, fault, vma, errorCode)
    if ((result & VM_FAULT_RETRY) !== 0) cpu.leftVma = vma
    else putVma(cpu, vma)
    return this.finish(cpu, result)
  }

  /** `can_reuse_spf_vma`: it is still in the tree and covers the page. */
  override retryVma(cpu: Task, _mm: number, page: number): number {
    const { heap, leftVma } = cpu
    if (leftVma === 0) return 0
    cpu.leftVma = 0
    const usable =
      Atomics.load(heap, leftVma + Vma.detached) === 0 &&
      heap[leftVma + Vma.vmStart] <= page &&
      page < heap[leftVma + Vma.vmEnd]
    putVma(cpu, leftVma)
    // The mmap lock is held now: what is in the tree stays there.
    return usable ? leftVma : 0
  }
}

/** `get_vma`: the VMA at or behind the page with a reference on it, or 0. */
function getVma(cpu: Task, mm: number, page: number): number {
  readLock(cpu, mm + Mm.mmRbLock)
  const vma = findVmaRcu(cpu, mm, page)
  if (vma !== 0) refcountInc(cpu, vma + Vma.refCount)
  readUnlock(cpu, mm + Mm.mmRbLock)
  return vma
}
