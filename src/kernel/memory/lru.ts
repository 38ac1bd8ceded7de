// What else a fault of Linux writes, besides what this kernel needs: the list of pages that may leave memory
// (struct lruvec, mm/swap.c), what a memory cgroup is charged (mm/memcontrol.c), and the counters of a node
// (mm/vmstat.c). They bound how faults scale once the mmap lock is out of the way.
//
// Principles: off unless the machine is booted with an accounting. Each CPU collects pages in a batch, which holds a
// reference on each (`struct pagevec`), and puts the batch on the list under one lock; it charges for a batch of pages
// at a time; and its counts go to the node when they pass a threshold. One node, one cgroup below the root. Only
// anonymous pages are on the list, and none is taken from there: reclaim of this kernel goes by its clock
// (cache/reclaim.ts).

import { type Cpu, perCpuBase } from '../machine/cpu.ts'
import { Header, PAGE_STRUCT_WORDS } from '../machine/header.ts'
import { LRU_BATCH_MAX, PerCpu } from '../machine/per-cpu.ts'
import type { Task } from '../mm/task.ts'
import { spinLockIrqSave, spinUnlockIrqRestore } from '../sync/spinlock.ts'
import { PG_LRU, Page, getPage, pageStruct } from './page.ts'

/** How many pages each CPU collects before it takes a lock or changes a counter that all share; 0: none of it. */
export interface Accounting {
  /** `PAGEVEC_SIZE`, since 6.9 `FOLIO_BATCH_SIZE`: pages that go on the list together, at most 31. */
  readonly lruBatch: number
  /** `MEMCG_CHARGE_BATCH`: pages that are charged together. */
  readonly chargeBatch: number
}

/** By the first version of Linux that has it so. */
export const accountings = {
  none: { lruBatch: 0, chargeBatch: 0 },
  /** One lock for each cgroup and node (5.11, 15b447361794); 15 pages (4.16, "mm: increase page vector size"). */
  '5.11': { lruBatch: 15, chargeBatch: 32 },
  /** MEMCG_CHARGE_BATCH 64 (1813e51eece0). */
  '6.1': { lruBatch: 15, chargeBatch: 64 },
  /** Batches of 31 (9cecde80aae0). */
  '6.10': { lruBatch: 31, chargeBatch: 64 },
} as const satisfies Readonly<Record<string, Accounting>>

export type AccountingName = keyof typeof accountings

export const accountingNames = Object.keys(accountings) as readonly AccountingName[]

/** `SWAP_CLUSTER_MAX`: pages that leave the list under one lock (release_pages). */
const RELEASE_BATCH = 32
/**
 * `lru_cache_add_inactive_or_unevictable`, and the charge before it: an anonymous page that nobody else has found yet.
 * Returns true when the batch is full: the caller drains it.
 */
export function addToLruBatch(cpu: Task, frame: number): boolean {
  const { heap, base } = cpu
  charge(cpu)
  countInNode(cpu, PerCpu.nodeMapped, Header.nodeMapped, 1)
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

/** `__mod_node_page_state`: half of the threshold beyond, so that a CPU that goes on counting comes less often. */
function countInNode(cpu: Task, own: number, shared: number, delta: number): void {
  const { heap, base, nodeThreshold } = cpu
  const count = heap[base + own] + delta
  if (Math.abs(count) <= nodeThreshold) {
    heap[base + own] = count
    return
  }
  const beyond = count > 0 ? nodeThreshold >> 1 : -(nodeThreshold >> 1)
  Atomics.add(heap, shared, count + beyond)
  heap[base + own] = -beyond
}

/**
 * `__pagevec_lru_add`: what the CPU at `base` has collected goes on the list. Returns how many pages: their references
 * are the caller's to drop. That CPU is this one, or claimed.
 */
export function putBatchOnLru(cpu: Task, base: number): number {
  const { heap } = cpu
  if (heap[base + PerCpu.lruCount] === 0) return 0
  const enabled = spinLockIrqSave(cpu, Header.lruLock)
  const count = heap[base + PerCpu.lruCount]
  for (let index = 0; index < count; index++) linkPage(cpu, heap[base + PerCpu.lruPages + index])
  heap[base + PerCpu.lruCount] = 0
  countInNode(cpu, PerCpu.nodeInactive, Header.nodeInactive, count)
  spinUnlockIrqRestore(cpu, Header.lruLock, enabled)
  return count
}

/** `list_add` behind the head. The list is locked. */
function linkPage(cpu: Task, frame: number): void {
  const { heap } = cpu
  const page = pageStruct(cpu, frame)
  Atomics.or(heap, page + Page.flags, PG_LRU)
  const first = heap[Header.lruFirst]
  heap[page + Page.next] = first
  heap[page + Page.lruPrevious] = 0
  if (first !== 0) heap[pageStruct(cpu, first) + Page.lruPrevious] = frame
  heap[Header.lruFirst] = frame
}

/** `list_del`. The list is locked. */
function unlinkPage(cpu: Task, frame: number): void {
  const { heap } = cpu
  const page = pageStruct(cpu, frame)
  const next = heap[page + Page.next]
  const previous = heap[page + Page.lruPrevious]
  if (previous === 0) heap[Header.lruFirst] = next
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
  const enabled = spinLockIrqSave(cpu, Header.lruLock)
  unlinkPage(cpu, frame)
  countInNode(cpu, PerCpu.nodeInactive, Header.nodeInactive, -1)
  spinUnlockIrqRestore(cpu, Header.lruLock, enabled)
  countInNode(cpu, PerCpu.nodeMapped, Header.nodeMapped, -1)
  uncharge(cpu, 1)
}

/** `release_pages`: the same of the first `count` of `frames`, with the lock for a few at a time, and one uncharge. */
export function releaseManyFromLru(cpu: Task, frames: Int32Array, count: number): void {
  let released = 0
  for (let first = 0; first < count; first += RELEASE_BATCH) {
    const end = Math.min(count, first + RELEASE_BATCH)
    const enabled = spinLockIrqSave(cpu, Header.lruLock)
    const before = released
    for (let index = first; index < end; index++) {
      if (!isOnLru(cpu, frames[index])) continue
      unlinkPage(cpu, frames[index])
      released++
    }
    countInNode(cpu, PerCpu.nodeInactive, Header.nodeInactive, before - released)
    spinUnlockIrqRestore(cpu, Header.lruLock, enabled)
    countInNode(cpu, PerCpu.nodeMapped, Header.nodeMapped, before - released)
  }
  if (released > 0) uncharge(cpu, released)
}

/** The batches of all CPUs, and the list from its first page on: for those who check that they agree with the pages. */
export function lruPages(heap: Int32Array): { readonly batched: number[]; readonly listed: number[] } {
  const batched: number[] = []
  const listed: number[] = []
  for (let id = 0; id < heap[Header.cpuCount]; id++) {
    const base = perCpuBase(heap, id)
    for (let index = 0; index < Math.min(LRU_BATCH_MAX, heap[base + PerCpu.lruCount]); index++)
      batched.push(heap[base + PerCpu.lruPages + index])
  }
  const memoryMap = heap[Header.memoryMap]
  for (let frame = heap[Header.lruFirst]; frame !== 0 && listed.length <= heap[Header.frameCount];) {
    listed.push(frame)
    frame = heap[memoryMap + frame * PAGE_STRUCT_WORDS + Page.next]
  }
  return { batched, listed }
}
