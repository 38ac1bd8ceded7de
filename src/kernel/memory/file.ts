// Files, and the tree of their pages (mm/filemap.c, mm/shmem.c).
//
// A file is a size and a radix tree from page index to frame: the page cache. What the host keeps on disk is read into
// it and written back (filemap.ts, writeback.ts); a file of memory has nothing but its pages, so that one that is not
// there is a hole and reads as zeros, or is in the swap area, and its slot stands in the tree as a negative number.
//
// The tree is looked up without a lock, while pages are taken out of it (reclaim.ts, truncate.ts): who finds a frame
// takes a reference unless the page is dead, and then looks whether it is still the one. Frames that are free have no
// references, and `struct page` is never anything else, which is what makes this safe (page_cache_get_speculative).
// Nodes of the tree stay as long as the file.

import { cpuRelax } from '../machine/cpu.ts'
import { bugOn } from '../machine/errors.ts'
import { Header } from '../machine/header.ts'
import { layout } from '../machine/layout.ts'
import { CACHE_FILE, CACHE_PATH, CACHE_RADIX_NODE } from '../mm/caches.ts'
import type { Task } from '../mm/task.ts'
import { forgetNumber, takeNumber } from '../sync/number.ts'
import { refcountDecAndTest, refcountDecNotOne, refcountInc, refcountIncNotZero } from '../sync/refcount.ts'
import { spinLock, spinUnlock } from '../sync/spinlock.ts'
import { unaccountMemory, vmEnoughMemory } from './overcommit.ts'
import { putPage } from './page-alloc.ts'
import { freezeIfClean } from './page-lock.ts'
import { Page, pageStruct } from './page.ts'
import { slabAlloc, slabFree } from './slab.ts'

export const FILE_WORDS = 32
export const File = layout('file', FILE_WORDS, {
  /** Open handles and mappings. */
  refcount: 0,
  /** Size in whole pages, the last one perhaps not full. */
  pages: 1,
  /** Bytes in the last page, 1 to 4096; 0 for an empty file. */
  lastBytes: 2,
  flags: 3,
  /** `i_pages`: guards the tree against other writers. */
  lock: 4,
  root: 5,
  /** The next file of the host. */
  nextFile: 6,
  /** Pages in the cache. */
  cachedPages: 8,
  /** `wb_err`: the last write-back that failed, see sync/errseq.ts, and what those were told of that have mapped it. */
  writeError: 10,
  writeErrorSeen: 7,
  /**
   * `dirtied_when`: in which period of the flusher, plus one, the file was first made dirty since the flusher began to
   * write it; 0 where it has nothing to write. See dirty.ts.
   */
  dirtiedWhen: 11,
  /** `writeback_index`: where the flusher goes on with the file. */
  writebackIndex: 9,
  /** `mmap_miss`: how many more faults did not find their page than did; see readahead.ts. */
  mmapMiss: 12,
  /** `file_ra_state`, see readahead.ts: where the window is, how large, and the page that a call has read last. */
  raStart: 23,
  raWindow: 30,
  raPrevious: 31,
  /** Files that nobody refers to any more are linked until they are buried. */
  nextDead: 13,
  /** One of BURIAL_NONE and so on; guarded by the lock of the list of files. */
  burial: 14,
  /** `i_rwsem`, see inode-lock.ts. */
  inodeLock: 15,

  /** How the host finds the file: see the backend. */
  hostPath: 16,
  /**
   * Of a file of the host: from this page on it keeps nothing, so that a page there which is not cached is a hole, and
   * is not read. It grows before pages are written, and shrinks with the file.
   */
  hostPages: 18,
  /** `I_SYNC`: 1 while the flusher is at work on the file, which is not freed meanwhile. */
  underWriteback: 17,
  hostDeviceLow: 19,
  hostDeviceHigh: 20,
  hostInodeLow: 21,
  hostInodeHigh: 22,

  /** Which of all files of the machine it is, see sync/number.ts; 0 once it is gone. */
  generation: 24,
  generationHigh: 25,
  /**
   * How often the host was given something, and how much of that it has made safe, guarded by `lock`; see writeback.ts.
   */
  hostChanges: 26,
  hostChangesHigh: 27,
  hostChangesSafe: 28,
  hostChangesSafeHigh: 29,
})

