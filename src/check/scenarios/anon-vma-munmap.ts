// The first write to a mapping, whose anon_vma may be the one of its neighbour, and munmap of the neighbour (race
// R23).

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'the first write to a mapping and munmap of its neighbour',
  setup: (cpu) => {
    cpu.mapPages(firstPage, 1)
    cpu.mapPages(warmPage, 1, 'rwx')
    cpu.store(warmPage, 7)
  },
  threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.unmap(warmPage, 1)]],
  pages: [firstPage, warmPage],
})
