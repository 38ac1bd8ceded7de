// Finding room for a mapping (mm/mmap.c, unmapped_area_topdown).

import { ENOMEM } from '../mm/errno.ts'
import { MMAP_MIN, Mm, TASK_SIZE } from '../mm/mm.ts'
import type { Task } from '../mm/task.ts'
import { findVma, highestRoom, vmStartGap } from './vma-tree.ts'
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

/** The highest room of `pages` pages in [low, high). */
function unmappedAreaTopDown(cpu: Task, mm: number, low: number, high: number, pages: number): number {
  const { heap } = cpu
  const highest = heap[mm + Mm.highestVmEnd]
  if (high - pages < low) return -ENOMEM
  if (highest <= high - pages) return Math.max(high - pages, low)
  return highestRoom(cpu, mm, low, high, pages)
}
