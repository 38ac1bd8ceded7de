// Which pages differ between two address spaces that are copies of one: what changed from one snapshot to the next.
//
// Linux marks what a program writes (Documentation/admin-guide/mm/soft-dirty.rst), with a fault for each page. Here
// both copies exist, and a page that neither has written is the same frame, or the same slot of the swap area, in both.
//
// Both mmap locks are held for reading and both tables are locked, the lower address first. No other code holds two
// mmap locks of address spaces that other threads can reach. A locked table keeps its frames and slots, so none of them
// is reused meanwhile.

import { PTE_FRAME_SHIFT, PTE_SPECIAL, PTE_SWAP, PageTable } from '../machine/pte.ts'
import { isFilePage } from '../memory/page.ts'
import { swapCacheSlot } from '../memory/swap.ts'
import { TASK_SIZE } from '../mm/mm.ts'
import { mmapReadLock, mmapReadUnlock } from '../mm/mmap-lock.ts'
import type { Task } from '../mm/task.ts'
import { spinLock, spinUnlock } from '../sync/spinlock.ts'
import { findPteTable, nextToWalk, pteAddress } from '../tables/page-table.ts'
import { findVma } from '../vma/vma-tree.ts'
import { VM_SHARED, Vma, linearPageIndex } from '../vma/vma.ts'

/** The pages of one pte table. */
export const CHANGED_PAGES_MAX = 512

/**
 * Compares the private pages of `mm`, from page `start` on, with those of `since`, another address space, up to the end
 * of a table or a mapping. Sets `changed[n]` if page `start` + n differs; a page that is not mapped in `since` counts
 * as zeros. Returns the page to continue at, TASK_SIZE at the end. If it advances by more than the CHANGED_PAGES_MAX
 * pages of `changed`, the pages beyond these have not changed.
 */
export function changedPages(
  cpu: Task,
  mm: number,
  since: number,
  start: number,
  changed: Uint8Array,
): number {
  const [first, second] = mm < since ? [mm, since] : [since, mm]
  changed.fill(0)
  mmapReadLock(cpu, first)
  mmapReadLock(cpu, second)
  const next = lookAt(cpu, mm, since, start, changed)
  mmapReadUnlock(cpu, second)
  mmapReadUnlock(cpu, first)
  return next
}

function lookAt(cpu: Task, mm: number, since: number, start: number, changed: Uint8Array): number {
  const { heap } = cpu
  const vma = findVma(cpu, mm, start)
  if (vma === 0) return TASK_SIZE
  if (heap[vma + Vma.vmStart] > start) return heap[vma + Vma.vmStart]
  if ((heap[vma + Vma.vmFlags] & VM_SHARED) !== 0) return heap[vma + Vma.vmEnd]
  let old = findVma(cpu, since, start)
  let end = heap[vma + Vma.vmEnd]
  if (old !== 0) {
    const begins = heap[old + Vma.vmStart]
    end = Math.min(end, begins > start ? begins : heap[old + Vma.vmEnd])
    if (begins > start) old = 0
  }
  if (isBackedAlike(cpu, vma, old, start)) return compareTables(cpu, mm, since, start, end, changed)
  const stop = Math.min(end, start + CHANGED_PAGES_MAX)
  changed.fill(1, 0, stop - start)
  return stop
}

/** If neither has a page of its own, both show the same content: zeros, or the same page of a file. */
function isBackedAlike(cpu: Task, vma: number, old: number, page: number): boolean {
  const { heap } = cpu
  const file = heap[vma + Vma.vmFile]
  if (old === 0) return file === 0
  if ((heap[old + Vma.vmFlags] & VM_SHARED) !== 0 || heap[old + Vma.vmFile] !== file) return false
  return file === 0 || linearPageIndex(cpu, vma, page) === linearPageIndex(cpu, old, page)
}

function compareTables(
  cpu: Task,
  mm: number,
  since: number,
  start: number,
  end: number,
  changed: Uint8Array,
): number {
  const table = findPteTable(cpu, mm, start)
  const old = findPteTable(cpu, since, start)
  const stop = Math.min(nextToWalk(cpu, mm, table, start, end), nextToWalk(cpu, since, old, start, end))
  if (table === 0 && old === 0) return stop
  const [first, second] = table < old ? [table, old] : [old, table]
  if (first !== 0) spinLock(cpu, first + PageTable.ptl)
  spinLock(cpu, second + PageTable.ptl)
  for (let page = start; page < stop; page++) {
    const entry = entryOf(cpu, table, page)
    const before = entryOf(cpu, old, page)
    if (entry !== before && !isSamePage(cpu, entry, before)) changed[page - start] = 1
  }
  spinUnlock(cpu, second + PageTable.ptl)
  if (first !== 0) spinUnlock(cpu, first + PageTable.ptl)
  return stop
}

/** The entry without its flags, except PTE_SWAP; 0 if the address space has no page of its own there. */
function entryOf(cpu: Task, table: number, page: number): number {
  const entry = table === 0 ? 0 : Atomics.load(cpu.heap, pteAddress(table, page))
  if ((entry & PTE_SWAP) !== 0) return (entry & (-1 << PTE_FRAME_SHIFT)) | PTE_SWAP
  if (entry === 0 || (entry & PTE_SPECIAL) !== 0 || isFilePage(cpu, entry >>> PTE_FRAME_SHIFT)) return 0
  return entry & (-1 << PTE_FRAME_SHIFT)
}

/** One is a slot of the swap area, and the other is the frame that the swap cache has for it. */
function isSamePage(cpu: Task, one: number, other: number): boolean {
  if (one === 0 || other === 0 || ((one ^ other) & PTE_SWAP) === 0) return false
  const [slot, frame] = (one & PTE_SWAP) !== 0 ? [one, other] : [other, one]
  return swapCacheSlot(cpu, frame >>> PTE_FRAME_SHIFT) === slot >>> PTE_FRAME_SHIFT
}
