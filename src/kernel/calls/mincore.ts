// mincore: which pages are in memory (mm/mincore.c).

import { PTE_FRAME_SHIFT, PTE_PRESENT, PTE_PROTNONE, PTE_SWAP, PageTable } from '../machine/pte.ts'
import { loadPage } from '../memory/file.ts'
import { isInSwapCache } from '../memory/swap.ts'
import { ENOMEM } from '../mm/errno.ts'
import { mmapReadLock, mmapReadUnlock } from '../mm/mmap-lock.ts'
import type { Task } from '../mm/task.ts'
import { spinUnlock } from '../sync/spinlock.ts'
import { findPteTable, nextToWalk, pteAddress } from '../tables/page-table.ts'
import { lockStanding, stillStands } from '../tables/zap.ts'
import { findVma } from '../vma/vma-tree.ts'
import { Vma, linearPageIndex } from '../vma/vma.ts'

/**
 * Sets `resident[n]` to 1 if page `start` + n is in memory: mapped, or in the page cache of the mapped file. Returns 0,
 * or -ENOMEM at the first page that is not mapped.
 */
export function mincore(cpu: Task, mm: number, start: number, end: number, resident: Uint8Array): number {
  const { heap } = cpu
  const done = mincoreUnlocked(cpu, mm, start, end, resident)
  if (done === end) return 0
  mmapReadLock(cpu, mm)
  let result = 0
  for (let page = done; page < end && result === 0; page++) {
    const vma = findVma(cpu, mm, page)
    if (vma === 0 || heap[vma + Vma.vmStart] > page) {
      result = -ENOMEM
      continue
    }
    const table = findPteTable(cpu, mm, page)
    const index = linearPageIndex(cpu, vma, page)
    resident[page - start] = isInMemory(cpu, table, page, heap[vma + Vma.vmFile], index) ? 1 : 0
  }
  mmapReadUnlock(cpu, mm)
  return result
}

/**
 * Does the same without the mmap lock if the design allows it, for pages of one mapping: under the lock of their table,
 * as long as the mapping does not change. Returns the first page that it did not handle.
 */
function mincoreUnlocked(cpu: Task, mm: number, start: number, end: number, resident: Uint8Array): number {
  const { fault } = cpu
  if (start === end || !cpu.design.entriesChangeBegin(cpu, mm, start, end)) return start
  let page = start
  while (page < end) {
    const table = findPteTable(cpu, mm, page)
    const stop = nextToWalk(cpu, mm, table, page, end)
    // Without a table to lock, nothing keeps the file.
    if (table === 0 && fault.vmFile !== 0) break
    if (table === 0 ? !stillStands(cpu, fault) : !lockStanding(cpu, table, fault)) break
    for (; page < stop; page++) {
      const index = fault.vmPgoff + page - fault.vmStart
      resident[page - start] = isInMemory(cpu, table, page, fault.vmFile, index) ? 1 : 0
    }
    if (table !== 0) spinUnlock(cpu, table + PageTable.ptl)
  }
  cpu.design.entriesChangeEnd(cpu)
  return page
}

/** Whether the page is in memory: by its entry in `table`, or as page `index` of `file`. Either may be 0 for none. */
function isInMemory(cpu: Task, table: number, page: number, file: number, index: number): boolean {
  const entry = table === 0 ? 0 : Atomics.load(cpu.heap, pteAddress(table, page))
  if ((entry & (PTE_PRESENT | PTE_PROTNONE)) !== 0) return true
  if ((entry & PTE_SWAP) !== 0) return isInSwapCache(cpu, entry >>> PTE_FRAME_SHIFT)
  return file !== 0 && loadPage(cpu, file, index) > 0
}
