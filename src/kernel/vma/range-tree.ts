// The range tree of VMAs: a B+-tree in order of their first pages, which readers walk under RCU beside a writer. It
// takes the place that the maple tree has in Linux since 6.1 (lib/maple_tree.c), and is built for the same promise.
//
// A slot of a leaf holds a VMA, a slot of an inner node a child; its key is the first page of what it holds. A slot may
// be empty. For readers, a node that they can reach changes in these ways only, each a single store:
//   - a key moves, within the gap around it; keys never get out of order, those of empty slots included;
//   - a slot is emptied; in a leaf, an empty slot gets a key and then a VMA;
//   - the number of slots in use grows, over a slot that is filled in;
//   - a child is replaced by a node that holds the same VMAs, or one more.
// Everything else is done on copies, which one store into the parent makes visible; the old nodes are freed after a
// grace period. So a reader finds a VMA that contains the page throughout its walk: the keys up to the slot of that VMA
// are never beyond the page, the keys of full slots behind it always are, and the reader passes over empty slots in
// between to the left. The red-black tree cannot promise that (race R33).
//
// Taking a VMA out needs no memory, since it empties a slot. Afterwards nodes that are too empty are joined with their
// neighbours, as the maple tree does; where there is no memory for that, they stay as they are until the next change.
//
// A node has the size of four cache lines. Gaps are for the writer, who holds the mmap lock, and so are the counts of
// full slots. There are no pointers to parents: the writer notes its way down in `cpu.rangeWalk`.

import { bugOn } from '../machine/errors.ts'
import { layout } from '../machine/layout.ts'
import { slabAlloc, slabFree } from '../memory/slab.ts'
import { CACHE_RANGE_NODE } from '../mm/caches.ts'
import { ENOMEM } from '../mm/errno.ts'
import { Mm } from '../mm/mm.ts'
import { RANGE_LEVELS_MAX, RANGE_SLOTS } from '../mm/range-walk.ts'
import type { Task } from '../mm/task.ts'
import { RCU_FREE_RANGE_NODE, callRcu, defineRcuCallback } from '../sync/rcu.ts'
import { gapBefore, highestRoomBefore } from './vma-gap.ts'
import { Vma } from './vma.ts'

export const RANGE_NODE_WORDS = 4 + 3 * RANGE_SLOTS

export const RangeNode = layout('range_node', RANGE_NODE_WORDS, {
  /** Slots in use, full or empty, and above RANGE_LEVEL_SHIFT the level; 0 is a leaf. */
  shape: 0,
  /** Full slots. */
  full: 1,
  rcuHead: 2,
  /** First page of what is in each slot. */
  keys: 4,
  /** VMAs in a leaf, nodes above; 0 where the slot is empty. */
  children: 4 + RANGE_SLOTS,
  /** The largest gap in front of any VMA below the slot, in pages. */
  gaps: 4 + 2 * RANGE_SLOTS,
})

const LEVEL_SHIFT = 8
const COUNT_MASK = (1 << LEVEL_SHIFT) - 1
/** Full slots that a node other than the root has at least; somewhat less than half, as in `mt_min_slots`. */
export const RANGE_SLOTS_MIN = (RANGE_SLOTS >> 1) - 2
/** Two nodes become one only if that leaves it some room, lest the next insertion parts them again. */
const JOINED_MAX = RANGE_SLOTS - 2

// ---------------------------------------------------------------------------------------------------------------------
// Lookup

/** The last full slot with a key up to `page`, or -1. */
function slotUpTo(heap: Int32Array, node: number, page: number): number {
  let slot = -1
  let high = (heap[node + RangeNode.shape] & COUNT_MASK) - 1
  while (slot < high) {
    const middle = (slot + high + 1) >> 1
    if (heap[node + RangeNode.keys + middle] <= page) slot = middle
    else high = middle - 1
  }
  while (slot >= 0 && heap[node + RangeNode.children + slot] === 0) slot--
  return slot
}

/** The last VMA that begins at or in front of `page`, or 0. */
function vmaUpTo(cpu: Task, mm: number, page: number): number {
  const { heap } = cpu
  let node = heap[mm + Mm.rangeRoot]
  while (node !== 0) {
    const slot = slotUpTo(heap, node, page)
    if (slot < 0) return 0
    const child = heap[node + RangeNode.children + slot]
    if (heap[node + RangeNode.shape] >> LEVEL_SHIFT === 0) return child
    node = child
  }
  return 0
}

