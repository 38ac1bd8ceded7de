// munmap of everything that a page table covers, beside a CPU that keeps coming back: it must not find the table in
// its paging-structure cache once the table is freed.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'accesses before and after munmap of the whole page table',
  config: { MMU_GATHER_RCU_TABLE_FREE: false },
  setup: (cpu, all) => {
    cpu.mapPages(firstPage, 4)
    for (const each of all) each.store(warmPage, 7)
  },
  threads: [[(cpu) => cpu.unmap(firstPage, 4)], [(cpu) => cpu.load(warmPage), (cpu) => cpu.load(firstPage)]],
  pages: [firstPage, warmPage],
})