/** Somebody refers to the file, or has since its burial began. */
export const BURIAL_NONE = 0
/** It is among the dead files. */
const BURIAL_WAITS = 1
/** It is being written back, so as to be freed. */
export const BURIAL_BEGUN = 2

/** A path as the host writes it: its length, and its bytes. */
export const PATH_BYTES_MAX = 4096
export const PATH_WORDS = 16 + PATH_BYTES_MAX / 4
export const Path = layout('path', PATH_WORDS, { byteLength: 0, bytes: 16 })

/** Faults map only the page that was touched, as in the vdso. */
export const FILE_NO_FAULT_AROUND = 1
/** The first write through a shared mapping faults, so that the page can be marked dirty (`vma_wants_writenotify`). */
export const FILE_WRITE_NOTIFY = 2
/** Its contents are kept by the host. */
export const FILE_HOST = 4
/** It was opened for reading only. */
export const FILE_READ_ONLY = 8
/** Shared anonymous memory: it belongs to mappings only, and nothing else can bring its pages back. */
export const FILE_SHARED_ANONYMOUS = 0x100
/** Its size counts against what may be committed. */
const FILE_ACCOUNT = 0x200

const RADIX_SHIFT = 6
const RADIX_SLOTS = 1 << RADIX_SHIFT
const RADIX_MASK = RADIX_SLOTS - 1
export const RADIX_NODE_WORDS = 16 + RADIX_SLOTS
const RadixNode = layout('radix_node', RADIX_NODE_WORDS, {
  /** Bits of the index below this level. */
  shift: 0,
  slots: 16,
})

/** A file of `pages` pages, all holes, with one reference. Returns 0 when there is no memory. */
export function createFile(cpu: Task, pages: number, lastBytes: number, flags: number): number {
  const file = slabAlloc(cpu, CACHE_FILE)
  if (file === 0) return 0
  cpu.heap.fill(0, file, file + FILE_WORDS)
  takeNumber(cpu, Header.fileGeneration, file + File.generation)
  cpu.heap[file + File.pages] = pages
  cpu.heap[file + File.lastBytes] = lastBytes
  cpu.heap[file + File.flags] = flags
  Atomics.store(cpu.heap, file + File.refcount, 1)
  return file
}

/** `shmem_acct_size`: commits the whole file. Returns false where that is too much. */
export function accountFile(cpu: Task, file: number): boolean {
  if (!vmEnoughMemory(cpu, cpu.heap[file + File.pages])) return false
  cpu.heap[file + File.flags] |= FILE_ACCOUNT
  return true
}

/** Whether a fault may map pages around the one that was touched (`vm_ops->map_pages`). */
export function mapsAround(cpu: Task, file: number): boolean {
  return (Atomics.load(cpu.heap, file + File.flags) & FILE_NO_FAULT_AROUND) === 0
}

/** `get_file`. */
export function getFile(cpu: Task, file: number): void {
  refcountInc(cpu, file + File.refcount)
}

/**
 * `fput`: drops a reference. After the last one the pages have to be written back or thrown away, for which one may
 * have to sleep. The caller may be the callback of a grace period, so `runTaskWork` does it (as task work does
 * `____fput`).
 */
export function putFile(cpu: Task, file: number): void {
  if (refcountDecNotOne(cpu, file + File.refcount)) return
  // The last reference is dropped under the lock of the list. Else another CPU could find the file, give it up again
  // and bury it before this one has put it on the list.
  spinLock(cpu, Header.fileListLock)
  if (refcountDecAndTest(cpu, file + File.refcount)) addDeadFile(cpu, file)
  spinUnlock(cpu, Header.fileListLock)
}

