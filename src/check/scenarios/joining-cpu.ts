// A CPU joins the address space and faults, while the only one that was there unmaps: it may still believe that it is
// alone (race R30).

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'a CPU that joins and faults, and munmap by the one that was alone',
  setup: (cpu, all) => {
    cpu.mapPages(firstPage, 4)
    cpu.store(warmPage, 7)
    all[1]!.leave()
  },
  threads: [
    [(cpu) => cpu.unmap(firstPage, 1), (cpu) => cpu.mapPages(firstPage, 1, 'r')],
    [(cpu) => cpu.join(), (cpu) => cpu.store(firstPage, 42)],
  ],
  pages: [firstPage, warmPage],
})
