// Pinned pages, and calls that remove pages, copy them or write them out.

import type { ScenarioCpu } from '../scenario-cpu/index.ts'
import { firstPage, warmPage } from './pages.ts'
import { kernelScenarios } from './table.ts'

/** Pins a page, adds to it through the pin and as the program does, and lets it go. */
const pinned = [
  (cpu: ScenarioCpu) => cpu.pin(firstPage, 1, 'rw'),
  (cpu: ScenarioCpu) => cpu.addPinned(1),
  (cpu: ScenarioCpu) => cpu.unpin(),
]

export default kernelScenarios({
  // A page is unmapped, and its frame would be the next to be allocated: it stays until it is unpinned.
  'pin-munmap': {
    setup: (cpu, all) => {
      cpu.mapPages(firstPage, 2)
      all[1]!.store(firstPage, 7)
    },
    threads: [
      pinned,
      [(cpu) => cpu.unmap(firstPage, 1), (cpu) => cpu.mapPages(firstPage, 1), (cpu) => cpu.add(firstPage, 9)],
    ],
    pages: [firstPage],
  },
  // A page that is discarded, and another that takes its place: what is written through the pin goes to one of them.
  'pin-dontneed': {
    setup: (cpu, all) => {
      cpu.mapPages(firstPage, 2)
      all[1]!.store(firstPage, 7)
    },
    threads: [pinned, [(cpu) => cpu.discard(firstPage, 1), (cpu) => cpu.add(firstPage, 9)]],
    pages: [firstPage],
  },
  // fork of a pinned page: the child has its contents of one moment, and nothing that is written later.
  'pin-fork': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 2)
      cpu.store(firstPage, 7)
    },
    threads: [
      [
        (cpu) => cpu.pin(firstPage, 1, 'rw'),
        (cpu) => cpu.addPinned(1),
        (cpu) => cpu.addPinnedMapped(firstPage, 1),
        (cpu) => cpu.unpin(),
      ],
      [
        (cpu) => cpu.forkOwn(),
        (cpu) => cpu.child.load(firstPage),
        (cpu) => cpu.child.load(firstPage),
        (cpu) => cpu.child.exit(),
      ],
    ],
    pages: [firstPage],
  },
  // A page that a child shares, pinned for reading while both write to it: the pin shows the writes of its own side.
  'pin-shared': {
    setup: (cpu, all) => {
      cpu.mapPages(firstPage, 2)
      cpu.store(firstPage, 7)
      return [cpu, cpu.forkFor(all[1]!)]
    },
    threads: [
      [
        (cpu) => cpu.pin(firstPage, 1, 'r'),
        (cpu) => cpu.add(firstPage, 1),
        (cpu) => cpu.addPinnedMapped(firstPage, 0),
        (cpu) => cpu.unpin(),
      ],
      [(cpu) => cpu.add(firstPage, 10), (cpu) => cpu.exit()],
    ],
    pages: [firstPage],
  },
  // The zero page, pinned for reading, and two writes: the pin is on the page that is written.
  'pin-zero-page': {
    setup: (cpu, all) => {
      cpu.mapPages(firstPage, 2)
      cpu.store(warmPage, 7)
      for (const each of all) each.load(firstPage)
    },
    threads: [
      [(cpu) => cpu.pin(firstPage, 1, 'r'), (cpu) => cpu.addPinnedMapped(firstPage, 0), (cpu) => cpu.unpin()],
      [(cpu) => cpu.add(firstPage, 1), (cpu) => cpu.add(firstPage, 1)],
    ],
    pages: [firstPage],
  },
  // mprotect removes the write permission of a pinned page and restores it: the next write must not copy.
  'pin-mprotect': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 2)
      cpu.store(firstPage, 7)
    },
    threads: [
      [
        (cpu) => cpu.pin(firstPage, 1, 'rw'),
        (cpu) => cpu.add(firstPage, 1),
        (cpu) => cpu.addPinnedMapped(firstPage, 1),
        (cpu) => cpu.unpin(),
      ],
      [(cpu) => cpu.protect(firstPage, 1, 'r'), (cpu) => cpu.protect(firstPage, 1, 'rw')],
    ],
    pages: [firstPage],
  },
  // Reclaim leaves a pinned page: a copy in the swap area would lack later writes.
  'pin-reclaim': {
    setup: (cpu) => {
      cpu.startSwap(2)
      cpu.mapPages(firstPage, 2)
      cpu.store(firstPage, 7)
    },
    threads: [pinned, [(cpu) => cpu.pageOut(firstPage), (cpu) => cpu.add(firstPage, 1)]],
    pages: [firstPage],
  },
  // MADV_FREE of a page before it is pinned and again after, and reclaim: what is written through the pin is not
  // discarded.
  'pin-freed': {
    setup: (cpu) => {
      cpu.startSwap(2)
      cpu.mapPages(firstPage, 2)
      cpu.store(firstPage, 7)
    },
    threads: [
      [
        (cpu) => cpu.advise(firstPage, 1, 'free'),
        (cpu) => cpu.pin(firstPage, 1, 'rw'),
        (cpu) => cpu.advise(firstPage, 1, 'free'),
        (cpu) => cpu.addPinned(1),
        (cpu) => cpu.unpin(),
      ],
      [(cpu) => cpu.pageOut(firstPage)],
    ],
    pages: [firstPage],
  },
  // A pinned page that mremap moves: the program finds at the new address what is written through the pin.
  'pin-move': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 2)
      cpu.store(firstPage, 7)
    },
    threads: [pinned, [(cpu) => cpu.move(firstPage, 1, firstPage + 8), (cpu) => cpu.add(firstPage + 8, 10)]],
    pages: [firstPage, firstPage + 8],
  },
  // msync writes out what is written so far, and later writes make the page dirty again.
  'pin-sync': {
    setup: (cpu) => {
      cpu.fillDisk(1, 5)
      cpu.mapDisk(firstPage, 1)
      cpu.store(firstPage, 6)
    },
    threads: [pinned, [(cpu) => cpu.sync(firstPage, 1)]],
    pages: [firstPage],
  },
  // A thread that has pinned a page of a file truncates the file: this must not wait for the pin.
  'pin-truncate': {
    setup: (cpu) => {
      cpu.fillDisk(1, 5)
      cpu.mapDisk(firstPage, 1)
      cpu.keepFile(firstPage)
      cpu.store(firstPage, 6)
    },
    threads: [
      [
        (cpu) => cpu.pin(firstPage, 1, 'rw'),
        (cpu) => cpu.truncate(0),
        (cpu) => cpu.addPinned(1),
        (cpu) => cpu.unpin(),
      ],
      [(cpu) => cpu.load(firstPage)],
    ],
    pages: [firstPage],
  },
  // Pages that move to other frames while a program writes to one of them: no write is lost.
  'collapse-write': {
    setup: (cpu, all) => {
      cpu.mapPages(firstPage, 2)
      cpu.store(warmPage, 8)
      all[1]!.store(firstPage, 7)
    },
    threads: [
      [(cpu) => cpu.collapse(firstPage, 2)],
      [(cpu) => cpu.add(firstPage, 1), (cpu) => cpu.add(firstPage, 1)],
    ],
  },
  // The same with a CPU that unmaps one of the pages.
  'collapse-munmap': {
    setup: (cpu, all) => {
      cpu.mapPages(firstPage, 2)
      cpu.store(warmPage, 8)
      all[1]!.store(firstPage, 7)
    },
    threads: [[(cpu) => cpu.collapse(firstPage, 2)], [(cpu) => cpu.unmap(firstPage, 1)]],
  },
  // The same with pages that a child shares, which writes to one of them and exits.
  'collapse-shared': {
    setup: (cpu, all) => {
      cpu.mapPages(firstPage, 2)
      cpu.store(firstPage, 7)
      cpu.store(warmPage, 8)
      return [cpu, cpu.forkFor(all[1]!)]
    },
    threads: [
      [(cpu) => cpu.collapse(firstPage, 2, 'r'), (cpu) => cpu.add(firstPage, 1)],
      [(cpu) => cpu.add(firstPage, 10), (cpu) => cpu.load(warmPage), (cpu) => cpu.exit()],
    ],
  },
  // The same with a page that reclaim evicts, and that is then brought in again.
  'collapse-reclaim': {
    setup: (cpu, all) => {
      cpu.startSwap(2)
      cpu.mapPages(firstPage, 2)
      cpu.store(warmPage, 8)
      all[1]!.store(firstPage, 7)
    },
    threads: [
      [
        (cpu) => {
          // That it is refused while reclaim is at work on the page, no sequential order tells.
          cpu.collapse(firstPage, 2)
          return 'moved or not'
        },
      ],
      [(cpu) => cpu.pageOut(firstPage), (cpu) => cpu.add(firstPage, 1)],
    ],
  },
  // fork of a page that is unpinned when its copy is about to be made, and that reclaim has evicted by then.
  'unpin-fork': {
    setup: (cpu) => {
      cpu.startSwap(2)
      cpu.mapPages(firstPage, 2)
      cpu.store(firstPage, 7)
    },
    threads: [
      [(cpu) => cpu.pin(firstPage, 1, 'rw'), (cpu) => cpu.unpin(), (cpu) => cpu.pageOut(firstPage)],
      [(cpu) => cpu.fork(firstPage)],
    ],
    pages: [firstPage],
  },
  // The same with an observer that writes to one of the pages.
  'collapse-observed': {
    setup: (cpu, all) => {
      cpu.mapPages(firstPage, 2)
      cpu.store(warmPage, 8)
      all[1]!.store(firstPage, 7)
      cpu.register()
      all[1]!.observe(firstPage)
    },
    threads: [
      [(cpu) => cpu.collapse(firstPage, 2), (cpu) => cpu.load(firstPage)],
      [(cpu) => cpu.storeObserved(firstPage, 9, 1), (cpu) => cpu.observe(firstPage, 1)],
    ],
  },
  // A thread that has one of the pages pinned keeps it in its frame.
  'collapse-pinned': {
    setup: (cpu, all) => {
      cpu.mapPages(firstPage, 2)
      cpu.store(warmPage, 8)
      all[1]!.store(firstPage, 7)
    },
    threads: [
      [
        (cpu) => {
          // That it is refused while the other has it, no sequential order tells.
          cpu.collapse(firstPage, 2)
          return 'moved or not'
        },
      ],
      pinned,
    ],
  },
})
