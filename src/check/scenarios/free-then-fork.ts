// madvise(MADV_FREE) of a page, a write that cancels it, and a fork in between, beside reclaim.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'madvise(MADV_FREE) and a write, fork, and reclaim',
  setup: (cpu) => {
    cpu.startSwap(2)
    cpu.mapPages(firstPage, 2)
    cpu.store(warmPage, 8)
    cpu.store(firstPage, 7)
  },
  threads: [
    [
      (cpu) => cpu.advise(firstPage, 1, 'free'),
      (cpu) => cpu.add(firstPage, 1),
      (cpu) => cpu.add(firstPage, 0),
    ],
    [(cpu) => cpu.fork()],
    [(cpu) => cpu.pageOut(firstPage)],
  ],
  pages: [firstPage, warmPage],
})
