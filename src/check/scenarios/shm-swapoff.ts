// A fault on a page of shared memory that is in the swap area, and swapoff: it is not told that the page cannot be
// read.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'a fault on a page of shared memory and swapoff',
  setup: (cpu) => {
    cpu.startSwap(1)
    cpu.mapFile(firstPage, 2, 'rw', true)
    cpu.add(firstPage, 7)
    cpu.load(warmPage)
    cpu.pageOut(firstPage)
  },
  threads: [[(cpu) => cpu.load(firstPage)], [(cpu) => cpu.stopSwap()]],
  pages: [firstPage, warmPage],
})
