// A fault on a page that is in the swap area, and reclaim of what else it may find: the fault finds the page in the
// swap cache, or reads it.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'an access to a page and reclaim of it',
  setup: (cpu) => {
    cpu.startSwap(2)
    cpu.mapPages(firstPage, 4)
    cpu.store(firstPage, 7)
    cpu.store(warmPage, 8)
  },
  threads: [
    [(cpu) => cpu.add(firstPage, 1), (cpu) => cpu.add(firstPage, 1)],
    [(cpu) => cpu.pageOut(firstPage)],
  ],
  pages: [firstPage, warmPage],
})
