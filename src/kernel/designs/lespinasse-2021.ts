// Speculative page faults as M. Lespinasse published them on 30 April 2021 (v1, anonymous memory; message-id
// 20210430195232.30491-1-michel@lespinasse.org; patch N has the suffix -(N+1)-).
//
// One sequence count per mm, hooked into the mmap lock: odd while a writer holds it. A fault reads it, looks up the
// VMA under RCU, copies it, reads the count again, and from then on uses only the copy. It commits by try-locking the
// page table between two more checks of the count. It writes nothing that another fault writes; the price is that any
// writer anywhere in the address space makes it give up. What happens under the mmap lock held for *reading*
// (MADV_DONTNEED, other faults) does not move the count: the page-table lock, and the comparison of the entry with the
// value read before, exclude it.

import { Design } from '../fault/design.ts'
import { accessError, handlePteFault } from '../fault/fault.ts'
import {
  WALK_NO_PMD,
  WALK_NO_PUD,
  abortSpf,
  copyContainsPage,
  copyVma,
  walkSpeculatively,
} from '../fault/speculative.ts'
import { disableInterrupts, enableInterrupts } from '../machine/cpu.ts'
import { PageTable } from '../machine/pte.ts'
import type { DesignDescription } from '../mm/design-hooks.ts'
import { type FaultContext, VM_FAULT_RETRY } from '../mm/fault-context.ts'
import { Mm } from '../mm/mm.ts'
import type { Task } from '../mm/task.ts'
import { type VmEventName, VmEvent } from '../mm/vm-event.ts'
import { countSpfEvent, countVmEvent } from '../mm/vmstat.ts'
import { rcuReadLock, rcuReadUnlock } from '../sync/rcu.ts'
import {
  readSeqcount,
  readSeqcountRetry,
  readSeqcountTurns,
  writeSeqcountBegin,
  writeSeqcountEnd,
} from '../sync/seqcount.ts'
import { spinTryLock, spinUnlock } from '../sync/spinlock.ts'
import { releaseVmaNow, releaseVmaRcu } from '../vma/vma-release.ts'
import { findVmaRcu } from '../vma/vma-tree.ts'
import { Vma } from '../vma/vma.ts'
import { vmacacheFind, vmacacheUpdate } from '../vma/vmacache.ts'

/** The counters of every version. */
export const lespinasseEvents: readonly VmEventName[] = [
  'SPF_ABORT_ODD',
  'SPF_ABORT_UNMAPPED',
  'SPF_ABORT_NO_SPECULATE',
  'SPF_ABORT_VMA_COPY',
  'SPF_ABORT_ACCESS_ERROR',
  'SPF_ABORT_PUD',
  'SPF_ABORT_PMD',
  'SPF_ABORT_ANON_VMA',
  'SPF_ABORT_PTE_MAP_LOCK_SEQ1',
  'SPF_ABORT_PTE_MAP_LOCK_PMD',
  'SPF_ABORT_PTE_MAP_LOCK_PTL',
  'SPF_ABORT_PTE_MAP_LOCK_SEQ2',
  'SPF_ABORT_USERFAULTFD',
  'SPF_ATTEMPT_ANON',
  'SPF_ATTEMPT_NUMA',
  'SPF_ATTEMPT_PTE',
  'SPF_ATTEMPT_WP',
]

export class Lespinasse2021 extends Design {
  override readonly speculates = true
  override readonly speculatesOnSwap: 'never' | 'cached' | 'any' = 'cached'
  override readonly events: readonly VmEventName[] = [
    ...lespinasseEvents,
    'SPF_ABORT_NON_SWAP_ENTRY',
    'SPF_ABORT_SWAP_NOPAGE',
    'SPF_ATTEMPT_SWAP',
  ]
  override readonly description: DesignDescription = {
    name: 'lespinasse-2021',
    year: 2021,
    author: 'Michel Lespinasse',
    rwsem: 'spinning',
    source: 'Speculative page faults (anon vmas only), v1, 20210430195232.30491-1-michel@lespinasse.org',
    lookup: 'VMA cache of the thread, then red-black tree, under RCU',
    lifetime: 'VMAs are freed after a grace period; the fault works on a copy',
    validation: 'one sequence count per mm, odd while the mmap lock is held for writing',
    commit: 'try-lock of the page-table lock between two checks of the count',
    sharedWrites: [],
  }

  /** `mmap_write_lock`: the lock is held, so there is one writer at a time (invariant I10). */
  override mmapWriteLocked(cpu: Task, mm: number): void {
    writeSeqcountBegin(cpu, mm + Mm.mmapSeq)
  }

  /**
   * Before the lock is released, and before it is downgraded: what runs after a downgrade runs with an even count
   * (I9).
   */
  override mmapWriteUnlocking(cpu: Task, mm: number): void {
    writeSeqcountEnd(cpu, mm + Mm.mmapSeq)
  }

  /** With one user, no other thread can be looking at the VMA without the lock. */
  override releaseVma(cpu: Task, vma: number): void {
    if (Atomics.load(cpu.heap, cpu.heap[vma + Vma.vmMm] + Mm.users) <= 1) releaseVmaNow(cpu, vma)
    else this.releaseVmaLater(cpu, vma)
  }

  protected releaseVmaLater(cpu: Task, vma: number): void {
    releaseVmaRcu(cpu, vma)
  }

  /** The VMA at the page, or 0. Inside an RCU read-side critical section. */
  protected lookUp(cpu: Task, mm: number, page: number): number {
    return lookUpCached(cpu, mm, page)
  }

  /** Whether the fault can be tried on a mapping of this kind. Only the copy of the VMA may be used. */
  protected canSpeculate(_cpu: Task, fault: FaultContext): boolean {
    return fault.vmFile === 0
  }

