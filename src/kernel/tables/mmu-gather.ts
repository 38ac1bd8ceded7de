// Teardown of translations: collect, flush, free, in this order (mm/mmu_gather.c).
//
// A frame may be used again only when no TLB holds a translation to it, a page table only when in addition no walker
// without locks is in it. Frames are freed after the flush. Page tables are freed after a grace period
// (MMU_GATHER_RCU_TABLE_FREE), or after an interrupt to every CPU, which a walker with interrupts disabled does not
// answer.

import { callFunctionMany, flushTlbOfOthers } from '../machine/calls.ts'
import { CALL_NOTHING, flushTlbRange } from '../machine/cpu.ts'
import { PageTable } from '../machine/pte.ts'
import { freePageAndSwapCache, freePagesAndSwapCache } from '../memory/swap.ts'
import { Mm } from '../mm/mm.ts'
import { GATHER_FRAMES_MAX, type Task } from '../mm/task.ts'
import { VmEvent } from '../mm/vm-event.ts'
import { countVmEvent } from '../mm/vmstat.ts'
import { RCU_FREE_PAGE_TABLE, callRcu } from '../sync/rcu.ts'
import { freePageTableNow } from './page-table.ts'

/** `tlb_gather_mmu`. */
export function gatherBegin(cpu: Task, mm: number): void {
  cpu.gatherMm = mm
  cpu.gatherCount = 0
  cpu.gatherTables = 0
  cpu.gatherStart = 0x7fff_ffff
  cpu.gatherEnd = 0
}

/**
 * `tlb_remove_page`: a translation to `frame` was removed from the page table; its reference is dropped after the
 * flush.
 */
export function gatherFrame(cpu: Task, frame: number): void {
  cpu.gatherFrames[cpu.gatherCount++] = frame
}

/** True when no frame can be gathered before a flush. */
export function gatherIsFull(cpu: Task): boolean {
  return cpu.gatherCount === GATHER_FRAMES_MAX
}

/** Translations of the pages [start, end) may have been removed, and must be flushed. */
export function gatherRange(cpu: Task, start: number, end: number): void {
  if (start < cpu.gatherStart) cpu.gatherStart = start
  if (end > cpu.gatherEnd) cpu.gatherEnd = end
}

/**
 * `tlb_flush_mmu`: flushes what was gathered and frees it. No spinlock is held.
 */
export function gatherFlush(cpu: Task): void {
  gatherFlushTlb(cpu)
  if (cpu.lruBatch !== 0) {
    freePagesAndSwapCache(cpu, cpu.gatherFrames, cpu.gatherCount)
    cpu.gatherCount = 0
    return
  }
  for (let index = 0; index < cpu.gatherCount; index++) freePageAndSwapCache(cpu, cpu.gatherFrames[index])
  cpu.gatherCount = 0
}

/**
 * `tlb_flush_mmu_tlbonly`: flushes what was gathered. The lock of a page table may be held: a CPU that waits for it
 * answers interrupts meanwhile, or only tries it (race R11).
 */
export function gatherFlushTlb(cpu: Task): void {
  if (cpu.gatherStart < cpu.gatherEnd) flushTlbMm(cpu, cpu.gatherMm, cpu.gatherStart, cpu.gatherEnd)
  cpu.gatherStart = 0x7fff_ffff
  cpu.gatherEnd = 0
}

/** `tlb_finish_mmu`. */
export function gatherFinish(cpu: Task): void {
  gatherFlush(cpu)
  let table = cpu.gatherTables
  if (table === 0) return
  cpu.gatherTables = 0
  if (!cpu.config.MMU_GATHER_RCU_TABLE_FREE) {
    callFunctionMany(cpu, cpu.gatherMm + Mm.cpuMask, CALL_NOTHING, 0, 0, 0)
  }
  while (table !== 0) {
    const next = cpu.heap[table + PageTable.rcuHead]
    if (cpu.config.MMU_GATHER_RCU_TABLE_FREE) callRcu(cpu, table + PageTable.rcuHead, RCU_FREE_PAGE_TABLE)
    else freePageTableNow(cpu, table)
    table = next
  }
}

/** `flush_tlb_mm_range`: when it returns, no CPU can use an older translation of the pages [start, end) of `mm`. */
export function flushTlbMm(cpu: Task, mm: number, start: number, end: number): void {
  const root = mm + Mm.pgd
  flushTlbRange(cpu, root, start, end)
  countVmEvent(cpu, end - start === 1 ? VmEvent.nr_tlb_local_flush_one : VmEvent.nr_tlb_local_flush_all)
  // 1 if this CPU is one of `users`; if not, even one user is another CPU.
  const own = (Atomics.load(cpu.heap, mm + Mm.cpuMask + (cpu.id >> 5)) >>> (cpu.id & 31)) & 1
  if (Atomics.load(cpu.heap, mm + Mm.users) > own) {
    countVmEvent(cpu, VmEvent.nr_tlb_remote_flush)
    flushTlbOfOthers(cpu, mm + Mm.cpuMask, root, start, end)
  }
}
