// The red-black tree of VMAs, ordered by address, with the largest gap of each subtree (lib/rbtree.c, mm/mmap.c).
//
// A reader may walk it beside a writer. All changes of child pointers are single stores in an order that leaves no
// loop at any time (lib/rbtree.c, "Notes on lockless lookups"), so such a walk ends. But during a rotation a subtree
// can be out of sight, so the walk may miss a VMA that is there (race R33). A miss must therefore never mean more than
// "look again with the lock". A thread that holds the mmap lock sees a tree at rest.

import { ENOMEM } from '../mm/errno.ts'
import { Mm } from '../mm/mm.ts'
import type { Task } from '../mm/task.ts'
import { gapBefore, highestRoomBefore } from './vma-gap.ts'
import { Vma } from './vma.ts'

const RED = 0
const BLACK = 1
const COLOR_MASK = 1

/** `find_vma`: the first VMA that ends beyond `page`, or 0. It need not contain the page. The mmap lock is held. */
export function findInRbTree(cpu: Task, mm: number, page: number): number {
  const { heap } = cpu
  let found = 0
  let node = heap[mm + Mm.rbRoot]
  while (node !== 0) {
    if (heap[node + Vma.vmEnd] > page) {
      found = node
      if (heap[node + Vma.vmStart] <= page) return found
      node = heap[node + Vma.rbLeft]
    } else {
      node = heap[node + Vma.rbRight]
    }
  }
  return found
}

/** The same walk without the mmap lock, inside an RCU read-side critical section. What it returns proves nothing. */
export function findInRbTreeRcu(cpu: Task, mm: number, page: number): number {
  const { heap } = cpu
  let found = 0
  let node = Atomics.load(heap, mm + Mm.rbRoot)
  while (node !== 0) {
    if (Atomics.load(heap, node + Vma.vmEnd) > page) {
      found = node
      if (Atomics.load(heap, node + Vma.vmStart) <= page) return found
      node = Atomics.load(heap, node + Vma.rbLeft)
    } else {
      node = Atomics.load(heap, node + Vma.rbRight)
    }
  }
  return found
}

/**
 * `find_vma_links`: where a VMA [start, end) would be linked. Returns false when it would overlap one that is there.
 * The place is left in `cpu.vmaLinkParent`, `cpu.vmaLink` and `cpu.vmaLinkPrevious`.
 */
export function findRbTreeLinks(cpu: Task, mm: number, start: number, end: number): boolean {
  const { heap } = cpu
  let link = mm + Mm.rbRoot
  let parent = 0
  let previous = 0
  for (let node = heap[link]; node !== 0; node = heap[link]) {
    parent = node
    if (heap[node + Vma.vmEnd] > start) {
      if (heap[node + Vma.vmStart] < end) return false
      link = node + Vma.rbLeft
    } else {
      previous = node
      link = node + Vma.rbRight
    }
  }
  cpu.vmaLinkParent = parent
  cpu.vmaLink = link
  cpu.vmaLinkPrevious = previous
  return true
}

/** Links a VMA into the tree at the place that {@link findRbTreeLinks} found. It is in the list already. */
export function linkRbTree(cpu: Task, mm: number, vma: number, parent: number, link: number): void {
  const { heap } = cpu
  heap[vma + Vma.rbParentColor] = parent | RED
  heap[vma + Vma.rbLeft] = 0
  heap[vma + Vma.rbRight] = 0
  heap[vma + Vma.rbSubtreeGap] = 0
  Atomics.store(heap, link, vma)
  rbTreeGapUpdate(cpu, vma)
  rebalanceAfterInsert(cpu, mm, vma)
}

// ---------------------------------------------------------------------------------------------------------------------
// The gap in front of each VMA, and the largest of a subtree

function subtreeGap(cpu: Task, vma: number): number {
  const { heap } = cpu
  const left = heap[vma + Vma.rbLeft]
  const right = heap[vma + Vma.rbRight]
  let gap = gapBefore(cpu, vma)
  if (left !== 0) gap = Math.max(gap, heap[left + Vma.rbSubtreeGap])
  if (right !== 0) gap = Math.max(gap, heap[right + Vma.rbSubtreeGap])
  return gap
}

/**
 * `vma_gap_update`: the gap in front of `vma` has changed: updates its ancestors, up to the first whose largest gap
 * stays.
 */
