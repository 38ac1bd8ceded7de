// Two faults on one page and munmap of it.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'two faults and munmap of their page',
  setup: (cpu) => {
    cpu.mapPages(firstPage, 4)
    cpu.store(warmPage, 7)
  },
  threads: [
    [(cpu) => cpu.store(firstPage, 42, 0)],
    [(cpu) => cpu.store(firstPage, 43, 1)],
    [(cpu) => cpu.unmap(firstPage, 1)],
  ],
  pages: [firstPage, warmPage],
})
