// mincore: which pages are in memory (mm/mincore.c).

import { PTE_FRAME_SHIFT, PTE_PRESENT, PTE_PROTNONE, PTE_SWAP } from '../machine/pte.ts'
import { loadPage } from '../memory/file.ts'
import { isInSwapCache } from '../memory/swap.ts'
import { ENOMEM } from '../mm/errno.ts'
import { mmapReadLock, mmapReadUnlock } from '../mm/mmap-lock.ts'
import type { Task } from '../mm/task.ts'
import { findPteTable, pteAddress } from '../tables/page-table.ts'
import { findVma } from '../vma/vma-tree.ts'
import { Vma } from '../vma/vma.ts'

/**
 * Sets `resident[n]` to 1 when page `start` + n is in memory: mapped, or in the page cache of the mapped file.
 * Returns 0, or -ENOMEM at the first page that is not part of a mapping.
 */
export function mincore(cpu: Task, mm: number, start: number, end: number, resident: Uint8Array): number {
  mmapReadLock(cpu, mm)
  let result = 0
  for (let page = start; page < end && result === 0; page++) {
    const vma = findVma(cpu, mm, page)
    if (vma === 0 || cpu.heap[vma + Vma.vmStart] > page) result = -ENOMEM
    else resident[page - start] = isInMemory(cpu, mm, vma, page) ? 1 : 0
  }
  mmapReadUnlock(cpu, mm)
  return result
}

function isInMemory(cpu: Task, mm: number, vma: number, page: number): boolean {
  const { heap } = cpu
  const table = findPteTable(cpu, mm, page)
  const entry = table === 0 ? 0 : Atomics.load(heap, pteAddress(table, page))
  if ((entry & (PTE_PRESENT | PTE_PROTNONE)) !== 0) return true
  if ((entry & PTE_SWAP) !== 0) return isInSwapCache(cpu, entry >>> PTE_FRAME_SHIFT)
  const file = heap[vma + Vma.vmFile]
  return file !== 0 && loadPage(cpu, file, heap[vma + Vma.vmPgoff] + page - heap[vma + Vma.vmStart]) > 0
}
