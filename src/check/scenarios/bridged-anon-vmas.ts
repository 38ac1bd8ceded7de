// Two mappings with pages of their own, and one that comes between them and joins one of the two: they have different
// anon_vmas, to which their pages refer, so that all three must not become one.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage } from './pages.ts'

export default kernelScenario({
  title: 'mmap between two mappings, and a store to one of them',
  setup: (cpu) => {
    cpu.mapPages(firstPage, 1)
    cpu.mapPages(firstPage + 2, 2)
    cpu.store(firstPage, 7)
    cpu.store(firstPage + 2, 8)
  },
  threads: [
    [(cpu) => cpu.mapPages(firstPage + 1, 1), (cpu) => cpu.store(firstPage + 1, 9)],
    [(cpu) => cpu.store(firstPage + 3, 42)],
  ],
  pages: [firstPage, firstPage + 1, firstPage + 2, firstPage + 3],
})
