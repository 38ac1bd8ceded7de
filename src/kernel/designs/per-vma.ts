// What the per-VMA locks of Linux share. A fault locks its VMA for reading and does all of its work under that lock. A
// writer, who holds the mmap lock, locks each VMA that it changes, waits until the faults in it have finished, and
// unlocks all of them at once by releasing the mmap lock: a VMA is locked for writing while its number equals that of
// its mm. The designs decide how the lock is made.
//
// If the numbers are equal by accident, a fault falls back. In Linux a writer relies on them too, and does not wait if
// the number says that it locked the VMA before; here it always waits, since an old number may have wrapped to the
// current value.

import { Design } from '../fault/design.ts'
import { accessError, accessSignal, handleMmFault } from '../fault/fault.ts'
import {
  type FaultContext,
  type Hold,
  VM_FAULT_DROPPED,
  VM_FAULT_MAJOR,
  VM_FAULT_RETRY,
} from '../mm/fault-context.ts'
import { Mm } from '../mm/mm.ts'
import type { Task } from '../mm/task.ts'
import { type VmEventName, VmEvent } from '../mm/vm-event.ts'
import { countVmEvent } from '../mm/vmstat.ts'
import { findVma } from '../vma/vma-tree.ts'
import { VMA_LINK, VMA_UNMAP, VMA_ZAP, Vma } from '../vma/vma.ts'

export abstract class PerVmaDesign extends Design {
  override readonly speculates = true
  override readonly rangeTree = true
  override readonly vmaLock = 'number'
  /** PER_VMA_LOCK_STATS. */
  override readonly events: readonly VmEventName[] = [
    'vma_lock_success',
    'vma_lock_abort',
    'vma_lock_retry',
    'vma_lock_miss',
  ]

  /** The hold of a fault that has locked its VMA. */
  protected abstract readonly hold: Hold

  /** `lock_vma_under_rcu`: the VMA of the fault, locked for reading, with its fields in the fault; or 0. */
  protected abstract lockVma(cpu: Task, fault: FaultContext): number

  abstract override vmaEndRead(cpu: Task, vma: number): void

  /**
   * `vma_start_write`: waits until no fault is in the VMA. Later faults find it locked until the mmap lock is released.
   */
  protected abstract vmaStartWrite(cpu: Task, vma: number): void

  /**
   * The result of a fault that the VMA does not allow. The VMA was locked, so its fields were valid: a signal at once
   * (commit bc7996c864ff of 6.10).
   */
  protected accessRefused(cpu: Task, errorCode: number, vmFlags: number): number {
    countVmEvent(cpu, VmEvent.vma_lock_success)
    return accessSignal(errorCode, vmFlags)
  }

  /** `vma_end_write_all`, also before a downgrade. */
  override mmapWriteUnlocking(cpu: Task, mm: number): void {
    Atomics.add(cpu.heap, mm + Mm.mmLockSeq, 1)
  }

  override vmaWriteBegin(cpu: Task, vma: number, change: number): void {
    if (change === VMA_LINK) this.vmaLinking(cpu, vma)
    // At an unmap the VMA has been locked since it left the tree, and a zap changes entries only.
    else if (change !== VMA_UNMAP && change !== VMA_ZAP) this.vmaStartWrite(cpu, vma)
  }

  /** `vma_start_write` of a VMA that is not in the tree yet: no fault can be in it. */
  protected vmaLinking(cpu: Task, vma: number): void {
    setLockNumber(cpu, vma)
  }

  /** The new VMA was locked when it was linked. */
  override mremapBegin(cpu: Task, mm: number, from: number, _to: number): void {
    const vma = findVma(cpu, mm, from)
    this.vmaStartWrite(cpu, vma)
  }

  /** Else faults would change entries while they are copied (race R27, commit fb49c455323f). */
  override forkBegin(cpu: Task, vma: number): void {
    this.vmaStartWrite(cpu, vma)
  }

  /** `mm_take_all_locks`: no fault is in any VMA, and none gets in until the mmap lock is released. */
  override notifierRegistering(cpu: Task, mm: number): void {
    const { heap } = cpu
    for (let vma = heap[mm + Mm.mmap]; vma !== 0; vma = heap[vma + Vma.vmNext]) this.vmaStartWrite(cpu, vma)
  }

  override notifierRegistered(_cpu: Task, _mm: number): void {}

  /** The beginning of `do_user_addr_fault`. */
  override speculativeFault(cpu: Task, errorCode: number): number {
    const { fault } = cpu
    countVmEvent(cpu, VmEvent.spf_attempt)
    const vma = this.lockVma(cpu, fault)
    if (vma === 0) return giveUp(cpu, VmEvent.vma_lock_abort)
    if (accessError(errorCode, fault.vmFlags)) {
      this.vmaEndRead(cpu, vma)
      return this.accessRefused(cpu, errorCode, fault.vmFlags)
    }
    fault.hold = this.hold
    const result = handleMmFault(cpu, fault)
    if ((result & VM_FAULT_DROPPED) === 0) this.vmaEndRead(cpu, vma)
    if ((result & VM_FAULT_RETRY) !== 0) {
      return giveUp(cpu, VmEvent.vma_lock_retry) | (result & VM_FAULT_MAJOR)
    }
    countVmEvent(cpu, VmEvent.vma_lock_success)
    return result & ~VM_FAULT_DROPPED
  }
}

/**
 * For faults. While a writer holds the mmap lock the number of the mm does not change, so faults see that the VMAs it
 * has locked are locked. If the numbers are equal by accident, as they wrap at 2^32, the fault takes the mmap lock. A
 * writer must not ask: it would take the VMA for locked, and not wait for the fault that is in it.
 */
export function isWriteLocked(cpu: Task, mm: number, vma: number): boolean {
  return Atomics.load(cpu.heap, vma + Vma.vmLockSeq) === Atomics.load(cpu.heap, mm + Mm.mmLockSeq)
}

/** From now on the VMA is locked for writing, until the mmap lock is released. */
export function setLockNumber(cpu: Task, vma: number): void {
  const { heap } = cpu
  Atomics.store(heap, vma + Vma.vmLockSeq, Atomics.load(heap, heap[vma + Vma.vmMm] + Mm.mmLockSeq))
}

function giveUp(cpu: Task, reason: number): number {
  countVmEvent(cpu, reason)
  countVmEvent(cpu, VmEvent.spf_abort)
  return VM_FAULT_RETRY
}