/** `find_vma`: the first VMA that ends beyond `page`, or 0. The mmap lock is held. */
export function findInRangeTree(cpu: Task, mm: number, page: number): number {
  const { heap } = cpu
  const vma = vmaUpTo(cpu, mm, page)
  if (vma === 0) return heap[mm + Mm.mmap]
  return heap[vma + Vma.vmEnd] > page ? vma : heap[vma + Vma.vmNext]
}

/**
 * `mas_walk`: the VMA that contains `page`, or 0, without the mmap lock, inside an RCU read-side critical section. A
 * VMA that contains the page throughout the walk is found.
 */
export function findInRangeTreeRcu(cpu: Task, mm: number, page: number): number {
  const { heap } = cpu
  let node = Atomics.load(heap, mm + Mm.rangeRoot)
  while (node !== 0) {
    const shape = Atomics.load(heap, node + RangeNode.shape)
    let slot = -1
    let high = (shape & COUNT_MASK) - 1
    while (slot < high) {
      const middle = (slot + high + 1) >> 1
      if (Atomics.load(heap, node + RangeNode.keys + middle) <= page) slot = middle
      else high = middle - 1
    }
    if (shape >> LEVEL_SHIFT === 0) return findInLeafRcu(cpu, node, slot, page)
    let child = 0
    for (; slot >= 0 && child === 0; slot--) child = Atomics.load(heap, node + RangeNode.children + slot)
    node = child
  }
  return 0
}

/** Looks for the VMA from slot `from` to the left. */
function findInLeafRcu(cpu: Task, leaf: number, from: number, page: number): number {
  const { heap } = cpu
  for (let slot = from; slot >= 0; slot--) {
    const vma = Atomics.load(heap, leaf + RangeNode.children + slot)
    // The slot may have been empty when its key was compared. The key of a VMA is stored before the VMA is.
    if (vma === 0 || Atomics.load(heap, leaf + RangeNode.keys + slot) > page) continue
    // In type-safe memory the VMA may be free or in another mm by now; the caller checks it again once it holds it.
    return Atomics.load(heap, vma + Vma.vmEnd) > page ? vma : 0
  }
  return 0
}

/** `find_vma_links`: false when a VMA [start, end) would overlap one; leaves its predecessor in `vmaLinkPrevious`. */
export function findRangeTreeLinks(cpu: Task, mm: number, start: number, end: number): boolean {
  const { heap } = cpu
  const previous = vmaUpTo(cpu, mm, start)
  if (previous !== 0 && heap[previous + Vma.vmEnd] > start) return false
  const next = previous === 0 ? heap[mm + Mm.mmap] : heap[previous + Vma.vmNext]
  if (next !== 0 && heap[next + Vma.vmStart] < end) return false
  cpu.vmaLinkPrevious = previous
  return true
}

/** The highest room of `pages` pages in [low, high) in front of any VMA of the tree, or -ENOMEM. */
export function highestRoomInRangeTree(
  cpu: Task,
  mm: number,
  low: number,
  high: number,
  pages: number,
): number {
  const root = cpu.heap[mm + Mm.rangeRoot]
  return root === 0 ? -ENOMEM : highestRoomInNode(cpu, root, low, high, pages)
}

function highestRoomInNode(cpu: Task, node: number, low: number, high: number, pages: number): number {
  const { heap } = cpu
  const isLeaf = heap[node + RangeNode.shape] >> LEVEL_SHIFT === 0
  // The gap in front of the next slot, too, begins below `high`; those behind do not.
  const below = slotUpTo(heap, node, high - 1)
  const next = nextFullSlot(heap, node, below)
  for (let slot = next < 0 ? below : next; slot >= 0; slot--) {
    const child = heap[node + RangeNode.children + slot]
    if (child === 0 || heap[node + RangeNode.gaps + slot] < pages) continue
    const room = isLeaf
      ? highestRoomBefore(cpu, child, low, high, pages)
      : highestRoomInNode(cpu, child, low, high, pages)
    if (room >= 0) return room
    if (heap[node + RangeNode.keys + slot] <= low) return -ENOMEM
  }
  return -ENOMEM
}

// ---------------------------------------------------------------------------------------------------------------------
// Slots

