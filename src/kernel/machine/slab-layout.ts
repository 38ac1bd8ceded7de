// The shape of slab caches, apart from their code, because the header and the per-CPU struct contain them.

import { layout } from './layout.ts'

/** How many slab caches there can be. */
export const SLAB_CACHES = 16
export const SLAB_CACHE_WORDS = 16

export const SlabCache = layout('kmem_cache', SLAB_CACHE_WORDS, {
  lock: 0,
  /** Free objects that are on no CPU's own list, linked through their first word. */
  freeList: 1,
  freeCount: 2,
  objectWords: 3,
  /** Objects that were ever cut from the heap. */
  total: 4,
  /** 1 when freed objects may still be read: they keep what they contain but for the first word. */
  typesafe: 5,
})

/** What each CPU keeps of each cache. */
export const SLAB_CPU_WORDS = 4
export const SlabCpu = layout('kmem_cache_cpu', SLAB_CPU_WORDS, {
  freeList: 0,
  freeCount: 1,
  /** Counts of this CPU; the objects in use are the allocated less the freed, over all CPUs. */
  allocated: 2,
  freed: 3,
})
