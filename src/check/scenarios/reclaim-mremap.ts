// Reclaim of a page at its old place beside mremap of it: what moves may be the entry of a page whose translation is
// still to be flushed.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'reclaim of a page, mremap of it, a write at the new place, and an access to the old one',
  setup: (cpu, all) => {
    cpu.startSwap(2)
    cpu.mapPages(firstPage, 2)
    cpu.store(warmPage, 8)
    all[2]!.store(firstPage, 7)
  },
  threads: [
    [(cpu) => cpu.pageOut(firstPage)],
    [(cpu) => cpu.move(firstPage, 1, firstPage + 8), (cpu) => cpu.add(firstPage + 8, 1)],
    [(cpu) => cpu.add(firstPage, 1)],
  ],
  pages: [firstPage, warmPage, firstPage + 8],
})
