// A page that madvise(MADV_FREE) has given up long ago is taken away by reclaim, and a store brings in another. A CPU
// that has seen a later store must not read the old page by a translation that is still there.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'reclaim of a page that was given up, a store there, and a load by who has heard of it',
  setup: (cpu, all) => {
    cpu.startSwap(2)
    cpu.mapPages(firstPage, 2)
    cpu.store(warmPage, 8)
    cpu.store(firstPage, 7)
    cpu.advise(firstPage, 1, 'free')
    all[2]!.add(warmPage, 0)
    all[2]!.load(firstPage)
  },
  threads: [
    [(cpu) => cpu.pageOut(firstPage)],
    [(cpu) => cpu.store(firstPage, 9), (cpu) => cpu.add(warmPage, 1)],
    [(cpu) => (cpu.add(warmPage, 0) === 8 ? 'too early' : cpu.load(firstPage))],
  ],
  pages: [firstPage, warmPage],
})
