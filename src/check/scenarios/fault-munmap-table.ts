// A fault and munmap of everything that its page table covers: the table is freed under the fault (race R5).

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'a fault and munmap of the whole page table',
  setup: (cpu) => {
    cpu.mapPages(firstPage, 4)
    cpu.store(warmPage, 7)
  },
  threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.unmap(firstPage, 4)]],
  pages: [firstPage, warmPage],
})
