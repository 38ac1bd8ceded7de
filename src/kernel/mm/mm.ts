// `mm_struct`: an address space. Addresses inside the kernel are page numbers.

import { CPU_MASK_WORDS } from '../machine/cpu.ts'
import { CACHE_LINE_WORDS, layout } from '../machine/layout.ts'
import { PGD_WORDS } from '../machine/pte.ts'

const MMAP_LOCK = 16
const MMAP_SEQ = 32
const PAGE_TABLE_LOCK = 48
const CPU_MASK = 64
const RSS = 80
const ACCOUNTS = 96
const PGD = 112

export const MM_WORDS = PGD + PGD_WORDS + CACHE_LINE_WORDS

export const Mm = layout('mm_struct', MM_WORDS, {
  /**
   * The root of the red-black tree of VMAs, and the first of their list. Changed under the mmap lock held for write.
   */
  rbRoot: 0,
  mmap: 1,
  mapCount: 2,
  /** Pages mapped. */
  totalVm: 3,
  /** Where the search for a free range begins, downwards. */
  mmapBase: 4,
  highestVmEnd: 5,
  startBrk: 6,
  /** The end of the heap in bytes beyond `startBrk`, unsigned. */
  brkBytes: 7,
  maxMapCount: 8,
  /** Moves whenever a VMA leaves the tree, so that the per-thread VMA caches know; and its turns, see vmacache.ts. */
  vmacacheSeqnum: 9,
  vmacacheTurns: 10,
  /** Dufour 2018: guards the tree, beside its root as in the patches; two words. */
  mmRbLock: 14,
  /** Zijlstra 2014, Dufour 2019: a seqlock around changes of the tree. */
  mmSeq: 11,
  mmSeqTurns: 12,

  mmapLock: MMAP_LOCK,
  /** Lespinasse: even while no writer holds the mmap lock, odd while one does. */
  mmapSeq: MMAP_SEQ,
  mmapSeqTurns: MMAP_SEQ + 1,
  /** Kamezawa, 18 December 2009: moves when the mmap lock is taken for write and when it is given up. */
  version: MMAP_SEQ + 2,
  versionTurns: MMAP_SEQ + 3,
  /** Per-VMA lock: moves when the mmap lock, held for write, is given up; that unlocks every VMA. */
  mmLockSeq: MMAP_SEQ + 4,
  /** Per-VMA reference count: the writer that waits for readers of a VMA, see sync/rcuwait.ts. */
  vmaWriterWait: MMAP_SEQ + 5,

  /** The root of the range tree of VMAs, where the design has one. Changed under the mmap lock held for write. */
  rangeRoot: MMAP_SEQ + 8,

  /** The observers of this mm's translations, linked; see mmu-notifier.ts. */
  mmuNotifiers: MMAP_SEQ + 9,
  /** Guards the list of observers; two words, see sync/rwlock.ts: reclaim holds it for reading. */
  mmuNotifiersLock: MMAP_SEQ + 13,
  /** Lespinasse 2022: the per-CPU semaphore of those who register observers; 0 where the design has none. */
  mmuNotifierLock: MMAP_SEQ + 11,
  /** MMF_UNSTABLE, see oom-reaper.ts. Beside what faults read anyway. */
  flags: MMAP_SEQ + 12,

  /** Guards the upper levels of the page table and `vma.anonVma`. */
  pageTableLock: PAGE_TABLE_LOCK,
  pageTables: PAGE_TABLE_LOCK + 1,
  rcuHead: PAGE_TABLE_LOCK + 2,
  /** `mm_count`: references on the struct, of which one stands for the address space itself. */
  count: PAGE_TABLE_LOCK + 4,
  /** Which of all address spaces of the machine it is, see sync/number.ts; 0 once it is destroyed. */
  generation: PAGE_TABLE_LOCK + 5,
  generationHigh: PAGE_TABLE_LOCK + 6,
  /** The next address space of the machine. */
  nextMm: PAGE_TABLE_LOCK + 7,
  /** Leaf slots: 1 while a writer has the mmap lock. Set under `pageTableLock`. */
  layoutChanging: PAGE_TABLE_LOCK + 8,

  /** Threads that use this mm. Written by all. */
  users: CPU_MASK - 1,
  /** The CPUs that may hold translations of this mm. */
  cpuMask: CPU_MASK,

  /** Pages by kind: MM_FILE_PAGES, MM_ANON_PAGES, MM_SHMEM_PAGES, MM_SWAPENTS. */
  rss: RSS,

  /** Pages mapped, by what they are for, see accounts.ts. These and the limits change under the mmap write lock. */
  dataVm: ACCOUNTS,
  execVm: ACCOUNTS + 1,
  stackVm: ACCOUNTS + 2,
  /** Pages of locked mappings, whether they are there or not. */
  lockedVm: ACCOUNTS + 3,
  /** What mappings to come are made with: VM_LOCKED and VM_LOCKONFAULT of mlockall(). */
  defFlags: ACCOUNTS + 4,
  /** For each RLIMIT_* two words: whole pages, and the bytes beyond them. */
  limits: ACCOUNTS + 5,

  /** Which protection keys are given away, by bits, and the one of what may only be executed, -1 if none: pkeys.ts. */
  pkeyAllocationMap: ACCOUNTS + 13,
  executeOnlyPkey: ACCOUNTS + 14,

  pgd: PGD,
  /** Nothing here: a simulated Linux that has the owner of the mmap lock on a line of its own has it there. */
  mmapLockOwner: PGD + PGD_WORDS,
})

export const MM_FILE_PAGES = 0
export const MM_ANON_PAGES = 1
export const MM_SHMEM_PAGES = 2
/** Entries that refer to the swap area. */
export const MM_SWAPENTS = 3
export const RSS_KINDS = 4

/** First page that is not the user's: 8 TiB less one page, so that an end fits in 31 bits. */
export const TASK_SIZE = 0x7fff_ffff
/** `mmap_min_addr`, 64 KiB, in pages. */
export const MMAP_MIN = 16
/** The gap that is kept between the topmost mapping and the stack, 128 MiB, in pages. */
export const MMAP_GAP = 32768
/** `stack_guard_gap`: pages that are kept free below a stack. */
export const STACK_GUARD_GAP = 256
/** `sysctl_max_map_count`. */
export const DEFAULT_MAX_MAP_COUNT = 65530
/** Where the heap begins unless exec says else, 64 GiB, in pages. */
export const DEFAULT_START_BRK = 0x100_0000
/** RLIMIT_STACK, 8 MiB, in pages. */
export const DEFAULT_STACK_LIMIT = 2048
/** RLIMIT_MEMLOCK, 8 MiB, in pages (MLOCK_LIMIT since 5.16). */
export const DEFAULT_MEMLOCK_LIMIT = 2048

/** The limits of an address space, as `setrlimit` numbers them, but for the numbers. */
export const RLIMIT_AS = 0
export const RLIMIT_DATA = 1
export const RLIMIT_STACK = 2
export const RLIMIT_MEMLOCK = 3
export const RLIMITS = 4
/** More pages than there can be. */
export const RLIM_INFINITY = 0x7fff_ffff

if (Mm.limits + 2 * RLIMITS > Mm.pkeyAllocationMap)
  throw new Error('mm_struct: the limits overlap what follows them')
if (CPU_MASK + CPU_MASK_WORDS > RSS) throw new Error('mm_struct: the CPU mask overlaps what follows it')
