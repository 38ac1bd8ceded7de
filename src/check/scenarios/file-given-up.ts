// The last mapping of a file on disk goes, and another CPU finds the file and gives it up again before the first has
// said that it is dead.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'a file that is given up, found and given up again',
  setup: (cpu) => {
    cpu.fillDisk(1, 5)
    cpu.mapPages(warmPage, 1)
    cpu.store(warmPage, 8)
    cpu.mapDisk(firstPage, 1, 'r')
  },
  threads: [[(cpu) => cpu.unmap(firstPage, 1)], [(cpu) => cpu.openAndClose()]],
  pages: [warmPage],
})
