// munmap of a page of a file, whose mapping is no longer known while the TLBs are flushed, and ftruncate, which waits
// until nobody refers to the page.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'munmap of a page of a file, and truncation',
  setup: (cpu) => {
    cpu.mapFile(firstPage, 2, 'rw', true)
    cpu.keepFile(firstPage)
    cpu.store(firstPage, 7)
    cpu.store(warmPage, 8)
  },
  threads: [[(cpu) => cpu.unmap(firstPage, 2)], [(cpu) => cpu.truncate(1)]],
  pages: [firstPage, warmPage],
})
