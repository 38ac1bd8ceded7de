// The first two faults of an address space: both make page tables and an anon_vma, and one is too late with each.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'the first two faults of an address space',
  setup: (cpu) => {
    cpu.mapPages(firstPage, 4)
  },
  threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.store(warmPage, 43)]],
  pages: [firstPage, warmPage],
})