/** The first full slot behind `slot`, or -1. */
function nextFullSlot(heap: Int32Array, node: number, slot: number): number {
  const count = heap[node + RangeNode.shape] & COUNT_MASK
  for (let next = slot + 1; next < count; next++) {
    if (heap[node + RangeNode.children + next] !== 0) return next
  }
  return -1
}

/** The last full slot in front of `slot`, or -1. */
function previousFullSlot(heap: Int32Array, node: number, slot: number): number {
  let previous = slot - 1
  while (previous >= 0 && heap[node + RangeNode.children + previous] === 0) previous--
  return previous
}

function largestGap(heap: Int32Array, node: number): number {
  const count = heap[node + RangeNode.shape] & COUNT_MASK
  let gap = 0
  for (let slot = 0; slot < count; slot++) gap = Math.max(gap, heap[node + RangeNode.gaps + slot])
  return gap
}

/**
 * Moves the key of a slot, and the keys of empty slots beside it that would be out of order then. A reader sees the
 * keys in order at every moment.
 */
function setKey(heap: Int32Array, node: number, slot: number, key: number): void {
  const keys = node + RangeNode.keys
  const children = node + RangeNode.children
  if (key < heap[keys + slot]) {
    let first = slot
    while (first > 0 && heap[children + first - 1] === 0 && heap[keys + first - 1] > key) first--
    for (let each = first; each <= slot; each++) Atomics.store(heap, keys + each, key)
  } else if (key > heap[keys + slot]) {
    const count = heap[node + RangeNode.shape] & COUNT_MASK
    let last = slot
    while (last + 1 < count && heap[children + last + 1] === 0 && heap[keys + last + 1] < key) last++
    for (let each = last; each >= slot; each--) Atomics.store(heap, keys + each, key)
  }
}

function emptySlot(heap: Int32Array, node: number, slot: number): void {
  Atomics.store(heap, node + RangeNode.children + slot, 0)
  heap[node + RangeNode.gaps + slot] = 0
  heap[node + RangeNode.full]--
}

// ---------------------------------------------------------------------------------------------------------------------
// The way down, and what changes on the way up

/** Notes the way to the last VMA that begins at or in front of `page`, or if there is none, to the first leaf. */
function descend(cpu: Task, mm: number, page: number): void {
  const { heap, rangeWalk } = cpu
  let node = heap[mm + Mm.rangeRoot]
  rangeWalk.top = heap[node + RangeNode.shape] >> LEVEL_SHIFT
  for (let level = rangeWalk.top; ; level--) {
    let slot = slotUpTo(heap, node, page)
    if (slot < 0 && level > 0) slot = nextFullSlot(heap, node, -1)
    rangeWalk.nodes[level] = node
    rangeWalk.slots[level] = slot
    if (level === 0) return
    node = heap[node + RangeNode.children + slot]
  }
}

/** Notes the way to `vma`. Its start may have moved already, but it has kept its last page or the page before it. */
function descendTo(cpu: Task, mm: number, vma: number): void {
  const { heap, rangeWalk } = cpu
  bugOn(heap[mm + Mm.rangeRoot] === 0, 'a VMA is looked for in an empty tree')
  descend(cpu, mm, heap[vma + Vma.vmEnd] - 1)
  const slot = rangeWalk.slots[0]
  const found = slot < 0 ? 0 : heap[rangeWalk.nodes[0] + RangeNode.children + slot]
  bugOn(found !== vma, 'a VMA is not where it belongs in the range tree')
}

/** Updates key and gap in the nodes above level `from`, up to the first node in which neither changes. */
function tellParents(cpu: Task, from: number): void {
  const { heap, rangeWalk } = cpu
  for (let level = from; level < rangeWalk.top; level++) {
    const node = rangeWalk.nodes[level]
    const parent = rangeWalk.nodes[level + 1]
    const slot = rangeWalk.slots[level + 1]
    const key = heap[node + RangeNode.keys + nextFullSlot(heap, node, -1)]
    const gap = largestGap(heap, node)
    if (heap[parent + RangeNode.keys + slot] === key && heap[parent + RangeNode.gaps + slot] === gap) return
    setKey(heap, parent, slot, key)
    heap[parent + RangeNode.gaps + slot] = gap
  }
}

