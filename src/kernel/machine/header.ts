// The first words of the kernel heap: what every thread needs to find the rest.

import { cacheLineAlign, layout } from './layout.ts'
import { PAGESET_WORDS, PER_CPU_WORDS } from './per-cpu.ts'
import { SLAB_CACHE_WORDS, SLAB_CACHES } from './slab-layout.ts'

export const HEAP_MAGIC = 0x46_4c_54_31

const RECLAIM = 96
const SWAP = 112
const MEMCG = 144
const WRITEBACK = 176
const WORDS = 192

export const Header = layout('machine', WORDS, {
  magic: 0,
  cpuCount: 1,
  frameCount: 2,
  /** Options as `packKernelConfig` packs them. */
  config: 3,
  /** The form of the semaphores, see `rwsemKinds` of sync/rwsem.ts. */
  rwsemKind: 4,
  /** Index into the list of designs. */
  design: 5,
  /** 1 when RSS is counted per thread in batches, 0 when every change goes to the mm. */
  rssBatched: 6,
  /** `vm.overcommit_memory`, `vm.overcommit_ratio` and `vm.overcommit_kbytes`, see memory/overcommit.ts. */
  overcommitMemory: 7,
  overcommitRatio: 8,
  overcommitKbytes: 9,
  /** Four words by which the host identifies the machine; the kernel does not read them. */
  identity: 10,
  /** How many pages are accounted together, see memory/lru.ts; 0: not at all. */
  lruBatch: 14,
  chargeBatch: 15,
  /** One more than the number of the CPU that died inside the kernel; 0 while the machine is sound. */
  lostCpu: 16,
  /** 1 if withRange() hands out copies: see the threads backend. The kernel does not read it. */
  checkRanges: 17,
  /** What spinlocks are, see `spinlockKinds` of sync/spinlock.ts. */
  spinlockKind: 18,
  /** Memory nodes, and how many frames each has but the last: see memory/node.ts. */
  nodeCount: 19,
  framesPerNode: 20,
  /** 1 where a reader that tries a semaphore looks at it first, see memory/lru.ts. */
  looksFirst: 21,
  /** Pages committed, without those that each CPU counts by itself. */
  vmCommittedAs: 24,
  /** The next word that was never allocated. */
  heapNext: 32,
  heapEnd: 33,
  /**
   * The first word of the per-CPU structs, the slab caches, the zones with their nodes, and the array of `struct page`.
   */
  perCpu: 34,
  slabCaches: 35,
  zone: 36,
  memoryMap: 37,
  /** One word for each frame, see sectors.ts. */
  writtenSectors: 38,
  /** The frames of other nodes that each CPU keeps, see memory/node.ts. */
  pagesets: 39,
  /** All address spaces, linked, and the lock of that list. */
  mmList: 48,
  mmListLock: 49,
  /** The last numbers that were assigned, two words each, and their lock: see sync/number.ts. */
  mmGeneration: 50,
  mmGenerationHigh: 51,
  fileGeneration: 56,
  fileGenerationHigh: 57,
  mmuNotifierGeneration: 58,
  mmuNotifierGenerationHigh: 59,
  numberLock: 60,
  /**
   * The highest sequence number, with its turns, that the VMA caches of any destroyed address space had: that of a new
   * one begins above it. Guarded by the lock of the list.
   */
  vmacacheSeqnum: 61,
  vmacacheTurns: 62,
  /** The one SRCU domain, `vma_srcu`: see sync/srcu.ts. */
  srcu: 64,
  /** A bit for every CPU that there may be, as `callFunctionMany` wants it. */
  cpuMask: 80,

  /** Files whose contents the host keeps, linked, and the lock of that list. */
  fileList: 53,
  fileListLock: 54,
  /** Files without a reference, whose pages are still to be written back or discarded, linked. */
  deadFiles: 55,

  /**
   * Where the two hands of the clock stand, see cache/reclaim.ts: a frame; an address space by the low half of its
   * number, and a page.
   */
  frameHand: RECLAIM,
  clockGeneration: RECLAIM + 1,
  clockPage: RECLAIM + 2,
  /** Pages of files of the host in memory, which can be reclaimed without a swap area. */
  cachedPages: RECLAIM + 3,
  /** Pages that MADV_FREE has given up and that were not written since; some may be freed by now. */
  lazyFreePages: RECLAIM + 4,
  /** How often the hand of the clock has come round, and how many frames it has freed. */
  clockRevolutions: RECLAIM + 5,
  reclaimedFrames: RECLAIM + 6,

  /** `swap_info_struct`: see memory/swap.ts. The file of the swap area, 0 without one. */
  swapFile: SWAP,
  swapLock: SWAP + 1,
  /** Slots of the area, numbered from 1, and how many the arrays have room for. */
  swapSlots: SWAP + 2,
  swapCapacity: SWAP + 3,
  swapFree: SWAP + 4,
  /** The slot at which the search for a free one goes on. */
  swapHand: SWAP + 5,
  /** One word a slot each: entries of page tables and files that refer to it; the frame in the swap cache; the file. */
  swapMap: SWAP + 6,
  swapCache: SWAP + 7,
  swapOwner: SWAP + 8,
  /** Whether the area is being emptied: see memory/swap.ts. */
  swapLeaving: SWAP + 9,

  /** One more than the number of the CPU that frees frames up to the high watermark; 0 if none does. */
  balancingCpu: SWAP + 10,

  /** A rw_semaphore: a CPU holds it for reading while it reclaims, see cache/reclaim.ts. */
  reclaimLock: SWAP + 16,

  /** Pages charged: of the cgroup, and of the root above it. */
  memcgUsage: MEMCG,
  rootUsage: MEMCG + 16,

  /** The flusher, see cache/flusher.ts: one more than the number of the CPU that is kept for it, 0 without one. */
  flusherCpu: WRITEBACK,
  /** The word that the flusher sleeps on: 1 when it has work, FLUSHER_STOP when it must end. */
  flusherWake: WRITEBACK + 1,
  /** Periods since the machine began: the flusher's clock. */
  writebackPeriod: WRITEBACK + 2,
  /** Pages that became dirty since it last began to write, and the number at which it is woken; 0: never. */
  dirtied: WRITEBACK + 3,
  dirtyBackground: WRITEBACK + 4,
  /** The number of periods after which it writes a dirty file. */
  dirtyExpire: WRITEBACK + 5,
  /** 1 if the flusher uses the file system, whatever storage other threads use. The kernel does not read it. */
  flusherStorage: WRITEBACK + 6,
  /** 1 once the flusher has attached, or is known not to come. */
  flusherCame: WRITEBACK + 7,

  /** The first thread that waits for a word of memory, by its CPU plus one, and the lock: see sync/futex.ts. */
  futexHead: WRITEBACK + 8,
  futexLock: WRITEBACK + 9,
})

