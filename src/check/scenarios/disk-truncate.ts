// A fault that reads a page of a file on disk, and ftruncate that cuts it off and makes the file longer again: what is
// read then is zeros.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'a fault that reads a page from disk, and truncation',
  setup: (cpu) => {
    cpu.fillDisk(2, 5)
    cpu.mapDisk(firstPage, 2)
    cpu.keepFile(firstPage)
    cpu.load(firstPage)
  },
  threads: [[(cpu) => cpu.add(warmPage, 1)], [(cpu) => cpu.truncate(1), (cpu) => cpu.truncate(2)]],
  pages: [firstPage, warmPage],
})
