// What else a fault of Linux writes, besides what this kernel needs: the list of pages that may leave memory
// (struct lruvec, mm/swap.c), what a memory cgroup is charged (mm/memcontrol.c), and the counters of a node
// (mm/vmstat.c). They bound how faults scale once the mmap lock is out of the way.
//
// Principles: off unless the machine is booted with an accounting. Each CPU collects pages in a batch, which holds a
// reference on each (`struct pagevec`), and puts the batch on the list under one lock; it charges for a batch of pages
// at a time; and its counts go to the node when they pass a threshold. A list with a lock for each node, one cgroup
// below the root. Only anonymous pages are on a list, and none is taken from there: reclaim of this kernel goes by its
// clock (cache/reclaim.ts).

import { type Cpu, disableInterrupts, enableInterrupts, perCpuBase } from '../machine/cpu.ts'
import { Header, PAGE_STRUCT_WORDS } from '../machine/header.ts'
import { LRU_BATCH_MAX, PerCpu } from '../machine/per-cpu.ts'
import type { Task } from '../mm/task.ts'
import { spinLock, spinLockIrqSave, spinUnlock, spinUnlockIrqRestore } from '../sync/spinlock.ts'
import { Node, Pageset, nodeAt, nodeOfFrame, pagesetOf } from './node.ts'
import { PG_LRU, Page, getPage, pageStruct } from './page.ts'

/** How many pages each CPU collects before it takes a lock or changes a counter that all share; 0: none of it. */
export interface Accounting {
  /** `PAGEVEC_SIZE`, since 6.9 `FOLIO_BATCH_SIZE`: pages that go on the list together, at most 31. */
  readonly lruBatch: number
  /** `MEMCG_CHARGE_BATCH`: pages that are charged together. */
  readonly chargeBatch: number
  /**
   * A reader that tries the spinning semaphore looks at it before it changes it: its line travels twice. Default: it
   * takes the semaphore to be free.
   */
  readonly looksFirst?: boolean
}

/** By the first version of Linux that has it so. */
export const accountings = {
  none: { lruBatch: 0, chargeBatch: 0 },
  /** One lock for each cgroup and node (5.11, 15b447361794); 15 pages (4.16, "mm: increase page vector size"). */
  '5.11': { lruBatch: 15, chargeBatch: 32 },
  /** MEMCG_CHARGE_BATCH 64 (1813e51eece0); readers look first (5.17, 14c240488411). */
  '6.1': { lruBatch: 15, chargeBatch: 64, looksFirst: true },
  /** Batches of 31 (9cecde80aae0). */
  '6.10': { lruBatch: 31, chargeBatch: 64, looksFirst: true },
  /** The same; a fault of x86 no longer asks for the mmap lock's line first (1701771d3069), which a simulator may. */
  '6.16': { lruBatch: 31, chargeBatch: 64, looksFirst: true },
} as const satisfies Readonly<Record<string, Accounting>>

export type AccountingName = keyof typeof accountings

export const accountingNames = Object.keys(accountings) as readonly AccountingName[]

// What is counted of a node; in the order in which Node and Pageset have them.
const MAPPED = 0
const INACTIVE = 1

/** `SWAP_CLUSTER_MAX`: pages that leave the list under one lock (release_pages). */
const RELEASE_BATCH = 32
/**
 * `lru_cache_add_inactive_or_unevictable`, and the charge before it: an anonymous page that nobody else has found yet.
 * Returns true when the batch is full: the caller drains it.
 */
export function addToLruBatch(cpu: Task, frame: number): boolean {
  const { heap, base } = cpu
  charge(cpu)
  countInNode(cpu, nodeOfFrame(cpu, frame), MAPPED, 1)
  getPage(cpu, frame)
  const count = heap[base + PerCpu.lruCount]
  heap[base + PerCpu.lruPages + count] = frame
  heap[base + PerCpu.lruCount] = count + 1
  return count + 1 >= cpu.lruBatch
}

/** `mem_cgroup_charge` of one page: from what this CPU has in stock, or for a batch of pages at each level. */
function charge(cpu: Task): void {
  const { heap, base } = cpu
  const stock = heap[base + PerCpu.memcgStock]
  if (stock > 0) {
    heap[base + PerCpu.memcgStock] = stock - 1
    return
  }
  Atomics.add(heap, Header.memcgUsage, cpu.chargeBatch)
  Atomics.add(heap, Header.rootUsage, cpu.chargeBatch)
  heap[base + PerCpu.memcgStock] = cpu.chargeBatch - 1
}

/** `uncharge_batch`. */
function uncharge(cpu: Task, pages: number): void {
  Atomics.sub(cpu.heap, Header.memcgUsage, pages)
  Atomics.sub(cpu.heap, Header.rootUsage, pages)
}

/** `__mod_node_page_state`: hands over half a threshold more, so that a CPU that goes on counting comes less often. */
function countInNode(cpu: Task, node: number, kind: number, delta: number): void {
  const { heap, base, nodeThreshold } = cpu
  const own = pagesetOf(heap, base, node) + Pageset.mapped + kind
  const count = heap[own] + delta
  if (Math.abs(count) <= nodeThreshold) {
    heap[own] = count
    return
  }
  const beyond = count > 0 ? nodeThreshold >> 1 : -(nodeThreshold >> 1)
  Atomics.add(heap, nodeAt(heap, node) + Node.mapped + kind, count + beyond)
  heap[own] = -beyond
}

