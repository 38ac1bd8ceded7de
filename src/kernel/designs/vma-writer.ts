// Which changes of a VMA are writes for the designs that announce each write of a VMA and its end.
//
// Most writes are short: borders move, flags change. One is long: a mapping that moves has two VMAs that must not be
// used until the entries have moved, and the new one from the moment at which it can be found (race R2). It is known by
// the page at which it begins, since merging may have made it part of a neighbour.

import { Design } from '../mm/design.ts'
import { Mm } from '../mm/mm.ts'
import type { Task } from '../mm/task.ts'
import { VMA_ADJUST, VMA_LINK, VMA_PROTECT, Vma } from '../mm/vma.ts'

export abstract class VmaWriterDesign extends Design {
  /** The published form announced that mprotect and madvise change flags (Dufour, since 2017). */
  protected readonly publishedCoversFlags: boolean = true
  /** The published form announced what mremap does (Dufour, since 2018). */
  protected readonly publishedCoversMremap: boolean = true

  /** The published form kept the VMAs of a parent that forks away from faults until its TLBs were flushed (v12). */
  protected readonly publishedCoversFork: boolean = false

  /** A write begins. The mmap lock is held for write. */
  protected abstract begin(cpu: Task, vma: number): void
  protected abstract end(cpu: Task, vma: number): void
  protected abstract isBegun(cpu: Task, vma: number): boolean

  protected isWrite(cpu: Task, change: number): boolean {
    if (change === VMA_PROTECT) return this.publishedCoversFlags || !cpu.config.PUBLISHED_FLAWS
    return change === VMA_ADJUST
  }

  override vmaWriteBegin(cpu: Task, vma: number, change: number): void {
    if (change === VMA_LINK) {
      if (containsMovingPage(cpu, vma)) this.begin(cpu, vma)
    } else if (this.isWrite(cpu, change) && (cpu.movingTo < 0 || !this.isBegun(cpu, vma))) {
      this.begin(cpu, vma)
    }
  }

  override vmaWriteEnd(cpu: Task, vma: number, change: number): void {
    if (this.isWrite(cpu, change) && !containsMovingPage(cpu, vma)) this.end(cpu, vma)
  }

  override mremapLinking(cpu: Task, _mm: number, page: number): void {
    if (this.publishedCoversMremap || !cpu.config.PUBLISHED_FLAWS) cpu.movingTo = page
  }

  override mremapBegin(cpu: Task, from: number, to: number): void {
    if (cpu.movingTo >= 0 && from !== to) this.begin(cpu, from)
  }

  override mremapEnd(cpu: Task, from: number, to: number): void {
    if (cpu.movingTo < 0) return
    cpu.movingTo = -1
    if (to !== 0) this.end(cpu, to)
    if (from !== to) this.end(cpu, from)
  }

  override forkBegin(cpu: Task, vma: number): void {
    if (this.publishedCoversFork || !cpu.config.PUBLISHED_FLAWS) this.begin(cpu, vma)
  }

  override forkEnd(cpu: Task, mm: number): void {
    const { heap } = cpu
    for (let vma = heap[mm + Mm.mmap]; vma !== 0; vma = heap[vma + Vma.vmNext]) {
      if (this.isBegun(cpu, vma)) this.end(cpu, vma)
    }
  }
}

function containsMovingPage(cpu: Task, vma: number): boolean {
  const { heap, movingTo } = cpu
  return movingTo >= 0 && heap[vma + Vma.vmStart] <= movingTo && movingTo < heap[vma + Vma.vmEnd]
}
