// madvise(MADV_FREE) of a page that another CPU writes to, and reclaim: a write after it cancels it.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'madvise(MADV_FREE), writes by an old translation, and reclaim',
  setup: (cpu, all) => {
    cpu.startSwap(2)
    cpu.mapPages(firstPage, 2)
    cpu.store(warmPage, 8)
    all[1]!.store(firstPage, 7)
  },
  threads: [
    [(cpu) => cpu.advise(firstPage, 1, 'free')],
    [(cpu) => cpu.add(firstPage, 1), (cpu) => cpu.add(firstPage, 1)],
    [(cpu) => cpu.pageOut(firstPage)],
  ],
  pages: [firstPage, warmPage],
})
