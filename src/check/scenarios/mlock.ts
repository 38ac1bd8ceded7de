// mlock and munlock.

import { firstPage, warmPage } from './pages.ts'
import { kernelScenarios } from './table.ts'

export default kernelScenarios({
  // A write fault, and mlock of its page: the installed page is marked locked, like its mapping. mlock brings the page
  // in itself, so that there are two faults for it.
  'fault-mlock': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 2)
      cpu.store(warmPage, 7)
    },
    threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.lock(firstPage, 2)]],
  },
  // A write fault in memory that locks pages on fault, and munlock of its page: the installed page is not marked locked
  // when its mapping is not.
  'fault-munlock': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 2)
      cpu.store(warmPage, 7)
      cpu.lock(firstPage, 2, true)
    },
    threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.unlock(firstPage, 2)]],
  },
  // A page is present, clean and not locked: a write, by which hardware makes it dirty, while mlock marks it.
  'access-mlock': {
    setup: (cpu) => {
      cpu.mapFile(firstPage, 2, 'rw', true)
      cpu.load(firstPage)
      cpu.store(warmPage, 7)
    },
    threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.lock(firstPage, 2)]],
  },
  // Reclaim of a page, and mlock of it: when mlock has returned, the page is in memory and stays there.
  'reclaim-mlock': {
    setup: (cpu, all) => {
      cpu.startSwap(2)
      cpu.mapPages(firstPage, 2)
      cpu.store(warmPage, 8)
      all[1]!.store(firstPage, 7)
    },
    threads: [
      [(cpu) => cpu.pageOut(firstPage)],
      [(cpu) => cpu.lock(firstPage, 1), (cpu) => cpu.isMapped(firstPage), (cpu) => cpu.add(firstPage, 1)],
    ],
  },
})
