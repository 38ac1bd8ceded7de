// A fault in a VMA that mprotect merges into its neighbour, and mprotect of all that then is one: the VMA that is gone
// still has its flags, and its count does not move any more.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'a fault in a VMA that is merged away, and mprotect of what it became part of',
  setup: (cpu) => {
    cpu.mapPages(firstPage, 3)
    cpu.store(firstPage, 7)
    cpu.protect(warmPage, 1, 'r')
    cpu.store(firstPage + 2, 8)
    cpu.discard(firstPage + 2, 1)
  },
  threads: [
    [(cpu) => cpu.store(firstPage + 2, 42)],
    [(cpu) => cpu.protect(warmPage, 1, 'rw'), (cpu) => cpu.protect(firstPage, 3, 'r')],
  ],
  pages: [firstPage, firstPage + 2],
})
