// `struct page`: one for each frame, found by the frame's number.

import type { Cpu } from '../machine/cpu.ts'
import { Header, PAGE_STRUCT_WORDS } from '../machine/header.ts'
import { layout } from '../machine/layout.ts'
import { refcountInc } from '../sync/refcount.ts'

export const Page = layout('page', PAGE_STRUCT_WORDS, {
  refcount: 0,
  /** The file whose page cache holds this page, or 0 for anonymous memory. */
  mapping: 1,
  /** The page's place in that file, in pages; for anonymous memory, by the `vmPgoff` of every VMA that has it. */
  index: 2,
  flags: 3,
  /** The next frame in the free list. */
  next: 4,
  /** With PG_SWAPCACHE, the slot. */
  swapSlot: 5,
  /**
   * For anonymous memory, the anon_vma of the VMA for which the page was made, which may be gone; 0 for a page that
   * came from the swap area. Only checks of VMAs against pages use it.
   */
  anonVma: 6,
  /** On the LRU list, the page before this one; the next one is `next`. */
  lruPrevious: 7,
})

/** The page was written since it was last clean. */
export const PG_DIRTY = 1
/** Its holder may read it in, write it out, and take it out of its cache; see page-lock.ts. */
export const PG_LOCKED = 2
/** The page is in a cache and has its content. */
export const PG_UPTODATE = 4
/** MADV_FREE has given up its content: it may be dropped as long as no entry for it is dirty. */
export const PG_LAZYFREE = 8
/** It has the content of a slot of the swap area, or is about to get it. */
export const PG_SWAPCACHE = 16
/** It was used since the clock last visited it. */
export const PG_REFERENCED = 32
/** A CPU sleeps until it is unlocked. */
export const PG_WAITERS = 64
/** It is on the LRU list, see lru.ts. */
export const PG_LRU = 128
/** The CPU that uses it first reads on behind it, see cache/readahead.ts. */
export const PG_READAHEAD = 256

/** The `struct page` of a frame. */
export function pageStruct(cpu: Cpu, frame: number): number {
  return cpu.heap[Header.memoryMap] + frame * PAGE_STRUCT_WORDS
}

/** Takes a reference on a page that the caller keeps alive. */
export function getPage(cpu: Cpu, frame: number): void {
  refcountInc(cpu, pageStruct(cpu, frame) + Page.refcount)
}

/**
 * `__page_set_anon_rmap`: makes an anonymous page of a frame that only this CPU has, with so many references. Reclaim,
 * which looks at all frames, and late lookups ignore the page until its count is stored.
 */
export function initAnonymousPage(
  cpu: Cpu,
  frame: number,
  index: number,
  anonVma: number,
  references: number,
): void {
  const { heap } = cpu
  const page = pageStruct(cpu, frame)
  // Atomic, as reclaim loads these two of any frame; and only if needed, as such a store costs as much as a lock.
  if (Atomics.load(heap, page + Page.mapping) !== 0) Atomics.store(heap, page + Page.mapping, 0)
  if (Atomics.load(heap, page + Page.flags) !== 0) Atomics.store(heap, page + Page.flags, 0)
  heap[page + Page.index] = index
  heap[page + Page.anonVma] = anonVma
  Atomics.store(heap, page + Page.refcount, references)
}

/** How many references there are. A pinned page has more than any number that callers compare with. */
export function pageCount(cpu: Cpu, frame: number): number {
  return Atomics.load(cpu.heap, pageStruct(cpu, frame) + Page.refcount)
}

/**
 * `GUP_PIN_COUNTING_BIAS`: how much a pin adds to the references of a page, so that one load gives both. (1024 in
 * Linux, which only needs a guess, see `folio_maybe_dma_pinned` in mm.h. Here it is more than a page has references.)
 */
export const PIN_BIAS = 2 ** 20
/** How many pins a page has at most; for a moment, all CPUs may exceed it at once. */
const PAGE_PINS_MAX = 2 ** 10

/** How many references are not pins. */
export function unpinnedCount(cpu: Cpu, frame: number): number {
  return pageCount(cpu, frame) & (PIN_BIAS - 1)
}

/** `folio_maybe_dma_pinned`, but exact: the page is in use without translations (fault/pin.ts). */
export function isPinned(cpu: Cpu, frame: number): boolean {
  return pageCount(cpu, frame) >= PIN_BIAS
}

/**
 * `PageAnonExclusive`: an anonymous page that only one entry maps. A pinned one is exclusive: it was so when it was
 * pinned, and fork copies it.
 */
export function isExclusive(cpu: Cpu, frame: number): boolean {
  const count = pageCount(cpu, frame)
  return count === 1 || count >= PIN_BIAS
}

/** `try_grab_folio` with FOLL_PIN, of a page that the caller keeps alive. Returns false if it has too many pins. */
export function pinPage(cpu: Cpu, frame: number): boolean {
  const refcount = pageStruct(cpu, frame) + Page.refcount
  if (Atomics.add(cpu.heap, refcount, PIN_BIAS) < PAGE_PINS_MAX * PIN_BIAS) return true
  Atomics.sub(cpu.heap, refcount, PIN_BIAS)
  return false
}

/** Drops a pin. Returns true if the page has no references left, and the caller has to free it. */
export function unpinPage(cpu: Cpu, frame: number): boolean {
  return Atomics.sub(cpu.heap, pageStruct(cpu, frame) + Page.refcount, PIN_BIAS) === PIN_BIAS
}

/** The page belongs to a file. */
export function isFilePage(cpu: Cpu, frame: number): boolean {
  return Atomics.load(cpu.heap, pageStruct(cpu, frame) + Page.mapping) !== 0
}

/** The page is at that place of the file, and stays there while it is locked. */
export function isPageOf(cpu: Cpu, frame: number, file: number, index: number): boolean {
  const page = pageStruct(cpu, frame)
  return (
    Atomics.load(cpu.heap, page + Page.mapping) === file &&
    Atomics.load(cpu.heap, page + Page.index) === index
  )
}
