// Asynchronous page fault: H. Kamezawa's second design, 25 December 2009 (on 2.6.33-rc2).
//
// A fault reads the tree of VMAs under RCU, and takes a reference on the VMA that it finds. There is no sequence count
// and no version: a thread that removes a VMA drops the tree's reference and sleeps until the last fault has finished,
// so a fault with a reference need not check again. It handled more than twice the faults of the locked path; then the
// xadd rwsem handled more than it.
//
// It misses changes of a VMA that stays in the tree. Corrected here: a thread that moves the borders of a VMA or
// changes its flags waits in the same way, and no new fault gets a reference meanwhile.

import { accessError, handlePteFault } from '../fault/fault.ts'
import { WALK_DONE, copyContainsPage, copyVma, walkSpeculatively } from '../fault/speculative.ts'
import { PageTable } from '../machine/pte.ts'
import type { DesignDescription } from '../mm/design-hooks.ts'
import { type FaultContext, VM_FAULT_RETRY } from '../mm/fault-context.ts'
import type { Task } from '../mm/task.ts'
import { VmEvent } from '../mm/vm-event.ts'
import { countVmEvent } from '../mm/vmstat.ts'
import { rcuReadLock, rcuReadUnlock } from '../sync/rcu.ts'
import { rcuwaitUntil, rcuwaitWake } from '../sync/rcuwait.ts'
import { refcountIncNotZero } from '../sync/refcount.ts'
import { spinLock } from '../sync/spinlock.ts'
import { releaseVmaRcu } from '../vma/vma-release.ts'
import { findVmaRcu } from '../vma/vma-tree.ts'
import { Vma } from '../vma/vma.ts'
import { VmaWriterDesign, isMoving } from './vma-writer.ts'

export class Kamezawa2009Refcount extends VmaWriterDesign {
  override readonly speculates = true
  override readonly vmaLock = 'count'
  override readonly speculatesOnFileMiss = true
  override readonly speculatesOnSwap: 'never' | 'cached' | 'any' = 'any'
  override readonly description: DesignDescription = {
    name: 'kamezawa-2009-refcount',
    year: 2009,
    author: 'KAMEZAWA Hiroyuki',
    rwsem: 'generic',
    source: 'asynchronous page fault, 25 December 2009, linux-kernel',
    lookup: 'red-black tree under RCU',
    lifetime: 'a reference count per VMA; an unmapping thread sleeps until it is 0',
    validation: 'none: a referenced VMA is not removed',
    commit: 'page-table lock',
    sharedWrites: ['page.flags', 'page.refcount', 'vma.refCount'],
  }

  /** Drops the tree's reference, without which no fault gets another, and waits until all others are dropped. */
  protected override begin(cpu: Task, vma: number): void {
    if (Atomics.load(cpu.heap, vma + Vma.refCount) !== 0) Atomics.sub(cpu.heap, vma + Vma.refCount, 1)
    rcuwaitUntil(cpu, vma + Vma.waiter, vma + Vma.refCount, 0)
  }

  protected override end(cpu: Task, vma: number): void {
    Atomics.store(cpu.heap, vma + Vma.refCount, 1)
  }

  protected override isBegun(cpu: Task, vma: number): boolean {
    return Atomics.load(cpu.heap, vma + Vma.refCount) === 0
  }

  override vmaLinked(cpu: Task, vma: number): void {
    // A VMA that mremap has just made must wait for its entries.
    if (!isMoving(cpu, vma)) this.end(cpu, vma)
  }

  override vmaUnlinked(cpu: Task, vma: number): void {
    this.begin(cpu, vma)
  }

  override releaseVma(cpu: Task, vma: number): void {
    releaseVmaRcu(cpu, vma)
  }

  override speculativeFault(cpu: Task, errorCode: number): number {
    const { fault } = cpu
    countVmEvent(cpu, VmEvent.spf_attempt)
    const vma = findVmaSpeculative(cpu, fault.mm, fault.page)
    const result = vma === 0 ? VM_FAULT_RETRY : handleVma(cpu, fault, vma, errorCode)
    if (vma !== 0) this.putVma(cpu, vma)
    if ((result & VM_FAULT_RETRY) !== 0) countVmEvent(cpu, VmEvent.spf_abort)
    return result
  }

  /** `vma_put`: when no reference is left, not even the tree's, a thread is waiting for that. */
  protected putVma(cpu: Task, vma: number): void {
    if (Atomics.sub(cpu.heap, vma + Vma.refCount, 1) === 1) rcuwaitWake(cpu, vma + Vma.waiter)
  }

  /** The page tables of a referenced VMA are never removed, so the fault may wait for the lock. */
  override pteMapLock(cpu: Task, fault: FaultContext): boolean {
    spinLock(cpu, fault.table + PageTable.ptl)
    return true
  }
}

/**
 * `find_vma_speculative`: the VMA at or behind the page with a reference on it, or 0. Not found means nothing (R33).
 */
function findVmaSpeculative(cpu: Task, mm: number, page: number): number {
  rcuReadLock(cpu)
  let vma = findVmaRcu(cpu, mm, page)
  if (vma !== 0 && !refcountIncNotZero(cpu, vma + Vma.refCount)) vma = 0
  rcuReadUnlock(cpu)
  return vma
}

function handleVma(cpu: Task, fault: FaultContext, vma: number, errorCode: number): number {
  fault.vma = vma
  copyVma(cpu, fault, vma)
  if (!copyContainsPage(fault) || accessError(errorCode, fault.vmFlags)) return VM_FAULT_RETRY
  if (walkSpeculatively(cpu, fault) !== WALK_DONE) return VM_FAULT_RETRY
  countVmEvent(cpu, VmEvent.pgfault)
  return handlePteFault(cpu, fault)
}
