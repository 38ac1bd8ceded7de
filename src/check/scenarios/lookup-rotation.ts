// A fault while the tree of VMAs is rotated: the lookup without the lock may miss a VMA that is there, which must not
// be taken for a SIGSEGV (race R33).

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage } from './pages.ts'

export default kernelScenario({
  title: 'a fault while the tree of VMAs is rotated',
  setup: (cpu) => {
    for (const place of [0, 2, 4]) cpu.mapPages(firstPage + place, 1)
    cpu.store(firstPage + 2, 7)
  },
  threads: [
    [(cpu) => cpu.store(firstPage, 42)],
    [(cpu) => cpu.mapPages(firstPage + 6, 1), (cpu) => cpu.mapPages(firstPage + 8, 1)],
  ],
  pages: [firstPage, firstPage + 6],
})
