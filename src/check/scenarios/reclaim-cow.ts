// Copy on write of a page of a file on disk, and reclaim of it: the page must not be freed while it is copied.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'copy on write of a page of a file, and reclaim of it',
  setup: (cpu) => {
    cpu.fillDisk(2, 5)
    cpu.mapDisk(firstPage, 2, 'rw', false)
    cpu.store(warmPage, 8)
    cpu.load(firstPage)
  },
  threads: [[(cpu) => cpu.add(firstPage, 1)], [(cpu) => cpu.pageOut(firstPage)]],
  pages: [firstPage, warmPage],
})
