// What both sides of the conformance suite agree on: windows, files, and how results are printed. As in linux.c.

import type { AddressSpace, MappedSize, MemoryFile } from '../../src/index.ts'

export const PAGE = 4096
export const ARENA_PAGES = 600
export const HEAP_POSITION = 0x1000_0000
export const HEAP_PAGES = 32
/** The position of the first address that no program can have. */
export const LIMIT_POSITION = 0x2000_0000

/** What the files are at the beginning of each sequence: bytes, and how many of them are written. */
export const files = [
  { size: 5 * PAGE, filled: 5 * PAGE },
  { size: 2 * PAGE + 100, filled: 2 * PAGE + 100 },
  { size: 8 * PAGE, filled: PAGE },
]
/** The sizes of the files, numbered from 1. */
export const fileSizes: readonly number[] = files.map(({ size }) => size)

/** Where operations happen: an address space with nothing free but the windows. */
export interface World {
  readonly space: AddressSpace
  readonly files: readonly MemoryFile[]
  address(position: number): number
  position(address: number): number
  /** How much was mapped when the sequence began. */
  readonly sizes: MappedSize
  /** The most, in bytes, that can be allowed to be locked on the other side. */
  readonly memlockMost: number
  /** Faults that have been handled; null where the design counts those twice that it tries twice. */
  faults(): number | null
}

/** One more value in a checksum. */
export function mix(hash: number, value: number): number {
  return Math.imul(hash ^ value, 0x01000193)
}

export function hex(value: number): string {
  return (value >>> 0).toString(16)
}
