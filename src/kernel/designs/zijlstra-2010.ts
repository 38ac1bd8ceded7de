// Speculative page faults: P. Zijlstra's answer to Kamezawa of 4 January 2010 ("-v3", eight patches).
//
// The page-table lock comes first and the VMA second: while the fault holds the lock, nobody can remove the entries, so
// what it then reads of the VMA and of the entry belongs together. VMAs have a sequence count and are freed through
// RCU; a node that has left the tree is marked dead. Every later lock of the entry checks both again.
//
// A hack came first, on 2 January (1262448844.6408.93.camel@laptop): it waited for the page-table lock with interrupts
// disabled, which is the deadlock of race R11, and enabled them before it looked up the VMA, so the table could be
// freed meanwhile (race R6). -v3 tries the lock, and enables interrupts before it tries again (patch 5/8); its last
// patch keeps them disabled throughout the lookup. The gaps that the author named himself remain: a fault that sleeps
// outlives RCU (here none sleeps), and the loop, his "ptl, irq and tlb-flush".

import { handlePteFault } from '../fault/fault.ts'
import { WALK_DONE, copyContainsPage, walkSpeculatively } from '../fault/speculative.ts'
import { cpuRelax, disableInterrupts, enableInterrupts } from '../machine/cpu.ts'
import { PageTable } from '../machine/pte.ts'
import type { DesignDescription } from '../mm/design-hooks.ts'
import { type FaultContext, VM_FAULT_RETRY } from '../mm/fault-context.ts'
import type { Task } from '../mm/task.ts'
import { VmEvent } from '../mm/vm-event.ts'
import { countVmEvent } from '../mm/vmstat.ts'
import { rcuReadLock, rcuReadUnlock } from '../sync/rcu.ts'
import { spinTryLock, spinUnlock } from '../sync/spinlock.ts'
import { pteAddress } from '../tables/page-table.ts'
import { releaseVmaAndFileRcu } from '../vma/vma-release.ts'
import { findVmaRcu } from '../vma/vma-tree.ts'
import { VmaSequenceDesign } from './vma-sequence.ts'

export class Zijlstra2010 extends VmaSequenceDesign {
  override readonly speculatesOnFileMiss = true

  override readonly description: DesignDescription = {
    name: 'zijlstra-2010',
    year: 2010,
    author: 'Peter Zijlstra',
    rwsem: 'generic',
    source: 'Speculative pagefault -v3, 4 January 2010, 20100104182429.833180340@chello.nl, eight patches',
    lookup: 'red-black tree under RCU, with the page-table lock held',
    lifetime: 'VMAs and their files are released after a grace period',
    validation: 'one sequence count per VMA, and a test for nodes that have left the tree',
    commit: 'page-table lock, tried until it is free, between two checks of the count',
    sharedWrites: ['page.flags', 'page.refcount'],
  }

  override releaseVma(cpu: Task, vma: number): void {
    releaseVmaAndFileRcu(cpu, vma)
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
   * Locks the table, finds the VMA, reads the entry, and releases the lock. Interrupts stay disabled all the while:
   * another CPU may have zapped the entries and unlinked the table before this one locked it, and only the
   * interrupt that this CPU does not answer keeps the table from being freed. Afterwards the VMA shows it: a CPU that
   * zaps later waits for the lock of the table.
   */
  #lookUp(cpu: Task, fault: FaultContext, errorCode: number): boolean {
    for (;;) {
      disableInterrupts(cpu)
      const found = walkSpeculatively(cpu, fault) === WALK_DONE
      const locked = found && spinTryLock(cpu, fault.table + PageTable.ptl)
      const good = locked && this.#readLocked(cpu, fault, errorCode)
      enableInterrupts(cpu)
      if (locked || !found) return good
      cpuRelax(cpu)
    }
  }

  #readLocked(cpu: Task, fault: FaultContext, errorCode: number): boolean {
    const vma = findVmaRcu(cpu, fault.mm, fault.page)
    const good =
      vma !== 0 &&
      this.snapshot(cpu, fault, vma) &&
      copyContainsPage(fault) &&
      this.allows(fault, errorCode) &&
      !this.hasChanged(cpu, fault)
    fault.originalPte = Atomics.load(cpu.heap, pteAddress(fault.table, fault.page))
    spinUnlock(cpu, fault.table + PageTable.ptl)
    return good
  }

  #handle(cpu: Task, fault: FaultContext): number {
    countVmEvent(cpu, VmEvent.pgfault)
    return handlePteFault(cpu, fault)
  }

  /** `pte_map_lock`: in the window, the count says that the table of the look-up is still there (I4). */
  override pteMapLock(cpu: Task, fault: FaultContext): boolean {
    for (;;) {
      disableInterrupts(cpu)
      const changed = this.hasChanged(cpu, fault)
      const locked = !changed && spinTryLock(cpu, fault.table + PageTable.ptl)
      const good = locked && !this.hasChanged(cpu, fault)
      if (locked && !good) spinUnlock(cpu, fault.table + PageTable.ptl)
      enableInterrupts(cpu)
      if (locked || changed) return good
      // The holder may be waiting for this CPU to flush its TLB: it does so here (R11). Nobody may wait on the lock
      // meanwhile, as nothing keeps the table.
      cpuRelax(cpu)
    }
  }
}