/** The start of `vma`, or the gap in front of it, has changed. */
export function rangeTreeUpdate(cpu: Task, vma: number): void {
  const { heap, rangeWalk } = cpu
  descendTo(cpu, heap[vma + Vma.vmMm], vma)
  const leaf = rangeWalk.nodes[0]
  const slot = rangeWalk.slots[0]
  setKey(heap, leaf, slot, heap[vma + Vma.vmStart])
  heap[leaf + RangeNode.gaps + slot] = gapBefore(cpu, vma)
  tellParents(cpu, 0)
}

/** Makes `node` visible in the place of the one on the way at `level`. */
function publish(cpu: Task, mm: number, level: number, node: number): void {
  const { heap, rangeWalk } = cpu
  const place =
    level === rangeWalk.top
      ? mm + Mm.rangeRoot
      : rangeWalk.nodes[level + 1] + RangeNode.children + rangeWalk.slots[level + 1]
  Atomics.store(heap, place, node)
}

// ---------------------------------------------------------------------------------------------------------------------
// Nodes

/** Allocates `count` spare nodes. Returns false, with none, when the heap is used up. */
function reserveNodes(cpu: Task, count: number): boolean {
  const { rangeWalk } = cpu
  bugOn(rangeWalk.spareCount !== 0, 'nodes were set aside and not used')
  while (rangeWalk.spareCount < count) {
    const node = slabAlloc(cpu, CACHE_RANGE_NODE)
    if (node === 0) {
      while (rangeWalk.spareCount > 0)
        slabFree(cpu, CACHE_RANGE_NODE, rangeWalk.spares[--rangeWalk.spareCount])
      return false
    }
    rangeWalk.spares[rangeWalk.spareCount++] = node
  }
  return true
}

/** Frees a node that cannot be reached any more. Readers may still be there, unless the mm has one user only. */
function freeNode(cpu: Task, mm: number, node: number): void {
  if (Atomics.load(cpu.heap, mm + Mm.users) <= 1) slabFree(cpu, CACHE_RANGE_NODE, node)
  else callRcu(cpu, node + RangeNode.rcuHead, RCU_FREE_RANGE_NODE)
}

defineRcuCallback<Task>(RCU_FREE_RANGE_NODE, (cpu, head) =>
  slabFree(cpu, CACHE_RANGE_NODE, head - RangeNode.rcuHead),
)

/** Appends an entry to those that `cpu.rangeWalk` collects for new nodes. */
function take(cpu: Task, key: number, child: number, gap: number): void {
  const { rangeWalk } = cpu
  rangeWalk.keys[rangeWalk.count] = key
  rangeWalk.children[rangeWalk.count] = child
  rangeWalk.gaps[rangeWalk.count] = gap
  rangeWalk.count++
}

/** Collects the entries of slots `from` up to `to` of a node. */
function takeSlots(cpu: Task, node: number, from: number, to: number): void {
  const { heap } = cpu
  for (let slot = from; slot < to; slot++) {
    const child = heap[node + RangeNode.children + slot]
    if (child !== 0) take(cpu, heap[node + RangeNode.keys + slot], child, heap[node + RangeNode.gaps + slot])
  }
}

/** Collects those from slot `from` on. */
function takeSlotsFrom(cpu: Task, node: number, from: number): void {
  takeSlots(cpu, node, from, cpu.heap[node + RangeNode.shape] & COUNT_MASK)
}

/** Collects the entry for a node that is not published yet, and so has no empty slots. */
function takeNode(cpu: Task, node: number): void {
  take(cpu, cpu.heap[node + RangeNode.keys], node, largestGap(cpu.heap, node))
}

/** Makes a node of the collected entries `from` up to `to`, in the memory of a spare node. */
function makeNode(cpu: Task, level: number, from: number, to: number): number {
  const { heap, rangeWalk } = cpu
  bugOn(rangeWalk.spareCount === 0, 'a node of the range tree was not set aside')
  const node = rangeWalk.spares[--rangeWalk.spareCount]
  const count = to - from
  heap[node + RangeNode.shape] = (level << LEVEL_SHIFT) | count
  heap[node + RangeNode.full] = count
  for (let slot = 0; slot < count; slot++) {
    heap[node + RangeNode.keys + slot] = rangeWalk.keys[from + slot]
    heap[node + RangeNode.children + slot] = rangeWalk.children[from + slot]
    heap[node + RangeNode.gaps + slot] = rangeWalk.gaps[from + slot]
  }
  return node
}

