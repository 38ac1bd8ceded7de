// What else a fault writes in Linux (kernel/memory/lru.ts): pages in batches, on a list, charged and counted.

import { firstPage, warmPage } from './pages.ts'
import { kernelScenarios } from './table.ts'

/** Two pages go on the list together, so that a fault in two drains a batch. */
const accounting = { lruBatch: 2, chargeBatch: 2, looksFirst: true }

/** Pages of a table of the lowest level. */
const TABLE_PAGES = 512

export default kernelScenarios({
  // Two faults under different page tables: only the lock of the list orders them.
  'lru-fault-fault': {
    accounting: { lruBatch: 1, chargeBatch: 2, looksFirst: true },
    setup: (cpu) => {
      cpu.mapPages(firstPage, 2)
      cpu.mapPages(firstPage + TABLE_PAGES, 2)
      cpu.store(firstPage + 1, 7)
      cpu.store(firstPage + TABLE_PAGES + 1, 8)
    },
    threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.store(firstPage + TABLE_PAGES, 43)]],
    pages: [firstPage, firstPage + TABLE_PAGES],
  },
  // Faults put pages into batches, the batches go on the list, and munmap removes pages from it.
  'lru-fault-munmap': {
    // Each fault takes the lock of the list.
    accounting: { lruBatch: 1, chargeBatch: 2, looksFirst: true },
    setup: (cpu) => {
      cpu.mapPages(firstPage, 3)
      cpu.store(warmPage, 7)
    },
    threads: [
      [(cpu) => cpu.store(firstPage, 42), (cpu) => cpu.store(firstPage + 2, 43)],
      [(cpu) => cpu.unmap(warmPage, 1), (cpu) => cpu.unmap(firstPage, 1)],
    ],
    pages: [firstPage, firstPage + 2],
  },
  // The same page is discarded as soon as it can be found: the batch holds a reference on it by then.
  'lru-fault-discard': {
    accounting,
    setup: (cpu) => {
      cpu.mapPages(firstPage, 2)
      cpu.store(warmPage, 7)
    },
    threads: [
      [(cpu) => cpu.store(firstPage, 42), (cpu) => cpu.load(firstPage)],
      [(cpu) => cpu.discard(firstPage, 2), (cpu) => cpu.add(warmPage, 1)],
    ],
    pages: [firstPage, warmPage],
  },
  // A page that seems shared only because it is in a batch: a write goes to it or to a copy, and nothing is lost.
  'lru-fork-cow': {
    accounting,
    setup: (cpu) => {
      cpu.mapPages(firstPage, 1)
      cpu.store(firstPage, 7)
    },
    threads: [
      [(cpu) => cpu.forkOwn(), (cpu) => cpu.child.load(firstPage), (cpu) => cpu.child.exit()],
      [(cpu) => cpu.add(firstPage, 9), (cpu) => cpu.add(firstPage, 9)],
    ],
    pages: [firstPage],
  },
  // Memory of two nodes: one CPU's node becomes empty, so that its batch has pages of both; and the other takes away
  // pages of both at once.
  'lru-two-nodes': {
    accounting,
    nodes: { count: 2, ofCpu: [0, 1] },
    frames: 8,
    setup: (cpu) => {
      cpu.mapPages(firstPage, 4)
      cpu.mapPages(firstPage + TABLE_PAGES, 2)
      cpu.store(firstPage, 7)
      cpu.store(firstPage + 1, 7)
    },
    threads: [
      [(cpu) => cpu.store(firstPage + 2, 42), (cpu) => cpu.store(firstPage + 3, 43)],
      [(cpu) => cpu.store(firstPage + TABLE_PAGES, 44), (cpu) => cpu.unmap(firstPage + 1, 3)],
    ],
    pages: [firstPage, firstPage + 2, firstPage + 3, firstPage + TABLE_PAGES],
  },
  // A page is pinned that is in this CPU's batch, or in another's.
  'lru-pin': {
    accounting,
    setup: (cpu, all) => {
      cpu.mapPages(firstPage, 2)
      all[1]!.store(firstPage, 7)
    },
    threads: [
      [(cpu) => cpu.pin(firstPage, 1, 'rw'), (cpu) => cpu.addPinned(1), (cpu) => cpu.unpin()],
      [(cpu) => cpu.store(warmPage, 8), (cpu) => cpu.unmap(firstPage, 1)],
    ],
    pages: [warmPage],
  },
})
