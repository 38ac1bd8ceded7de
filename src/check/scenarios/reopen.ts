// The last mapping of a file on disk goes, and another CPU maps the file again, writes to it and unmaps it: nothing of
// what was written is lost.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'the burial of a file that is opened again',
  setup: (cpu) => {
    cpu.fillDisk(1, 5)
    cpu.mapPages(warmPage, 1)
    cpu.store(warmPage, 8)
    cpu.mapDisk(firstPage, 1)
    cpu.store(firstPage, 7)
  },
  threads: [
    [(cpu) => cpu.unmap(firstPage, 1)],
    [
      (cpu) => cpu.mapDisk(warmPage + 1, 1),
      (cpu) => cpu.add(warmPage + 1, 1),
      (cpu) => cpu.unmap(warmPage + 1, 1),
      (cpu) => cpu.mapDisk(warmPage + 1, 1),
    ],
  ],
  pages: [warmPage, warmPage + 1],
})
