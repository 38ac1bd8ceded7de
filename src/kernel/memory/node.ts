// Memory nodes (struct pglist_data): the frames that are near to some CPUs, in a zone with a lock and a free list; the
// LRU list of those frames; and their counters.
//
// The number of a frame decides for good of which node it is. A CPU is of one node, and allocates there as long as it
// has frames (the default policy of Linux, "first touch"). Each CPU keeps a list of frames of each zone, and counts for
// itself: for its own node in its struct, as where there is one node; for others, in an array.

import { perCpuBase } from '../machine/cpu.ts'
import { Header, NODE_WORDS, ZONE_WORDS } from '../machine/header.ts'
import { layout } from '../machine/layout.ts'
import { PAGESET_WORDS, PER_CPU_WORDS, PerCpu } from '../machine/per-cpu.ts'
import type { Task } from '../mm/task.ts'

export const Zone = layout('zone', ZONE_WORDS, {
  lock: 0,
  /** Free frames linked through `page.next`; 0 ends the list, as frame 0 is never free. */
  freeList: 1,
  freeCount: 2,
  /** From here to the end of the zone, frames were never used. */
  frontier: 3,
  end: 4,
})

/** The first frame behind its zone. */
export const Node = layout('pglist_data', NODE_WORDS - ZONE_WORDS, {
  /** `struct lruvec`, see lru.ts: the first page of the list, and in the next line the lock. */
  lruFirst: 0,
  lruLock: 16,
  /** Anonymous pages that are mapped, and those on the list. */
  mapped: 32,
  inactive: 33,
})

/** What a CPU keeps and counts for itself of a node (`per_cpu_pages`, `per_cpu_nodestat`). */
export const Pageset = layout('per_cpu_pageset', PAGESET_WORDS, {
  /** Free frames that the CPU keeps. */
  count: 0,
  /** Counts that it has not added to those of the node yet. */
  mapped: 1,
  inactive: 2,
  frames: 16,
})

export function zoneOf(heap: Int32Array, node: number): number {
  return heap[Header.zone] + node * NODE_WORDS
}

export function nodeAt(heap: Int32Array, node: number): number {
  return zoneOf(heap, node) + ZONE_WORDS
}

/** `page_to_nid`. */
export function nodeOfFrame(cpu: Task, frame: number): number {
  return cpu.nodeCount === 1 ? 0 : (frame / cpu.framesPerNode) | 0
}

/** The `Pageset` of a node, of the CPU at `base`. */
export function pagesetOf(heap: Int32Array, base: number, node: number): number {
  if (heap[base + PerCpu.node] === node) return base + PerCpu.pcpCount
  const id = (base - heap[Header.perCpu]) / PER_CPU_WORDS
  return heap[Header.pagesets] + (id * heap[Header.nodeCount] + node) * PAGESET_WORDS
}

/** Sets up the nodes of a new heap. Frame 0 is the zero page. `ofCpu` has the node of each CPU. */
export function bootNodes(heap: Int32Array, ofCpu: readonly number[]): void {
  const frames = heap[Header.frameCount]
  for (let node = 0; node < heap[Header.nodeCount]; node++) {
    const zone = zoneOf(heap, node)
    const first = Math.min(frames, node * heap[Header.framesPerNode])
    const end = Math.min(frames, first + heap[Header.framesPerNode])
    heap[zone + Zone.frontier] = Math.max(1, first)
    heap[zone + Zone.end] = end
    heap[zone + Zone.freeCount] = end - Math.max(1, first)
  }
  for (let id = 0; id < heap[Header.cpuCount]; id++) {
    const node = ofCpu[id] ?? 0
    if (!(node >= 0 && node < heap[Header.nodeCount])) throw new RangeError(`CPU ${id} is of node ${node}`)
    heap[perCpuBase(heap, id) + PerCpu.node] = node
  }
}

/** How many frames are free in the zones. Other CPUs may take some at any moment. */
export function zonesFree(heap: Int32Array): number {
  let free = 0
  for (let node = 0; node < heap[Header.nodeCount]; node++)
    free += Atomics.load(heap, zoneOf(heap, node) + Zone.freeCount)
  return free
}

/** The same with the lists of the CPUs, while no CPU is at work. */
export function framesFree(heap: Int32Array): number {
  let free = zonesFree(heap)
  for (let id = 0; id < heap[Header.cpuCount]; id++)
    for (let node = 0; node < heap[Header.nodeCount]; node++)
      free += heap[pagesetOf(heap, perCpuBase(heap, id), node) + Pageset.count]
  return free
}
