// What the machine and the kernel keep for each CPU in the heap. Only its own CPU writes a field, unless the field
// says else.

import { layout } from './layout.ts'
import { SLAB_CACHES, SLAB_CPU_WORDS } from './slab-layout.ts'

/** Frames that a CPU may keep in front of the zone. */
export const PCP_CAPACITY = 512
/** `pcp->batch`. */
const PCP_BATCH = 63
/** The most that `pcp->high` may be: above it, a batch goes back to the zone. */
const PCP_HIGH_MAX = PCP_CAPACITY - PCP_BATCH - 1
/** All CPUs together keep at most this part of the memory to themselves. */
const PCP_SHARE = 8

/** A list of frames and what describes it, see `Pageset` of memory/node.ts. */
export const PAGESET_WORDS = 16 + PCP_CAPACITY

/** Words for event counters. */
export const VM_EVENTS_MAX = 64

/** Ranges that a CPU may have pinned at a time, one within the other. */
export const PINNED_RANGES_MAX = 64

/** Pages that a CPU may collect before they go on the list of the LRU, see memory/lru.ts. */
export const LRU_BATCH_MAX = 32

/** Spinlocks that a CPU may wait for at a time, each but the first in an interrupt (qspinlock.c, `MAX_NODES`). */
export const QNODES = 4
export const QNODE_WORDS = 4

const QUEUE = 112
const OSQ = QUEUE + QNODES * QNODE_WORDS
const COUNTERS = OSQ + 16
const PINS = COUNTERS + VM_EVENTS_MAX
const PCP = PINS + 16 + 2 * PINNED_RANGES_MAX
const LRU = PCP + PAGESET_WORDS
const SLABS = LRU + 16 + LRU_BATCH_MAX

export const PerCpu = layout('cpu', SLABS + SLAB_CACHES * SLAB_CPU_WORDS, {
  /** Entry count and flags, see cpu.ts. Other CPUs set the flags. */
  state: 0,

  /** Whether a thread is attached, see thread-end.ts. */
  online: 16,
  /** The lock word on which this CPU is halted, or 0: an interrupt must wake it. */
  haltedOn: 17,
  /** 1 while it sleeps in the kernel, outside for others but with work undone. */
  asleep: 20,
  /**
   * 1 while it may hold a lock or have work half done: then the machine is lost if its thread dies. Other CPUs read it
   * only when the thread is dead.
   */
  atWork: 21,
  /** Bits of the CPUs that wait until this one has done what they call it for. Written by all. */
  mailbox: 24,
  /**
   * The numbers of the attached thread: that of the runtime, and that of the operating system (0 when unknown). The
   * latter belongs to the thread that the runtime calls `nativeOf`: a thread that has just taken the CPU of a dead one
   * has not written its own yet.
   */
  hostThread: 18,
  nativeThread: 19,
  nativeOf: 36,
  /** The memory node that it is of. */
  node: 37,
  /** Bit 0: the scheduler wants the CPU for another thread. A scheduler that can tell writes it. See `spinAdvice`. */
  needResched: 39,
  /**
   * The runtime's numbers of the thread that started the attached one, and of the one that started that; 0 for none.
   */
  hostParent: 22,
  hostGrandparent: 23,

  /** The call that this CPU makes on others: function and arguments. */
  callFunction: 32,
  callRoot: 33,
  callStart: 34,
  callEnd: 35,

  /** What the attached thread has open, linked: see memory/open-file.ts. */
  openFiles: 40,

  /**
   * What this CPU has asked the flusher to synchronise, see calls/msync.ts: how often it has asked, how often that was
   * done and with what result (written by the flusher), of which address space, and which pages.
   */
  syncWanted: 41,
  syncDone: 42,
  syncResult: 38,
  syncMm: 43,
  syncGeneration: 44,
  syncStart: 46,
  syncEnd: 47,

  /**
   * This CPU's place in the queue of a sleeping lock: neighbours, kind, and whether it still waits (written by the
   * waker).
   */
  waiterNext: 48,
  waiterPrevious: 49,
  waiterKind: 50,
  waiterTask: 51,
  /** The same for a wait that ends when a condition holds: see sync/rcuwait.ts. */
  rcuwaitTask: 52,
  /**
   * The spinning semaphore: how often this CPU, a reader, was to be let in for nothing (guarded by the wait lock), and
   * the word on which it sleeps, which may be woken late, for a wait that is over. Where readers spin: what the lock
   * said of its owner when this CPU, a reader, began to wait.
   */
  waiterTries: 53,
  waiterWake: 54,
  waiterMet: 55,

  /** Callbacks that wait for a grace period. `rcuLock` guards them, as another CPU may adopt them. */
  rcuLock: 64,
  rcuNextHead: 65,
  rcuNextTail: 66,
  rcuWaitHead: 67,
  rcuWaitTail: 68,
  /** 0 when both lists are empty. */
  rcuPending: 69,
  /** 1 while this CPU has callbacks in its hands that are on no list. Other CPUs read it. */
  rcuRunning: 70,

  /** RSS changes that are not yet in the mm: which mm, how many events, and by kind. */
  rssMm: 80,
  rssEvents: 81,
  rss: 82,
  /** Pages committed here less those given up, see memory/overcommit.ts. Other CPUs read it. */
  committed: 88,

  /** What the attached thread waits for in memory, and who waits behind it: see sync/futex.ts. */
  futexState: 90,
  futexKey: 91,
  futexNext: 92,

  /** Sections of SRCU begun and ended here, by index. Other CPUs read them. */
  srcuLock: 96,
  srcuUnlock: 98,
  /** hazard-vma: the VMA that a fault or a call of this CPU uses without the mmap lock, or 0. Other CPUs read it. */
  vmaInUse: 100,

  /** Where it waits for queued spinlocks, see sync/qspinlock.ts: a line, written by those before and behind it too. */
  qnodes: QUEUE,

  /** Where it waits among those that spin for a semaphore, see sync/osq.ts: a line, written by its neighbours too. */
  osqNext: OSQ,
  osqPrevious: OSQ + 1,
  osqIsFirst: OSQ + 2,

  vmEvents: COUNTERS,

  /**
   * How many ranges the attached thread has pinned, and for each the first frame and twice the number of frames, one
   * more if they are written: see fault/pin.ts.
   */
  pinnedRanges: PINS,
  pins: PINS + 16,

  /** Free frames in front of the zone of its node, and what that node has not heard of: see memory/node.ts. */
  pcpCount: PCP,
  nodeMapped: PCP + 1,
  nodeInactive: PCP + 2,
  pcp: PCP + 16,

  /** Pages that are not on the list of the LRU yet, and what is charged in advance: see memory/lru.ts. */
  lruCount: LRU,
  memcgStock: LRU + 1,
  lruPages: LRU + 16,

  slabs: SLABS,
})

