// The frame allocator: one zone of single frames under a lock, and in front of it a list for each CPU.
//
// A CPU refills and drains its own list in batches, so that it takes the zone lock once for `pcp->batch` frames. That
// lock is what limited both the speculative fault and the xadd rwsem in 2010 once the mmap lock was out of the way. It
// is taken with interrupts disabled, since another CPU that finds the zone empty has this one give back its list.

import { callFunctionSingle } from '../machine/calls.ts'
import { CALL_DRAIN_PCP, claimCpu, cpuRelax, defineCall, perCpuBase, releaseClaim } from '../machine/cpu.ts'
import { Header, PAGE_STRUCT_WORDS, ZONE_WORDS } from '../machine/header.ts'
import { layout } from '../machine/layout.ts'
import { PCP_CAPACITY, PerCpu } from '../machine/per-cpu.ts'
import type { Task } from '../mm/task.ts'
import { VmEvent } from '../mm/vm-event.ts'
import { countVmEvent } from '../mm/vmstat.ts'
import { refcountDecAndTest } from '../sync/refcount.ts'
import { spinLock, spinLockIrqSave, spinUnlock, spinUnlockIrqRestore } from '../sync/spinlock.ts'
import { addToLruBatch, isOnLru, putBatchOnLru, releaseFromLru, releaseManyFromLru } from './lru.ts'
import { Page, pageStruct } from './page.ts'

export const Zone = layout('zone', ZONE_WORDS, {
  lock: 0,
  /** Free frames linked through `page.next`; 0 ends the list, as frame 0 is never free. */
  freeList: 1,
  freeCount: 2,
  /** Frames from here on were never used. */
  frontier: 3,
})

/** Sets up the zone of a fresh heap. Frame 0 is the zero page. */
export function bootZone(heap: Int32Array): void {
  const zone = heap[Header.zone]
  heap[zone + Zone.frontier] = 1
  heap[zone + Zone.freeCount] = heap[Header.frameCount] - 1
}

/** Allocates a frame, contents undefined. Returns 0 when none is left. */
export function allocFrame(cpu: Task): number {
  const { heap, base } = cpu
  let count = heap[base + PerCpu.pcpCount]
  if (count === 0) {
    count = refillPcp(cpu)
    if (count === 0 && drainOtherCpus(cpu)) count = refillPcp(cpu)
    if (count === 0) return 0
  }
  heap[base + PerCpu.pcpCount] = --count
  countVmEvent(cpu, VmEvent.pgalloc)
  return heap[base + PerCpu.pcp + count]
}

/**
 * `alloc_contig_pages`: `count` frames that follow each other, contents undefined. Returns the first, or 0 when no such
 * run is free: nothing is moved or reclaimed for it. Where no frames are left that were never used, it takes time for
 * each frame of the machine, and nobody else gets one from the zone meanwhile. No lock may be held.
 */
export function allocContigFrames(cpu: Task, count: number): number {
  drainAllPcp(cpu)
  drainOtherCpus(cpu)
  const { heap } = cpu
  const zone = heap[Header.zone]
  const enabled = spinLockIrqSave(cpu, zone + Zone.lock)
  const fresh = heap[zone + Zone.frontier] + count <= heap[Header.frameCount]
  // Pages on the list of the LRU are linked by the same word.
  if (!fresh && cpu.lruBatch !== 0) spinLock(cpu, Header.lruLock)
  const first = fresh ? heap[zone + Zone.frontier] : findFreeRun(cpu, count)
  if (!fresh && cpu.lruBatch !== 0) spinUnlock(cpu, Header.lruLock)
  if (fresh) heap[zone + Zone.frontier] += count
  else if (first !== 0) unlinkRun(cpu, first, count)
  if (first !== 0) Atomics.store(heap, zone + Zone.freeCount, heap[zone + Zone.freeCount] - count)
  spinUnlockIrqRestore(cpu, zone + Zone.lock, enabled)
  if (first === 0) return 0
  for (let frame = first; frame < first + count; frame++) takeFrame(cpu, frame)
  return first
}

