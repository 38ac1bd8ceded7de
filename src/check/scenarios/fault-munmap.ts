// A fault and munmap of its page: the page is there before, or the access is a SIGSEGV; the frame must not be lost.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'a fault and munmap of its page',
  setup: (cpu) => {
    cpu.mapPages(firstPage, 4)
    cpu.store(warmPage, 7)
  },
  threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.unmap(firstPage, 1)]],
  pages: [firstPage, warmPage],
})
