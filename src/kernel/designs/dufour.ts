// What L. Dufour's designs share: which faults they try, the order of the checks, and the tracepoints that say why a
// fault gave up (`pagefault:spf_*`).

import { handlePteFault } from '../fault/fault.ts'
import { WALK_DONE, copyContainsPage } from '../fault/speculative.ts'
import { disableInterrupts, enableInterrupts } from '../machine/cpu.ts'
import { PageTable } from '../machine/pte.ts'
import { type FaultContext, VM_FAULT_RETRY } from '../mm/fault-context.ts'
import { Mm } from '../mm/mm.ts'
import type { Task } from '../mm/task.ts'
import { type VmEventName, VmEvent } from '../mm/vm-event.ts'
import { countVmEvent } from '../mm/vmstat.ts'
import { spinTryLock, spinUnlock } from '../sync/spinlock.ts'
import { VM_GROWSDOWN } from '../vma/vma.ts'
import { VmaSequenceDesign } from './vma-sequence.ts'

/** What every version counts. */
const dufourEvents: readonly VmEventName[] = [
  'speculative_pgfault',
  'spf_vma_changed',
  'spf_vma_noanon',
  'spf_vma_notsup',
  'spf_vma_access',
  'spf_pmd_changed',
]

/** Up to v10, which tries the page-table lock once, a failure has a tracepoint of its own. */
export const dufourEventsToV10: readonly VmEventName[] = [...dufourEvents, 'spf_pte_lock']

export abstract class DufourDesign extends VmaSequenceDesign {
  override readonly speculatesOnSwap: 'never' | 'cached' | 'any' = 'cached'
  override readonly events: readonly VmEventName[] = dufourEvents

  /** A single thread never waits for another. */
  protected isAlone(cpu: Task, fault: FaultContext): boolean {
    return Atomics.load(cpu.heap, fault.mm + Mm.users) === 1
  }

  /** `handle_speculative_fault` from the VMA on. Its caller keeps the VMA from being freed. */
  protected handleVma(cpu: Task, fault: FaultContext, vma: number, errorCode: number): number {
    if (!this.snapshot(cpu, fault, vma)) return this.giveUp(cpu, VmEvent.spf_vma_changed)
    if (fault.vmFile !== 0) return this.giveUp(cpu, VmEvent.spf_vma_notsup)
    // The patches have a tracepoint for this, spf_vma_noanon, and give spf_vma_notsup here, in every version.
    if (fault.anonVma === 0) return this.giveUp(cpu, VmEvent.spf_vma_notsup)
    // A stack may have to grow, for which its neighbours count (invariant I12).
    if ((fault.vmFlags & VM_GROWSDOWN) !== 0) return this.giveUp(cpu, VmEvent.spf_vma_notsup)
    // Only now, as in the patches: the lookup gives the VMA behind a hole too, and a stack below which this is.
    if (!copyContainsPage(fault)) return this.giveUp(cpu, VmEvent.spf_vma_changed)
    if (!this.allows(fault, errorCode)) return this.refuse(cpu, fault, errorCode)
    if (this.walk(cpu, fault) !== WALK_DONE) return this.giveUp(cpu, VmEvent.spf_vma_notsup)
    if (this.hasChanged(cpu, fault)) return this.giveUp(cpu, VmEvent.spf_vma_changed)
    countVmEvent(cpu, VmEvent.pgfault)
    return handlePteFault(cpu, fault)
  }

  /**
   * The VMA does not allow the access, or so it seems: the count is not looked at again, and flags of a VMA that is
   * just being changed must not kill a program that did nothing wrong (race R34, invariant I1).
   */
  protected refuse(cpu: Task, _fault: FaultContext, _errorCode: number): number {
    return this.giveUp(cpu, VmEvent.spf_vma_access)
  }

  protected giveUp(cpu: Task, reason: number): number {
    countVmEvent(cpu, reason)
    return VM_FAULT_RETRY
  }

  /** `pte_map_lock` up to v10: one try. */
  override pteMapLock(cpu: Task, fault: FaultContext): boolean {
    disableInterrupts(cpu)
    const locked = this.#tryLockTable(cpu, fault)
    enableInterrupts(cpu)
    return locked
  }

  #tryLockTable(cpu: Task, fault: FaultContext): boolean {
    if (this.hasChanged(cpu, fault)) return this.lockFails(cpu, VmEvent.spf_vma_changed)
    // The holder may be waiting for this CPU to flush its TLB, which it does not do while interrupts are off (R11).
    if (!spinTryLock(cpu, fault.table + PageTable.ptl)) return this.lockFails(cpu, VmEvent.spf_pte_lock)
    if (!this.hasChanged(cpu, fault)) return true
    spinUnlock(cpu, fault.table + PageTable.ptl)
    return this.lockFails(cpu, VmEvent.spf_vma_changed)
  }

  protected lockFails(cpu: Task, reason: number): boolean {
    countVmEvent(cpu, reason)
    return false
  }

  protected finish(cpu: Task, result: number): number {
    const given = (result & VM_FAULT_RETRY) !== 0
    countVmEvent(cpu, given ? VmEvent.spf_abort : VmEvent.speculative_pgfault)
    return result
  }
}