/** `post_alloc_hook`. Returns the frame, which is this CPU's from now on. */
export function takeFrame(cpu: Task, frame: number): number {
  countVmEvent(cpu, VmEvent.pgalloc)
  return frame
}

/** In the place of its next one, of a frame that is in the free list, while that is being searched. */
const IN_FREE_LIST = 0x4000_0000

/** The first of `count` frames that follow each other in the free list of the zone, which is locked, or 0. */
function findFreeRun(cpu: Task, count: number): number {
  const { heap } = cpu
  const frames = heap[Header.frameCount]
  const next = heap[Header.memoryMap] + Page.next
  markFreeList(cpu, IN_FREE_LIST)
  let run = 0
  let frame = 1
  for (; frame < frames && run < count; frame++)
    run = (heap[next + frame * PAGE_STRUCT_WORDS] & IN_FREE_LIST) !== 0 ? run + 1 : 0
  markFreeList(cpu, 0)
  return run < count ? 0 : frame - count
}

/** Marks the frames of the free list, or takes the mark away. */
function markFreeList(cpu: Task, mark: number): void {
  const { heap } = cpu
  const next = heap[Header.memoryMap] + Page.next
  for (let frame = heap[heap[Header.zone] + Zone.freeList]; frame !== 0;) {
    const word = next + frame * PAGE_STRUCT_WORDS
    frame = heap[word] & ~IN_FREE_LIST
    heap[word] = frame | mark
  }
}

function unlinkRun(cpu: Task, first: number, count: number): void {
  const { heap } = cpu
  const next = heap[Header.memoryMap] + Page.next
  let link = heap[Header.zone] + Zone.freeList
  while (heap[link] !== 0) {
    const frame = heap[link]
    if (frame >= first && frame < first + count) heap[link] = heap[next + frame * PAGE_STRUCT_WORDS]
    else link = next + frame * PAGE_STRUCT_WORDS
  }
}

/** Gives a frame back. Nobody may hold a reference or a translation any more. */
export function freeFrame(cpu: Task, frame: number): void {
  const { heap, base } = cpu
  if (cpu.lruBatch !== 0) releaseFromLru(cpu, frame)
  const count = heap[base + PerCpu.pcpCount]
  heap[base + PerCpu.pcp + count] = frame
  heap[base + PerCpu.pcpCount] = count + 1
  countVmEvent(cpu, VmEvent.pgfree)
  if (count >= cpu.pcpHigh) drainPcp(cpu, base, cpu.pcpBatch)
}

/** Drops a reference; the last one frees the frame. */
export function putPage(cpu: Task, frame: number): void {
  if (refcountDecAndTest(cpu, pageStruct(cpu, frame) + Page.refcount)) freeFrame(cpu, frame)
}

/**
 * `release_pages`: drops a reference of each of the first `count` of `frames`, which it may change; those that it was
 * the last of are freed. Only where pages are on the list of the LRU.
 */
export function putPages(cpu: Task, frames: Int32Array, count: number): void {
  let freed = 0
  for (let index = 0; index < count; index++) {
    const frame = frames[index]
    if (refcountDecAndTest(cpu, pageStruct(cpu, frame) + Page.refcount)) frames[freed++] = frame
  }
  releaseManyFromLru(cpu, frames, freed)
  for (let index = 0; index < freed; index++) freeFrame(cpu, frames[index])
}

/** `lru_cache_add`: an anonymous page that is about to be mapped, under the lock of its page table. */
export function lruCacheAdd(cpu: Task, frame: number): void {
  if (cpu.lruBatch !== 0 && addToLruBatch(cpu, frame)) lruAddDrain(cpu, cpu.base)
}

/** `lru_add_drain_cpu`: the CPU at `base` is this one, or claimed. */
export function lruAddDrain(cpu: Task, base: number): void {
  const { heap } = cpu
  const count = putBatchOnLru(cpu, base)
  for (let index = 0; index < count; index++) putPage(cpu, heap[base + PerCpu.lruPages + index])
}