/** Nobody refers to the file: it is to be buried. The list is locked. */
export function addDeadFile(cpu: Task, file: number): void {
  const { heap } = cpu
  // It may be waiting there already, from a time when it was given up and found again.
  if (heap[file + File.burial] === BURIAL_WAITS) return
  heap[file + File.burial] = BURIAL_WAITS
  heap[file + File.nextDead] = heap[Header.deadFiles]
  Atomics.store(heap, Header.deadFiles, file)
}

/** Frees a file that nobody refers to and that has no pages. */
export function freeFile(cpu: Task, file: number): void {
  const { heap } = cpu
  // Truncation looks at the tree without its lock: the CPU that has just taken the last page out may still hold it.
  spinLock(cpu, file + File.lock)
  spinUnlock(cpu, file + File.lock)
  const root = heap[file + File.root]
  if (root !== 0) freeRadixNode(cpu, root)
  forgetNumber(cpu, file + File.generation)
  if (heap[file + File.hostPath] !== 0) slabFree(cpu, CACHE_PATH, heap[file + File.hostPath])
  if ((heap[file + File.flags] & FILE_ACCOUNT) !== 0) unaccountMemory(cpu, heap[file + File.pages])
  slabFree(cpu, CACHE_FILE, file)
}

function freeRadixNode(cpu: Task, node: number): void {
  const { heap } = cpu
  const shift = heap[node + RadixNode.shift]
  for (let slot = 0; slot < RADIX_SLOTS; slot++) {
    const entry = heap[node + RadixNode.slots + slot]
    bugOn(entry !== 0 && shift === 0, 'a file is freed that has pages')
    if (entry !== 0) freeRadixNode(cpu, entry)
  }
  slabFree(cpu, CACHE_RADIX_NODE, node)
}

/** The bytes of page `index` that belong to the file: 4096 but for the last page, 0 behind it. */
export function bytesInPage(cpu: Task, file: number, index: number): number {
  const pages = Atomics.load(cpu.heap, file + File.pages)
  if (index < pages - 1) return 4096
  return index === pages - 1 ? Atomics.load(cpu.heap, file + File.lastBytes) : 0
}

/** Whether a page of a file of the host that is not cached is zeros, without asking the host. */
export function isHostHole(cpu: Task, file: number, index: number): boolean {
  return index >= Atomics.load(cpu.heap, file + File.hostPages)
}

/** Pages below `end` are about to be written. */
export function growHostPages(cpu: Task, file: number, end: number): void {
  const word = file + File.hostPages
  for (let pages = Atomics.load(cpu.heap, word); pages < end;) {
    const found = Atomics.compareExchange(cpu.heap, word, pages, end)
    if (found === pages) return
    pages = found
  }
}

/** What the tree says of page `index`: a frame, minus a slot of the swap area, or 0. It may change at once. */
export function loadPage(cpu: Task, file: number, index: number): number {
  const slot = findRadixSlot(cpu, file, index)
  return slot === 0 ? 0 : Atomics.load(cpu.heap, slot)
}

/** The word of the tree for page `index`, or 0 when there is none yet. */
function findRadixSlot(cpu: Task, file: number, index: number): number {
  const { heap } = cpu
  let node = Atomics.load(heap, file + File.root)
  if (node === 0) return 0
  let shift = heap[node + RadixNode.shift]
  if (index >>> shift > RADIX_MASK) return 0
  for (; shift > 0; shift -= RADIX_SHIFT) {
    node = Atomics.load(heap, node + RadixNode.slots + ((index >>> shift) & RADIX_MASK))
    if (node === 0) return 0
  }
  return node + RadixNode.slots + (index & RADIX_MASK)
}

