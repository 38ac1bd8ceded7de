// Speculative page faults as P. Zijlstra answered Kamezawa with on 4 January 2010 ("-v3", eight patches, of which the
// sixth is this one).
//
// The page-table lock comes first and the VMA second: while the lock is held, nobody can take the entries away, so that
// what is then found out about the VMA and about the entry belongs together. VMAs carry a sequence count and are freed
// through RCU; a node that has left the tree is known as dead. Every later lock of the entry looks at both again.
//
// Known gaps, which the author named himself: a fault that sleeps outlives RCU (here none sleeps), and "ptl, irq and
// tlb-flush", the deadlock of race R11.

import { accessError, handlePteFault } from '../fault/fault.ts'
import { WALK_DONE, copyContainsPage, walkSpeculatively } from '../fault/speculative.ts'
import { disableInterrupts, enableInterrupts } from '../machine/cpu.ts'
import { PageTable } from '../machine/pte.ts'
import type { DesignDescription } from '../mm/design-hooks.ts'
import { type FaultContext, VM_FAULT_RETRY } from '../mm/fault-context.ts'
import type { Task } from '../mm/task.ts'
import { type VmEventName, VmEvent } from '../mm/vm-event.ts'
import { countVmEvent } from '../mm/vmstat.ts'
import { rcuReadLock, rcuReadUnlock } from '../sync/rcu.ts'
import { spinUnlock } from '../sync/spinlock.ts'
import { pteAddress } from '../tables/page-table.ts'
import { releaseVmaAndFileRcu } from '../vma/vma-release.ts'
import { findVmaRcu } from '../vma/vma-tree.ts'
import { VmaSequenceDesign, lockTableInterruptsOff } from './vma-sequence.ts'

export class Zijlstra2010 extends VmaSequenceDesign {
  override readonly speculatesOnFileMiss = true
  override readonly events: readonly VmEventName[] = ['hard_lockup']
  protected override readonly publishedCoversFlags = false
  protected override readonly publishedCoversMremap = false

  override readonly description: DesignDescription = {
    name: 'zijlstra-2010',
    year: 2010,
    author: 'Peter Zijlstra',
    rwsem: 'generic',
    source: 'Speculative pagefault -v3, 4 January 2010, linux-kernel, patch 6/8',
    lookup: 'red-black tree under RCU, with the page-table lock held',
    lifetime: 'VMAs and their files are released after a grace period',
    validation: 'one sequence count per VMA, and a test for nodes that have left the tree',
    commit: 'page-table lock, waited for with interrupts disabled, then the count again',
    sharedWrites: ['page.flags', 'page.refcount'],
  }

  override releaseVma(cpu: Task, vma: number): void {
    releaseVmaAndFileRcu(cpu, vma)
  }

  /** Published: anon_vma_prepare() as if the mmap lock were held (race R23). */
  override preparesAnonVma(cpu: Task): boolean {
    return cpu.config.PUBLISHED_FLAWS
  }

  /** `handle_speculative_fault`. */
  override speculativeFault(cpu: Task, errorCode: number): number {
    countVmEvent(cpu, VmEvent.spf_attempt)
    rcuReadLock(cpu)
    const result = this.#lookUp(cpu, cpu.fault, errorCode) ? this.#handle(cpu, cpu.fault) : VM_FAULT_RETRY
    rcuReadUnlock(cpu)
    if ((result & VM_FAULT_RETRY) !== 0) countVmEvent(cpu, VmEvent.spf_abort)
    return result
  }

  /**
   * Locks the table, finds the VMA and reads the entry; then the lock is released again. With interrupts disabled all
   * the while: the table may be out of the tree by now, its entries zapped before it was locked, and nothing but that
   * this CPU does not answer keeps it. Later the VMA says so: whoever zaps after that waits for the lock.
   */
  #lookUp(cpu: Task, fault: FaultContext, errorCode: number): boolean {
    fault.vma = 0
    // Published: pte_map_lock() lets page tables go before it returns (race R6).
    if (cpu.config.PUBLISHED_FLAWS)
      return this.pteMapLock(cpu, fault) && this.#readLocked(cpu, fault, errorCode)
    disableInterrupts(cpu)
    const good = this.#mapLock(cpu, fault) && this.#readLocked(cpu, fault, errorCode)
    enableInterrupts(cpu)
    return good
  }

  #readLocked(cpu: Task, fault: FaultContext, errorCode: number): boolean {
    const vma = findVmaRcu(cpu, fault.mm, fault.page)
    const good =
      vma !== 0 &&
      this.snapshot(cpu, fault, vma) &&
      copyContainsPage(fault) &&
      !accessError(errorCode, fault.vmFlags) &&
      !this.hasChanged(cpu, fault)
    fault.originalPte = Atomics.load(cpu.heap, pteAddress(fault.table, fault.page))
    spinUnlock(cpu, fault.table + PageTable.ptl)
    return good
  }

  #handle(cpu: Task, fault: FaultContext): number {
    countVmEvent(cpu, VmEvent.pgfault)
    return handlePteFault(cpu, fault)
  }

  /**
   * `pte_map_lock`: walks anew each time, with interrupts disabled until the lock is held, so that the table cannot go
   * away in between.
   */
  override pteMapLock(cpu: Task, fault: FaultContext): boolean {
    disableInterrupts(cpu)
    const good = this.#mapLock(cpu, fault)
    enableInterrupts(cpu)
    return good
  }

  #mapLock(cpu: Task, fault: FaultContext): boolean {
    const { originalPte } = fault
    const locked =
      walkSpeculatively(cpu, fault) === WALK_DONE &&
      !this.#isStale(cpu, fault) &&
      lockTableInterruptsOff(cpu, fault.table)
    fault.originalPte = originalPte
    const good = locked && !this.#isStale(cpu, fault)
    if (locked && !good) spinUnlock(cpu, fault.table + PageTable.ptl)
    return good
  }

  /** The first time there is no VMA yet, and nothing to look at again. */
  #isStale(cpu: Task, fault: FaultContext): boolean {
    return fault.vma !== 0 && this.hasChanged(cpu, fault)
  }
}
