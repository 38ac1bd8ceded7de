// The workloads of `faultline simulate`, by the names that they have in their sources: what is counted, how much memory
// a thread has, and how it is measured. What a thread does is in stepped-machine.ts, and in workloads/loops.ts.

import type { Placement } from './topology.ts'

export interface SimulatedWorkload {
  readonly name: string
  readonly counts: 'pages' | 'map+unmap pairs' | 'calls' | 'malloc+free pairs' | 'operations' | 'records'
  readonly origin: string
  readonly description: string
  /** Pages of each thread here, and in the source: what is cached is scaled with it. */
  readonly pages: number
  readonly sourcePages: number
  /** Frames that each page of a thread takes: none, where all show the page of zeros. */
  readonly framesPerPage: number
  /** Threads beside the counted ones. */
  readonly writers: number
  /** What each thread counts before the window opens, and on average within it. */
  readonly warmUp: number
  readonly measured: number
  readonly placement: Placement
  /** Threads end by themselves: the window must close before the first does. */
  readonly ends: boolean
  /** Its result is what all threads have done, however unevenly: some may have done nothing yet when it is warm. */
  readonly warmsTogether?: boolean
  /** More threads than CPUs: so many for each CPU that is counted, or so many on however many CPUs. Default 1 each. */
  readonly threadsPerCpu?: number
  readonly threads?: number
  /** Threads begin one after the other, and the run is measured from its beginning until all have ended. */
  readonly isWhole?: boolean
}

/** How many threads are counted, on so many CPUs. */
export function threadsOn(cpus: number, workload: SimulatedWorkload): number {
  return workload.threads ?? cpus * (workload.threadsPerCpu ?? 1)
}

const PAGES = 2048
/** 128 MiB, `MEMSIZE` of will-it-scale. */
const WILL_IT_SCALE_PAGES = 32_768

const willItScale = {
  counts: 'pages',
  origin: 'will-it-scale',
  pages: PAGES,
  sourcePages: WILL_IT_SCALE_PAGES,
  framesPerPage: 1,
  writers: 0,
  warmUp: PAGES,
  measured: PAGES,
  // It binds each task to a core.
  placement: 'compact',
  ends: false,
} as const

const calls = { ...willItScale, framesPerPage: 0, warmUp: 16, measured: 64 } as const

const word = { ...calls, counts: 'operations', warmUp: 256, measured: 1024 } as const

const pft = {
  ...willItScale,
  origin: 'pft 0.12 of mmtests',
  // Frames are never used twice, so that what is cached does not matter.
  sourcePages: PAGES,
  warmUp: PAGES / 4,
  measured: PAGES / 2,
  // mmtests does not bind its threads.
  placement: 'spread',
  ends: true,
} as const

const MULTI_FAULT_PAGES = 512

const multiFault = {
  ...willItScale,
  origin: 'K. Hiroyuki, linux-mm',
  pages: MULTI_FAULT_PAGES,
  sourcePages: MULTI_FAULT_PAGES,
  warmUp: MULTI_FAULT_PAGES,
  measured: 4 * MULTI_FAULT_PAGES,
  placement: 'spread',
} as const

const ebizzy = {
  ...willItScale,
  counts: 'records',
  origin: 'ebizzy 0.3',
  pages: 128,
  sourcePages: 128,
  warmUp: 4,
  measured: 32,
  placement: 'spread',
  warmsTogether: true,
  threadsPerCpu: 2,
} as const

function spfTest(mappings: number, pages: number): SimulatedWorkload {
  return {
    ...willItScale,
    name: `spf_test-${mappings}x${pages}`,
    origin: 'spf_test',
    description: `100 threads, each maps ${pages} pages and writes a byte of each, ${mappings} times`,
    // With two of its stack.
    pages: mappings * pages + 2,
    sourcePages: mappings * pages + 2,
    // It makes the others.
    writers: 1,
    warmUp: 0,
    measured: mappings * pages,
    placement: 'spread',
    threads: 100,
    isWhole: true,
  }
}

