// A fault and munmap of everything that its page table covers, where tables are freed after an interrupt to every CPU.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'a fault and munmap of the whole page table, which is freed after an interrupt',
  config: { MMU_GATHER_RCU_TABLE_FREE: false },
  setup: (cpu) => {
    cpu.mapPages(firstPage, 4)
    cpu.store(warmPage, 7)
  },
  threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.unmap(firstPage, 4)]],
  pages: [firstPage, warmPage],
})
