// What the cases of bench/library.ts have in common.

import type { AddressSpace, DiskFile } from '../src/memory.ts'
import type { FfiMap } from './peers/ffi-map.ts'

export const MIB = 2 ** 20
export const PAGE = 4096
export const RECORD = 64
export const RECORDS = 65_536

/** The same work by the library and by its peer; each returns what it has computed. */
export interface Case {
  readonly name: string
  readonly peer: string
  /** Of how many operations the time is. */
  readonly operations: number
  readonly ours: () => number
  readonly theirs: () => number
}

export interface World {
  readonly space: AddressSpace
  /** 1 MiB of memory, contiguous, and the same in shared memory. */
  readonly base: number
  readonly words: Uint32Array<SharedArrayBuffer>
  /** A file of records, mapped and by its descriptor, and another for the descriptor. */
  readonly file: number
  readonly descriptor: number
  /** A file that grows, and another for its descriptor. */
  readonly log: DiskFile
  readonly logDescriptor: number
  /** A file of records, mapped by the operating system; null where it cannot be. */
  readonly ffi: FfiMap | null
}

/** A place that looks like any: the same sequence for both sides. */
export function scattered(index: number, count: number): number {
  return (Math.imul(index, 0x9e37_79b1) >>> 0) % count
}