/** `find_get_page`: the frame of page `index` with a reference on it, or 0 when it is not in the cache. */
export function findGetPage(cpu: Task, file: number, index: number): number {
  const slot = findRadixSlot(cpu, file, index)
  if (slot === 0) return 0
  for (;;) {
    const frame = Atomics.load(cpu.heap, slot)
    if (frame <= 0) return 0
    // The page may be dead, and its frame may be another page by now: then the tree does not refer to it any more.
    if (!refcountIncNotZero(cpu, pageStruct(cpu, frame) + Page.refcount)) {
      cpuRelax(cpu)
      continue
    }
    if (Atomics.load(cpu.heap, slot) === frame) return frame
    putPage(cpu, frame)
  }
}

/**
 * `add_to_page_cache_locked`: puts `frame` in the place of `expected` into the tree, with a reference of the cache's
 * own. Returns 1, 0 when the tree says something else by now, or -1 when there is no memory for a node.
 */
export function addToPageCache(
  cpu: Task,
  file: number,
  index: number,
  frame: number,
  expected: number,
): number {
  const { heap } = cpu
  const page = pageStruct(cpu, frame)
  spinLock(cpu, file + File.lock)
  const slot = makeRadixSlot(cpu, file, index)
  const added = slot !== 0 && Atomics.load(heap, slot) === expected
  if (added) {
    refcountInc(cpu, page + Page.refcount)
    Atomics.store(heap, page + Page.mapping, file)
    Atomics.store(heap, page + Page.index, index)
    Atomics.store(heap, slot, frame)
    heap[file + File.cachedPages]++
    if ((Atomics.load(heap, file + File.flags) & FILE_HOST) !== 0) Atomics.add(heap, Header.cachedPages, 1)
  }
  spinUnlock(cpu, file + File.lock)
  if (slot === 0) return -1
  return added ? 1 : 0
}

/**
 * `filemap_add_folio` of many: puts the first `count` of `frames` in the places of the pages from `index` on into the
 * tree of a file of the host, each with a reference of the cache's own, until a place is taken. Returns how many; where
 * there was no memory for a node, -1 less that.
 */
export function addManyToPageCache(
  cpu: Task,
  file: number,
  index: number,
  frames: Int32Array,
  count: number,
): number {
  const { heap } = cpu
  spinLock(cpu, file + File.lock)
  let added = 0
  let slot = -1
  for (; added < count; added++) {
    const at = index + added
    slot = added === 0 || (at & RADIX_MASK) === 0 ? makeRadixSlot(cpu, file, at) : slot + 1
    if (slot === 0 || Atomics.load(heap, slot) !== 0) break
    const page = pageStruct(cpu, frames[added])
    refcountInc(cpu, page + Page.refcount)
    Atomics.store(heap, page + Page.mapping, file)
    Atomics.store(heap, page + Page.index, at)
    Atomics.store(heap, slot, frames[added])
  }
  heap[file + File.cachedPages] += added
  if (added !== 0) Atomics.add(heap, Header.cachedPages, added)
  spinUnlock(cpu, file + File.lock)
  return slot === 0 ? -1 - added : added
}

/**
 * `__delete_from_page_cache`: puts `replacement` (0, or minus a slot of the swap area) in the place of the page, which
 * the caller has locked. The cache's reference is the caller's then.
 */
export function deleteFromPageCache(cpu: Task, frame: number, replacement: number): void {
  const { heap } = cpu
  const page = pageStruct(cpu, frame)
  const file = Atomics.load(heap, page + Page.mapping)
  spinLock(cpu, file + File.lock)
  Atomics.store(heap, findRadixSlot(cpu, file, Atomics.load(heap, page + Page.index)), replacement)
  Atomics.store(heap, page + Page.mapping, 0)
  heap[file + File.cachedPages]--
  if ((Atomics.load(heap, file + File.flags) & FILE_HOST) !== 0) Atomics.sub(heap, Header.cachedPages, 1)
  spinUnlock(cpu, file + File.lock)
}