export function rbTreeGapUpdate(cpu: Task, vma: number): void {
  const { heap } = cpu
  for (let node = vma; node !== 0; node = heap[node + Vma.rbParentColor] & ~COLOR_MASK) {
    const gap = subtreeGap(cpu, node)
    if (gap === heap[node + Vma.rbSubtreeGap] && node !== vma) return
    heap[node + Vma.rbSubtreeGap] = gap
  }
}

/**
 * The highest room of `pages` pages in [low, high) in front of a VMA of this subtree: follows the largest gaps, right
 * before left. The depth is that of a red-black tree: at most twice the logarithm. Returns -ENOMEM if there is none.
 */
function searchSubtree(cpu: Task, node: number, low: number, high: number, pages: number): number {
  const { heap } = cpu
  if (node === 0 || heap[node + Vma.rbSubtreeGap] < pages) return -ENOMEM
  // To the right of this node everything lies above its end.
  if (heap[node + Vma.vmEnd] + pages <= high) {
    const right = searchSubtree(cpu, heap[node + Vma.rbRight], low, high, pages)
    if (right >= 0) return right
  }
  const room = highestRoomBefore(cpu, node, low, high, pages)
  if (room >= 0) return room
  if (heap[node + Vma.vmStart] <= low) return -ENOMEM
  return searchSubtree(cpu, heap[node + Vma.rbLeft], low, high, pages)
}

/** The highest room of `pages` pages in [low, high) in front of any VMA of the tree, or -ENOMEM. */
export function highestRoomInRbTree(cpu: Task, mm: number, low: number, high: number, pages: number): number {
  return searchSubtree(cpu, cpu.heap[mm + Mm.rbRoot], low, high, pages)
}

// ---------------------------------------------------------------------------------------------------------------------
// Red-black balancing

function parentOf(heap: Int32Array, node: number): number {
  return heap[node + Vma.rbParentColor] & ~COLOR_MASK
}

function isBlack(heap: Int32Array, node: number): boolean {
  return node === 0 || (heap[node + Vma.rbParentColor] & COLOR_MASK) === BLACK
}

function setParentColor(heap: Int32Array, node: number, parent: number, color: number): void {
  heap[node + Vma.rbParentColor] = parent | color
}

function setParent(heap: Int32Array, node: number, parent: number): void {
  heap[node + Vma.rbParentColor] = parent | (heap[node + Vma.rbParentColor] & COLOR_MASK)
}

function setColor(heap: Int32Array, node: number, color: number): void {
  heap[node + Vma.rbParentColor] = (heap[node + Vma.rbParentColor] & ~COLOR_MASK) | color
}

/** `__rb_change_child`: makes `parent` (or the root) point to `to` instead of `from`. */
function changeChild(cpu: Task, mm: number, from: number, to: number, parent: number): void {
  const { heap } = cpu
  if (parent === 0) Atomics.store(heap, mm + Mm.rbRoot, to)
  else if (heap[parent + Vma.rbLeft] === from) Atomics.store(heap, parent + Vma.rbLeft, to)
  else Atomics.store(heap, parent + Vma.rbRight, to)
}

/**
 * Rotates `node` down to the side `down` and its child of the other side, the pivot, up. The grandchild moves first,
 * then the pivot takes the node, then the parent takes the pivot: no reader can go round in a circle.
 */
function rotate(cpu: Task, mm: number, node: number, down: number, up: number): void {
  const { heap } = cpu
  const pivot = heap[node + up]
  const grandchild = heap[pivot + down]
  const parent = parentOf(heap, node)
  Atomics.store(heap, node + up, grandchild)
  Atomics.store(heap, pivot + down, node)
  if (grandchild !== 0) setParent(heap, grandchild, node)
  setParent(heap, pivot, parent)
  changeChild(cpu, mm, node, pivot, parent)
  setParent(heap, node, pivot)
  heap[pivot + Vma.rbSubtreeGap] = heap[node + Vma.rbSubtreeGap]
  heap[node + Vma.rbSubtreeGap] = subtreeGap(cpu, node)
}

function rebalanceAfterInsert(cpu: Task, mm: number, inserted: number): void {
  const { heap } = cpu
  let node = inserted
  for (;;) {
    let parent = parentOf(heap, node)
    if (parent === 0) {
      setColor(heap, node, BLACK)
      return
    }
    if (isBlack(heap, parent)) return
    const grandparent = parentOf(heap, parent)
    const isLeft = parent === heap[grandparent + Vma.rbLeft]
    const near = isLeft ? Vma.rbLeft : Vma.rbRight
    const far = isLeft ? Vma.rbRight : Vma.rbLeft
    const uncle = heap[grandparent + far]
    if (!isBlack(heap, uncle)) {
      setColor(heap, uncle, BLACK)
      setColor(heap, parent, BLACK)
      setColor(heap, grandparent, RED)
      node = grandparent
      continue
    }
    if (node === heap[parent + far]) {
      rotate(cpu, mm, parent, near, far)
      parent = node
    }
    setColor(heap, parent, BLACK)
    setColor(heap, grandparent, RED)
    rotate(cpu, mm, grandparent, far, near)
    return
  }
}

