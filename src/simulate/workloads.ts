// The workloads of `faultline simulate`, by the names that they have in their sources: what is counted, how much memory
// a thread has, and how it is measured. What a thread does is in stepped-machine.ts, and in workloads/loops.ts.

import type { Placement } from './topology.ts'

export interface SimulatedWorkload {
  readonly name: string
  readonly counts: 'pages' | 'map+unmap pairs' | 'calls' | 'malloc+free pairs' | 'operations'
  readonly origin: string
  readonly description: string
  /** Pages of each thread here, and in the source: what is cached is scaled with it. */
  readonly pages: number
  readonly sourcePages: number
  /** Each page that a thread touches takes a frame. */
  readonly fillsMemory: boolean
  /** Threads beside the counted ones. */
  readonly writers: number
  /** What each thread counts before the window opens, and on average within it. */
  readonly warmUp: number
  readonly measured: number
  readonly placement: Placement
  /** Threads end by themselves: the window must close before the first does. */
  readonly ends: boolean
}

const PAGES = 2048
/** 128 MiB, `MEMSIZE` of will-it-scale. */
const WILL_IT_SCALE_PAGES = 32_768

const willItScale = {
  counts: 'pages',
  origin: 'will-it-scale',
  pages: PAGES,
  sourcePages: WILL_IT_SCALE_PAGES,
  fillsMemory: true,
  writers: 0,
  warmUp: PAGES,
  measured: PAGES,
  // It binds each task to a core.
  placement: 'compact',
  ends: false,
} as const

const calls = { ...willItScale, fillsMemory: false, warmUp: 16, measured: 64 } as const

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
    fillsMemory: false,
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
