// Reclaim of a page of a file on disk, fsync by another CPU, which has looked at the entries already, and a third that
// writes by its old translation: what it writes must not be taken for written back.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage } from './pages.ts'

export default kernelScenario({
  title: 'reclaim of a page of a file, fsync, and writes by an old translation',
  setup: (cpu) => {
    cpu.fillDisk(1, 5)
    cpu.mapDisk(firstPage, 1)
    cpu.load(firstPage)
  },
  threads: [
    [(cpu) => cpu.pageOut(firstPage)],
    [(cpu) => cpu.sync(firstPage, 1)],
    [(cpu) => cpu.add(firstPage, 1), (cpu) => cpu.add(firstPage, 1)],
  ],
  pages: [firstPage],
})
