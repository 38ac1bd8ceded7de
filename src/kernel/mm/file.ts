// Files in memory, and their page cache (mm/filemap.c, mm/shmem.c).
//
// A file is a size and a radix tree from page index to frame. The tree is looked up without a lock: nodes and pages
// leave it only when the file goes away, and who looks holds a reference on the file. A page within the size that is
// not there yet is a hole and reads as zeros.

import { Header } from '../machine/header.ts'
import { layout } from '../machine/layout.ts'
import { clearFrame } from '../machine/sectors.ts'
import { refcountDecAndTest, refcountInc } from '../sync/refcount.ts'
import { spinLock, spinUnlock } from '../sync/spinlock.ts'
import { CACHE_FILE, CACHE_RADIX_NODE } from './caches.ts'
import { unaccountMemory, vmEnoughMemory } from './overcommit.ts'
import { allocFrame, putPage } from './page-alloc.ts'
import { Page, getPage, pageStruct } from './page.ts'
import { slabAlloc, slabFree } from './slab.ts'
import type { Task } from './task.ts'

export const FILE_WORDS = 16
export const File = layout('file', FILE_WORDS, {
  /** Open handles and mappings. */
  refcount: 0,
  /** Size in whole pages, the last one perhaps not full. */
  pages: 1,
  /** Bytes in the last page, 1 to 4096; 0 for an empty file. */
  lastBytes: 2,
  flags: 3,
  /** `i_pages`: guards insertion. */
  lock: 4,
  root: 5,
  /** Which of all files of the machine it is; 0 once it is gone. */
  generation: 7,
})

/** Faults map only the page that was touched, as in the vdso. */
export const FILE_NO_FAULT_AROUND = 1
/** The first write through a shared mapping faults, so that the page can be marked dirty (`vma_wants_writenotify`). */
export const FILE_WRITE_NOTIFY = 2
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
  cpu.heap[file + File.refcount] = 1
  cpu.heap[file + File.generation] = Atomics.add(cpu.heap, Header.fileGeneration, 1) + 1
  cpu.heap[file + File.pages] = pages
  cpu.heap[file + File.lastBytes] = lastBytes
  cpu.heap[file + File.flags] = flags
  return file
}

/** `shmem_acct_size`: commits the whole file. Returns false where that is too much. */
export function accountFile(cpu: Task, file: number): boolean {
  if (!vmEnoughMemory(cpu, cpu.heap[file + File.pages])) return false
  cpu.heap[file + File.flags] |= FILE_ACCOUNT
  return true
}

/** `get_file`. */
export function getFile(cpu: Task, file: number): void {
  refcountInc(cpu, file + File.refcount)
}

/** `fput`: drops a reference; the last one frees the file and its pages. */
export function putFile(cpu: Task, file: number): void {
  if (!refcountDecAndTest(cpu, file + File.refcount)) return
  const root = cpu.heap[file + File.root]
  if (root !== 0) freeRadixNode(cpu, root)
  if ((cpu.heap[file + File.flags] & FILE_ACCOUNT) !== 0) unaccountMemory(cpu, cpu.heap[file + File.pages])
  cpu.heap[file + File.generation] = 0
  slabFree(cpu, CACHE_FILE, file)
}

function freeRadixNode(cpu: Task, node: number): void {
  const shift = cpu.heap[node + RadixNode.shift]
  for (let slot = 0; slot < RADIX_SLOTS; slot++) {
    const entry = cpu.heap[node + RadixNode.slots + slot]
    if (entry === 0) continue
    if (shift === 0) putPage(cpu, entry)
    else freeRadixNode(cpu, entry)
  }
  slabFree(cpu, CACHE_RADIX_NODE, node)
}

/** `find_get_page`: the frame of page `index` with a reference on it, or 0 when it is not in the cache. */
export function findGetPage(cpu: Task, file: number, index: number): number {
  const frame = findPage(cpu, file, index)
  if (frame !== 0) getPage(cpu, frame)
  return frame
}

/** The frame of page `index`, or 0. It stays while the file does. */
export function findPage(cpu: Task, file: number, index: number): number {
  const { heap } = cpu
  let node = Atomics.load(heap, file + File.root)
  if (node === 0) return 0
  let shift = heap[node + RadixNode.shift]
  if (index >>> shift > RADIX_MASK) return 0
  for (;;) {
    const entry = Atomics.load(heap, node + RadixNode.slots + ((index >>> shift) & RADIX_MASK))
    if (shift === 0 || entry === 0) return entry
    node = entry
    shift -= RADIX_SHIFT
  }
}

/**
 * The frame of page `index` with a reference on it, a fresh zeroed one for a hole. Returns 0 when there is no memory.
 */
export function getOrCreatePage(cpu: Task, file: number, index: number): number {
  const present = findGetPage(cpu, file, index)
  if (present !== 0) return present
  const frame = allocFrame(cpu)
  if (frame === 0) return 0
  clearFrame(cpu, frame)
  const page = pageStruct(cpu, frame)
  cpu.heap[page + Page.refcount] = 1
  cpu.heap[page + Page.mapping] = file
  cpu.heap[page + Page.index] = index
  cpu.heap[page + Page.flags] = 0
  spinLock(cpu, file + File.lock)
  const winner = findPage(cpu, file, index)
  const inserted = winner !== 0 ? winner : insertPage(cpu, file, index, frame)
  if (inserted !== 0) getPage(cpu, inserted)
  spinUnlock(cpu, file + File.lock)
  // Either another fault was faster or there is no memory for a node.
  if (inserted !== frame) putPage(cpu, frame)
  return inserted
}

/**
 * Puts `frame` into the tree, whose reference it takes over. The file is locked. Returns the frame, or 0 when there
 * is no memory.
 */
function insertPage(cpu: Task, file: number, index: number, frame: number): number {
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
  Atomics.store(heap, node + RadixNode.slots + (index & RADIX_MASK), frame)
  return frame
}

function newRadixNode(cpu: Task, shift: number): number {
  const node = slabAlloc(cpu, CACHE_RADIX_NODE)
  if (node === 0) return 0
  cpu.heap.fill(0, node, node + RADIX_NODE_WORDS)
  cpu.heap[node + RadixNode.shift] = shift
  return node
}
