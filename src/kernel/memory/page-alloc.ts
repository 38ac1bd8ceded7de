// The frame allocator: each node has a zone of single frames under a lock, and each CPU has a list of frames of each
// zone.
//
// A CPU refills and drains its own list in batches, so that it takes the zone lock once for `pcp->batch` frames. That
// lock limited both the speculative fault and the xadd rwsem in 2010, once the mmap lock was out of the way. It is
// taken with interrupts disabled, since another CPU that finds all zones empty makes this one return its lists.

import { callFunctionSingle } from '../machine/calls.ts'
import { CALL_DRAIN_PCP, claimCpu, cpuRelax, defineCall, perCpuBase, releaseClaim } from '../machine/cpu.ts'
import { Header, PAGE_STRUCT_WORDS } from '../machine/header.ts'
import { PCP_CAPACITY, PerCpu } from '../machine/per-cpu.ts'
import type { Task } from '../mm/task.ts'
import { VmEvent } from '../mm/vm-event.ts'
import { countVmEvent } from '../mm/vmstat.ts'
import { refcountDecAndTest } from '../sync/refcount.ts'
import { spinLock, spinLockIrqSave, spinUnlock, spinUnlockIrqRestore } from '../sync/spinlock.ts'
import { addToLruBatch, isOnLru, putBatchOnLru, releaseFromLru, releaseManyFromLru } from './lru.ts'
import { Node, Pageset, Zone, nodeAt, nodeOfFrame, pagesetOf, zoneOf } from './node.ts'
import { Page, pageStruct } from './page.ts'

/** Allocates a frame with undefined content. Returns 0 if none is left. */
export function allocFrame(cpu: Task): number {
  const { heap, base } = cpu
  let count = heap[base + PerCpu.pcpCount]
  if (count === 0) {
    count = refillPcp(cpu, base + PerCpu.pcpCount, cpu.node)
    if (count === 0) return allocFrameSlow(cpu)
  }
  heap[base + PerCpu.pcpCount] = --count
  countVmEvent(cpu, VmEvent.pgalloc)
  return heap[base + PerCpu.pcp + count]
}

/** The same, but leaves other CPUs what they keep. */
export function allocZoneFrame(cpu: Task): number {
  return allocFromZones(cpu, 0)
}

/** Whether this CPU has frames of its node in its list. */
export function hasFramesInFront(cpu: Task): boolean {
  return cpu.heap[cpu.base + PerCpu.pcpCount] !== 0
}

/** The node of this CPU is empty: allocates from another one; if all are empty, from what other CPUs keep. */
function allocFrameSlow(cpu: Task): number {
  const frame = allocFromZones(cpu, 1)
  if (frame !== 0 || !drainOtherCpus(cpu)) return frame
  return allocFromZones(cpu, 0)
}

/**
 * Allocates from the first zone that has a frame: in the order of the nodes from this CPU's on, without the first
 * `first`.
 */
function allocFromZones(cpu: Task, first: number): number {
  const { heap, nodeCount } = cpu
  for (let step = first; step < nodeCount; step++) {
    const node = (cpu.node + step) % nodeCount
    const pageset = pagesetOf(heap, cpu.base, node)
    const count = heap[pageset + Pageset.count] || refillPcp(cpu, pageset, node)
    if (count === 0) continue
    heap[pageset + Pageset.count] = count - 1
    countVmEvent(cpu, VmEvent.pgalloc)
    return heap[pageset + Pageset.frames + count - 1]
  }
  return 0
}

/**
 * `alloc_contig_pages`: `count` adjacent frames with undefined content. Returns the first, or 0 if no such run is free:
 * nothing is moved or reclaimed for it. If no frames are left that were never used, it takes time for each frame of the
 * machine, and no other CPU gets a frame from the zone meanwhile. The caller holds no lock.
 */
export function allocContigFrames(cpu: Task, count: number): number {
  drainAllPcp(cpu)
  drainOtherCpus(cpu)
  let first = 0
  for (let step = 0; first === 0 && step < cpu.nodeCount; step++)
    first = allocContigInNode(cpu, count, (cpu.node + step) % cpu.nodeCount)
  if (first === 0) return 0
  for (let frame = first; frame < first + count; frame++) takeFrame(cpu, frame)
  return first
}

