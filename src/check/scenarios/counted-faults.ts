// A fault and an mmap elsewhere: the fault is one, however often it is tried (race R36).

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'a fault that is counted, and mmap elsewhere',
  setup: (cpu) => {
    cpu.mapPages(firstPage, 2)
    cpu.store(warmPage, 7)
  },
  threads: [
    [(cpu) => cpu.store(firstPage, 42), (cpu) => cpu.pageFaults()],
    [(cpu) => cpu.mapPages(firstPage + 8, 1)],
  ],
  pages: [firstPage, warmPage],
})
