// As reclaim-mprotect, with a store to another page after it: who has seen that must not write to the protected page.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'reclaim of a page, mprotect of it, a store, and a write by an old translation',
  setup: (cpu, all) => {
    cpu.startSwap(2)
    cpu.mapPages(firstPage, 4)
    cpu.store(warmPage, 8)
    all[2]!.store(firstPage, 7)
    all[2]!.add(warmPage, 0)
  },
  threads: [
    [(cpu) => cpu.pageOut(firstPage)],
    [(cpu) => cpu.protect(firstPage, 1, 'r'), (cpu) => cpu.add(warmPage, 1)],
    [(cpu) => (cpu.add(warmPage, 0) === 8 ? 'too early' : cpu.add(firstPage, 1))],
  ],
  pages: [firstPage, warmPage],
})