/**
 * `__pagevec_lru_add`: what the CPU at `base` has collected goes on the lists. Returns how many pages: their references
 * are the caller's to drop. That CPU is this one, or claimed.
 */
export function putBatchOnLru(cpu: Task, base: number): number {
  const { heap } = cpu
  if (heap[base + PerCpu.lruCount] === 0) return 0
  // Until the batch is empty: an interrupt would put it on the lists too.
  const enabled = cpu.interruptsEnabled
  disableInterrupts(cpu)
  const count = heap[base + PerCpu.lruCount]
  for (let index = 0; index < count;) index = putRunOnLru(cpu, base, index, count)
  heap[base + PerCpu.lruCount] = 0
  if (enabled) enableInterrupts(cpu)
  return count
}

/** Those pages of a batch from `first` on that follow each other and are of one node. Returns where the next begin. */
function putRunOnLru(cpu: Task, base: number, first: number, count: number): number {
  const { heap } = cpu
  const pages = base + PerCpu.lruPages
  const node = nodeOfFrame(cpu, heap[pages + first])
  const lock = nodeAt(heap, node) + Node.lruLock
  let index = first
  spinLock(cpu, lock)
  for (; index < count && nodeOfFrame(cpu, heap[pages + index]) === node; index++)
    linkPage(cpu, node, heap[pages + index])
  countInNode(cpu, node, INACTIVE, index - first)
  spinUnlock(cpu, lock)
  return index
}

/** `list_add` behind the head. The list is locked. */
function linkPage(cpu: Task, node: number, frame: number): void {
  const { heap } = cpu
  const list = nodeAt(heap, node) + Node.lruFirst
  const page = pageStruct(cpu, frame)
  Atomics.or(heap, page + Page.flags, PG_LRU)
  const first = heap[list]
  heap[page + Page.next] = first
  heap[page + Page.lruPrevious] = 0
  if (first !== 0) heap[pageStruct(cpu, first) + Page.lruPrevious] = frame
  heap[list] = frame
}

/** `list_del`. The list is locked. */
function unlinkPage(cpu: Task, node: number, frame: number): void {
  const { heap } = cpu
  const page = pageStruct(cpu, frame)
  const next = heap[page + Page.next]
  const previous = heap[page + Page.lruPrevious]
  if (previous === 0) heap[nodeAt(heap, node) + Node.lruFirst] = next
  else heap[pageStruct(cpu, previous) + Page.next] = next
  if (next !== 0) heap[pageStruct(cpu, next) + Page.lruPrevious] = previous
  Atomics.and(heap, page + Page.flags, ~PG_LRU)
}

/** `PageLRU`. */
export function isOnLru(cpu: Cpu, frame: number): boolean {
  return (Atomics.load(cpu.heap, pageStruct(cpu, frame) + Page.flags) & PG_LRU) !== 0
}

/** `__page_cache_release`: nobody refers to the page any more. */
export function releaseFromLru(cpu: Task, frame: number): void {
  if (!isOnLru(cpu, frame)) return
  const node = nodeOfFrame(cpu, frame)
  const lock = nodeAt(cpu.heap, node) + Node.lruLock
  const enabled = spinLockIrqSave(cpu, lock)
  unlinkPage(cpu, node, frame)
  countInNode(cpu, node, INACTIVE, -1)
  spinUnlockIrqRestore(cpu, lock, enabled)
  countInNode(cpu, node, MAPPED, -1)
  uncharge(cpu, 1)
}

/** `release_pages`: the same of the first `count` of `frames`, with a lock for a few at a time, and one uncharge. */
export function releaseManyFromLru(cpu: Task, frames: Int32Array, count: number): void {
  let released = 0
  for (let first = 0; first < count;) {
    const node = nodeOfFrame(cpu, frames[first])
    const lock = nodeAt(cpu.heap, node) + Node.lruLock
    const end = Math.min(count, first + RELEASE_BATCH)
    const enabled = spinLockIrqSave(cpu, lock)
    const before = released
    let index = first
    for (; index < end && nodeOfFrame(cpu, frames[index]) === node; index++) {
      if (!isOnLru(cpu, frames[index])) continue
      unlinkPage(cpu, node, frames[index])
      released++
    }
    countInNode(cpu, node, INACTIVE, before - released)
    spinUnlockIrqRestore(cpu, lock, enabled)
    countInNode(cpu, node, MAPPED, before - released)
    first = index
  }
  if (released > 0) uncharge(cpu, released)
}

/** The batches of all CPUs: for those who check that they agree with the pages. */
export function batchedPages(heap: Int32Array): number[] {
  const batched: number[] = []
  for (let id = 0; id < heap[Header.cpuCount]; id++) {
    const base = perCpuBase(heap, id)
    for (let index = 0; index < Math.min(LRU_BATCH_MAX, heap[base + PerCpu.lruCount]); index++)
      batched.push(heap[base + PerCpu.lruPages + index])
  }
  return batched
}

/** The list of a node from its first page on, for the same. */
export function lruPages(heap: Int32Array, node: number): number[] {
  const listed: number[] = []
  const memoryMap = heap[Header.memoryMap]
  for (
    let frame = heap[nodeAt(heap, node) + Node.lruFirst];
    frame !== 0 && listed.length <= heap[Header.frameCount];
  ) {
    listed.push(frame)
    frame = heap[memoryMap + frame * PAGE_STRUCT_WORDS + Page.next]
  }
  return listed
}
