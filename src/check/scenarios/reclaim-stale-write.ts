// Reclaim of a page of a file on disk, and a CPU that writes to it by its old translation after msync has written it.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'reclaim of a page of a file beside msync and a write',
  setup: (cpu, all) => {
    cpu.fillDisk(2, 5)
    cpu.mapDisk(firstPage, 2)
    for (const each of all) each.add(firstPage, 1)
    cpu.load(warmPage)
  },
  threads: [
    [(cpu) => cpu.pageOut(firstPage)],
    [
      (cpu) => cpu.sync(firstPage, 1),
      (cpu) => cpu.add(firstPage, 1),
      (cpu) => cpu.sync(firstPage, 1),
      (cpu) => cpu.onDisk(0),
    ],
  ],
  pages: [firstPage, warmPage],
})
