// mremap that leaves the old mapping behind (MREMAP_DONTUNMAP), and accesses there: when it has returned, no
// translation may reach the page that has moved.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage } from './pages.ts'

const target = firstPage + 8

export default kernelScenario({
  title: 'accesses to a page that is there and mremap of it, which keeps the mapping',
  setup: (cpu, all) => {
    cpu.mapPages(firstPage, 1)
    for (const each of all) each.store(firstPage, 7)
  },
  threads: [
    [(cpu) => cpu.add(firstPage, 1), (cpu) => cpu.add(firstPage, 1)],
    [(cpu) => cpu.move(firstPage, 1, target, true)],
  ],
  pages: [firstPage, target],
})
