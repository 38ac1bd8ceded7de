// The tree of VMAs, as everything else sees it. Up to Linux 6.0 it was a red-black tree (rb-tree.ts), since then it
// is a range tree whose nodes readers may walk beside a writer (range-tree.ts). The design says which one it is.

import type { Task } from '../mm/task.ts'
import {
  eraseRangeTree,
  findInRangeTree,
  findInRangeTreeRcu,
  findRangeTreeLinks,
  highestRoomInRangeTree,
  linkRangeTree,
  rangeTreeUpdate,
  reserveRangeTree,
} from './range-tree.ts'
import {
  eraseRbTree,
  findInRbTree,
  findInRbTreeRcu,
  findRbTreeLinks,
  highestRoomInRbTree,
  linkRbTree,
  rbTreeGapUpdate,
} from './rb-tree.ts'

export { vmEndGap, vmStartGap } from './vma-gap.ts'

/** `find_vma`: the first VMA that ends beyond `page`, or 0. It need not contain the page. The mmap lock is held. */
export function findVma(cpu: Task, mm: number, page: number): number {
  return cpu.usesRangeTree ? findInRangeTree(cpu, mm, page) : findInRbTree(cpu, mm, page)
}

/**
 * A lookup without the mmap lock, inside an RCU read-side critical section. What it returns proves nothing: the VMA may
 * not contain the page, or not any more. In the red-black tree, a miss proves nothing either (race R33). In the range
 * tree, the lookup finds a VMA that contains the page all the while, and returns 0 where there is a gap.
 */
export function findVmaRcu(cpu: Task, mm: number, page: number): number {
  return cpu.usesRangeTree ? findInRangeTreeRcu(cpu, mm, page) : findInRbTreeRcu(cpu, mm, page)
}

/**
 * `find_vma_links`: where a VMA [start, end) would be linked. Returns false when it would overlap one that is there.
 * The VMA in front is left in `cpu.vmaLinkPrevious`, the place in a red-black tree in `cpu.vmaLinkParent` and
 * `cpu.vmaLink`.
 */
export function findVmaLinks(cpu: Task, mm: number, start: number, end: number): boolean {
  return cpu.usesRangeTree ? findRangeTreeLinks(cpu, mm, start, end) : findRbTreeLinks(cpu, mm, start, end)
}

/**
 * `vma_iter_prealloc`: allocates what linking one VMA at `start` takes, so that linking cannot fail. The caller links
 * that VMA next, and links and erases no other before. Returns false, and changes nothing, when there is no memory.
 */
export function reserveVmaLink(cpu: Task, mm: number, start: number): boolean {
  return !cpu.usesRangeTree || reserveRangeTree(cpu, mm, start)
}

/** Links a VMA into the tree at the place that {@link findVmaLinks} found. It is in the list already. */
export function linkVmaTree(cpu: Task, mm: number, vma: number, parent: number, link: number): void {
  if (cpu.usesRangeTree) linkRangeTree(cpu, mm, vma)
  else linkRbTree(cpu, mm, vma, parent, link)
}

/** Takes a VMA out of the tree. It has left the list already. Never fails. */
export function eraseVmaTree(cpu: Task, mm: number, vma: number): void {
  if (cpu.usesRangeTree) eraseRangeTree(cpu, mm, vma)
  else eraseRbTree(cpu, mm, vma)
}

/** `vma_gap_update`: the start of `vma` or the gap in front of it has changed. */
export function vmaGapUpdate(cpu: Task, vma: number): void {
  if (cpu.usesRangeTree) rangeTreeUpdate(cpu, vma)
  else rbTreeGapUpdate(cpu, vma)
}

/** The highest room of `pages` pages in [low, high) in front of any VMA, or -ENOMEM. */
export function highestRoom(cpu: Task, mm: number, low: number, high: number, pages: number): number {
  return cpu.usesRangeTree
    ? highestRoomInRangeTree(cpu, mm, low, high, pages)
    : highestRoomInRbTree(cpu, mm, low, high, pages)
}
