// Two faults on one page that is in the swap area.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'two faults on a page in the swap area',
  setup: (cpu) => {
    cpu.startSwap(2)
    cpu.mapPages(firstPage, 4)
    cpu.store(firstPage, 7)
    cpu.store(warmPage, 8)
    cpu.pageOut(firstPage)
  },
  threads: [[(cpu) => cpu.add(firstPage, 1)], [(cpu) => cpu.add(firstPage, 1)]],
  pages: [firstPage, warmPage],
})
