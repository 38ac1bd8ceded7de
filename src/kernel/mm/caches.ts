// The slab caches of the kernel.

import { PAGE_TABLE_WORDS } from '../machine/pte.ts'

export const CACHE_VMA = 0
export const CACHE_PAGE_TABLE = 1
export const CACHE_ANON_VMA = 2
export const CACHE_MM = 3
export const CACHE_FILE = 4
export const CACHE_RADIX_NODE = 5
export const CACHES = 6

/** Words of a page table, for sizing the heap. */
export const LARGEST_OBJECT_WORDS = PAGE_TABLE_WORDS
