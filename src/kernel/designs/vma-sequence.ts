// What the designs of 2010 to 2019 share: a sequence count in each VMA, odd while the VMA or its entries change.
//
// A fault reads the count, takes what it needs, and at its commit looks whether the count is the same and the VMA still
// part of the tree. Writers of other VMAs do not disturb it, which is what Lespinasse's count per mm gave up for
// simplicity. The count says nothing of a VMA that has left the tree: for that there is the test for dead nodes.

import { copyVma, walkSpeculatively } from '../fault/speculative.ts'
import { cpuWait, disableInterrupts, enableInterrupts, isInterruptPending } from '../machine/cpu.ts'
import { PageTable } from '../machine/pte.ts'
import type { FaultContext } from '../mm/fault-context.ts'
import type { Task } from '../mm/task.ts'
import { VmEvent } from '../mm/vm-event.ts'
import { countVmEvent } from '../mm/vmstat.ts'
import {
  readSeqcount,
  readSeqcountRetry,
  readSeqcountTurns,
  writeSeqcountBegin,
  writeSeqcountEnd,
} from '../sync/seqcount.ts'
import { spinLock, spinTryLock } from '../sync/spinlock.ts'
import { VMA_UNMAP, VMA_ZAP, Vma } from '../vma/vma.ts'
import { VmaWriterDesign } from './vma-writer.ts'

export abstract class VmaSequenceDesign extends VmaWriterDesign {
  override readonly speculates = true
  override readonly vmaLock = 'sequence'

  // -------------------------------------------------------------------------------------------------------------------
  // Writers

  protected override begin(cpu: Task, vma: number): void {
    writeSeqcountBegin(cpu, vma + Vma.vmSequence)
  }

  protected override end(cpu: Task, vma: number): void {
    writeSeqcountEnd(cpu, vma + Vma.vmSequence)
  }

  protected override isBegun(cpu: Task, vma: number): boolean {
    return (Atomics.load(cpu.heap, vma + Vma.vmSequence) & 1) !== 0
  }

  /**
   * unmap_page_range() counts also where MADV_DONTNEED calls it, though the mmap lock is held for reading only: two
   * that throw pages away at once turn the count even while both are at work (race R9). Nothing needs it: entries are
   * compared anyway.
   */
  protected override isWrite(cpu: Task, change: number): boolean {
    if (change === VMA_UNMAP) return true
    if (change === VMA_ZAP) return cpu.config.PUBLISHED_FLAWS
    return super.isWrite(cpu, change)
  }

  /** `RB_CLEAR_NODE`: from here on the VMA is dead. */
  override vmaUnlinked(cpu: Task, vma: number): void {
    Atomics.store(cpu.heap, vma + Vma.detached, 1)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Faults

  /** Takes the count and a copy of the VMA. False: it is dead or being written. */
  protected snapshot(cpu: Task, fault: FaultContext, vma: number): boolean {
    fault.vma = vma
    fault.turns = readSeqcountTurns(cpu, vma + Vma.vmSequence)
    fault.sequence = readSeqcount(cpu, vma + Vma.vmSequence)
    if ((fault.sequence & 1) !== 0 || Atomics.load(cpu.heap, vma + Vma.detached) !== 0) return false
    copyVma(cpu, fault, vma)
    return true
  }

  /** `vma_is_dead`, later `vma_has_changed`. */
  protected hasChanged(cpu: Task, fault: FaultContext): boolean {
    return (
      Atomics.load(cpu.heap, fault.vma + Vma.detached) !== 0 ||
      readSeqcountRetry(cpu, fault.vma + Vma.vmSequence, fault.sequence, fault.turns)
    )
  }

  /**
   * Walks as gup_fast() does: with interrupts disabled, so that whoever frees page tables has to wait for the answer
   * of this CPU (invariant I4).
   */
  protected walk(cpu: Task, fault: FaultContext): number {
    disableInterrupts(cpu)
    const result = walkSpeculatively(cpu, fault)
    enableInterrupts(cpu)
    return result
  }
}

/**
 * Takes the lock of a pte table with interrupts disabled, as it was published in 2010 and 2014. The holder may be
 * waiting until this CPU answers an interrupt, which it does not do before it has the lock: both wait for ever (race
 * R11). So may somebody for whom the holder waits, if that one holds a second table. Mended, this gives up when it is
 * called while the lock is held, whoever calls, counts it, and returns false.
 */
export function lockTableInterruptsOff(cpu: Task, table: number): boolean {
  const lock = table + PageTable.ptl
  if (cpu.config.PUBLISHED_FLAWS) {
    spinLock(cpu, lock)
    return true
  }
  for (let spins = 0; !spinTryLock(cpu, lock); spins++) {
    if (isInterruptPending(cpu)) {
      countVmEvent(cpu, VmEvent.hard_lockup)
      return false
    }
    const held = Atomics.load(cpu.heap, lock)
    if (held !== 0) cpuWait(cpu, lock, held, spins)
  }
  return true
}
