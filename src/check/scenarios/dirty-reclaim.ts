// Reclaim of a dirty page of a file, and a CPU that writes to it meanwhile: what is written is on disk, or the page
// dirty.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'reclaim of a dirty page of a file and writes to it',
  setup: (cpu) => {
    cpu.fillDisk(2, 5)
    cpu.mapDisk(firstPage, 2)
    cpu.add(firstPage, 1)
    cpu.load(warmPage)
  },
  threads: [[(cpu) => cpu.pageOut(firstPage), (cpu) => cpu.shrink()], [(cpu) => cpu.add(firstPage, 1)]],
  pages: [firstPage, warmPage],
})
