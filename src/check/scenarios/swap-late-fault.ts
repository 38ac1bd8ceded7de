// A fault that finds a page in the swap cache, and another CPU that discards that page and has another one leave,
// which gets the slot, and is in the cache too: a late fault must not map what belongs to somebody else by now.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'a fault on a page in the swap cache, discarded, and its slot used again',
  setup: (cpu) => {
    cpu.startSwap(1)
    cpu.mapPages(firstPage, 4)
    cpu.store(firstPage, 7)
    cpu.store(warmPage, 8)
    // What cannot be written stays in the cache.
    cpu.failNext(0, 99)
    cpu.pageOut(firstPage)
  },
  threads: [
    [(cpu) => cpu.load(firstPage)],
    [(cpu) => cpu.discard(firstPage, 1), (cpu) => cpu.pageOut(warmPage)],
  ],
  pages: [firstPage, warmPage],
})
