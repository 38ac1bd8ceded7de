// What both sides of the conformance suite agree on: windows, files, and how results are printed. As in linux.c.

import {
  type AddressSpace,
  BusError,
  type DiskFile,
  type MappedSize,
  MemoryError,
  type MemoryFile,
  SegmentationFault,
} from '../../src/memory.ts'

export const PAGE = 4096
/** Two whole page tables, and a little before and behind them. */
export const ARENA_PAGES = 1060
/** The first page of the arena that begins a page table, and how many pages one covers. */
export const FIRST_TABLE = 4
export const TABLE_PAGES = 512
export const HEAP_POSITION = 0x1000_0000
export const HEAP_PAGES = 32
/** The position of the first address that no program can have. */
export const LIMIT_POSITION = 0x2000_0000

/** What the files are at the beginning of each sequence: bytes, and how many of them are written. */
export const files = [
  { size: 5 * PAGE, filled: 5 * PAGE },
  { size: 2 * PAGE + 100, filled: 2 * PAGE + 100 },
  { size: 8 * PAGE, filled: PAGE },
  { size: 5 * PAGE + 200, filled: 5 * PAGE + 200 },
]
/** The number of the file that is open for reading only, and always the same. */
export const READ_ONLY = 4
/** That of the file on which two threads work together. */
export const WORKED_ON = 3
/** The sizes of the files, numbered from 1. */
export const fileSizes: readonly number[] = files.map(({ size }) => size)

/** Most processes that a sequence may have had. */
export const MAX_PROCESSES = 5

export const ARENA = 0x3ff_ffff_c000
/** The first address that no program can have. */
export const LIMIT = 2 ** 43 - PAGE

/** Who performs a sequence, and how that changes. Each returns what linux.c prints. */
export interface Processes {
  /** The process that goes on is copied; with `childGoesOn` the copy goes on. */
  fork(childGoesOn: boolean): string
  /** What every page of this process holds; then it ends, unless it is the first, and its parent goes on. */
  exit(): string
  /** Another of the processes goes on, or the same. */
  choose(which: number): string
  /** Another thread goes on, or the same. */
  thread(which: number): string
  /** Does both at the same time, where there are two threads. */
  together(halves: readonly [Half, Half]): void
}

/** What one of two threads does that work at the same time at so many pages: see linux.c. */
export interface Half {
  readonly start: number
  readonly count: number
  readonly begin: number
  readonly odd: number
  readonly seed: number
}

/** What all processes of a sequence have in common. */
export interface Setting {
  /** Where the heap begins. */
  readonly heap: number
  /** How much was mapped when the sequence began. */
  readonly sizes: MappedSize
  /** The most, in bytes, that can be allowed to be locked on the other side. */
  readonly memlockMost: number
}

/** Where operations happen: an address space with nothing free but the windows. */
export interface World extends Setting {
  readonly space: AddressSpace
  readonly files: readonly (DiskFile | MemoryFile)[]
  readonly processes: Processes
  address(position: number): number
  position(address: number): number
}

export function worldOf(
  space: AddressSpace,
  open: World['files'],
  setting: Setting,
  processes: Processes,
): World {
  const { heap } = setting
  const heapEnd = heap + HEAP_PAGES * PAGE
  return {
    ...setting,
    space,
    files: open,
    processes,
    address(position) {
      if (position >= LIMIT_POSITION) return LIMIT + (position - LIMIT_POSITION)
      if (position >= HEAP_POSITION) return heap + (position - HEAP_POSITION)
      return ARENA + position
    },
    position(address) {
      if (address >= LIMIT) return LIMIT_POSITION + (address - LIMIT)
      if (address >= heap && address < heapEnd + PAGE) return HEAP_POSITION + (address - heap)
      return address - ARENA
    },
  }
}

/** What a step printed, and whether a fault of it ended in a signal. */
export interface Result {
  readonly text: string
  readonly signal: boolean
}

/** What `body` returns, or the name of the error or signal that it throws. */
export function resultOf(world: World, body: () => string): Result {
  try {
    return { text: body(), signal: false }
  } catch (error) {
    if (error instanceof SegmentationFault || error instanceof BusError)
      return { text: `${error.code}@${world.position(error.address).toString(16)} `, signal: true }
    if (error instanceof MemoryError) return { text: error.errno, signal: false }
    throw error
  }
}

/** One more value in a checksum. */
export function mix(hash: number, value: number): number {
  return Math.imul(hash ^ value, 0x01000193)
}

export function hex(value: number): string {
  return (value >>> 0).toString(16)
}
