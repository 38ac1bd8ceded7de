// Per-VMA locks, Linux 6.4 (S. Baghdasaryan, v4, 27 February 2023; message-id
// 20230227173632.3292573-1-surenb@google.com).
//
// They replaced speculation: no fault does work that could fail at the end. A fault locks its VMA for reading
// and then works as if it held the mmap lock, page tables included (per-vma.ts).

import { vmaLockKept } from '../fault/hold.ts'
import { fillFromVma } from '../fault/fault.ts'
import { copyContainsPage } from '../fault/speculative.ts'
import type { DesignDescription } from '../mm/design-hooks.ts'
import { type FaultContext, VM_FAULT_RETRY } from '../mm/fault-context.ts'
import { Mm } from '../mm/mm.ts'
import type { Task } from '../mm/task.ts'
import { VmEvent } from '../mm/vm-event.ts'
import { countVmEvent } from '../mm/vmstat.ts'
import { rcuReadLock, rcuReadUnlock } from '../sync/rcu.ts'
import { downReadTryLock, downWrite, upRead, upWrite } from '../sync/rwsem.ts'
import { releaseVmaRcu } from '../vma/vma-release.ts'
import { findVmaRcu } from '../vma/vma-tree.ts'
import { Vma } from '../vma/vma.ts'
import { PerVmaDesign, isWriteLocked } from './per-vma.ts'

export class PerVmaLock2023 extends PerVmaDesign {
  protected override readonly hold = vmaLockKept

  override readonly description: DesignDescription = {
    name: 'per-vma-lock-2023',
    year: 2023,
    author: 'Suren Baghdasaryan',
    rwsem: 'spinning',
    source: 'Per-VMA locks, v4, 20230227173632.3292573-1-surenb@google.com; Linux 6.4',
    lookup: 'range tree under RCU',
    lifetime:
      'a reader-writer semaphore per VMA, which writers wait for; VMAs are freed after a grace period',
    validation: 'lock numbers of VMA and mm, the borders, and a mark for VMAs that have left the tree',
    commit: 'page-table lock; nothing can have changed',
    sharedWrites: ['vma.vmLock'],
  }

  /** The semaphore of a new VMA is taken, too. */
  protected override vmaLinking(cpu: Task, vma: number): void {
    this.vmaStartWrite(cpu, vma)
  }

  protected override vmaStartWrite(cpu: Task, vma: number): void {
    const { heap } = cpu
    const mmLockSeq = Atomics.load(heap, heap[vma + Vma.vmMm] + Mm.mmLockSeq)
    // The semaphore only waits for readers; the number is the lock.
    downWrite(cpu, vma + Vma.vmLock)
    Atomics.store(heap, vma + Vma.vmLockSeq, mmLockSeq)
    upWrite(cpu, vma + Vma.vmLock)
  }

  /** `vma_mark_detached`. */
  override vmaUnlinked(cpu: Task, vma: number): void {
    Atomics.store(cpu.heap, vma + Vma.detached, 1)
  }

  override releaseVma(cpu: Task, vma: number): void {
    releaseVmaRcu(cpu, vma)
  }

  protected override lockVma(cpu: Task, fault: FaultContext): number {
    const vma = lockVmaUnderRcu(cpu, fault)
    if (vma === 0 || this.keeps(fault)) return vma
    vmaEndRead(cpu, vma)
    return 0
  }

  /**
   * Whether the lock of the VMA, which the fault holds, suffices. mremap(DONTUNMAP) may have taken the anon_vma away
   * before that: to make a new one, the fault would read neighbours without their locks (race R23, commit
   * 657b5146955e).
   */
  protected keeps(fault: FaultContext): boolean {
    return fault.anonVma !== 0
  }

  override vmaEndRead(cpu: Task, vma: number): void {
    vmaEndRead(cpu, vma)
  }

  /** The fault restarts with the mmap lock, and checks again. */
  protected override accessRefused(cpu: Task, _errorCode: number, _vmFlags: number): number {
    countVmEvent(cpu, VmEvent.spf_abort)
    return VM_FAULT_RETRY
  }
}

/** `vma_start_read`. */
function vmaStartRead(cpu: Task, mm: number, vma: number): boolean {
  // Before it touches the semaphore: most faults notice a writer here.
  if (isWriteLocked(cpu, mm, vma)) return false
  if (!downReadTryLock(cpu, vma + Vma.vmLock)) return false
  if (!isWriteLocked(cpu, mm, vma)) return true
  upRead(cpu, vma + Vma.vmLock)
  return false
}

function vmaEndRead(cpu: Task, vma: number): void {
  upRead(cpu, vma + Vma.vmLock)
}

/** `lock_vma_under_rcu`: the VMA of the fault, locked for reading, with its fields in the fault; or 0. */
function lockVmaUnderRcu(cpu: Task, fault: FaultContext): number {
  const { heap } = cpu
  rcuReadLock(cpu)
  for (;;) {
    const vma = findVmaRcu(cpu, fault.mm, fault.page)
    if (vma === 0 || !isEligible(cpu, fault, vma) || !vmaStartRead(cpu, fault.mm, vma)) break
    fillFromVma(cpu, fault, vma)
    if (copyContainsPage(fault) && Atomics.load(heap, vma + Vma.detached) === 0) {
      rcuReadUnlock(cpu)
      return vma
    }
    vmaEndRead(cpu, vma)
    if (!copyContainsPage(fault)) break
    // Another VMA has replaced it since the fault found it.
    countVmEvent(cpu, VmEvent.vma_lock_miss)
  }
  rcuReadUnlock(cpu)
  return 0
}

/** Only anonymous memory that has its anon_vma. */
function isEligible(cpu: Task, fault: FaultContext, vma: number): boolean {
  fault.vma = vma
  return Atomics.load(cpu.heap, vma + Vma.vmFile) === 0 && Atomics.load(cpu.heap, vma + Vma.anonVma) !== 0
}
