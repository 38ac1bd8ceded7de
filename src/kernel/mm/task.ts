// A thread in the kernel: its CPU and what Linux keeps in `task_struct`. None of it is shared.

import { Cpu } from '../machine/cpu.ts'
import type { PhysicalMemory } from '../machine/frames.ts'
import { Header } from '../machine/header.ts'
import { PerCpu, clockPages, pcpLimits, statThreshold, watermarks } from '../machine/per-cpu.ts'
import type { DesignHooks } from './design-hooks.ts'
import { FaultContext } from './fault-context.ts'
import { RSS_KINDS } from './mm.ts'
import { RangeWalk } from './range-walk.ts'

/** Entries of the per-thread VMA cache. */
export const VMACACHE_SIZE = 4
/** `ra_pages`: pages that are read at a time at most, 128 KiB. */
export const READAHEAD_PAGES = 32
/** Frames that a teardown collects before it flushes and frees them. */
export const GATHER_FRAMES_MAX = 4096
/** How many separate ranges of pages one mprotect remembers that it has made writable. */
export const WRITABLE_RANGES_MAX = 64

export class Task extends Cpu {
  readonly design: DesignHooks<Task>
  /** Whether the details of SPECULATIVE_PAGE_FAULT_STATS are counted. */
  readonly countsSpfDetails: boolean
  /** How many frames this CPU may keep in front of the zone, and how many it moves at a time. */
  readonly pcpHigh: number
  readonly pcpBatch: number
  /** Pages that go on the list of the LRU together, 0 for none, and that are charged together: see memory/lru.ts. */
  readonly lruBatch: number
  readonly chargeBatch: number
  readonly nodeThreshold: number
  /**
   * Below how many free frames one CPU begins to free some, and until there are how many; 0: none does. The same on all
   * CPUs, and not changed while they are at work.
   */
  lowFrames: number
  highFrames: number
  /** Pages that the hand of the clock passes at a time, see cache/reclaim.ts. */
  readonly clockPages: number
  /** The memory node of this CPU, how many there are, and how many frames each has: see memory/node.ts. */
  readonly node: number
  readonly nodeCount: number
  readonly framesPerNode: number
  /** The fault in progress; a thread has one at a time. */
  readonly fault = new FaultContext()
  /** Whether the last fault was handled without the mmap lock. */
  lastFaultSpeculative = false
  /** Whether it held the mmap lock, if only for a moment: for the whole fault, or to make an anon_vma. */
  lastFaultLockedMm = false
  /** The x86 error code of the first fault of the last access that asked for it. */
  firstFaultError = 0

  // The VMA cache: where the last lookups ended (mm/vmacache.c).
  vmacacheMm = 0
  vmacacheSeqnum = 0
  vmacacheTurns = 0
  readonly vmacache = new Int32Array(VMACACHE_SIZE)

  /**
   * Kamezawa, 18 December 2009: the version of which mm this thread saw when it last held the mmap lock for reading.
   */
  versionMm = 0
  version = 0
  versionTurns = 0

  /** Dufour 2018: the VMA that the speculative try has left for the locked one, with a reference; 0 if none. */
  leftVma = 0

  /** Designs that announce each write of a VMA: mremap is moving entries from one page to another. */
  isMoving = false
  movingFrom = 0
  movingTo = 0

  // Results of findVmaLinks().
  vmaLinkParent = 0
  vmaLink = 0
  vmaLinkPrevious = 0

  /** Whether VMAs are kept in a range tree, and where a change of it stands. */
  readonly usesRangeTree: boolean
  readonly rangeWalk = new RangeWalk()

  // Results of detachVmas(): the neighbours of what was taken out, how many pages of it were committed, and whether
  // files are written through some of it.
  detachedPrevious = 0
  detachedNext = 0
  detachedAccounted = 0
  detachedWrites = false

  // Results of calls that hold the mmap lock: the pages to bring in once they have released it, or that there are some.
  populateStart = 0
  populateEnd = 0
  populates = false
  /** Result of mprotectLocked(): where locked pages can be written now, as pairs of the first page and the end. */
  readonly writableRanges = new Int32Array(2 * WRITABLE_RANGES_MAX)
  writableCount = 0

  /** Result of pinPages(): the first of the frames. */
  pinnedFrame = 0

  // A teardown in progress (mm/mmu_gather.c).
  readonly gatherFrames = new Int32Array(GATHER_FRAMES_MAX)
  gatherCount = 0
  gatherMm = 0
  gatherStart = 0
  gatherEnd = 0
  /** Page tables to be freed, linked. */
  gatherTables = 0

  /** Scratch of zapPteRange: pages unmapped, by kind. */
  readonly zapCounts = new Int32Array(RSS_KINDS)
  /** Frames of files that were written through the entries that are being taken out. */
  readonly zapDirtied = new Int32Array(GATHER_FRAMES_MAX)

  /** Frames that this CPU is reading in or writing back. */
  readonly ioFrames = new Int32Array(READAHEAD_PAGES)
  /** Frames that it is writing so as to free them, perhaps in the middle of the former. */
  readonly reclaimFrames = new Int32Array(READAHEAD_PAGES)
  /** Why the last page of a file could not be had: a negative errno. */
  ioError = 0

  /** A walk over all address spaces: the number of the last one, see mm-count.ts. */
  walkGeneration = 0
  /** The same for files, see host-file.ts. */
  walkFile = 0
  /** Where `appendToFile` has put what it was given, in bytes. */
  appendedAt = 0

  // A turn of the clock (cache/reclaim.ts): where the hand is, and what was taken out of the page table.
  clockPage = 0
  clockCount = 0
  readonly clockFrames: Int32Array
  readonly clockCounts = new Int32Array(RSS_KINDS)

  constructor(id: number, heap: Int32Array, memory: PhysicalMemory, design: DesignHooks<Task>) {
    super(id, heap, memory)
    this.design = design
    this.countsSpfDetails = this.config.SPECULATIVE_PAGE_FAULT_STATS && countsDetails(design)
    this.usesRangeTree = design.rangeTree
    const { high, batch } = pcpLimits(this.cpuCount, heap[Header.frameCount])
    this.pcpHigh = high
    this.pcpBatch = batch
    this.lruBatch = heap[Header.lruBatch]
    this.chargeBatch = heap[Header.chargeBatch]
    this.nodeThreshold = statThreshold(this.cpuCount, heap[Header.frameCount])
    const { low, high: enough } = watermarks(heap[Header.frameCount])
    this.lowFrames = low
    this.highFrames = enough
    this.clockPages = clockPages(heap[Header.frameCount])
    this.clockFrames = new Int32Array(this.clockPages)
    this.node = heap[this.base + PerCpu.node]
    this.nodeCount = heap[Header.nodeCount]
    this.framesPerNode = heap[Header.framesPerNode]
  }
}

function countsDetails({ events }: DesignHooks<Task>): boolean {
  for (let index = 0; index < events.length; index++) if (events[index] === 'SPF_ABORT_ODD') return true
  return false
}
