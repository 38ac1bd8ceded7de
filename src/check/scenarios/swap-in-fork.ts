// Reclaim of a page and fork: the child has it, or its slot.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'reclaim of a page and fork',
  setup: (cpu) => {
    cpu.startSwap(2)
    cpu.mapPages(firstPage, 4)
    cpu.store(firstPage, 7)
    cpu.store(warmPage, 8)
  },
  threads: [[(cpu) => cpu.pageOut(firstPage)], [(cpu) => cpu.fork(firstPage, warmPage)]],
  pages: [firstPage, warmPage],
})
