// Reclaim of a page beside mlock of it: it is in memory when mlock has returned, and stays there.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'reclaim of a page, and mlock of it',
  setup: (cpu, all) => {
    cpu.startSwap(2)
    cpu.mapPages(firstPage, 2)
    cpu.store(warmPage, 8)
    all[1]!.store(firstPage, 7)
  },
  threads: [
    [(cpu) => cpu.pageOut(firstPage)],
    [(cpu) => cpu.lock(firstPage, 1), (cpu) => cpu.isMapped(firstPage), (cpu) => cpu.add(firstPage, 1)],
  ],
  pages: [firstPage, warmPage],
})
