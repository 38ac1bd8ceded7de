// Kamezawa's designs of December 2009 as they were published.

import {
  type FaultContext,
  Kamezawa2009Refcount,
  Kamezawa2009Version,
  PageTable,
  type Task,
  VMA_ADJUST,
  VM_FAULT_ERROR,
  VM_FAULT_RETRY,
  Vma,
  accessSignal,
  isCurrent,
  mmapReadUnlock,
  rcuwaitWake,
  releaseVmaNow,
  spinLock,
} from '../../kernel/index.ts'

/** RFC 1-4/4, 18 December 2009. */
export class Kamezawa2009VersionPublished extends Kamezawa2009Version {
  /** anon_vma_prepare() as if the mmap lock were held (race R23). */
  override preparesAnonVma(): boolean {
    return true
  }

  /** A fault may have read the VMA's address, and not yet counted itself (race R24). */
  override releaseVma(cpu: Task, vma: number): void {
    releaseVmaNow(cpu, vma)
  }

  /**
   * Clears only the tables of the unmapped range: tables of the other half of a split VMA keep the VMA, even after it
   * is freed (race R24). Before the split it still waits for the faults of the VMA.
   */
  protected override forgetVma(cpu: Task, vma: number, change: number): void {
    if (change !== VMA_ADJUST) super.forgetVma(cpu, vma, change)
  }

  /** Only do_anonymous_page() does not check the version under the lock (race R39). */
  override pteMapLock(cpu: Task, fault: FaultContext): boolean {
    if (fault.originalPte !== 0 || fault.vmFile !== 0) return super.pteMapLock(cpu, fault)
    spinLock(cpu, fault.table + PageTable.ptl)
    return true
  }

  /** The end of `do_page_fault` checks the version instead, when the entry is stored. */
  protected override handleVma(cpu: Task, fault: FaultContext, vma: number, errorCode: number): number {
    const result = super.handleVma(cpu, fault, vma, errorCode)
    return (result & VM_FAULT_ERROR) !== 0 || isCurrent(cpu, fault.mm) ? result : VM_FAULT_RETRY
  }

  /** `bad_area_access_error`. */
  protected override refuse(_cpu: Task, fault: FaultContext, errorCode: number): number {
    return accessSignal(errorCode, fault.vmFlags)
  }

  /** A fault that fails releases the mmap lock, which it does not hold, and stays counted in the VMA (race R40). */
  protected override putUser(cpu: Task, vma: number, result: number): void {
    if ((result & VM_FAULT_ERROR) !== 0) mmapReadUnlock(cpu, cpu.fault.mm)
    else super.putUser(cpu, vma, result)
  }
}

/** Asynchronous page fault, 25 December 2009. */
export class Kamezawa2009RefcountPublished extends Kamezawa2009Refcount {
  /** anon_vma_prepare() as if the mmap lock were held (race R23). */
  override preparesAnonVma(): boolean {
    return true
  }

  /** Only munmap waits (race R10). */
  protected override isWrite(): boolean {
    return false
  }

  /** mremap and fork announce nothing (races R2 and R1). */
  override mremapBegin(): void {}
  override forkBegin(): void {}

  /**
   * Wakes when one reference is left, which was the tree's when there was no unmapper; but the unmapper has dropped
   * that before it sleeps, and the last reference leaves none: it is never woken (race R32).
   */
  protected override putVma(cpu: Task, vma: number): void {
    if (Atomics.sub(cpu.heap, vma + Vma.refCount, 1) === 2) rcuwaitWake(cpu, vma + Vma.waiter)
  }
}