// ---------------------------------------------------------------------------------------------------------------------
// Linking

/** The leaf has an empty slot behind `slot`, or one that was never used. */
function canLinkInPlace(heap: Int32Array, leaf: number, slot: number): boolean {
  const count = heap[leaf + RangeNode.shape] & COUNT_MASK
  return slot + 1 < count ? heap[leaf + RangeNode.children + slot + 1] === 0 : count < RANGE_SLOTS
}

/** Allocates the spare nodes that linking one VMA at `start` takes. Returns false when there is no memory. */
export function reserveRangeTree(cpu: Task, mm: number, start: number): boolean {
  const { heap, rangeWalk } = cpu
  if (heap[mm + Mm.rangeRoot] === 0) return reserveNodes(cpu, 1)
  // The page in front, here and when it is linked: a VMA that is being split still begins at `start` now.
  descend(cpu, mm, start - 1)
  if (canLinkInPlace(heap, rangeWalk.nodes[0], rangeWalk.slots[0])) return true
  let level = 0
  while (level <= rangeWalk.top && heap[rangeWalk.nodes[level] + RangeNode.full] === RANGE_SLOTS) level++
  if (level === RANGE_LEVELS_MAX) return false
  // Each full node becomes two; the one above them, or a new root, is copied.
  return reserveNodes(cpu, 2 * level + 1)
}

/** Links a VMA, which is in the list already. reserveRangeTree() has allocated the spare nodes. */
export function linkRangeTree(cpu: Task, mm: number, vma: number): void {
  const { heap, rangeWalk } = cpu
  const start = heap[vma + Vma.vmStart]
  const gap = gapBefore(cpu, vma)
  if (heap[mm + Mm.rangeRoot] === 0) {
    rangeWalk.count = 0
    take(cpu, start, vma, gap)
    Atomics.store(heap, mm + Mm.rangeRoot, makeNode(cpu, 0, 0, 1))
    return
  }
  descend(cpu, mm, start - 1)
  if (canLinkInPlace(heap, rangeWalk.nodes[0], rangeWalk.slots[0])) linkInPlace(cpu, vma, start, gap)
  else linkInCopy(cpu, mm, vma, start, gap)
}

function linkInPlace(cpu: Task, vma: number, start: number, gap: number): void {
  const { heap, rangeWalk } = cpu
  const leaf = rangeWalk.nodes[0]
  const slot = rangeWalk.slots[0] + 1
  const count = heap[leaf + RangeNode.shape] & COUNT_MASK
  heap[leaf + RangeNode.gaps + slot] = gap
  heap[leaf + RangeNode.full]++
  if (slot < count) {
    setKey(heap, leaf, slot, start)
    Atomics.store(heap, leaf + RangeNode.children + slot, vma)
  } else {
    heap[leaf + RangeNode.keys + slot] = start
    heap[leaf + RangeNode.children + slot] = vma
    Atomics.store(heap, leaf + RangeNode.shape, count + 1)
  }
  tellParents(cpu, 0)
}

/** Copies the leaf with the VMA in it. What does not fit is split, up to a node with room or to a new root. */
function linkInCopy(cpu: Task, mm: number, vma: number, start: number, gap: number): void {
  const { heap, rangeWalk } = cpu
  const { nodes, slots, top } = rangeWalk
  rangeWalk.count = 0
  takeSlots(cpu, nodes[0], 0, slots[0] + 1)
  take(cpu, start, vma, gap)
  takeSlotsFrom(cpu, nodes[0], slots[0] + 1)
  let level = 0
  for (; rangeWalk.count > RANGE_SLOTS; level++) {
    const half = rangeWalk.count >> 1
    const left = makeNode(cpu, level, 0, half)
    const right = makeNode(cpu, level, half, rangeWalk.count)
    rangeWalk.count = 0
    const parent = level === top ? 0 : nodes[level + 1]
    if (parent !== 0) takeSlots(cpu, parent, 0, slots[level + 1])
    takeNode(cpu, left)
    takeNode(cpu, right)
    if (parent !== 0) takeSlotsFrom(cpu, parent, slots[level + 1] + 1)
  }
  const node = makeNode(cpu, level, 0, rangeWalk.count)
  if (level > top) Atomics.store(heap, mm + Mm.rangeRoot, node)
  else publish(cpu, mm, level, node)
  for (let old = 0; old <= Math.min(level, top); old++) freeNode(cpu, mm, nodes[old])
  if (level > top) return
  nodes[level] = node
  tellParents(cpu, level)
}

