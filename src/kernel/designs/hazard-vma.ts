// A lock per VMA that faults hold without writing a shared word, 2026: a hazard pointer to the VMA, after M. Michael
// (2004) and the table of readers of BRAVO (D. Dice, A. Kogan, 2019). The counterpart of leaf slots: it keeps all rules
// of the per-VMA locks of Linux, and replaces only their count.
//
// A fault stores its VMA in a word of its own CPU and then checks the lock number of the VMA. A writer, who holds the
// mmap lock, stores the number first and then looks at the words of all CPUs that use the address space: either the
// fault sees the number and gives up, or the writer sees the fault and waits. So a fault writes nothing that another
// fault writes or reads, even in the same VMA. The writer pays: for each VMA that it changes it looks at one word per
// CPU, where it looked at one count before, and it still waits for faults.
//
// The word keeps the VMA from changing, not its memory from being reused: between the lookup and the store of the word
// the VMA may leave the tree. It is therefore freed after a grace period, and marked once it has left.

import { fillFromVma } from '../fault/fault.ts'
import { vmaLockHeld } from '../fault/hold.ts'
import { copyContainsPage } from '../fault/speculative.ts'
import { perCpuBase } from '../machine/cpu.ts'
import { PerCpu } from '../machine/per-cpu.ts'
import type { DesignDescription } from '../mm/design-hooks.ts'
import type { FaultContext } from '../mm/fault-context.ts'
import { Mm } from '../mm/mm.ts'
import type { Task } from '../mm/task.ts'
import { VmEvent } from '../mm/vm-event.ts'
import { countVmEvent } from '../mm/vmstat.ts'
import { rcuReadLock, rcuReadUnlock } from '../sync/rcu.ts'
import { rcuwaitWake, rcuwaitWhile } from '../sync/rcuwait.ts'
import { releaseVmaRcu } from '../vma/vma-release.ts'
import { findVmaRcu } from '../vma/vma-tree.ts'
import { Vma } from '../vma/vma.ts'
import { PerVmaDesign, isWriteLocked, setLockNumber } from './per-vma.ts'

export class HazardVma extends PerVmaDesign {
  protected override readonly hold = vmaLockHeld

  override readonly description: DesignDescription = {
    name: 'hazard-vma',
    year: 2026,
    author: 'Faultline',
    rwsem: 'spinning',
    source: 'never published; after hazard pointers (Michael, 2004) and BRAVO (Dice and Kogan, 2019)',
    lookup: 'range tree under RCU',
    lifetime:
      'each CPU names the VMA that it uses, and writers wait for it; VMAs are freed after a grace period',
    validation: 'lock numbers of VMA and mm, the borders, and a mark for VMAs that have left the tree',
    commit: 'page-table lock; nothing can have changed',
    sharedWrites: ['page.flags', 'page.refcount'],
  }

  /** In this order: a CPU that has not stored the VMA in its word yet will see the number. */
  protected override vmaStartWrite(cpu: Task, vma: number): void {
    setLockNumber(cpu, vma)
    waitForUsers(cpu, cpu.heap[vma + Vma.vmMm], vma)
  }

  /** A fault that finds the VMA after the mmap lock was released, which unlocked it, sees this mark. */
  override vmaUnlinked(cpu: Task, vma: number): void {
    Atomics.store(cpu.heap, vma + Vma.detached, 1)
  }

  override releaseVma(cpu: Task, vma: number): void {
    releaseVmaRcu(cpu, vma)
  }

  protected override lockVma(cpu: Task, fault: FaultContext): number {
    rcuReadLock(cpu)
    const vma = findAndUse(cpu, fault.mm, fault.page)
    rcuReadUnlock(cpu)
    if (vma === 0) return 0
    fillFromVma(cpu, fault, vma)
    if (copyContainsPage(fault)) return vma
    this.vmaEndRead(cpu, vma)
    return 0
  }

  /** For MADV_DONTNEED and MADV_FREE. */
  override lockVmaUnderRcu(cpu: Task, mm: number, page: number): number {
    const { fault } = cpu
    fault.mm = mm
    fault.page = page
    return this.lockVma(cpu, fault)
  }

  override vmaEndRead(cpu: Task, vma: number): void {
    const mm = Atomics.load(cpu.heap, vma + Vma.vmMm)
    Atomics.store(cpu.heap, cpu.base + PerCpu.vmaInUse, 0)
    rcuwaitWake(cpu, mm + Mm.vmaWriterWait)
  }
}

/** Waits until no CPU uses the VMA. A CPU that begins to use the mm after its bit was read will see the number. */
function waitForUsers(cpu: Task, mm: number, vma: number): void {
  const { heap } = cpu
  for (let word = 0; word * 32 < cpu.cpuCount; word++) {
    let bits = Atomics.load(heap, mm + Mm.cpuMask + word)
    while (bits !== 0) {
      const bit = 31 - Math.clz32(bits & -bits)
      bits &= bits - 1
      const used = perCpuBase(heap, word * 32 + bit) + PerCpu.vmaInUse
      if (Atomics.load(heap, used) === vma) rcuwaitWhile(cpu, mm + Mm.vmaWriterWait, used, vma)
    }
  }
}

/**
 * Finds the VMA of the page, and stores it in the word of this CPU. Returns 0 if there is none, or if it is locked for
 * writing. The caller is in an RCU read-side section.
 */
function findAndUse(cpu: Task, mm: number, page: number): number {
  const { heap } = cpu
  for (;;) {
    const vma = findVmaRcu(cpu, mm, page)
    if (vma === 0) return 0
    // In this order: a writer that has not stored the number yet will see the word.
    Atomics.store(heap, cpu.base + PerCpu.vmaInUse, vma)
    const locked = isWriteLocked(cpu, mm, vma)
    if (!locked && Atomics.load(heap, vma + Vma.detached) === 0) return vma
    cpu.design.vmaEndRead(cpu, vma)
    if (locked) return 0
    // It was replaced by another after it was found.
    countVmEvent(cpu, VmEvent.vma_lock_miss)
  }
}