function allocContigInNode(cpu: Task, count: number, node: number): number {
  const { heap } = cpu
  const zone = zoneOf(heap, node)
  const lruLock = nodeAt(heap, node) + Node.lruLock
  const enabled = spinLockIrqSave(cpu, zone + Zone.lock)
  const fresh = heap[zone + Zone.frontier] + count <= heap[zone + Zone.end]
  // The LRU list links its pages by the same word.
  if (!fresh && cpu.lruBatch !== 0) spinLock(cpu, lruLock)
  const first = fresh ? heap[zone + Zone.frontier] : findFreeRun(cpu, zone, count)
  if (!fresh && cpu.lruBatch !== 0) spinUnlock(cpu, lruLock)
  if (fresh) heap[zone + Zone.frontier] += count
  else if (first !== 0) unlinkRun(cpu, zone, first, count)
  if (first !== 0) Atomics.store(heap, zone + Zone.freeCount, heap[zone + Zone.freeCount] - count)
  spinUnlockIrqRestore(cpu, zone + Zone.lock, enabled)
  return first
}

/** `post_alloc_hook`. Returns the frame, which now belongs to this CPU. */
export function takeFrame(cpu: Task, frame: number): number {
  countVmEvent(cpu, VmEvent.pgalloc)
  return frame
}

/** Stands in `page.next` of each frame of the free list while that list is searched. */
const IN_FREE_LIST = 0x4000_0000

/** The first of `count` adjacent frames in the free list of the zone, which is locked, or 0. */
function findFreeRun(cpu: Task, zone: number, count: number): number {
  const { heap } = cpu
  const end = heap[zone + Zone.end]
  const next = heap[Header.memoryMap] + Page.next
  markFreeList(cpu, zone, IN_FREE_LIST)
  let run = 0
  let frame = Math.max(1, end - cpu.framesPerNode)
  for (; frame < end && run < count; frame++)
    run = (heap[next + frame * PAGE_STRUCT_WORDS] & IN_FREE_LIST) !== 0 ? run + 1 : 0
  markFreeList(cpu, zone, 0)
  return run < count ? 0 : frame - count
}

/** Marks the frames of the free list, or removes the mark. */
function markFreeList(cpu: Task, zone: number, mark: number): void {
  const { heap } = cpu
  const next = heap[Header.memoryMap] + Page.next
  for (let frame = heap[zone + Zone.freeList]; frame !== 0;) {
    const word = next + frame * PAGE_STRUCT_WORDS
    frame = heap[word] & ~IN_FREE_LIST
    heap[word] = frame | mark
  }
}

function unlinkRun(cpu: Task, zone: number, first: number, count: number): void {
  const { heap } = cpu
  const next = heap[Header.memoryMap] + Page.next
  let link = zone + Zone.freeList
  while (heap[link] !== 0) {
    const frame = heap[link]
    if (frame >= first && frame < first + count) heap[link] = heap[next + frame * PAGE_STRUCT_WORDS]
    else link = next + frame * PAGE_STRUCT_WORDS
  }
}

/** Frees a frame to which there are no references and no translations. */
export function freeFrame(cpu: Task, frame: number): void {
  const { heap, base } = cpu
  if (cpu.lruBatch !== 0) releaseFromLru(cpu, frame)
  const node = nodeOfFrame(cpu, frame)
  const pageset = node === cpu.node ? base + PerCpu.pcpCount : pagesetOf(heap, base, node)
  const count = heap[pageset + Pageset.count]
  heap[pageset + Pageset.frames + count] = frame
  heap[pageset + Pageset.count] = count + 1
  countVmEvent(cpu, VmEvent.pgfree)
  if (count >= cpu.pcpHigh) drainPcp(cpu, base, node, cpu.pcpBatch)
}

/** Drops a reference; the last one frees the frame. */
export function putPage(cpu: Task, frame: number): void {
  if (refcountDecAndTest(cpu, pageStruct(cpu, frame) + Page.refcount)) freeFrame(cpu, frame)
}

/**
 * `release_pages`: drops a reference on each of the first `count` of `frames`, which it may change, and frees those
 * without references. Only with an LRU list.
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

/** `lru_cache_add`, for an anonymous page that is about to be mapped, under the lock of its page table. */
export function lruCacheAdd(cpu: Task, frame: number): void {
  if (cpu.lruBatch !== 0 && addToLruBatch(cpu, frame)) lruAddDrain(cpu, cpu.base)
}

/** `lru_add_drain_cpu` of the CPU at `base`, which is this one or claimed. */
export function lruAddDrain(cpu: Task, base: number): void {
  const { heap } = cpu
  const count = putBatchOnLru(cpu, base)
  for (let index = 0; index < count; index++) putPage(cpu, heap[base + PerCpu.lruPages + index])
}

/** Must be called before the references of a page are compared: one may be that of this CPU's batch (d4c470970d45). */
export function lruAddDrainFor(cpu: Task, frame: number): void {
  if (cpu.lruBatch !== 0 && !isOnLru(cpu, frame)) lruAddDrain(cpu, cpu.base)
}

