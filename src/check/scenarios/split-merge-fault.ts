// mprotect splits a VMA and merges it again, beside a fault in it.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'VMA split and merge beside a fault',
  setup: (cpu) => {
    cpu.mapPages(firstPage, 4)
    cpu.store(warmPage, 7)
  },
  threads: [
    [(cpu) => cpu.store(firstPage + 2, 42)],
    [(cpu) => cpu.protect(warmPage, 1, 'r'), (cpu) => cpu.protect(warmPage, 1, 'rw')],
  ],
  pages: [firstPage, warmPage, firstPage + 2],
})
