// A VMA without an anon_vma takes in a neighbour that has one: it must be locked for writing before it gets it, as a
// fault may be in it (Linux d8ab9f7b644a, 2023).

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'a fault in a mapping that takes in a neighbour, and its anon_vma',
  setup: (cpu) => {
    cpu.mapPages(warmPage, 1)
    cpu.store(warmPage, 7)
    cpu.protect(warmPage, 1, 'r')
    cpu.mapPages(firstPage, 1)
  },
  threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.protect(warmPage, 1, 'rw')]],
  pages: [firstPage, warmPage],
})
