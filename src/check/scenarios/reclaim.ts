// Reclaim, and calls that change or copy the pages that it removes.

import type { ScenarioCpu } from '../scenario-cpu/index.ts'
import { firstPage, warmPage } from './pages.ts'
import { kernelScenarios } from './table.ts'

/** A page of anonymous memory, to which the third CPU has a translation. */
function writtenByThird(cpu: ScenarioCpu, all: readonly ScenarioCpu[]): void {
  cpu.startSwap(3)
  cpu.mapPages(firstPage, 4)
  cpu.store(warmPage, 8)
  all[2]!.store(firstPage, 7)
}

/** A page that an address space and its fork, the second CPU's, have in common. */
function twoCopies(cpu: ScenarioCpu, all: readonly ScenarioCpu[]): ScenarioCpu[] {
  cpu.startSwap(2)
  cpu.mapPages(firstPage, 2)
  cpu.store(firstPage, 7)
  cpu.store(warmPage, 8)
  return [cpu, cpu.forkFor(all[1]!)]
}

export default kernelScenarios({
  // Reclaim removes a page; mprotect of it then finds nothing to flush. When it has returned, a third CPU must not
  // write by the old translation (Linux 3ea277194daa, 2017).
  'reclaim-mprotect': {
    setup: writtenByThird,
    threads: [
      [(cpu) => cpu.pageOut(firstPage)],
      [(cpu) => cpu.protect(firstPage, 1, 'r')],
      [(cpu) => cpu.add(firstPage, 1)],
    ],
  },
  // The same of a page of shared memory.
  'reclaim-shared-mprotect': {
    setup: (cpu, all) => {
      cpu.startSwap(3)
      cpu.mapFile(firstPage, 2, 'rw', true)
      cpu.store(warmPage, 8)
      all[2]!.store(firstPage, 7)
    },
    threads: [
      [(cpu) => cpu.pageOut(firstPage)],
      [(cpu) => cpu.protect(firstPage, 1, 'r')],
      [(cpu) => cpu.add(firstPage, 1)],
    ],
  },
  // Reclaim evicts a page, MADV_POPULATE_WRITE brings it back, and a CPU adds to a word of it: no addition is lost.
  'reclaim-populate': {
    setup: writtenByThird,
    threads: [
      [(cpu) => cpu.pageOut(firstPage)],
      [(cpu) => cpu.advise(firstPage, 1, 'populate-write')],
      [(cpu) => cpu.add(firstPage, 1), (cpu) => cpu.add(firstPage, 1)],
    ],
  },
  // The same with MADV_WILLNEED, which reads it into the cache of the swap area.
  'reclaim-willneed': {
    setup: writtenByThird,
    threads: [
      [(cpu) => cpu.pageOut(firstPage)],
      [(cpu) => cpu.advise(firstPage, 1, 'willneed')],
      [(cpu) => cpu.add(firstPage, 1), (cpu) => cpu.add(firstPage, 1)],
    ],
  },
  // mremap moves an entry that reclaim has just removed, or its page, and leaves the mapping (DONTUNMAP): a CPU that
  // adds by the old translation is in time, so that the new place has the sum, or adds to a page of zeros.
  'reclaim-dontunmap': {
    setup: writtenByThird,
    threads: [
      [(cpu) => cpu.pageOut(firstPage)],
      [(cpu) => cpu.move(firstPage, 1, firstPage + 8, true), (cpu) => cpu.add(firstPage + 8, 0)],
      [(cpu) => cpu.add(firstPage, 1)],
    ],
    pages: [firstPage, firstPage + 8],
  },
  // A file is truncated while reclaim evicts its page: a CPU that adds by the old translation is in time, or gets a
  // signal.
  'reclaim-truncate': {
    setup: (cpu, all) => {
      cpu.fillDisk(2, 5)
      cpu.mapDisk(firstPage, 2)
      cpu.keepFile(firstPage)
      all[2]!.store(firstPage, 7)
    },
    threads: [
      [(cpu) => cpu.pageOut(firstPage)],
      [(cpu) => cpu.truncate(0)],
      [(cpu) => cpu.add(firstPage, 1)],
    ],
  },
  // As reclaim-mprotect, with a store to another page after it: a CPU that has seen this store must not write to the
  // protected page.
  'reclaim-mprotect-store': {
    setup: (cpu, all) => {
      cpu.startSwap(2)
      cpu.mapPages(firstPage, 4)
      cpu.store(warmPage, 8)
      all[2]!.store(firstPage, 7)
      all[2]!.add(warmPage, 0)
    },
    threads: [
      [(cpu) => cpu.pageOut(firstPage)],
      [(cpu) => cpu.protect(firstPage, 1, 'r'), (cpu) => cpu.add(warmPage, 1)],
      [(cpu) => (cpu.add(warmPage, 0) === 8 ? 'too early' : cpu.add(firstPage, 1))],
    ],
  },
  // Reclaim of a page of a file on disk, and mprotect: as reclaim-mprotect, with an entry that becomes empty.
  'file-reclaim-mprotect': {
    setup: (cpu, all) => {
      cpu.fillDisk(2, 5)
      cpu.mapDisk(firstPage, 2)
      all[2]!.store(firstPage, 7)
    },
    threads: [
      [(cpu) => cpu.pageOut(firstPage)],
      [(cpu) => cpu.protect(firstPage, 1, 'r')],
      [(cpu) => cpu.add(firstPage, 1)],
    ],
  },
  // Reclaim of a page of a file on disk, fsync by another CPU, which has checked the entries already, and a third that
  // writes by its old translation: its write must not count as written back.
  'reclaim-sync-write': {
    setup: (cpu) => {
      cpu.fillDisk(1, 5)
      cpu.mapDisk(firstPage, 1)
      cpu.load(firstPage)
    },
    threads: [
      [(cpu) => cpu.pageOut(firstPage)],
      [(cpu) => cpu.sync(firstPage, 1)],
      [(cpu) => cpu.add(firstPage, 1), (cpu) => cpu.add(firstPage, 1)],
    ],
    pages: [firstPage],
  },
  // Copy on write of a page of a file on disk, and reclaim of it: the page must not be freed while it is copied.
  'reclaim-cow': {
    setup: (cpu) => {
      cpu.fillDisk(2, 5)
      cpu.mapDisk(firstPage, 2, 'rw', false)
      cpu.store(warmPage, 8)
      cpu.load(firstPage)
    },
    threads: [[(cpu) => cpu.add(firstPage, 1)], [(cpu) => cpu.pageOut(firstPage)]],
  },
  // Two copies of an address space are compared while a page of one is evicted and comes back: it counts as unchanged.
  'changed-reclaim': {
    setup: twoCopies,
    threads: [
      [(cpu) => cpu.pageOut(firstPage), (cpu) => cpu.load(firstPage)],
      [(cpu) => cpu.isChanged(firstPage)],
    ],
    pages: [],
  },
  // The same while the page is written: it counts as changed, or not yet.
  'changed-write': {
    setup: twoCopies,
    threads: [[(cpu) => cpu.add(firstPage, 1)], [(cpu) => cpu.isChanged(firstPage)]],
    pages: [],
  },
})
