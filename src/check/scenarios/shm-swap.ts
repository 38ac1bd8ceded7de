// A fault on a page of shared memory that is in the swap area, and another CPU that brings it in, writes to it, and has
// it leave again, to the same slot: what the first has read meanwhile is not the page any more.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'a page of shared memory that comes in and leaves again, and a fault',
  setup: (cpu) => {
    cpu.startSwap(1)
    cpu.mapFile(firstPage, 2, 'rw', true)
    cpu.add(firstPage, 7)
    cpu.load(warmPage)
    cpu.pageOut(firstPage)
  },
  threads: [
    [(cpu) => cpu.add(firstPage, 0)],
    [(cpu) => cpu.add(firstPage, 1), (cpu) => cpu.pageOut(firstPage)],
  ],
  pages: [firstPage, warmPage],
})