/** Before it is judged whether others have the page: it may only seem so, being in this CPU's batch (d4c470970d45). */
export function lruAddDrainFor(cpu: Task, frame: number): void {
  if (cpu.lruBatch !== 0 && !isOnLru(cpu, frame)) lruAddDrain(cpu, cpu.base)
}

/** Moves a batch of frames from the zone to this CPU. Returns how many there are now. */
function refillPcp(cpu: Task): number {
  const { heap, base } = cpu
  const zone = heap[Header.zone]
  const memoryMap = heap[Header.memoryMap]
  const enabled = spinLockIrqSave(cpu, zone + Zone.lock)
  const take = Math.min(cpu.pcpBatch, heap[zone + Zone.freeCount])
  let frame = heap[zone + Zone.freeList]
  for (let index = take - 1; index >= 0; index--) {
    if (frame !== 0) {
      heap[base + PerCpu.pcp + index] = frame
      frame = heap[memoryMap + frame * PAGE_STRUCT_WORDS + Page.next]
    } else {
      heap[base + PerCpu.pcp + index] = heap[zone + Zone.frontier]++
    }
  }
  heap[zone + Zone.freeList] = frame
  // Read ahead looks at it without the lock.
  Atomics.store(heap, zone + Zone.freeCount, heap[zone + Zone.freeCount] - take)
  heap[base + PerCpu.pcpCount] = take
  spinUnlockIrqRestore(cpu, zone + Zone.lock, enabled)
  return heap[base + PerCpu.pcpCount]
}

/** Moves up to `count` frames of the CPU at `base`, those that came first and so are the coldest, back to the zone. */
function drainPcp(cpu: Task, base: number, count: number): void {
  const { heap } = cpu
  const zone = heap[Header.zone]
  const memoryMap = heap[Header.memoryMap]
  const pcp = base + PerCpu.pcp
  const enabled = spinLockIrqSave(cpu, zone + Zone.lock)
  const moved = Math.min(count, heap[base + PerCpu.pcpCount])
  let list = heap[zone + Zone.freeList]
  for (let index = 0; index < moved; index++) {
    const frame = heap[pcp + index]
    heap[memoryMap + frame * PAGE_STRUCT_WORDS + Page.next] = list
    list = frame
  }
  heap[zone + Zone.freeList] = list
  Atomics.store(heap, zone + Zone.freeCount, heap[zone + Zone.freeCount] + moved)
  heap.copyWithin(pcp, pcp + moved, pcp + heap[base + PerCpu.pcpCount])
  heap[base + PerCpu.pcpCount] -= moved
  spinUnlockIrqRestore(cpu, zone + Zone.lock, enabled)
}

/** Gives all frames of this CPU back to the zone, also those that only its batch of the LRU keeps. */
export function drainAllPcp(cpu: Task): void {
  lruAddDrain(cpu, cpu.base)
  drainPcp(cpu, cpu.base, PCP_CAPACITY)
}

defineCall<Task>(CALL_DRAIN_PCP, drainAllPcp)

/**
 * `drain_all_pages`: the zone is empty, and other CPUs may have frames in front of it. Takes them from CPUs that are
 * outside, and has those that are inside give them back. Returns false when that is not possible. No lock may be held.
 */
function drainOtherCpus(cpu: Task): boolean {
  if (!cpu.interruptsEnabled) return false
  lruAddDrain(cpu, cpu.base)
  for (let id = 0; id < cpu.cpuCount; id++) {
    if (id !== cpu.id) drainCpu(cpu, id)
  }
  return true
}

/** It may come and go meanwhile: what it keeps is taken while it is outside, or given back while it is inside. */
function drainCpu(cpu: Task, id: number): void {
  const base = perCpuBase(cpu.heap, id)
  while (!claimCpu(cpu, base)) {
    if (callFunctionSingle(cpu, id, CALL_DRAIN_PCP)) return
    cpuRelax(cpu)
  }
  lruAddDrain(cpu, base)
  drainPcp(cpu, base, PCP_CAPACITY)
  releaseClaim(cpu, base)
}
