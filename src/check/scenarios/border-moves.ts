// A fault in the first page of a VMA, and mprotect that makes this page part of the VMA in front: only borders move.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage } from './pages.ts'

export default kernelScenario({
  title: 'a fault in a page that becomes part of the neighbouring VMA',
  setup: (cpu) => {
    cpu.mapPages(firstPage, 4)
    cpu.store(firstPage + 3, 7)
    cpu.protect(firstPage, 2, 'r')
  },
  threads: [[(cpu) => cpu.store(firstPage + 2, 42)], [(cpu) => cpu.protect(firstPage + 2, 1, 'r')]],
  pages: [firstPage + 2, firstPage + 3],
})
