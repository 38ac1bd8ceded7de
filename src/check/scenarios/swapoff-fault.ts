// A fault on a page in the swap area, and swapoff, which brings it in too.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'a fault on a page in the swap area and swapoff',
  setup: (cpu) => {
    cpu.startSwap(1)
    cpu.mapPages(firstPage, 4)
    cpu.store(firstPage, 7)
    cpu.store(warmPage, 8)
    cpu.pageOut(firstPage)
  },
  threads: [[(cpu) => cpu.add(firstPage, 1)], [(cpu) => cpu.stopSwap()]],
  pages: [firstPage, warmPage],
})
