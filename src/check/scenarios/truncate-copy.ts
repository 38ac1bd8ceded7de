// A private copy of the last page of a file, and ftruncate that cuts it off: the copy goes too, whenever it is made.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'copy on write of a page of a file, and truncation',
  setup: (cpu) => {
    cpu.mapFile(firstPage, 2)
    cpu.keepFile(firstPage)
    cpu.store(firstPage, 7)
  },
  threads: [[(cpu) => cpu.store(warmPage, 42)], [(cpu) => cpu.truncate(1), (cpu) => cpu.load(warmPage)]],
  pages: [firstPage, warmPage],
})
