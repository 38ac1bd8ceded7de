// Copy on write of the zero page, and munmap.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'copy on write of the zero page and munmap',
  setup: (cpu, all) => {
    cpu.mapPages(firstPage, 4)
    cpu.store(warmPage, 7)
    for (const each of all) each.load(firstPage)
  },
  threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.unmap(firstPage, 1)]],
  pages: [firstPage, warmPage],
})
