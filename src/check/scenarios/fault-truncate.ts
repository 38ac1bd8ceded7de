// Faults on the last page of a file of memory, and ftruncate that cuts it off: no mapping beyond the end is left.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'two faults on a page of a file, and truncation',
  setup: (cpu) => {
    cpu.mapFile(firstPage, 2, 'rw', true)
    cpu.keepFile(firstPage)
    cpu.store(firstPage, 7)
  },
  threads: [
    [(cpu) => cpu.store(warmPage, 42)],
    [(cpu) => cpu.store(warmPage, 43, 1), (cpu) => cpu.truncate(1)],
  ],
  pages: [firstPage, warmPage],
})
