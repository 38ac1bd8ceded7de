// mremap of a page, reclaim of it at its new place, and a CPU that still has the translation of the old one
// (CVE-2018-18281).

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'mremap of a page, reclaim of it at the new place, and an access to the old one',
  setup: (cpu, all) => {
    cpu.startSwap(2)
    cpu.mapPages(firstPage, 2)
    cpu.store(warmPage, 8)
    all[2]!.store(firstPage, 7)
  },
  threads: [
    [(cpu) => cpu.move(firstPage, 1, firstPage + 8)],
    [(cpu) => cpu.pageOut(firstPage + 8)],
    [(cpu) => cpu.add(firstPage, 1)],
  ],
  pages: [firstPage, warmPage, firstPage + 8],
})
