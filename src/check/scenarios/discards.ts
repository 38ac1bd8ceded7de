// MADV_DONTNEED and MADV_FREE.

import type { ScenarioCpu } from '../scenario-cpu/index.ts'
import { firstPage, warmPage } from './pages.ts'
import { kernelScenarios } from './table.ts'

const page = 0x1000
/** The first page behind those of one page table. */
const tableEnd = 0x1200

/** A mapping with two pages that are there. */
function twoWritten(cpu: ScenarioCpu): void {
  cpu.mapPages(firstPage, 4)
  cpu.store(firstPage, 6)
  cpu.store(warmPage, 7)
}

export default kernelScenarios({
  // A write to a page that was read-only for a while, so that its entry still is, and MADV_DONTNEED, which frees its
  // frame with the mmap lock held for reading only: the sequence count does not show this.
  'protected-dontneed': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 4)
      cpu.store(firstPage, 7)
      cpu.protect(firstPage, 4, 'r')
      cpu.protect(firstPage, 4, 'rw')
    },
    threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.discard(firstPage, 1)]],
  },
  // MADV_DONTNEED and munmap of one page: the call that removes the entry frees the frame.
  'dontneed-munmap': {
    setup: twoWritten,
    threads: [[(cpu) => cpu.discard(firstPage, 1)], [(cpu) => cpu.unmap(firstPage, 1)]],
  },
  // Two concurrent MADV_DONTNEED of one VMA: both hold the mmap lock for reading only (race R9).
  'two-discards': {
    setup: twoWritten,
    threads: [[(cpu) => cpu.discard(firstPage, 1)], [(cpu) => cpu.discard(warmPage, 1)]],
  },
  // The same with a fault in the VMA that both zap: the sequence count seems to say that there is no writer (race R9).
  'two-discards-fault': {
    setup: twoWritten,
    threads: [
      [(cpu) => cpu.discard(firstPage, 1)],
      [(cpu) => cpu.discard(warmPage, 1)],
      [(cpu) => cpu.store(firstPage, 42)],
    ],
  },
  // Two calls of madvise(MADV_DONTNEED) on one page: after the second has returned, no CPU sees the old page, even if
  // the call found nothing.
  'two-discards-store': {
    setup: (cpu, all) => {
      cpu.mapPages(firstPage, 4)
      cpu.store(warmPage, 8)
      all[1]!.store(firstPage, 7)
    },
    threads: [
      [(cpu) => cpu.discard(firstPage, 1)],
      [(cpu) => cpu.discard(firstPage, 1), (cpu) => cpu.load(firstPage)],
    ],
  },
  // madvise(MADV_DONTNEED) of all that a page table covers, and a store there.
  'discard-table': {
    setup: (cpu) => {
      cpu.mapMany(page, 0x200)
      cpu.store(page, 7)
    },
    threads: [
      [(cpu) => cpu.store(page + 1, 42), (cpu) => cpu.load(page + 1)],
      [(cpu) => cpu.discard(page, 0x200)],
    ],
    pages: [page, page + 1],
  },
  // Reclaim removes a page; madvise(MADV_FREE) finds an entry of the swap area and drops it. A later store of the
  // program must stay: it must not go to the old page by an old translation.
  'reclaim-free': {
    setup: (cpu, all) => {
      cpu.startSwap(2)
      cpu.mapPages(firstPage, 4)
      cpu.store(warmPage, 8)
      all[1]!.store(firstPage, 7)
    },
    threads: [
      [(cpu) => cpu.pageOut(firstPage)],
      [
        (cpu) => cpu.advise(firstPage, 1, 'free'),
        (cpu) => cpu.store(firstPage, 9),
        (cpu) => cpu.load(firstPage),
      ],
    ],
  },
  // madvise(MADV_FREE) of a page that another CPU writes to, and reclaim: a write after MADV_FREE cancels it.
  'free-reclaim': {
    setup: (cpu, all) => {
      cpu.startSwap(2)
      cpu.mapPages(firstPage, 2)
      cpu.store(warmPage, 8)
      all[1]!.store(firstPage, 7)
    },
    threads: [
      [(cpu) => cpu.advise(firstPage, 1, 'free')],
      [(cpu) => cpu.add(firstPage, 1), (cpu) => cpu.add(firstPage, 1)],
      [(cpu) => cpu.pageOut(firstPage)],
    ],
  },
  // Reclaim removes a page after an earlier madvise(MADV_FREE), and a store brings in another. A CPU that has seen a
  // later store must not read the old page by an old translation.
  'freed-page-seen': {
    setup: (cpu, all) => {
      cpu.startSwap(2)
      cpu.mapPages(firstPage, 2)
      cpu.store(warmPage, 8)
      cpu.store(firstPage, 7)
      cpu.advise(firstPage, 1, 'free')
      all[2]!.add(warmPage, 0)
      all[2]!.load(firstPage)
    },
    threads: [
      [(cpu) => cpu.pageOut(firstPage)],
      [(cpu) => cpu.store(firstPage, 9), (cpu) => cpu.add(warmPage, 1)],
      [(cpu) => (cpu.add(warmPage, 0) === 8 ? 'too early' : cpu.load(firstPage))],
    ],
  },
  // A store cancels MADV_FREE by the dirty bit, which the hardware sets while mprotect changes the entry: the bit must
  // not get lost, or reclaim discards the page.
  'freed-page-protect': {
    setup: (cpu) => {
      cpu.startSwap(2)
      cpu.mapPages(firstPage, 2)
      cpu.store(warmPage, 8)
      cpu.store(firstPage, 7)
      cpu.advise(firstPage, 1, 'free')
    },
    threads: [
      // Reclaim passes over a page whose table is locked by a fault just then, so it is asked again after the fault.
      [(cpu) => cpu.store(firstPage, 9), (cpu) => cpu.pageOut(firstPage)],
      [(cpu) => cpu.protect(firstPage, 1, 'r'), (cpu) => cpu.pageOut(firstPage)],
    ],
  },
  // Two calls of madvise(MADV_FREE) on one page: the second finds the dirty bit cleared by the first, which may not
  // have flushed yet. A store after the second call must mark the page dirty, or it is discarded with the page (Linux
  // 99baac21e458, 2017).
  'two-frees': {
    setup: (cpu, all) => {
      cpu.startSwap(2)
      cpu.mapPages(firstPage, 4)
      cpu.store(warmPage, 8)
      all[1]!.store(firstPage, 7)
    },
    threads: [
      [(cpu) => cpu.advise(firstPage, 1, 'free')],
      [
        (cpu) => cpu.advise(firstPage, 1, 'free'),
        (cpu) => cpu.store(firstPage, 9),
        (cpu) => cpu.pageOut(firstPage),
        (cpu) => cpu.load(firstPage),
      ],
    ],
  },
  // madvise(MADV_DONTNEED) removes a page and has not flushed yet; a concurrent MADV_FREE finds no entry. When that has
  // returned, no CPU can use the old translation (Linux 99baac21e458, 2017).
  'discard-free': {
    setup: (cpu, all) => {
      cpu.startSwap(2)
      cpu.mapPages(firstPage, 4)
      cpu.store(warmPage, 8)
      all[1]!.store(firstPage, 7)
    },
    threads: [
      [(cpu) => cpu.discard(firstPage, 1)],
      [
        (cpu) => cpu.advise(firstPage, 1, 'free'),
        (cpu) => cpu.store(firstPage, 9),
        (cpu) => cpu.load(firstPage),
      ],
    ],
  },
  // madvise(MADV_FREE) by a parent of a page that its child has too, which writes to it, and reclaim.
  'free-fork': {
    setup: (cpu, all) => {
      cpu.startSwap(2)
      cpu.mapPages(firstPage, 2)
      cpu.store(warmPage, 8)
      cpu.store(firstPage, 7)
      const child = cpu.forkFor(all[1]!)
      return [cpu, child, all[2]!]
    },
    threads: [
      [(cpu) => cpu.advise(firstPage, 1, 'free')],
      [(cpu) => cpu.add(firstPage, 1), (cpu) => cpu.add(firstPage, 1)],
      [(cpu) => cpu.pageOut(firstPage)],
    ],
  },
  // madvise(MADV_FREE) of a page, a write that cancels it, and a fork in between, with reclaim.
  'free-then-fork': {
    setup: (cpu) => {
      cpu.startSwap(2)
      cpu.mapPages(firstPage, 2)
      cpu.store(warmPage, 8)
      cpu.store(firstPage, 7)
    },
    threads: [
      [
        (cpu) => cpu.advise(firstPage, 1, 'free'),
        (cpu) => cpu.add(firstPage, 1),
        (cpu) => cpu.add(firstPage, 0),
      ],
      [(cpu) => cpu.fork()],
      [(cpu) => cpu.pageOut(firstPage)],
    ],
  },
  // MADV_DONTNEED of the pages of one VMA, which some designs do under the lock of the VMA alone, and munmap of all
  // that their page table covers: the table must not be freed during the zap.
  'discard-munmap-table': {
    setup: twoWritten,
    threads: [[(cpu) => cpu.discard(firstPage, 2)], [(cpu) => cpu.unmap(firstPage, 4)]],
    config: { MMU_GATHER_RCU_TABLE_FREE: false },
  },
  // MADV_DONTNEED of two VMAs, and munmap of the second with its page table: the lock of the first is not enough.
  'discard-two-vmas': {
    setup: (cpu) => {
      cpu.mapPages(tableEnd - 1, 1, 'rwx')
      cpu.mapPages(tableEnd, 1)
      cpu.store(tableEnd - 1, 6)
      cpu.store(tableEnd, 7)
    },
    threads: [[(cpu) => cpu.discard(tableEnd - 1, 2)], [(cpu) => cpu.unmap(tableEnd, 1)]],
    pages: [tableEnd - 1, tableEnd],
    config: { MMU_GATHER_RCU_TABLE_FREE: false },
  },
  // MADV_DONTNEED of a page that is in no VMA, behind a VMA that munmap removes.
  'discard-gap': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 1)
      cpu.store(firstPage, 6)
    },
    threads: [[(cpu) => cpu.discard(warmPage, 1)], [(cpu) => cpu.unmap(firstPage, 1)]],
  },
  // MADV_DONTNEED and mprotect of an adjacent page, which splits the VMA.
  'discard-protect': {
    setup: twoWritten,
    threads: [[(cpu) => cpu.discard(firstPage, 2)], [(cpu) => cpu.protect(warmPage, 1, 'r')]],
  },
  // MADV_DONTNEED and a fork: the child has the old contents or zeros, like the parent.
  'discard-fork': {
    setup: twoWritten,
    threads: [[(cpu) => cpu.discard(firstPage, 1)], [(cpu) => cpu.fork(firstPage)]],
  },
  // MADV_DONTNEED and mremap of its page: the entry is removed at the old address, or not at all.
  'discard-move': {
    setup: twoWritten,
    threads: [[(cpu) => cpu.discard(firstPage, 1)], [(cpu) => cpu.move(firstPage, 1, firstPage + 8)]],
    pages: [firstPage, firstPage + 8],
  },
  // MADV_DONTNEED and mlock of its page: the page is discarded, or the call is refused.
  'discard-mlock': {
    setup: twoWritten,
    threads: [[(cpu) => cpu.discard(firstPage, 1)], [(cpu) => cpu.lock(firstPage, 1)]],
  },
  // MADV_DONTNEED and reclaim of its page: the frame, or the slot, is freed once.
  'discard-reclaim': {
    setup: (cpu) => {
      cpu.startSwap(2)
      twoWritten(cpu)
    },
    threads: [[(cpu) => cpu.discard(firstPage, 1)], [(cpu) => cpu.pageOut(firstPage)]],
  },
  // MADV_FREE and munmap of all that the page table covers.
  'free-munmap': {
    setup: (cpu) => {
      cpu.startSwap(2)
      twoWritten(cpu)
    },
    threads: [[(cpu) => cpu.advise(firstPage, 2, 'free')], [(cpu) => cpu.unmap(firstPage, 4)]],
    config: { MMU_GATHER_RCU_TABLE_FREE: false },
  },
})
