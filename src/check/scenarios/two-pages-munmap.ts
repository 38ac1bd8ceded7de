// An access to two pages, the second of which is unmapped: two faults, and a signal between them perhaps.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'a run over two pages and munmap of the second',
  setup: (cpu) => {
    cpu.mapPages(firstPage, 4)
    cpu.store(warmPage + 1, 7)
  },
  threads: [
    [(cpu) => cpu.store(firstPage, 42), (cpu) => cpu.store(warmPage, 43)],
    [(cpu) => cpu.unmap(warmPage, 1)],
  ],
  pages: [firstPage, warmPage],
})
