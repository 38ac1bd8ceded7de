// Reclaim takes a page out; mprotect of it then finds nothing that it would have to flush. When it has returned, a
// third CPU must not write by the translation of before (Linux 3ea277194daa, 2017).

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'reclaim of a page, mprotect of it, and a write by an old translation',
  setup: (cpu, all) => {
    cpu.startSwap(2)
    cpu.mapPages(firstPage, 4)
    cpu.store(warmPage, 8)
    all[2]!.store(firstPage, 7)
  },
  threads: [
    [(cpu) => cpu.pageOut(firstPage)],
    [(cpu) => cpu.protect(firstPage, 1, 'r')],
    [(cpu) => cpu.add(firstPage, 1)],
  ],
  pages: [firstPage, warmPage],
})
