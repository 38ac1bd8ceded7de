// A write, and mprotect of the whole VMA: no border moves, so that a design which announces only those says nothing.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'a fault and mprotect of its whole VMA',
  setup: (cpu) => {
    cpu.mapPages(firstPage, 2)
    cpu.store(warmPage, 7)
  },
  threads: [
    [(cpu) => cpu.store(firstPage, 42)],
    [(cpu) => cpu.protect(firstPage, 2, 'r'), (cpu) => cpu.store(firstPage, 43)],
  ],
  pages: [firstPage, warmPage],
})
