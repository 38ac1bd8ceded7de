// Which changes of a VMA are writes, for the designs that announce the begin and end of each write of a VMA.
//
// Most writes are short: borders move, flags change. One is long: a moving mapping has two VMAs that must not be used
// until the entries have moved, the new one from the moment at which a lookup can find it (race R2). They are
// identified by their first pages, since a merge may have made the new one part of a neighbour, and a split the old
// one.

import { Design } from '../fault/design.ts'
import { Mm } from '../mm/mm.ts'
import type { Task } from '../mm/task.ts'
import { findVma } from '../vma/vma-tree.ts'
import { VMA_ADJUST, VMA_LINK, VMA_PROTECT, Vma } from '../vma/vma.ts'

export abstract class VmaWriterDesign extends Design {
  /** A write begins. The mmap lock is held for write. */
  protected abstract begin(cpu: Task, vma: number): void
  protected abstract end(cpu: Task, vma: number): void
  protected abstract isBegun(cpu: Task, vma: number): boolean

  protected isWrite(change: number): boolean {
    return change === VMA_PROTECT || change === VMA_ADJUST
  }

  override vmaWriteBegin(cpu: Task, vma: number, change: number): void {
    if (change === VMA_LINK) {
      if (isMoving(cpu, vma)) this.begin(cpu, vma)
    } else if (this.isWrite(change) && !(cpu.isMoving && this.isBegun(cpu, vma))) {
      this.begin(cpu, vma)
    }
  }

  override vmaWriteEnd(cpu: Task, vma: number, change: number): void {
    if (this.isWrite(change) && !isMoving(cpu, vma)) this.end(cpu, vma)
  }

  override mremapBegin(cpu: Task, mm: number, from: number, to: number): void {
    this.begin(cpu, findVma(cpu, mm, from))
    cpu.isMoving = true
    cpu.movingFrom = from
    cpu.movingTo = to
  }

  /**
   * Not when the entries have moved: the old pages are still part of a VMA then, without entries. A fault there would
   * bring in zeros, which munmap throws away, and an access is explained by neither the time before nor the time after.
   */
  override mremapEnd(cpu: Task, mm: number, from: number, to: number): void {
    if (!cpu.isMoving) return
    cpu.isMoving = false
    this.#endAt(cpu, mm, from)
    this.#endAt(cpu, mm, to)
  }

  /** Ends the write of the VMA that contains the page, if there is one. */
  #endAt(cpu: Task, mm: number, page: number): void {
    const vma = findVma(cpu, mm, page)
    if (vma !== 0 && cpu.heap[vma + Vma.vmStart] <= page && this.isBegun(cpu, vma)) this.end(cpu, vma)
  }

  override forkBegin(cpu: Task, vma: number): void {
    this.begin(cpu, vma)
  }

  override forkEnd(cpu: Task, mm: number): void {
    const { heap } = cpu
    for (let vma = heap[mm + Mm.mmap]; vma !== 0; vma = heap[vma + Vma.vmNext]) {
      if (this.isBegun(cpu, vma)) this.end(cpu, vma)
    }
  }
}

/** mremap is at work, and the VMA contains the first page of the old place or of the new one. */
export function isMoving(cpu: Task, vma: number): boolean {
  return cpu.isMoving && (contains(cpu, vma, cpu.movingFrom) || contains(cpu, vma, cpu.movingTo))
}

function contains(cpu: Task, vma: number, page: number): boolean {
  return cpu.heap[vma + Vma.vmStart] <= page && page < cpu.heap[vma + Vma.vmEnd]
}
