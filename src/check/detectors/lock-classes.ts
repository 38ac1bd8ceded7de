// Which locks are of one class, as lockdep would have them, and what each class is called.

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
  CACHE_VMA,
  Header,
  Mm,
  SLAB_CACHES,
  SLAB_CACHE_WORDS,
  SlabCache,
  Vma,
  Zone,
  NODE_WORDS,
} from '../../kernel/index.ts'

/** Words of the heap, as a power of two, that belong to one object. */
export const KIND_SHIFT = 4
export const CLASSES_MAX = 64

/** What the objects of a slab cache are called. */
export const cacheNames: Readonly<Record<number, string>> = {
  [CACHE_VMA]: 'vm_area_struct',
  [CACHE_PAGE_TABLE]: 'page table',
  [CACHE_ANON_VMA]: 'anon_vma',
  [CACHE_MM]: 'mm_struct',
  [CACHE_FILE]: 'file',
  [CACHE_RADIX_NODE]: 'radix tree node',
  [CACHE_PATH]: 'path',
  [CACHE_MMU_NOTIFIER]: 'mmu_notifier',
  [CACHE_OPEN_FILE]: 'open_file',
  [CACHE_PERCPU_RWSEM]: 'percpu_rw_semaphore',
}

export const CLASS_MMAP_LOCK = 0
const CLASS_WAIT_LOCK = 1
const CLASS_PAGE_TABLE = 2
const CLASS_ZONE = 3
const CLASS_MM_LIST = 4
const CLASS_CACHE = 5
const CLASS_RCU = 6
/** The spinlock of the semaphore that is the lock of a VMA. */
const CLASS_VMA_WAIT_LOCK = 7
/**
 * That a CPU answers interrupts, as if it were a lock: one that has them disabled holds it, and one that calls others
 * waits for it (race R11).
 */
export const CLASS_ANSWER = 8
const CLASS_LRU = 9
/** Locks in objects of slab cache 0; of the others, in their order. */
const CLASS_OBJECT = 10
const knownClasses: readonly string[] = [
  'mm.mmapLock',
  'mm.mmapLock.waitLock',
  'mm.pageTableLock',
  'zone.lock',
  'mmListLock',
  'kmem_cache.lock',
  'cpu.rcuLock',
  'vma.vmLock.waitLock',
  'interrupts',
  'lruLock',
  ...Array.from({ length: SLAB_CACHES }, (_, cache) => objectLockName(cache)),
]

function objectLockName(cache: number): string {
  if (cache === CACHE_PAGE_TABLE) return 'a page-table lock'
  return cache === CACHE_FILE ? 'file.lock' : `the lock of a ${cacheNames[cache]}`
}

/** Locks that stand in the first words of the heap. */
const lockNames: ReadonlyMap<number, string> = new Map([
  [Header.fileListLock, 'fileListLock'],
  [Header.swapLock, 'swapLock'],
  [Header.reclaimLock, 'reclaimLock'],
  [Header.reclaimLock + 1, 'reclaimLock.waitLock'],
])

export class LockClasses {
  /** Of each class. */
  readonly names = [...knownClasses]
  readonly #heap: Int32Array
  readonly #kinds: Int32Array

  /** `kinds` has, for every 16 words of the heap, one more than the slab cache whose object they are part of. */
  constructor(heap: Int32Array, kinds: Int32Array) {
    this.#heap = heap
    this.#kinds = kinds
  }

  of(word: number): number {
    const heap = this.#heap
    const kind = this.#kinds[word >> KIND_SHIFT]!
    if (kind === CACHE_MM + 1) return this.#inMm(this.#within(CACHE_MM, word))
    if (kind === CACHE_VMA + 1 && this.#within(CACHE_VMA, word) === Vma.vmLock + 1) return CLASS_VMA_WAIT_LOCK
    const inNodes = word - heap[Header.zone]!
    if (inNodes >= 0 && inNodes < heap[Header.nodeCount]! * NODE_WORDS)
      return inNodes % NODE_WORDS === Zone.lock ? CLASS_ZONE : CLASS_LRU
    if (word === Header.mmListLock) return CLASS_MM_LIST
    const caches = heap[Header.slabCaches]!
    if (word >= caches && word < caches + SLAB_CACHES * SLAB_CACHE_WORDS) return CLASS_CACHE
    if (word >= heap[Header.perCpu]! && word < caches) return CLASS_RCU
    return kind === 0 ? this.#ofWord(word) : CLASS_OBJECT + kind - 1
  }

  nameOf(word: number): string {
    return this.names[this.of(word)]!
  }

  /** Which word of its object it is. */
  #within(cache: number, word: number): number {
    let run = word >> KIND_SHIFT
    while (this.#kinds[run - 1] === cache + 1) run--
    const words =
      this.#heap[this.#heap[Header.slabCaches]! + cache * SLAB_CACHE_WORDS + SlabCache.objectWords]!
    return (word - (run << KIND_SHIFT)) % words
  }

  /** Of an address space, be it that of a child: it has locks of several classes. */
  #inMm(within: number): number {
    if (within === Mm.mmapLock) return CLASS_MMAP_LOCK
    if (within === Mm.mmapLock + 1) return CLASS_WAIT_LOCK
    if (within === Mm.pageTableLock) return CLASS_PAGE_TABLE
    return CLASS_OBJECT + CACHE_MM
  }

  /** A lock of which nothing is known but where it stands is a class of its own. */
  #ofWord(word: number): number {
    const name = lockNames.get(word) ?? `lock ${word}`
    const present = this.names.indexOf(name)
    if (present >= 0) return present
    const number = this.names.push(name) - 1
    if (number >= CLASSES_MAX) throw new Error('more classes of locks than the detector has room for')
    return number
  }
}
