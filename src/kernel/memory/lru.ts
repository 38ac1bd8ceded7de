// What a fault of Linux writes beyond what this kernel needs: the list of pages that may leave memory (struct lruvec,
// mm/swap.c), the charges of a memory cgroup (mm/memcontrol.c), and the counters of a node (mm/vmstat.c). They bound
// how faults scale once the mmap lock is out of the way.
//
// All of it is off unless the machine is booted with an accounting. Each CPU collects pages in a batch, which has a
// reference on each (`struct pagevec`), and puts the batch on the list under one lock; it charges a batch of pages at a
// time; and it adds its counts to those of the node when they pass a threshold. Each node has one list with one lock,
// and there is one cgroup below the root. Only anonymous pages are on a list. Reclaim does not take them from there,
// but by its clock (cache/reclaim.ts).

import { type Cpu, disableInterrupts, enableInterrupts, perCpuBase } from '../machine/cpu.ts'
import { Header, PAGE_STRUCT_WORDS } from '../machine/header.ts'
import { LRU_BATCH_MAX, PerCpu } from '../machine/per-cpu.ts'
import type { Task } from '../mm/task.ts'
import { spinLock, spinLockIrqSave, spinUnlock, spinUnlockIrqRestore } from '../sync/spinlock.ts'
import { Node, Pageset, nodeAt, nodeOfFrame, pagesetOf } from './node.ts'
import { PG_LRU, Page, getPage, pageStruct } from './page.ts'

/** How many pages each CPU collects before it takes a lock or changes a shared counter; 0: no accounting. */
export interface Accounting {
  /** `PAGEVEC_SIZE`, since 6.9 `FOLIO_BATCH_SIZE`: pages that go on the list together, at most 31. */
  readonly lruBatch: number
  /** `MEMCG_CHARGE_BATCH`: pages that are charged together. */
  readonly chargeBatch: number
  /**
   * A reader that tries the spinning semaphore loads it before it changes it: its line travels twice, unless it was
   * requested before. Default: the reader assumes that the semaphore is free.
   */
  readonly looksFirst?: boolean
}

/** By the first version of Linux with these values. */
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

// Counters of a node, in the order of Node and Pageset.
const MAPPED = 0
const INACTIVE = 1

/** `SWAP_CLUSTER_MAX`: pages that leave the list under one lock (release_pages). */
const RELEASE_BATCH = 32
/**
 * `lru_cache_add_inactive_or_unevictable`, and the charge before it, for an anonymous page that no other CPU has found
 * yet. Returns true if the batch is full: the caller drains it.
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

/** `mem_cgroup_charge` of one page: from the stock of this CPU, or for a batch of pages at each level. */
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

/** `__mod_node_page_state`: hands over half a threshold more, so that a CPU that keeps counting does so less often. */
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
 * `__pagevec_lru_add`: puts the batch of the CPU at `base`, which is this one or claimed, on the lists. Returns how
 * many pages it had; the caller drops their references.
 */
export function putBatchOnLru(cpu: Task, base: number): number {
  const { heap } = cpu
  if (heap[base + PerCpu.lruCount] === 0) return 0
  // Disabled until the batch is empty, as an interrupt would also put it on the lists.
  const enabled = cpu.interruptsEnabled
  disableInterrupts(cpu)
  const count = heap[base + PerCpu.lruCount]
  for (let index = 0; index < count;) index = putRunOnLru(cpu, base, index, count)
  heap[base + PerCpu.lruCount] = 0
  if (enabled) enableInterrupts(cpu)
  return count
}

/**
 * Puts the pages of a batch, from `first` on, on the list of their node, up to the first page of another. Returns where
 * that is.
 */
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

/** `__page_cache_release`: the page has no references left. */
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

/**
 * `release_pages`: the same for the first `count` of `frames`, under one lock for a few at a time, with one uncharge.
 */
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

/** The batches of all CPUs, for checks that they agree with the pages. */
export function batchedPages(heap: Int32Array): number[] {
  const batched: number[] = []
  for (let id = 0; id < heap[Header.cpuCount]; id++) {
    const base = perCpuBase(heap, id)
    for (let index = 0; index < Math.min(LRU_BATCH_MAX, heap[base + PerCpu.lruCount]); index++)
      batched.push(heap[base + PerCpu.lruPages + index])
  }
  return batched
}

/** The list of a node from its first page on, for the same checks. */
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
