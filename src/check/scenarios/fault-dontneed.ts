// A write to a page that is there, after a read of it, and MADV_DONTNEED, which holds the mmap lock for reading only.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'a fault and madvise(MADV_DONTNEED) of its page',
  setup: (cpu) => {
    cpu.mapPages(firstPage, 4)
    cpu.store(warmPage, 7)
  },
  threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.discard(firstPage, 2)]],
  pages: [firstPage, warmPage],
})
