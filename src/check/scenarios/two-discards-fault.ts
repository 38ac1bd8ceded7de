// The same with a fault in the VMA that both zap: the sequence count seems to say that nobody is at work (race R9).

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'two calls of madvise(MADV_DONTNEED) and a fault in one VMA',
  setup: (cpu) => {
    cpu.mapPages(firstPage, 4)
    cpu.store(firstPage, 6)
    cpu.store(warmPage, 7)
  },
  threads: [
    [(cpu) => cpu.discard(firstPage, 1)],
    [(cpu) => cpu.discard(warmPage, 1)],
    [(cpu) => cpu.store(firstPage, 42)],
  ],
  pages: [firstPage, warmPage],
})
