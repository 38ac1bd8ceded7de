// Two writers: munmap and mmap(MAP_FIXED) of ranges that overlap.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'munmap and mmap(MAP_FIXED) of ranges that overlap',
  setup: (cpu) => {
    cpu.mapPages(firstPage, 4)
    cpu.store(warmPage, 7)
  },
  threads: [[(cpu) => cpu.unmap(firstPage, 2)], [(cpu) => cpu.mapPages(warmPage, 2, 'r')]],
  pages: [firstPage, warmPage],
})
