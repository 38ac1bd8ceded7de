// The swap area: its slots, and the swap cache (mm/swapfile.c, mm/swap_state.c).
//
// An anonymous page that is to leave memory first gets a slot and enters the swap cache: from then on an entry may
// refer to the page or to the slot, which means the same. A slot has a count of the entries that refer to it, and a
// word for its frame in the cache; it is free when both are 0. One lock, `swapLock`, guards all of that; lookups in the
// cache take no lock, as in a page cache (file.ts).
//
// Pages of memory files have slots too, without being in this cache: the tree of the file has either the page or the
// slot. Such a slot records its file, so that the area can be emptied.

import { cpuRelax } from '../machine/cpu.ts'
import { bugOn } from '../machine/errors.ts'
import { Header, heapAlloc } from '../machine/header.ts'
import { cacheLineAlign } from '../machine/layout.ts'
import type { Task } from '../mm/task.ts'
import { refcountIncNotZero } from '../sync/refcount.ts'
import { spinLock, spinUnlock } from '../sync/spinlock.ts'
import { File } from './file.ts'
import { lruAddDrain, putPage, putPages } from './page-alloc.ts'
import { clearPageFlags, setPageFlags, tryLockPage, unlockPage } from './page-lock.ts'
import {
  PG_DIRTY,
  PG_LAZYFREE,
  PG_SWAPCACHE,
  PG_UPTODATE,
  Page,
  getPage,
  pageCount,
  pageStruct,
} from './page.ts'

/** An entry of a page table has 20 bits for the slot. */
export const SWAP_SLOTS_MAX = (1 << 20) - 1

/** States of the area: in use; being emptied, so that no page goes there; to stay, as there is too little memory. */
export const SWAP_STAYS = 0
export const SWAP_LEAVES = 1
const SWAP_KEPT = 2

/** `swap_count`: entries that refer to the slot. */
export function swapCount(cpu: Task, slot: number): number {
  return Atomics.load(cpu.heap, cpu.heap[Header.swapMap] + slot)
}

/** The area is being emptied: no page may go there, as it would have to come back. */
export function isSwapLeaving(cpu: Task): boolean {
  return Atomics.load(cpu.heap, Header.swapLeaving) === SWAP_LEAVES
}

/**
 * `oom_task_origin`: this CPU finds no free memory, and swapoff needs most of it: cancels swapoff. Returns whether
 * there was one, so that pages may leave memory again.
 */
export function stopSwapOff(cpu: Task): boolean {
  return Atomics.compareExchange(cpu.heap, Header.swapLeaving, SWAP_LEAVES, SWAP_KEPT) === SWAP_LEAVES
}

/** How many slots are in use. */
export function swapSlotsInUse(heap: Int32Array): number {
  return Atomics.load(heap, Header.swapSlots) - Atomics.load(heap, Header.swapFree)
}

/**
 * Allocates the words for `slots` slots from the heap. Returns false if there is no room. No area is in use; what was
 * allocated for an earlier one is kept for good.
 */
export function reserveSwapMap(cpu: Task, slots: number): boolean {
  const { heap } = cpu
  if (heap[Header.swapCapacity] >= slots) return true
  const words = cacheLineAlign(slots + 1)
  const base = heapAlloc(heap, 3 * words)
  if (base === 0) return false
  heap[Header.swapMap] = base
  heap[Header.swapCache] = base + words
  heap[Header.swapOwner] = base + 2 * words
  heap[Header.swapCapacity] = slots
  return true
}

/**
 * `get_swap_page`: a slot with a count of `count`, for a page of `file`, or (0) for the anonymous page `frame`, which
 * is in the cache at once: otherwise a late fault on an entry of the slot's previous owner would put another page
 * there. Returns 0 if none is free.
 */
export function allocSwapSlot(cpu: Task, count: number, file: number, frame: number): number {
  const { heap } = cpu
  if (Atomics.load(heap, Header.swapFree) === 0) return 0
  spinLock(cpu, Header.swapLock)
  const slot = !isSwapLeaving(cpu) && heap[Header.swapFree] > 0 ? nextFreeSlot(cpu) : 0
  if (slot !== 0) {
    Atomics.store(heap, heap[Header.swapMap] + slot, count)
    Atomics.store(heap, heap[Header.swapOwner] + slot, file)
    Atomics.store(heap, heap[Header.swapCache] + slot, frame)
    Atomics.sub(heap, Header.swapFree, 1)
  }
  spinUnlock(cpu, Header.swapLock)
  return slot
}

