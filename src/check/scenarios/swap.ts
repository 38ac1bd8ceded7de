// The swap area.

import type { Operation } from '../kernel-scenario.ts'
import type { ScenarioCpu } from '../scenario-cpu/index.ts'
import { firstPage, warmPage } from './pages.ts'
import { kernelScenarios } from './table.ts'

/** Three pages in use, all of which can leave. */
function usedUp(cpu: ScenarioCpu): void {
  cpu.startSwap(4)
  cpu.mapPages(firstPage, 8)
  for (let page = firstPage; page < firstPage + 3; page++) cpu.store(page, 7)
  cpu.protect(firstPage, 3, 'rw')
}

/** The same where the CPUs free some when fewer than two are left. */
function balanced(cpu: ScenarioCpu, all: readonly ScenarioCpu[]): void {
  usedUp(cpu)
  for (const each of all) each.setWatermarks(2, 3)
}

/** Each CPU needs a frame. */
const twoNewPages: readonly (readonly Operation[])[] = [
  [(cpu) => cpu.add(firstPage + 4, 1)],
  [(cpu) => cpu.add(firstPage + 5, 1)],
]

export default kernelScenarios({
  // A fault on a page in the swap area, and reclaim of other pages: the fault finds the page in the swap cache, or
  // reads it.
  'swap-fault': {
    setup: (cpu) => {
      cpu.startSwap(2)
      cpu.mapPages(firstPage, 4)
      cpu.store(firstPage, 7)
      cpu.store(warmPage, 8)
    },
    threads: [
      [(cpu) => cpu.add(firstPage, 1), (cpu) => cpu.add(firstPage, 1)],
      [(cpu) => cpu.pageOut(firstPage)],
    ],
  },
  // Two faults on one page in the swap area.
  'swap-two-faults': {
    setup: (cpu) => {
      cpu.startSwap(2)
      cpu.mapPages(firstPage, 4)
      cpu.store(firstPage, 7)
      cpu.store(warmPage, 8)
      cpu.pageOut(firstPage)
    },
    threads: [[(cpu) => cpu.add(firstPage, 1)], [(cpu) => cpu.add(firstPage, 1)]],
  },
  // Reclaim of a page, a CPU that still writes by its old translation, and a third whose write takes a copy of the
  // page out of the swap cache: the copy must not be made before the old translations are gone.
  'swap-stale-write': {
    setup: (cpu) => {
      cpu.startSwap(2)
      cpu.mapPages(firstPage, 4)
      cpu.store(warmPage, 8)
      cpu.store(firstPage, 7)
    },
    threads: [
      [(cpu) => cpu.add(firstPage, 1)],
      [(cpu) => cpu.add(firstPage, 1, 1)],
      [(cpu) => cpu.pageOut(firstPage)],
    ],
  },
  // Reclaim of a page, munmap of it, and a fault of the mapping's other page.
  'swap-munmap': {
    setup: (cpu) => {
      cpu.startSwap(2)
      cpu.mapPages(firstPage, 4)
      cpu.store(firstPage, 7)
      cpu.store(warmPage, 8)
    },
    threads: [[(cpu) => cpu.pageOut(firstPage)], [(cpu) => cpu.unmap(firstPage, 1)]],
  },
  // A fault on a page in the swap area, and mprotect of it.
  'swap-protect': {
    setup: (cpu) => {
      cpu.startSwap(2)
      cpu.mapPages(firstPage, 4)
      cpu.store(firstPage, 7)
      cpu.store(warmPage, 8)
      cpu.pageOut(firstPage)
    },
    threads: [
      [(cpu) => cpu.add(firstPage, 1)],
      [(cpu) => cpu.protect(firstPage, 1, 'r'), (cpu) => cpu.load(firstPage)],
    ],
  },
  // A fault on a page in the swap area, and mremap of it: the slot moves, or the page.
  'swap-move': {
    setup: (cpu) => {
      cpu.startSwap(2)
      cpu.mapPages(firstPage, 4)
      cpu.store(firstPage, 7)
      cpu.store(warmPage, 8)
      cpu.pageOut(firstPage)
    },
    threads: [
      [(cpu) => cpu.add(firstPage, 1)],
      [(cpu) => cpu.move(firstPage, 1, firstPage + 8), (cpu) => cpu.load(firstPage + 8)],
    ],
    pages: [firstPage, warmPage, firstPage + 8],
  },
  // A fault that waits for a page to be read from the swap area, and munmap that removes its mapping and its page table
  // (with interrupts, so that the table is free at once: a fault that sleeps does not hold it).
  'swap-in-munmap': {
    setup: (cpu) => {
      cpu.startSwap(1)
      cpu.mapPages(firstPage, 1)
      cpu.store(firstPage, 7)
      cpu.pageOut(firstPage)
    },
    threads: [[(cpu) => cpu.add(firstPage, 1)], [(cpu) => cpu.unmap(firstPage, 1)]],
    pages: [firstPage],
    config: { MMU_GATHER_RCU_TABLE_FREE: false },
  },
  // Two address spaces share a page, in the swap cache since before the fork and not on disk, and write to it: neither
  // sees the other's write, and both see the old contents.
  'swap-fork': {
    setup: (cpu, all) => {
      cpu.startSwap(2)
      cpu.mapPages(firstPage, 4)
      cpu.store(firstPage, 7)
      cpu.store(warmPage, 8)
      cpu.failNext(0, 9)
      cpu.pageOut(firstPage)
      cpu.failNext(0, 0)
      return [cpu, cpu.forkFor(all[1]!)]
    },
    threads: [
      [(cpu) => cpu.add(firstPage, 1), (cpu) => cpu.load(firstPage)],
      [(cpu) => cpu.add(firstPage, 10), (cpu) => cpu.load(firstPage)],
    ],
  },
  // Reclaim of a page and fork: the child has it, or its slot.
  'swap-in-fork': {
    setup: (cpu) => {
      cpu.startSwap(2)
      cpu.mapPages(firstPage, 4)
      cpu.store(firstPage, 7)
      cpu.store(warmPage, 8)
    },
    threads: [[(cpu) => cpu.pageOut(firstPage)], [(cpu) => cpu.fork(firstPage, warmPage)]],
  },
  // Two CPUs that both want to evict one page, and an access to it.
  'swap-two-reclaimers': {
    setup: (cpu) => {
      cpu.startSwap(2)
      cpu.mapPages(firstPage, 4)
      cpu.store(firstPage, 7)
      cpu.store(warmPage, 8)
    },
    threads: [
      [(cpu) => cpu.pageOut(firstPage), (cpu) => cpu.load(firstPage)],
      [(cpu) => cpu.pageOut(firstPage), (cpu) => cpu.shrink()],
    ],
  },
  // A fault on a page in the swap area, and another CPU that discards it and evicts another page, which gets its slot:
  // a late fault must not map a page that now belongs to another address.
  'swap-dontneed': {
    setup: (cpu) => {
      cpu.startSwap(1)
      cpu.mapPages(firstPage, 4)
      cpu.store(firstPage, 7)
      cpu.store(warmPage, 8)
      cpu.pageOut(firstPage)
    },
    threads: [
      [(cpu) => cpu.load(firstPage)],
      [(cpu) => cpu.discard(firstPage, 1), (cpu) => cpu.pageOut(warmPage)],
    ],
  },
  // A fault that finds a page in the swap cache, and another CPU that discards that page and evicts another, which gets
  // the slot and is in the cache too: a late fault must not map a page that now belongs to another address.
  'swap-late-fault': {
    setup: (cpu) => {
      cpu.startSwap(1)
      cpu.mapPages(firstPage, 4)
      cpu.store(firstPage, 7)
      cpu.store(warmPage, 8)
      // What cannot be written stays in the cache.
      cpu.failNext(0, 99)
      cpu.pageOut(firstPage)
    },
    threads: [
      [(cpu) => cpu.load(firstPage)],
      [(cpu) => cpu.discard(firstPage, 1), (cpu) => cpu.pageOut(warmPage)],
    ],
  },
  // A fault on a page in the swap area, and swapoff, which brings it in too.
  'swapoff-fault': {
    setup: (cpu) => {
      cpu.startSwap(1)
      cpu.mapPages(firstPage, 4)
      cpu.store(firstPage, 7)
      cpu.store(warmPage, 8)
      cpu.pageOut(firstPage)
    },
    threads: [[(cpu) => cpu.add(firstPage, 1)], [(cpu) => cpu.stopSwap()]],
  },
  // A fault on a page of shared memory in the swap area, and another CPU that brings it in, writes to it, and evicts it
  // again, to the same slot: what the first has read meanwhile is stale.
  'shm-swap': {
    setup: (cpu) => {
      cpu.startSwap(1)
      cpu.mapFile(firstPage, 2, 'rw', true)
      cpu.add(firstPage, 7)
      cpu.load(warmPage)
      cpu.pageOut(firstPage)
    },
    threads: [
      [(cpu) => cpu.add(firstPage, 0)],
      [(cpu) => cpu.add(firstPage, 1), (cpu) => cpu.pageOut(firstPage)],
    ],
  },
  // A fault on a page of shared memory in the swap area, and swapoff: the fault gets no read error.
  'shm-swapoff': {
    setup: (cpu) => {
      cpu.startSwap(1)
      cpu.mapFile(firstPage, 2, 'rw', true)
      cpu.add(firstPage, 7)
      cpu.load(warmPage)
      cpu.pageOut(firstPage)
    },
    threads: [[(cpu) => cpu.load(firstPage)], [(cpu) => cpu.stopSwap()]],
  },
  // Two CPUs that need a frame when all are in use and one can be evicted: neither gets an out-of-memory error while
  // the other is writing a page out.
  'memory-exhausted': { setup: usedUp, threads: twoNewPages, frames: 4, pages: [] },
  // The same with a CPU that frees frames before they run out: the other uses what is left, or waits for it.
  'memory-balanced': { setup: balanced, threads: twoNewPages, frames: 6, pages: [] },
  // The same with nothing left to use.
  'memory-balanced-exhausted': { setup: balanced, threads: twoNewPages, frames: 4, pages: [] },
})
