// Copy on write of a page of a private file mapping, and MADV_DONTNEED.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'copy on write of a page of a file and madvise(MADV_DONTNEED)',
  setup: (cpu) => {
    cpu.mapFile(firstPage, 2)
    cpu.load(firstPage)
    cpu.store(warmPage, 8)
  },
  threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.discard(firstPage, 1)]],
  pages: [firstPage, warmPage],
})
