// Slab caches: objects of one size, cut from the kernel heap, aligned to cache lines.
//
// Each CPU keeps a short list of free objects that only it uses; the cache has another list, under a lock. Free objects
// are linked through their first word. With SLUB_DEBUG, a freed object is filled with poison, which must be intact when
// the object is allocated again: that finds writes through stale pointers.
//
// There is no `kmem_cache_free_rcu` here: what must outlive its readers goes through `callRcu` (sync/rcu.ts) first.

import { type Cpu, perCpuBase } from '../machine/cpu.ts'
import { bugOn } from '../machine/errors.ts'
import { Header, heapAlloc } from '../machine/header.ts'
import { cacheLineAlign } from '../machine/layout.ts'
import { PerCpu } from '../machine/per-cpu.ts'
import { SLAB_CACHE_WORDS, SLAB_CPU_WORDS, SlabCache, SlabCpu } from '../machine/slab-layout.ts'
import { spinLock, spinUnlock } from '../sync/spinlock.ts'

export const POISON_FREE = 0x6b6b6b6b

/** How many objects a CPU takes from, or gives to, the cache's own list at a time. */
const BATCH = 16
/** How many objects a CPU keeps at most. */
const CPU_OBJECTS_MAX = 48
/** How many words a cache cuts from the heap at a time, unless one object is larger. */
const CHUNK_WORDS = 4096

/**
 * Sets up cache `id` of a fresh heap for objects of `words` words. `typesafe` is SLAB_TYPESAFE_BY_RCU: a freed object
 * is not poisoned.
 */
export function createSlabCache(heap: Int32Array, id: number, words: number, typesafe = false): void {
  const cache = slabCache(heap, id)
  heap[cache + SlabCache.objectWords] = cacheLineAlign(words)
  heap[cache + SlabCache.typesafe] = typesafe ? 1 : 0
}

function slabCache(heap: Int32Array, id: number): number {
  return heap[Header.slabCaches] + id * SLAB_CACHE_WORDS
}

/** Allocates an object of cache `id` with undefined content. Returns 0 if the heap is used up. */
export function slabAlloc(cpu: Cpu, id: number): number {
  const { heap } = cpu
  const own = cpu.base + PerCpu.slabs + id * SLAB_CPU_WORDS
  let object = heap[own + SlabCpu.freeList]
  if (object === 0) {
    object = slabRefill(cpu, id, own)
    if (object === 0) return 0
  }
  heap[own + SlabCpu.freeList] = heap[object]
  heap[own + SlabCpu.freeCount]--
  heap[own + SlabCpu.allocated]++
  if (cpu.config.SLUB_DEBUG) checkPoison(cpu, id, object)
  return object
}

/** Returns an object to cache `id`. */
export function slabFree(cpu: Cpu, id: number, object: number): void {
  const { heap } = cpu
  if (cpu.config.SLUB_DEBUG) poison(cpu, id, object)
  const own = cpu.base + PerCpu.slabs + id * SLAB_CPU_WORDS
  heap[object] = heap[own + SlabCpu.freeList]
  heap[own + SlabCpu.freeList] = object
  heap[own + SlabCpu.freed]++
  if (++heap[own + SlabCpu.freeCount] > CPU_OBJECTS_MAX) slabDrain(cpu, id, own, BATCH)
}

/**
 * Takes a batch of free objects from the cache, or cuts a new chunk from the heap. Returns the head of the CPU's list.
 */
function slabRefill(cpu: Cpu, id: number, own: number): number {
  const { heap } = cpu
  const cache = slabCache(heap, id)
  spinLock(cpu, cache + SlabCache.lock)
  if (heap[cache + SlabCache.freeList] === 0) slabGrow(cpu, cache)
  let list = 0
  let taken = 0
  while (taken < BATCH && heap[cache + SlabCache.freeList] !== 0) {
    const object = heap[cache + SlabCache.freeList]
    heap[cache + SlabCache.freeList] = heap[object]
    heap[object] = list
    list = object
    taken++
  }
  heap[cache + SlabCache.freeCount] -= taken
  spinUnlock(cpu, cache + SlabCache.lock)
  heap[own + SlabCpu.freeList] = list
  heap[own + SlabCpu.freeCount] = taken
  return list
}

