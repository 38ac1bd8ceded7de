// MADV_DONTNEED and munmap of one page: who takes the entry out frees the frame.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'madvise(MADV_DONTNEED) and munmap of one page',
  setup: (cpu) => {
    cpu.mapPages(firstPage, 4)
    cpu.store(firstPage, 6)
    cpu.store(warmPage, 7)
  },
  threads: [[(cpu) => cpu.discard(firstPage, 1)], [(cpu) => cpu.unmap(firstPage, 1)]],
  pages: [firstPage, warmPage],
})
