// Two calls of madvise(MADV_FREE) on one page: the second finds the dirty bit cleared by the first, which need not have
// flushed yet. What is stored after the second has returned must mark the page dirty, or it is thrown away with it
// (Linux 99baac21e458, 2017).

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'two calls of madvise(MADV_FREE), a store after one, and reclaim',
  setup: (cpu, all) => {
    cpu.startSwap(2)
    cpu.mapPages(firstPage, 4)
    cpu.store(warmPage, 8)
    all[1]!.store(firstPage, 7)
  },
  threads: [
    [(cpu) => cpu.advise(firstPage, 1, 'free')],
    [
      (cpu) => cpu.advise(firstPage, 1, 'free'),
      (cpu) => cpu.store(firstPage, 9),
      (cpu) => cpu.pageOut(firstPage),
      (cpu) => cpu.load(firstPage),
    ],
  ],
  pages: [firstPage, warmPage],
})
