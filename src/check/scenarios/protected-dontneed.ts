// A write to a page that was read-only for a while, so that its entry still is, and MADV_DONTNEED, which frees its
// frame with the mmap lock held for reading only: the sequence count does not tell of it.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'a write to a read-only entry and madvise(MADV_DONTNEED) of its page',
  setup: (cpu) => {
    cpu.mapPages(firstPage, 4)
    cpu.store(firstPage, 7)
    cpu.protect(firstPage, 4, 'r')
    cpu.protect(firstPage, 4, 'rw')
  },
  threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.discard(firstPage, 1)]],
  pages: [firstPage, warmPage],
})
