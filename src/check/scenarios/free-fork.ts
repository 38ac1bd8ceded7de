// madvise(MADV_FREE) by a parent of a page that its child has too, which writes to it, and reclaim.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'madvise(MADV_FREE) in a parent, whose child writes, and reclaim',
  setup: (cpu, all) => {
    cpu.startSwap(2)
    cpu.mapPages(firstPage, 2)
    cpu.store(warmPage, 8)
    cpu.store(firstPage, 7)
    const child = cpu.forkFor(all[1]!)
    return [cpu, child, all[2]!]
  },
  threads: [
    [(cpu) => cpu.advise(firstPage, 1, 'free')],
    [(cpu) => cpu.add(firstPage, 1), (cpu) => cpu.add(firstPage, 1)],
    [(cpu) => cpu.pageOut(firstPage)],
  ],
  pages: [firstPage, warmPage],
})
