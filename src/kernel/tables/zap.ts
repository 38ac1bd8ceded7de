// Unmapping the pages of a range (mm/memory.c, unmap_page_range).

import { PTE_DIRTY, PTE_FRAME_SHIFT, PTE_SPECIAL, PTE_SWAP, PageTable } from '../machine/pte.ts'
import { setPageDirty } from '../memory/dirty.ts'
import { isFilePage } from '../memory/page.ts'
import { addMmCounter } from '../memory/rss.ts'
import { freeSwapAndCache } from '../memory/swap.ts'
import type { FaultContext } from '../mm/fault-context.ts'
import { MM_ANON_PAGES, MM_FILE_PAGES, MM_SWAPENTS, RSS_KINDS } from '../mm/mm.ts'
import type { Task } from '../mm/task.ts'
import { spinLock, spinUnlock } from '../sync/spinlock.ts'
import { VMA_ZAP, Vma } from '../vma/vma.ts'
import {
  gatherBegin,
  gatherFinish,
  gatherFlush,
  gatherFlushTlb,
  gatherFrame,
  gatherIsFull,
  gatherRange,
} from './mmu-gather.ts'
import { invalidateRangeEnd, invalidateRangeStart } from './mmu-notifier.ts'
import { findPteTable, nextToWalk, pteAddress } from './page-table.ts'

/**
 * `zap_page_range_single`: discards the pages [start, end) of `vma`; the VMA stays. The caller holds the mmap lock, at
 * least for reading, or the lock of the VMA.
 */
export function zapVmaRange(cpu: Task, vma: number, start: number, end: number): void {
  const mm = cpu.heap[vma + Vma.vmMm]
  gatherBegin(cpu, mm)
  invalidateRangeStart(cpu, mm, start, end)
  cpu.design.vmaWriteBegin(cpu, vma, VMA_ZAP)
  zapRange(cpu, mm, start, end)
  cpu.design.vmaWriteEnd(cpu, vma, VMA_ZAP)
  invalidateRangeEnd(cpu, mm)
  gatherFinish(cpu)
}

/**
 * Takes the entries of the pages [start, end) out of the page table and gathers their frames. The caller holds the mmap
 * lock or the lock of the VMA; a caller that holds neither passes `seen`, its copy of the VMA. Returns `end`; or, if
 * that VMA does not stand any more, the page up to which entries were removed.
 */
export function zapRange(cpu: Task, mm: number, start: number, end: number, seen?: FaultContext): number {
  let page = start
  while (page < end) {
    const table = findPteTable(cpu, mm, page)
    const stop = nextToWalk(cpu, mm, table, page, end)
    if (table === 0) {
      if (!stillStands(cpu, seen)) return page
      page = stop
      continue
    }
    // A full gather stops the zap in the middle of a table; it is emptied when the table is unlocked.
    const next = zapPteRange(cpu, mm, table, page, stop, seen)
    if (next < 0) return page
    page = next
    if (gatherIsFull(cpu)) gatherFlush(cpu)
  }
  return end
}

/**
 * Locks a table whose entries are about to change. Returns false, with nothing locked, if the VMA that was `seen` has
 * changed: then the table may map other pages, or may not be linked any more (race R10).
 */
export function lockStanding(cpu: Task, table: number, seen?: FaultContext): boolean {
  spinLock(cpu, table + PageTable.ptl)
  if (stillStands(cpu, seen)) return true
  spinUnlock(cpu, table + PageTable.ptl)
  return false
}

/**
 * Whether the VMA that was `seen` stands: no writer has begun to change it. True if there is none, as the caller holds
 * a lock. A caller that has found no table must ask too, afterwards: mremap may be moving the table, and may not have
 * flushed its entries yet.
 */
export function stillStands(cpu: Task, seen?: FaultContext): boolean {
  return seen === undefined || cpu.design.vmaStands(cpu, seen)
}

/**
 * `zap_pte_range`: stops early when the gather is full. Returns the page at which to go on, or -1 if the VMA that was
 * seen does not stand.
 */
function zapPteRange(
  cpu: Task,
  mm: number,
  table: number,
  start: number,
  end: number,
  seen?: FaultContext,
): number {
  const { heap } = cpu
  const counts = cpu.zapCounts
  counts.fill(0)
  let page = start
  let dirtied = 0
  if (!lockStanding(cpu, table, seen)) return -1
  for (; page < end && !gatherIsFull(cpu); page++) {
    const address = pteAddress(table, page)
    // An exchange, since the hardware may set the dirty bit up to this moment.
    const entry = Atomics.exchange(heap, address, 0)
    if (entry === 0 || (entry & PTE_SPECIAL) !== 0) continue
    const frame = entry >>> PTE_FRAME_SHIFT
    if ((entry & PTE_SWAP) !== 0) {
      counts[MM_SWAPENTS]--
      freeSwapAndCache(cpu, frame)
      continue
    }
    const kind = isFilePage(cpu, frame) ? MM_FILE_PAGES : MM_ANON_PAGES
    counts[kind]--
    if (kind === MM_FILE_PAGES && (entry & PTE_DIRTY) !== 0) cpu.zapDirtied[dirtied++] = frame
    gatherFrame(cpu, frame)
  }
  gatherRange(cpu, start, page)
  // Flushed with the table locked (Linux since 3.15): a write-back waits for that lock before it looks for dirty pages.
  // The pages are marked dirty after the flush. Else a write-back that is past that point could write a page and mark
  // it clean, and what another CPU still writes through an old translation would be lost. (Linux marks them before the
  // flush, since a write-back there looks at the entries again when it has locked the page.)
  //
  // Where no lock keeps mprotect and munmap away, the flush happens with the table locked as well: they find no entry
  // to flush for, but they wait for the lock of the table before they return.
  if (dirtied > 0 || seen !== undefined) gatherFlushTlb(cpu)
  for (let n = 0; n < dirtied; n++) setPageDirty(cpu, cpu.zapDirtied[n])
  spinUnlock(cpu, table + PageTable.ptl)
  for (let kind = 0; kind < RSS_KINDS; kind++) addMmCounter(cpu, mm, kind, counts[kind])
  return page
}
