// Two MADV_DONTNEED of one VMA at once: both hold the mmap lock for reading only (race R9).

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'two calls of madvise(MADV_DONTNEED) in one VMA',
  setup: (cpu) => {
    cpu.mapPages(firstPage, 4)
    cpu.store(firstPage, 6)
    cpu.store(warmPage, 7)
  },
  threads: [[(cpu) => cpu.discard(firstPage, 1)], [(cpu) => cpu.discard(warmPage, 1)]],
  pages: [firstPage, warmPage],
})