  /** The part in `do_user_addr_fault`, up to the copy of the VMA and its check. */
  override speculativeFault(cpu: Task, errorCode: number): number {
    const { fault } = cpu
    const { mm } = fault
    // A single thread never waits for another, so it does not try, and this does not count as an attempt.
    if (Atomics.load(cpu.heap, mm + Mm.users) === 1) return VM_FAULT_RETRY
    countVmEvent(cpu, VmEvent.spf_attempt)
    fault.turns = readSeqcountTurns(cpu, mm + Mm.mmapSeq)
    fault.sequence = readSeqcount(cpu, mm + Mm.mmapSeq)
    if ((fault.sequence & 1) !== 0) return abortSpf(cpu, VmEvent.SPF_ABORT_ODD)
    rcuReadLock(cpu)
    const vma = this.lookUp(cpu, mm, fault.page)
    // Also when the stack would have to grow. A miss proves nothing: the walk may have met a rotation (R33).
    if (vma === 0) return abortReading(cpu, VmEvent.SPF_ABORT_UNMAPPED)
    fault.vma = 0
    copyVma(cpu, fault, vma)
    rcuReadUnlock(cpu)
    // From here on only the copy is used, and it is known to be one of a VMA that was in the tree as a whole (I2,
    // R24, R34). The patch looks at the kind of VMA before it leaves RCU, on the live VMA (R29); on the copy, nothing
    // stale is followed.
    if (readSeqcountRetry(cpu, mm + Mm.mmapSeq, fault.sequence, fault.turns))
      return abortSpf(cpu, VmEvent.SPF_ABORT_VMA_COPY)
    if (!copyContainsPage(fault)) return abortSpf(cpu, VmEvent.SPF_ABORT_UNMAPPED)
    if (!this.canSpeculate(cpu, fault)) return abortSpf(cpu, VmEvent.SPF_ABORT_NO_SPECULATE)
    // Not yet a SIGSEGV: the classic path decides (I1).
    if (accessError(errorCode, fault.vmFlags)) return abortSpf(cpu, VmEvent.SPF_ABORT_ACCESS_ERROR)
    return speculativeMmFault(cpu, fault)
  }

  /** `__pte_map_lock`, the commit primitive. */
  override pteMapLock(cpu: Task, fault: FaultContext): boolean {
    const seqcount = fault.mm + Mm.mmapSeq
    walkBegin(cpu)
    // The tables that the walk saw are still the right ones now, and from here the window keeps them from being freed
    // (I4).
    if (readSeqcountRetry(cpu, seqcount, fault.sequence, fault.turns))
      return lockFailed(cpu, VmEvent.SPF_ABORT_PTE_MAP_LOCK_SEQ1)
    // A try: the holder may be waiting for this CPU to flush its TLB while interrupts are off here (R11), and a loop
    // could starve (R12).
    if (!spinTryLock(cpu, fault.table + PageTable.ptl))
      return lockFailed(cpu, VmEvent.SPF_ABORT_PTE_MAP_LOCK_PTL)
    // From now on, changing this entry needs the lock that this fault holds (I3, I8).
    if (readSeqcountRetry(cpu, seqcount, fault.sequence, fault.turns)) {
      spinUnlock(cpu, fault.table + PageTable.ptl)
      return lockFailed(cpu, VmEvent.SPF_ABORT_PTE_MAP_LOCK_SEQ2)
    }
    walkEnd(cpu)
    return true
  }
}

function abortReading(cpu: Task, reason: number): number {
  rcuReadUnlock(cpu)
  return abortSpf(cpu, reason)
}

function lockFailed(cpu: Task, reason: number): boolean {
  walkEnd(cpu)
  countSpfEvent(cpu, reason)
  return false
}

/** `find_vma` as v1 calls it, VMA cache included (R31). Only a VMA that seems to contain the page counts. */
function lookUpCached(cpu: Task, mm: number, page: number): number {
  const cached = vmacacheFind(cpu, mm, page)
  if (cached !== 0) return cached
  const vma = findVmaRcu(cpu, mm, page)
  if (vma === 0 || Atomics.load(cpu.heap, vma + Vma.vmStart) > page) return 0
  vmacacheUpdate(cpu, page, vma)
  return vma
}

/** `do_handle_mm_fault` and the speculative branch of `__handle_mm_fault`: walks without making tables (I5). */
function speculativeMmFault(cpu: Task, fault: FaultContext): number {
  countVmEvent(cpu, VmEvent.pgfault)
  walkBegin(cpu)
  const walk = walkSpeculatively(cpu, fault)
  walkEnd(cpu)
  if (walk === WALK_NO_PUD) return abortSpf(cpu, VmEvent.SPF_ABORT_PUD)
  if (walk === WALK_NO_PMD) return abortSpf(cpu, VmEvent.SPF_ABORT_PMD)
  const result = handlePteFault(cpu, fault)
  if ((result & VM_FAULT_RETRY) !== 0) countVmEvent(cpu, VmEvent.spf_abort)
  return result
}

/**
 * `speculative_page_walk_begin`: from here to the end no page table can be freed. RCU where tables are freed through
 * it, else disabled interrupts, for whose answer the freeing CPU waits.
 */
function walkBegin(cpu: Task): void {
  if (cpu.config.MMU_GATHER_RCU_TABLE_FREE) rcuReadLock(cpu)
  else disableInterrupts(cpu)
}

function walkEnd(cpu: Task): void {
  if (cpu.config.MMU_GATHER_RCU_TABLE_FREE) rcuReadUnlock(cpu)
  else enableInterrupts(cpu)
}