/** Returns `count` objects of this CPU's list to the cache. */
function slabDrain(cpu: Cpu, id: number, own: number, count: number): void {
  const { heap } = cpu
  const cache = slabCache(heap, id)
  spinLock(cpu, cache + SlabCache.lock)
  for (let moved = 0; moved < count; moved++) {
    const object = heap[own + SlabCpu.freeList]
    heap[own + SlabCpu.freeList] = heap[object]
    heap[object] = heap[cache + SlabCache.freeList]
    heap[cache + SlabCache.freeList] = object
  }
  heap[own + SlabCpu.freeCount] -= count
  heap[cache + SlabCache.freeCount] += count
  spinUnlock(cpu, cache + SlabCache.lock)
}

/** Returns all objects in the lists of CPU `id` to the caches. The CPU is leaving, and no thread uses it. */
export function slabDrainCpu(cpu: Cpu, caches: number): void {
  for (let id = 0; id < caches; id++) {
    const own = cpu.base + PerCpu.slabs + id * SLAB_CPU_WORDS
    slabDrain(cpu, id, own, cpu.heap[own + SlabCpu.freeCount])
  }
}

/** Cuts a chunk from the heap and puts its objects on the cache's list. The cache is locked. */
function slabGrow(cpu: Cpu, cache: number): void {
  const { heap } = cpu
  const objectWords = heap[cache + SlabCache.objectWords]
  bugOn(objectWords === 0, 'allocation from a slab cache that was never set up')
  const count = Math.max(1, Math.floor(CHUNK_WORDS / objectWords))
  const chunk = heapAlloc(heap, count * objectWords)
  if (chunk === 0) return
  const poisons = cpu.config.SLUB_DEBUG && heap[cache + SlabCache.typesafe] === 0
  for (let index = count - 1; index >= 0; index--) {
    const object = chunk + index * objectWords
    if (poisons) heap.fill(POISON_FREE, object, object + objectWords)
    heap[object] = heap[cache + SlabCache.freeList]
    heap[cache + SlabCache.freeList] = object
  }
  heap[cache + SlabCache.freeCount] += count
  heap[cache + SlabCache.total] += count
}

function poison(cpu: Cpu, id: number, object: number): void {
  const cache = slabCache(cpu.heap, id)
  if (cpu.heap[cache + SlabCache.typesafe] !== 0) return
  const words = cpu.heap[cache + SlabCache.objectWords]
  bugOn(cpu.heap[object + words - 1] === POISON_FREE, `double free of object ${object} of slab cache ${id}`)
  cpu.heap.fill(POISON_FREE, object + 1, object + words)
}

function checkPoison(cpu: Cpu, id: number, object: number): void {
  const { heap } = cpu
  const cache = slabCache(heap, id)
  if (heap[cache + SlabCache.typesafe] !== 0) return
  const words = heap[cache + SlabCache.objectWords]
  for (let word = object + 1; word < object + words; word++) {
    bugOn(
      heap[word] !== POISON_FREE,
      `object ${object} of slab cache ${id} was written after it was freed, at word ${word}`,
    )
  }
  heap.fill(0, object, object + words)
}

/** How many objects of cache `id` are in use. Exact while no other CPU allocates or frees. */
export function slabInUse(heap: Int32Array, id: number): number {
  let inUse = 0
  for (let cpuId = 0; cpuId < heap[Header.cpuCount]; cpuId++) {
    const own = perCpuBase(heap, cpuId) + PerCpu.slabs + id * SLAB_CPU_WORDS
    inUse += heap[own + SlabCpu.allocated] - heap[own + SlabCpu.freed]
  }
  return inUse
}
