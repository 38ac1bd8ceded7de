// What bench/files.ts and its threads agree on.

import type { AddressSpaceHandle } from '../src/index.ts'

export const BLOCK = 4096

export interface FilesTask {
  readonly way:
    | { readonly kind: 'faultline'; readonly space: AddressSpaceHandle; readonly address: number }
    | { readonly kind: 'fs' }
    | { readonly kind: 'package'; readonly name: string }
  readonly path: string
  readonly blocks: number
  readonly thread: number
  readonly threads: number
  /** Reads and writes of one block. */
  readonly operations: number
  /** Where the accesses go. */
  readonly pattern: Pattern
  readonly seed: number
  /** How often each block was written, kept by who writes it. */
  readonly versions: Uint32Array
  /** Words READY, STARTED, FINISHED. */
  readonly control: Int32Array
}

/**
 * All over the file, or nine of ten to its first tenth, half of them writes; or a scan: each thread reads a part of its
 * own, one block after the other.
 */
export type Pattern = 'uniform' | 'skewed' | 'sequential'

export const READY = 0
export const STARTED = 1
export const FINISHED = 2

/** The content of a block that was written so many times. */
export function fillBlock(words: Uint32Array, block: number, version: number): void {
  words[0] = block
  words[1] = version
  for (let index = 2; index < words.length; index++) words[index] = version * 65599 + index
}
