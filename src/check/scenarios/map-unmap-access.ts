// stress-ng's vma in the small: who maps, who unmaps and who accesses the same two pages. The pages are unmapped in the
// order of their addresses, and the accesses go against it: two pages do not go at once, here as in Linux.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'mmap, munmap and accesses to two pages',
  setup: (cpu) => {
    cpu.mapPages(firstPage, 4)
    cpu.store(warmPage, 7)
  },
  threads: [
    [(cpu) => cpu.mapPages(firstPage, 1)],
    [(cpu) => cpu.unmap(firstPage, 2)],
    [(cpu) => cpu.load(warmPage), (cpu) => cpu.store(firstPage, 42)],
  ],
  pages: [firstPage, warmPage],
})
