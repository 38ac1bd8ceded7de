// Two CPUs that both want one page to leave memory, and an access to it.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'two CPUs that reclaim one page',
  setup: (cpu) => {
    cpu.startSwap(2)
    cpu.mapPages(firstPage, 4)
    cpu.store(firstPage, 7)
    cpu.store(warmPage, 8)
  },
  threads: [
    [(cpu) => cpu.pageOut(firstPage), (cpu) => cpu.load(firstPage)],
    [(cpu) => cpu.pageOut(firstPage), (cpu) => cpu.shrink()],
  ],
  pages: [firstPage, warmPage],
})
