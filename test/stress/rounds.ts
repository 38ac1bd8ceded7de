// What the coordinator of a stress run and its threads tell each other, and where things lie in the address space.
//
// A run is a sequence of rounds. In each, every thread performs the same number of random steps at the same time;
// between rounds nobody touches the machine but the coordinator, which then compares everything with the reference
// model.

import type { Machine, MemoryFile, AddressSpace } from '../../src/memory.ts'
import { PAGE_SIZE, type ReferenceFile, type ReferencePage } from '../reference/model.ts'

/**
 * - slabs: each thread owns a run of pages beside its neighbours' and does calls over many pages in it
 * - interleaved: page p belongs to thread p modulo the number of threads, so that all share and cut up the
 *   same mappings
 * - words: all threads share every page, each owns words in it; nothing may ever lose a word that was stored
 * - free: overlapping calls by all; every stored word says who stored it, where and when
 * - forks: all write, and all fork what they write to; what a copy holds is a moment of it, see fork-rounds.ts
 */
export type RoundKind = 'slabs' | 'interleaved' | 'words' | 'free' | 'forks'

export interface Layout {
  threads: number
  /** address of the arena, a little below a boundary between page tables */
  arena: number
  /** pages that one thread owns in rounds by ownership */
  owned: number
  /** address of the first thread's stack region; regions are stackStride bytes apart, each below a page of no access */
  stacks: number
  stackStride: number
  heap: number
  /** bytes of each file; file 0 ends with a whole page, file 1 within one */
  fileBytes: number[]
}

export const OWNED_PAGES = 20
export const STACK_REGION_PAGES = 700
export const FILE_PAGES_EACH = 16

export function layoutFor(threads: number): Layout {
  const boundary = 0x400_0000_0000 // also a boundary of every larger table
  return {
    threads,
    arena: boundary - 13 * PAGE_SIZE,
    owned: OWNED_PAGES,
    stacks: 0x500_0000_0000,
    stackStride: 4 * 1024 * 1024,
    heap: 0x600_0000_0000,
    fileBytes: [
      threads * Math.max(FILE_PAGES_EACH, OWNED_PAGES) * PAGE_SIZE,
      (threads * FILE_PAGES_EACH - 3) * PAGE_SIZE + 1234,
      WORDS_PAGES * PAGE_SIZE,
      FREE_PAGES * PAGE_SIZE,
    ],
  }
}

/** Files 0 and 1 are written by rounds of ownership, file 2 never, file 3 by free rounds, which begin with zeros. */
export const FILES = 4
export const WORDS_FILE = 2
export const FREE_FILE = 3

/** What a byte of a file is before anybody writes to it. */
export function initialByte(file: number, at: number): number {
  return file === FREE_FILE ? 0 : (at * 31 + (at >> 8) * 17 + file * 101 + 1) & 0xff
}

export function initialContents(file: number, bytes: number): Uint8Array {
  const contents = new Uint8Array(bytes)
  for (let at = 0; at < bytes; at++) contents[at] = initialByte(file, at)
  return contents
}

export interface StartMessage {
  type: 'start'
  threads: number
  machine: Machine['handle']
  control: Int32Array
  seed: number
}

export interface RoundMessage {
  type: 'round'
  round: number
  kind: RoundKind
  steps: number
  spaces: AddressSpace['handle'][]
  /** whether the threads' models of the previous round still hold */
  keep: boolean
  /** whether calls may fail for lack of memory */
  pressure: boolean
  /** in a free round, work at few pages only, so that accesses and calls collide as often as possible */
  hot: boolean
  /** pages from one page of a words round to the next */
  stride: number
  /** the machine and the files of this round, where they are not the run's own */
  machine: Machine['handle'] | null
  files: MemoryFile['handle'][]
  /** shared state of free and words rounds */
  shared: Int32Array
  /** whether threads give their CPU back and take one again now and then */
  reattach: boolean
}

/** What one thread knows of its own pages after a round. */
export interface OwnedState {
  pages: Map<number, ReferencePage>
  files: Map<number, ReferenceFile['pages']>
}

export type WorkerMessage =
  | { type: 'ready'; thread: number }
  | {
      type: 'done'
      thread: number
      outOfMemory: number
      succeeded: number
      failed: number
      owned: OwnedState[]
    }
  | {
      type: 'divergence'
      thread: number
      step: number
      page: string
      operation: string
      expected: string
      got: string
    }
  | { type: 'error'; thread: number; step: number; stack: string }

/** Words of the control array. */
export const CONTROL_ARRIVED = 0
export const CONTROL_GENERATION = 1
export const CONTROL_STOP = 2
/** one word a thread: the step that it is at */
export const CONTROL_STEPS = 16

// ── free rounds
// ────────────────────────────────────────────────────────────────────────────────────────────────────────

export const FREE_PAGES = 40
/** Pages from here on are always mapped from the file, only ever replaced: an access never finds a hole. */
export const FREE_FILE_FROM = 32
/** Pages from here to FREE_FILE_FROM - 1 are always writable where they are mapped at all. */
export const FREE_WRITABLE_FROM = 22
/** The pages of a hot round: two whose protection changes, two that are always writable. */
export const FREE_HOT_FROM = 20
export const FREE_HOT_TO = 24
export const FREE_SLOTS = 8
export const FREE_SPACES = 2

/** Shared words of a free round. */
export function freeLayout(threads: number) {
  const issued = 0
  const completed = threads
  const floors = 2 * threads
  return {
    issued,
    completed,
    floor: (space: number, page: number) => floors + (space * FREE_PAGES + page) * threads,
    words: floors + FREE_SPACES * FREE_PAGES * threads,
  }
}

export interface Tag {
  thread: number
  space: number
  page: number
  slot: number
  sequence: number
}

export const TAG_SEQUENCES = 2 ** 18

export function encodeTag({ thread, space, page, slot, sequence }: Tag): number {
  return ((((thread * 2 + space) * 64 + page) * 8 + slot) * TAG_SEQUENCES + sequence) >>> 0
}

export function decodeTag(word: number): Tag {
  const sequence = word % TAG_SEQUENCES
  const rest = Math.floor(word / TAG_SEQUENCES)
  return {
    sequence,
    slot: rest % 8,
    page: Math.floor(rest / 8) % 64,
    space: Math.floor(rest / 512) % 2,
    thread: Math.floor(rest / 1024),
  }
}

// ── words rounds
// ───────────────────────────────────────────────────────────────────────────────────────────────────────

export const WORDS_PAGES = 96
/** Pages from here on are private mappings of a file. */
export const WORDS_FILE_FROM = 72
/** Threads of a words round own words 2t and 2t + 1 of each page; this word is everybody's counter. */
export const WORDS_COUNTER = 1000

/** Shared words of a words round: the page that all work at, and how often each page's counter was raised. */
export const WORDS_FRONT = 0
export const WORDS_STEPS = 1
export const WORDS_RAISED = 2
