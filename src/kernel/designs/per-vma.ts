// What the per-VMA locks of Linux have in common: a fault locks its VMA for reading and does all of its work under that
// lock, and a VMA is locked for write while its number is the one of its mm. How the lock is made, the designs say.

import { Design } from '../fault/design.ts'
import { accessError, handleMmFault } from '../fault/fault.ts'
import { vmaLockHeld } from '../fault/hold.ts'
import { type FaultContext, VM_FAULT_RETRY } from '../mm/fault-context.ts'
import { Mm } from '../mm/mm.ts'
import type { Task } from '../mm/task.ts'
import { type VmEventName, VmEvent } from '../mm/vm-event.ts'
import { countVmEvent } from '../mm/vmstat.ts'
import { Vma } from '../vma/vma.ts'

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

  /** `lock_vma_under_rcu`: the VMA of the fault, locked for reading, with its fields in the fault; or 0. */
  protected abstract lockVma(cpu: Task, fault: FaultContext): number

  /** `vma_end_read`. */
  protected abstract unlockVma(cpu: Task, vma: number): void

  /** The beginning of `do_user_addr_fault`. */
  override speculativeFault(cpu: Task, errorCode: number): number {
    const { fault } = cpu
    countVmEvent(cpu, VmEvent.spf_attempt)
    const vma = this.lockVma(cpu, fault)
    if (vma === 0) return giveUp(cpu, VmEvent.vma_lock_abort)
    if (accessError(errorCode, fault.vmFlags)) {
      this.unlockVma(cpu, vma)
      countVmEvent(cpu, VmEvent.spf_abort)
      return VM_FAULT_RETRY
    }
    fault.hold = vmaLockHeld
    const result = handleMmFault(cpu, fault)
    this.unlockVma(cpu, vma)
    if ((result & VM_FAULT_RETRY) !== 0) return giveUp(cpu, VmEvent.vma_lock_retry)
    countVmEvent(cpu, VmEvent.vma_lock_success)
    return result
  }
}

/**
 * For faults. Within one hold of the mmap lock the number of the mm stands still, so that a VMA that was locked in it
 * is seen to be. One whose number is equal by accident, as the numbers come round at 2^32, turns the fault away. A
 * writer must not ask: it would take the VMA for locked, and not wait for the fault that is in it.
 */
export function isWriteLocked(cpu: Task, mm: number, vma: number): boolean {
  return Atomics.load(cpu.heap, vma + Vma.vmLockSeq) === Atomics.load(cpu.heap, mm + Mm.mmLockSeq)
}

function giveUp(cpu: Task, reason: number): number {
  countVmEvent(cpu, reason)
  countVmEvent(cpu, VmEvent.spf_abort)
  return VM_FAULT_RETRY
}
