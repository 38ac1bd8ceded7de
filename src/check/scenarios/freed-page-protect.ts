// A store cancels MADV_FREE by the dirty bit, which the hardware sets while mprotect changes the entry: it must not get
// lost, or reclaim throws the page away.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'a store to a page that was given up, mprotect of it, and reclaim',
  setup: (cpu) => {
    cpu.startSwap(2)
    cpu.mapPages(firstPage, 2)
    cpu.store(warmPage, 8)
    cpu.store(firstPage, 7)
    cpu.advise(firstPage, 1, 'free')
  },
  threads: [
    // Reclaim passes over a page whose table is locked by a fault just then, so it is asked again after the fault.
    [(cpu) => cpu.store(firstPage, 9), (cpu) => cpu.pageOut(firstPage)],
    [(cpu) => cpu.protect(firstPage, 1, 'r'), (cpu) => cpu.pageOut(firstPage)],
  ],
  pages: [firstPage, warmPage],
})
