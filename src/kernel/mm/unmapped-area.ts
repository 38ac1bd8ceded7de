// Finding room for a mapping (mm/mmap.c, unmapped_area_topdown).

import { ENOMEM } from './errno.ts'
import { MMAP_MIN, Mm, TASK_SIZE } from './mm.ts'
import type { Task } from './task.ts'
import { findVma, vmStartGap } from './vma-tree.ts'
import { Vma } from './vma.ts'

/**
 * `get_unmapped_area`: where `pages` pages may go: at `hint` when there is room, else as high as possible below
 * mmap_base, else anywhere. Returns a page number or -ENOMEM. The mmap lock is held for write.
 */
export function getUnmappedArea(cpu: Task, mm: number, hint: number, pages: number): number {
  const { heap } = cpu
  if (pages > TASK_SIZE - MMAP_MIN) return -ENOMEM
  if (hint !== 0) {
    const page = Math.max(hint, MMAP_MIN)
    if (page <= TASK_SIZE - pages && hasRoom(cpu, mm, page, pages)) return page
  }
  const high = heap[mm + Mm.mmapBase]
  const below = unmappedAreaTopDown(cpu, mm, MMAP_MIN, high, pages)
  if (below >= 0) return below
  return unmappedAreaTopDown(cpu, mm, MMAP_MIN, TASK_SIZE, pages)
}

/** No VMA, and no room that one keeps free, is in the way of [page, page + pages). */
function hasRoom(cpu: Task, mm: number, page: number, pages: number): boolean {
  const next = findVma(cpu, mm, page)
  if (next === 0) return true
  return cpu.heap[next + Vma.vmStart] >= page + pages && vmStartGap(cpu, next) >= page + pages
}

/** The highest room of `pages` pages in [low, high). Follows the largest gaps of the tree, right before left. */
function unmappedAreaTopDown(cpu: Task, mm: number, low: number, high: number, pages: number): number {
  const { heap } = cpu
  const highest = heap[mm + Mm.highestVmEnd]
  if (high - pages < low) return -ENOMEM
  if (highest <= high - pages) return Math.max(high - pages, low)
  return searchSubtree(cpu, heap[mm + Mm.rbRoot], low, high, pages)
}

/**
 * The highest room in front of a VMA of this subtree. The depth is that of a red-black tree: at most twice the
 * logarithm.
 */
function searchSubtree(cpu: Task, node: number, low: number, high: number, pages: number): number {
  const { heap } = cpu
  if (node === 0 || heap[node + Vma.rbSubtreeGap] < pages) return -ENOMEM
  const previous = heap[node + Vma.vmPrev]
  const gapStart = Math.max(low, previous === 0 ? 0 : heap[previous + Vma.vmEnd])
  const gapEnd = Math.min(high, vmStartGap(cpu, node))
  // To the right of this node everything lies above its end.
  if (heap[node + Vma.vmEnd] + pages <= high) {
    const right = searchSubtree(cpu, heap[node + Vma.rbRight], low, high, pages)
    if (right >= 0) return right
  }
  if (gapEnd - gapStart >= pages) return gapEnd - pages
  if (gapEnd <= low) return -ENOMEM
  return searchSubtree(cpu, heap[node + Vma.rbLeft], low, high, pages)
}
