// munmap of a shared mapping of a file, a CPU that still writes by its old translation, and fsync: what is written
// before the mapping is gone is not lost, though the page was marked clean meanwhile.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'munmap of a dirty page of a file beside fsync and a write',
  setup: (cpu, all) => {
    cpu.fillDisk(2, 5)
    cpu.mapDisk(firstPage, 2)
    cpu.keepFile(firstPage)
    cpu.load(warmPage)
    all[1]!.add(firstPage, 1)
  },
  threads: [[(cpu) => cpu.unmap(firstPage, 1)], [(cpu) => cpu.syncFile(), (cpu) => cpu.add(firstPage, 1)]],
  pages: [firstPage, warmPage],
})
