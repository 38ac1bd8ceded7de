// `struct page`: one for each frame, found by the frame's number.

import type { Cpu } from '../machine/cpu.ts'
import { Header, PAGE_STRUCT_WORDS } from '../machine/header.ts'
import { layout } from '../machine/layout.ts'
import { refcountInc } from '../sync/refcount.ts'

export const Page = layout('page', PAGE_STRUCT_WORDS, {
  refcount: 0,
  /** The file whose page cache holds this page, or 0 for anonymous memory. */
  mapping: 1,
  /** The page's place in that file, in pages; of anonymous memory, by the `vmPgoff` of every VMA that has it. */
  index: 2,
  flags: 3,
  /** The next frame in the free list. */
  next: 4,
  /** With PG_SWAPCACHE, the slot. */
  swapSlot: 5,
  /**
   * Of anonymous memory, the anon_vma of the VMA for which the page was made, which may be gone; 0 for a page that came
   * from the swap area. Nobody needs it but those who check that VMAs and pages agree.
   */
  anonVma: 6,
})

/** The page was written since it was last clean. */
export const PG_DIRTY = 1
/** Who set it may read it in, write it out, and take it out of its cache; see page-lock.ts. */
export const PG_LOCKED = 2
/** Of a page in a cache: it contains what it should. */
export const PG_UPTODATE = 4
/** MADV_FREE has given up what it holds: while no entry for it is dirty, it may be thrown away. */
export const PG_LAZYFREE = 8
/** It is the content of a slot of the swap area, or about to be. */
export const PG_SWAPCACHE = 16
/** It was used since the clock last passed. */
export const PG_REFERENCED = 32
/** Somebody sleeps until it is unlocked. */
export const PG_WAITERS = 64

/** The `struct page` of a frame. */
export function pageStruct(cpu: Cpu, frame: number): number {
  return cpu.heap[Header.memoryMap] + frame * PAGE_STRUCT_WORDS
}

/** Takes a reference on a page that the caller already holds alive. */
export function getPage(cpu: Cpu, frame: number): void {
  refcountInc(cpu, pageStruct(cpu, frame) + Page.refcount)
}

/** How many references there are. */
export function pageCount(cpu: Cpu, frame: number): number {
  return Atomics.load(cpu.heap, pageStruct(cpu, frame) + Page.refcount)
}

/** The page belongs to a file. */
export function isFilePage(cpu: Cpu, frame: number): boolean {
  return Atomics.load(cpu.heap, pageStruct(cpu, frame) + Page.mapping) !== 0
}

/** The page is the one of that place; it stays so while it is locked. */
export function isPageOf(cpu: Cpu, frame: number, file: number, index: number): boolean {
  const page = pageStruct(cpu, frame)
  return (
    Atomics.load(cpu.heap, page + Page.mapping) === file &&
    Atomics.load(cpu.heap, page + Page.index) === index
  )
}
