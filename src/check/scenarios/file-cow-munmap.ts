// Copy on write of a page of a private file mapping, and munmap, with which file and page go away.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'copy on write of a page of a file and munmap',
  setup: (cpu) => {
    cpu.mapFile(firstPage, 1)
    cpu.load(firstPage)
    cpu.mapPages(warmPage, 2)
    cpu.store(warmPage, 8)
  },
  threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.unmap(firstPage, 1)]],
  pages: [firstPage, warmPage],
})