/** The next free slot from the hand on, so that pages that leave together are adjacent. There is one. */
function nextFreeSlot(cpu: Task): number {
  const { heap } = cpu
  const slots = heap[Header.swapSlots]
  for (let slot = heap[Header.swapHand]; ; slot++) {
    if (slot === 0 || slot > slots) slot = 1
    if (Atomics.load(heap, heap[Header.swapMap] + slot) !== 0) continue
    if (Atomics.load(heap, heap[Header.swapCache] + slot) !== 0) continue
    heap[Header.swapHand] = slot + 1
    return slot
  }
}

/** `swap_duplicate`: counts one more entry for the slot, which another entry or a page in the cache keeps in use. */
export function swapDuplicate(cpu: Task, slot: number): void {
  spinLock(cpu, Header.swapLock)
  const count = slotWord(cpu, Header.swapMap, slot)
  const cached = Atomics.load(cpu.heap, slotWord(cpu, Header.swapCache, slot)) !== 0
  bugOn(!cached && Atomics.load(cpu.heap, count) === 0, 'a slot of the swap area is shared that is free')
  Atomics.add(cpu.heap, count, 1)
  spinUnlock(cpu, Header.swapLock)
}

/** The word for `slot` of the array whose address is at `array`. */
function slotWord(cpu: Task, array: number, slot: number): number {
  return cpu.heap[array] + slot
}

/**
 * The memory file that has a page in the slot, with a reference; or 0. It exists as long as the slot is in use, as a
 * file releases its slots before its end.
 */
export function swapOwner(cpu: Task, slot: number): number {
  const { heap } = cpu
  spinLock(cpu, Header.swapLock)
  const used = Atomics.load(heap, slotWord(cpu, Header.swapMap, slot)) !== 0
  const file = used ? Atomics.load(heap, slotWord(cpu, Header.swapOwner, slot)) : 0
  const owned = file !== 0 && refcountIncNotZero(cpu, file + File.refcount)
  spinUnlock(cpu, Header.swapLock)
  return owned ? file : 0
}

/** `swap_free`: one entry less refers to the slot. Returns how many still do. */
export function freeSwapSlot(cpu: Task, slot: number): number {
  const { heap } = cpu
  spinLock(cpu, Header.swapLock)
  const count = Atomics.sub(heap, slotWord(cpu, Header.swapMap, slot), 1) - 1
  bugOn(count < 0, 'a slot of the swap area is freed that nobody has')
  if (count === 0 && Atomics.load(heap, slotWord(cpu, Header.swapCache, slot)) === 0) {
    Atomics.add(heap, Header.swapFree, 1)
  }
  spinUnlock(cpu, Header.swapLock)
  return count
}

/**
 * `add_to_swap`: gives an anonymous page, which the caller has locked, a slot with a count of `count`, and puts it into
 * the swap cache with a reference of the cache's own. The slot does not have its content yet. Returns 0 if no slot is
 * free.
 */
export function addToSwap(cpu: Task, frame: number, count: number): number {
  // Before another CPU can find it by the slot.
  getPage(cpu, frame)
  const slot = allocSwapSlot(cpu, count, 0, frame)
  if (slot === 0) {
    putPage(cpu, frame)
    return 0
  }
  Atomics.store(cpu.heap, pageStruct(cpu, frame) + Page.swapSlot, slot)
  clearPageFlags(cpu, frame, PG_LAZYFREE)
  setPageFlags(cpu, frame, PG_SWAPCACHE | PG_DIRTY | PG_UPTODATE)
  return slot
}

/**
 * `swapcache_prepare`: puts a new frame, locked and not up to date, into the cache for a slot that is to be read.
 * Returns 1; 0 if another CPU has done so; -1 if the slot is no longer in use, or is that of a file.
 */
export function addToSwapCache(cpu: Task, frame: number, slot: number): number {
  const { heap } = cpu
  const page = pageStruct(cpu, frame)
  spinLock(cpu, Header.swapLock)
  // Read-ahead also meets slots of files, whose pages are in the trees of the files and not in this cache.
  const anonymous = Atomics.load(heap, slotWord(cpu, Header.swapOwner, slot)) === 0
  const used = anonymous && Atomics.load(heap, slotWord(cpu, Header.swapMap, slot)) !== 0
  const free = Atomics.load(heap, slotWord(cpu, Header.swapCache, slot)) === 0
  if (used && free) {
    Atomics.store(heap, page + Page.swapSlot, slot)
    setPageFlags(cpu, frame, PG_SWAPCACHE)
    getPage(cpu, frame)
    Atomics.store(heap, slotWord(cpu, Header.swapCache, slot), frame)
  }
  spinUnlock(cpu, Header.swapLock)
  if (!used) return -1
  return free ? 1 : 0
}

