// What the designs of 2010 to 2019 share: a sequence count in each VMA, odd while the VMA or its entries change.
//
// A fault reads the count, reads what it needs, and at its commit checks that the count is the same and the VMA still
// in the tree. Writers of other VMAs do not disturb it; Lespinasse's count per mm gave that up for simplicity. The
// count says nothing about a VMA that has left the tree: the test for dead nodes does.

import { accessError } from '../fault/fault.ts'
import { copyVma, walkSpeculatively } from '../fault/speculative.ts'
import { disableInterrupts, enableInterrupts } from '../machine/cpu.ts'
import type { FaultContext } from '../mm/fault-context.ts'
import type { Task } from '../mm/task.ts'
import {
  readSeqcount,
  readSeqcountRetry,
  readSeqcountTurns,
  writeSeqcountBegin,
  writeSeqcountEnd,
} from '../sync/seqcount.ts'
import { VMA_UNMAP, Vma } from '../vma/vma.ts'
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
   * unmap_page_range() counts, but not where MADV_DONTNEED calls it, which holds the mmap lock for reading only: two
   * that throw pages away at once would turn the count even while both are at work (race R9). No fault needs that
   * count, since each compares the entry.
   */
  protected override isWrite(change: number): boolean {
    return change === VMA_UNMAP || super.isWrite(change)
  }

  /** `RB_CLEAR_NODE`: from here on the VMA is dead. */
  override vmaUnlinked(cpu: Task, vma: number): void {
    Atomics.store(cpu.heap, vma + Vma.detached, 1)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Faults

  /** Reads the count and copies the VMA. Returns false if the VMA is dead or being written. */
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
   * Whether the VMA, as the fault has copied it, allows the access. If it does not, the classic path decides (I1).
   */
  protected allows(fault: FaultContext, errorCode: number): boolean {
    return !accessError(errorCode, fault.vmFlags)
  }

  /**
   * Walks as gup_fast() does: with interrupts disabled, so that a CPU that frees page tables has to wait for the answer
   * of this CPU (invariant I4).
   */
  protected walk(cpu: Task, fault: FaultContext): number {
    disableInterrupts(cpu)
    const result = walkSpeculatively(cpu, fault)
    enableInterrupts(cpu)
    return result
  }
}
