// Two address spaces that have a page in common, in the swap cache since before the fork and not on disk, and write to
// it: none sees what the other has written, and both what was there.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'write faults of two address spaces on a page in the swap area',
  setup: (cpu, all) => {
    cpu.startSwap(2)
    cpu.mapPages(firstPage, 4)
    cpu.store(firstPage, 7)
    cpu.store(warmPage, 8)
    cpu.failNext(0, 9)
    cpu.pageOut(firstPage)
    cpu.failNext(0, 0)
    return [cpu, cpu.forkFor(all[1]!)]
  },
  threads: [
    [(cpu) => cpu.add(firstPage, 1), (cpu) => cpu.load(firstPage)],
    [(cpu) => cpu.add(firstPage, 10), (cpu) => cpu.load(firstPage)],
  ],
  pages: [firstPage, warmPage],
})