/**
 * `rb_erase`: takes a VMA out of the tree. It keeps its own child pointers, so that a reader that stands on it can go
 * on.
 */
export function eraseRbTree(cpu: Task, mm: number, vma: number): void {
  const { heap } = cpu
  const left = heap[vma + Vma.rbLeft]
  const right = heap[vma + Vma.rbRight]
  const parent = parentOf(heap, vma)
  if (left !== 0 && right !== 0) {
    eraseWithTwoChildren(cpu, mm, vma)
    return
  }
  const child = left !== 0 ? left : right
  const wasBlack = isBlack(heap, vma)
  changeChild(cpu, mm, vma, child, parent)
  if (child !== 0) setParentColor(heap, child, parent, BLACK)
  if (parent !== 0) rbTreeGapUpdate(cpu, parent)
  if (wasBlack && child === 0 && parent !== 0) rebalanceAfterErase(cpu, mm, parent)
}

/** The successor, the leftmost of the right subtree, takes the place and colour of `vma`. */
function eraseWithTwoChildren(cpu: Task, mm: number, vma: number): void {
  const { heap } = cpu
  const right = heap[vma + Vma.rbRight]
  let successor = right
  while (heap[successor + Vma.rbLeft] !== 0) successor = heap[successor + Vma.rbLeft]
  const orphan = heap[successor + Vma.rbRight]
  const wasBlack = isBlack(heap, successor)
  let hole = successor
  if (successor !== right) {
    hole = parentOf(heap, successor)
    Atomics.store(heap, hole + Vma.rbLeft, orphan)
    Atomics.store(heap, successor + Vma.rbRight, right)
    setParent(heap, right, successor)
  }
  const left = heap[vma + Vma.rbLeft]
  Atomics.store(heap, successor + Vma.rbLeft, left)
  setParent(heap, left, successor)
  const parentColor = heap[vma + Vma.rbParentColor]
  changeChild(cpu, mm, vma, successor, parentColor & ~COLOR_MASK)
  heap[successor + Vma.rbParentColor] = parentColor
  if (orphan !== 0) setParentColor(heap, orphan, hole, BLACK)
  rbTreeGapUpdate(cpu, hole)
  if (hole !== successor) rbTreeGapUpdate(cpu, successor)
  if (wasBlack && orphan === 0) rebalanceAfterErase(cpu, mm, hole)
}

/** `____rb_erase_color`: a black node is missing below `from`, at first on the side where there is none at all. */
function rebalanceAfterErase(cpu: Task, mm: number, from: number): void {
  const { heap } = cpu
  let node = 0
  let parent = from
  while (parent !== 0 && isBlack(heap, node)) {
    const isLeft = heap[parent + Vma.rbLeft] === node
    const near = isLeft ? Vma.rbLeft : Vma.rbRight
    const far = isLeft ? Vma.rbRight : Vma.rbLeft
    let sibling = heap[parent + far]
    if (!isBlack(heap, sibling)) {
      setColor(heap, sibling, BLACK)
      setColor(heap, parent, RED)
      rotate(cpu, mm, parent, near, far)
      sibling = heap[parent + far]
    }
    if (isBlack(heap, heap[sibling + near]) && isBlack(heap, heap[sibling + far])) {
      setColor(heap, sibling, RED)
      node = parent
      parent = parentOf(heap, node)
      continue
    }
    if (isBlack(heap, heap[sibling + far])) {
      setColor(heap, heap[sibling + near], BLACK)
      setColor(heap, sibling, RED)
      rotate(cpu, mm, sibling, far, near)
      sibling = heap[parent + far]
    }
    setParentColor(heap, sibling, parentOf(heap, sibling), heap[parent + Vma.rbParentColor] & COLOR_MASK)
    setColor(heap, parent, BLACK)
    setColor(heap, heap[sibling + far], BLACK)
    rotate(cpu, mm, parent, near, far)
    return
  }
  if (node !== 0) setColor(heap, node, BLACK)
}
