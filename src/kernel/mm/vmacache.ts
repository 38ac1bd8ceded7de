// The per-thread VMA cache (mm/vmacache.c, Linux 3.15 to 6.0): where the last lookups of this thread ended. It went
// when the maple tree came, so that it stays empty in front of a range tree.
//
// A thread trusts it while the mm's sequence number is the one that it last saw; the number moves whenever a VMA
// leaves the tree. The speculative lookups of 2021 go through it too (race R31): inside an RCU read-side critical
// section that read the number after it began, a cached VMA was in the tree after the section began and so cannot be
// freed before it ends.

import { Header } from '../machine/header.ts'
import { Mm } from './mm.ts'
import type { Task } from './task.ts'
import { PMD_SHIFT } from '../machine/pte.ts'
import { Vma } from './vma.ts'

const SLOT_MASK = 3

/** The cached VMA that contains `page`, or 0. The mmap lock is held, or an RCU read-side critical section entered. */
export function vmacacheFind(cpu: Task, mm: number, page: number): number {
  if (cpu.usesRangeTree) return 0
  const { heap, vmacache } = cpu
  const seqnum = Atomics.load(heap, mm + Mm.vmacacheSeqnum)
  if (cpu.vmacacheMm !== mm || cpu.vmacacheSeqnum !== seqnum) {
    cpu.vmacacheMm = mm
    cpu.vmacacheSeqnum = seqnum
    vmacache.fill(0)
    return 0
  }
  const vma = vmacache[(page >> PMD_SHIFT) & SLOT_MASK]
  if (vma !== 0 && vmacacheContains(cpu, vma, page)) return vma
  for (let slot = 0; slot <= SLOT_MASK; slot++) {
    const other = vmacache[slot]
    if (other !== 0 && other !== vma && vmacacheContains(cpu, other, page)) return other
  }
  return 0
}

function vmacacheContains(cpu: Task, vma: number, page: number): boolean {
  const { heap } = cpu
  return Atomics.load(heap, vma + Vma.vmStart) <= page && Atomics.load(heap, vma + Vma.vmEnd) > page
}

/** Remembers where a lookup of `page` ended. */
export function vmacacheUpdate(cpu: Task, page: number, vma: number): void {
  if (cpu.usesRangeTree) return
  cpu.vmacache[(page >> PMD_SHIFT) & SLOT_MASK] = vma
}

/** A VMA has left the tree, or the mm is new. The mmap lock is held for write, or nobody knows the mm yet. */
export function vmacacheInvalidate(cpu: Task, mm: number): void {
  if (cpu.usesRangeTree) return
  Atomics.store(cpu.heap, mm + Mm.vmacacheSeqnum, Atomics.add(cpu.heap, Header.vmacacheSeqnum, 1) + 1)
}
