// A fault and mmap(MAP_FIXED) over its page.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'a fault and mmap(MAP_FIXED) over its page',
  setup: (cpu) => {
    cpu.mapPages(firstPage, 4)
    cpu.store(warmPage, 7)
  },
  threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.mapPages(firstPage, 1, 'r')]],
  pages: [firstPage, warmPage],
})
