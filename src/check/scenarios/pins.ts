// Pinned pages beside calls that take pages away, copy them or write them out.

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
  // A page that is unmapped, and whose frame would be the next to be had: it lives on until it is unpinned.
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
  // A page that is thrown away, and another that takes its place: what is written through the pin goes to one of them.
  'pin-dontneed': {
    setup: (cpu, all) => {
      cpu.mapPages(firstPage, 2)
      all[1]!.store(firstPage, 7)
    },
    threads: [pinned, [(cpu) => cpu.discard(firstPage, 1), (cpu) => cpu.add(firstPage, 9)]],
    pages: [firstPage],
  },
  // fork of a pinned page: the child has it as it was at one moment, and nothing that is written later.
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
  // A page that a child shares, pinned for reading while both write to it: the pin shows what its own side writes.
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
  // The zero page, pinned for reading, and two writes: the pin is of the page that is written.
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
  // mprotect takes the write permission of a pinned page away and gives it back: the write after it must not copy.
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
  // Reclaim leaves a pinned page: what it had written to the swap area would be without what comes after.
  'pin-reclaim': {
    setup: (cpu) => {
      cpu.startSwap(2)
      cpu.mapPages(firstPage, 2)
      cpu.store(firstPage, 7)
    },
    threads: [pinned, [(cpu) => cpu.pageOut(firstPage), (cpu) => cpu.add(firstPage, 1)]],
    pages: [firstPage],
  },
  // A page whose content is given up, before it is pinned and then once more, and reclaim: what is written through the
  // pin is not thrown away.
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
  // A pinned page that mremap moves: the program finds at the new place what is written through the pin.
  'pin-move': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 2)
      cpu.store(firstPage, 7)
    },
    threads: [pinned, [(cpu) => cpu.move(firstPage, 1, firstPage + 8), (cpu) => cpu.add(firstPage + 8, 10)]],
    pages: [firstPage, firstPage + 8],
  },
  // msync writes out what is written so far, and what comes after makes the page dirty once more.
  'pin-sync': {
    setup: (cpu) => {
      cpu.fillDisk(1, 5)
      cpu.mapDisk(firstPage, 1)
      cpu.store(firstPage, 6)
    },
    threads: [pinned, [(cpu) => cpu.sync(firstPage, 1)]],
    pages: [firstPage],
  },
  // Who has a page of a file pinned makes the file shorter: that must not wait for the pin.
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
  // Pages that move to other frames while a program writes to one of them: nothing that it writes is lost.
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
  // The same beside a CPU that unmaps one of the pages.
  'collapse-munmap': {
    setup: (cpu, all) => {
      cpu.mapPages(firstPage, 2)
      cpu.store(warmPage, 8)
      all[1]!.store(firstPage, 7)
    },
    threads: [[(cpu) => cpu.collapse(firstPage, 2)], [(cpu) => cpu.unmap(firstPage, 1)]],
  },
  // The same of pages that a child shares, which writes to one of them and exits.
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
  // The same of a page that reclaim takes out, and that is then brought in again.
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
  // fork of a page that is pinned no more when its copy is about to be made, and that reclaim has taken out by then.
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
  // The same beside an observer that writes to one of the pages.
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
  // Who has one of the pages pinned keeps it where it is.
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
