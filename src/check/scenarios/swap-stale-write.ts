// Reclaim of a page, a CPU that still writes by its old translation, and a third whose write takes a copy of the page
// out of the swap cache: the copy must not be made before the old translations are gone.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'reclaim of a page, a write by an old translation, and a write fault',
  setup: (cpu) => {
    cpu.startSwap(2)
    cpu.mapPages(firstPage, 4)
    cpu.store(warmPage, 8)
    cpu.store(firstPage, 7)
  },
  threads: [
    [(cpu) => cpu.add(firstPage, 1)],
    [(cpu) => cpu.add(firstPage, 1, 1)],
    [(cpu) => cpu.pageOut(firstPage)],
  ],
  pages: [firstPage, warmPage],
})
