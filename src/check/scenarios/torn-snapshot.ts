// A fault behind whose page a read-only VMA begins, which then becomes writable and takes the page in: flags and
// borders that were never true together refuse the access (race R34).

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'a fault, and a VMA whose flags change before its borders do',
  setup: (cpu) => {
    cpu.mapPages(warmPage, 1)
    cpu.store(warmPage, 7)
    cpu.protect(warmPage, 1, 'r')
  },
  threads: [
    [(cpu) => cpu.store(firstPage, 42)],
    [(cpu) => cpu.protect(warmPage, 1, 'rw'), (cpu) => cpu.mapPages(firstPage, 1)],
  ],
  pages: [firstPage, warmPage],
})
