// Files, and the tree of their pages (mm/filemap.c, mm/shmem.c).
//
// A file is a size and a radix tree from page index to frame: the page cache. What the host keeps on disk is read into
// it and written back (filemap.ts, writeback.ts). A memory file has nothing but its pages: a missing page is a hole,
// which reads as zeros, or it is in the swap area, and the tree has its slot as a negative number.
//
// Lookups take no lock, while pages are taken out of the tree (reclaim.ts, truncate.ts). A CPU that finds a frame takes
// a reference unless the page is dead, and then checks that the tree still refers to it. That is safe because free
// frames have no references, and `struct page` is never anything else (page_cache_get_speculative). Nodes of the tree
// live as long as the file.

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
import { freezeIfClean, pageFlags } from './page-lock.ts'
import { PG_DIRTY, PG_LOCKED, Page, pageStruct } from './page.ts'
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
  /**
   * `wb_err`: the last write-back that failed, and the last one reported to threads that have mapped the file; see
   * sync/errseq.ts.
   */
  writeError: 10,
  writeErrorSeen: 7,
  /**
   * `dirtied_when`: the period of the flusher, plus one, in which the file first became dirty since the flusher last
   * began to write it; 0 if there is nothing to write. See dirty.ts.
   */
  dirtiedWhen: 11,
  /** `writeback_index`: the page at which the flusher continues. */
  writebackIndex: 9,
  /** `mmap_miss`: how many more faults missed their page than found it; see readahead.ts. */
  mmapMiss: 12,
  /** `file_ra_state`, see readahead.ts: where the window begins, its size, and the page that a call read last. */
  raStart: 23,
  raWindow: 30,
  raPrevious: 31,
  /** The next file that has no references and waits to be buried. */
  nextDead: 13,
  /** One of BURIAL_NONE and so on; guarded by the lock of the list of files. */
  burial: 14,
  /** `i_rwsem`, see inode-lock.ts. */
  inodeLock: 15,

  /** Where the host finds the file: see the backend. */
  hostPath: 16,
  /**
   * The host keeps no data of the file from this page on, so a page there that is not cached is a hole, and is not
   * read. It grows before pages are written, and shrinks with the file.
   */
  hostPages: 18,
  /** `I_SYNC`: 1 while the flusher works on the file, which keeps the file from being freed. */
  underWriteback: 17,
  hostDeviceLow: 19,
  hostDeviceHigh: 20,
  hostInodeLow: 21,
  hostInodeHigh: 22,

  /** Which of all files of the machine this is, see sync/number.ts; 0 after its end. */
  generation: 24,
  generationHigh: 25,
  /** How many changes the host has got, and how many of them it has made safe; guarded by `lock`, see writeback.ts. */
  hostChanges: 26,
  hostChangesHigh: 27,
  hostChangesSafe: 28,
  hostChangesSafeHigh: 29,
})

/** The file has references, or had some since its burial began. */
export const BURIAL_NONE = 0
/** It is on the list of the dead. */
const BURIAL_WAITS = 1
/** It is being written back, before it is freed. */
export const BURIAL_BEGUN = 2

/** The most bytes of a path. A path is stored as its length and its bytes. */
export const PATH_BYTES_MAX = 4096
export const PATH_WORDS = 16 + PATH_BYTES_MAX / 4
export const Path = layout('path', PATH_WORDS, {
  byteLength: 0,
  /** 1: the file system may replace the file by a copy, see isCopyOf() in cache/host-file.ts. */
  copied: 1,
  /** Then: when its contents changed last, as it was opened first. */
  changedLow: 2,
  changedHigh: 3,
  bytes: 16,
})

/** Faults map only the page that was touched, as in the vdso. */
export const FILE_NO_FAULT_AROUND = 1
/** The first write through a shared mapping faults, so that the page can be marked dirty (`vma_wants_writenotify`). */
export const FILE_WRITE_NOTIFY = 2
/** The host keeps its contents. */
export const FILE_HOST = 4
/** It was opened for reading only. */
export const FILE_READ_ONLY = 8
/** Shared anonymous memory: only mappings refer to it, and nothing else has its pages. */
export const FILE_SHARED_ANONYMOUS = 0x100
/** Its size counts as committed. */
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

/** Makes a file of `pages` pages, all holes, with one reference. Returns 0 if there is no memory. */
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

/** `shmem_acct_size`: commits the whole file. Returns false if that is too much. */
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
 * `fput`: drops a reference. After the last one, the pages must be written back or dropped, which may sleep. The caller
 * may be the callback of a grace period, so `runTaskWork` does that (as task work does `____fput`).
 */
export function putFile(cpu: Task, file: number): void {
  if (refcountDecNotOne(cpu, file + File.refcount)) return
  // The last reference is dropped under the lock of the list. Otherwise another CPU could find the file, release it and
  // bury it before this one has put it on the list.
  spinLock(cpu, Header.fileListLock)
  if (refcountDecAndTest(cpu, file + File.refcount)) addDeadFile(cpu, file)
  spinUnlock(cpu, Header.fileListLock)
}