/** Moves a batch of frames from the zone of `node` to the empty list of this CPU. Returns how many there are now. */
function refillPcp(cpu: Task, pageset: number, node: number): number {
  const { heap } = cpu
  const zone = zoneOf(heap, node)
  const enabled = spinLockIrqSave(cpu, zone + Zone.lock)
  const take = Math.min(cpu.pcpBatch, heap[zone + Zone.freeCount])
  takeFromZone(cpu, take, zone, pageset)
  spinUnlockIrqRestore(cpu, zone + Zone.lock, enabled)
  return heap[pageset + Pageset.count]
}

/** Moves `take` frames of the zone, whose lock is held, to the empty list at `pageset`. */
function takeFromZone(cpu: Task, take: number, zone: number, pageset: number): void {
  const { heap } = cpu
  const memoryMap = heap[Header.memoryMap]
  let frame = heap[zone + Zone.freeList]
  for (let index = take - 1; index >= 0; index--) {
    if (frame !== 0) {
      heap[pageset + Pageset.frames + index] = frame
      frame = heap[memoryMap + frame * PAGE_STRUCT_WORDS + Page.next]
    } else {
      heap[pageset + Pageset.frames + index] = heap[zone + Zone.frontier]++
    }
  }
  heap[zone + Zone.freeList] = frame
  // Read-ahead loads it without the lock.
  Atomics.store(heap, zone + Zone.freeCount, heap[zone + Zone.freeCount] - take)
  heap[pageset + Pageset.count] = take
}

/**
 * Moves up to `count` frames of `node` that the CPU at `base` keeps back to the zone: the first that came, which are
 * the coldest.
 */
function drainPcp(cpu: Task, base: number, node: number, count: number): void {
  const { heap } = cpu
  const zone = zoneOf(heap, node)
  const pageset = pagesetOf(heap, base, node)
  const enabled = spinLockIrqSave(cpu, zone + Zone.lock)
  giveToZone(cpu, Math.min(count, heap[pageset + Pageset.count]), zone, pageset)
  spinUnlockIrqRestore(cpu, zone + Zone.lock, enabled)
}

/** Moves the first `moved` frames of the list at `pageset` to the zone, whose lock is held. */
function giveToZone(cpu: Task, moved: number, zone: number, pageset: number): void {
  const { heap } = cpu
  const memoryMap = heap[Header.memoryMap]
  const pcp = pageset + Pageset.frames
  let list = heap[zone + Zone.freeList]
  for (let index = 0; index < moved; index++) {
    const frame = heap[pcp + index]
    heap[memoryMap + frame * PAGE_STRUCT_WORDS + Page.next] = list
    list = frame
  }
  heap[zone + Zone.freeList] = list
  Atomics.store(heap, zone + Zone.freeCount, heap[zone + Zone.freeCount] + moved)
  heap.copyWithin(pcp, pcp + moved, pcp + heap[pageset + Pageset.count])
  heap[pageset + Pageset.count] -= moved
}

/** Returns all frames of this CPU to the zones, also those that only its LRU batch keeps. */
export function drainAllPcp(cpu: Task): void {
  drainWhole(cpu, cpu.base)
}

/** The same for the CPU at `base`, which is this one or claimed. */
function drainWhole(cpu: Task, base: number): void {
  lruAddDrain(cpu, base)
  for (let node = 0; node < cpu.nodeCount; node++) drainPcp(cpu, base, node, PCP_CAPACITY)
}

defineCall<Task>(CALL_DRAIN_PCP, drainAllPcp)

/**
 * `drain_all_pages`: the zones are empty, but other CPUs may keep frames. Takes the frames of CPUs that are outside the
 * kernel, and makes CPUs inside return theirs. Returns false if this CPU may not wait for that. The caller holds no
 * lock.
 */
function drainOtherCpus(cpu: Task): boolean {
  if (!cpu.interruptsEnabled) return false
  lruAddDrain(cpu, cpu.base)
  for (let id = 0; id < cpu.cpuCount; id++) {
    if (id !== cpu.id) drainCpu(cpu, id)
  }
  return true
}

/**
 * The CPU may enter and leave meanwhile: takes its frames while it is outside, or makes it return them while it is
 * inside.
 */
function drainCpu(cpu: Task, id: number): void {
  const base = perCpuBase(cpu.heap, id)
  while (!claimCpu(cpu, base)) {
    if (callFunctionSingle(cpu, id, CALL_DRAIN_PCP)) return
    cpuRelax(cpu)
  }
  drainWhole(cpu, base)
  releaseClaim(cpu, base)
}