export const simulatedWorkloads: readonly SimulatedWorkload[] = [
  {
    ...willItScale,
    name: 'page_fault1',
    description: 'map anonymous private memory, write one byte of every page, unmap, repeat',
  },
  {
    ...willItScale,
    name: 'page_fault2',
    description: 'the same of a file that is mapped private: each fault copies a page',
    // That of the file, and the copy.
    framesPerPage: 2,
  },
  {
    ...willItScale,
    name: 'page_fault3',
    description: 'the same of a file that is mapped shared: each fault maps a page that is there',
  },
  {
    ...pft,
    name: 'pft',
    description: 'one mapping for all, each thread writes one byte of every page of its slice',
  },
  {
    ...pft,
    name: 'pft-split',
    description: 'the same with a mapping for each thread',
  },
  {
    ...willItScale,
    name: 'read-fault',
    origin: 'faultline',
    framesPerPage: 0,
    description: 'read one byte of every page (each maps the zero page), MADV_DONTNEED, repeat',
  },
  {
    ...willItScale,
    name: 'fault-beside-writer',
    origin: 'faultline',
    writers: 1,
    description:
      'write one byte of every page, MADV_DONTNEED, repeat, while one more thread maps, populates and unmaps 2 MiB',
  },
  {
    ...calls,
    name: 'mmap1',
    counts: 'map+unmap pairs',
    description: 'map and unmap anonymous memory without touching it',
  },
  {
    ...calls,
    name: 'malloc1',
    counts: 'malloc+free pairs',
    description: 'allocate and free 128 MiB: map, write the first page, unmap',
  },
  {
    ...calls,
    name: 'brk1',
    counts: 'calls',
    warmUp: 32,
    measured: 128,
    description: 'grow and shrink the one heap by a page',
  },
  {
    ...multiFault,
    name: 'multi-fault-all-split',
    description:
      'write one byte of every page of 2 MiB, barrier, MADV_DONTNEED of it; a mapping for each thread',
  },
  {
    ...multiFault,
    name: 'multi-fault-all',
    description: 'the same within one mapping',
  },
  {
    ...multiFault,
    name: 'multi-fault-all-serial',
    description: 'the same, and the first thread alone gives back the pages of all',
  },
  {
    ...multiFault,
    name: 'multi-fault-all-fork',
    description: 'the same as multi-fault-all, and the first thread forks in each round',
  },
  {
    ...ebizzy,
    name: 'ebizzy-mTRp',
    pages: 1,
    sourcePages: 1,
    description: 'map a page, write a byte of it, unmap; two threads for each CPU',
  },
  {
    ...ebizzy,
    name: 'ebizzy-mTt',
    description: 'the same with 512 KiB',
  },
  spfTest(2, 10),
  spfTest(10, 2),
  spfTest(10, 10),
  spfTest(30, 30),
  {
    ...word,
    name: 'fetch-add',
    origin: 'concurrency-hierarchy-bench',
    description: 'add 1 to one word that all threads share',
  },
  {
    ...word,
    name: 'compare-and-swap',
    origin: 'concurrency-hierarchy-bench',
    description: 'the same with a loop of compare-and-swap',
    // Some may lose each time.
    warmsTogether: true,
  },
  {
    ...word,
    name: 'ping-pong',
    origin: 'core-to-core-latency',
    description: 'take turns at changing one word',
  },
]

export function findSimulatedWorkload(name: string): SimulatedWorkload | undefined {
  return simulatedWorkloads.find((workload) => workload.name === name)
}

/** With another number of pages for each thread, and a window that is as many times as long. */
export function withPages(workload: SimulatedWorkload, pages: number): SimulatedWorkload {
  const scale = pages / workload.pages
  return { ...workload, pages, warmUp: workload.warmUp * scale, measured: workload.measured * scale }
}
