// The slab caches of the kernel.

export const CACHE_VMA = 0
export const CACHE_PAGE_TABLE = 1
export const CACHE_ANON_VMA = 2
export const CACHE_MM = 3
export const CACHE_FILE = 4
export const CACHE_RADIX_NODE = 5
export const CACHE_RANGE_NODE = 6
/** Where the host finds a file. */
export const CACHE_PATH = 7
export const CACHE_MMU_NOTIFIER = 8
export const CACHE_PERCPU_RWSEM = 9
/** What a thread has open. */
export const CACHE_OPEN_FILE = 10
export const CACHES = 11
