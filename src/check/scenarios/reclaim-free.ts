// Reclaim takes a page out; madvise(MADV_FREE) finds an entry of the swap area and drops it. What the program then
// stores must stay: it must not go to the old page by a translation that is still there.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'reclaim of a page, madvise(MADV_FREE) of it, and a store after it by the same CPU',
  setup: (cpu, all) => {
    cpu.startSwap(2)
    cpu.mapPages(firstPage, 4)
    cpu.store(warmPage, 8)
    all[1]!.store(firstPage, 7)
  },
  threads: [
    [(cpu) => cpu.pageOut(firstPage)],
    [
      (cpu) => cpu.advise(firstPage, 1, 'free'),
      (cpu) => cpu.store(firstPage, 9),
      (cpu) => cpu.load(firstPage),
    ],
  ],
  pages: [firstPage, warmPage],
})
