// Observers of an address space: MMU notifiers.

import { firstPage, warmPage } from './pages.ts'
import { kernelScenarios } from './table.ts'

const target = firstPage + 8

export default kernelScenarios({
  // A copy on write, and an observer that registers during it: once the program sees the new page, the observer must
  // not see the old one (race R17).
  'observed-copy': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 2)
      cpu.store(warmPage, 7)
      cpu.load(firstPage)
    },
    threads: [
      [(cpu) => cpu.add(firstPage, 42)],
      [
        (cpu) => cpu.register(),
        (cpu) => cpu.observe(firstPage),
        (cpu) => cpu.add(firstPage, 1),
        (cpu) => cpu.observe(firstPage),
      ],
    ],
    pages: [firstPage],
  },
  // An observer of a page, and a copy on write of it that may have to give up because the protection of the page
  // changes: an observer that gets the beginning of an invalidation gets its end (race R18), and sees no removed page.
  'observed-changes': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 2)
      cpu.store(warmPage, 7)
      cpu.load(firstPage)
      cpu.register()
      cpu.observe(firstPage)
    },
    threads: [
      [(cpu) => cpu.add(firstPage, 42)],
      [(cpu) => cpu.protect(firstPage, 2, 'r'), (cpu) => cpu.observe(firstPage)],
    ],
    pages: [firstPage],
  },
  // An observer of a page that is unmapped while the observer reads and writes it: the frame must not be freed under
  // it.
  'observed-unmap': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 1)
      cpu.store(firstPage, 7)
      cpu.register()
    },
    threads: [
      [(cpu) => cpu.observe(firstPage), (cpu) => cpu.storeObserved(firstPage, 9)],
      [(cpu) => cpu.unmap(firstPage, 1)],
    ],
    pages: [firstPage],
  },
  // An observer of a page that is discarded while the observer reads and writes it.
  'observed-discard': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 1)
      cpu.store(firstPage, 7)
      cpu.register()
    },
    threads: [
      [(cpu) => cpu.storeObserved(firstPage, 9), (cpu) => cpu.observe(firstPage)],
      [(cpu) => cpu.discard(firstPage, 1)],
    ],
    pages: [firstPage],
  },
  // An observer of a page that mremap moves, with the old mapping left behind (MREMAP_DONTUNMAP): unmapping it would
  // also notify the observer.
  'observed-move': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 1)
      cpu.store(firstPage, 7)
      cpu.register()
    },
    threads: [
      [(cpu) => cpu.storeObserved(firstPage, 9), (cpu) => cpu.observe(firstPage)],
      [(cpu) => cpu.move(firstPage, 1, target, true)],
    ],
    pages: [firstPage, target],
  },
  // An observer that writes to a page whose protection changes.
  'observed-protect': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 1)
      cpu.store(firstPage, 7)
      cpu.register()
      cpu.storeObserved(firstPage, 8)
    },
    threads: [
      [(cpu) => cpu.storeObserved(firstPage, 9)],
      [(cpu) => cpu.protect(firstPage, 1, 'r'), (cpu) => cpu.storeObserved(firstPage, 10)],
    ],
    pages: [firstPage],
  },
  // An observer that writes to a page while fork shares it with the child: the child must not see later writes.
  'observed-fork': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 1)
      cpu.store(firstPage, 7)
      cpu.register()
      cpu.storeObserved(firstPage, 8)
    },
    threads: [[(cpu) => cpu.storeObserved(firstPage, 9)], [(cpu) => cpu.fork(firstPage)]],
    pages: [firstPage],
  },
  // An observer that unregisters while a call notifies it of an invalidation.
  'observer-leaves': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 1)
      cpu.store(firstPage, 7)
      cpu.register()
    },
    threads: [[(cpu) => cpu.unregister()], [(cpu) => cpu.discard(firstPage, 1)]],
    pages: [firstPage],
  },
  // Reclaim of a page that an observer has, which stores to it, and two CPUs that access it.
  'observed-reclaim': {
    setup: (cpu) => {
      cpu.startSwap(2)
      cpu.mapPages(firstPage, 2)
      cpu.store(warmPage, 8)
      cpu.store(firstPage, 7)
      cpu.register()
      cpu.observe(firstPage)
    },
    threads: [
      [(cpu) => cpu.pageOut(firstPage)],
      [(cpu) => cpu.storeObserved(firstPage, 42), (cpu) => cpu.add(firstPage, 1)],
      [(cpu) => cpu.add(firstPage, 0)],
    ],
  },
})
