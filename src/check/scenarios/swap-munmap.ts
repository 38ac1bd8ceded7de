// Reclaim of a page, munmap of it, and a fault of the mapping's other page.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'reclaim of a page and munmap of it',
  setup: (cpu) => {
    cpu.startSwap(2)
    cpu.mapPages(firstPage, 4)
    cpu.store(firstPage, 7)
    cpu.store(warmPage, 8)
  },
  threads: [[(cpu) => cpu.pageOut(firstPage)], [(cpu) => cpu.unmap(firstPage, 1)]],
  pages: [firstPage, warmPage],
})
