// Making a machine: the kernel heap with everything that must be there before the first CPU.

import { designs } from './designs/index.ts'
import { fixedHeapWords, bootHeap, type BootOptions } from './machine/header.ts'
import { PAGE_TABLE_WORDS } from './machine/pte.ts'
import { FILE_WORDS, PATH_WORDS, RADIX_NODE_WORDS } from './memory/file.ts'
import { OPEN_FILE_WORDS } from './memory/open-file.ts'
import { bootNodes } from './memory/node.ts'
import { createSlabCache } from './memory/slab.ts'
import {
  CACHE_ANON_VMA,
  CACHE_FILE,
  CACHE_MM,
  CACHE_MMU_NOTIFIER,
  CACHE_OPEN_FILE,
  CACHE_PAGE_TABLE,
  CACHE_PATH,
  CACHE_PERCPU_RWSEM,
  CACHE_RADIX_NODE,
  CACHE_RANGE_NODE,
  CACHE_VMA,
} from './mm/caches.ts'
import { MM_WORDS } from './mm/mm.ts'
import { percpuRwsemWords } from './sync/percpu-rwsem.ts'
import { MMU_NOTIFIER_WORDS } from './tables/mmu-notifier.ts'
import { ANON_VMA_WORDS } from './vma/anon-vma.ts'
import { RANGE_NODE_WORDS } from './vma/range-tree.ts'
import { VMA_WORDS } from './vma/vma.ts'

/**
 * Words of heap for a machine that nobody sized: room for page tables of a sparse address space. Unused words cost
 * nothing.
 */
export function defaultHeapWords(cpuCount: number, frameCount: number): number {
  return fixedHeapWords(cpuCount, frameCount) + 16 * 1024 * 1024 + frameCount * 64
}

/** The smallest heap with which a machine can do anything. */
export function minimumHeapWords(cpuCount: number, frameCount: number, nodeCount = 1): number {
  return fixedHeapWords(cpuCount, frameCount, nodeCount) + 16 * 4096
}

/** Fills in a heap of zeros. */
export function bootKernel(heap: Int32Array, options: BootOptions): void {
  bootHeap(heap, options)
  createSlabCache(heap, CACHE_VMA, VMA_WORDS, designs[options.design]!.typesafeVmas)
  createSlabCache(heap, CACHE_PAGE_TABLE, PAGE_TABLE_WORDS)
  createSlabCache(heap, CACHE_ANON_VMA, ANON_VMA_WORDS)
  createSlabCache(heap, CACHE_MM, MM_WORDS)
  createSlabCache(heap, CACHE_FILE, FILE_WORDS)
  createSlabCache(heap, CACHE_RADIX_NODE, RADIX_NODE_WORDS)
  createSlabCache(heap, CACHE_RANGE_NODE, RANGE_NODE_WORDS)
  createSlabCache(heap, CACHE_PATH, PATH_WORDS)
  createSlabCache(heap, CACHE_MMU_NOTIFIER, MMU_NOTIFIER_WORDS)
  createSlabCache(heap, CACHE_PERCPU_RWSEM, percpuRwsemWords(options.cpuCount))
  // Asked by place and number, also when it is closed.
  createSlabCache(heap, CACHE_OPEN_FILE, OPEN_FILE_WORDS, true)
  bootNodes(heap, options.nodes?.ofCpu ?? [])
}
