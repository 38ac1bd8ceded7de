// `struct page`: one for each frame, found by the frame's number.

import type { Cpu } from '../machine/cpu.ts'
import { Header, PAGE_STRUCT_WORDS } from '../machine/header.ts'
import { layout } from '../machine/layout.ts'
import { refcountInc } from '../sync/refcount.ts'

export const Page = layout('page', PAGE_STRUCT_WORDS, {
  refcount: 0,
  /** The file whose page cache holds this page, or 0 for anonymous memory. */
  mapping: 1,
  /** The page's place in that file, in pages. */
  index: 2,
  flags: 3,
  /** The next frame in the free list. */
  next: 4,
})

/** The page was written since it was last clean. */
export const PG_DIRTY = 1
/** MADV_FREE has given up what it holds: while no entry for it is dirty, it may be thrown away. */
export const PG_LAZYFREE = 8

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