/** `lookup_swap_cache`: the frame in the cache for a slot, with a reference, or 0. */
export function findGetSwapCache(cpu: Task, slot: number): number {
  const word = slotWord(cpu, Header.swapCache, slot)
  for (;;) {
    const frame = Atomics.load(cpu.heap, word)
    if (frame === 0) return 0
    if (!refcountIncNotZero(cpu, pageStruct(cpu, frame) + Page.refcount)) {
      cpuRelax(cpu)
      continue
    }
    if (Atomics.load(cpu.heap, word) === frame) return frame
    putPage(cpu, frame)
  }
}

/** Whether the content of the slot is in memory. */
export function isInSwapCache(cpu: Task, slot: number): boolean {
  return Atomics.load(cpu.heap, slotWord(cpu, Header.swapCache, slot)) !== 0
}

/** The slot of a page that is in the swap cache, else 0. Stable while the page is locked. */
export function swapCacheSlot(cpu: Task, frame: number): number {
  const page = pageStruct(cpu, frame)
  return (Atomics.load(cpu.heap, page + Page.flags) & PG_SWAPCACHE) === 0
    ? 0
    : Atomics.load(cpu.heap, page + Page.swapSlot)
}

/** `delete_from_swap_cache` of a locked page. The cache's reference becomes the caller's. */
export function deleteFromSwapCache(cpu: Task, frame: number): void {
  const { heap } = cpu
  const page = pageStruct(cpu, frame)
  const slot = heap[page + Page.swapSlot]
  spinLock(cpu, Header.swapLock)
  Atomics.store(heap, slotWord(cpu, Header.swapCache, slot), 0)
  if (Atomics.load(heap, slotWord(cpu, Header.swapMap, slot)) === 0) Atomics.add(heap, Header.swapFree, 1)
  spinUnlock(cpu, Header.swapLock)
  // The copy on disk is given up: the page is the only one.
  Atomics.and(heap, page + Page.flags, ~PG_SWAPCACHE)
  Atomics.or(heap, page + Page.flags, PG_DIRTY)
}

/**
 * `try_to_free_swap`: takes the page, which is locked, out of the cache if no entry refers to its slot. Returns whether
 * it did.
 */
export function tryToFreeSwap(cpu: Task, frame: number): boolean {
  const slot = swapCacheSlot(cpu, frame)
  if (slot === 0 || swapCount(cpu, slot) !== 0) return false
  deleteFromSwapCache(cpu, frame)
  putPage(cpu, frame)
  return true
}

/**
 * `free_swap_and_cache`: one entry less refers to the slot; after the last one the page need not stay in the cache. If
 * another CPU works on it, reclaim finds it later. Never sleeps.
 */
export function freeSwapAndCache(cpu: Task, slot: number): void {
  if (freeSwapSlot(cpu, slot) !== 0) return
  const frame = findGetSwapCache(cpu, slot)
  if (frame === 0) return
  freePageAndSwapCache(cpu, frame)
}

/**
 * `free_page_and_swap_cache`: drops a reference; if only the swap cache is left and no entry refers to the slot, frees
 * the page.
 */
export function freePageAndSwapCache(cpu: Task, frame: number): void {
  freeSwapCache(cpu, frame)
  putPage(cpu, frame)
}

/** `free_pages_and_swap_cache`: the same for many pages, with an LRU list. Changes the array. */
export function freePagesAndSwapCache(cpu: Task, frames: Int32Array, count: number): void {
  lruAddDrain(cpu, cpu.base)
  for (let index = 0; index < count; index++) freeSwapCache(cpu, frames[index])
  putPages(cpu, frames, count)
}

/** `free_swap_cache`: only the caller and the swap cache refer to the page, and no entry to its slot. */
function freeSwapCache(cpu: Task, frame: number): void {
  const flags = pageStruct(cpu, frame) + Page.flags
  if ((Atomics.load(cpu.heap, flags) & PG_SWAPCACHE) === 0 || pageCount(cpu, frame) !== 2) return
  if (!tryLockPage(cpu, frame)) return
  tryToFreeSwap(cpu, frame)
  unlockPage(cpu, frame)
}