export const HEADER_WORDS = WORDS
export const ZONE_WORDS = 16
/** A zone and what else its node has. */
export const NODE_WORDS = ZONE_WORDS + 48
/** `sysctl_overcommit_ratio`, in per cent. */
export const DEFAULT_OVERCOMMIT_RATIO = 50
export const PAGE_STRUCT_WORDS = 8

export interface BootOptions {
  readonly cpuCount: number
  readonly frameCount: number
  readonly heapWords: number
  readonly config: number
  readonly rwsemKind: number
  /** See `spinlockKinds` of sync/spinlock.ts. Default: test-and-set. */
  readonly spinlockKind?: number
  readonly design: number
  readonly rssBatched: boolean
  /** See memory/lru.ts. Default: none. */
  readonly accounting?: {
    readonly lruBatch: number
    readonly chargeBatch: number
    readonly looksFirst?: boolean
  }
  /** Memory nodes, of which each has as many frames, and which of them each CPU is of. Default: one. */
  readonly nodes?: NodeOptions
  /** What may be committed. Default: the heuristic of Linux. */
  readonly overcommit?: OvercommitOptions
}

export interface NodeOptions {
  readonly count: number
  /** By the number of the CPU. */
  readonly ofCpu: readonly number[]
}

/** `vm.overcommit_*`. */
export interface OvercommitOptions {
  /** 0: heuristic, 1: always, 2: never. */
  readonly memory: number
  /** Per cent of the physical memory, for mode 2. */
  readonly ratio: number
  /** KiB instead of the ratio, unless it is 0. */
  readonly kilobytes: number
}