// ---------------------------------------------------------------------------------------------------------------------
// Erasing

/** Takes a VMA out, which has left the list already. */
export function eraseRangeTree(cpu: Task, mm: number, vma: number): void {
  const { heap, rangeWalk } = cpu
  const { nodes, slots } = rangeWalk
  descendTo(cpu, mm, vma)
  emptySlot(heap, nodes[0], slots[0])
  let level = 0
  while (heap[nodes[level] + RangeNode.full] === 0) {
    if (level === rangeWalk.top) publish(cpu, mm, level, 0)
    else emptySlot(heap, nodes[level + 1], slots[level + 1])
    freeNode(cpu, mm, nodes[level])
    if (level++ === rangeWalk.top) return
  }
  tellParents(cpu, level)
  while (level < rangeWalk.top && heap[nodes[level] + RangeNode.full] < RANGE_SLOTS_MIN) {
    if (!joinNeighbour(cpu, mm, level)) return
    level++
  }
  if (level === rangeWalk.top) lowerRoot(cpu, mm)
}

/** A root with one child gives its place to it. */
function lowerRoot(cpu: Task, mm: number): void {
  const { heap } = cpu
  for (;;) {
    const root = heap[mm + Mm.rangeRoot]
    if (heap[root + RangeNode.shape] >> LEVEL_SHIFT === 0 || heap[root + RangeNode.full] > 1) return
    Atomics.store(heap, mm + Mm.rangeRoot, heap[root + RangeNode.children + nextFullSlot(heap, root, -1)])
    freeNode(cpu, mm, root)
  }
}

/**
 * The node on the way at `level` is too empty: joins it with a neighbour or evens them out. Returns true when the
 * parent may be too empty now.
 */
function joinNeighbour(cpu: Task, mm: number, level: number): boolean {
  const { heap, rangeWalk } = cpu
  const parent = rangeWalk.nodes[level + 1]
  const own = rangeWalk.slots[level + 1]
  const previous = previousFullSlot(heap, parent, own)
  const leftSlot = previous < 0 ? own : previous
  const rightSlot = previous < 0 ? nextFullSlot(heap, parent, own) : own
  // An only child, since memory was short before: its parent must find a neighbour first.
  if (rightSlot < 0) return true
  const left = heap[parent + RangeNode.children + leftSlot]
  const right = heap[parent + RangeNode.children + rightSlot]
  rangeWalk.count = 0
  takeSlotsFrom(cpu, left, 0)
  takeSlotsFrom(cpu, right, 0)
  const joins = rangeWalk.count <= JOINED_MAX
  if (!reserveNodes(cpu, joins ? 1 : 3)) return false
  if (joins) {
    const joined = makeNode(cpu, level, 0, rangeWalk.count)
    // Readers who come to the right slot find the old node until it is emptied, and then the new one to its left.
    Atomics.store(heap, parent + RangeNode.children + leftSlot, joined)
    emptySlot(heap, parent, rightSlot)
    heap[parent + RangeNode.gaps + leftSlot] = largestGap(heap, joined)
  } else {
    evenOut(cpu, mm, level, leftSlot, rightSlot)
  }
  freeNode(cpu, mm, left)
  freeNode(cpu, mm, right)
  return joins
}

/** Makes two nodes of the collected entries of two neighbours, and a copy of the parent that contains them. */
function evenOut(cpu: Task, mm: number, level: number, leftSlot: number, rightSlot: number): void {
  const { rangeWalk } = cpu
  const parent = rangeWalk.nodes[level + 1]
  const half = rangeWalk.count >> 1
  const left = makeNode(cpu, level, 0, half)
  const right = makeNode(cpu, level, half, rangeWalk.count)
  rangeWalk.count = 0
  takeSlots(cpu, parent, 0, leftSlot)
  takeNode(cpu, left)
  takeNode(cpu, right)
  takeSlotsFrom(cpu, parent, rightSlot + 1)
  publish(cpu, mm, level + 1, makeNode(cpu, level + 1, 0, rangeWalk.count))
  freeNode(cpu, mm, parent)
}
