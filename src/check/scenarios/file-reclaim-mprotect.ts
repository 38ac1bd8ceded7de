// Reclaim of a page of a file on disk beside mprotect: as reclaim-mprotect, of an entry that becomes empty.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'reclaim of a page of a file, mprotect of it, and a write by an old translation',
  setup: (cpu, all) => {
    cpu.fillDisk(2, 5)
    cpu.mapDisk(firstPage, 2)
    all[2]!.store(firstPage, 7)
  },
  threads: [
    [(cpu) => cpu.pageOut(firstPage)],
    [(cpu) => cpu.protect(firstPage, 1, 'r')],
    [(cpu) => cpu.add(firstPage, 1)],
  ],
  pages: [firstPage, warmPage],
})