/**
 * `__remove_mapping` of pages of one file of the host, the first `count` of `frames`, all locked, under one lock: those
 * that `freezeIfClean` freezes leave the tree, and come first in `frames` then. They are frozen under the lock, so that
 * who has found one spins no longer than that is held. Returns how many they are.
 */
export function deleteCleanFromPageCache(cpu: Task, file: number, frames: Int32Array, count: number): number {
  const { heap } = cpu
  let deleted = 0
  spinLock(cpu, file + File.lock)
  for (let n = 0; n < count; n++) {
    const frame = frames[n]
    if (!freezeIfClean(cpu, frame)) continue
    const page = pageStruct(cpu, frame)
    Atomics.store(heap, findRadixSlot(cpu, file, Atomics.load(heap, page + Page.index)), 0)
    Atomics.store(heap, page + Page.mapping, 0)
    frames[n] = frames[deleted]
    frames[deleted++] = frame
  }
  heap[file + File.cachedPages] -= deleted
  Atomics.sub(heap, Header.cachedPages, deleted)
  spinUnlock(cpu, file + File.lock)
  return deleted
}

/** Puts `replacement` in the place of a slot of the swap area. Returns whether that was still there. */
export function replaceSwapEntry(
  cpu: Task,
  file: number,
  index: number,
  slot: number,
  replacement: number,
): boolean {
  spinLock(cpu, file + File.lock)
  const word = findRadixSlot(cpu, file, index)
  const replaced = Atomics.compareExchange(cpu.heap, word, -slot, replacement) === -slot
  spinUnlock(cpu, file + File.lock)
  return replaced
}

/** The word of the tree for page `index`, made if need be. The file is locked. Returns 0 when there is no memory. */
function makeRadixSlot(cpu: Task, file: number, index: number): number {
  const { heap } = cpu
  let node = heap[file + File.root]
  while (node === 0 || index >>> heap[node + RadixNode.shift] > RADIX_MASK) {
    const taller = newRadixNode(cpu, node === 0 ? 0 : heap[node + RadixNode.shift] + RADIX_SHIFT)
    if (taller === 0) return 0
    heap[taller + RadixNode.slots] = node
    Atomics.store(heap, file + File.root, taller)
    node = taller
  }
  for (let shift = heap[node + RadixNode.shift]; shift > 0; shift -= RADIX_SHIFT) {
    const slot = node + RadixNode.slots + ((index >>> shift) & RADIX_MASK)
    let child = heap[slot]
    if (child === 0) {
      child = newRadixNode(cpu, shift - RADIX_SHIFT)
      if (child === 0) return 0
      Atomics.store(heap, slot, child)
    }
    node = child
  }
  return node + RadixNode.slots + (index & RADIX_MASK)
}

function newRadixNode(cpu: Task, shift: number): number {
  const node = slabAlloc(cpu, CACHE_RADIX_NODE)
  if (node === 0) return 0
  cpu.heap.fill(0, node, node + RADIX_NODE_WORDS)
  cpu.heap[node + RadixNode.shift] = shift
  return node
}

/** The first page from `index` on, below `end`, of which the tree says something; `end` if none. */
export function nextCachedPage(cpu: Task, file: number, index: number, end: number): number {
  let at = index
  while (at < end) {
    const skip = emptyRun(cpu, file, at)
    if (skip === 0) return at
    at += skip
  }
  return Math.min(at, end)
}

/** 0 when the tree says something of the page, else for how many pages from it on it surely does not. */
function emptyRun(cpu: Task, file: number, index: number): number {
  const { heap } = cpu
  let node = Atomics.load(heap, file + File.root)
  if (node === 0 || index >>> heap[node + RadixNode.shift] > RADIX_MASK) return 2 ** 31
  for (let shift = heap[node + RadixNode.shift]; ; shift -= RADIX_SHIFT) {
    node = Atomics.load(heap, node + RadixNode.slots + ((index >>> shift) & RADIX_MASK))
    if (node === 0) return 2 ** shift - (index & (2 ** shift - 1))
    if (shift === 0) return 0
  }
}
