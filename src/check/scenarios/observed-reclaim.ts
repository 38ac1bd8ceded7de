// Reclaim of a page that an observer has, which stores to it, and two CPUs that access it.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'reclaim of a page, a store to it through an observer, and an access',
  setup: (cpu) => {
    cpu.startSwap(2)
    cpu.mapPages(firstPage, 2)
    cpu.store(warmPage, 8)
    cpu.store(firstPage, 7)
    cpu.register()
    cpu.observe(firstPage)
  },
  threads: [
    [(cpu) => cpu.pageOut(firstPage)],
    [(cpu) => cpu.storeObserved(firstPage, 42), (cpu) => cpu.add(firstPage, 1)],
    [(cpu) => cpu.add(firstPage, 0)],
  ],
  pages: [firstPage, warmPage],
})
