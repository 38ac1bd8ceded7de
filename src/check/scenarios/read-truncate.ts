// read() of a page and ftruncate that cuts it off: the page or nothing, and an end to both.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage } from './pages.ts'

export default kernelScenario({
  title: 'reading a page of a file, and truncation',
  setup: (cpu) => {
    cpu.fillDisk(2, 5)
    cpu.mapDisk(firstPage, 2)
    cpu.keepFile(firstPage)
  },
  threads: [[(cpu) => cpu.readFile(1)], [(cpu) => cpu.truncate(1)]],
  pages: [firstPage, firstPage + 1],
})
