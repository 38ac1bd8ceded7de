// A fault whose VMA the cache of its thread remembers, and calls that take that VMA away and put another in its place
// (race R31).

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'a fault through the VMA cache of its thread, and munmap and mmap of its page',
  setup: (cpu, all) => {
    cpu.mapPages(firstPage, 2)
    for (const each of all) each.store(warmPage, 7)
  },
  threads: [
    [(cpu) => cpu.store(firstPage, 42)],
    [(cpu) => cpu.unmap(firstPage, 2), (cpu) => cpu.mapPages(firstPage, 1, 'r')],
  ],
  pages: [firstPage, warmPage],
})
