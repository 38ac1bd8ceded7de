// A fault in a mapping that loses its anon_vma to mremap(MREMAP_DONTUNMAP), and munmap of the neighbour whose anon_vma
// might be shared instead (race R23).

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'a fault where mremap takes the anon_vma away, and munmap of the neighbour',
  setup: (cpu) => {
    cpu.mapPages(firstPage, 1)
    cpu.store(firstPage, 7)
    cpu.mapPages(warmPage, 1, 'rwx')
    cpu.store(warmPage, 8)
  },
  threads: [
    [(cpu) => cpu.store(firstPage, 42)],
    [(cpu) => cpu.move(firstPage, 1, firstPage + 8, true), (cpu) => cpu.unmap(warmPage, 1)],
  ],
  pages: [firstPage, warmPage, firstPage + 8],
})
