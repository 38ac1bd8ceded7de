// The workloads of `faultline bench`: what each one does and what it counts, as data.
//
// Principles: a workload is the loop of one thread, and every thread runs the same loop on memory of its
// own in one shared address space, so that what it meets is the memory manager and not the other threads'
// data; in `vma`, from stress-ng, all meet at the same pages. Those that carry a name of the will-it-scale
// suite do what the test of that name does and count what it counts; bench/peers/linux.c holds the same loops
// for the real kernel and must be changed together with loops.ts and vma-mix.ts.
import type { MachineOptions } from '../backends/threads/index.ts'
import { designs as allDesigns } from '../kernel/index.ts'
import { VMA_MIX_PAGES, vmaMixOthers } from './vma-mix.ts'

export type DesignName = NonNullable<MachineOptions['design']>
export type RwsemName = NonNullable<MachineOptions['rwsem']>
/** 'year': each design with that of its year, and the classic one with each of these, for comparison. */
export type RwsemChoice = readonly RwsemName[] | 'year'
export interface DesignAndRwsem {
  readonly design: DesignName
  readonly rwsem: RwsemName
}
export type RssMode = NonNullable<MachineOptions['rss']>

const CLASSIC = 'classic'

export type WorkloadName =
  | 'page_fault1'
  | 'page_fault3'
  | 'mmap1'
  | 'read-fault'
  | 'fault-beside-writer'
  | 'vma'

export interface Workload {
  readonly name: WorkloadName
  /** What one count is; rates are counts per second. */
  readonly counts: 'pages' | 'map+unmap pairs' | 'accesses'
  /** Where the definition comes from. */
  readonly origin: 'will-it-scale' | 'stress-ng' | 'faultline'
  /** Further threads that run during the measurement and are not counted. */
  readonly writers: number
  /** The pages that all threads share; 0 where each has memory of its own. */
  readonly sharedPages: number
  /** Whether the loop writes to memory, so that each page of each thread needs a frame. */
  readonly fillsMemory: boolean
  readonly description: string
}

/** The architecture's page, in bytes: 4 KiB here and in the peers. */
export const PAGE_SIZE = 4096

/** The mapping of each thread, in bytes: what will-it-scale calls MEMSIZE. */
export const DEFAULT_BYTES_PER_THREAD = 128 * 1024 * 1024

/** What the writer of fault-beside-writer maps, populates and unmaps in one cycle, in bytes: one full page table. */
export const WRITER_BYTES = 2 * 1024 * 1024

/**
 * One fault of this many is timed. A prime near 64: it shares no factor with the 512 entries of a page table nor
 * with the batches (31, 63) by which per-CPU lists of free frames are refilled, so that samples meet each of
 * those costs as often as they occur. One fault in 64 would land on the first entry of a table far too often.
 */
export const LATENCY_SAMPLE_INTERVAL = 61

export const workloads: readonly Workload[] = [
  {
    name: 'page_fault1',
    counts: 'pages',
    origin: 'will-it-scale',
    writers: 0,
    sharedPages: 0,
    fillsMemory: true,
    description: 'map anonymous private memory, write one byte of every page, unmap, repeat',
  },
  {
    name: 'page_fault3',
    counts: 'pages',
    origin: 'will-it-scale',
    writers: 0,
    sharedPages: 0,
    fillsMemory: true,
    description: 'map a file of its own shared, write one byte of every page, unmap, repeat',
  },
  {
    name: 'mmap1',
    counts: 'map+unmap pairs',
    origin: 'will-it-scale',
    writers: 0,
    sharedPages: 0,
    fillsMemory: false,
    description: 'map and unmap anonymous memory without touching it',
  },
  {
    name: 'read-fault',
    counts: 'pages',
    origin: 'faultline',
    writers: 0,
    sharedPages: 0,
    fillsMemory: false,
    description: 'read one byte of every page (each maps the zero page), MADV_DONTNEED, repeat',
  },
  {
    name: 'fault-beside-writer',
    counts: 'pages',
    origin: 'faultline',
    writers: 1,
    sharedPages: 0,
    fillsMemory: true,
    description:
      'write one byte of every page, MADV_DONTNEED, repeat, while one more thread maps, populates and unmaps 2 MiB',
  },
  {
    name: 'vma',
    counts: 'accesses',
    origin: 'stress-ng',
    writers: vmaMixOthers.length,
    sharedPages: VMA_MIX_PAGES,
    fillsMemory: false,
    description:
      `read or write a byte of one of ${VMA_MIX_PAGES} pages, mapped or not, while ${vmaMixOthers.length} more ` +
      'threads map, unmap, protect, advise and list them',
  },
]

/** The workload of that name, or undefined. */
export function findWorkload(name: string): Workload | undefined {
  return workloads.find((workload) => workload.name === name)
}

/**
 * The memory, in bytes, of a machine on which `threads` threads run the workload on `bytesPerThread` each: what
 * they fill, plus a margin for page tables, per-CPU lists and frames that wait for a grace period.
 */
export function machineMemory(workload: Workload, threads: number, bytesPerThread: number): number {
  const filled = workload.fillsMemory ? threads * bytesPerThread : 0
  const pageTables = threads * Math.ceil(bytesPerThread / 512)
  const writers = workload.sharedPages > 0 ? 0 : workload.writers * 4 * WRITER_BYTES
  const margin = 16 * 1024 * 1024 + (threads + workload.writers) * 4 * 1024 * 1024
  return roundUp(filled + pageTables * 4 + writers + margin, 1024 * 1024)
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit
}

/** The measurements, in the order of the designs. */
export function combine(designs: readonly DesignName[], rwsems: RwsemChoice): DesignAndRwsem[] {
  const formsOf = (design: DesignName): readonly RwsemName[] => {
    if (rwsems !== 'year') return rwsems
    if (design !== CLASSIC) return [rwsemOfYear(design)]
    const others = designs.filter((other) => other !== CLASSIC)
    return others.length === 0 ? [rwsemOfYear(design)] : [...new Set(others.map(rwsemOfYear))]
  }
  return designs.flatMap((design) => formsOf(design).map((rwsem) => ({ design, rwsem })))
}

/** For an unknown name, any: the machine refuses it. */
function rwsemOfYear(design: DesignName): RwsemName {
  return allDesigns.find(({ description }) => description.name === design)?.description.rwsem ?? 'spinning'
}
