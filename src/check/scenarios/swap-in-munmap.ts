// A fault that waits for a page to be read from the swap area, and munmap that takes its mapping and its page table
// away (with interrupts, so that the table is free at once: a fault that sleeps does not hold it).

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage } from './pages.ts'

export default kernelScenario({
  title: 'a fault on a page in the swap area, and munmap of all around it',
  setup: (cpu) => {
    cpu.startSwap(1)
    cpu.mapPages(firstPage, 1)
    cpu.store(firstPage, 7)
    cpu.pageOut(firstPage)
  },
  threads: [[(cpu) => cpu.add(firstPage, 1)], [(cpu) => cpu.unmap(firstPage, 1)]],
  pages: [firstPage],
  config: { MMU_GATHER_RCU_TABLE_FREE: false },
})