/** Words of the heap that are in use before the first object is allocated. */
export function fixedHeapWords(cpuCount: number, frameCount: number, nodeCount = 1): number {
  const pagesets = nodeCount === 1 ? 0 : cpuCount * nodeCount * PAGESET_WORDS
  const arrays = cpuCount * PER_CPU_WORDS + SLAB_CACHES * SLAB_CACHE_WORDS + nodeCount * NODE_WORDS + pagesets
  return HEADER_WORDS + arrays + cacheLineAlign(frameCount * (PAGE_STRUCT_WORDS + 1))
}

/** Lays out a fresh heap, all zero until now. The slab caches and the nodes are filled in by their own modules. */
export function bootHeap(heap: Int32Array, options: BootOptions): void {
  const { cpuCount, frameCount } = options
  const nodeCount = options.nodes?.count ?? 1
  heap[Header.cpuCount] = cpuCount
  heap[Header.frameCount] = frameCount
  heap[Header.config] = options.config
  heap[Header.rwsemKind] = options.rwsemKind
  heap[Header.spinlockKind] = options.spinlockKind ?? 0
  heap[Header.design] = options.design
  heap[Header.rssBatched] = options.rssBatched ? 1 : 0
  heap[Header.lruBatch] = options.accounting?.lruBatch ?? 0
  heap[Header.chargeBatch] = options.accounting?.chargeBatch ?? 0
  heap[Header.looksFirst] = options.accounting?.looksFirst === true ? 1 : 0
  heap[Header.overcommitMemory] = options.overcommit?.memory ?? 0
  heap[Header.overcommitRatio] = options.overcommit?.ratio ?? DEFAULT_OVERCOMMIT_RATIO
  heap[Header.overcommitKbytes] = options.overcommit?.kilobytes ?? 0
  heap[Header.nodeCount] = nodeCount
  heap[Header.framesPerNode] = Math.ceil(frameCount / nodeCount)
  heap[Header.perCpu] = HEADER_WORDS
  heap[Header.slabCaches] = heap[Header.perCpu] + cpuCount * PER_CPU_WORDS
  heap[Header.zone] = heap[Header.slabCaches] + SLAB_CACHES * SLAB_CACHE_WORDS
  heap[Header.pagesets] = heap[Header.zone] + nodeCount * NODE_WORDS
  heap[Header.memoryMap] =
    heap[Header.pagesets] + (nodeCount === 1 ? 0 : cpuCount * nodeCount * PAGESET_WORDS)
  heap[Header.writtenSectors] = heap[Header.memoryMap] + frameCount * PAGE_STRUCT_WORDS
  for (let id = 0; id < cpuCount; id++) heap[Header.cpuMask + (id >> 5)] |= 1 << (id & 31)
  heap[Header.heapNext] = fixedHeapWords(cpuCount, frameCount, nodeCount)
  heap[Header.heapEnd] = options.heapWords
  Atomics.store(heap, Header.magic, HEAP_MAGIC)
}

/**
 * Cuts `words` words, a multiple of a cache line, from the heap for good. Returns 0 when there is not that much left.
 */
export function heapAlloc(heap: Int32Array, words: number): number {
  for (;;) {
    const next = Atomics.load(heap, Header.heapNext)
    if (next + words > heap[Header.heapEnd]) return 0
    if (Atomics.compareExchange(heap, Header.heapNext, next, next + words) === next) return next
  }
}
