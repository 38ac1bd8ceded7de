// The per-thread VMA cache (mm/vmacache.c, Linux 3.15 to 6.0): where the last lookups of this thread ended. It went
// when the maple tree came, so that it stays empty in front of a range tree.
//
// A thread trusts it while the mm's sequence number is the one that it last saw; the number moves whenever a VMA
// leaves the tree. The speculative lookups of 2021 go through it too (race R31): inside an RCU read-side critical
// section that read the number after it began, a cached VMA was in the tree after the section began and so cannot be
// freed before it ends.
//
// A thread may sleep while the number wraps (CVE-2018-17182; Linux made it 64 bits wide, 7a9cdebdcc17). Therefore a
// second word counts the turns. A writer moves the turns before the number, and a thread that compares reads them after
// the number, so that it cannot take a number for one of an earlier turn. A thread that remembers the two reads them
// the other way round, and so never remembers a number that is still to come. The numbers of an address space begin
// above those of any that is gone.

import { Header } from '../machine/header.ts'
import { PMD_SHIFT } from '../machine/pte.ts'
import { Mm } from '../mm/mm.ts'
import type { Task } from '../mm/task.ts'
import { Vma } from './vma.ts'

const SLOT_MASK = 3
/** The number while it wraps; no thread remembers it. */
const TURNING = -1

/** The cached VMA that contains `page`, or 0. The mmap lock is held, or an RCU read-side critical section entered. */
export function vmacacheFind(cpu: Task, mm: number, page: number): number {
  if (cpu.usesRangeTree) return 0
  const { heap, vmacache } = cpu
  const seqnum = Atomics.load(heap, mm + Mm.vmacacheSeqnum)
  if (
    cpu.vmacacheMm !== mm ||
    cpu.vmacacheSeqnum !== seqnum ||
    cpu.vmacacheTurns !== Atomics.load(heap, mm + Mm.vmacacheTurns)
  ) {
    vmacacheEmpty(cpu, mm)
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

/** Empties the cache of this thread, and remembers the number with which it did. */
function vmacacheEmpty(cpu: Task, mm: number): void {
  const { heap } = cpu
  cpu.vmacacheTurns = Atomics.load(heap, mm + Mm.vmacacheTurns)
  cpu.vmacacheSeqnum = Atomics.load(heap, mm + Mm.vmacacheSeqnum)
  // In the middle of a step to the next turn, the two words belong to neither turn: remember nothing.
  cpu.vmacacheMm = cpu.vmacacheSeqnum === TURNING ? 0 : mm
  cpu.vmacache.fill(0)
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

/** A VMA has left the tree. The mmap lock is held for write. */
export function vmacacheInvalidate(cpu: Task, mm: number): void {
  if (cpu.usesRangeTree) return
  const { heap } = cpu
  if (Atomics.add(heap, mm + Mm.vmacacheSeqnum, 1) + 1 !== TURNING) return
  Atomics.add(heap, mm + Mm.vmacacheTurns, 1)
  Atomics.store(heap, mm + Mm.vmacacheSeqnum, 0)
}

/** A new address space, which no other thread can find yet. The list of address spaces is locked. */
export function vmacacheBegin(cpu: Task, mm: number): void {
  const { heap } = cpu
  heap[mm + Mm.vmacacheTurns] = heap[Header.vmacacheTurns]
  heap[mm + Mm.vmacacheSeqnum] = heap[Header.vmacacheSeqnum]
  vmacacheInvalidate(cpu, mm)
}

/** An address space is gone. The list of address spaces is locked. */
export function vmacacheEnd(cpu: Task, mm: number): void {
  const { heap } = cpu
  const turns = heap[mm + Mm.vmacacheTurns] - heap[Header.vmacacheTurns]
  const seqnum = heap[mm + Mm.vmacacheSeqnum] >>> 0
  if (turns < 0 || (turns === 0 && seqnum <= heap[Header.vmacacheSeqnum] >>> 0)) return
  heap[Header.vmacacheTurns] = heap[mm + Mm.vmacacheTurns]
  heap[Header.vmacacheSeqnum] = seqnum
}