export const PER_CPU_WORDS = SLABS + SLAB_CACHES * SLAB_CPU_WORDS

/** `pcp->high` and `pcp->batch` for a machine of this size (`zone_highsize`, `zone_batchsize`). */
export function pcpLimits(cpuCount: number, frameCount: number): { high: number; batch: number } {
  const high = Math.max(1, Math.min(PCP_HIGH_MAX, Math.floor(frameCount / (PCP_SHARE * cpuCount))))
  return { high, batch: Math.max(1, Math.min(PCP_BATCH, high >> 1)) }
}

/** `calculate_normal_threshold`: at most. */
const STAT_THRESHOLD_MAX = 125
const MEMORY_UNIT_SHIFT = 27 - 12

/** `calculate_normal_threshold`: how much a CPU counts for itself before the node hears of it. */
export function statThreshold(cpuCount: number, frameCount: number): number {
  const fls = (value: number): number => 32 - Math.clz32(value)
  return Math.min(STAT_THRESHOLD_MAX, 2 * fls(cpuCount) * (1 + fls(frameCount >> MEMORY_UNIT_SHIFT)))
}

/** Machines with fewer frames free some only when none is left. */
const WATERMARK_FRAMES_MIN = 1024

/**
 * `low_wmark_pages` and `high_wmark_pages` for a machine with so many frames (mm/page_alloc.c, Linux 6.12): a quarter
 * and a half above `min_free_kbytes`, which is the root of sixteen times the memory, both in KiB.
 */
export function watermarks(frameCount: number): { low: number; high: number } {
  if (frameCount < WATERMARK_FRAMES_MIN) return { low: 0, high: 0 }
  const min = Math.floor(Math.sqrt(16 * 4 * frameCount) / 4)
  return { low: min + (min >> 2), high: min + (min >> 1) }
}

const CLOCK_PAGES_MIN = 64
/** A page table. */
const CLOCK_PAGES_MAX = 512

/**
 * How many entries of page tables the hand of the clock passes at a time: each time all CPUs are called for a flush, so
 * that there are to be many; but not more than a part of memory, as all of them may leave it. A power of two.
 */
export function clockPages(frameCount: number): number {
  const wanted = 2 ** Math.floor(Math.log2(Math.max(1, frameCount / 8)))
  return Math.min(CLOCK_PAGES_MAX, Math.max(CLOCK_PAGES_MIN, wanted))
}