/** Puts a file without references on the list of the dead. The list is locked. */
export function addDeadFile(cpu: Task, file: number): void {
  const { heap } = cpu
  // It may be on the list already, if it was found and released again.
  if (heap[file + File.burial] === BURIAL_WAITS) return
  heap[file + File.burial] = BURIAL_WAITS
  heap[file + File.nextDead] = heap[Header.deadFiles]
  Atomics.store(heap, Header.deadFiles, file)
}

/** Frees a file that has no references and no pages. */
export function freeFile(cpu: Task, file: number): void {
  const { heap } = cpu
  // Truncation looks at the tree without its lock: the CPU that has removed the last page may still hold it.
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

/** How many bytes of page `index` belong to the file: 4096, fewer of the last page, 0 behind it. */
export function bytesInPage(cpu: Task, file: number, index: number): number {
  const pages = Atomics.load(cpu.heap, file + File.pages)
  if (index < pages - 1) return 4096
  return index === pages - 1 ? Atomics.load(cpu.heap, file + File.lastBytes) : 0
}

/** Whether an uncached page of a file of the host is zeros, without asking the host. */
export function isHostHole(cpu: Task, file: number, index: number): boolean {
  return index >= Atomics.load(cpu.heap, file + File.hostPages)
}

/** Notes that pages below `end` are about to be written. */
export function growHostPages(cpu: Task, file: number, end: number): void {
  const word = file + File.hostPages
  for (let pages = Atomics.load(cpu.heap, word); pages < end;) {
    const found = Atomics.compareExchange(cpu.heap, word, pages, end)
    if (found === pages) return
    pages = found
  }
}

/** What the tree has for page `index`: a frame, minus a slot of the swap area, or 0. It may change at any moment. */
export function loadPage(cpu: Task, file: number, index: number): number {
  const slot = findRadixSlot(cpu, file, index)
  return slot === 0 ? 0 : Atomics.load(cpu.heap, slot)
}

/** The word of the tree for page `index`, or 0 if there is none yet. */
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

/** `find_get_page`: the frame of page `index` with a reference, or 0 if it is not in the cache. */
export function findGetPage(cpu: Task, file: number, index: number): number {
  const slot = findRadixSlot(cpu, file, index)
  if (slot === 0) return 0
  for (;;) {
    const frame = Atomics.load(cpu.heap, slot)
    if (frame <= 0) return 0
    // The page may be dead, and its frame another page by now: then the tree no longer refers to it.
    if (!refcountIncNotZero(cpu, pageStruct(cpu, frame) + Page.refcount)) {
      cpuRelax(cpu)
      continue
    }
    if (Atomics.load(cpu.heap, slot) === frame) return frame
    putPage(cpu, frame)
  }
}

/**
 * `add_to_page_cache_locked`: replaces `expected` in the tree by `frame`, with a reference of the cache's own. Returns
 * 1; 0 if the tree has something else by now; -1 if there is no memory for a node.
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
 * `filemap_add_folio` of many pages: puts the first `count` of `frames` into the tree of a file of the host, from page
 * `index` on, each with a reference of the cache's own, until a place is taken. Returns how many; if there was no
 * memory for a node, -1 minus that.
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
 * `__delete_from_page_cache`: replaces the page, which the caller has locked, by `replacement` (0, or minus a slot of
 * the swap area). The cache's reference becomes the caller's.
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
 * `__remove_mapping` of pages of one file of the host, under one lock: of the first `count` of `frames`, all locked,
 * those that `freezeIfClean` freezes leave the tree, and come first in `frames`. They are frozen under the lock, so a
 * CPU that has found one spins only as long as the lock is held. Returns how many they are.
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

/** Replaces a slot of the swap area by `replacement`. Returns whether the tree still had the slot. */
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

/** The word of the tree for page `index`; makes missing nodes. The file is locked. Returns 0 if there is no memory. */
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

/** The first page from `index` on, below `end`, for which the tree has something; `end` if none. */
export function nextCachedPage(cpu: Task, file: number, index: number, end: number): number {
  let at = index
  while (at < end) {
    const skip = emptyRun(cpu, file, at)
    if (skip === 0) return at
    at += skip
  }
  return Math.min(at, end)
}

/**
 * The first page from `index` on, below `end`, that may be dirty or locked; `end` if none. The call takes no reference,
 * so a frame may be another page's by the time its flags are read. A page that it passes over needs no write-back all
 * the same: who takes a page out of the tree that was dirty holds its lock until the host has what it contains.
 */
export function nextDirtyPage(cpu: Task, file: number, index: number, end: number): number {
  const { heap } = cpu
  for (let at = index; at < end;) {
    let slot = findRadixSlot(cpu, file, at)
    if (slot === 0) {
      at += emptyRun(cpu, file, at)
      continue
    }
    for (const last = Math.min((at | RADIX_MASK) + 1, end); at < last; at++) {
      const frame = Atomics.load(heap, slot++)
      if (frame > 0 && (pageFlags(cpu, frame) & (PG_DIRTY | PG_LOCKED)) !== 0) return at
    }
  }
  return end
}

/** 0 if the tree has something for the page; else the number of pages from it on for which it surely has nothing. */
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
