// Two faults on one page, each for a write: one frame is installed, the other is given back.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'two faults on one page',
  setup: (cpu) => {
    cpu.mapPages(firstPage, 4)
    cpu.store(warmPage, 7)
  },
  threads: [[(cpu) => cpu.store(firstPage, 42, 0)], [(cpu) => cpu.store(firstPage, 43, 1)]],
  pages: [firstPage],
})
