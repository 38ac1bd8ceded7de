// A fault on a page in the swap area, and another CPU that discards it and has another page leave, which gets its slot:
// a late fault must not map what belongs to somebody else by now.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'a fault on a page in the swap area, discarded, and its slot used again',
  setup: (cpu) => {
    cpu.startSwap(1)
    cpu.mapPages(firstPage, 4)
    cpu.store(firstPage, 7)
    cpu.store(warmPage, 8)
    cpu.pageOut(firstPage)
  },
  threads: [
    [(cpu) => cpu.load(firstPage)],
    [(cpu) => cpu.discard(firstPage, 1), (cpu) => cpu.pageOut(warmPage)],
  ],
  pages: [firstPage, warmPage],
})
